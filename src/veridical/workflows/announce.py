"""Description of a training, printed before its first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from veridical.config import RunConfig
from veridical.data.classes import name_classes
from veridical.data.dataset import ArrayData
from veridical.data.source import BatchSource, count, notes
from veridical.model import Discriminating, GenerativeModel
from veridical.training.determinism import repeatability
from veridical.training.engine import Engine


def describe(
    say: Callable[[str], None],
    config: RunConfig,
    data: ArrayData | BatchSource,
    model: GenerativeModel,
    engine: Engine,
    why: str,
) -> None:
    """Print the data, the model, the device and the settings of a training.

    Args:
        say: called with each line of text.
        config: the configuration.
        data: the training data.
        model: the untrained model.
        engine: device, arithmetic and processes.
        why: reason for this arithmetic.
    """
    space = data.space
    n = count(data)
    what = f"{'' if n is None else f'{n:,} '}examples of shape {tuple(space.shape)}"
    levels = f"{space.levels} levels in {space.support}"
    scale = levels if space.levels else f"mean {space.mean:.3g}, std {space.std:.3g}"
    classes = name_classes(space.classes, data.class_names if isinstance(data, ArrayData) else None)
    say(f"data       {data.name}: {what}, {scale}{f', {classes}' if space.classes else ''}")
    for note in notes(data):
        say(f"           {note}")
    if config.training.from_energy is not None:
        say(f"           {config.training.from_energy}: learned from the log density of {data.name}, without examples")
    counts = {p: sum(t.numel() for t in _tensors(model, p)) for p in model.players}
    say(f"model      {config.family}: " + ", ".join(f"{p} {n:,} parameters" for p, n in counts.items()))
    weights = f"{sum(counts.values()) * 20 / 1e6:.1f} MB"  # float32: weights, gradients, two moments, average
    held = f", data {data.nbytes / 1e6:.1f} MB" if isinstance(data, ArrayData) else ""
    say(f"memory     weights, gradients, optimiser and average {weights}{held}")
    many = f", {engine.world_size} processes" if engine.world_size > 1 else ""
    say(f"device     {engine.device} ({engine.reason}){many}")
    say(f"arithmetic {engine.arithmetic} ({why})")
    say(f"same seed  {repeatability(engine.device, config.training.deterministic)}")
    say(f"seed       {config.training.seed}; {config.training.steps:,} steps of {config.training.batch_size}")


def bounded_logits(model: GenerativeModel) -> str | None:
    """Return a warning if the outputs of a discriminator stay in [0, 1], however far examples are from the data.

    A sigmoid inside `forward` cannot be seen in the list of modules. Logits of 64 random examples 10,000 standard
    deviations wide almost surely leave [0, 1], unless something bounds them.
    """
    if not isinstance(model, Discriminating) or model.logits_of is not None or model.space.classes is not None:
        return None
    space, training = model.space, model.training
    random = torch.Generator().manual_seed(0)
    x = space.mean + 1e4 * space.std * torch.randn(64, *space.shape, generator=random)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        logits = model.eval().logits(x.to(model.device))
    model.train(training)
    if not bool(((logits >= 0) & (logits <= 1)).all()):
        return None
    return (
        "Warning: the outputs of the discriminator stay between 0 and 1, as if it ended in a sigmoid. The losses "
        "expect logits and apply the sigmoid themselves: return the value before the sigmoid."
    )


def _tensors(model: GenerativeModel, player: str) -> list[Tensor]:
    parameters: list[Any] = list(model.player_parameters(player))
    return [t for entry in parameters for t in (entry["params"] if isinstance(entry, dict) else [entry])]
