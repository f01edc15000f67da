"""The faults that a table would have shown: sizes follow from what its tests show, and planted ones are found."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.mutants import mutated
from veridical.evaluation import memorisation
from veridical.evaluation import power as page
from veridical.evaluation.cells import cell_shares
from veridical.evaluation.exchange import exchange, exchange_test
from veridical.evaluation.manifold import Sample, manifold
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.memorisation import COPY_LEVEL, relabelled_tail, smallest_share
from veridical.evaluation.power import MOVED, STEPS, WORDS, crossing, effects_of_moves, power, smallest_faults
from veridical.verdict import Test


def measured(name: str, detectable: float | None, p: float = 1.0, **rest: Any) -> Measurement:
    test = Test(0.1, (-0.2, 0.4), p, detectable, 0.05, "exchanges", adjusted=p)
    return Measurement(name, 0.9, "share", 2000, True, reference=0.5, reference_kind="null", test=test, **rest)


def by_name(*found: Measurement) -> Mapping[str, Measurement]:
    return {m.name: m for m in found}


def test_no_power_is_claimed_without_a_test() -> None:
    assert power({"recall": Measurement("recall", 0.9, "share", 10, True)}) == []
    assert power(by_name(measured("recall", None))) == []


CURVE = [[0.1, 0.01], [0.2, 0.05]]
CASES = {
    "copies are a share of the samples": ([measured("copied", 0.03)], {"copies": 0.03}),
    "recall is lost in proportion": ([measured("recall", 0.03), measured("coverage", 0.1)], {"missing": 0.06}),
    "a share above one is none": ([measured("precision", 0.6)], {}),
    "a fault states no power": ([measured("recall", 0.03, p=0.001), measured("coverage", 0.1)], {"missing": 0.2}),
    "squared distances": ([measured("fid", 0.2)], {"shift": 0.2, "shrunk": 0.2}),
    "a curve of a move": ([measured("density", 0.03, detail={"shrunk": CURVE})], {"shrunk": 0.15}),
    "the smaller size counts": (
        [measured("fid", 0.2), measured("density", 0.03, detail={"shrunk": CURVE})],
        {"shift": 0.2, "shrunk": 0.15},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sizes_follow_from_what_is_detectable(case: str) -> None:
    found, sizes = CASES[case]
    assert smallest_faults(by_name(*found)) == pytest.approx(sizes)


MUTANTS = {
    "shares are not of the score": ("_shares", "size / x.reference", "size"),
    "distances are not squared": ("_moves", "math.sqrt(0.01 * size / x.test.tolerance)", "0.01 * size"),
    "faults count": ("_shown", " and x.verdict in NO_FAULT", ""),
    "the largest size": ("smallest_faults", "min(sizes)", "max(sizes)"),
    "curves begin anywhere": ("crossing", "[(0.0, 0.0), *curve]", "curve"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, before, after = MUTANTS[mutant]
    monkeypatch.setattr(page, name, mutated(getattr(page, name), before, after))
    wrong = [
        case for case, (found, sizes) in CASES.items() if page.smallest_faults(by_name(*found)) != pytest.approx(sizes)
    ]
    assert wrong or page.crossing([[0.1, 0.2]], 0.1) != 0.05


def test_curves_are_read_between_their_points() -> None:
    assert crossing([[0.1, 0.2]], 0.1) == pytest.approx(0.05) and crossing(
        [[0.1, -0.2], [0.2, -0.6]], 0.4
    ) == pytest.approx(0.15)
    assert crossing([[0.1, 0.2]], 0.3) == float("inf")


def test_a_sentence_names_every_kind() -> None:
    found = by_name(*(measured(name, 0.03) for name in ("copied", "recall", "precision", "fid")))
    (sentence,) = power(found)
    assert "at n = 2,000" in sentence and "copies from 3.0 % of the samples on" in sentence
    assert "a missing part of 6.0 % of the data" in sentence and "samples shrunk by" in sentence
    assert set(smallest_faults(found)) == set(WORDS) - {"halved", "doubled"}  # no shares of cells


K, SHARE_SIZE = 10, 1_000
"""Classes, and examples of either side."""


def tables_that_show(factor: float, tries: int = 100) -> float:
    """Share of tests of shares that show a class of the stated share whose frequency is wrong by a factor."""
    rng, hits = np.random.default_rng(0), 0
    size = page.smallest_cell(factor, 3.0, SHARE_SIZE, SHARE_SIZE)
    real = np.full(K, (1 - size) / (K - 1))
    real[0] = size
    wrong = real * np.where(np.arange(K) == 0, factor, 1.0)
    for seed in range(tries):
        sides = (rng.multinomial(SHARE_SIZE, p / p.sum()) for p in (wrong, real))
        cells = torch.from_numpy(np.concatenate([np.repeat(np.arange(K), counts) for counts in sides]))
        hits += float(cell_shares(cells, exchange(SHARE_SIZE, SHARE_SIZE, seed, 1), K).largest[0]) >= 3.0
    return hits / tries


def shows_frequencies() -> bool:
    """Power .8 by 100 tests (outside of .65 to .92 with a probability of 1e-3 for each), and z at the size."""
    p = page.smallest_cell(0.5, 3.0, 500, 500)
    q = 0.5 * p / (1 - 0.5 * p)
    z = (p - q) / math.sqrt((p + q) * (1 - (p + q) / 2) / 500)
    return abs(z - 3.842) < 0.02 and all(0.65 <= tables_that_show(factor) <= 0.92 for factor in (0.5, 2.0))


def test_a_class_of_the_stated_share_at_a_wrong_frequency_is_seen_in_about_80_percent() -> None:
    assert shows_frequencies()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p / (1 - p + factor * p)", "p"),
        ("(1 / n + 1 / m)", "(1 / n)"),
        ("NormalDist().inv_cdf(POWER)", "0"),
        ("factor * p /", "factor**2 * p /"),
    ],
    ids=["no division", "noise of one side", "power of one half", "factor squared"],
)
def test_another_size_of_a_class_would_be_noticed(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "smallest_cell", mutated(page.smallest_cell, before, after))
    assert not shows_frequencies()


def test_the_size_of_a_class_is_on_the_scale_of_the_table() -> None:
    """A perfect model's largest |z| is 2 ± 0.5, so that 4 of these units are |z| = 4."""
    found = measured("class_shares", 0.05, detail={"largest_z": [2.0, 0.5], "n_null": 4000})
    assert found.test is not None
    found = replace(found, test=replace(found.test, critical=4.0))
    sizes = smallest_faults(by_name(found))
    assert sizes == {kind: page.smallest_cell(f, 4.0, 2000, 4000) for kind, f in (("halved", 0.5), ("doubled", 2.0))}
    assert "at half its frequency" in power(by_name(found))[0]


def test_moves_change_scores_as_they_should() -> None:
    """Shrunk samples of a Gaussian are denser and look real; shifted ones do not. Rows beyond `MOVED` are left out."""
    real, rows = torch.randn(2, MOVED, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    effects: Any = effects_of_moves(Sample(real[:300]), rows)
    assert effects == effects_of_moves(Sample(real[:300]), torch.cat([rows, 100 + rows]))
    assert effects.keys() == {"precision", "density"} and effects["density"].keys() == {"shift", "shrunk"}
    shrunk = [change for _, change in effects["density"]["shrunk"]]
    assert [size for size, _ in effects["density"]["shift"]] == list(STEPS)
    assert shrunk == sorted(shrunk) and shrunk[-1] > 0.2 and effects["precision"]["shift"][-1][1] < 0


def sees_moves() -> bool:
    """Whether the effects are the differences of scores of examples that are really moved."""
    g = torch.Generator().manual_seed(1)
    rows, real = (1 + torch.randn(n, 3, generator=g) * torch.tensor([0.3, 1.0, 2.0]) for n in (150, 200))
    sample, found = Sample(real), page.effects_of_moves(Sample(real), rows)
    centre, spread, before = real.mean(dim=0), real.std(dim=0), manifold(sample, Sample(rows))
    for i, s in enumerate(STEPS):
        for move, x in {"shift": rows + s * spread, "shrunk": centre + (1 - s) * (rows - centre)}.items():
            after = manifold(sample, Sample(x))
            for name in ("precision", "density"):
                expected = getattr(after, name) - getattr(before, name)
                if found[name][move][i] != [s, pytest.approx(expected, abs=1e-9)]:  # type: ignore[index]
                    return False
    return True


def test_effects_are_those_of_examples_that_are_really_moved() -> None:
    assert sees_moves()


@pytest.mark.parametrize(
    ("before", "after"),
    [("+ s**2 * along", ""), ("-2 * s * along_x", "2 * s * along_x"), ("s * norm_x", "0 * norm_x"), ("(1 - s) *", "")],
    ids=["no square of the step", "the other direction", "towards zero", "all of the norm"],
)
def test_other_distances_after_a_move_would_be_noticed(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "_squares", mutated(page._squares, before, after))
    assert not sees_moves()


def share_of_tests_that_see(share: float, critical: float, n: int = 300, tries: int = 80) -> float:
    """Share of exchange tests, at a critical value, that see copies planted among n samples."""
    rng, hits = np.random.default_rng(0), 0
    for seed in range(tries):
        scores = rng.random(2 * n)
        scores[:n][rng.random(n) < share] = 0.0
        e = exchange(n, n, seed, 199)
        test = exchange_test(relabelled_tail(torch.from_numpy(scores), e, COPY_LEVEL), e, bad="high")
        hits += test.null.extremity[0] >= critical
    return hits / tries


def sees_as_stated() -> bool:
    """Power .8 by 80 tests: outside of .6 to .95 with a probability of 1e-4."""
    size = memorisation.smallest_share(300, 300, COPY_LEVEL, 3.0)
    return 0.6 <= share_of_tests_that_see(size, 3.0) <= 0.95


def test_the_stated_share_of_copies_is_seen_in_about_80_percent() -> None:
    assert sees_as_stated() and smallest_share(300, 300, COPY_LEVEL, 4.0) > smallest_share(300, 300, COPY_LEVEL, 3.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [("critical**2 * n / m", "critical * n / m"), ("1 - POWER", "0.5")],
    ids=["not squared", "power of one half"],
)
def test_another_share_would_be_noticed(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorisation, "smallest_share", mutated(smallest_share, before, after))
    assert not sees_as_stated()
