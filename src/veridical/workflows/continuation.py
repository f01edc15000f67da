"""What changes when a run goes on elsewhere, or for longer: arithmetic, step sizes, and what the run keeps of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from veridical.config import TrainingConfig
from veridical.model import GenerativeModel
from veridical.training.arithmetic import Arithmetic
from veridical.training.determinism import is_deterministic
from veridical.training.engine import Engine
from veridical.training.optim import lr_factor


def continued_arithmetic(
    about: Mapping[str, Any],
    meta: Mapping[str, Any],
    engine: Engine,
    model: GenerativeModel,
    shape: tuple[int, ...],
    training: TrainingConfig,
    precision: str | None,
) -> tuple[Arithmetic, list[str]]:
    """Return the arithmetic in which a run goes on: its own, unless the kind of device is another.

    Args:
        about: environment.json of the run; the newest resume in it counts.
        meta: of the checkpoint.
        engine: where the run goes on.
        model: what is trained.
        shape: of a batch.
        training: settings of the run.
        precision: asked for from here on; None: nothing is asked for.

    Returns:
        The arithmetic, and what is to be said of it.
    """
    before = Arithmetic(**(about.get("resumed") or [about])[-1]["arithmetic"])
    if precision is not None:
        return dataclasses.replace(before, precision=precision), []
    if engine.device.type == meta["topology"]["device"]:
        return before, []
    now, _ = engine.choose_arithmetic(model, shape, training.precision)
    return now, [] if now == before else [f"arithmetic was {before}, is {now}"]


def resumption(engine: Engine, training: TrainingConfig, step: int) -> dict[str, Any]:
    """Return what environment.json keeps of a resume after a step."""
    return {
        "step": step,
        "device": str(engine.device),
        "processes": engine.world_size,
        "arithmetic": dataclasses.asdict(engine.arithmetic),
        "deterministic": is_deterministic(engine.device, training.deterministic),
    }


def step_size_jumps(model: GenerativeModel, training: TrainingConfig, step: int, steps: int) -> list[str]:
    """Say for which players another number of steps changes the step size at once.

    Args:
        model: whose players they are.
        training: with the number of steps from here on.
        step: of the checkpoint.
        steps: the number of steps before.
    """
    if training.steps == steps or step == 0:
        return []
    configs = {player: model.optimizer(player) for player in model.players}
    said = []
    for player, config in configs.items():
        if config.schedule == "constant":
            continue
        size = min(config.lr * training.lr_scale, math.inf if config.trust is None else config.trust)
        before, now = size * lr_factor(config, step - 1, steps), size * lr_factor(config, step, training.steps)
        said.append(
            f"the step size of {player} goes from {before:.3g} to {now:.3g}, since its {config.schedule} schedule ends "
            f"at step {training.steps} instead of {steps}"
        )
    return said
