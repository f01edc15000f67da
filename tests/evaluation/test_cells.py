"""Shares of cells: proportions by hand, k-means, a null that holds, and planted faults of Fashion-MNIST's features."""

import math

import numpy as np
import pytest
import torch

from tests.evaluation.sets import sets
from tests.mutants import mutated
from veridical.evaluation import cells as page
from veridical.evaluation.cells import (
    cell_of,
    cell_shares,
    centres_of,
    jensen_shannon,
    measure_ndb,
    measure_shares,
    share_test,
    z_scores,
)
from veridical.evaluation.exchange import exchange


def test_two_proportions_by_hand() -> None:
    # 30 of 100 against 45 of 150 is no difference; 30 of 100 against 15 of 100 is (.15) / sqrt(.225 .775 2/100).
    equal = z_scores(torch.tensor([0.3]), torch.tensor([0.3]), exchange(100, 150, 0, 1))
    assert float(equal) == 0.0
    a, b = torch.tensor([[0.3], [0.15]], dtype=torch.float64)
    found = z_scores(a, b, exchange(100, 100, 0, 1))
    assert float(found) == pytest.approx(0.15 / math.sqrt(0.225 * 0.775 * 0.02), rel=1e-12)
    assert float(z_scores(torch.zeros(1), torch.zeros(1), exchange(9, 9, 0, 1))) == 0.0  # an error of 0 is no NaN


def test_disjoint_cells() -> None:
    cells = torch.tensor([0] * 50 + [1] * 50)
    found = cell_shares(cells, exchange(50, 50, seed=0, draws=9), 3)
    assert (float(found.total_variation[0]), float(found.js[0])) == pytest.approx((1.0, math.log(2)))
    assert float(found.different[0]) == pytest.approx(2 / 3)  # the empty cell is not different


def test_disjoint_cells_and_uneven() -> None:
    p, q = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    # H(3/4, 1/4) = .5623 less the mean of 0 and log 2.
    assert float(jensen_shannon(p, q)) == pytest.approx(0.5623351 - math.log(2) / 2, abs=1e-6)


def test_jensen_shannon_is_zero_for_equal_shares() -> None:
    p = torch.tensor([0.2, 0.0, 0.8])
    assert float(jensen_shannon(p, p)) == pytest.approx(0.0, abs=1e-7)


def covered(rare: float, repetitions: int = 400, n: int = 1000) -> float:
    """Share of the intervals of NDB / K that contain the expected value; a fifth of 50 cells is rarer."""
    rng, law, found = np.random.default_rng(0), np.full(50, 0.02), []
    wrong = np.where(np.arange(50) < 10, rare, 1.0) / (40 + 10 * rare)
    for _ in range(repetitions):
        p, q = (torch.from_numpy(rng.multinomial(n, of) / n) for of in (wrong, law))
        z = z_scores(p, q, exchange(n, n, 0, 1)).numpy()
        found.append(((np.abs(z) > 1.96).mean(), *page.different_interval(z)))
    value, low, high = np.array(found).T
    return float(((low <= value.mean()) & (value.mean() <= high)).mean())


@pytest.mark.parametrize("rare", [1.0, 0.5])
def test_the_interval_of_different_bins_covers(rare: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 repetitions: four standard errors below .95; halves and quarters covered .91. Mutant: half the variance."""
    assert covered(rare) > 0.906
    wrong = mutated(page.different_interval, "len(z) * expected", "2 * len(z) * expected")
    monkeypatch.setattr(page, "different_interval", wrong)
    assert covered(rare) < 0.906


def test_ndb_of_a_perfect_model_is_five_per_cent() -> None:
    # 100 repetitions of 20 cells: the standard error of the mean share is .22/sqrt(2000) = .005; four of them.
    g = torch.Generator().manual_seed(0)
    e = exchange(1000, 1000, seed=0, draws=1)
    found = [float(cell_shares(torch.randint(20, (2000,), generator=g), e, 20).different[0]) for _ in range(100)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.02)


def test_k_means_finds_clusters_and_keeps_empty_cells() -> None:
    g = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = middles.repeat(50, 1) + 0.1 * torch.randn(150, 2, generator=g)
    centres = centres_of(x, 3, seed=0)
    assert torch.cdist(middles.double(), centres).min(dim=1).values.max() < 0.1
    assert cell_of(x, centres).bincount(minlength=3).tolist() == [50, 50, 50]
    assert torch.isfinite(centres_of(torch.ones(9, 2), 4, seed=0)).all()
    with pytest.raises(ValueError, match="at most one cell"):
        centres_of(x, 151, seed=0)


def test_the_test_holds_its_level_and_sees_a_halved_class() -> None:
    # 100 repetitions at 5 %: more than 13 false alarms have probability 3e-4.
    g, e, false, seen = torch.Generator().manual_seed(3), exchange(1000, 1000, seed=1, draws=199), 0, 0
    halved = torch.ones(10)
    halved[3] = 0.5
    for _ in range(100):
        real = torch.randint(10, (1000,), generator=g)
        good = torch.randint(10, (1000,), generator=g)
        bad = torch.multinomial(halved, 1000, replacement=True, generator=g)
        false += share_test(cell_shares(torch.cat([good, real]), e, 10), e).p_value <= 0.05
        seen += share_test(cell_shares(torch.cat([bad, real]), e, 10), e).p_value <= 0.05
    assert false <= 13 and seen >= 85


def test_classes_are_named_and_cells_take_their_place() -> None:
    g = torch.Generator().manual_seed(4)
    middles = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])

    def draw(weights: list[float], n: int) -> tuple[torch.Tensor, torch.Tensor]:
        c = torch.multinomial(torch.tensor(weights), n, replacement=True, generator=g)
        return middles[c] + torch.randn(n, 2, generator=g), c

    (samples, _), (train, labels), (test, _) = draw([1.0, 1.0, 0.2], 500), draw([1.0] * 3, 900), draw([1.0] * 3, 500)
    features = sets(samples, train, test)
    (classes,) = measure_shares(features, labels, 3, ("cat", "dog", "hen"))
    assert classes.name == "class_shares" and classes.verdict == "short of perfect"
    assert next(row[0] for row in classes.detail["shares"]) == "hen"  # type: ignore[index, union-attr]
    assert 0.15 < classes.value < 0.35  # 1/3 - 1/11 is .24
    (cells,) = measure_shares(features, None, 0)
    assert cells.name == "cell_shares" and cells.verdict == "short of perfect"
    ndb, js = measure_ndb(features)
    assert ndb.value > 0.2 and js.verdict == "short of perfect"
