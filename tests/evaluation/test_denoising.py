"""Denoising beside the exact optimum: Tweedie's formula for a Gaussian is a shrinkage that is known in closed form."""

import pytest
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.evaluation import denoising
from veridical.evaluation.denoising import measure_denoising, scales
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.target import Target
from veridical.model import Denoiser, Space
from veridical.targets import GaussianMixture, grid
from veridical.verdict import NO_FAULT

SPACE = Space((3,), "vector", None, None, std=1.5)
LAW = GaussianMixture(torch.full((1, 3), 0.4), 1.5)
CPU = torch.device("cpu")
KNOWN = Target(LAW, SPACE)


class Shrinkage(Denoiser):
    """x_t times a share, about the mean of the law; the best share is s^2 / (s^2 + sigma^2)."""

    def __init__(self, share: float | None = None, known: tuple[float, float] | None = None) -> None:
        self.share, self.known = share, known

    @property
    def noise_range(self) -> tuple[float, float]:
        return self.known or (0.0, float("inf"))

    def denoise(self, x_t: Tensor, sigma: Tensor) -> Tensor:
        best = LAW.sigma**2 / (LAW.sigma**2 + sigma[:, None] ** 2)
        return 0.4 + (x_t - 0.4) * (best if self.share is None else self.share)


class Exact(Denoiser):
    """The conditional mean by the score of the law."""

    def __init__(self, law: GaussianMixture) -> None:
        self.law = law

    def denoise(self, x_t: Tensor, sigma: Tensor) -> Tensor:
        return x_t + sigma[:, None] ** 2 * self.law.score(x_t, sigma)


def measured(model: Denoiser, target: Target | None = KNOWN, n: int = 4000) -> dict[str, Measurement]:
    x = LAW.sample(n, torch.Generator().manual_seed(1), torch.float32)
    return {m.name: m for m in measure_denoising(model, x, target, SPACE, CPU, seed=0)}


def best_error() -> float:
    """Of a Gaussian: the posterior variance s^2 sigma^2 / (s^2 + sigma^2), over sigma^2."""
    return sum(LAW.sigma**2 / (LAW.sigma**2 + s**2) for s in scales(Shrinkage(), SPACE)) / denoising.LEVELS


def test_the_best_denoiser_leaves_the_posterior_variance() -> None:
    found = measured(Shrinkage())
    error = found["denoising_error"]
    assert error.value == pytest.approx(best_error(), abs=0.02) == error.reference  # standard error 0.004
    assert error.verdict in NO_FAULT
    assert abs(found["denoising_excess"].value) < 1e-6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_excess_of_a_shrinkage_is_known(share: float) -> None:
    """E|D - D*|^2 / d sigma^2 = (share - best)^2 (s^2 + sigma^2) / sigma^2; 4000 draws, within 10 %."""
    found, s2 = measured(Shrinkage(share)), LAW.sigma**2
    sigmas = scales(Shrinkage(), SPACE)
    known = sum((share - s2 / (s2 + s**2)) ** 2 * (s2 + s**2) / s**2 for s in sigmas) / len(sigmas)
    assert found["denoising_excess"].value == pytest.approx(known, rel=0.1)
    assert found["denoising_excess"].verdict == "short of perfect"
    if share == 1.0:
        assert found["denoising_error"].value == pytest.approx(1.0, abs=0.02)  # the noise is left as it is


def test_a_small_excess_is_found_on_the_same_examples_and_noise() -> None:
    """Each error is known to 1 %, their difference far better: a thousandth is found in both."""

    class Close(Shrinkage):
        def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return 1.01 * super().denoise(x_t, sigma)

    found = measured(Close())
    assert {found[name].verdict for name in ("denoising_error", "denoising_excess")} == {"short of perfect"}
    error = found["denoising_error"]
    assert error.test is not None and error.test.interval is not None and error.interval is not None
    assert 5 * (error.test.interval[1] - error.test.interval[0]) < error.interval[1] - error.interval[0]


MUTANTS = {
    "sign of the score": ("noisy + sigma**2 * law", "noisy - sigma**2 * law"),
    "a score without noise": ("law.score(noisy, sigma)", "law.score(noisy, 0.0)"),
    "noise not scaled": ("x_t = x + sigma * eps", "x_t = x + eps"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = MUTANTS[mutant]
    mutant_of = mutated(measure_denoising, before, after)
    x = LAW.sample(4000, torch.Generator().manual_seed(1), torch.float32)
    error, excess = mutant_of(Shrinkage(), x, Target(LAW, SPACE), SPACE, CPU, 0)
    known = error.value == pytest.approx(best_error(), abs=0.02) == error.reference and abs(excess.value) < 1e-6
    assert not known


def test_a_perfect_denoiser_of_a_mixture_is_perfect() -> None:
    law, space = grid(), Space((2,), "vector", None, None, std=2.8)
    x = law.sample(2000, torch.Generator().manual_seed(1), torch.float32)
    found = measure_denoising(Exact(law), x, Target(law, space), space, CPU, seed=0)
    assert {m.verdict for m in found} <= set(NO_FAULT)


def test_without_a_score_there_is_no_optimum() -> None:
    assert list(measured(Shrinkage(), None)) == ["denoising_error"]
    assert measured(Shrinkage(), None)["denoising_error"].verdict == "no reference"


def test_scales_stay_within_what_the_model_knows() -> None:
    assert scales(Shrinkage(), SPACE)[0] == pytest.approx(0.15) and scales(Shrinkage(), SPACE)[-1] == pytest.approx(4.5)
    inside = scales(Shrinkage(known=(0.5, 2.0)), SPACE)
    assert inside[0] == pytest.approx(0.5) and inside[-1] == pytest.approx(2.0)
    outside = scales(Shrinkage(known=(10.0, 20.0)), SPACE)
    assert outside[0] == pytest.approx(10.0) and outside[-1] == pytest.approx(20.0)
