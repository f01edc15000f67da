"""Monitors for any optimisation: non-finite numbers, exploding gradients, a loss that rises again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite
from veridical.health.remedies import SMALLER_STEPS, SMOOTHER_DISCRIMINATOR


class NonFinite(Monitor):
    """A term of the row is NaN or infinite, or the row counts steps with such terms."""

    def __init__(self) -> None:
        super().__init__(Episode(rows=1))

    def observe(self, row: Row) -> Finding | None:
        """Name every term of the row that is not finite."""
        bad = [term for term, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
        count = row.get("nonfinite") or 0
        if not self.episode.update(int(row["step"]), bad=bool(bad or count), clear=not (bad or count)):
            return None
        if not bad:
            return nonfinite_finding(int(row["step"]), "", float(count))
        return nonfinite_finding(int(row["step"]), bad[0], float(row[bad[0]]), others=bad[1:])


def nonfinite_finding(step: int, term: str, value: float, others: Iterable[str] = ()) -> Finding:
    """Return the finding for a term that is not finite; the loop's error becomes this line of health.jsonl.

    Args:
        step: the step at which it happened.
        term: "<player>/<term>"; empty if only the number of such steps is known.
        value: NaN or infinity; or the number of such steps.
        others: further terms of the same row.
    """
    player, _, name = term.partition("/")
    also = f" (so are {', '.join(others)})" if others else ""
    what = (
        f"{name} of player {player} is {value}{also}" if term else f"{value:.0f} steps had values that are not finite,"
    )
    return Finding(
        step,
        "non-finite",
        "error",
        f"{what} at step {step}." if term else f"{what} before step {step}.",
        "A number is outside the range of the arithmetic. Possible causes: steps that are too large for the curvature "
        "of the loss, a division by nearly zero, or an overflow in half precision.",
        f"{SMALLER_STEPS}, or compute in full precision (--precision fp32). `veridical resume` accepts all three "
        "options and continues from the last checkpoint.",
    )


class GradientExplosion(Monitor):
    """A player's gradient is much larger than in the last rows and than at the start.

    Args:
        player: name of the player.
        jump: bound on the ratio to the median of the last rows.
        growth: bound on the ratio to the median of the first rows.
        game: the player is a generator or a discriminator, so the remedy names the discriminator's penalties.
    """

    def __init__(self, player: str, jump: float = 30.0, growth: float = 1000.0, *, game: bool = False) -> None:
        super().__init__(Episode(rows=3), History())
        self.player, self.jump, self.growth, self.game = player, jump, growth, game

    def observe(self, row: Row) -> Finding | None:
        """Compare the gradient norm with the last rows and with its early median."""
        norm = finite(row, f"{self.player}/grad_norm")
        if norm is None:
            return None
        early = self.history.reference
        lately = self.history.level(self.history.recent_rows) if self.history.recent else 0.0
        self.history.push(norm)
        if not early or not lately:
            return None
        bad = norm > max(self.jump * lately, 3.0 * early) or norm > self.growth * early
        calm = norm < 0.3 * self.jump * lately and norm < 0.3 * self.growth * early
        if not self.episode.update(int(row["step"]), bad=bad, clear=calm):
            return None
        return Finding(
            int(row["step"]),
            "gradient-explosion",
            "warning",
            f"The gradient of player {self.player} has exploded since step {self.episode.since}: its norm is "
            f"{norm:.2g}; it was {lately:.2g} in the last rows and {early:.2g} at the start.",
            "The weights reached a region where the loss is very steep. The next steps are then very large, which "
            "usually causes mode collapse or values that are not finite.",
            f"{SMALLER_STEPS}.{f' {SMOOTHER_DISCRIMINATOR}.' if self.game else ''}",
        )


class LossDivergence(Monitor):
    """An objective lost more than half of its improvement since the start."""

    def __init__(self, player: str = "model", share: float = 0.5) -> None:
        super().__init__(Episode(rows=5), History())
        self.player, self.share = player, share
        self.first: float | None = None
        self.best = math.inf

    def observe(self, row: Row) -> Finding | None:
        """Compare the level of the loss with its best level and with its value at the start."""
        loss = finite(row, f"{self.player}/loss")
        if loss is None:
            return None
        self.history.push(loss)
        self.first = loss if self.first is None else self.first
        level = self.history.level(5)
        self.best = min(self.best, level) if self.history.seen >= 5 else self.best
        gained, lost = self.first - self.best, level - self.best
        noise = _typical_change(self.history.recent)
        known = self.history.reference is not None
        bad = known and gained > 0 and lost > self.share * gained and lost > 6 * noise
        if not self.episode.update(int(row["step"]), bad=bad, clear=lost < 0.5 * self.share * gained):
            return None
        return Finding(
            int(row["step"]),
            "loss-divergence",
            "error",
            f"The loss of player {self.player} rises again: it is {level:.4g}; its best value was {self.best:.4g}, "
            f"and it started at {self.first:.4g}.",
            "A step was so large that the weights left the region of low loss, and the optimiser did not return.",
            f"{SMALLER_STEPS}, in a new run or with `veridical resume`.",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold; the best value is None before the first one."""
        return {**super().state(), "first": self.first, "best": self.best if math.isfinite(self.best) else None}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.first, self.best = state["first"], math.inf if state["best"] is None else state["best"]


def _typical_change(values: list[float]) -> float:
    """Return the median absolute change from one row to the next."""
    changes = sorted(abs(after - before) for before, after in pairwise(values))
    return changes[len(changes) // 2] if changes else 0.0
