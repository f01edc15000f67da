"""Authenticity: the constants of Cox for a perfect model, copies, and the indices of the publication's erratum."""

import pytest
import torch

from tests.evaluation.sets import normal, sets
from veridical.evaluation import authenticity as page
from veridical.evaluation.authenticity import authentic, measure_authenticity
from veridical.evaluation.neighbours import distance_blocks, neighbours


def test_it_is_the_definition() -> None:
    x, train = normal(30, 3, 0).double(), normal(40, 3, 1).double()
    d, own = torch.cdist(x, train), torch.cdist(train, train) + 1e9 * torch.eye(40)
    r = d.argmin(dim=1)
    # own[r], the distance of the training example; the main branch of the published code read own at row j instead.
    assert authentic(x, train).tolist() == (own.min(dim=1).values[r] < d.min(dim=1).values).tolist()


@pytest.mark.parametrize(("d", "share"), [(1, 0.341), (2, 0.376), (3, 0.404)])
def test_a_perfect_model_does_not_score_one_half(d: int, share: float) -> None:
    # 4,000 examples: standard error .009 with shared training examples; four of them.
    g = torch.Generator().manual_seed(d)
    found = authentic(torch.rand(4000, d, generator=g), torch.rand(4000, d, generator=g))
    assert float(found.double().mean()) == pytest.approx(share, abs=0.036)


def test_parts_are_measured_as_samples_of_their_own() -> None:
    train, x = normal(200, 3, 6).double(), normal(120, 3, 7).double()
    found = [block.topk(64, dim=1, largest=False, sorted=True) for _, block in distance_blocks(x, train)]
    own = neighbours(train, 64)
    lists = torch.cat([of.indices for of in found]), torch.cat([of.values for of in found]), own.index, own.distance
    a, b = torch.arange(200) % 4, torch.arange(120) % 4
    shares = page._parts(*(of.numpy() for of in lists), a.numpy(), b.numpy(), 4)
    expected = [float(authentic(x[b == part], train[a == part]).double().mean()) for part in range(4)]
    assert shares[:, 0].tolist() == pytest.approx(expected)


def test_copies_are_not_authentic() -> None:
    train, test = normal(500, 8, 2), normal(500, 8, 3)
    copies = torch.cat([train[:150] + 1e-3, normal(350, 8, 4)])
    (bad,), (good,) = (measure_authenticity(sets(x, train, test)) for x in (copies, normal(500, 8, 5)))
    assert bad.verdict == "short of perfect" and good.verdict != "short of perfect"
    assert bad.value < 0.7 * (bad.reference or 0.0) + 0.05
