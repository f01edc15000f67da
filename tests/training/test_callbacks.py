"""Callbacks around the loop: grids are drawn when due, and generators are left as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from veridical.config.families.vae import VAEConfig
from veridical.data.space import Space
from veridical.families.vae import VAE
from veridical.model import Trainable
from veridical.sampling import draw
from veridical.training.callbacks import SampleGrids, averaged, generators_kept, seeded
from veridical.training.fit import State


def small() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig(network="mlp", width=4, latent_dim=2), Space((1, 4, 4)))


def test_grids_are_drawn_at_the_start_when_due_and_at_the_end() -> None:
    state, drawn = State(small(), steps=7), []
    grids = SampleGrids(3, lambda model, step: drawn.append(step))
    grids.on_start(state)
    for state.step in range(1, 8):
        grids.on_step(state)
    assert drawn == [0, 3, 6, 7]


def test_grids_show_the_averaged_weights_in_evaluation_mode() -> None:
    model = small()
    state, seen = State(model, steps=1, ema=0.5), []

    def show(model: Trainable, step: int) -> None:
        assert isinstance(model, VAE) and not model.training
        seen.append(draw(model, 3))

    for parameter in model.parameters():
        parameter.data.add_(1.0)  # the average lags behind
    SampleGrids(1, show).on_start(state)
    assert model.training and not torch.equal(seen[0], draw(model, 3))
    with averaged(state):
        assert torch.equal(seen[0], draw(model, 3))


def test_generators_are_left_as_they_were_also_after_an_error() -> None:
    @generators_kept()
    def careless() -> None:
        torch.randn(3)
        np.random.rand()  # noqa: NPY002
        random.random()
        raise ArithmeticError

    before, others = torch.get_rng_state(), (random.getstate(), str(np.random.get_state()))  # noqa: NPY002
    with pytest.raises(ArithmeticError):
        careless()
    with seeded(5, torch.device("cpu")):
        inside = torch.randn(3)
    assert torch.equal(before, torch.get_rng_state())
    assert others == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002
    torch.manual_seed(5)
    assert torch.equal(inside, torch.randn(3))
