"""A decoder as a density: its codes, its likelihood in closed form, what cannot be annealed, and its draws."""

import math

import pytest
import torch

from tests.evaluation.models import Linear, LinearVAE
from veridical.config.families.conditional_gan import ConditionalGANConfig
from veridical.config.families.gan import GANConfig
from veridical.evaluation.decoder import Decoder, simulate, why_not
from veridical.families.conditional_gan import ConditionalGAN
from veridical.families.gan import GAN
from veridical.model import Space


def test_noise_of_a_stated_scale_gives_a_gaussian_likelihood() -> None:
    model = Linear()
    u = torch.randn(3, 5, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, *model.space.shape, generator=torch.Generator().manual_seed(1))
    mean = model.decode(u.flatten(0, 1)).reshape(3, 5, -1).double()
    square = ((x.flatten(1).double() - mean) / 0.3).square().sum(-1)
    expected = -square / 2 - mean.shape[-1] * (math.log(0.3) + 0.5 * math.log(2 * math.pi))
    found = Decoder(model, model.space, 0.3).log_likelihood(x, u)
    assert torch.allclose(found, expected, atol=1e-4)


def test_uniform_codes_are_uniform() -> None:
    model = GAN(GANConfig(latent="uniform", width=8), Space((2,), "vector", None, None))
    codes = Decoder(model, model.space, 0.1).codes(torch.tensor([-50.0, 0.0, 0.6745]))
    assert model.prior_kind == "uniform"
    assert codes.tolist() == pytest.approx([-1.0, 0.0, 0.5], abs=1e-4)


def test_draws_follow_the_decoder() -> None:
    """The residual of 4,000 draws has the stated scale: five standard errors are 2 %."""
    model = Linear()
    u, x = simulate(Decoder(model, model.space, 0.3), model, 4_000, 0)
    residual = x - model.decode(u)
    assert float(residual.detach().std()) == pytest.approx(0.3, rel=0.03)
    own = LinearVAE()
    again = [simulate(Decoder(own, own.space), own, 3, 7)[1] for _ in range(2)]
    assert torch.equal(*again)


def test_what_cannot_be_annealed_is_said() -> None:
    bits, space = Space((4,), "vector", (0.0, 1.0), 2), Space((2,), "vector", None, None)
    assert why_not(Linear(), space) is None
    assert "two values" in str(why_not(GAN(GANConfig(width=8), space), bits))
    labelled = Space((2,), "vector", None, None, classes=3)
    assert "label" in str(why_not(ConditionalGAN(ConditionalGANConfig(width=8), labelled), labelled))
