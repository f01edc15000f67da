"""The sicknesses that the terms of a training show, one class each.

Thresholds are numbers of the theory where it gives one (log 2, 0 nats) and otherwise ratios to the run's own beginning,
so that no monitor depends on the scale of the data. How often each one speaks on healthy and on sick trainings is
measured and stated in docs/health.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite

LOG_2 = math.log(2.0)

SMALLER_STEPS = "Take smaller steps (--lr-scale 0.3) or bound them (--clip-norm 1)"
SMOOTHER_DISCRIMINATOR = (
    "Raise the penalty on the discriminator's gradient at the data and at the samples tenfold (--r1 1 --r2 1), "
    "and judge pairs (--relativistic)"
)


class NonFinite(Monitor):
    """A term of the row is NaN or infinite, or the row counts steps that were."""

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
    """Say that a term stopped being finite: what the loop's error becomes in health.jsonl.

    Args:
        step: the step at which it happened.
        term: "<player>/<term>"; empty if only the number of such steps is known.
        value: NaN, infinite, or that number.
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
        "A number left the range of its arithmetic: steps too large for the curvature of the loss, a division by a "
        "vanishing quantity, or an overflow in half precision. Everything computed from it is lost too.",
        f"{SMALLER_STEPS}, or compute in full precision (--precision fp32), and resume from the last checkpoint.",
    )


class Saturation(Monitor):
    """The discriminator tells every fake from every example: its estimate of the divergence stands at log 2.

    The Jensen-Shannon divergence of two laws is at most log 2 = 0.6931 nats and reaches it where their supports do not
    overlap; there the gradient that an optimal discriminator gives the generator is zero almost everywhere.

    References:
        Arjovsky & Bottou, Towards Principled Methods for Training GANs (2017), Th. 2.1 and 2.4.
    """

    def __init__(self, js: float = 0.66, accuracy: float = 0.99, released: float = 0.6) -> None:
        super().__init__(Episode(rows=5, steps=200))
        self.js, self.accuracy, self.released = js, accuracy, released

    def observe(self, row: Row) -> Finding | None:
        """Compare the estimate with log 2 and the accuracy with 1."""
        js, accuracy = finite(row, "discriminator/js"), finite(row, "discriminator/accuracy")
        if js is None:
            return None
        bad = js > self.js and (accuracy is None or accuracy > self.accuracy)
        if not self.episode.update(int(row["step"]), bad=bad, clear=js < self.released):
            return None
        right = "" if accuracy is None else f" and it is right in {accuracy:.1%} of its verdicts"
        return Finding(
            int(row["step"]),
            "discriminator-saturation",
            "warning",
            f"The discriminator separates samples from data completely since step {self.episode.since}: its estimate "
            f"of the Jensen-Shannon divergence is {js:.3f} of at most log 2 = {LOG_2:.3f} nats{right}.",
            "Samples and data hardly overlap, or the discriminator learned the data by heart. A small change of the "
            "samples then changes no verdict, so the generator is told nothing.",
            f"{SMOOTHER_DISCRIMINATOR}; keep --discriminator-turns 1.",
        )


class GradientVanishing(Monitor):
    """The gradient that a player of a game receives has faded, while its opponent still wins.

    Near an equilibrium the gradient fades as well, and rightly so: hence no word while the discriminator is at chance.
    """

    def __init__(self, player: str, share: float = 0.01, at_chance: float = 0.1) -> None:
        super().__init__(Episode(rows=5, steps=200), History())
        self.player, self.share, self.at_chance = player, share, at_chance

    def observe(self, row: Row) -> Finding | None:
        """Compare the level of the gradient norm with its early median."""
        norm, js = finite(row, f"{self.player}/grad_norm"), finite(row, "discriminator/js")
        if norm is None:
            return None
        self.history.push(norm)
        early = self.history.reference
        if not early:
            return None
        level = self.history.level(5)
        losing = js is None or js > self.at_chance
        bad = losing and level < self.share * early
        if not self.episode.update(int(row["step"]), bad=bad, clear=level > 3 * self.share * early):
            return None
        return Finding(
            int(row["step"]),
            "gradient-vanishing",
            "warning",
            f"The gradient of player {self.player} has faded: its norm is {level:.2g}, {level / early:.1e} of the "
            f"{early:.2g} it had in the beginning.",
            "The other player answers the same whatever this one does: a saturated discriminator, or an objective "
            "whose slope vanishes for samples that are told apart with certainty (minimax).",
            f"Use an objective that keeps its slope (--objective nonsaturating). {SMOOTHER_DISCRIMINATOR}.",
        )


class GradientExplosion(Monitor):
    """A player's gradient grew far beyond what it was lately, and beyond its beginning."""

    def __init__(self, player: str, jump: float = 30.0, growth: float = 1000.0) -> None:
        super().__init__(Episode(rows=3), History())
        self.player, self.jump, self.growth = player, jump, growth

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
            f"The gradient of player {self.player} explodes since step {self.episode.since}: its norm is {norm:.2g}, "
            f"after {lately:.2g} lately and {early:.2g} in the beginning.",
            "The weights reached a region where the loss is very steep; the next steps throw them far away, and what "
            "follows is usually a collapse or values that are not finite.",
            f"{SMALLER_STEPS}."
            + (f" {SMOOTHER_DISCRIMINATOR}." if self.player in ("generator", "discriminator") else ""),
        )


class PosteriorCollapse(Monitor):
    """The latent code carries nothing: no unit is active, or the KL to the prior is gone.

    A unit counts as active if the variance over the data of its posterior mean exceeds 0.01.

    References:
        Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), App. C.
    """

    def __init__(self, kl: float = 0.1) -> None:
        super().__init__(Episode(rows=8, steps=500))
        self.kl = kl

    def observe(self, row: Row) -> Finding | None:
        """Compare the number of active units with 0, and the KL with 0 nats."""
        kl, active = finite(row, "model/kl"), finite(row, "model/active_units")
        if kl is None and active is None:
            return None
        empty = kl is not None and kl < self.kl
        none = active is not None and active < 0.5
        full = (kl is None or kl > 2 * self.kl) and (active is None or active >= 1)
        if not self.episode.update(int(row["step"]), bad=empty or none, clear=full):
            return None
        seen = [f"{active:.2g} latent units are active" if active is not None else ""]
        seen += [f"the KL of the posterior to the prior is {kl:.3g} nats" if kl is not None else ""]
        return Finding(
            int(row["step"]),
            "posterior-collapse",
            "error",
            f"The code carries nothing since step {self.episode.since}: {' and '.join(filter(None, seen))}. "
            "The decoder draws from one fixed law, whatever the code.",
            "A code must save more nats of reconstruction than its KL costs; here it does not: the weight of the KL "
            "is too high, the decoder's noise is too broad, or the first steps were so large that the code was lost "
            "before the decoder learned to read it.",
            "Lower the weight of the KL (--kl-weight 0.1; below 1 the loss is no bound on the likelihood any more), "
            "take smaller steps (--lr-scale 0.3), or train the tighter bound (--importance-samples 5).",
        )


class LossDivergence(Monitor):
    """A loss that is minimised lost most of what it had gained: worse than half-way back to its beginning."""

    def __init__(self, player: str = "model", share: float = 0.5) -> None:
        super().__init__(Episode(rows=5), History())
        self.player, self.share = player, share
        self.first: float | None = None
        self.best = math.inf

    def observe(self, row: Row) -> Finding | None:
        """Compare the level of the loss with its best level and its beginning."""
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
            f"The loss of player {self.player} climbs back: {level:.4g} after a best of {self.best:.4g}, "
            f"having begun at {self.first:.4g}.",
            "A step threw the weights out of the region they had found; the optimiser did not find back.",
            f"{SMALLER_STEPS}, and resume from a checkpoint before the rise.",
        )

    def state(self) -> dict[str, Any]:
        """Return what must survive a resume; the best is None before there is one."""
        return {**super().state(), "first": self.first, "best": self.best if math.isfinite(self.best) else None}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.first, self.best = state["first"], math.inf if state["best"] is None else state["best"]


def _typical_change(values: list[float]) -> float:
    """Return the median absolute change from one row to the next."""
    changes = sorted(abs(after - before) for before, after in zip(values, values[1:], strict=False))
    return changes[len(changes) // 2] if changes else 0.0


class LossRunaway(Monitor):
    """A loss in a game of several players ran away: no player's loss need fall, but none may grow without bound."""

    def __init__(self, player: str, growth: float = 100.0, most: float = 1e4) -> None:
        super().__init__(Episode(rows=5), History())
        self.player, self.growth, self.most = player, growth, most

    def observe(self, row: Row) -> Finding | None:
        """Compare the size of the loss with its size in the beginning."""
        loss = finite(row, f"{self.player}/loss")
        if loss is None:
            return None
        self.history.push(abs(loss))
        early = self.history.reference
        if early is None:
            return None
        level, bound = self.history.level(5), min(self.most, self.growth * (early + 1.0))
        if not self.episode.update(int(row["step"]), bad=level > bound, clear=level < 0.3 * bound):
            return None
        return Finding(
            int(row["step"]),
            "loss-divergence",
            "error",
            f"The loss of player {self.player} runs away: its size is {level:.3g}, after {early:.3g} in the beginning.",
            "Nothing bounds the discriminator's slope, so its values grow without end and both players only follow "
            "their size (Wasserstein and hinge objectives need a penalty).",
            f"{SMOOTHER_DISCRIMINATOR}, or --gradient-penalty 10 with --objective wasserstein; {SMALLER_STEPS.lower()}.",
        )


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
