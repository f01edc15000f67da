"""Remedies that can be followed: every option in them exists."""

import re
from dataclasses import fields

from veridical.config import DataConfig, GANConfig, TrainingConfig, VAEConfig
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import (
    Monitors,
)


def test_every_flag_in_a_remedy_is_a_field_of_the_configuration() -> None:
    sick = {"discriminator/js": 0.69, "model/kl": 0.0, "discriminator/crowding": 4.0, "discriminator/coverage": 0.2}
    sick["discriminator/energy"] = 1.0
    remedies: dict[str, str] = {}
    monitors = Monitors({**GAN.term_kinds, **VAE.term_kinds})
    for i in range(60):
        shot = 0.7 if i < 30 else 1e6 if i % 2 else 2e6
        grows = {"generator/loss": shot, "model/grad_norm": shot, "generator/grad_norm": 1.0 if i < 30 else 1e-9}
        row = {"step": 50 * i, "model/loss": 9.0 if i in (0, *range(30, 60)) else 0.0, **sick, **grows}
        remedies |= {found.name: found.remedy + found.cause for found in monitors.judge(row)}
    assert set(remedies) >= {
        "discriminator-saturation",
        "gradient-explosion",
        "gradient-vanishing",
        "posterior-collapse",
        "loss-divergence",
        "mode-collapse",
    }
    known = {f.name for config in (GANConfig, VAEConfig, TrainingConfig, DataConfig) for f in fields(config)}
    named = {flag for text in remedies.values() for flag in re.findall(r"--([a-z0-9-]+)", text)}
    assert {flag.replace("-", "_") for flag in named} <= known
    assert {"r1", "relativistic", "kl-weight", "lr-scale", "clip-norm"} <= named
