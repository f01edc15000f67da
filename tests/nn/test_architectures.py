"""One table of networks: every name builds a pair that fits, with the weights of its paper."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from veridical.config import GANConfig
from veridical.config.families.adversarial import NetworkName
from veridical.data.space import Space
from veridical.nn.adversarial import architecture_of, build_discriminator, build_generator
from veridical.nn.architectures import ARCHITECTURES

SPACE = Space((1, 28, 28))


def test_the_table_has_every_name_of_the_configuration() -> None:
    assert {*ARCHITECTURES, "auto"} == set(get_args(NetworkName))
    assert architecture_of(GANConfig(), SPACE) is ARCHITECTURES["conv"]
    assert architecture_of(GANConfig(), Space((2,), "vector", None, None)) is ARCHITECTURES["mlp"]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("classes", [None, 3])
def test_every_pair_fits(name: NetworkName, classes: int | None) -> None:
    torch.manual_seed(0)
    config = GANConfig(network=name, width=8, latent_dim=4)
    c = None if classes is None else torch.tensor([0, 2, 1])
    generator = build_generator(config, SPACE, 4, classes)
    discriminator = build_discriminator(config, SPACE, outputs=2, classes=classes)
    x = generator(torch.randn(3, 4)) if c is None else generator(torch.randn(3, 4), c)
    assert x.shape == (3, *SPACE.shape)
    assert discriminator(x, c).shape == (3, 2)
    head = next(m for m in discriminator.head.modules() if isinstance(m, torch.nn.Linear))
    assert (head.bias is None) == name.startswith("dcgan")


def test_packed_vectors_have_features_of_their_own() -> None:
    torch.manual_seed(0)
    plane = Space((2,), "vector", None, None)
    packed, single = (build_discriminator(GANConfig(pack=pack), plane) for pack in (4, 1))
    sizes = [{k: tuple(v.shape) for k, v in d.state_dict().items() if "frequencies" in k} for d in (packed, single)]
    assert sizes[0] == sizes[1] == {"trunk.1.0.frequencies": (2, 56)}
    assert packed(torch.randn(3, 8)).shape == single(torch.randn(3, 2)).shape == (3, 1)


def test_octaves_of_the_code_are_inputs_of_the_generator() -> None:
    plane = Space((2,), "vector", None, None)
    torch.manual_seed(0)
    plain = build_generator(GANConfig(), plane, 2)
    steep = build_generator(GANConfig(latent_octaves=3), plane, 2)
    assert not any("frequencies" in key for key in plain.state_dict())
    frequencies, first = (steep.state_dict()[f"body.0.{key}"] for key in ("0.frequencies", "1.first.weight"))
    assert frequencies.shape == (2, 24) and first.shape == (64, 2 + 2 * 24)
    z = torch.randn(5, 2)
    features = torch.cat([z, (z @ frequencies).sin(), (z @ frequencies).cos()], dim=1)
    torch.testing.assert_close(steep(z), plane.mean + plane.std * steep.get_submodule("body.0.1")(features))
