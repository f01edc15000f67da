r"""Precision and recall, density and coverage: how much of one sample lies in the neighbourhood of the other.

Every example has a ball whose radius is the distance to its k-th neighbour in the same sample. With $r$ the radii of N
real and $r'$ those of M generated examples,

- precision: share of generated examples inside some real ball (looks like data?),
- recall: share of real examples inside some generated ball (is all of the data reachable?),
- density: $\frac{1}{kM}\sum_{ij} 1[d_{ij} \le r_i]$, precision that counts every ball (unbounded, 1 when perfect),
- coverage: share of real examples with a generated one in their ball.

k = 3 for the first pair, 5 for the second, as published. A perfect model does not score 1: its precision and recall
depend on the distribution, the dimension and n (0.6 in 64 dimensions at n = 2000), so they have a meaning only in
comparison with the score of held-out data. The expectations of density, 1, and coverage do not depend on the
distribution:

$$ \mathbb E[C] = 1 - \prod_{i=1}^{k}\frac{N-i}{M+N-i} $$

Of lattices too: where generated examples are at the very radius of a ball, density and coverage are means over the
orders of what is there (`balls`); all of them would count otherwise, but only k of the real ones.

References:
    Kynkäänniemi, Karras, Laine, Lehtinen & Aila, Improved Precision and Recall Metric (2019).
    Naeem, Oh, Uh, Choi & Yoo, Reliable Fidelity and Diversity Metrics for Generative Models (2020), Eq. 1-9.
"""

import math
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.balls import balls, held
from veridical.evaluation.neighbours import distance_blocks, neighbours


class Manifold(NamedTuple):
    """Four numbers about two samples."""

    precision: float
    recall: float
    density: float
    coverage: float


@final
class Sample:
    """Features with their balls, so that a reference is measured once.

    Args:
        rows: (n, d) features.
        k: neighbours for precision and recall.
        k_coverage: neighbours for density and coverage.
    """

    def __init__(self, rows: Float[Tensor, "n d"], k: int = 3, k_coverage: int = 5) -> None:
        self.rows, self.k, self.k_coverage = rows, k, k_coverage
        most = max(k, k_coverage)
        found = neighbours(rows, max(most, min(most + 1, len(rows) - 1)))  # one more shows ties
        self.radius, self.ball = found.distance[:, k - 1], balls(rows, k_coverage, found)

    @property
    def radius_coverage(self) -> Float[Tensor, " n"]:
        """Distance to the neighbour of density and coverage."""
        return self.ball.radius


def manifold(real: Sample, generated: Sample) -> Manifold:
    """Precision, recall, density and coverage of generated features against real ones.

    Args:
        real: N real examples.
        generated: M generated examples.

    Returns:
        Shares, and a density; pure numbers.

    Examples:
        >>> x = torch.arange(10.0)[:, None]
        >>> manifold(Sample(x), Sample(x + 100.0))
        Manifold(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    n, m = len(real.rows), len(generated.rows)
    precise = torch.zeros(m, dtype=torch.bool, device=real.rows.device)
    recalled, covered, inside = 0, 0.0, 0.0
    for start, distance in distance_blocks(real.rows, generated.rows):
        rows = slice(start, start + len(distance))
        precise |= (distance <= real.radius[rows, None]).any(dim=0)
        recalled += int((distance <= generated.radius).any(dim=1).sum())
        ball = real.ball.part(rows)
        nearer, edge = ((of(distance, ball.radius[:, None])).sum(dim=1) for of in (torch.lt, torch.eq))
        inside += float(nearer.sum() + (edge * ball.weight).sum())
        arrays = (of[:, None].numpy() for of in (nearer, edge))
        covered += float(held(*arrays, ball.place.numpy(), ball.tied.numpy(), 1).sum())
    return Manifold(float(precise.double().mean()), recalled / n, inside / (real.k_coverage * m), covered / n)


def coverage_of_perfect_model(n_real: int, n_generated: int, k: int = 5) -> float:
    """Expected coverage when real and generated examples follow the same distribution.

    Args:
        n_real: number N of real examples.
        n_generated: number M of generated examples.
        k: neighbours.

    Returns:
        The expectation, a share.

    Examples:
        >>> round(coverage_of_perfect_model(2000, 2000), 5)
        0.96887
    """
    return 1.0 - math.prod((n_real - i) / (n_generated + n_real - i) for i in range(1, k + 1))
