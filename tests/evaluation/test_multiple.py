"""P-values of a table: the level holds over all of it, and what one relabelling says of all metrics is used."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch

from tests.mutants import mutated
from veridical.evaluation import multiple as page
from veridical.evaluation.exchange import Bad, Exchange, exchange, exchange_test, mean_differences
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.multiple import adjusted, adjusted_p_values, first_step
from veridical.verdict import LEVEL, Test

N = 40


def plain(p: float) -> Test:
    return Test(1.0, (0.0, 2.0), p, 0.3, None, "z")


def judged_scores(scores: torch.Tensor, e: Exchange) -> list[Test]:
    return [exchange_test(mean_differences(column, e), e) for column in scores.T]


def test_tests_without_common_examples_follow_holm() -> None:
    assert adjusted_p_values([plain(p) for p in (0.01, 0.04, 0.03)]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjusted_p_values([]) == []


def test_the_same_metric_twice_costs_nothing() -> None:
    e, scores = exchange(N, N, 0, 199), torch.randn(2 * N, generator=torch.Generator().manual_seed(0))
    scores[:N] += 0.7
    test = judged_scores(scores[:, None], e)[0]
    assert adjusted_p_values([test] * 5) == [test.p_value] * 5
    assert adjusted_p_values([test] * 5 + [plain(0.5)])[0] == pytest.approx(2 * test.p_value)


def test_adjusted_p_values_are_larger_and_in_the_same_order() -> None:
    e, scores = exchange(N, N, 0, 199), torch.randn(2 * N, 6, generator=torch.Generator().manual_seed(0))
    scores[:N] += torch.linspace(0, 1.5, 6)
    tests = judged_scores(scores, e)
    found = adjusted_p_values(tests)
    assert all(p >= t.p_value for p, t in zip(found, tests, strict=True))
    assert found[-1] == pytest.approx(1 / 200) and sorted(found)[0] == found[-1]


def false_alarms(repetitions: int) -> float:
    """Share of tables of 6 correlated metrics and 2 others in which a perfect model is accused of anything."""
    rng, found = np.random.default_rng(0), 0
    for seed in range(repetitions):
        e = exchange(N, N, seed, draws=199)
        scores = rng.normal(size=(2 * N, 6)) + rng.normal(size=(2 * N, 1))
        tests = judged_scores(torch.from_numpy(scores), e) + [plain(p) for p in rng.uniform(size=2)]
        found += min(page.adjusted_p_values(tests)) < LEVEL
    return found / repetitions


def level_holds() -> bool:
    """300 tables at no more than .05: more than 30 alarms with probability 3e-4."""
    return false_alarms(300) <= 0.1


def test_the_level_holds_over_the_table() -> None:
    assert level_holds()


MUTANTS = {
    "tests are not adjusted within a group": (
        page._most_significant,
        "rank_p_value(highest)",
        "tests[group[first]].p_value",
    ),
    "groups are not counted": (page.adjusted_p_values, "p * len(groups)", "p"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after = MUTANTS[mutant]
    monkeypatch.setattr(page, function.__name__, mutated(function, before, after))
    assert not level_holds() or adjusted_p_values([plain(0.01), plain(0.2)])[0] != pytest.approx(0.02)


def test_levels_share_the_level_of_the_table() -> None:
    e, scores = exchange(N, N, 0, 999), torch.randn(2 * N, 4, generator=torch.Generator().manual_seed(0))
    alone = [step.level for step in first_step(judged_scores(scores, e))]
    shared = [step.level for step in first_step([*judged_scores(scores, e), plain(0.5)])]
    assert 0.009 < np.mean(alone) < 0.018  # four nearly independent tests at 5 %: 1.27 % each
    assert all(a < b for a, b in zip(shared[:4], alone, strict=True)) and shared[4] == LEVEL / 2


def test_measurements_get_their_tests_and_lose_their_nulls() -> None:
    e, scores = exchange(N, N, 0, 199), torch.randn(2 * N, generator=torch.Generator().manual_seed(0))
    own = exchange_test(mean_differences(scores, e), e)
    found = adjusted(
        [
            Measurement("a", 0.5, "share", N, True, reference=0.5, reference_kind="null", test=own),
            Measurement("b", 0.5, "share", N, True),
            Measurement("c", 0.5, "share", N, True, (0.4, 0.6), reference=0.9, reference_kind="null"),
        ]
    )
    assert [m.name for m in found] == ["a", "b", "c"]
    a, b, c = (m.test for m in found)
    assert a is not None and a.null is None and a.adjusted is not None and a.adjusted >= own.p_value
    assert a.detectable is not None and own.detectable is not None and a.detectable > own.detectable
    assert b is None and c is not None and c.adjusted == pytest.approx(2 * c.p_value) and c.method.startswith("z-test")


@pytest.mark.parametrize("bad", ["high", "both"])
def test_the_detectable_difference_is_that_of_the_table(bad: Bad) -> None:
    """A one-sided test needs another factor than a two-sided one: shifts of this size are shown with power .8."""
    e, scores = exchange(200, 200, 0, 999), torch.randn(400, generator=torch.Generator().manual_seed(0))
    own = exchange_test(mean_differences(scores, e), e, bad=bad)
    tests = [own, *(plain(0.5) for _ in range(9))]
    assert first_step(tests)[0].level == pytest.approx(0.005)
    row = Measurement("a", 0.0, "1", 200, False, reference=0.0, reference_kind="null", test=own)
    others = [replace(row, name=str(i), test=test) for i, test in enumerate(tests[1:])]
    found, spread = adjusted([row, *others])[0].test, own.null.spread
    assert found is not None and found.detectable is not None
    beyond = NormalDist().inv_cdf(1 - 0.005 / (2 if bad == "both" else 1)) * spread
    assert NormalDist(found.detectable, spread).cdf(beyond) == pytest.approx(0.2, abs=1e-6)
