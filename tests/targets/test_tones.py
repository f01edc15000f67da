"""The law of tones: against the covariance of the process, a general Gaussian, and its entropy."""

import math

import pytest
import torch
from tests.mutants import mutated
from torch.distributions import MultivariateNormal

from veridical.targets.law import HasDensity, HasEntropy, Law
from veridical.targets.tones import Tones


def covariance(law: Tones) -> torch.Tensor:
    """Of all steps, by the recursion of Yule and Walker from the poles: gamma_k = r^k (cos k theta + a sin k theta)."""
    gamma = [1.0, law.correlation]
    for _ in range(2, law.steps):
        gamma.append(law.coefficients[0] * gamma[-1] + law.coefficients[1] * gamma[-2])
    lags = (torch.arange(law.steps)[:, None] - torch.arange(law.steps)).abs()
    return torch.tensor(gamma, dtype=torch.float64)[lags]


def exact(law: Tones) -> MultivariateNormal:
    return MultivariateNormal(torch.zeros(law.steps, dtype=torch.float64), covariance(law))


LAW = Tones(12, frequency=700.0, radius=0.9)


def test_the_density_is_that_of_the_stationary_gaussian() -> None:
    x = LAW.sample(20, torch.Generator().manual_seed(0), torch.float64)
    torch.testing.assert_close(LAW.log_prob(x), exact(LAW).log_prob(x[:, 0]))


def test_the_entropy_is_that_of_the_stationary_gaussian() -> None:
    assert LAW.entropy().value == pytest.approx(exact(LAW).entropy().item(), abs=1e-10)
    longer = Tones(13, frequency=700.0, radius=0.9)
    assert longer.entropy().value - LAW.entropy().value == pytest.approx(LAW.entropy_rate, abs=1e-10)


def test_samples_have_the_covariance() -> None:
    n = 20_000
    x = LAW.sample(n, torch.Generator().manual_seed(1), torch.float64)[:, 0]
    C = covariance(LAW)
    # Var of a sample covariance: (C_ii C_jj + C_ij^2) / n; 78 entries at six standard errors: false-alarm rate 2e-7.
    assert ((torch.cov(x.T) - C).abs() < 6 * ((1 + C.square()) / n).sqrt()).all()
    nats = LAW.log_prob(x[:, None])
    assert abs(-nats.mean().item() - LAW.entropy().value) < 5 * nats.std().item() / math.sqrt(n)


def test_the_tone_has_its_frequency() -> None:
    law = Tones(4000)
    spectrum = (
        torch.fft.rfft(law.sample(20, torch.Generator().manual_seed(0), torch.float64)[:, 0]).abs().square().mean(0)
    )
    peak = spectrum.argmax().item() * law.sample_rate / law.steps
    assert abs(peak - 440) < 40


def test_it_declares_what_is_known() -> None:
    assert isinstance(LAW, Law) and isinstance(LAW, HasDensity) and isinstance(LAW, HasEntropy)


def test_no_stationary_process_is_refused() -> None:
    for wrong in ({"radius": 1.0}, {"frequency": 4000.0}, {"steps": 1}):
        with pytest.raises(ValueError, match="expected at least 2 steps"):
            Tones(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected \(\*batch, 1, 12\)"):
        LAW.log_prob(torch.zeros(2, 12))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("log_prob", "normal(x[..., 0], 1.0) +", ""),
        ("log_prob", "- self.coefficients[1]", "+ self.coefficients[1]"),
        ("entropy", "(self.steps - 2)", "self.steps"),
        ("sample", "math.sqrt(1 - self.correlation**2) * noise[1]", "noise[1]"),
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str) -> None:
    monkeypatch.setattr(Tones, name, mutated(getattr(Tones, name), before, after))
    with pytest.raises(AssertionError):
        test_the_density_is_that_of_the_stationary_gaussian()
        test_the_entropy_is_that_of_the_stationary_gaussian()
        test_samples_have_the_covariance()
