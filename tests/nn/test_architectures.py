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
