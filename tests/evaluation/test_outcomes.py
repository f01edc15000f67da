"""Shares of outcomes against what is known of multinomial counts."""

import numpy as np
import pytest
import torch
from scipy import stats

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.evaluation.evaluate import evaluate_samples
from veridical.evaluation.outcomes import count_outcomes, kl_to_law, measure_outcomes
from veridical.targets.categorical import zipf, zipf_bits
from veridical.verdict import NO_FAULT

N = 10_000


def test_kl_is_that_of_scipy() -> None:
    counts, law = np.array([5, 0, 3, 2]), np.array([0.4, 0.1, 0.3, 0.2])
    assert kl_to_law(counts, law) == pytest.approx(stats.entropy(counts / 10, law))


@pytest.mark.parametrize("law", [zipf(), zipf_bits()], ids=repr)
def test_the_law_itself_is_as_good_as_perfect(law) -> None:  # type: ignore[no-untyped-def]
    # False alarms: 5 % in each of two tests; a fixed seed, so a fact.
    modes, kl = measure_outcomes(law.sample(N, torch.Generator().manual_seed(2), torch.float32), law)
    assert modes.value == 32 and modes.reference == pytest.approx(32) and modes.verdict in NO_FAULT
    assert kl.verdict in NO_FAULT and kl.detail["off_the_levels"] == 0
    assert kl.reference == pytest.approx(31 / (2 * N), rel=0.05)  # Miller's bias


def test_a_wrong_law_is_found_out() -> None:
    law = zipf()
    even = torch.arange(32 * 300)[:, None].float() % 32
    modes, kl = measure_outcomes(even, law)
    expected = float((1 / 32 * (1 / 32 / law.probabilities).log()).sum())
    assert kl.value == pytest.approx(expected) and kl.verdict == "short of perfect"
    modes, kl = measure_outcomes(torch.zeros(N, 1), law)
    assert modes.value == 1 and modes.verdict == "short of perfect"
    assert kl.value == pytest.approx(-float(law.probabilities[0].log()))


def test_what_lies_between_levels_is_rounded_and_said() -> None:
    law = zipf_bits()
    x = law.sample(N, torch.Generator().manual_seed(2), torch.float32)
    noisy = x + 0.2 * (torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) - 0.5)
    assert (count_outcomes(noisy, law) == count_outcomes(x, law)).all()
    assert measure_outcomes(noisy, law)[1].detail["off_the_levels"] == 1
    with pytest.raises(ValueError, match="expects"):
        measure_outcomes(x[:, :2], law)


@pytest.mark.parametrize("source", ["categorical", "categorical-bits"])
def test_data_of_the_law_are_measured_by_their_outcomes(source: str) -> None:
    train, test = (load(DataConfig(source=source), split) for split in ("train", "test"))
    law = train.target
    x = train.batch(torch.arange(1000)).x
    assert train.space == test.space and train.space.levels == law.levels  # type: ignore[union-attr]
    assert (len(train), len(test)) == (100_000, 25_000)
    everything = train.batch(torch.arange(len(train))).x
    assert float(everything.mean()) == pytest.approx(train.space.mean, abs=0.02 * train.space.std)
    assert float(everything.std()) == pytest.approx(train.space.std, rel=0.02)
    found = evaluate_samples(x, train, test)
    assert {"cross_entropy", "modes", "mode_kl"} <= {m.name for m in found.measurements}
    assert "counted" in found.skipped["fid"]
