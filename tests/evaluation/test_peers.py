"""Mistakes of other packages, each with the number that the mistake gives, and ours beside it.

None of the packages is imported; `benchmarks/metric_peers.py` measures agreement where they are right.
"""

import math

import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation.authenticity import authentic
from veridical.evaluation.exchange import exchange
from veridical.evaluation.frechet import GaussianFit, distance_of_fits
from veridical.evaluation.inception_score import inception_score
from veridical.evaluation.manifold import Sample, coverage_of_perfect_model, manifold
from veridical.evaluation.mmd import gaussian_kernel, kernel_discrepancies
from veridical.evaluation.neighbours import nearest
from veridical.evaluation.two_sample import measure_memorisation
from veridical.evaluation.vendi import vendi


def test_precision_and_recall_of_a_collapsed_model() -> None:
    # torch-fidelity from 2022 until 0.4.0 (issue 58): precision 4e-5 and recall .99 for a collapsed model.
    found = manifold(Sample(normal(1000, 2, 0)), Sample(0.01 * normal(1000, 2, 1)))
    assert found.precision > 0.99 and found.recall < 0.01


def test_equal_points() -> None:
    # prdc 0.2 compares with <: 0, 0, 0, 0 for a model that repeats constant data.
    same = torch.ones(20, 4)
    assert manifold(Sample(same), Sample(same)) == pytest.approx((1.0, 1.0, 1.0, coverage_of_perfect_model(20, 20)))


def test_orders_of_the_vendi_score_differ() -> None:
    # vendi-score 0.0.3 `score_X` passes q = 1 always: 2.83, 2.83, 2.83.
    assert vendi(torch.eye(3)[[0, 0, 1, 2]]) == pytest.approx((2.8284271, 2.6666667, 2.0), abs=1e-6)


def test_authenticity_by_the_index_of_the_training_example() -> None:
    # evaluating-generative-models (issues 4 and 5) takes the distance of training example j for sample j: two unrelated
    # distances, of which either is smaller in one half of cases, also where a perfect model scores .376.
    g = torch.Generator().manual_seed(2)
    x, train = torch.rand(4000, 2, generator=g), torch.rand(4000, 2, generator=g)
    own = nearest(train, train, exclude=torch.arange(4000)).distance
    wrong = float((own < nearest(x, train).distance).double().mean())
    assert float(authentic(x, train).double().mean()) == pytest.approx(0.376, abs=0.03)
    assert wrong == pytest.approx(0.5, abs=0.03)


def test_one_image_copied_a_thousand_times_is_memorised() -> None:
    # torchmetrics 1.9 MiFID takes the mean over real of the minimum over generated examples: distance 1.0, no penalty.
    train = normal(500, 8, 4)
    found = measure_memorisation(sets(train[:1].repeat(1000, 1), train, normal(300, 8, 5)))
    assert {m.name: m.value > 0.95 for m in found} == {"memorised": True, "copied": True}


def test_the_diagonal_is_no_pair() -> None:
    # CMMD (google-research 1926) keeps it: at n = 50 a perfect model gets 2 (1 - mean k) / n more, not 0.
    values = []
    for seed in range(60):  # standard error of the mean below .002; four of them
        pool = normal(100, 2, 100 + seed)
        values.append(float(kernel_discrepancies(pool, exchange(50, 50, 0, 1), gaussian_kernel(1.0))[0]))
    kept = 2 * (1 - float(gaussian_kernel(1.0)(normal(500, 2, 6).double(), normal(500, 2, 7).double()).mean())) / 50
    assert kept > 0.03 and abs(sum(values) / 60) < 0.008


def test_the_inception_score_is_normalised_once() -> None:
    # sbarratt/inception-score-pytorch (issue 2) applied softmax to probabilities: for certain rows over ten classes
    # that is e / (e + 9) for the class, and a score of 1.076.
    rows = torch.eye(10, dtype=torch.float64)
    assert inception_score(rows.log()) == pytest.approx(10.0)
    assert inception_score(rows.log_softmax(dim=1)) == pytest.approx(1.076, abs=1e-3)


def test_the_product_of_covariances_is_not_symmetric() -> None:
    # torch-fidelity (issue 46): eigvalsh of the product reads one triangle of it.
    x, y = normal(500, 4, 8).double(), normal(500, 4, 9).double() @ torch.diag(torch.tensor([3.0, 1, 1, 0.2])).double()
    y = y @ torch.linalg.qr(normal(4, 4, 10).double())[0]
    x = x @ torch.diag(torch.tensor([1.0, 5, 1, 1])).double()
    a, b = torch.cov(x.T), torch.cov(y.T)
    parts = float((x.mean(dim=0) - y.mean(dim=0)).square().sum() + a.trace() + b.trace())
    right = parts - 2 * float(torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt().sum())
    wrong = parts - 2 * float(torch.linalg.eigvalsh(a @ b).clamp(min=0).sqrt().sum())
    assert distance_of_fits(GaussianFit(x), GaussianFit(y)) == pytest.approx(right, rel=1e-9)
    assert abs(wrong - right) > 0.1 and math.isfinite(wrong)
