"""What a model is told before it sees the data."""

import torch

from veridical.config import GANConfig, VAEConfig
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.model import Facts, Space

SPACE = Space((2,), kind="vector", support=None, levels=None)


def test_a_bare_space_is_facts_of_an_unknown_number_of_examples() -> None:
    assert Facts.of(SPACE) == Facts(SPACE, None)
    facts = Facts(SPACE, 7)
    assert Facts.of(facts) is facts


def test_models_keep_what_they_were_told() -> None:
    model = VAE(VAEConfig(), Facts(SPACE, 7))
    assert model.facts.n == 7 and model.space is SPACE
    assert VAE(VAEConfig(), SPACE).facts.n is None


def test_a_space_and_facts_of_it_build_the_same_model() -> None:
    torch.manual_seed(0)
    a = GAN(GANConfig(width=8), SPACE).state_dict()
    torch.manual_seed(0)
    b = GAN(GANConfig(width=8), Facts(SPACE, 9)).state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
