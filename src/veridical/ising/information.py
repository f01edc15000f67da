r"""How many bits a configuration holds: lower and upper bounds of its entropy, with the exact value between them.

**Lower bounds.** For any set $U$ of sites of a Markov random field, the translates of $U$ cover every site $|U|$ times,
and information inequalities for such covers (Madiman & Tetali 2010, Theorem I) give

$$ \frac{S}{N} \ge \frac{H(X_U \mid X_{\partial U})}{|U|}, $$

with $\partial U$ the neighbours of $U$, which screen it from all else. Given the boundary, the conditional law of a
block is known, and its entropy is computed, not estimated: a transfer matrix runs along the block, whose log partition
function $\ln Z_U(K)$ gives $H=\ln Z_U-K\,\partial_K\ln Z_U$, the derivative by a complex step. Only the average over
boundaries is measured, so that no bias of entropy estimates enters. $U$ is one site (the erasure entropy), or `rows`
rows without one column.

**Upper bounds.** Any code writes a configuration with at least $S$ bits on average. The code here predicts each spin,
in raster order, from the $k$ nearest spins already written, by what it has counted on a training set
(`veridical.ising.contexts`): its code length on *other* configurations is a bound for any training. In the first
rows and columns, where part of the context has not been written yet (the torus wraps), a smaller one stands in; that
price is included in `ContextCode.bits` and left out of `ContextCode.bulk_bits`, which estimates the entropy of a spin
given its context, $H(s_0\mid s_{c_1},\dots,s_{c_k})$.

References:
    Verdu & Weissman, The Information Lost in Erasures, IEEE Trans. Inf. Theory 54, 5030 (2008).
    Madiman & Tetali, Information Inequalities for Joint Distributions, IEEE Trans. Inf. Theory 56, 2699 (2010).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex128, Float64
from scipy import special

from veridical.ising.contexts import ContextCode, Lattices, context_index, parts
from veridical.ising.exact import energy_per_site
from veridical.statistics import mean_interval

_STEP = 1e-20


class Bound(NamedTuple):
    """A measured bound of the entropy per spin."""

    name: str
    kind: Literal["lower", "upper"]
    bits: float
    """Bits per spin."""
    low: float
    """95 % interval of `bits`: its lower end."""
    high: float
    """Its upper end."""
    n: int
    """Configurations on which it was measured."""


def context_bounds(
    train: Lattices, test: Lattices, ks: Sequence[int], coupling: float | None = None
) -> tuple[Bound, ...]:
    """Bound the entropy from above by codes of k spins of context.

    Args:
        train: configurations the codes are learned on.
        test: other configurations, on which they are measured.
        ks: spins of context, one code for each.
        coupling: where the configurations are known to follow this coupling; their energies then steady the estimates
            (see `bound`).
    """
    codes = [ContextCode((train.shape[1], train.shape[2]), k) for k in ks]
    for part in parts(train):
        context = context_index(part, max(*ks, 8))
        for code in codes:
            code.count_contexts(part, context)
    lengths, sums = [code.lengths() for code in codes], [[] for _ in codes]
    for part in parts(test):
        context = context_index(part, max(*ks, 8))
        for code, length, values in zip(codes, lengths, sums, strict=True):
            values.append(sum(code.measure_contexts(part, context, length)))
    sites = test.shape[1] * test.shape[2]
    return tuple(
        bound(f"context of {code.k}", "upper", np.concatenate(values) / sites, test, coupling)
        for code, values in zip(codes, sums, strict=True)
    )


def site_bound(x: Lattices, coupling: float) -> Bound:
    r"""Bound the entropy from below by that of a site given its four neighbours, $P(s=1)=1/(1+e^{-2K\sum s'})$.

    Args:
        x: configurations that follow the coupling.
        coupling: $K$.
    """
    table = _binary_entropy(special.expit(2 * coupling * (2.0 * np.arange(5) - 4)))
    values = []
    for part in parts(x):
        up = sum(np.roll(part.view(np.uint8), shift, axis) for axis in (1, 2) for shift in (-1, 1))
        values.append(table[up].mean(axis=(1, 2)))
    return bound("site", "lower", np.concatenate(values), x, coupling)


def block_bound(x: Lattices, coupling: float, rows: int, seed: int = 0) -> Bound:
    r"""Bound the entropy from below by that of a block of `rows` rows without one column, given all around it.

    The time grows as $2^{3\,\mathrm{rows}/2}$ for each block.

    Args:
        x: configurations that follow the coupling; as many blocks as fit side by side are used of each.
        coupling: $K$.
        rows: height of the block, at most 14, and at least one less than that of the lattice.
        seed: of the places of the blocks.
    """
    n, height, width = x.shape
    if not 1 <= rows <= min(14, height - 1):
        raise ValueError(f"rows is {rows}; expected 1 to {min(14, height - 1)} on lattices of height {height}.")
    rng = np.random.default_rng(seed)
    first = rng.integers(height, size=n)[:, None] + rows * np.arange(height // rows)
    around = (first[:, :, None] + np.arange(-1, rows + 1)) % height  # the rows of each block, and the two next to it
    column = (rng.integers(width, size=n)[:, None] + np.arange(width)) % width  # the fixed column comes first
    spins = x[np.arange(n)[:, None, None, None], around[:, :, :, None], column[:, None, None, :]]
    spins = spins.reshape(-1, rows + 2, width)
    step = max(1, (1 << 18) >> rows)
    values = [_block_entropy(spins[i : i + step], coupling) for i in range(0, len(spins), step)]
    bits = np.concatenate(values).reshape(n, -1).mean(1) / (rows * (width - 1) * math.log(2))
    return bound(f"block of {rows} x {width - 1}", "lower", bits, x, coupling)


def bound(
    name: str,
    kind: Literal["lower", "upper"],
    values: Float64[np.ndarray, " n"],
    x: Lattices,
    coupling: float | None = None,
) -> Bound:
    r"""Average values of configurations, with a 95 % interval.

    Where the coupling is known, so is the mean energy $E$ exactly, and what the values owe to chance deviations of the
    energy is taken out: $\bar v - b(\bar e - E)$ with the regression coefficient $b$ (a control variate). It leaves the
    expectation alone (but for terms of order $1/n$) and shortens the interval.

    Args:
        name: of the bound.
        kind: lower or upper.
        values: bits per spin of each configuration.
        x: the configurations, independent of each other.
        coupling: that they follow; None: unknown.
    """
    if coupling is not None and len(values) > 2:
        excess = _energies(x) - float(energy_per_site(x.shape[1], x.shape[2], coupling))
        centred = excess - excess.mean()
        if (centred**2).sum() > 0:
            values = values - (centred @ values) / (centred @ centred) * excess
    low, high = mean_interval(values) if len(values) > 1 else (-math.inf, math.inf)
    return Bound(name, kind, float(values.mean()), low, high, len(values))


def _energies(x: Lattices) -> Float64[np.ndarray, " n"]:
    """Energy per site in units of J."""
    sites = x.shape[1] * x.shape[2]
    return np.array([2 * ((c ^ np.roll(c, 1, 0)).sum() + (c ^ np.roll(c, 1, 1)).sum()) / sites - 2 for c in x])


def _binary_entropy(p: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    return (special.entr(p) + special.entr(1 - p)) / math.log(2)


def _block_entropy(spins: Bool[np.ndarray, "n rows_and_two width"], coupling: float) -> Float64[np.ndarray, " n"]:
    """Conditional entropy of blocks in nats, from the spins around them: first and last row, and first column."""
    rows = spins.shape[1] - 2
    k = coupling * (1 + 1j * _STEP)
    states = 1.0 - 2.0 * ((np.arange(1 << rows)[:, None] >> np.arange(rows)) & 1)
    sides = np.array([(a, b) for a in (-1, 1) for b in (-1, 1)])
    field = states[:, [0, -1]] @ sides.T  # (states, 4): what the spins above and below contribute
    inner = (states[:, :-1] * states[:, 1:]).sum(1)
    weight: Complex128[np.ndarray, "4 states"] = np.exp(k * (inner[:, None] + field).T)
    low, high = _bonds(k, rows // 2), _bonds(k, rows - rows // 2)
    column = (2.0 * spins[:, 1:-1, 0] - 1) @ states.T  # (n, states): bonds to the fixed column
    state, log_scale = np.exp(k * column), np.zeros(len(spins))
    for j in range(1, spins.shape[2]):
        if j > 1:
            state = (high @ state.reshape(len(spins), len(high), len(low)) @ low).reshape(len(spins), -1)
        state = state * weight[2 * spins[:, 0, j] + spins[:, -1, j].astype(int)]
        log_scale += np.log(size := np.abs(state).max(axis=1))
        state /= size[:, None]
    log_z = np.log((state * np.exp(k * column)).sum(axis=1)) + log_scale
    return log_z.real - log_z.imag / _STEP


def _bonds(k: complex, sites: int) -> Complex128[np.ndarray, "states states"]:
    r"""Weights of the bonds between two columns of so many sites, $e^{K\sum ss'}$."""
    matrix = np.ones((1, 1), np.complex128)
    one = np.exp(k * np.array([[1, -1], [-1, 1]]))
    for _ in range(sites):
        matrix = np.kron(one, matrix)
    return matrix
