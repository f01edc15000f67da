r"""Machines of two layers without connections within a layer: energies, block Gibbs sampling, log Z.

$$ E(v, h) = E_v(v) + E_h(h) - v^\top W h, \qquad E_v(v) = \tfrac12 \sum_i q_i v_i^2 - b^\top v $$

Given one layer the units of the other are independent, so a layer is drawn at once, and summed out in closed form:

$$ F(v) = -\log\sum_h e^{-E(v, h)} = E_v(v) - A_h(c + W^\top v), \qquad p(v) = e^{-F(v)} / Z . $$

**Temperature.** `Tempering` connects a machine with one without weights, whose $\log Z_0 = A_v(b_0) + A_h(c_0)$ is
known and which is drawn from exactly. At $\beta$ the fields are $(1-\beta) b_0 + \beta (b + W h)$ and
$(1-\beta) c_0 + \beta (c + W^\top v)$; a start with the means of the data ($b_0$) shortens the way.

**log Z** is a sum over the states of the smaller layer with the other summed out, for at most 2^24 states; with two
Gaussian layers it is a determinant, if there is one.

References:
    Smolensky, Information Processing in Dynamical Systems: Foundations of Harmony Theory (1986).
    Salakhutdinov & Murray, On the Quantitative Analysis of Deep Belief Networks (2008), for the path.
        https://doi.org/10.1145/1390156.1390266
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc.path import Path
from veridical.mcmc.units import Gaussian, Layer
from veridical.noise import Noise

LARGEST = 24
"""Binary digits of the largest number of states that are summed."""

_CHUNK = 1 << 16
"""Numbers of the fields that are computed at a time: half a megabyte, which stays in the cache."""


class UnnormalisableError(ValueError):
    """The sum or the integral of exp(-energy) does not exist."""


class Machine(NamedTuple):
    """A machine of two layers."""

    weights: Float[Tensor, "v h"]
    visible: Layer
    hidden: Layer

    def transposed(self) -> Machine:
        """Return the machine with its layers exchanged."""
        return Machine(self.weights.T, self.hidden, self.visible)

    def energy(self, v: Float[Tensor, "*N v"], h: Float[Tensor, "*N h"]) -> Float[Tensor, "*N"]:
        """Return E(v, h)."""
        return self.visible.own_energy(v) + self.hidden.own_energy(h) - ((v @ self.weights) * h).sum(-1)

    def hidden_field(self, v: Float[Tensor, "*N v"]) -> Float[Tensor, "*N h"]:
        """Return the field that acts on the hidden units."""
        return self.hidden.bias + v @ self.weights

    def free_energy(self, v: Float[Tensor, "*N v"]) -> Float[Tensor, "*N"]:
        """Return F(v), nats: the hidden units are summed out."""
        return self.visible.own_energy(v) - self.hidden.log_normaliser(self.hidden_field(v))

    def gibbs(self, v: Float[Tensor, "N v"], noise: Noise) -> Float[Tensor, "N v"]:
        """Draw the hidden units given the visible ones, then the visible ones given these."""
        h = self.hidden.draw(self.hidden_field(v), noise)
        return self.visible.draw(self.visible.bias + h @ self.weights.T, noise)

    def detached(self, dtype: torch.dtype | None = None) -> Machine:
        """Return the machine without gradients, in another type if one is given."""
        return Machine(self.weights.detach().to(dtype), self.visible.detached(dtype), self.hidden.detached(dtype))


def centred(machine: Machine, mu: Tensor, lam: Tensor) -> Machine:
    r"""Return the same machine, whose gradient is the one in centred coordinates, moved back.

    A change $(dW, db, dc)$ of the parameters is a change $dW$ of the weights and $db + dW\lambda$, $dc + dW^\top\mu$ of
    the biases in coordinates around $\mu$ and $\lambda$. Gradients pass through this map J as $J J^\top$.

    Args:
        machine: its parameters carry gradients.
        mu: means of the visible units.
        lam: means of the hidden units.
    """
    W, b, c = machine.weights, machine.visible.bias, machine.hidden.bias
    dW, db, dc = W - W.detach(), b - b.detach(), c - c.detach()  # zeros that carry the gradient
    dW = dW - torch.outer(db, lam) - torch.outer(mu, dc)
    return Machine(
        W.detach() + dW,
        machine.visible._replace(bias=b.detach() + db - dW @ lam),
        machine.hidden._replace(bias=c.detach() + dc - dW.T @ mu),
    )


def log_partition(machine: Machine, bits: float = LARGEST) -> float | None:
    """Return log Z in nats, exactly; None: there are too many states.

    Args:
        machine: of two layers.
        bits: of the smaller layer at most.

    Raises:
        UnnormalisableError: of two Gaussian layers, whose quadratic form is not positive definite.
    """
    if isinstance(machine.visible.units, Gaussian) and isinstance(machine.hidden.units, Gaussian):
        return _gaussian_log_partition(machine)
    if _digits(machine.hidden) < _digits(machine.visible):
        machine = machine.transposed()
    if _digits(machine.visible) > bits:
        return None
    with torch.no_grad():
        return _summed(machine)


def _digits(layer: Layer) -> float:
    return math.inf if layer.units.values is None else layer.sites * math.log2(layer.units.values)


def _summed(machine: Machine) -> float:
    """Sum over the states of the visible layer: a few units at a time are listed, the others fixed in turn."""
    layer, units = machine.visible, machine.visible.units
    assert units.values is not None
    listed = max(1, int(math.log(max(2, _CHUNK // machine.weights.shape[1]), units.values)))
    listed = min(listed, layer.sites)
    split = listed * units.numbers
    some = units.states(listed).to(layer.bias)
    own, field = some @ layer.bias[:split], some @ machine.weights[:split] + machine.hidden.bias
    totals = []
    for rest in units.states(layer.sites - listed).to(layer.bias):
        shifted = field + rest @ machine.weights[split:]
        nats = own + rest @ layer.bias[split:] + machine.hidden.log_normaliser(shifted)
        totals.append(torch.logsumexp(nats.double(), 0))
    return float(torch.logsumexp(torch.stack(totals), 0))


@torch.no_grad()
def _gaussian_log_partition(machine: Machine) -> float:
    """Return log Z of a normal distribution of all units, in canonical form."""
    q = torch.cat([_precision(machine.visible), _precision(machine.hidden)]).double()
    bias = torch.cat([machine.visible.bias, machine.hidden.bias]).double()
    v = len(machine.visible.bias)
    form = torch.diag(q)
    form[:v, v:] = -machine.weights.double()
    form[v:, :v] = form[:v, v:].T
    least = float(torch.linalg.eigvalsh(form)[0])
    if not least > 0:
        raise UnnormalisableError(
            f"the quadratic form of the energy has the eigenvalue {least:.4g}; all must be above 0, or the integral of "
            "exp(-energy) is infinite. Make the weights smaller, or take hidden units of two values."
        )
    quadratic = bias @ torch.linalg.solve(form, bias)
    return float((quadratic - torch.logdet(form) + len(q) * math.log(2 * math.pi)) / 2)


def _precision(layer: Layer) -> Tensor:
    assert layer.precision is not None
    return layer.precision


class Chains(NamedTuple):
    """Chains of a machine, one for each row."""

    v: Float[Tensor, "N v"]
    inputs: Float[Tensor, "N h"]
    """What the hidden units receive: v @ W."""


class Tempering(Path[Chains]):
    """The path from independent units to a machine (module docstring).

    Args:
        machine: the end, at 1.
        visible: $b_0$; None: no field.
        hidden: $c_0$; None: no field.

    Raises:
        UnnormalisableError: the machine has two Gaussian layers and no log Z.
    """

    def __init__(self, machine: Machine, visible: Tensor | None = None, hidden: Tensor | None = None) -> None:
        if isinstance(machine.visible.units, Gaussian) and isinstance(machine.hidden.units, Gaussian):
            _gaussian_log_partition(machine)
        self.machine = machine
        self.visible = torch.zeros_like(machine.visible.bias) if visible is None else visible
        self.hidden = torch.zeros_like(machine.hidden.bias) if hidden is None else hidden

    @property
    def log_z0(self) -> float:
        """Log Z of the independent units."""
        m = self.machine
        return float(m.visible.log_normaliser(self.visible).double() + m.hidden.log_normaliser(self.hidden).double())

    def start(self, noise: Noise) -> Chains:
        """Draw the independent units."""
        return self.at(self.machine.visible.draw(self.visible.expand(noise.n, -1), noise))

    def at(self, x: Tensor) -> Chains:
        """Return chains at given values of the visible layer."""
        return Chains(x, x @ self.machine.weights)

    def log_f(self, state: Chains, beta: float | Tensor) -> Tensor:
        """Return -F at a temperature, in float64."""
        m = self.machine
        bias = state.v @ torch.stack([self.visible, m.visible.bias], 1)
        own = torch.lerp(bias[..., 0], bias[..., 1], _number(beta, bias))
        if m.visible.precision is not None:
            own = own - (m.visible.precision * state.v.square()).sum(-1) / 2
        return own.double() + m.hidden.log_normaliser(self._hidden_field(state, beta)).double()

    def log_ratio(self, state: Chains, low: float, high: float) -> Tensor:
        """Return the difference of two `log_f`, whose fields are computed once."""
        m = self.machine
        own = (high - low) * (state.v @ (m.visible.bias - self.visible))
        field = m.hidden.bias + state.inputs
        after, before = (m.hidden.log_normaliser(_mixed(self.hidden, field, beta)) for beta in (high, low))
        return own.double() + (after.double() - before.double())

    @torch.no_grad()
    def step(self, state: Chains, beta: float | Tensor, noise: Noise) -> Chains:
        """Draw the hidden units, then the visible ones, at a temperature."""
        m = self.machine
        h = m.hidden.draw(self._hidden_field(state, beta), noise)
        field = (h @ m.weights.T).add_(m.visible.bias)  # in place, so that the weights stay in the cache
        return self.at(m.visible.draw(_mixed(self.visible, field, beta, out=field), noise))

    def _hidden_field(self, state: Chains, beta: float | Tensor) -> Tensor:
        return _mixed(self.hidden, self.machine.hidden.bias + state.inputs, beta)


def _mixed(base: Tensor, field: Tensor, beta: float | Tensor, out: Tensor | None = None) -> Tensor:
    """Return (1 - beta) base + beta field; beta is one number, or (N,) one for each row; out may be the field."""
    if isinstance(beta, Tensor):
        return torch.lerp(base.expand_as(field), field, beta.to(field)[:, None], out=out)
    return field if beta == 1 else torch.lerp(base.expand_as(field), field, beta, out=out)


def _number(beta: float | Tensor, like: Tensor) -> float | Tensor:
    return beta.to(like) if isinstance(beta, Tensor) else beta
