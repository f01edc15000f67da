"""Recipes of `GANConfig`: the values that their papers state."""

from typing import Any

import pytest

from veridical.config.families.gan import FAMILY, LONG, SETTLING, GANConfig

PUBLISHED: dict[str, dict[str, Any]] = {
    "gan-2014": {"objective": "nonsaturating", "latent": "uniform", "latent_dim": 100},
    "dcgan": {"objective": "nonsaturating", "network": "dcgan", "latent_dim": 100},
    "lsgan": {"objective": "least-squares"},
    "wgan": {"objective": "wasserstein", "clip_weights": 0.01, "discriminator_turns": 5},  # Algorithm 1
    "wgan-gp": {"objective": "wasserstein", "gradient_penalty": 10.0, "discriminator_turns": 5},  # Algorithm 1
    "dragan": {"dragan": 10.0},
    "improved-gan": {"smoothing": 0.1, "minibatch": "discrimination", "normalization": "virtual"},
    "sngan": {"objective": "hinge", "spectral_norm": True, "network": "sngan"},
    "pacgan": {"pack": 4, "relativistic": True},
    "pacgan-2d": {"pack": 4, "relativistic": True},
}
OPTIMISERS = {  # name, lr, first decay
    "dcgan": ("adam", 2e-4, 0.5),
    "wgan": ("rmsprop", 5e-5, 0.9),
    "wgan-gp": ("adam", 1e-4, 0.0),
    "sngan": ("adam", 2e-4, 0.0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_are_those_of_their_papers(name: str) -> None:
    model = FAMILY.presets[name].model
    assert {key: getattr(model, key) for key in PUBLISHED[name]} == PUBLISHED[name]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_so_are_the_optimisers(name: str) -> None:
    model = FAMILY.presets[name].model
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert (optimizer.name, optimizer.lr, optimizer.betas[0]) == OPTIMISERS[name]


def test_only_the_default_recipes_are_paired_and_penalised() -> None:
    paired = {name for name, preset in FAMILY.presets.items() if preset.model.relativistic}
    assert paired == {"gan", "gan-2d", "pacgan", "pacgan-2d"}
    assert FAMILY.presets["gan"].model == GANConfig(**LONG)
    assert FAMILY.presets["gan-2d"].model == GANConfig(**SETTLING)


def test_steps_of_images_are_twice_those_of_vectors() -> None:
    steps = {
        name: {(o.lr, o.trust) for o in (preset.model.generator_optimizer, preset.model.discriminator_optimizer)}
        for name, preset in FAMILY.presets.items()
        if name in ("gan", "gan-2d")
    }
    assert steps == {"gan": {(0.02, 1.0)}, "gan-2d": {(0.01, 1.0)}}
    schedules = {name: FAMILY.presets[name].model.generator_optimizer.schedule for name in steps}
    assert schedules == {"gan": "trapezoid", "gan-2d": "settle"}
