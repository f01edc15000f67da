r"""Fréchet and kernel distance under every labelling of a pool: both depend on sums over the rows that are samples.

**Fréchet distance.** Mean and second moments of the rows in the leading principal components of the reference are sums
of one vector per row, so one matrix product gives them for all labellings; the distance to the reference follows from
the eigenvalues of a small matrix each. The components beyond `COMPONENTS` enter the value but not its p-value.

**Kernel distance.** The unbiased squared distance depends on the labels $s$ by

$$ \frac{s^\top K s - \sum_S k_{ii}}{n(n-1)} + \text{const}, $$

where the kernel is centred at the mean of the reference in its own space, which changes no distance, removes the
reference from the formula, and leaves differences that single precision resolves: with features of a large mean almost
all of the plain kernel is constant. Pools of more than `WHOLE` rows are embedded first by kernel principal components
of some reference rows (Nyström), $k(x, y) \approx \varphi(x) \cdot \varphi(y)$.

Either way the result is the score of the rows that count as samples minus the score of the others, a function of the
pool and the labelling alone, so the test is exact.

References:
    Williams & Seeger, Using the Nyström method to speed up kernel machines (2001).
    Schölkopf, Smola & Müller, Nonlinear component analysis as a kernel eigenvalue problem (1998).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.exchange import Exchange
from veridical.evaluation.kernel import LANDMARKS, cubic_kernel

COMPONENTS = 64
"""Leading principal components of the reference in which Fréchet distances are relabelled."""

WHOLE = 6000
"""Rows of the pool up to which all kernels are used; the matrix holds 150 MB."""

_BLOCK_VALUES = 1 << 22


def relabelled_frechet(
    reference: Float[Tensor, "r d"], pool: Float[Tensor, "N d"], exchange: Exchange
) -> Float[Tensor, " 1+draws"]:
    """Fréchet distance of samples to the reference minus that of held-out examples, under every labelling.

    Args:
        reference: at least two rows.
        pool: samples followed by held-out examples, at least two of each.
        exchange: the labellings.

    Returns:
        Differences in squared units of the features.
    """
    rows = reference.to(torch.float64)
    values, vectors = torch.linalg.eigh(rows.T.cov().reshape(rows.shape[1], -1))
    basis, scale = vectors[:, -COMPONENTS:], values[-COMPONENTS:].clamp(min=0.0)
    z = ((pool.to(torch.float64) - rows.mean(dim=0)) @ basis).to(torch.float32)
    q = z.shape[1]
    upper = torch.triu_indices(q, q)
    moments = torch.cat([z, z[:, upper[0]] * z[:, upper[1]]], dim=1)
    inside = exchange.sums(moments, torch.float32)
    total = inside[0] + moments[exchange.n :].sum(dim=0, dtype=torch.float64)
    return _distances(inside, exchange.n, scale) - _distances(total - inside, exchange.m, scale)


def relabelled_kernel(
    reference: Float[Tensor, "r d"], pool: Float[Tensor, "N d"], exchange: Exchange
) -> Float[Tensor, " 1+draws"]:
    """Squared kernel distance of samples to the reference minus that of held-out examples, under every labelling.

    Args:
        reference: rows in random order.
        pool: samples followed by held-out examples, at least two of each.
        exchange: the labellings.

    Returns:
        Differences in units of the kernel.
    """
    landmarks = reference[:LANDMARKS].to(torch.float64)
    gram = cubic_kernel(landmarks, landmarks)
    if len(pool) > WHOLE:
        return _embedded(pool, reference[:WHOLE], landmarks, gram, exchange)
    x, rows = pool.to(torch.float64), reference[:WHOLE].to(torch.float64)
    to_reference = torch.cat([cubic_kernel(part, rows).mean(dim=1) for part in x.split(1024)])
    centred = cubic_kernel(x, x) - to_reference[:, None] - to_reference
    centred -= centred.mean()
    own, size = centred.diagonal().clone(), float(centred.abs().amax()) or 1.0
    small, found = (centred / size).to(torch.float32), []
    for labels in exchange.labels.split(max(1, _BLOCK_VALUES // len(x))):
        inside = labels.to(torch.float32)
        outside = 1.0 - inside
        squares = [((side @ small) * side).sum(dim=1).double() * size for side in (inside, outside)]
        diagonals = [side.double() @ own for side in (inside, outside)]
        of = [
            (q - d) / (k * max(1, k - 1)) for q, d, k in zip(squares, diagonals, (exchange.n, exchange.m), strict=True)
        ]
        found.append(of[0] - of[1])
    return torch.cat(found)


def variance_of_kernel(reference: Float[Tensor, "r d"]) -> float:
    """Mean squared distance of the data to their mean, in the space of the kernel: mean k(x, x) - k(x, x')."""
    rows = reference[:LANDMARKS].to(torch.float64)
    gram = cubic_kernel(rows, rows)
    return float(_centred(gram, gram).diagonal().mean())


def _distances(sums: Tensor, n: int, scale: Tensor) -> Tensor:
    """Fréchet distances of the moments of n rows to a Gaussian of mean 0 and diagonal covariance."""
    q = len(scale)
    mean, upper = sums[:, :q] / n, torch.triu_indices(q, q)
    second = torch.zeros(len(sums), q, q, dtype=torch.float64)
    second[:, upper[0], upper[1]] = second[:, upper[1], upper[0]] = sums[:, q:]
    covariance = (second - n * mean[:, :, None] * mean[:, None]) / max(1, n - 1)
    root = scale.sqrt()
    roots = torch.linalg.eigvalsh(root[:, None] * covariance * root).clamp(min=0.0).sqrt().sum(dim=1)
    trace = covariance.diagonal(dim1=1, dim2=2).sum(dim=1)
    return mean.square().sum(dim=1) + trace + scale.sum() - 2 * roots


def _embedded(pool: Tensor, reference: Tensor, landmarks: Tensor, gram: Tensor, exchange: Exchange) -> Tensor:
    values, vectors = torch.linalg.eigh(_centred(gram, gram))
    kept = values > 1e-9 * values[-1].clamp(min=1e-300)
    project = vectors[:, kept] / values[kept].sqrt()

    def embed(x: Tensor) -> Tensor:
        return torch.cat([_centred(cubic_kernel(part.double(), landmarks), gram) @ project for part in x.split(2048)])

    phi, centre = embed(pool), embed(reference).mean(dim=0)
    phi = torch.cat([phi, phi.square().sum(dim=1, keepdim=True)], dim=1)
    inside = exchange.sums(phi)
    outside = phi.sum(dim=0) - inside
    return _kernel_distances(inside, exchange.n, centre) - _kernel_distances(outside, exchange.m, centre)


def _kernel_distances(sums: Tensor, n: int, centre: Tensor) -> Tensor:
    phi, own = sums[:, :-1], sums[:, -1]
    return (phi.square().sum(dim=1) - own) / (n * max(1, n - 1)) - 2 * (phi @ centre) / n


def _centred(k: Tensor, landmarks: Tensor) -> Tensor:
    """Subtract the means over the landmarks from both sides of a kernel with them."""
    means = landmarks.mean(dim=0)
    return (k - k.mean(dim=1, keepdim=True)) - (means - means.mean())
