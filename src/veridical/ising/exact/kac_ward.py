r"""Planar lattices with any couplings, in PyTorch: exact log partition function, differentiable.

Kac and Ward (1952): on a planar graph with couplings $K_e$, without field,

$$ Z = 2^N \prod_e\cosh K_e\;\sqrt{\det(1-T)},\qquad
   T_{e\to f}=\tanh(K_e)\,e^{i\angle(e,f)/2}, $$

over directed edges $e$, $f$ where $f$ leaves the site at which $e$ arrives, does not return along it, and turns by the
angle $\angle(e,f)\in\{0,\pm\frac\pi2\}$. The determinant is the square of the high-temperature polynomial
$\sum_{\text{even subgraphs}}\prod\tanh K_e=Z/(2^N\prod\cosh K_e)$, real and positive for couplings of any sign: the
square root is the positive one, and there is no branch to choose (Kager, Lis & Meester 2013; Cimasoni 2010).

With directed edges grouped by the row they leave, $1-T$ is block tridiagonal. Its leading blocks are $1-T$ for the
first rows alone, so their determinants are positive too and the elimination by rows never meets a singular pivot:
$O(hw^3)$ operations and $O(hw^2)$ memory with the gradient. As $\partial\ln Z/\partial K_e=\langle s_is_j\rangle$,
automatic differentiation gives every bond correlation in one backward pass.

Without frustration $\ln Z$ is good to rounding at any coupling. With frustration the polynomial is a small difference
of large terms: for random signs on 12 x 12 the error grows from $10^{-13}$ at $|K|=1$ to $10^{-9}$ at $|K|=3$. It is
watched by the phases of the determinants, which are real, and a result worse than about $10^{-7}$ is refused.

References:
    Kac & Ward, A Combinatorial Solution of the Two-Dimensional Ising Model, Phys. Rev. 88, 1332 (1952).
    Cimasoni, A generalized Kac-Ward formula, J. Stat. Mech. P07023 (2010).
    Kager, Lis & Meester, The Signed Loop Approach to the Ising Model, J. Stat. Phys. 152, 353 (2013).
"""

import cmath
import math

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.ising.exact.lattice import lattice_shape

_EAST, _NORTH, _WEST, _SOUTH = range(4)
_LARGEST_PHASE = 1e-7


def kac_ward_log_partition(
    horizontal: Float[Tensor, "*batch height across"], vertical: Float[Tensor, "*batch down width"]
) -> Float[Tensor, "*batch"]:
    r"""Log partition function $\ln Z$ of a lattice with free boundaries and any couplings, in nats.

    Computed in double precision for any type of the couplings. Differentiable to any order.

    Args:
        horizontal: couplings $K_{r,c}$ between (r, c) and (r, c + 1), shape (..., height, width - 1), any sign.
        vertical: couplings between (r, c) and (r + 1, c), shape (..., height - 1, width).

    Returns:
        $\ln Z$, float64.

    Raises:
        ValueError: if the shapes are not those of one lattice with free boundaries, or if the couplings are so strong
            and frustrated that rounding would reach the seventh decimal.

    Examples:
        >>> kac_ward_log_partition(torch.tensor([[0.5]]), torch.empty(0, 2))  # two spins: ln(4 cosh 0.5)
        tensor(1.5064, dtype=torch.float64)
    """
    _check(horizontal, vertical)
    if vertical.shape[-1] > horizontal.shape[-2]:  # rows along the shorter side
        horizontal, vertical = vertical.mT, horizontal.mT
    horizontal, vertical = horizontal.double(), vertical.double()
    sites = horizontal.shape[-2] * vertical.shape[-1]
    log_cosh = sum((torch.logaddexp(k, -k) - math.log(2)).sum((-2, -1)) for k in (horizontal, vertical))
    return sites * math.log(2) + log_cosh + 0.5 * _log_determinant(horizontal.tanh(), vertical.tanh())


def kac_ward_bond_correlations(
    horizontal: Float[Tensor, "*batch height across"], vertical: Float[Tensor, "*batch down width"]
) -> tuple[Float[Tensor, "*batch height across"], Float[Tensor, "*batch down width"]]:
    r"""Exact $\langle s_is_j\rangle$ on every bond, $\partial\ln Z/\partial K_{ij}$, in the shapes of the couplings."""
    couplings = [k.detach().double().requires_grad_() for k in (horizontal, vertical)]
    with torch.enable_grad():
        log_z = kac_ward_log_partition(*couplings).sum()
    across, down = torch.autograd.grad(log_z, couplings)
    return across, down


def _check(horizontal: Tensor, vertical: Tensor) -> None:
    if horizontal.shape[:-2] != vertical.shape[:-2]:
        raise ValueError(f"batch shapes differ: {tuple(horizontal.shape[:-2])} and {tuple(vertical.shape[:-2])}.")
    shape = lattice_shape(tuple(horizontal.shape[-2:]), tuple(vertical.shape[-2:]))
    if shape.wraps_across or shape.wraps_down:
        raise ValueError(
            f"the couplings, {tuple(horizontal.shape[-2:])} and {tuple(vertical.shape[-2:])}, are those of a lattice "
            "that wraps, which is not planar; expected (height, width - 1) and (height - 1, width). For a torus "
            "of equal couplings use `log_partition`."
        )


def _log_determinant(across: Tensor, down: Tensor) -> Tensor:
    r"""$\ln\det(1-T)$ for weights $\tanh K$, by elimination of one row of sites after the other.

    Only edges to the north and south couple rows. After elimination of the rows above, row r keeps a correction to
    its lines of edges northward, $-T_{r,r-1} S_{r-1}^{-1} T_{r-1,r}$, of which $T_{r-1,r}$ starts from edges southward.
    """
    height, width = across.shape[-2], down.shape[-1]
    turns = _turns(across.device)
    southward = torch.eye(4 * width, dtype=turns.dtype, device=down.device)[:, _SOUTH::4]
    total = torch.zeros(across.shape[:-2], dtype=torch.float64, device=across.device)
    phases = torch.zeros_like(total)
    above = None
    for row in range(height):
        block = _row_block(across[..., row, :], turns)
        if above is not None:
            north = down[..., row - 1, :]
            line = _vertical(north, turns[_NORTH]) @ above @ _vertical(north, turns[_SOUTH])
            block = block - _place_north(line, width)
        lu, pivots = torch.linalg.lu_factor(block)
        total = total + lu.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        phases += _phase(lu.detach(), pivots).abs()
        if row < height - 1:
            above = torch.linalg.lu_solve(lu, pivots, southward.expand(*block.shape[:-2], -1, -1))
    _require_real(phases)
    return total


def _phase(lu: Tensor, pivots: Tensor) -> Tensor:
    """Phase of a determinant from its factors, in (-pi, pi]."""
    exchanges = (pivots != torch.arange(1, pivots.shape[-1] + 1, device=pivots.device)).sum(-1).double()
    angle = lu.diagonal(dim1=-2, dim2=-1).angle().sum(-1) + math.pi * exchanges
    return torch.polar(torch.ones_like(angle), angle).angle()


def _require_real(phases: Tensor) -> None:
    """Refuse a result spoilt by rounding: the exact determinants are real, so their phases measure the error."""
    if (worst := float(phases.max())) > _LARGEST_PHASE:
        raise ValueError(
            f"the determinant, which is real and positive, came out with a phase of {worst:.1e}: these couplings are "
            "so strong and so frustrated that it cancels to below rounding. Take weaker couplings (for random signs "
            "|K| up to 2 is safe at 64 x 64, up to 3 at 12 x 12), or `transfer_log_partition` on narrow lattices."
        )


def _turns(device: torch.device) -> Tensor:
    """Phases [d, d'] of the turn from direction d to d'; 0 for going back."""
    phase = {0: 1.0, 1: cmath.exp(0.25j * math.pi), 2: 0.0, 3: cmath.exp(-0.25j * math.pi)}
    table = [[phase[(after - before) % 4] for after in range(4)] for before in range(4)]
    return torch.tensor(table, dtype=torch.complex128, device=device)


def _row_block(weights: Tensor, turns: Tensor) -> Tensor:
    """The block of 1 - T within a row: edges to the east and west; edge d of site c is number 4c + d."""
    width = weights.shape[-1] + 1
    block = torch.zeros(*weights.shape[:-1], width, 4, width, 4, dtype=turns.dtype, device=weights.device)
    site = torch.arange(width - 1, device=weights.device)
    step = weights.to(turns.dtype)[..., None]
    east, west = step * turns[_EAST], step * turns[_WEST]  # (..., width - 1, 4)
    block[..., site, _EAST, site + 1, :] = -east
    block[..., site + 1, _WEST, site, :] = -west
    block = block.reshape(*weights.shape[:-1], 4 * width, 4 * width)
    return block + torch.eye(4 * width, dtype=turns.dtype, device=weights.device)


def _vertical(weights: Tensor, turn: Tensor) -> Tensor:
    """-T from the vertical edge of each site to the edges that leave the site it reaches, (..., width, 4 width)."""
    width = weights.shape[-1]
    out = -torch.diag_embed(weights.to(turn.dtype))[..., None] * turn  # (..., width, width, 4)
    return out.reshape(*weights.shape[:-1], width, 4 * width)


def _place_north(rows: Tensor, width: int) -> Tensor:
    """Put lines into the places of the edges northward."""
    lines = torch.zeros(*rows.shape[:-2], width, 4, 4 * width, dtype=rows.dtype, device=rows.device)
    lines[..., _NORTH, :] = rows
    return lines.reshape(*rows.shape[:-2], 4 * width, 4 * width)
