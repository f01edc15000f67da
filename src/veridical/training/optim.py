"""Optimisers and step-size schedules, built from `OptimizerConfig`.

An optimiser works on stretches of parameters (`training/packing.py`), so that its step is a few operations for any
number of layers, and reads nothing back: step sizes, and the number of steps done, are tensors on the device.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.training.packing import Stretch, pack
from veridical.training.rows import Memory, RowBatch, as_matrices, gather, shaped_like_the_table
from veridical.training.rules import UpdateRule, update_rule

Parameters = Iterable[nn.Parameter] | list[dict[str, Any]]


def build_optimizer(config: OptimizerConfig, parameters: Parameters) -> Optimizer:
    """Build one player's optimiser, its steps relative to the size of the weights if the configuration demands it."""
    rule = update_rule(config)
    groups = [Group(entry, config) for entry in as_groups(parameters)]
    return PlainSteps(rule, groups) if config.trust is None else RelativeSteps(rule, groups, momentum_of(config))


def as_groups(parameters: Parameters) -> list[dict[str, Any]]:
    """Return parameters as groups, each a dictionary with "params" and what differs from the configuration."""
    entries: list[Any] = list(parameters)
    return entries if entries and isinstance(entries[0], dict) else [{"params": entries}]


def momentum_of(config: OptimizerConfig) -> float:
    r"""Return the share $\beta$ of its last direction that a rule keeps, as far as it is linear in it.

    Examples:
        >>> momentum_of(OptimizerConfig(name="sgd", momentum=0.9)), momentum_of(OptimizerConfig(betas=(0.5, 0.99)))
        (0.9, 0.5)
    """
    if config.name == "lion":
        return 0.0
    return config.betas[0] if config.name in ("adam", "adamw") else config.momentum


class Group:
    """Parameters with one step size.

    Args:
        entry: "params"; "lr", "weight_decay" where they differ from the configuration's; "rows": True for tables of
            codes, one row for each example.
        config: the configuration.
    """

    def __init__(self, entry: Mapping[str, Any], config: OptimizerConfig) -> None:
        self.parameters: list[nn.Parameter] = list(entry["params"])
        self.rows: bool = entry.get("rows", False)
        """Whether every row of a parameter moves on its own, and only when it has a gradient (`training/rows.py`)."""
        self.stretches = [s for p in self.parameters for s in pack([p])] if self.rows else pack(self.parameters)
        self.weight_decay: float = entry.get("weight_decay", config.weight_decay)
        self.step_size: float = entry.get("lr", config.lr)
        """The step size as a number, for display."""
        double = any(p.dtype == torch.float64 for p in self.parameters)
        device = self.parameters[0].device if self.parameters else torch.device("cpu")
        self.lr = torch.full((), self.step_size, dtype=torch.float64 if double else torch.float32, device=device)
        """() the step size, changed in place."""

    def set(self, step_size: float) -> None:
        """Set the step size."""
        self.step_size = step_size
        self.lr.fill_(step_size)


class Optimizer(ABC):
    """One player's parameters and the state of its update rule.

    Args:
        rule: the update of a vector by its gradient.
        groups: the parameters, by step size.
    """

    def __init__(self, rule: UpdateRule, groups: list[Group]) -> None:
        self.rule, self.groups = rule, groups
        self.memory: dict[Stretch, dict[str, Tensor]] = {s: {} for group in groups for s in group.stretches}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters, group after group."""
        return [p for group in self.groups for p in group.parameters]

    def gradients(self) -> dict[Stretch, Tensor]:
        """Return the gradient (n,) of every stretch whose parameters have one; split those of which only some have."""
        for group in self.groups:
            for stretch in list(group.stretches):
                present = [p.grad is not None for p in stretch.parameters]
                if len(set(present)) > 1:
                    self._split(group, stretch, present)
        stretches = (s for group in self.groups for s in group.stretches if s.parameters[0].grad is not None)
        return {s: s.join([p.grad for p in s.parameters]) for s in stretches}  # type: ignore[misc]

    def _split(self, group: Group, stretch: Stretch, kinds: list[Any]) -> None:
        memory, place = self.memory.pop(stretch), group.stretches.index(stretch)
        pieces = stretch.split(kinds)
        group.stretches[place : place + 1] = [piece for piece, _ in pieces]
        for piece, part in pieces:
            self.memory[piece] = {key: v[part].clone() if v.dim() else v.clone() for key, v in memory.items()}

    @torch.no_grad()
    def step(self, gradients: Mapping[Stretch, Tensor] | None = None) -> None:
        """Move all parameters that have a gradient.

        Args:
            gradients: of the stretches, as `gradients` returns them; None: those.
        """
        gradients = self.gradients() if gradients is None else gradients
        for group in self.groups:
            for stretch in group.stretches:
                gradient, memory = gradients.get(stretch), self.memory[stretch]
                if not group.rows:
                    self._move(group, stretch, gradient, memory)
                elif gradient is not None and (batch := gather(stretch, gradient, memory)) is not None:
                    self._move(group, batch, batch.gradient, batch.memory)
                    batch.scatter()

    @abstractmethod
    def _move(self, group: Group, stretch: Stretch | RowBatch, gradient: Tensor | None, memory: Memory) -> None:
        """Move one stretch, or the rows of a batch."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every parameter, by its number: {"state": {number: {name: tensor}}}."""
        numbers = {id(p): i for i, p in enumerate(self.parameters)}
        state: dict[int, dict[str, Tensor]] = {}
        for stretch, memory in self._of_rows():
            state[numbers[id(stretch.parameters[0])]] = shaped_like_the_table(stretch, memory)
        for stretch, memory in self._of_vectors():
            split = {key: stretch.views(v) if v.dim() else [v] * len(stretch.parameters) for key, v in memory.items()}
            for i, parameter in enumerate(stretch.parameters):
                state[numbers[id(parameter)]] = {key: values[i].clone() for key, values in split.items()}
        return {"state": {i: entry for i, entry in sorted(state.items()) if entry}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        state = {id(p): dict(state_dict["state"].get(i, {})) for i, p in enumerate(self.parameters)}
        for parameter, last in zip(self.parameters, state_dict.get("last", ()), strict=False):
            state[id(parameter)]["last"] = last  # as earlier versions kept it
        for stretch, _ in self._of_rows():
            self.memory[stretch] = as_matrices(stretch, state[id(stretch.parameters[0])])
        for group in self.groups:
            for stretch in [] if group.rows else list(group.stretches):
                entries = [state[id(p)] for p in stretch.parameters]
                histories = [(sorted(entry), float(entry.get("step", 0.0))) for entry in entries]
                if any(history != histories[0] for history in histories):
                    self._split(group, stretch, histories)
        for stretch, _ in self._of_vectors():
            self.memory[stretch] = joined_memory(stretch, [state[id(p)] for p in stretch.parameters])

    def _of_vectors(self) -> list[tuple[Stretch, Memory]]:
        return [(s, self.memory[s]) for group in self.groups if not group.rows for s in group.stretches]

    def _of_rows(self) -> list[tuple[Stretch, Memory]]:
        return [(s, self.memory[s]) for group in self.groups if group.rows for s in group.stretches]


def joined_memory(stretch: Stretch, entries: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the state of a stretch, given the state of each of its parameters."""
    memory: dict[str, Tensor] = {}
    for key in entries[0]:
        values = [entry[key].to(stretch.vector.device) for entry in entries]
        whole = values[0].shape == stretch.parameters[0].shape and key != "step"
        memory[key] = stretch.join(values) if whole else values[0].clone()
    return memory


class PlainSteps(Optimizer):
    """Takes the steps that the rule proposes."""

    def _move(self, group: Group, stretch: Stretch | RowBatch, gradient: Tensor | None, memory: Memory) -> None:
        if gradient is not None:
            self.rule.move(stretch.vector, gradient, memory, group.lr, group.weight_decay)


class RelativeSteps(Optimizer):
    r"""Takes the direction from an update rule and the length from the weights.

    For the weights $W$ of every layer and the direction $u$ that the rule proposes,

    $$ W \leftarrow \frac{W + \eta \lVert W\rVert\, u / \lVert u\rVert}{\sqrt{1 + \eta^2}}, \qquad
    \eta = \min(\text{lr}, \text{trust}) \cdot \text{schedule}. $$

    A relative change of $\eta$ in every layer bounds the relative change of the function that the network computes, so
    that the same $\eta$ serves every rule, width and scale of the loss; the denominator keeps the weights from growing
    by steps at random (Bernstein et al., 2020). `trust` bounds the step: a larger `lr` has the effect of `trust`,
    and is annealed in the same way (`Schedule`).

    In a game, a rule with momentum responds to the opponent's parameters of about $1/(1-\beta)$ steps ago, and training
    moves in widening circles: momentum reduces the damping, and a negative one would increase it (Gidel et al., 2019).
    So the delay is removed by extrapolation: with $v_t$ the direction of the rule, $u_t = v_t - \beta v_{t-1}$, which
    for $v_t = \beta v_{t-1} - g_t$ is the present gradient.

    Offsets, gains and layers that start at zero have no useful size: the size of a matrix or kernel counts as at least
    that of random initial weights, $\sqrt{2/\text{fan-in}}$ per weight (He et al., 2015), that of a vector as 0.1 per
    component; vectors are divided by the denominator once they exceed 3 per component. A direction shorter than the
    rounding of the weights is not stretched to a whole step.

    Args:
        rule: proposes the direction.
        groups: the parameters, whose step size is relative.
        momentum: share $\beta$ of its last direction that the rule keeps.

    References:
        Gidel et al., Negative Momentum for Improved Game Dynamics (2019), Thm. 5 and 6.
            https://arxiv.org/abs/1807.04740
        You, Gitman & Ginsburg, Large Batch Training of Convolutional Networks (LARS, 2017), Eq. 6.
            https://arxiv.org/abs/1708.03888
        Bernstein, Vahdat, Yue & Liu, On the distance between two neural networks and the stability of learning (2020),
            Thm. 1 and Alg. 1 (Fromage). https://arxiv.org/abs/2002.03432
    """

    def __init__(self, rule: UpdateRule, groups: list[Group], momentum: float = 0.0) -> None:
        super().__init__(rule, groups)
        self.momentum = momentum
        self.sizes: dict[Stretch, Sizes] = {}
        self.ones = {group.lr.device: torch.ones_like(group.lr) for group in groups}

    def _move(self, group: Group, stretch: Stretch | RowBatch, gradient: Tensor | None, memory: Memory) -> None:
        x = stretch.vector
        old = x.clone()
        if gradient is not None:
            self.rule.move(x, gradient, memory, self.ones[x.device], group.weight_decay)
        change = x - old
        if self.momentum:
            if "last" not in memory:
                memory["last"] = torch.zeros_like(x)
            proposed, last = change, memory["last"]
            change = torch.sub(proposed, last, alpha=self.momentum)
            last.copy_(proposed)
        sizes = self._sizes(stretch)
        norm, length = stretch.norms(old), stretch.norms(change)
        size = torch.maximum(norm, sizes.least)
        scale = group.lr * size / torch.maximum(length, sizes.shortest)
        rows = torch.addcmul(stretch.rows(old), stretch.rows(change), stretch.spread(scale))
        growth = torch.where(norm > sizes.bound, torch.hypot(self.ones[x.device], group.lr), self.ones[x.device])
        torch.div(rows, stretch.spread(growth), out=stretch.rows(x))

    def _sizes(self, stretch: Stretch | RowBatch) -> Sizes:
        if isinstance(stretch, RowBatch):
            return Sizes(stretch)
        if stretch not in self.sizes:
            self.sizes[stretch] = Sizes(stretch)
        return self.sizes[stretch]


class Sizes:
    """What counts as the size of a stretch's parameters.

    Args:
        stretch: the parameters.
    """

    def __init__(self, stretch: Stretch | RowBatch) -> None:
        like = stretch.vector
        least = [math.sqrt(s.numel()) * (math.sqrt(2 / s[1:].numel()) if len(s) > 1 else 0.1) for s in stretch.shapes]
        self.least = torch.tensor(least, dtype=like.dtype, device=like.device)
        """(parameters,) the least size."""
        self.shortest = torch.finfo(like.dtype).eps * self.least
        """(parameters,) the length below which a direction is rounding, and not stretched to a whole step."""
        bound = [-1.0 if len(s) > 1 else 30 * small for s, small in zip(stretch.shapes, least, strict=True)]
        self.bound = torch.tensor(bound, dtype=like.dtype, device=like.device)
        """(parameters,) the size above which steps at random leave the size as it is; -1: always."""


def lr_factor(config: OptimizerConfig, step: int, steps: int) -> float:
    r"""Return the share of the step size used at `step` of `steps`.

    Warm-up $\min(1, (t+1)/w)$ times 1, $1 - t/T$, $\tfrac12(1 + \cos(\pi t/T))$ or
    $\min(1, 2(1 - t/T))$ (trapezoid), the same and in the last quarter its square (settle).

    Examples:
        >>> lr_factor(OptimizerConfig(schedule="linear"), 75, 100)
        0.25
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    progress = min(1.0, step / max(steps, 1))
    if config.schedule == "linear":
        return warm * (1.0 - progress)
    trapezoid = min(1.0, 2.0 * (1.0 - progress))
    if config.schedule == "trapezoid":
        return warm * trapezoid
    if config.schedule == "settle":
        return warm * (trapezoid if step < settling(steps) else trapezoid**2)
    if config.schedule == "cosine":
        return warm * 0.5 * (1.0 + math.cos(math.pi * progress))
    return warm


def settling(steps: int) -> int:
    """Return the step at which a player with the schedule "settle" starts from the average of its weights.

    Examples:
        >>> settling(30_000), settling(7)
        (22500, 6)
    """
    return -(-3 * steps // 4)


class Schedule:
    """Sets the step size of one optimiser as a function of the step alone, so that resuming needs no state."""

    def __init__(self, config: OptimizerConfig, optimizer: Optimizer, steps: int, scale: float) -> None:
        self.config, self.optimizer, self.steps = config, optimizer, steps
        trust = math.inf if config.trust is None else config.trust
        self.base = [min(group.step_size * scale, trust) for group in optimizer.groups]

    def set(self, step: int) -> None:
        """Set the step size for this step."""
        factor = lr_factor(self.config, step, self.steps)
        for group, base in zip(self.optimizer.groups, self.base, strict=True):
            group.set(base * factor)

    def settles(self, step: int) -> bool:
        """Return whether the weights are set to their average before this step."""
        return self.config.schedule == "settle" and 0 < step == settling(self.steps)

    @property
    def lr(self) -> float:
        """Step size in force (of the first group)."""
        return self.optimizer.groups[0].step_size
