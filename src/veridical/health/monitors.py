"""Which monitors listen to which terms.

Thresholds are numbers of the theory where it gives one (log 2, 0 nats) and otherwise ratios to the run's own beginning,
so that no monitor depends on the scale of the data. How often each one speaks on healthy and on sick trainings is
measured and stated in docs/health.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from veridical.health.adversarial import (
    GradientVanishing,
    LossRunaway,
    ModeCollapse,
    SampleCollapse,
    Saturation,
)
from veridical.health.descent import GradientExplosion, LossDivergence, NonFinite
from veridical.health.latent import PosteriorCollapse
from veridical.health.monitor import Monitor


def monitors_for(terms: Iterable[str]) -> dict[str, Monitor]:
    """Return the monitors that can listen to these terms, by a name that is the same in every run.

    Examples:
        >>> sorted(monitors_for(["model/loss", "model/grad_norm"]))
        ['explosion:model', 'loss:model', 'nonfinite']
    """
    terms = set(terms)
    players = {term.partition("/")[0] for term in terms if "/" in term}
    monitors: dict[str, Monitor] = {"nonfinite": NonFinite()}
    if "discriminator/js" in terms:
        monitors["saturation"] = Saturation()
    if "discriminator/diversity" in terms:
        monitors["diversity"] = SampleCollapse()
    if {"discriminator/crowding", "discriminator/coverage", "discriminator/energy"} <= terms:
        monitors["modes"] = ModeCollapse()
    if terms & {"model/kl", "model/active_units"}:
        monitors["collapse"] = PosteriorCollapse()
    for player in sorted(players):
        if f"{player}/grad_norm" in terms:
            monitors[f"explosion:{player}"] = GradientExplosion(player)
            if player == "generator":
                monitors[f"vanishing:{player}"] = GradientVanishing(player)
        if f"{player}/loss" in terms:
            monitors[f"loss:{player}"] = LossDivergence() if player == "model" else LossRunaway(player)
    return monitors
