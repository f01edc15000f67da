r"""Ordinary differential equations $dx/dt = v(x, t)$ by explicit steps, and the density that they transport.

$$ \frac{d}{dt} \log p_t(x_t) = -\operatorname{tr} \frac{\partial v}{\partial x}(x_t, t) $$

along a solution (Chen et al. 2018), so that a density known at one end is known at the other. The trace is either
*exact*, with one derivative for every component, or *estimated* without bias by Hutchinson's identity
$\operatorname{tr} J = \mathrm E\,e^\top J e$ with random signs $e$, the same ones during the whole solution.

A method of order $p$ with $n$ steps is off by $C n^{-p}$. The difference of $n$ and $2n$ steps shows how far $2n$ steps
are off: by $1 / (2^p - 1)$ of it (`richardson`).

References:
    Chen, Rubanova, Bettencourt & Duvenaud, Neural Ordinary Differential Equations (2018).
        https://arxiv.org/abs/1806.07366
    Grathwohl et al., FFJORD (2019), for the estimated trace. https://arxiv.org/abs/1810.01367
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), Sec. II.1 and II.4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""(B, *event), () → (B, *event) velocities; each row depends on its own row alone."""

Method = Literal["euler", "heun", "rk4"]


@dataclass(frozen=True)
class Scheme:
    """A method: its slopes k_i = v(x + h a_i k_{i-1}, t + h a_i) and their weights."""

    order: int
    places: tuple[float, ...]
    """a_i, of which the first is 0."""

    weights: tuple[float, ...]

    @property
    def evaluations(self) -> int:
        """Velocities that a step computes."""
        return len(self.weights)


SCHEMES: dict[Method, Scheme] = {
    "euler": Scheme(1, (0.0,), (1.0,)),
    "heun": Scheme(2, (0.0, 1.0), (1 / 2, 1 / 2)),
    "rk4": Scheme(4, (0.0, 1 / 2, 1 / 2, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


class Transported(NamedTuple):
    """The end of a solution with the change of the density on the way."""

    x: Float[Tensor, "B *event"]
    expansion: Float[Tensor, " B"]
    """Integral of the trace from the first time to the last: log p at the start minus log p at the end, nats."""


def solve(field: Field, x: Float[Tensor, "B *event"], times: Float[Tensor, " n"], method: Method = "heun") -> Tensor:
    """Return the solution at the last time.

    Args:
        field: velocity.
        x: at the first time.
        times: monotone; one step from each to the next.
        method: see `SCHEMES`.
    """
    for t, after in pairwise(times):
        x = x + _increment(lambda x, t: (field(x, t),), x, t, after, SCHEMES[method])[0]
    return x


def transport(
    field: Field,
    x: Float[Tensor, "B *event"],
    times: Float[Tensor, " n"],
    method: Method = "rk4",
    probes: Float[Tensor, "k B *event"] | None = None,
) -> Transported:
    """Return the solution at the last time, and the integral of the trace.

    Args:
        field: velocity.
        x: at the first time.
        times: monotone; one step from each to the next.
        method: see `SCHEMES`.
        probes: random signs, of which the traces are averaged; None: the exact trace.
    """

    def both(x: Tensor, t: Tensor) -> tuple[Tensor, ...]:
        return with_trace(field, x, t, probes)

    expansion = x.new_zeros(len(x))
    for t, after in pairwise(times):
        dx, more = _increment(both, x, t, after, SCHEMES[method])
        x, expansion = x + dx, expansion + more
    return Transported(x, expansion)


def with_trace(field: Field, x: Tensor, t: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the velocity (B, *event) and the trace (B,) of its derivative; no graph is kept.

    Args:
        field: velocity.
        x: (B, *event).
        t: () time.
        probes: (k, B, *event) random signs; None: the exact trace, by one derivative for each component.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = field(x, t)
        if probes is None:
            columns = v.flatten(1).sum(0)
            rows = [_derivative(column, x, None).flatten(1)[:, i] for i, column in enumerate(columns)]
            trace = torch.stack(rows).sum(0)
        else:
            trace = torch.stack([(_derivative(v, x, e) * e).flatten(1).sum(1) for e in probes]).mean(0)
    return v.detach(), trace.detach()


def richardson(coarse: Tensor, fine: Tensor, method: Method) -> Tensor:
    """Return the estimated errors of `fine`, of twice as many steps as `coarse`.

    Args:
        coarse: values of n steps.
        fine: values of 2n steps.
        method: by which both were computed.
    """
    return (coarse - fine).abs() / (2 ** SCHEMES[method].order - 1)


def _derivative(v: Tensor, x: Tensor, weights: Tensor | None) -> Tensor:
    (found,) = torch.autograd.grad(v, x, weights, retain_graph=True, materialize_grads=True)
    return found


def _increment(
    field: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
    x: Tensor,
    t: Tensor,
    after: Tensor,
    scheme: Scheme,
) -> tuple[Tensor, ...]:
    """Return by how much a step changes everything that is integrated; the first is the state x of the equation."""
    h, slopes = after - t, []
    for place in scheme.places:
        moved = x + h * place * slopes[-1][0] if slopes else x
        slopes.append(field(moved, t + place * h))
    return tuple(
        h * sum(w * k for w, k in zip(scheme.weights, part, strict=True)) for part in zip(*slopes, strict=True)
    )
