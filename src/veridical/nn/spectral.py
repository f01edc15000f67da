r"""Singular values of layers: spectral normalisation and measurement.

A layer acts on its input as the matrix $W$ whose rows are its outputs: a linear layer's weight as it is, a
convolution's as (out, in · k · k), a transposed convolution's likewise by its output axis, an embedding's as
(entries, components). Dividing by the largest singular value $\sigma(W)$ makes a linear layer 1-Lipschitz and a
convolution Lipschitz with a constant that only its kernel size and stride determine. With the leading singular vectors
$u, v$ held constant,

$$ \bar W = \frac{W}{\sigma(W)}, \qquad \sigma(W) = u^\top W v, \qquad
   \frac{\partial \bar W}{\partial W_{ij}} = \frac1\sigma\left(E_{ij} - [u v^\top]_{ij} \bar W\right), $$

which is the exact gradient, since $\partial\sigma/\partial W = u v^\top$ wherever $\sigma$ is simple.

The usual single power iteration per step lags behind the weights: the layer's largest singular value is then only near
one. Here it is one whenever the weight is read, in training and in evaluation, after loading and after averaging:
exactly, or by power iterations up to a stated tolerance.

References:
    Miyato et al., Spectral Normalization for Generative Adversarial Networks (2018), Eq. 8 and 11-12.
        https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from veridical.nn.buffers import BufferRole

TOLERANCE = 1e-3
r"""Power iterations end where $\lVert W^\top u - \sigma v\rVert \le$ `TOLERANCE` $\sigma$. A singular value of $W$ then
lies within TOLERANCE σ / √2 of the estimate, which is a Rayleigh quotient: from below, and off by the square of the
residual over the gap to the next one (typically below 1e-5)."""

EXACT = 64
"""Matrices with a side up to this are decomposed exactly by default; it takes about a millisecond."""

ROUNDS = 6
"""Power iterations at every read; they start from the last ones' vectors, and rest once they have converged."""

SQUARINGS = 27
"""Squarings of a Gram matrix: an eigenvalue smaller by a relative 1e-7 keeps a share of (1 - 1e-7)^(2^27) = 1e-6."""

TINY = 1e-30

BLOCK = 4
"""Singular vectors tracked together, so that two largest singular values may change places."""

Method = Literal["auto", "exact", "power"]

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.Embedding)


def weighted_layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, layer) of every linear layer, convolution and embedding; the module itself is named "weight"."""
    for name, layer in module.named_modules():
        if isinstance(layer, WEIGHTED):
            yield name or "weight", layer


def learned_weight(layer: nn.Module) -> Tensor:
    """Return the parameter behind a layer's weight: itself, what it is made of, or the direction of its rows.

    Examples:
        >>> layer = normalize_spectrum(nn.Linear(3, 2))
        >>> layer.weight is learned_weight(layer), learned_weight(layer) is layer.parametrizations.weight.original
        (False, True)
    """
    inside = dict(layer.named_parameters())
    names = ("parametrizations.weight.original", "parametrizations.weight.original1", "weight")
    return next(inside[name] for name in names if name in inside)


def as_matrix(weight: Tensor, transposed: bool = False) -> Tensor:
    """Return a weight as the matrix (out, rest); of transposed convolutions the output axis is the second.

    Examples:
        >>> as_matrix(torch.zeros(8, 3, 5, 5)).shape, as_matrix(torch.zeros(8, 3, 4, 4), transposed=True).shape
        (torch.Size([8, 75]), torch.Size([3, 128]))
    """
    return (weight.transpose(0, 1) if transposed else weight).flatten(1)


def leading_vectors(matrix: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Return the k leading left and right singular vectors (rows, k), (columns, k), from the smaller Gram matrix."""
    tall = matrix.shape[0] > matrix.shape[1]
    a = matrix.T if tall else matrix
    u = torch.linalg.eigh(a @ a.T).eigenvectors[:, -k:].flip(1)
    v = a.T @ u
    v = v / torch.linalg.vector_norm(v, dim=0)
    return (v, u) if tall else (u, v)


def leading_pair(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the leading left and right singular vector (rows,), (columns,), from the smaller Gram matrix.

    As `leading_vectors`, but without a decomposition, whose success is checked on the host: see `top_eigenvector`.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    a = matrix.T if tall else matrix
    u = top_eigenvector(a @ a.T)
    v = unit(a.T @ u)
    return (v, u) if tall else (u, v)


def top_eigenvector(gram: Tensor) -> Tensor:
    r"""Return the leading eigenvector (n,) of a positive semi-definite matrix (n, n), by repeated squaring.

    $B \leftarrow B^2 / \operatorname{tr} B^2$ tends to the projector on the leading eigenspace; after `SQUARINGS` of
    them an eigenvalue smaller by a relative $10^{-7}$ is gone. The column of the largest diagonal element is returned.
    """
    b = gram / gram.trace()
    for _ in range(SQUARINGS // 3):  # the trace of an eighth power is at least n^-7, far from underflow
        b = torch.linalg.matrix_power(b, 8)
        b = b / b.trace()
    return unit(b.index_select(1, b.diagonal().argmax().view(1))[:, 0])


def power_iterations(
    matrix: Tensor, u: Tensor, tolerance: float = TOLERANCE, rounds: int = ROUNDS
) -> tuple[Tensor, ...]:
    """Iterate a block of left vectors until its leading pair is one of singular vectors.

    Every round is one block power iteration with a Rayleigh-Ritz step. A block that is good enough comes back as it
    is, so that repeating changes nothing. The number of rounds is fixed and nothing is read back to the host.

    Args:
        matrix: (rows, columns).
        u: (rows, k) to start from.
        tolerance: largest residual, relative to the largest singular value; see `TOLERANCE`.
        rounds: after which the block is taken as it is.

    Returns:
        The block (rows, k), the leading left vector (rows,), the leading right vector (columns,), () the largest
        singular value.
    """
    done = torch.zeros((), dtype=torch.bool, device=matrix.device)
    for _ in range(rounds):
        v = orthonormal(matrix.T @ u)
        image = matrix @ v  # (rows, k)
        top = top_eigenvector(image.T @ image)
        leading, left = v @ top, image @ top
        sigma = torch.linalg.vector_norm(left)
        left = left / sigma
        done = done | (torch.linalg.vector_norm(matrix.T @ left - sigma * leading) <= tolerance * sigma)
        u = torch.where(done, u, image / torch.linalg.vector_norm(image, dim=0).clamp_min(TINY))
    return u, left, leading, sigma  # pyright: ignore[reportPossiblyUnboundVariable]


def orthonormal(block: Tensor) -> Tensor:
    """Return an orthonormal basis (n, k) of the columns of a block (n, k), by Gram and Schmidt, twice for accuracy."""
    for _ in range(2):
        columns: list[Tensor] = []
        for column in block.unbind(1):
            for before in columns:
                column = column - (before @ column) * before
            columns.append(unit(column))
        block = torch.stack(columns, dim=1)
    return block


def unit(x: Tensor) -> Tensor:
    """Return a vector over its length; zero stays zero."""
    return x / torch.linalg.vector_norm(x).clamp_min(TINY)


class UnitSpectralNorm(nn.Module):
    """The parametrization W → W / σ(W).

    Args:
        weight: the weight at the start; not all zero.
        transposed: the output axis is the second.
        method: exact decomposition; power iterations that start from the last ones' vectors; or by size.

    Raises:
        ValueError: the weight is all zero.
    """

    buffer_roles: ClassVar = {"u": BufferRole.LIVE}
    u: Tensor

    def __init__(self, weight: Tensor, transposed: bool = False, method: Method = "auto") -> None:
        super().__init__()
        matrix = as_matrix(weight.detach(), transposed)
        if not bool(matrix.any()):
            raise ValueError("weight is all zero, which no factor brings to norm 1; initialise it before normalising.")
        self.transposed = transposed
        self.exact = method == "exact" or (method == "auto" and min(matrix.shape) <= EXACT)
        if not self.exact:
            start = leading_vectors(matrix, min(BLOCK, *matrix.shape))[0]
            self.register_buffer("u", power_iterations(matrix, start)[0].clone(memory_format=torch.contiguous_format))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight over its largest singular value."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = as_matrix(weight, self.transposed)
            u, v = self._pair(matrix.detach())
            return weight / (u @ matrix @ v)

    @torch.no_grad()
    def _pair(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        if self.exact:
            return leading_pair(matrix)
        block, u, v, _ = power_iterations(matrix, self.u)
        if self.training:
            self.u.copy_(block)
        return u, v


def normalize_spectrum(module: nn.Module, method: Method = "auto") -> nn.Module:
    """Put every weighted layer of a module under spectral normalisation, in place; layers under it already stay so.

    A weight that is zero at the start (as of a residual block that begins as the identity) has no direction to keep:
    it is drawn orthogonal instead.

    Args:
        module: a layer or a network.
        method: see `UnitSpectralNorm`.

    Returns:
        The module. Its parameters are now `<layer>.parametrizations.weight.original`; `<layer>.weight` is normalised.

    Examples:
        >>> layer = normalize_spectrum(nn.Linear(3, 2))
        >>> round(torch.linalg.matrix_norm(layer.weight, ord=2).item(), 5)
        1.0
    """
    for _, layer in list(weighted_layers(module)):
        if is_normalized(layer):
            continue
        weight: nn.Parameter = layer.weight  # type: ignore[assignment]
        transposed = isinstance(layer, TRANSPOSED)
        if not bool(weight.any()):
            nn.init.orthogonal_(weight.transpose(0, 1) if transposed else weight)
        parametrize.register_parametrization(layer, "weight", UnitSpectralNorm(weight, transposed, method))
    return module


def is_normalized(layer: nn.Module) -> bool:
    """Return whether a layer's weight is under spectral normalisation."""
    if not parametrize.is_parametrized(layer, "weight"):
        return False
    made: nn.ModuleList = layer.parametrizations["weight"]  # type: ignore[index, assignment]
    return any(isinstance(step, UnitSpectralNorm) for step in made)


@torch.no_grad()
def top_singular_values(module: nn.Module, k: int = 3) -> dict[str, Tensor]:
    """Return the k largest singular values of every weighted layer, after normalisation if it has one.

    Args:
        module: a layer or a network.
        k: how many; a layer with fewer gives all it has.

    Returns:
        Name of the layer → (≤ k,) float32 in falling order, on the layer's device.

    Raises:
        ValueError: k is not positive.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected a positive number of singular values.")
    return {
        name: largest(as_matrix(layer.weight, isinstance(layer, TRANSPOSED)).float(), k)  # type: ignore[arg-type]
        for name, layer in weighted_layers(module)
    }


def largest(matrix: Tensor, k: int, exact: int = 1024) -> Tensor:
    """Return the k largest singular values (≤ k,) of a matrix in falling order.

    Up to a smaller side of `exact` from the Gram matrix in double precision (single on devices that have no double):
    as a decomposition gives them. Beyond it by block power iterations, each to a relative 1e-3 at worst, from below.
    """
    k = min(k, *matrix.shape)
    if min(matrix.shape) <= exact:
        a = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
        a = a if a.device.type == "mps" else a.double()
        squares = torch.linalg.eigvalsh(a @ a.T)
        return squares.clamp_min(0).sqrt().flip(0)[:k].to(matrix.dtype)
    start = torch.randn(matrix.shape[0], min(2 * k + 8, *matrix.shape), generator=torch.Generator().manual_seed(0))
    block, sigma = start.to(matrix), torch.zeros(k, dtype=matrix.dtype, device=matrix.device)
    for _ in range(100):
        v = torch.linalg.qr(matrix.T @ torch.linalg.qr(block).Q).Q
        block, before = matrix @ v, sigma
        sigma = torch.linalg.svdvals(block)[:k]
        if bool(((sigma - before).abs() <= 1e-6 * sigma[0]).all()):
            break
    return sigma
