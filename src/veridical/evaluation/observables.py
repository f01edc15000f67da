r"""Observables of spins on a lattice: does a model have the physics of its data?

Of every configuration $s=\pm1$ on N sites, with a bond from each site to its right and one downwards around the edges:

- energy_per_site: $e = -\frac1N\sum_{\langle ij\rangle}s_is_j$, in units of J;
- energy_spread: $N\,\mathrm{Var}(e)$, which a mixture of temperatures, or a model that repeats itself, has wrong;
- magnetization: $m = \frac1N\sum_i s_i$, 0 on average without a field: a model of one sign only has lost the other;
- magnetization_squared: $m^2$;
- correlation_half: $\frac1N\sum_i s_is_j$ with j half a lattice away, mean over both axes.

Where the distribution of the data is known (`HasObservables`) the expectations are exact; otherwise they are those of
held-out configurations. Any difference is a fault, in whichever direction. Values between the two levels are rounded
to the nearer one.
"""

import math
import time
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.data.space import Space
from veridical.evaluation.measurement import Interval, Measurement
from veridical.statistics import mean_interval

_Z = 1.959963984540054


def spins(x: Float[Tensor, "n 1 height width"], space: Space) -> Int[Tensor, "n height width"]:
    """Return the nearer of the spins -1 and 1 of every site.

    Args:
        x: configurations in data space.
        space: of the data, with two levels.
    """
    low, high = space.support or (-1.0, 1.0)
    return torch.where(x[:, 0] > (low + high) / 2, 1, -1)


def observe(s: Int[Tensor, "n height width"]) -> dict[str, Float[Tensor, " n"]]:
    """Return observables of every configuration that are averaged (module docstring).

    Examples:
        >>> {name: float(x) for name, x in observe(torch.ones(1, 4, 6, dtype=torch.int64)).items()}
        {'energy_per_site': -2.0, 'magnetization': 1.0, 'magnetization_squared': 1.0, 'correlation_half': 1.0}
    """
    height, width = s.shape[1:]
    m = _mean(s)
    return {
        "energy_per_site": -_mean(s * s.roll(-1, 2)) - _mean(s * s.roll(-1, 1)),
        "magnetization": m,
        "magnetization_squared": m.square(),
        "correlation_half": (_mean(s * s.roll(-(width // 2), 2)) + _mean(s * s.roll(-(height // 2), 1))) / 2,
    }


def spread(energy_per_site: Float[Tensor, " n"], sites: int) -> tuple[float, Interval]:
    """Variance of the energy per site times the number of sites, with its 95 % interval from the fourth moment.

    Args:
        energy_per_site: of every configuration.
        sites: N.
    """
    centred = energy_per_site - energy_per_site.mean()
    variance, fourth = float(centred.square().mean()), float(centred.pow(4).mean())
    value = sites * variance * len(centred) / (len(centred) - 1)
    half = _Z * sites * math.sqrt(max(0.0, fourth - variance**2) / len(centred))
    return value, (max(0.0, value - half), value + half)


def measure_observables(
    samples: Float[Tensor, "n 1 height width"],
    held_out: Float[Tensor, "m 1 height width"],
    space: Space,
    exact: Mapping[str, float] | None = None,
) -> list[Measurement]:
    """Compare the observables of samples with their expectations, or with those of held-out configurations.

    Args:
        samples: of the model, in data space.
        held_out: real configurations, in data space; not used for an observable whose expectation is known.
        space: of both.
        exact: expectations by name; None: the distribution of the data is not known.
    """
    began = time.perf_counter()
    ours, theirs = _estimates(spins(samples, space)), _estimates(spins(held_out, space))
    seconds = (time.perf_counter() - began) / len(ours)
    return [_compared(name, ours[name], theirs[name], (exact or {}).get(name), len(samples), seconds) for name in ours]


def _estimates(s: Tensor) -> dict[str, tuple[float, Interval]]:
    found = observe(s)
    means = {name: (float(x.mean()), mean_interval(x)) for name, x in found.items()}
    return {**means, "energy_spread": spread(found["energy_per_site"], s[0].numel())}


def _compared(
    name: str,
    ours: tuple[float, Interval],
    theirs: tuple[float, Interval],
    exact: float | None,
    n: int,
    seconds: float,
) -> Measurement:
    reference, interval = theirs if exact is None else (exact, None)
    return Measurement(
        name,
        ours[0],
        "1",
        n,
        higher_is_better=ours[0] < reference,  # no direction is better: any difference is a fault
        interval=ours[1],
        method="Student" if name != "energy_spread" else "fourth moment",
        reference=reference,
        reference_kind="null",
        reference_interval=interval,
        seconds=seconds,
        detail={"reference": "exact" if exact is not None else "held-out configurations"},
    )


def _mean(s: Tensor) -> Tensor:
    return s.double().mean(dim=(1, 2))
