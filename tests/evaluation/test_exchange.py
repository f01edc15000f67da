"""Exchange of labels: the true one is first, the level is exact, and the two directions are the right way round."""

import itertools

import numpy as np
import pytest
import torch

from tests.mutants import mutated
from veridical.evaluation import exchange as page
from veridical.evaluation.exchange import (
    Exchange,
    exchange,
    exchange_test,
    extremities,
    mean_differences,
    rank_p_value,
    simulated_test,
)


def everything(n: int, m: int) -> Exchange:
    """All relabellings, the true one first."""
    rows = [[i in chosen for i in range(n + m)] for chosen in itertools.combinations(range(n + m), n)]
    return Exchange(n, m, torch.tensor(rows))


@pytest.mark.parametrize(("n", "m"), [(3, 5), (5, 3), (4, 4), (1, 1)])
def test_every_labelling_has_as_many_samples_as_there_are(n: int, m: int) -> None:
    e = exchange(n, m, seed=0, draws=50)
    assert e.labels.shape == (51, n + m) and (e.labels.sum(dim=1) == n).all()
    assert e.labels[0].tolist() == [True] * n + [False] * m
    assert (e.labels == exchange(n, m, seed=0, draws=50).labels).all()


def test_every_row_is_exchanged_equally_often() -> None:
    """4,000 draws of 3 among 7: each share is within .43 +- .031 for all 7 with probability .9995."""
    assert exchange(3, 4, 0, 4000).labels[1:].double().mean(dim=0).tolist() == pytest.approx([3 / 7] * 7, abs=0.031)


def test_mean_differences_are_those_of_the_rows() -> None:
    e, scores = exchange(4, 3, seed=1, draws=20), torch.rand(7)
    expected = [float(scores[row].mean() - scores[~row].mean()) for row in e.labels]
    assert mean_differences(scores, e).tolist() == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="expected"):
        mean_differences(scores[:5], e)


def test_p_value_over_all_relabellings_is_fishers() -> None:
    """Three of three samples score, none of three held-out: 1 of 20 relabellings, and 2 of 20 in both directions."""
    e, scores = everything(3, 3), torch.tensor([1.0, 1, 1, 0, 0, 0])
    s = mean_differences(scores, e)
    assert exchange_test(s, e, bad="high").p_value == pytest.approx(1 / 20)
    assert exchange_test(s, e, bad="both").p_value == pytest.approx(2 / 20)
    assert exchange_test(s, e, bad="low").p_value == pytest.approx(1.0)


def test_ties_up_to_rounding_count() -> None:
    e = everything(2, 2)
    assert exchange_test(torch.tensor([1.0, 1.0 - 1e-13, 0, 0, 0, 0]), e, bad="high").p_value == pytest.approx(2 / 6)


def test_the_difference_is_counted_from_the_mean_of_relabellings() -> None:
    e = exchange(30, 10, seed=0, draws=199)
    scores = torch.randn(40, generator=torch.Generator().manual_seed(0))
    test = exchange_test(mean_differences(scores, e) + 5.0, e)
    plain = exchange_test(mean_differences(scores, e), e)
    assert test.difference == pytest.approx(plain.difference) and test.p_value == plain.p_value
    assert test.interval is not None and test.interval[0] < test.difference < test.interval[1]


def rejections(repetitions: int, shift: float = 0.0) -> float:
    """Share of tests at 5 % that reject, for heavy-tailed and skewed scores at n = 25, m = 40."""
    rng, found = np.random.default_rng(0), 0
    for seed in range(repetitions):
        e = page.exchange(25, 40, seed, draws=199)
        scores = rng.exponential(size=65) ** 2
        scores[:25] += shift
        s = page.mean_differences(torch.from_numpy(scores), e)
        found += page.exchange_test(s, e).p_value <= 0.05
    return found / repetitions


def level_holds() -> bool:
    """400 repetitions at the exact level .05: at most 36 false alarms with probability .9995."""
    return rejections(400) <= 0.09


def test_level_and_power() -> None:
    assert level_holds() and rejections(100, shift=3.0) > 0.5


MUTANTS = {
    "the true labelling does not count": (
        rank_p_value,
        "(extremity >= least).mean()",
        "((extremity >= least).sum() - 1) / (len(extremity) - 1)",
    ),
    "no median": (extremities, "statistics - np.median(statistics)", "statistics - 1e9"),
    "the sides are swapped": (extremities, "statistics - np.median(statistics)", "np.median(statistics) - statistics"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after = MUTANTS[mutant]
    monkeypatch.setattr(page, function.__name__, mutated(function, before, after))
    with pytest.raises(AssertionError):
        test_p_value_over_all_relabellings_is_fishers()
        test_level_and_power()


def test_samples_drawn_anew_are_needed_for_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relabellings with replacement are none: the level breaks where one row is counted twice."""
    monkeypatch.setattr(
        page, "mean_differences", lambda scores, e: torch.rand(1 + e.draws) * torch.arange(e.draws, -1, -1)
    )
    assert not level_holds()


def test_simulated_scores_stand_in_for_a_perfect_model() -> None:
    scores = np.random.default_rng(0).normal(10.0, 1.0, 999)
    assert simulated_test(10.0, scores).p_value > 0.5
    assert simulated_test(14.0, scores, bad="high").p_value == pytest.approx(0.001)
    assert simulated_test(6.0, scores, bad="high").p_value > 0.99
    assert simulated_test(6.0, scores).p_value == pytest.approx(0.001)


def test_nothing_to_exchange_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        exchange(0, 3, 0)
    with pytest.raises(ValueError, match="finite"):
        exchange_test(torch.full((6,), torch.nan), everything(2, 2))
