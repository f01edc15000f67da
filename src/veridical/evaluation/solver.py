r"""The error of the solver behind a likelihood that is the solution of an equation.

- solver_error: mean of the absolute differences that are expected between the log densities of the solver and those of
  the equation, nats. A method of order $p$ is off by $C n^{-p}$ with $n$ steps, so that the difference of $n / 2$ and
  $n$ steps is $2^p - 1$ times the error of $n$ steps. `largest` in the details is that of the worst example.

References:
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), Sec. II.4, on extrapolation.
"""

import time

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import BATCH
from veridical.evaluation.intervals import mean_or_none
from veridical.evaluation.measurement import Measurement
from veridical.model import Integrated

EXAMPLES = 64
"""Examples of which the equation is solved twice."""


@torch.no_grad()
def measure_solver(
    model: Integrated, x: Float[Tensor, "n *event"], device: torch.device, seed: int
) -> list[Measurement]:
    """Measure solver_error (module docstring).

    Args:
        model: solves an equation for its likelihood.
        x: examples in data space.
        device: where the model is.
        seed: of noise and of random vectors.
    """
    began = time.perf_counter()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        error = torch.cat([model.solver_error(batch.to(device)).double().cpu() for batch in x.split(BATCH)])
    return [
        Measurement(
            "solver_error",
            float(error.mean()),
            "nats",
            len(error),
            higher_is_better=False,
            interval=mean_or_none(error),
            method="Student",
            seconds=time.perf_counter() - began,
            detail={"largest": float(error.max()), **model.density_facts},
        )
    ]
