r"""The error of the inverse of a model that maps examples to codes one to one.

- inverse_error: mean of $|x - f^{-1}(f(x))|$ over the components, in standard deviations of the data. It is 0 in exact
  arithmetic, and about $10^{-6}$ in single precision; where it is not small, the density and the samples belong to
  different models. `largest` in the details is that of the worst example.

References:
    Behrmann, Vicol, Wang, Grosse & Jacobsen, Understanding and Mitigating Exploding Inverses in Invertible Neural
        Networks (2021). https://arxiv.org/abs/2006.09347
"""

import time

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import BATCH
from veridical.evaluation.intervals import mean_or_none
from veridical.evaluation.measurement import Measurement
from veridical.model import Bijective

EXAMPLES = 1_000
"""Examples that are mapped to their codes and back."""


@torch.no_grad()
def measure_inverse(
    model: Bijective, x: Float[Tensor, "n *event"], device: torch.device, seed: int
) -> list[Measurement]:
    """Measure inverse_error (module docstring).

    Args:
        model: maps examples to codes.
        x: examples in data space.
        device: where the model is.
        seed: of the noise of data with levels.
    """
    began = time.perf_counter()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        error = torch.cat([model.inverse_error(batch.to(device)).double().cpu() for batch in x.split(BATCH)])
    return [
        Measurement(
            "inverse_error",
            float(error.mean()),
            "standard deviations",
            len(error),
            higher_is_better=False,
            interval=mean_or_none(error),
            method="Student",
            seconds=time.perf_counter() - began,
            detail={"largest": float(error.max())},
        )
    ]
