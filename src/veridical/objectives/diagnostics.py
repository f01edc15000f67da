r"""Signs of mode collapse in a batch: three statistics of distances, each with its value for a perfect model.

The mean distance between fakes hardly changes when six of eight modes are missing. These statistics do:

- *crowding*: how many times as often two fakes are close as two real examples are. Close is the distance that a tenth
  of the pairs of real examples do not exceed. 1 for equal distributions; $1/s$ for a distribution that covers a share
  $s$ of equal modes (the collision probability $\sum_k p_k^2$ of the birthday paradox test). Fakes that are only
  imprecise are close less often: below 1.
- *coverage*: share of real examples that have a fake nearer than their 5th nearest real neighbour. 0.97 for any equal
  distributions (`evaluation.manifold`), about $s$ where a share $s$ of the data is covered. Imprecise fakes lower it
  too.
- *energy*: energy distance over the mean distance of real examples,
  $(2\,\mathrm E|x-\tilde x| - \mathrm E|x-x'| - \mathrm E|\tilde x-\tilde x'|)\,/\,\mathrm E|x-x'|$. 0 on average for
  equal distributions, and for no others; 1 where one of two points is missing.

Distances are Euclidean, over all components of an example. The first `MOST` examples of a batch are enough, since the
log holds means over many steps; scales come from the real examples of the same batch, so that no unit enters.

References:
    Arora & Zhang, Do GANs actually learn the distribution? Some theory and empirics (2018), §2 (birthday paradox).
    Naeem, Oh, Uh, Choi & Yoo, Reliable Fidelity and Diversity Metrics for Generative Models (2020), Eq. 8-9.
    Székely & Rizzo, Energy statistics (2013), Eq. 5.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MOST = 64
"""Examples of a batch that are compared; a matrix of 128 x 128 distances costs as much as a small layer."""

FEWEST = 16
"""Smallest number of examples of a batch with statistics."""

_MANY = 32


class Distances(NamedTuple):
    """Distances between the examples of a batch."""

    real: Float[Tensor, "n n"]
    """Between real examples."""

    fake: Float[Tensor, "n n"]
    """Between fakes."""

    across: Float[Tensor, "n n"]
    """From real examples (rows) to fakes (columns)."""


def distances(x: Float[Tensor, "n *event"], x_fake: Float[Tensor, "n *event"]) -> Distances:
    """Return all distances within and between two batches of one size, in data units.

    Args:
        x: real examples.
        x_fake: as many fakes.

    Raises:
        ValueError: the sizes differ.
    """
    if x.shape != x_fake.shape:
        raise ValueError(f"x has shape {tuple(x.shape)} and x_fake {tuple(x_fake.shape)}; pass batches of one shape.")
    n = len(x)
    both = torch.cat([x, x_fake]).flatten(1)
    # By a matrix product where there are many components; exact for points, among which duplicates are at distance 0.
    mode = "use_mm_for_euclid_dist" if both.shape[1] > _MANY else "donot_use_mm_for_euclid_dist"
    centred = both - both[:n].mean(dim=0)
    d = torch.cdist(centred, centred, compute_mode=mode).fill_diagonal_(0.0)
    return Distances(d[:n, :n], d[n:, n:], d[:n, n:])


def crowding(d: Distances, share: float = 0.1) -> Float[Tensor, ""]:
    """How many times as often two fakes are close as two real examples are.

    Args:
        d: distances of a batch.
        share: of the pairs of real examples that count as close.

    Returns:
        A ratio: 1 for equal distributions, 1/s for a share s of equal modes, at most about 1/share.

    Examples:
        >>> x = torch.arange(8.0).repeat(4)[:, None]
        >>> round(float(crowding(distances(x, x))), 2), round(float(crowding(distances(x, x.floor() // 2))), 2)
        (1.0, 1.9)
    """
    n = len(d.real)
    # Every pair occurs twice, after the n zeros of the diagonal.
    close = d.real.flatten().kthvalue(n + max(1, round(share * n * (n - 1)))).values
    return ((d.fake <= close).sum() - n) / ((d.real <= close).sum() - n)


def coverage(d: Distances, k: int = 5) -> Float[Tensor, ""]:
    """Share of real examples with a fake no farther than their k-th nearest real neighbour.

    Args:
        d: distances of a batch.
        k: neighbours; fewer than n.

    Returns:
        A share. Its expectation for equal distributions is `evaluation.manifold.coverage_of_perfect_model(n, n, k)`,
        with one real neighbour fewer to choose from.

    Examples:
        >>> x = torch.arange(20.0)[:, None]
        >>> float(coverage(distances(x, x))), float(coverage(distances(x, x + 100)))
        (1.0, 0.0)
    """
    radius = d.real.kthvalue(k + 1, dim=1).values  # the nearest is the example itself
    return (d.across.amin(dim=1) <= radius).to(radius.dtype).mean()


def energy_distance(d: Distances) -> Float[Tensor, ""]:
    """Energy distance over the mean distance of real examples, without bias from pairs of one example.

    Args:
        d: distances of a batch.

    Returns:
        A pure number: 0 on average for equal distributions (single batches scatter to both sides), large for distant
        ones.

    Examples:
        >>> x = torch.tensor([0.0, 1.0]).repeat(50)[:, None]
        >>> round(float(energy_distance(distances(x, torch.zeros(100, 1)))), 2)
        0.98
    """
    n = len(d.real)
    within, within_fake = (v.sum() / (n * (n - 1)) for v in (d.real, d.fake))
    return (2 * d.across.mean() - within - within_fake) / within.clamp(min=1e-12)


@torch.no_grad()
def batch_statistics(x: Float[Tensor, "n *event"], x_fake: Float[Tensor, "n *event"]) -> dict[str, Tensor]:
    """Return the statistics of a batch by name; none where it holds fewer than `FEWEST` examples.

    Args:
        x: real examples.
        x_fake: as many fakes.
    """
    if len(x) < FEWEST:
        return {}
    d = distances(x[:MOST].float(), x_fake[:MOST].float())
    return {"crowding": crowding(d), "coverage": coverage(d), "energy": energy_distance(d)}
