"""Balls of tied distances: the mean over all orders, and perfect models of a lattice that score as the theory says."""

import inspect
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from veridical.evaluation import balls as page
from veridical.evaluation import clipped as of_clipped
from veridical.evaluation import manifold as of_manifold
from veridical.evaluation.balls import balls, ends, held
from veridical.evaluation.clipped import clipped
from veridical.evaluation.clipped_calibration import expected_coverage
from veridical.evaluation.manifold import Sample, coverage_of_perfect_model, manifold
from veridical.evaluation.neighbours import neighbours

N, M, K = 60, 40, 5


def in_all_orders(nearer: int, edge: int, place: int, tied: int, most: int) -> float:
    """Mean over all orders of the real examples and samples at the radius."""
    counts = []
    for real in combinations(range(edge + tied), tied):  # the places of the real ones
        before = real[place - 1] - (place - 1)
        counts.append(min(most, nearer + before))
    return float(np.mean(counts))


def holds(function: Any = held) -> bool:
    cases = [(a, s, p, t) for a in (0, 1, 3, 7) for s in (0, 1, 4) for t in (1, 3, 5) for p in range(1, t + 1)]
    arrays = [np.array(of) for of in zip(*cases, strict=True)]
    for most in (1, 5):
        found = function(arrays[0][:, None], arrays[1][:, None], arrays[2], arrays[3], most)[:, 0]
        if not np.allclose(found, [in_all_orders(*case, most) for case in cases], atol=1e-12):
            return False
    return True


def test_it_is_the_mean_over_all_orders() -> None:
    assert holds()


MUTANTS = {
    "all samples at the radius are inside": ("(t - taken) / (t + s - taken)", "0.0 if s else 1.0"),
    "the ball ends before the last real example": ("range(p if left > 0 else 0)", "range(p - 1 if left > 0 else 0)"),
    "nothing is clipped": ("range(min(left, s + 1))", "range(s + 1)"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(held.py_func).replace("@kernel\n", "")
    assert before in source
    namespace = dict(vars(page))
    exec(source.replace(before, after), namespace)
    assert not holds(namespace["held"])


def perfect(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Real examples and samples of one law on a lattice of 27 points, of which one holds a fifth."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 3, (N + M, 3), generator=g).double()
    x[torch.rand(N + M, generator=g) < 0.2] = 0.0
    return x[:N], x[N:]


def calibrated() -> bool:
    """300 draws: four standard errors of the means are about .07, .025 and .03."""
    found = []
    for seed in range(300):
        real, x = perfect(seed)
        score = manifold(Sample(real, 3, K), Sample(x, 3, K))
        covered = float(clipped(real, x, torch.ones(1, M, dtype=torch.bool), K).covered[0])
        found.append((score.density, score.coverage, covered))
    expected = (1.0, coverage_of_perfect_model(N, M, K), float(expected_coverage(float(M), N, K)))
    error = 4 * np.std(found, axis=0) / math.sqrt(len(found))
    return bool((np.abs(np.mean(found, axis=0) - expected) < error).all())


def test_a_perfect_model_of_a_lattice_scores_what_one_of_a_density_does() -> None:
    assert calibrated()


@pytest.mark.parametrize("module", [of_manifold, of_clipped])
def test_counting_all_samples_at_the_radius_is_noticed(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The perfect model scored .99 in place of .93 in coverage, and 2.6 in place of 1 in clipped coverage so."""

    def all_of(nearer: np.ndarray, edge: np.ndarray, place: np.ndarray, tied: np.ndarray, most: int) -> np.ndarray:
        return np.minimum(nearer + edge, most).astype(float)

    monkeypatch.setattr(module, "held", all_of)
    assert not calibrated()


def test_ties_beyond_the_list_count() -> None:
    rows = torch.tensor([[0.0]] * 30 + [[1.0]] * 3)
    found = balls(rows, 5)
    assert found.radius.tolist() == [0.0] * 30 + [1.0] * 3
    assert found.place.tolist() == [5] * 30 + [3] * 3 and found.tied.tolist() == [29] * 30 + [30] * 3
    assert float(found.weight[0]) == pytest.approx(5 / 30)


def test_balls_of_parts_are_those_of_their_rows() -> None:
    g = torch.Generator().manual_seed(1)
    rows, part = torch.randint(0, 3, (120, 2), generator=g).double(), torch.randint(0, 2, (120,), generator=g)
    own = neighbours(rows, 119)
    found = ends(own.index.numpy(), own.distance.numpy(), part.numpy(), K)
    for at in (0, 1):
        expected = balls(rows[part == at], K)
        of = (part == at).numpy()
        assert np.array_equal(found.radius[of], expected.radius) and np.array_equal(found.place[of], expected.place)
        assert np.array_equal(found.tied[of], expected.tied) and np.allclose(found.weight[of], expected.weight)
