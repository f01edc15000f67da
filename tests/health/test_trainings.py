"""The monitors on real trainings. All are seeded, hence repeatable; the rates over seeds stand in docs/health.md."""

import importlib.util
import sys
from pathlib import Path

import pytest

from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import check

# Loaded by path: tests are no package.
_spec = importlib.util.spec_from_file_location("health_trainings", Path(__file__).with_name("trainings.py"))
assert _spec is not None and _spec.loader is not None
trainings = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = trainings
_spec.loader.exec_module(trainings)
Game, Autoencoder = trainings.Game, trainings.Autoencoder
UNREGULARISED = {"relativistic": False, "penalty": 0.0}
FROZEN = {**UNREGULARISED, "separated": True, "lr_generator": 1e-9, "steps": 1000}


def names(rows: list[dict[str, float]]) -> set[str]:
    return {finding.name for finding in check(rows, {**GAN.term_kinds, **VAE.term_kinds})}


def test_perfect_discriminator_on_disjoint_supports_saturates() -> None:
    rows = trainings.train_gan(Game(**FROZEN), seed=0)
    assert rows[-1]["discriminator/js"] == pytest.approx(0.6931, abs=1e-3)
    # -log D keeps its slope, so the gradient does not vanish; an untrained generator says nearly always the same.
    assert names(rows) == {"discriminator-saturation", "sample-collapse"}


def test_minimax_gradient_vanishes_on_disjoint_supports() -> None:
    rows = trainings.train_gan(Game(**FROZEN, objective="minimax", log_every=10), seed=0)
    assert names(rows) == {"discriminator-saturation", "gradient-vanishing", "sample-collapse"}


def test_healthy_game_is_left_alone() -> None:
    rows = trainings.train_gan(Game(steps=1000), seed=0)
    assert abs(rows[-1]["discriminator/js"]) < 0.05
    assert names(rows) == set()


def test_critic_without_penalty_runs_away() -> None:
    game = Game(**UNREGULARISED, objective="wasserstein", lr_discriminator=0.01, lr_generator=1e-6, steps=1000)
    assert "loss-divergence" in names(trainings.train_gan(game, seed=0))


def test_overweighted_kl_collapses_the_posterior() -> None:
    assert names(trainings.train_vae(Autoencoder(kl_weight=50.0, steps=800), seed=0)) == {"posterior-collapse"}


def test_healthy_vae_is_left_alone() -> None:
    rows = trainings.train_vae(Autoencoder(steps=1000), seed=0)
    assert rows[-1]["model/active_units"] >= 2
    assert names(rows) == set()


def test_one_giant_step_is_seen() -> None:
    found = names(trainings.train_vae(Autoencoder(spike_at=600, steps=1000), seed=0))
    assert found & {"loss-divergence", "gradient-explosion", "non-finite"}
