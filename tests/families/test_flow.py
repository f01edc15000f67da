"""Flows of coupling layers: whole Jacobians, sizes of images, scales that are hidden, learning."""

import math

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.flow import FlowConfig, FlowSampling
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.flow import Flow
from veridical.model import Space
from veridical.nn.invertible import ActNorm
from veridical.noise import SampleNoise
from veridical.training.fit import State, fit

PLANE = Space((2,), kind="vector", support=None, levels=None)
SPACES = {
    "vector": Space((3,), kind="vector", support=None, levels=None, mean=3.0, std=5.0),
    "image": Space((1, 2, 4), levels=None, mean=-0.4, std=0.5),
    "odd": Space((1, 3, 2), levels=None),
    "colour": Space((3, 1, 2), levels=None),
    "torus": Space((1, 2, 2), kind="lattice", levels=None),
}
LAYERS = ("nice", "realnvp", "glow")


def scattered(model: Flow) -> Flow:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, ActNorm):
                module.spread.uniform_(0.5, 2.0)
    return model


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", SPACES)
def test_log_determinants_are_those_of_autograd(name: str, layers: str) -> None:
    torch.manual_seed(1)
    space = SPACES[name]
    model = scattered(Flow(FlowConfig(layers=layers, width=8, couplings=2, depth=1), space).double())  # type: ignore[arg-type]
    x = space.mean + space.std * torch.randn(2, *space.shape, dtype=torch.float64)
    z = model.encode(x)
    codes = model.log_density(x) - sum(log_base(model, row) for row in z.T)
    jacobians = [torch.autograd.functional.jacobian(lambda y: model.encode(y[None])[0], row) for row in x]
    exact = torch.stack([torch.linalg.slogdet(j.reshape(space.dim, -1)).logabsdet for j in jacobians])  # type: ignore[union-attr]
    torch.testing.assert_close(codes, exact, rtol=0, atol=1e-8)
    torch.testing.assert_close(model.decode(z), x, rtol=0, atol=1e-8)
    fresh = torch.randn_like(z)
    torch.testing.assert_close(model.encode(model.decode(fresh)), fresh, rtol=0, atol=1e-8)


def log_base(model: Flow, z: Tensor) -> Tensor:
    if model.logistic:
        return -z - 2 * nn.functional.softplus(-z)
    return -0.5 * (z.square() + math.log(2 * math.pi))


def test_an_image_is_not_padded() -> None:
    for layers, sizes in (("glow", [392, 392]), ("realnvp", [392, 392]), ("nice", [784])):
        model = Flow(FlowConfig(layers=layers, width=8, couplings=1), Space((1, 28, 28)))  # type: ignore[arg-type]
        assert model.latent_shape == (784,) and model.flow.sizes == sizes


def test_hidden_scales_are_at_the_mean_of_what_is_coarser() -> None:
    torch.manual_seed(0)
    model = scattered(Flow(FlowConfig(width=8, couplings=1), Space((1, 8, 8), levels=None)))
    sizes = model.flow.sizes
    assert sizes == [16, 16, 32]
    z = torch.randn(3, 64)
    hidden = model.hide(z, 2)
    assert torch.equal(hidden[:, :16], z[:, :16]) and hidden[:, 16:].abs().max() == 0
    assert torch.equal(model.hide(z, 0), z)
    noise = SampleNoise(0, 0, 3)
    drawn = model.sample(3, noise=noise, options=FlowSampling(hide_scales=1))
    z = SampleNoise(0, 0, 3).normal(64)
    z[:, 32:] = 0
    torch.testing.assert_close(drawn, model.to_levels(model.decode(z)), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"hide_scales is 3; this flow has 3 scales.*Choose at most 2"):
        model.sample(3, options=FlowSampling(hide_scales=3))


def test_your_own_networks_condition_the_couplings() -> None:
    made: list[tuple[int, int]] = []

    def conditioner(inputs: int, outputs: int) -> nn.Module:
        made.append((inputs, outputs))
        return nn.Linear(inputs, outputs)

    model = Flow(FlowConfig(layers="glow", couplings=3), PLANE, conditioner=conditioner)
    assert made == 3 * [(1, 2)] and model.log_prob(torch.zeros(2, 2)).shape == (2,)


def test_a_correlated_gaussian_is_learned() -> None:
    """One Glow step holds every Gaussian; its excess over the entropy of these examples is small."""
    torch.manual_seed(0)
    cause = torch.randn(4096, 2)
    x = cause @ torch.tensor([[2.0, 0.0], [1.5, 0.5]]) + torch.tensor([1.0, -3.0])
    config = FlowConfig(couplings=1, width=8, depth=1, optimizer=OptimizerConfig(lr=0.02, schedule="cosine"))
    space = Space((2,), kind="vector", support=None, levels=None, mean=float(x.mean()), std=float(x.std()))
    state = State(Flow(config, space), steps=150)
    fit(state, Loader(ArrayData(x), 1024))
    covariance = torch.cov(x.T)
    entropy = 0.5 * float(torch.logdet(2 * math.pi * math.e * covariance))
    with torch.no_grad():
        excess = -float(state.model.log_prob(x).mean()) - entropy  # type: ignore[attr-defined]
    assert -5e-3 < excess < 0.01
