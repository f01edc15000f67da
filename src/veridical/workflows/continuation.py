"""Changes when a run is resumed on another device or for more steps: arithmetic, learning rates, and their record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from veridical.config import TrainingConfig
from veridical.model import GenerativeModel
from veridical.run import RunFileError
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
    """Return the arithmetic of a resumed run: the same as before, unless the kind of device changes.

    Args:
        about: environment.json of the run; the newest resume in it counts.
        meta: metadata of the checkpoint.
        engine: engine of the resumed run.
        model: the model.
        shape: shape of a batch.
        training: settings of the run.
        precision: requested precision; None: no request.

    Returns:
        The arithmetic, and messages about changes.

    Raises:
        RunFileError: environment.json does not contain the arithmetic of the run.
    """
    try:
        before = Arithmetic(**(about.get("resumed") or [about])[-1]["arithmetic"])
    except (LookupError, TypeError) as error:
        raise RunFileError(f"environment.json records no arithmetic ({error}). Restore it from a copy.") from error
    if precision is not None:
        return dataclasses.replace(before, precision=precision), []
    if engine.device.type == meta["topology"]["device"]:
        return before, []
    now, _ = engine.choose_arithmetic(model, shape, training.precision)
    return now, [] if now == before else [f"arithmetic was {before}, is {now}"]


def resumption(engine: Engine, training: TrainingConfig, step: int, edits: Sequence[str] = ()) -> dict[str, Any]:
    """Return the record of a resume for environment.json.

    Args:
        engine: engine of the resumed run.
        training: its settings.
        step: step of the checkpoint.
        edits: sentences about files of the run that were edited or damaged.
    """
    return {
        **({"edits": list(edits)} if edits else {}),
        "step": step,
        "device": str(engine.device),
        "processes": engine.world_size,
        "arithmetic": dataclasses.asdict(engine.arithmetic),
        "deterministic": is_deterministic(engine.device, training.deterministic),
    }


def step_size_jumps(model: GenerativeModel, training: TrainingConfig, step: int, steps: int) -> list[str]:
    """Return messages about players whose learning rate jumps because the number of steps changed.

    Args:
        model: the model.
        training: settings with the new number of steps.
        step: step of the checkpoint.
        steps: previous number of steps.
    """
    if training.steps == steps or step == 0:
        return []
    configs = {player: model.optimizer(player) for player in model.players}
    messages = []
    for player, config in configs.items():
        if config.schedule == "constant":
            continue
        size = min(config.lr * training.lr_scale, math.inf if config.trust is None else config.trust)
        before, now = size * lr_factor(config, step - 1, steps), size * lr_factor(config, step, training.steps)
        messages.append(
            f"the learning rate of {player} changes from {before:.3g} to {now:.3g}, because its {config.schedule} "
            f"schedule now ends at step {training.steps} instead of {steps}"
        )
    return messages
