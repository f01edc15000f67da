"""The roles of the buffers of a module: averaged with the weights or not, equal in every process or not.

A module states the roles of its own buffers in a class attribute; a subclass adds to what its bases state:

    class Chains(nn.Module):
        buffer_roles = {"spins": BufferRole.PER_PROCESS, "updates": BufferRole.LIVE}

A buffer without a stated role is live. The normalisation layers of torch are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


class BufferRole(Enum):
    """How a buffer is averaged and saved."""

    AVERAGED = "averaged"
    """Running statistics: averaged over the steps as the weights are. With several processes each has its own share of
    every batch, so that checkpoints keep the statistics of each."""

    LIVE = "live"
    """Chains, caches, codes, flags, constants: the newest value is the only one with a meaning. Equal in every
    process."""

    PER_PROCESS = "per process"
    """Live, and every process has its own: checkpoints keep the buffers of all."""


NORMALISATION: Mapping[str, BufferRole] = {
    "running_mean": BufferRole.AVERAGED,
    "running_var": BufferRole.AVERAGED,
    "num_batches_tracked": BufferRole.LIVE,
}
"""Buffers of torch's batch and instance normalisation."""


def stated_roles(module: nn.Module) -> dict[str, BufferRole]:
    """Return the roles that a module's class and its bases state, by name of the buffer within the module."""
    stated: dict[str, BufferRole] = dict(NORMALISATION) if isinstance(module, _NormBase) else {}
    for kind in reversed(type(module).__mro__):
        stated |= vars(kind).get("buffer_roles", {})
    return stated


def buffer_roles(model: nn.Module) -> dict[str, BufferRole]:
    """Return the role of every buffer that a checkpoint holds, by its name in the model's `state_dict`.

    Examples:
        >>> {name: role.value for name, role in buffer_roles(nn.BatchNorm1d(2)).items()}
        {'running_mean': 'averaged', 'running_var': 'averaged', 'num_batches_tracked': 'live'}
    """
    persistent = model.state_dict(keep_vars=True).keys()
    return {name: role or BufferRole.LIVE for name, role in _roles(model) if name in persistent}


def undeclared_buffers(model: nn.Module) -> list[str]:
    """Return the names of the saved buffers without a stated role; they count as live."""
    persistent = model.state_dict(keep_vars=True).keys()
    return [name for name, role in _roles(model) if role is None and name in persistent]


def _roles(model: nn.Module) -> Iterator[tuple[str, BufferRole | None]]:
    for place, module in model.named_modules(remove_duplicate=False):
        stated = stated_roles(module)
        for name, _ in module.named_buffers(recurse=False, remove_duplicate=False):
            yield f"{place}.{name}" if place else name, stated.get(name)
