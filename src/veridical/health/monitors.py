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
from veridical.health.data import Outlier, RepeatedData
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite
from veridical.health.exactness import Inverse, Mixing
from veridical.health.finding import Finding
from veridical.health.game import Memorising, Oscillation, SpectrumGrowth
from veridical.health.latent import PosteriorCollapse
from veridical.health.likelihood import (
    AgainstConstant,
    AverageWorse,
    BetterThanEntropy,
    DenoisingError,
    LostChains,
    Overfit,
    Underfit,
)
from veridical.health.monitor import Monitor, Row
from veridical.health.movement import LargeSteps, NoMovement
from veridical.kinds import KINDS

GAME = ("generator_loss", "discriminator_loss")

Facts = Mapping[str, float]
"""What is known before the first step (`workflows/facts.py`): steps, constant_nats, outlier, distinct, continued."""

CAUSES: dict[str, tuple[str, ...]] = {
    "outlier": ("*",),
    "repeated": (
        "diversity", "modes", "saturation", "memorising", "oscillation", "overfit", "average", "constant", "underfit",
        "vanishing:generator", "explosion:model", "loss:model",
    ),
    "still:generator": ("saturation", "diversity", "modes", "vanishing:generator", "oscillation", "memorising"),
    "still:discriminator": ("saturation", "diversity", "modes", "vanishing:generator", "oscillation"),
    "still:model": ("collapse", "constant", "underfit", "denoising"),
}  # fmt: skip
"""Monitor → monitors whose condition follows from its own, so that they would name a wrong cause; "*": all."""


def monitors_for(terms: Iterable[str], kinds: Mapping[str, str], facts: Facts | None = None) -> dict[str, Monitor]:
    """Return the monitors for these terms, by names that are the same in every run; causes precede what follows.

    Args:
        terms: "<player>/<term>" names that were logged.
        kinds: kinds of terms as declared by the model; a loss that is not declared is only checked to be finite.
        facts: known before the first step; monitors that need a fact that is missing are left out.

    Examples:
        >>> sorted(monitors_for(["model/loss", "model/grad_norm"], {"model/loss": "objective"}))
        ['explosion:model', 'loss:model', 'nonfinite']
        >>> sorted(monitors_for(["model/loss", "model/grad_norm"], {}))
        ['explosion:model', 'nonfinite']
    """
    terms, facts = set(terms), facts or {}
    present = {kinds[term] for term in terms if term in kinds}
    players = sorted({term.partition("/")[0] for term in terms if "/" in term})
    monitors: dict[str, Monitor] = {"nonfinite": NonFinite(), **_of_facts(facts)}
    for player in players:
        if f"{player}/update" in terms:
            monitors[f"still:{player}"], monitors[f"steps:{player}"] = NoMovement(player), LargeSteps(player)
    monitors |= _of_game(present, terms, facts) | _of_likelihood(present, terms, facts)
    if present & {"r_hat", "effective_samples"}:
        monitors["mixing"] = Mixing()
    if "inverse_error" in present:
        monitors["inverse"] = Inverse()
    for player in players:
        monitors |= _of_player(player, terms, kinds.get(f"{player}/loss", ""))
    return monitors


def _of_facts(facts: Facts) -> dict[str, Monitor]:
    """Return the monitors of the data."""
    monitors: dict[str, Monitor] = {}
    if "outlier" in facts:
        monitors["outlier"] = Outlier(facts["outlier"])
    if "distinct" in facts:
        monitors["repeated"] = RepeatedData(facts["distinct"])
    return monitors


def _of_game(present: set[str], terms: set[str], facts: Facts) -> dict[str, Monitor]:
    """Return the monitors of samples and discriminator, by the kinds that are present."""
    monitors: dict[str, Monitor] = {}
    if "divergence" in present:
        monitors["saturation"] = Saturation()
    if "diversity" in present:
        monitors["diversity"] = SampleCollapse()
    if {"crowding", "coverage", "energy_distance"} <= present:
        monitors["modes"] = ModeCollapse(from_step=0.25 * facts.get("steps", 0.0))
    if "energy_distance" in present:
        monitors["oscillation"] = Oscillation()
    if "probe/logit_held_out" in terms:
        monitors["memorising"] = Memorising()
    return monitors


def _of_likelihood(present: set[str], terms: set[str], facts: Facts) -> dict[str, Monitor]:
    """Return the monitors of codes and likelihoods."""
    monitors: dict[str, Monitor] = {}
    steps, constant = int(facts.get("steps", 0)), facts.get("constant_nats")
    if present & {"posterior_kl", "active_units"}:
        monitors["collapse"] = PosteriorCollapse()
    measured = "nats" in present or {"reconstruction", "posterior_kl"} <= present
    if measured and constant is not None and steps:
        monitors["constant"] = AgainstConstant(constant, steps)
    if "free_energy" in present and "probe/nats_held_out" in terms and constant is not None:
        monitors["constant"] = LostChains(constant)
    if measured and steps and not facts.get("continued"):
        monitors["underfit"] = Underfit(steps)
    if "probe/nats_held_out" in terms:
        monitors["overfit"] = Overfit(constant)
    if "probe/excess" in terms:
        monitors["entropy"] = BetterThanEntropy()
    if terms & {"probe/average_excess", "probe/energy_average"} and steps:
        monitors["average"] = AverageWorse(steps, constant)
    if "denoising_error" in present:
        monitors["denoising"] = DenoisingError()
    return monitors


def _of_player(player: str, terms: set[str], kind: str) -> dict[str, Monitor]:
    """Return the monitors of one player's gradient, weights and loss; `kind` is that of its loss."""
    monitors: dict[str, Monitor] = {}
    if f"{player}/grad_norm" in terms:
        monitors[f"explosion:{player}"] = GradientExplosion(player, game=kind in GAME)
        if kind == "generator_loss":
            monitors[f"vanishing:{player}"] = GradientVanishing(player)
    if f"{player}/sigma_max" in terms:
        monitors[f"spectrum:{player}"] = SpectrumGrowth(player)
    if f"{player}/loss" in terms and kind in (*GAME, "objective"):
        monitors[f"loss:{player}"] = LossRunaway(player) if kind in GAME else LossDivergence(player)
    return monitors


class Monitors:
    """The monitors of one training, created when their terms first appear: a player with few updates may be missing.

    A finding that follows from another one (`CAUSES`) is not reported while the other one lasts.

    Args:
        kinds: kinds of terms as declared by the model, "<player>/<term>" → kind.
        facts: known before the first step; None: none.

    Raises:
        ValueError: a kind is not known.
    """

    def __init__(self, kinds: Mapping[str, str], facts: Facts | None = None) -> None:
        unknown = sorted(set(kinds.values()) - set(KINDS))
        if unknown:
            raise ValueError(f"term_kinds names the kinds {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
        self.kinds, self.facts = dict(kinds), dict(facts or {})
        self.terms: set[str] = set()
        self.monitors: dict[str, Monitor] = {}

    def judge(self, row: Row) -> list[Finding]:
        """Check a row; return the findings."""
        self._prepare(term for term in row if "/" in term)
        named = {kind: row[term] for term, kind in self.kinds.items() if term in row and not kind.endswith("_loss")}
        seen = {**row, **named}
        found = {name: monitor.observe(seen) for name, monitor in self.monitors.items()}
        explained = {
            effect for cause, effects in CAUSES.items() if self._lasts(cause) for effect in effects if effect != cause
        }
        hidden = found.keys() - {*CAUSES, "nonfinite"} if "*" in explained else explained
        return [finding for name, finding in found.items() if finding is not None and name not in hidden]

    def _lasts(self, name: str) -> bool:
        """Return whether a monitor has reported, and its condition is not over; one half of the rows suffices."""
        if name not in self.monitors:
            return False
        episode = self.monitors[name].episode
        return episode.reported or 2 * episode.count >= episode.rows > 1

    def _prepare(self, terms: Iterable[str]) -> None:
        """Create the monitors of new terms; those of causes precede those of effects."""
        new = set(terms) - self.terms
        if new or not self.monitors:
            self.terms |= new
            wanted = monitors_for(self.terms, self.kinds, self.facts)
            self.monitors = {name: self.monitors.get(name, monitor) for name, monitor in wanted.items()}

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


def check(rows: Iterable[Row], kinds: Mapping[str, str], facts: Facts | None = None) -> list[Finding]:
    """Check the rows of a metrics.jsonl.

    Args:
        rows: lines of metrics.jsonl.
        kinds: kinds of terms as declared by the model; "terms" in a run's environment.json.
        facts: "health" in a run's environment.json; None: none.
    """
    monitors = Monitors(kinds, facts)
    return [finding for row in rows for finding in monitors.judge(row)]
