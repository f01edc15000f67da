"""The court measures what the evaluation measures: every fast value equals that of `veridical.evaluation`."""

from __future__ import annotations

import pytest
import torch

from veridical.evaluation.authenticity import authentic
from veridical.evaluation.birthday import collisions
from veridical.evaluation.c2st import accuracies, same_label
from veridical.evaluation.cells import cell_of, cell_shares, centres_of
from veridical.evaluation.clipped import clipped
from veridical.evaluation.clipped_calibration import calibrated
from veridical.evaluation.exchange import Exchange
from veridical.evaluation.frechet import frechet_distance
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.manifold import Sample, manifold
from veridical.evaluation.memorisation import copy_ratio
from veridical.evaluation.mmd import gaussian_kernel, kernel_discrepancies
from veridical.evaluation.neighbours import nearest
from veridical.evaluation.vendi import vendi
from veridical.experiments.court_faults import World, copies, law, none
from veridical.experiments.court_scores import CELLS, METRICS, Judge, within

N = 300


@pytest.fixture(scope="module")
def sets() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    of = law(32)
    world = World(of, of.sample(N, generator, torch.float32), generator)
    train, held_out, generated = world.train, none(world, N), copies(world, N)
    middle = train.mean(dim=0)
    return train - middle, held_out - middle, generated - middle


@pytest.fixture(scope="module")
def found(sets: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> dict[str, float]:
    train, held_out, generated = sets
    return dict(zip(METRICS, Judge(train, held_out).statistics(generated), strict=True))


def test_precision_recall_density_and_coverage(sets, found) -> None:
    train, held_out, generated = sets
    real = Sample(train, 3, 5)
    ours, theirs = (manifold(real, Sample(x, 3, 5)) for x in (generated, held_out))
    for name in ours._fields:
        assert found[name] == pytest.approx(getattr(ours, name) - getattr(theirs, name), abs=1e-5), name


def test_distances_of_distributions(sets, found) -> None:
    train, held_out, generated = sets
    assert found["fid"] == pytest.approx(
        frechet_distance(train, generated) - frechet_distance(train, held_out), rel=1e-4
    )
    real = KernelSample(train)
    kid = kernel_distance(real, KernelSample(generated)).value - kernel_distance(real, KernelSample(held_out)).value
    assert found["kid"] == pytest.approx(kid, abs=1e-4)
    pool, true = torch.cat([generated, held_out]), Exchange(N, N, (torch.arange(2 * N) < N)[None])
    width = float(torch.pdist(torch.cat([train[:500], held_out[:500]])).median())
    mmd = float(kernel_discrepancies(pool, true, gaussian_kernel(width))[0])
    assert found["mmd"] == pytest.approx(mmd, abs=1e-6)
    assert found["vendi"] == pytest.approx(vendi(generated).one - vendi(held_out).one, rel=1e-4)


def test_neighbours(sets, found) -> None:
    train, held_out, generated = sets
    pool, true = torch.cat([generated, held_out]), Exchange(N, N, (torch.arange(2 * N) < N)[None])
    neighbour = nearest(pool, pool, exclude=torch.arange(2 * N)).index
    assert found["1-NN"] == pytest.approx(float(same_label(neighbour, true)[0]), abs=1e-6)
    ours, theirs = (authentic(x, train).double().mean() for x in (generated, held_out))
    assert found["authenticity"] == pytest.approx(float(ours - theirs), abs=1e-6)
    near, real = nearest(generated, train), nearest(held_out, train)
    assert found["memorised"] == pytest.approx(float((near.distance <= real.distance.quantile(0.01)).float().mean()))
    ratio, of_real = copy_ratio(near), copy_ratio(real)
    assert found["copied"] == pytest.approx(float((ratio <= of_real.quantile(0.001)).float().mean()))
    epsilon = nearest(train, train, exclude=torch.arange(N)).distance.quantile(0.01)
    count = [len(collisions(x, float(epsilon)).first) for x in (generated, held_out)]
    assert found["birthday"] == count[0] - count[1]


def test_clipped_density_and_coverage(sets, found) -> None:
    """The fast density is not divided by what real examples score, which is the same for all samples."""
    train, held_out, generated = sets
    labels = (torch.arange(2 * N) < N)[None]
    both = clipped(train, torch.cat([generated, held_out]), torch.cat([labels, ~labels]))
    coverage = calibrated(both.covered.numpy(), N, N)
    assert found["clipped coverage"] == pytest.approx(float(coverage[0] - coverage[1]), abs=1e-5)
    real = 1.0 / float(both.scores.max())  # one in as many balls as count scores 1 before the division
    density = real * float(both.scores[:N].mean() - both.scores[N:].mean())
    assert found["clipped density"] == pytest.approx(density, abs=1e-5)


def test_cells_and_classifier(sets, found) -> None:
    train, held_out, generated = sets
    pool, true = torch.cat([generated, held_out]), Exchange(N, N, (torch.arange(2 * N) < N)[None])
    centres = centres_of(train, CELLS, seed=0)
    shares = cell_shares(cell_of(pool, centres), true, len(centres))
    assert found["cells"] == pytest.approx(float(shares.chi_square[0]), rel=1e-5)
    assert found["c2st"] == pytest.approx(float(accuracies(pool, true, seed=0)[0]), abs=1e-6)


def test_within_counts_what_is_nearer_than_the_radius() -> None:
    assert within(torch.tensor([0.5, 1.5]), torch.tensor([1.0, 1.0])).tolist() == [1.0, 0.0]
