"""A path is asked for four things; a chain at one state of it can be followed by hand."""

import pytest
import torch
from tests.mcmc.machines import machine_of, states_of

from veridical.mcmc.bipartite import Tempering
from veridical.mcmc.path import Path
from veridical.noise import FreshNoise, SampleNoise

pytestmark = pytest.mark.usefixtures("double_precision")


def test_a_path_must_say_everything() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Path()  # type: ignore[abstract]


def test_chains_depend_on_their_own_row_of_noise_alone() -> None:
    path = Tempering(machine_of("spin", "binary"))
    ends = []
    for first, n in ((0, 5), (2, 1)):
        noise = SampleNoise(3, first, n)
        state = path.start(noise)
        for beta in (0.2, 0.7, 1.0):
            state = path.step(state, beta, noise)
        ends.append(state.v)
    assert torch.equal(ends[0][2], ends[1][0])


def test_densities_are_in_double_precision() -> None:
    torch.set_default_dtype(torch.float32)
    path = Tempering(machine_of("binary", "binary"))
    assert path.log_f(path.start(FreshNoise(2)), 0.5).dtype is torch.float64
    assert path.at(states_of(path.machine)).v.dtype is torch.float32
