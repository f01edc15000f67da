"""The training loop. All training goes through `fit`.

At every step the players move in the order given by the model; a move is loss, gradient, update. Nothing here depends
on a family, a monitor or a file: callbacks are passed in, and they may change only `State`.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from veridical.clock import Clock
from veridical.config import OptimizerConfig
from veridical.data.batch import Batch
from veridical.model import Trainable
from veridical.training.average import EMA
from veridical.training.engine import Engine
from veridical.training.optim import Schedule, build_optimizer
from veridical.training.packing import Stretch
from veridical.training.replay import Eager, Replay, Terms, choose
from veridical.training.spacing import is_due
from veridical.training.terms import Row, TermLog


class Batches(Protocol):
    """The source of the data: a pure function of the step, so that resuming is exact."""

    def batch(self, step: int) -> Batch:
        """Return the batch of this step."""
        ...


class Callback:
    """Actions around the loop; every method does nothing by default."""

    def on_start(self, state: State) -> None:
        """Called once, before the first step of this process."""

    def on_log(self, state: State, row: Row) -> None:
        """Called every `log_every` steps with the means of all terms since the last call."""

    def on_step(self, state: State) -> None:
        """Called after every step (`state.step` are done)."""

    def on_end(self, state: State) -> None:
        """Called once, when the loop ends or is interrupted; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state for resuming: plain numbers, strings, lists, dicts and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class Player:
    """One player's parameters, optimiser and schedule."""

    def __init__(
        self, model: Trainable, module: nn.Module, name: str, config: OptimizerConfig, steps: int, lr_scale: float
    ) -> None:
        self.name = name
        self.optimizer = build_optimizer(config, model.player_parameters(name))
        self.schedule = Schedule(config, self.optimizer, steps, lr_scale)
        self.parameters: list[nn.Parameter] = self.optimizer.parameters
        own = {id(p) for p in self.parameters}
        self.others = [p for p in module.parameters() if id(p) not in own and p.requires_grad]


class State:
    """Everything that training changes. A checkpoint is exactly this, plus the random generators.

    Args:
        model: what is trained.
        game: turns and losses, where they are not those of the model.
        steps: last step.
        ema: decay of the average of the weights; 0: none is kept.
        lr_scale: factor on all learning rates.
    """

    def __init__(
        self, model: Trainable, *, game: Trainable | None = None, steps: int, ema: float = 0.0, lr_scale: float = 1.0
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model is a {type(model).__name__}; expected a torch.nn.Module that is a Trainable.")
        self.model, self.module, self.steps = model, model, steps
        self.game = model if game is None else game
        self.players = {
            name: Player(model, model, name, model.optimizer(name), steps, lr_scale) for name in model.players
        }
        self.ema = EMA(model, ema) if ema else None
        self.terms = TermLog()
        self.step = 0
        self.seconds = 0.0
        self.stop: str | None = None
        """Set by a callback to end the loop after this step; the reason."""
        self.elapsed = torch.zeros((), device=next(model.parameters()).device)
        """() the number of the step, on the device."""

    def set_time(self) -> None:
        """Set the tensors that change with the step: its number, the step sizes, the share of the average.

        A player whose schedule is "settle" starts from the average of its weights when it comes to that.
        """
        self.elapsed.fill_(self.step)
        for player in self.players.values():
            player.schedule.set(self.step)
            if self.ema is not None and player.schedule.settles(self.step):
                self.ema.take_over(player.parameters)
        if self.ema is not None:
            self.ema.advance()

    @property
    def layout(self) -> Hashable:
        """Changes when the optimisers' memory moves."""
        return tuple(len(group.stretches) for player in self.players.values() for group in player.optimizer.groups)

    def choose_replay(self, engine: Engine, graphs: bool = True) -> tuple[Replay, str]:
        """Return how the steps are run, and the reason in words; CUDA graphs only if `graphs` is set."""
        if not graphs:
            return Eager(), "are started one by one, as requested"
        rows = any(group.rows for player in self.players.values() for group in player.optimizer.groups)
        return choose(self.game, engine.device, engine.world_size, rows=rows)


def fit(
    state: State,
    batches: Batches,
    engine: Engine | None = None,
    *,
    clip_norm: float | None = None,
    log_every: int = 50,
    callbacks: Sequence[Callback] = (),
    replay: Replay | None = None,
) -> State:
    """Train until `state.steps` steps are done, or a callback sets `state.stop`.

    Args:
        state: the model, its optimisers and the number of steps; changed in place.
        batches: yield the batch of every step.
        engine: device, arithmetic and processes; None: the model's device, float32, one process.
        clip_norm: largest norm of a player's gradient; None: it is not clipped.
        log_every: steps between lines of the log; long trainings write fewer (`spacing`).
        callbacks: called in this order.
        replay: how steps are run; None: chosen by model and device.

    Raises:
        NonFiniteError: a term was not finite; it names the step, the player and the term.
    """
    engine = engine or Engine.plain()
    replay = replay or state.choose_replay(engine)[0]
    for callback in callbacks:
        callback.on_start(state)
    before, started = state.seconds, time.monotonic()
    while state.step < state.steps and state.stop is None:
        batch = engine.prepare(batches.batch(state.step))
        state.set_time()
        terms = replay.run(state.step, batch, lambda t, b: play(state, t, b, engine, clip_norm), state.layout)
        state.terms.add(state.step, terms)
        state.step += 1
        state.seconds = before + time.monotonic() - started
        if is_due(state.step, log_every) or state.step == state.steps:
            row = state.terms.flush(state, engine.mean)
            for callback in callbacks:
                callback.on_log(state, row)
        for callback in callbacks:
            callback.on_step(state)
    for callback in callbacks:
        callback.on_end(state)
    return state


def play(state: State, step: int, batch: Batch, engine: Engine, clip_norm: float | None) -> Terms:
    """Update the players in their order, then the average; a function of tensors alone, given the model's pattern.

    Args:
        state: of the training, with step sizes, shares and the time already set.
        step: number of the step, for what is decided in Python.
        batch: examples.
        engine: device and arithmetic.
        clip_norm: largest norm of a gradient; None: any.

    Returns:
        What is logged.
    """
    clock, terms = Clock(step, state.elapsed, state.steps), {}
    for name in state.game.turns(step):
        moved = move(state.game, state.players[name], batch, engine, clock, clip_norm)
        terms |= {f"{name}/{term}": value for term, value in moved.items()}
    if state.ema is not None:
        state.ema.apply()
    return terms


def move(
    model: Trainable, player: Player, batch: Batch, engine: Engine, step: int, clip_norm: float | None = None
) -> Terms:
    """Update one player: loss, gradient, step; the parameters of all others are frozen meanwhile.

    Args:
        model: defines the losses.
        player: whose parameters are updated.
        batch: examples.
        engine: device and arithmetic.
        step: number of the step.
        clip_norm: largest norm of the gradient; None: any.

    Returns:
        The terms of the loss, and the norm of its gradient.
    """
    with frozen(player.others), engine.autocast():
        loss, terms = model.loss(batch, player=player.name, step=step)
    differentiate(loss, player.parameters)
    engine.average_gradients(player.parameters)
    gradients = player.optimizer.gradients()
    norm = gradient_norm(list(gradients.values()))
    if clip_norm is not None:
        clip(gradients, clip_norm / (norm + 1e-6))
    player.optimizer.step(gradients)
    model.after_update(player.name)
    return terms | {"grad_norm": norm}


@contextmanager
def frozen(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Freeze parameters inside the block."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def differentiate(loss: Tensor, parameters: list[nn.Parameter]) -> None:
    """Give every parameter the gradient of a loss; None where the loss does not depend on it, or it is frozen."""
    learning = [p for p in parameters if p.requires_grad]
    found = dict(zip(learning, torch.autograd.grad(loss, learning, allow_unused=True), strict=True))
    for parameter in parameters:
        parameter.grad = found.get(parameter)


def gradient_norm(gradients: list[Tensor]) -> Tensor:
    """Euclidean norm of a player's gradient, () on its device; parameters without gradient count as 0."""
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))


@torch.no_grad()
def clip(gradients: dict[Stretch, Tensor], scale: Tensor) -> None:
    """Scale a player's gradient down to the largest norm.

    Args:
        gradients: of the player's stretches, scaled in place like those of the parameters.
        scale: () the largest norm over the norm of the gradient.
    """
    for stretch, gradient in gradients.items():
        gradient.mul_(scale.clamp(max=1.0))
        for parameter, piece in zip(stretch.parameters, stretch.views(gradient), strict=True):
            parameter.grad = piece
