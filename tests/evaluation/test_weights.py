"""A model as a proposal: mean weight and effective share by enumeration, intervals that cover, and mutants."""

import math

import pytest
import torch
from torch import Tensor

from tests.mutants import plant
from veridical.evaluation import weights
from veridical.evaluation.weights import estimates, measure_weights
from veridical.targets.ising import Ising
from veridical.targets.mixtures import grid

STATES = 6
LOG_Q = torch.tensor([0.1, 0.4, -0.3, 0.0, -0.5, 0.2], dtype=torch.float64).log_softmax(0)
LOG_P = torch.tensor([0.3, 0.0, -0.1, 0.5, -0.9, 0.1], dtype=torch.float64) + 2.0
LOG_W = LOG_P - LOG_Q
LOG_Z = float(torch.logsumexp(LOG_P, 0))
SHARE = float(LOG_P.exp().sum() ** 2 / (2 * LOG_P - LOG_Q).exp().sum())
N, REPEATS = 400, 400


def draws(i: int) -> Tensor:
    """Return the log weights of the samples of repetition i."""
    generator = torch.Generator().manual_seed(i)
    return LOG_W[torch.multinomial(LOG_Q.exp(), N, replacement=True, generator=generator)]


def misses(module) -> tuple[int, int]:
    """Return how often the 95 % intervals miss the truth."""
    found = [module.estimates(draws(i)) for i in range(REPEATS)]
    far = [
        (abs(share.value - SHARE) > 1.96 * share.standard_error, abs(log_z.value - LOG_Z) > 1.96 * log_z.standard_error)
        for share, log_z in found
    ]
    return sum(a for a, _ in far), sum(b for _, b in far)


def is_covered(module) -> bool:
    """Of 400 intervals 20 miss on average, standard deviation 4.4; beyond 5 of these are 2 to 42."""
    return all(2 <= missed <= 42 for missed in misses(module))


def test_intervals_cover_the_truth() -> None:
    assert is_covered(weights)


def test_the_mean_weight_is_the_normalisation() -> None:
    """E w = Z: the mean over 400 repetitions of 400 samples, within 5 standard errors."""
    means = torch.stack([draws(i).exp().mean() for i in range(REPEATS)])
    assert abs(float(means.mean()) - math.exp(LOG_Z)) < 5 * float(means.std()) / math.sqrt(REPEATS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(n - 1) / n * float", "1 / n * float"),
        ("w.sum() - w, ", "w.sum() - 2 * w, "),
        ("((n - 1) * second)", "(n * second)"),
        ("_jackknife(log_mean, first.log())", "_jackknife(log_mean, first)"),
    ],
)
def test_mutants_are_seen(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = plant(monkeypatch, weights, before, after)
    share = wrong.estimates(draws(0))[0].standard_error
    same = math.isclose(share, estimates(draws(0))[0].standard_error, rel_tol=1e-3)
    assert not is_covered(wrong) or not same


def knows_its_error(module) -> bool:
    """One large weight of ten: values without each sample have the kurtosis (1 - 3pq)/pq of one in ten, 8.11."""
    _, log_mean = module.estimates(torch.tensor([0.0] * 9 + [1.0]))
    low, high = log_mean.interval
    return math.isclose(log_mean.freedom, 20 / 7.1111, rel_tol=1e-4) and high - low > 3.2 * 2 * log_mean.standard_error


def test_where_one_weight_decides_the_error_is_known_badly() -> None:
    assert knows_its_error(weights)


@pytest.mark.parametrize(
    ("before", "after"),
    [("kurtosis - 1", "kurtosis - 3"), ("stdtrit(self.freedom, 0.975)", "ndtri(0.975)")],
    ids=["excess kurtosis", "a normal quantile"],
)
def test_another_quantile_would_be_noticed(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not knows_its_error(plant(monkeypatch, weights, before, after))


def test_a_perfect_model_has_equal_weights() -> None:
    law = Ising(4)
    share, log_z = measure_weights(torch.zeros(100), law, {"law": "ising"})
    assert share.value == pytest.approx(1.0) and share.interval == pytest.approx((1.0, 1.0))
    assert log_z.value == pytest.approx(law.log_partition) and log_z.verdict == "as good as perfect"
    assert share.verdict == "no reference" and log_z.detail == {"law": "ising"}


def test_a_lost_mode_shows_in_log_z_and_not_in_the_share() -> None:
    """A model of half the states of a symmetric law is twice as probable there."""
    share, log_z = measure_weights(torch.full((100,), -math.log(2)) + 1e-3 * torch.randn(100), Ising(4))
    assert share.value > 0.999
    assert log_z.value - Ising(4).log_partition == pytest.approx(-math.log(2), abs=1e-3)
    assert log_z.verdict == "short of perfect"


def test_log_z_is_measured_where_it_is_known() -> None:
    assert [m.name for m in measure_weights(torch.randn(50), grid())] == ["effective_share"]
    assert measure_weights(torch.full((9,), -math.inf), grid()) == []


def test_one_sample_with_all_the_weight_has_no_finite_interval() -> None:
    _, log_z = measure_weights(torch.tensor([0.0, -2000.0, -2000.0]), Ising(4))
    assert log_z.interval is not None and math.isinf(log_z.interval[1])
