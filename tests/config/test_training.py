"""The choices of optimisers and of training: defaults are allowed, and each bound is a bound."""

from typing import Any

import pytest

from veridical.config import OptimizerConfig, TrainingConfig
from veridical.config.training import EnergyConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"betas": (0.9, 1.0)}, "betas is 1.0"),
        ({"momentum": 1.0}, "momentum"),
        ({"trust": 0.0}, "trust"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"warmup": -1}, "warmup"),
    ],
)
def test_an_optimiser_has_bounds(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OptimizerConfig(**choices)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        *(({name: 0}, name) for name in ("steps", "batch_size", "processes", "log_every", "keep", "evaluate_n")),
        *(({name: -1}, name) for name in ("seed", "spectrum_every", "probe_every", "evaluate_every")),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"lr_scale": 0.0}, "lr_scale"),
        ({"threads": 0}, "threads"),
        ({"batch_size": 10, "processes": 4}, "batch_size is 10 and processes 4"),
    ],
)
def test_training_has_bounds(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**choices)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"beta": 0.0}, "beta is 0.0"),
        ({"beta": 1.5, "anneal": 3}, "at most 1"),
        ({"beta": 0.5}, "give the number of steps"),
        ({"anneal": -1}, "anneal"),
        ({"bridges": -1}, "bridges"),
    ],
)
def test_training_from_an_energy_has_bounds(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EnergyConfig(**choices)
    EnergyConfig(beta=0.5, anneal=1, bridges=0)


def test_what_switches_off_is_allowed() -> None:
    TrainingConfig(seed=0, ema=0.0, spectrum_every=0, probe_every=0, evaluate_every=0, batch_size=12, processes=4)
    OptimizerConfig(betas=(0.0, 0.0), weight_decay=0.0, warmup=0)
