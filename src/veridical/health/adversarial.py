"""Problems of a game between a generator and a discriminator."""

from __future__ import annotations

import math
from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite
from veridical.health.remedies import JUDGE_TOGETHER, SMALLER_STEPS, SMOOTHER_DISCRIMINATOR

LOG_2 = math.log(2.0)


class Saturation(Monitor):
    """The discriminator separates generated from real examples without error: its divergence estimate is at log 2.

    The Jensen-Shannon divergence of two distributions is at most log 2 = 0.6931 nats, reached where their supports do
    not overlap; there the gradient that an optimal discriminator gives the generator is zero almost everywhere.

    References:
        Arjovsky & Bottou, Towards Principled Methods for Training GANs (2017), Th. 2.1 and 2.4.
    """

    def __init__(self, js: float = 0.66, accuracy: float = 0.99, released: float = 0.6) -> None:
        super().__init__(Episode(rows=5, steps=200))
        self.js, self.accuracy, self.released = js, accuracy, released

    def observe(self, row: Row) -> Finding | None:
        """Compare the estimate with log 2 and the accuracy with 1."""
        js, accuracy = finite(row, "divergence"), finite(row, "accuracy")
        if js is None:
            return None
        bad = js > self.js and (accuracy is None or accuracy > self.accuracy)
        if not self.episode.update(int(row["step"]), bad=bad, clear=js < self.released):
            return None
        right = "" if accuracy is None else f" and {accuracy:.1%} of its decisions are right"
        return Finding(
            int(row["step"]),
            "discriminator-saturation",
            "warning",
            f"The discriminator separates samples from data completely since step {self.episode.since}: its estimate "
            f"of the Jensen-Shannon divergence is {js:.3f} of at most log 2 = {LOG_2:.3f} nats{right}.",
            "Samples and data hardly overlap, or the discriminator has memorised the data. A small change of the "
            "samples then does not change its output, so the generator gets almost no gradient.",
            f"{SMOOTHER_DISCRIMINATOR}; keep --discriminator-turns 1.",
        )


class GradientVanishing(Monitor):
    """The gradient of the generator has vanished while the discriminator still wins.

    Near an equilibrium the gradient vanishes too, as it should: nothing is reported while the discriminator is at
    chance.
    """

    def __init__(self, player: str, share: float = 0.01, at_chance: float = 0.1) -> None:
        super().__init__(Episode(rows=5, steps=200), History())
        self.player, self.share, self.at_chance = player, share, at_chance

    def observe(self, row: Row) -> Finding | None:
        """Compare the level of the gradient norm with its early median."""
        norm, js = finite(row, f"{self.player}/grad_norm"), finite(row, "divergence")
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
            f"The gradient of player {self.player} has vanished: its norm is {level:.2g}, {level / early:.1e} of the "
            f"{early:.2g} it had at the start.",
            "The discriminator is saturated, or the objective has no slope for samples that the discriminator "
            "recognises with certainty (minimax).",
            f"Use an objective whose slope does not vanish (--objective nonsaturating). {SMOOTHER_DISCRIMINATOR}.",
        )


class SampleCollapse(Monitor):
    """The generator ignores its latent code: its samples hardly differ from each other.

    Diversity is the mean distance between two samples over that between two examples; a perfect model has 1. The
    threshold is far below 1: whether a model lacks modes is measured by `veridical evaluate`.
    """

    def __init__(self, diversity: float = 0.1) -> None:
        super().__init__(Episode(rows=8, steps=500))
        self.diversity = diversity

    def observe(self, row: Row) -> Finding | None:
        """Compare the diversity of the samples with 1."""
        diversity = finite(row, "diversity")
        if diversity is None:
            return None
        bad, clear = diversity < self.diversity, diversity > 2 * self.diversity
        if not self.episode.update(int(row["step"]), bad=bad, clear=clear):
            return None
        return Finding(
            int(row["step"]),
            "sample-collapse",
            "error",
            f"The samples are nearly all the same since step {self.episode.since}: the mean distance between two of "
            f"them is {diversity:.1%} of that between two examples.",
            "The generator puts everything where the discriminator is weakest at the moment and ignores its code; "
            "a discriminator that sees one sample at a time does not notice that they are alike.",
            f"{SMOOTHER_DISCRIMINATOR}. {SMALLER_STEPS}.",
        )


class ModeCollapse(Monitor):
    """The generator covers only a part of the data, or none of it.

    Low coverage alone is also seen in samples that are only imprecise, crowding alone in samples that are only smoother
    than the data; with either crowding or a large energy distance (half of it is large where next to nothing is
    covered), low coverage means that a part of the data is missing. All are levels, medians of five rows, from the
    ninth row on: an untrained generator covers nothing. `objectives.diagnostics` says what they measure,
    docs/health.md how often this is right.
    """

    def __init__(
        self, coverage: float = 0.7, crowding: float = 1.25, energy: float = 0.3, uncovered: float = 0.25
    ) -> None:
        super().__init__(Episode(rows=5, steps=50))
        self.coverage, self.crowding, self.energy, self.uncovered = coverage, crowding, energy, uncovered
        self.levels = {"crowding": self.history, "coverage": History(), "energy_distance": History()}

    def observe(self, row: Row) -> Finding | None:
        """Compare coverage with 0.97, crowding with 1, the energy distance with 0."""
        found = {name: finite(row, name) for name in self.levels}
        for name, value in found.items():
            if value is None:
                return None
            self.levels[name].push(value)
        if self.history.seen <= 8:
            return None
        crowding, coverage, energy = (self.levels[name].level(5) for name in self.levels)
        large = self.energy if coverage >= self.uncovered else self.energy / 2
        bad = coverage < self.coverage and (crowding > self.crowding or energy > large)
        clear = coverage > 1.1 * self.coverage or (crowding < 0.9 * self.crowding and energy < 0.7 * large)
        if not self.episode.update(int(row["step"]), bad=bad, clear=clear):
            return None
        return Finding(
            int(row["step"]),
            "mode-collapse",
            "warning",
            f"The samples miss a part of the data since step {self.episode.since}: {coverage:.0%} of the examples "
            f"have a sample near them (a perfect model: 97%), two samples are close to each other {crowding:.2g} times "
            f"as often as two examples (1), and the energy distance is {energy:.2g} of the width of the data (0).",
            "The generator moved to where the discriminator was weak and gave up modes it had reached; a discriminator "
            "that sees one sample at a time cannot notice that a mode is missing.",
            f"{SMOOTHER_DISCRIMINATOR}. {JUDGE_TOGETHER}. {SMALLER_STEPS}.",
        )

    def state(self) -> dict[str, Any]:
        """Return what must survive a resume."""
        return {**super().state(), "levels": {name: list(of.recent) for name, of in self.levels.items()}}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        for name, recent in state["levels"].items():
            self.levels["energy_distance" if name == "energy" else name].recent = list(recent)


class LossRunaway(Monitor):
    """A loss of a game grows without bound; no player's loss needs to fall, but none may do that."""

    def __init__(self, player: str, growth: float = 100.0, most: float = 1e4) -> None:
        super().__init__(Episode(rows=5), History())
        self.player, self.growth, self.most = player, growth, most

    def observe(self, row: Row) -> Finding | None:
        """Compare the size of the loss with its size at the start."""
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
            f"The loss of player {self.player} grows without bound: its size is {level:.3g}, {early:.3g} at the start.",
            "Nothing bounds the discriminator's slope, so its outputs grow and both losses follow them (Wasserstein "
            "and hinge objectives need a penalty).",
            f"{SMOOTHER_DISCRIMINATOR}, or --gradient-penalty 10 with --objective wasserstein. {SMALLER_STEPS}.",
        )
