r"""The normalisation of a model whose density is known up to a constant.

$$ \log Z = \log \sum_x e^{-E(x)} $$

is a sum over all states where these are few; of larger systems it is estimated (`normalisation.py`).
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.preprocess import to_data_space
from veridical.data.space import Space
from veridical.model import EnergyBased
from veridical.statistics import Estimate

LARGEST = 1 << 20
"""States that are summed one by one."""

_BATCH = 1 << 12


def why_not(space: Space) -> str | None:
    """Return the reason why log Z cannot be computed in a space; None: it can.

    Examples:
        >>> why_not(Space((1, 4, 4), "lattice", levels=2)) is None
        True
        >>> why_not(Space((1, 6, 6), "lattice", levels=2))
        '2^36 states are too many to be summed one by one (at most 1,048,576)'
    """
    if space.levels is None:
        return "the components are continuous, and log Z is an integral that cannot be summed"
    if space.dim * math.log(space.levels) > math.log(LARGEST):
        return f"{space.levels}^{space.dim} states are too many to be summed one by one (at most {LARGEST:,})"
    return None


def states(space: Space, batch: int = _BATCH) -> Iterator[Float[Tensor, "batch *event"]]:
    """Yield all states of a space with few of them, in data space, some at a time.

    Raises:
        ValueError: there are too many.
    """
    reason = why_not(space)
    if reason is not None or space.levels is None:
        raise ValueError(f"{reason}; only small spaces can be enumerated.")
    place = space.levels ** torch.arange(space.dim - 1, -1, -1)
    for index in torch.arange(space.levels**space.dim).split(batch):
        yield to_data_space(index[:, None] // place % space.levels, space).reshape(-1, *space.shape)


@torch.no_grad()
def log_partition(model: EnergyBased, space: Space, device: torch.device | str = "cpu") -> Estimate:
    """Return log Z in nats, exact by enumeration.

    Args:
        model: its energy.
        space: where its examples live.
        device: where the model is.

    Raises:
        ValueError: there are too many states.
    """
    parts = [torch.logsumexp(-model.energy(x.to(device)).double(), 0) for x in states(space)]
    return Estimate(float(torch.logsumexp(torch.stack(parts), 0)), 0.0)
