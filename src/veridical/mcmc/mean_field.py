r"""Two layers summed out: a bound by mean field, and the sum itself where one layer is small.

For layers $h, g$ with the weights W and the fields $a$ (which may differ from row to row) and $d$,

$$ \log \sum_{h, g} e^{a^\top h + d^\top g + h^\top W g} \ge \sum_{h, g} q\,\log\frac{e^{\dots}}{q}, \qquad
   q(h, g) = \prod_i q_i(h_i) \prod_j q_j(g_j) . $$

The best q of one layer given the other's has the fields $a + W\nu$ and $d + W^\top\mu$ of the means $\mu, \nu$, so that
the layers are updated in turn and the bound never falls. It is an equality where W is 0 or $\mu$ is certain. With the
log-normalisers $A$ of the units, after an update of g and then of h (fields $\beta, \alpha$), it is
$A_h(\alpha) + A_g(\beta) - (\beta - d)^\top\nu$.

References:
    Saul, Jaakkola & Jordan, Mean Field Theory for Sigmoid Belief Networks (1996), for the bound.
        https://arxiv.org/abs/cs/9603102
    Salakhutdinov & Hinton, Deep Boltzmann Machines (2009). https://proceedings.mlr.press/v5/salakhutdinov09a.html
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc.units import Layer

_CHUNK = 1 << 22
"""Numbers of the fields that are computed at a time."""


class MeanField(NamedTuple):
    """The state after some updates."""

    field: Float[Tensor, "B h"]
    """Whole fields of the first layer, whose means follow from them."""

    first: Float[Tensor, "B h"]
    """Means of the first layer."""

    second: Float[Tensor, "B g"]
    """Means of the second layer."""

    bound: Float[Tensor, " B"]
    """Nats, at most the logarithm of the sum."""

    change: Float[Tensor, ""]
    """Largest change of a mean of the first layer in the last update: how far from convergence it is."""


def mean_field(
    weights: Float[Tensor, "h g"], first: Layer, second: Layer, field: Float[Tensor, "B h"], updates: int
) -> MeanField:
    """Return the means after updates of both layers in turn, from those of the first one alone.

    Args:
        weights: between the layers.
        first: its units; its bias is part of the field.
        second: its units and their bias.
        field: of the first layer, without the second.
        updates: of each layer, at least 1.
    """
    whole, mu = field, first.mean(field)
    before, nu, other = mu, second.bias, second.bias  # set by the first update
    for _ in range(updates):
        other = second.bias + mu @ weights
        nu, before = second.mean(other), mu
        whole = field + nu @ weights.T
        mu = first.mean(whole)
    bound = first.log_normaliser(whole) + second.log_normaliser(other) - ((other - second.bias) * nu).sum(-1)
    return MeanField(whole, mu, nu, bound, (mu - before).abs().amax())


def log_sum(
    weights: Float[Tensor, "h g"], first: Layer, second: Layer, field: Float[Tensor, "B h"]
) -> Float[Tensor, " B"]:
    """Return the logarithm of the sum over both layers, listing the states of the one with fewer units.

    Args:
        weights: between the layers.
        first: its units; its bias is part of the field.
        second: its units and their bias.
        field: of the first layer, without the second.
    """
    if first.sites < second.sites:
        h = first.states()
        return torch.logsumexp(field @ h.T + second.log_normaliser(second.bias + h @ weights), -1)
    g = second.states()
    total = field.new_full((len(field),), -torch.inf)
    for some in g.split(max(1, _CHUNK // max(1, field.numel()))):
        nats = first.log_normaliser(field[:, None] + some @ weights.T) + some @ second.bias
        total = torch.logaddexp(total, torch.logsumexp(nats, -1))
    return total
