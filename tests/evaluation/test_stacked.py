import math

import numpy as np
import pytest
import torch
from scipy import stats

from veridical.data.dataset import ArrayData
from veridical.data.stacked import mode_of
from veridical.evaluation.evaluate import evaluate_samples
from veridical.evaluation.extractors import digits
from veridical.evaluation.stacked import (
    count_modes,
    digit_shares,
    expected_kl,
    expected_modes,
    kl_to_uniform,
    law_of,
    measure_stacks,
)
from veridical.targets.stacked import StackedDigits
from veridical.verdict import NO_FAULT

MNIST = np.array([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]) / 60_000
UNIFORM = np.full(10, 0.1)
N = 26_000


def strokes(digit: int) -> torch.Tensor:
    """Draw a one (a vertical bar) or a zero (a ring), which need no data to be drawn."""
    row, column = torch.meshgrid(torch.arange(28.0) - 13.5, torch.arange(28.0) - 13.5, indexing="ij")
    ink = (column.abs() < 1.6) & (row.abs() < 9.5) if digit else ((row / 9) ** 2 + (column / 6.5) ** 2 - 1).abs() < 0.32
    return ink.float() * 2 - 1


def stacks(rows: list[tuple[int, int, int]]) -> torch.Tensor:
    return torch.stack([torch.stack([strokes(digit) for digit in row]) for row in rows])


def data(n: int = 64, labels: bool = True) -> ArrayData:
    """Stacks of zeros and ones with the law of stacks."""
    triples = torch.randint(0, 2, (n, 3), generator=torch.Generator().manual_seed(0))
    x = ((stacks([tuple(t) for t in triples.tolist()]) + 1) * 127.5).to(torch.uint8)  # type: ignore[misc]
    law = StackedDigits(x.flatten(0, 1), triples.flatten())
    return ArrayData(x, mode_of(triples) if labels else None, name="ones and zeros", target=law)


class TestReferences:
    def test_floor_is_the_published_one(self) -> None:
        """The figures at 26,000 samples that an independent computation gave: 0.02362 and 0.01934."""
        assert expected_kl(N, law_of(MNIST)) == pytest.approx(0.02362, abs=5e-6)
        assert expected_kl(N, law_of(UNIFORM)) == pytest.approx(0.01934, abs=5e-6)
        assert expected_modes(N, law_of(MNIST)) == pytest.approx(1000, abs=5e-3)

    @pytest.mark.parametrize("n", [1, 7, 300])
    def test_floor_is_the_binomial_sum(self, n: int) -> None:
        law, j = np.array([0.5, 0.2, 0.2, 0.1]), np.arange(1, n + 1)
        expected = sum(float((stats.binom.pmf(j, n, p) * j / n * np.log(4 * j / n)).sum()) for p in law)
        assert expected_kl(n, law) == pytest.approx(expected, rel=1e-10)

    def test_floor_is_what_samples_of_the_law_score(self) -> None:
        """Mean of 200 draws; false alarm 1e-4 at 3.9 standard errors."""
        law = law_of(MNIST)
        kl = kl_to_uniform(np.random.default_rng(0).multinomial(5_000, law, 200))
        assert abs(kl.mean() - expected_kl(5_000, law)) < 3.9 * kl.std() / math.sqrt(200)

    def test_floor_is_the_kl_of_the_law_and_half_a_count_per_mode(self) -> None:
        law, n = law_of(MNIST), 1_000_000
        assert expected_kl(n, law) == pytest.approx(float(law @ np.log(1000 * law)) + 999 / (2 * n), abs=1e-6)

    def test_few_samples_reach_few_modes(self) -> None:
        assert expected_modes(1, law_of(UNIFORM)) == pytest.approx(1.0)
        assert expected_modes(1000, law_of(UNIFORM)) == pytest.approx(1000 * (1 - 0.999**1000))


class TestCounting:
    def test_reads_channels_in_order(self) -> None:
        counts = count_modes(stacks([(0, 0, 1), (1, 0, 0), (1, 0, 0), (1, 1, 1)]))
        assert {k: int(counts[k]) for k in counts.nonzero()[0]} == {1: 1, 100: 2, 111: 1}

    def test_shares_of_digits(self) -> None:
        labelled, read = digit_shares(data()), digit_shares(data(labels=False))
        np.testing.assert_allclose(read, labelled)
        assert labelled.sum() == pytest.approx(1.0)
        assert labelled[2:].sum() == 0

    def test_refuses_other_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"stacks are \(n, 3, 28, 28\)"):
            count_modes(torch.zeros(2, 1, 28, 28))


class TestMeasure:
    def test_a_model_of_one_digit(self) -> None:
        """It reaches one mode and is log 1000 nats away, without doubt."""
        modes, kl = measure_stacks(stacks([(1, 1, 1)]).expand(50, -1, -1, -1), data())
        assert modes.value == 1.0
        assert kl.value == pytest.approx(math.log(1000))
        assert kl.interval == pytest.approx((math.log(1000), math.log(1000)))
        assert kl.verdict == "short of perfect"

    def test_data_are_as_good_as_perfect(self) -> None:
        """Fresh stacks of the same law: eight modes, the KL of a model that has only two digits."""
        triples = torch.randint(0, 2, (400, 3), generator=torch.Generator().manual_seed(1)).tolist()
        modes, kl = measure_stacks(stacks([tuple(t) for t in triples]), data(2_000))
        assert modes.value == 8.0
        assert modes.reference == pytest.approx(8.0)
        assert {modes.verdict, kl.verdict} <= set(NO_FAULT)
        assert kl.value == pytest.approx(math.log(125), abs=0.05)

    def test_a_model_that_misses_a_digit_in_one_channel(self) -> None:
        rows = [(a, b, 0) for a in (0, 1) for b in (0, 1)] * 60
        modes, kl = measure_stacks(stacks(rows), data(2_000))
        assert (modes.value, modes.verdict, kl.verdict) == (4.0, "short of perfect", "short of perfect")
        assert kl.value == pytest.approx(math.log(250))
        shares = modes.detail["digit_shares"]
        assert isinstance(shares, list)
        assert shares[2] == [1.0] + [0.0] * 9

    def test_is_measured_for_stacks_and_only_for_them(self) -> None:
        train = data()
        samples = train.batch(torch.arange(64)).x
        found = evaluate_samples(samples, train, None, metrics=["stacks"])
        assert [m.name for m in found.measurements] == ["modes", "mode_kl"]
        assert "8 of 1000 modes" in found.summary()[1]
        assert "modes of the data are known" in evaluate_samples(samples, train, None).skipped["fid"]
        other = ArrayData(((samples + 1) * 127.5).to(torch.uint8), name="other")
        with pytest.raises(ValueError, match="distribution of the data is not known, so it has no channels of digits"):
            evaluate_samples(samples, other, None, metrics=["stacks"])


class TestClassifier:
    def test_is_small_and_says_what_it_is(self) -> None:
        assert digits.WEIGHTS.stat().st_size < 500_000
        metadata = digits.load()[1]
        assert metadata["trained_on"].startswith("MNIST train, 60,000 images")
        assert float(metadata["test_accuracy"]) >= 0.992

    def test_refuses_other_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(B, 1, 28, 28\)"):
            digits.classify_digits(torch.zeros(1, 3, 28, 28))
        assert len(digits.classify_digits(torch.zeros(0, 1, 28, 28))) == 0
