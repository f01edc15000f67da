"""Codes that are the factors, or nothing, and samples of the law, or not: known answers for both ways."""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.recovery import (
    factors_of,
    ks_distance,
    measure_coded_factors,
    measure_encoded_factors,
    measure_matched_classes,
    measure_sample_factors,
)
from veridical.model import Coded, Encoder, LatentVariable
from veridical.noise import Noise, noise_for
from veridical.targets.shapes import FACTORS, Shapes
from veridical.verdict import NO_FAULT

CPU = torch.device("cpu")
LAW = Shapes(16, seed=0)


class Artist(nn.Module, Coded, LatentVariable, Encoder):
    """Its five codes are the five factors as shares of their range, or, mute, have nothing to do with them."""

    latent_shape = (5,)

    def __init__(self, mute: bool = False) -> None:
        super().__init__()
        self.mute, self.unused = mute, nn.Parameter(torch.zeros(()))

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        return noise_for(n, CPU, noise).uniform(5)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        z = z.roll(1, 0) if self.mute else z
        return LAW.render(LAW._scaled(z.double()), torch.float32)

    def codes(self, z: Tensor) -> dict[str, Tensor]:
        return {f"code {i}": column for i, column in enumerate(z.T)}

    def read_codes(self, x: Tensor) -> dict[str, Tensor]:
        return {"category": (LAW.measure(x)[0][:, 0].long() + 1) % 3, "continuous": x.mean((1, 2, 3))}

    def posterior(self, x: Tensor) -> Distribution:
        factors = LAW.measure(x)[0].float()
        return Independent(Normal(factors.flip(0) if self.mute else factors, 1.0), 1)


def shapes(n: int = 2000) -> ArrayData:
    return load(DataConfig(source="shapes", size=16), "train").subset(torch.arange(n))


def named(measured: list[Measurement]) -> dict[str, Measurement]:
    return {m.name: m for m in measured}


@pytest.mark.parametrize("way", ["encoded", "coded"])
@pytest.mark.parametrize("mute", [False, True])
def test_codes_that_are_the_factors_tell_them_and_others_do_not(way: str, mute: bool) -> None:
    model, rows = Artist(mute), torch.arange(1024)
    if way == "encoded":
        found = named(measure_encoded_factors(model, shapes(), rows, CPU, seed=0))
    else:
        found = named(measure_coded_factors(model, LAW, 1024, CPU, seed=0))
    assert list(found) == [f"recovered_{name}" for name in FACTORS]
    for m in found.values():
        assert (m.value < float(str(m.detail["null"])) + 0.05) if mute else m.value > 0.6, (m.name, m.value)


def test_rows_of_a_shuffled_subset_are_not_taken_for_others() -> None:
    data = load(DataConfig(source="shapes", size=16), "train")
    rows = torch.arange(50)
    factors = factors_of(data, rows)
    assert factors is not None and torch.equal(factors, LAW.factors(rows))
    assert factors_of(data.subset(torch.arange(100, 200)), rows) is None
    assert factors_of(load(DataConfig(source="digits"), "train"), rows) is None
    with pytest.raises(ValueError, match="are not known"):
        measure_encoded_factors(Artist(), data.subset(torch.arange(100, 200)), rows, CPU, seed=0)


def test_categories_match_classes_whatever_they_are_called() -> None:
    data = shapes(600)
    batch = data.batch(torch.arange(600))
    assert batch.c is not None
    (m,) = measure_matched_classes(Artist(), batch.x, batch.c, CPU, seed=0)
    assert m.value > 0.99 and m.detail["code"] == "category" and 0.33 < float(str(m.detail["null"])) < 0.45
    shuffled = batch.c[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
    (m,) = measure_matched_classes(Artist(), batch.x, shuffled, CPU, seed=0)
    assert m.value < 0.45


def test_samples_of_the_law_are_as_good_as_perfect() -> None:
    x = LAW.sample(1000, torch.Generator().manual_seed(3), torch.float32)
    found = named(measure_sample_factors(x, LAW, seed=0))
    assert list(found) == ["of_the_law", *[f"factor_{name}" for name in FACTORS]]
    # Six intervals at a fixed seed; each pair is disjoint by chance with at most 2.5 %.
    assert {m.verdict for m in found.values()} <= set(NO_FAULT)


def test_a_law_that_varies_less_is_found_by_the_factors_that_do_not_vary() -> None:
    x = Shapes(16, ("scale", "orientation", "y")).sample(1000, torch.Generator().manual_seed(3), torch.float32)
    found = named(measure_sample_factors(x, LAW, seed=0))
    wrong = {name for name, m in found.items() if m.verdict == "short of perfect"}
    assert {"factor_shape", "factor_x"} <= wrong and not wrong & {"factor_y", "of_the_law"}


def test_what_is_no_shape_is_not_of_the_law() -> None:
    noise = torch.rand(200, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (m,) = measure_sample_factors(noise, LAW, seed=0)
    assert m.name == "of_the_law" and m.value < 0.05 and m.verdict == "short of perfect"


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    import numpy as np
    from scipy import stats

    rng = np.random.default_rng(0)
    for shift in (0.0, 0.7):
        a, b = rng.normal(size=60), rng.normal(size=40) + shift
        assert ks_distance(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)  # pyright: ignore[reportAttributeAccessIssue]
