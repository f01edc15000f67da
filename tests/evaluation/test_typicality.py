"""-log p of samples: the entropy for a perfect model, more for a wide one, less for a narrow or frozen one."""

import math

import pytest
import torch

from veridical.evaluation.target import Target
from veridical.evaluation.typicality import measure_typicality
from veridical.model import Space
from veridical.targets import GaussianMixture, ring
from veridical.targets.categorical import zipf
from veridical.targets.ising import Ising
from veridical.targets.law import Law
from veridical.verdict import NO_FAULT

LATTICE = Space((1, 4, 4), "lattice", levels=2)
N = 4000


@pytest.mark.parametrize(
    ("law", "space"),
    [
        (ring(), Space((2,), "vector", None, None)),
        (zipf(), Space((1,), "vector", (0.0, 31.0), 32)),
        (zipf(), Space((1,), "vector", (-1.0, 1.0), 32)),
        (Ising(4), LATTICE),
    ],
    ids=str,
)
def test_the_law_itself_scores_its_entropy(law: Law, space: Space) -> None:
    """Two intervals of one width: false alarm 0.6 %, and the seed is fixed."""
    target = Target(law, space)
    (m,) = measure_typicality(target.sample(N, 7), target, seed=0)
    assert m.verdict in NO_FAULT and m.value == pytest.approx(m.reference, rel=0.1, abs=0.1)


@pytest.mark.parametrize(("sigma", "verdict"), [(1.5, "short of perfect"), (0.6, "suspicious")])
def test_gaussians_have_closed_forms(sigma: float, verdict: str) -> None:
    law, space = GaussianMixture(torch.zeros(1, 3), 1.0), Space((3,), "vector", None, None)
    x = GaussianMixture(torch.zeros(1, 3), sigma).sample(N, torch.Generator().manual_seed(1), torch.float32)
    (m,) = measure_typicality(x, Target(law, space), seed=0)
    assert m.value == pytest.approx(1.5 * math.log(2 * math.pi) + 1.5 * sigma**2, rel=0.03)
    assert m.reference == pytest.approx(1.5 * math.log(2 * math.pi * math.e)) and m.verdict == verdict


def test_hot_and_cold_lattices_are_told_apart() -> None:
    target = Target(Ising(4), LATTICE)
    for coupling, verdict in ((0.3, "short of perfect"), (0.6, "suspicious")):
        x = Ising(4, coupling=coupling).sample(N, torch.Generator().manual_seed(0), torch.float32)
        (m,) = measure_typicality(x, target, seed=0)
        assert m.verdict == verdict and m.reference == pytest.approx(0.404199854249 * 16 * math.log(2))
