"""Transformer flows: integrals, tokens, methods of sampling, learning an order that one block cannot hold."""

import math
from dataclasses import replace

import pytest
import torch
from tests.families.test_normalizing import line

from veridical.config import OptimizerConfig
from veridical.config.families.transformer_flow import TransformerFlowConfig, TransformerFlowSampling
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.transformer_flow import TransformerFlow
from veridical.model import Batch, Space
from veridical.noise import SampleNoise
from veridical.training.fit import State, fit

SMALL = TransformerFlowConfig(blocks=2, layers=1, width=8, heads=2)
PLANE = Space((2,), kind="vector", support=None, levels=None, mean=-1.0, std=2.0)


def scattered(space: Space, scale: float = 0.2, dropout: float = 0.0) -> TransformerFlow:
    torch.manual_seed(0)
    model = TransformerFlow(replace(SMALL, dropout=dropout), space)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


@torch.no_grad()
@pytest.mark.parametrize("dim", [1, 2])
def test_the_density_integrates_to_one(dim: int) -> None:
    space, n = Space((dim,), "vector", None, None, mean=-1.0, std=2.0), {1: 4000, 2: 400}[dim]
    axis = line(space.mean - 12 * space.std, space.mean + 12 * space.std, n)
    grid = torch.cartesian_prod(*dim * [axis]).reshape(-1, dim)
    total = scattered(space).log_prob(grid).double().exp().sum() * (24 * space.std / n) ** dim
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_methods_of_sampling_agree() -> None:
    model = scattered(Space((1, 6, 6), levels=None))
    drawn = [
        model.sample(3, noise=SampleNoise(0, 0, 3), options=TransformerFlowSampling(method=method))
        for method in ("auto", "cached", "naive", "jacobi")
    ]
    for other in drawn[1:]:
        torch.testing.assert_close(other, drawn[0], rtol=1e-4, atol=1e-4)


def test_the_error_of_the_inverse_is_measured_without_dropout() -> None:
    """In a training step too, whose own passes drop units."""
    model = scattered(PLANE, dropout=0.5)
    batch = Batch(torch.randn(8, 2), torch.arange(8), None)
    assert model.training and not torch.equal(model.encode(batch.x), model.encode(batch.x))
    assert model.loss(batch, player="model", step=100).terms["inverse_error"] < 1e-4
    assert all(module.training for module in model.modules())


def test_tokens_are_patches_or_groups() -> None:
    assert scattered(Space((1, 28, 28))).flow.shape == (49, 16)
    assert scattered(Space((1, 8, 8))).flow.shape == (64, 1)
    assert scattered(PLANE).flow.shape == (2, 1)
    with pytest.raises(ValueError, match="a divisor"):
        TransformerFlow(TransformerFlowConfig(patch=2), Space((3,), "vector", None, None))


def test_two_blocks_learn_a_curved_law() -> None:
    """x2 of N(0, 1), x1 of N(x2^2, 0.3^2): normal given the other component in one order only."""
    torch.manual_seed(0)
    second = torch.randn(4096)
    x = torch.stack([second.square() + 0.3 * torch.randn(4096), second], dim=1)
    space = Space((2,), "vector", None, None, mean=float(x.mean()), std=float(x.std()))
    config = TransformerFlowConfig(
        blocks=2, layers=1, width=16, heads=2, optimizer=OptimizerConfig(lr=0.01, schedule="cosine")
    )
    state = State(TransformerFlow(config, space), steps=250)
    fit(state, Loader(ArrayData(x), 256))
    entropy = 2 * 0.5 * math.log(2 * math.pi * math.e) + math.log(0.3)
    with torch.no_grad():
        excess = -float(state.model.log_prob(x).mean()) - entropy  # type: ignore[attr-defined]
    assert -0.1 < excess < 0.25  # the best Gaussian has an excess of 0.7
