"""The monitors of each term, and the set of monitors of one training.

Thresholds come from theory if possible (log 2, 0 nats); otherwise they are ratios to the start of the run, so that no
monitor depends on the scale of the data. docs/health.md lists how often each monitor reports in healthy and in failed
trainings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from veridical.health.adversarial import (
    GradientVanishing,
    LossRunaway,
    ModeCollapse,
    SampleCollapse,
    Saturation,
)
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite
from veridical.health.finding import Finding
from veridical.health.latent import PosteriorCollapse
from veridical.health.monitor import Monitor, Row
from veridical.kinds import KINDS

GAME = ("generator_loss", "discriminator_loss")


def monitors_for(terms: Iterable[str], kinds: Mapping[str, str]) -> dict[str, Monitor]:
    """Return the monitors for these terms, by names that are the same in every run.

    Args:
        terms: "<player>/<term>" names that were logged.
        kinds: kinds of terms as declared by the model; a loss that is not declared is only checked to be finite.

    Examples:
        >>> sorted(monitors_for(["model/loss", "model/grad_norm"], {"model/loss": "objective"}))
        ['explosion:model', 'loss:model', 'nonfinite']
        >>> sorted(monitors_for(["model/loss", "model/grad_norm"], {}))
        ['explosion:model', 'nonfinite']
    """
    terms = set(terms)
    present = {kinds[term] for term in terms if term in kinds}
    monitors: dict[str, Monitor] = {"nonfinite": NonFinite()}
    if "divergence" in present:
        monitors["saturation"] = Saturation()
    if "diversity" in present:
        monitors["diversity"] = SampleCollapse()
    if {"crowding", "coverage", "energy_distance"} <= present:
        monitors["modes"] = ModeCollapse()
    if present & {"posterior_kl", "active_units"}:
        monitors["collapse"] = PosteriorCollapse()
    for player in sorted({term.partition("/")[0] for term in terms if "/" in term}):
        monitors |= _of_player(player, terms, kinds.get(f"{player}/loss", ""))
    return monitors


def _of_player(player: str, terms: set[str], kind: str) -> dict[str, Monitor]:
    """Return the monitors of one player's gradient and loss; `kind` is that of its loss."""
    monitors: dict[str, Monitor] = {}
    if f"{player}/grad_norm" in terms:
        monitors[f"explosion:{player}"] = GradientExplosion(player, game=kind in GAME)
        if kind == "generator_loss":
            monitors[f"vanishing:{player}"] = GradientVanishing(player)
    if f"{player}/loss" in terms and kind in (*GAME, "objective"):
        monitors[f"loss:{player}"] = LossRunaway(player) if kind in GAME else LossDivergence(player)
    return monitors


class Monitors:
    """The monitors of one training, created when their terms first appear: a player with few updates may be missing.

    Args:
        kinds: kinds of terms as declared by the model, "<player>/<term>" → kind.

    Raises:
        ValueError: a kind is not known.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        unknown = sorted(set(kinds.values()) - set(KINDS))
        if unknown:
            raise ValueError(f"term_kinds names the kinds {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
        self.kinds = dict(kinds)
        self.terms: set[str] = set()
        self.monitors: dict[str, Monitor] = {}

    def judge(self, row: Row) -> list[Finding]:
        """Check a row; return the findings."""
        self._prepare(term for term in row if "/" in term)
        named = {kind: row[term] for term, kind in self.kinds.items() if term in row and not kind.endswith("_loss")}
        seen = {**row, **named}
        return [finding for monitor in self.monitors.values() if (finding := monitor.observe(seen)) is not None]

    def _prepare(self, terms: Iterable[str]) -> None:
        """Create the monitors of new terms."""
        new = set(terms) - self.terms
        if new or not self.monitors:
            self.terms |= new
            self.monitors = {**monitors_for(self.terms, self.kinds), **self.monitors}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold, as a string of JSON."""
        states = {name: monitor.state() for name, monitor in self.monitors.items()}
        return {"terms": sorted(self.terms), "monitors": json.dumps(states)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._prepare(state["terms"])
        for name, saved in json.loads(state["monitors"]).items():
            if name in self.monitors:
                self.monitors[name].load(saved)


def check(rows: Iterable[Row], kinds: Mapping[str, str]) -> list[Finding]:
    """Check the rows of a metrics.jsonl.

    Args:
        rows: lines of metrics.jsonl.
        kinds: kinds of terms as declared by the model; "terms" in a run's environment.json.
    """
    monitors = Monitors(kinds)
    return [finding for row in rows for finding in monitors.judge(row)]
