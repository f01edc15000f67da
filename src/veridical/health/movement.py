"""Monitors of the steps themselves: weights that do not move, and weights that move too far."""

from __future__ import annotations

from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite
from veridical.health.remedies import SMALLER_STEPS

USUAL = 1e-3
"""Usual length of a step relative to the weights (Karpathy 2022)."""


class NoMovement(Monitor):
    """The weights of a player have hardly moved since the start, or they have stopped.

    `<player>/update` is the length of one step relative to the weights. Its sum over all steps bounds from above how
    far the weights can be from where they started. A schedule that lowers the learning rate to 0 at the end of a run is
    no problem: the sum is large by then.

    Args:
        player: name of the player.
        path: smallest sum of relative lengths, reached after `steps` steps or it is reported.
        steps: steps before it is reported.
    """

    def __init__(self, player: str, path: float = 0.02, steps: int = 100) -> None:
        super().__init__(Episode(rows=5))
        self.player, self.least, self.steps = player, path, steps
        self.path, self.last = 0.0, 0

    def observe(self, row: Row) -> Finding | None:
        """Compare the path of the weights with the smallest one that can change a model."""
        update, step = finite(row, f"{self.player}/update"), int(row["step"])
        if update is None:
            return None
        self.path += update * (step - self.last)
        self.last = step
        bad = (step >= self.steps and self.path < self.least) or update == 0.0
        if not self.episode.update(step, bad=bad, clear=update > 0.0 and self.path >= self.least):
            return None
        return self._finding(step, update)

    def _finding(self, step: int, update: float) -> Finding:
        if update == 0.0:
            seen = f"The weights of player {self.player} do not move: the last steps changed nothing."
        else:
            seen = (
                f"The weights of player {self.player} hardly move: a step changes them by {update:.1e} of their norm, "
                f"and all {step:,} steps together by at most {self.path:.1e}."
            )
        scale = f" (--lr-scale {float(f'{USUAL / update:.1g}'):.0f})" if update > 0 else " (--lr-scale 10)"
        option = "optimizer.lr" if self.player == "model" else f"{self.player}-optimizer.lr"
        return Finding(
            step,
            "no-movement",
            "error",
            seen,
            "The learning rate is far too small for these weights, the weights are frozen, or they get no gradient. "
            "Nothing is learned, and what the other terms show follows from this.",
            f"Increase the learning rate{scale}, or that of this player alone (--{option}).",
            "Karpathy, Neural Networks: Zero to Hero, part 4 (2022): steps of about 1e-3 of the weights.",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {**super().state(), "path": self.path, "last": self.last}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.path, self.last = float(state["path"]), int(state["last"])


class LargeSteps(Monitor):
    """The steps of a player are so long that each one replaces a good part of the weights.

    Args:
        player: name of the player.
        update: largest length of a step relative to the weights, median of five rows.
    """

    def __init__(self, player: str, update: float = 0.05) -> None:
        super().__init__(Episode(rows=5), History())
        self.player, self.most = player, update

    def observe(self, row: Row) -> Finding | None:
        """Compare the length of the steps with that of the weights."""
        update = finite(row, f"{self.player}/update")
        if update is None:
            return None
        self.history.push(update)
        level = self.history.level(5)
        if not self.episode.update(int(row["step"]), bad=level > self.most, clear=level < 0.5 * self.most):
            return None
        return Finding(
            int(row["step"]),
            "steps-too-large",
            "warning",
            f"A step changes the weights of player {self.player} by {level:.1%} of their norm (usual: about "
            f"{USUAL:.1%}).",
            "The learning rate is too large for these weights: a direction that is right for small steps is wrong for "
            "such long ones.",
            f"{SMALLER_STEPS}.",
            "You, Gitman & Ginsburg, Large Batch Training of Convolutional Networks (2017), Sec. 4; Karpathy (2022).",
        )
