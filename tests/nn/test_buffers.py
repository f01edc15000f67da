"""Buffers have the roles that their modules state."""

import torch
from torch import nn

from veridical.nn.buffers import BufferRole, buffer_roles, undeclared_buffers
from veridical.nn.spectral import normalize_spectrum


class Chain(nn.Module):
    buffer_roles = {"spins": BufferRole.PER_PROCESS, "count": BufferRole.LIVE}

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("spins", torch.ones(3))
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("unstated", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)


class Tempered(Chain):
    """Adds to what its base states, and states another role of one of its buffers."""

    buffer_roles = {"ladder": BufferRole.LIVE, "count": BufferRole.AVERAGED}

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ladder", torch.zeros(4))


def test_roles_are_stated_by_the_class_and_its_bases() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), Tempered())
    assert buffer_roles(model) == {
        "0.running_mean": BufferRole.AVERAGED,
        "0.running_var": BufferRole.AVERAGED,
        "0.num_batches_tracked": BufferRole.LIVE,
        "1.spins": BufferRole.PER_PROCESS,
        "1.count": BufferRole.AVERAGED,
        "1.unstated": BufferRole.LIVE,
        "1.ladder": BufferRole.LIVE,
    }
    assert undeclared_buffers(model) == ["1.unstated"]


def test_names_are_those_of_a_checkpoint_under_parametrizations_and_for_shared_modules() -> None:
    layer = normalize_spectrum(nn.Linear(3, 2), "power")
    model = nn.ModuleDict({"a": layer, "b": layer, "norm": nn.InstanceNorm1d(2, track_running_stats=True)})
    assert buffer_roles(model).keys() == model.state_dict().keys() - dict(
        model.named_parameters(remove_duplicate=False)
    )
    assert undeclared_buffers(model) == []
