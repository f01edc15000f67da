"""The maps between a network and data space, and which networks a configuration names."""

import pytest
import torch
from torch import nn

from veridical.config import GANConfig
from veridical.data.space import Space
from veridical.nn.adversarial import (
    Generator,
    ToDataSpace,
    ToStandardUnits,
    architecture_of,
    build_discriminator,
    build_generator,
    has_batch_norm,
    latent_dim_of,
    reference_codes,
    renormalise,
)
from veridical.nn.architectures import ARCHITECTURES

BOUNDED = Space((1, 8, 8), support=(0.0, 4.0))
POINTS = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=0.5)


def test_a_bounded_space_is_reached_by_tanh_and_another_by_its_moments() -> None:
    h = torch.tensor([-30.0, 0.0, 30.0])
    assert torch.allclose(ToDataSpace(BOUNDED)(h), torch.tensor([0.0, 2.0, 4.0]))
    assert torch.allclose(ToDataSpace(POINTS)(h), 3.0 + 0.5 * h)
    assert ToDataSpace(POINTS)(h.bfloat16()).dtype is torch.float32


def test_standard_units_undo_the_map_to_data_space() -> None:
    h = torch.linspace(-2, 2, 9)
    assert torch.allclose(ToStandardUnits(POINTS)(ToDataSpace(POINTS)(h)), h)
    assert torch.allclose(ToStandardUnits(BOUNDED)(ToDataSpace(BOUNDED)(h)), h.tanh(), atol=1e-6)
    assert torch.equal(Generator(nn.Identity(), POINTS)(h), ToDataSpace(POINTS)(h))


def test_auto_is_convolutions_for_images_and_a_perceptron_otherwise() -> None:
    auto = GANConfig()
    assert architecture_of(auto, BOUNDED) is ARCHITECTURES["conv"]
    assert architecture_of(auto, POINTS) is ARCHITECTURES["mlp"]
    assert architecture_of(GANConfig(network="mlp"), BOUNDED) is ARCHITECTURES["mlp"]


def test_the_code_has_the_dimension_of_the_data_up_to_64() -> None:
    assert latent_dim_of(GANConfig(), POINTS) == 2
    assert latent_dim_of(GANConfig(), Space((1, 28, 28), support=(-1.0, 1.0))) == 64
    assert latent_dim_of(GANConfig(latent_dim=7), POINTS) == 7


def test_reference_codes_are_of_the_distribution_of_codes() -> None:
    uniform = reference_codes(GANConfig(latent="uniform"), 5, 3, n=2000)
    assert uniform.shape == (2000, 8) and float(uniform[:, :5].abs().max()) <= 1
    assert torch.equal(uniform[:, 5:].sum(1), torch.ones(2000))
    assert set(uniform[:, 5:].argmax(1).tolist()) == {0, 1, 2}
    assert float(reference_codes(GANConfig(latent="normal"), 5, None, n=2000).abs().max()) > 1


def test_labels_are_inputs_of_both_networks() -> None:
    config = GANConfig(network="mlp", width=4, depth=1)
    z, c = torch.randn(3, 2), torch.tensor([0, 1, 2])
    generator, discriminator = build_generator(config, POINTS, 2, classes=3), build_discriminator(config, POINTS, 2, 3)
    x = generator(z, c)
    assert x.shape == (3, 2) and discriminator(x, c).shape == (3, 2)
    assert not torch.equal(generator(z, c), generator(z, c.flip(0)))
    assert not torch.equal(discriminator(x, c), discriminator(x, c.flip(0)))


def test_batch_normalisation_is_replaced_where_there_is_some() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert has_batch_norm(network) and renormalise(network, "own") is network
    assert not has_batch_norm(renormalise(network, "layer"))
    with pytest.raises(ValueError, match="no batch normalisation to replace"):
        renormalise(nn.Sequential(nn.Linear(2, 2)), "layer")
