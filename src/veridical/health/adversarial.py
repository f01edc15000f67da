"""Monitors of adversarial training: a generator and a discriminator."""

from __future__ import annotations

import math
from statistics import median
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

    def __init__(self, js: float = 0.66, accuracy: float = 0.99, nearly: float = 0.55, rows: int = 15) -> None:
        super().__init__(Episode(rows=5, steps=200))
        self.js, self.accuracy, self.nearly = js, accuracy, nearly
        self.long = Episode(rows=rows, steps=300)

    def observe(self, row: Row) -> Finding | None:
        """Compare the estimate with log 2 and the accuracy with 1."""
        js, accuracy = finite(row, "divergence"), finite(row, "accuracy")
        if js is None:
            return None
        sure = accuracy is None or accuracy > self.accuracy
        step, clear = int(row["step"]), js < self.nearly - 0.05
        complete = self.episode.update(step, bad=js > self.js and sure, clear=clear)
        nearly = self.long.update(step, bad=js > self.nearly and (accuracy is None or accuracy > 0.98), clear=clear)
        if not (complete or (nearly and not self.episode.reported)):
            return None
        since = self.episode.since if complete else self.long.since
        right = "" if accuracy is None else f" and {accuracy:.1%} of its decisions are right"
        return Finding(
            int(row["step"]),
            "discriminator-saturation",
            "warning",
            f"The discriminator has separated samples from data {'' if complete else 'almost '}completely since step "
            f"{since}: its estimate of the Jensen-Shannon divergence is {js:.3f} nats (maximum: log 2 = "
            f"{LOG_2:.3f}){right}.",
            "Samples and data hardly overlap, or the discriminator has memorised the data. A small change of the "
            "samples then does not change its output, so the generator gets almost no gradient.",
            f"{SMOOTHER_DISCRIMINATOR}; keep --discriminator-turns 1.",
            "Arjovsky & Bottou, Towards Principled Methods for Training GANs (2017), Thm. 2.1 and 2.4.",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {**super().state(), "long": self.long.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned; checkpoints of earlier versions have one episode only."""
        super().load(state)
        if "long" in state:
            self.long.load(state["long"])


class GradientVanishing(Monitor):
    """The gradient of the generator has vanished while the discriminator still separates samples from data.

    Near an equilibrium the gradient is small too, and that is correct: nothing is reported while the accuracy of the
    discriminator is at chance level.
    """

    def __init__(self, player: str, share: float = 0.01, at_chance: float = 0.1, ranked: float = 0.75) -> None:
        super().__init__(Episode(rows=5, steps=200), History())
        self.player, self.share, self.at_chance, self.ranked = player, share, at_chance, ranked

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
        accuracy = finite(row, "accuracy")
        losing = js > self.at_chance if js is not None else accuracy is None or accuracy > self.ranked
        bad = losing and level < self.share * early
        if not self.episode.update(int(row["step"]), bad=bad, clear=level > 3 * self.share * early):
            return None
        return Finding(
            int(row["step"]),
            "gradient-vanishing",
            "warning",
            f"The gradient of player {self.player} has vanished: its norm is {level:.2g}, which is {level / early:.1e} "
            f"of the value at the start, {early:.2g}.",
            "The discriminator is saturated, or the gradient of the objective is zero for samples that the "
            "discriminator classifies as fake with certainty (minimax).",
            f"Use an objective whose gradient does not vanish (--objective nonsaturating). {SMOOTHER_DISCRIMINATOR}.",
        )


class SampleCollapse(Monitor):
    """The samples are nearly independent of the latent code: they hardly differ from each other.

    Diversity is the mean distance between two samples divided by the mean distance between two examples; it is 1 for a
    perfect model. The threshold is far below 1; `veridical evaluate` measures missing modes.
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
            f"The samples have been nearly identical since step {self.episode.since}: the mean distance between two "
            f"samples is {diversity:.1%} of the mean distance between two examples.",
            "The generator maps all latent codes to the region where the discriminator is weakest. A discriminator "
            "that receives one sample at a time cannot detect that the samples are alike.",
            f"{SMOOTHER_DISCRIMINATOR}. {SMALLER_STEPS}.",
        )


class ModeCollapse(Monitor):
    """The generator covers only a part of the data, or none of it.

    Low coverage alone can also mean imprecise samples; high crowding alone can also mean samples that are smoother than
    the data. Low coverage together with high crowding or a large energy distance means that a part of the data is
    missing (half the distance suffices if the coverage is nearly zero). All values are medians of five rows, starting
    with the ninth row, because an untrained generator covers nothing. `objectives.diagnostics` defines the statistics;
    docs/health.md lists the error rates.
    """

    def __init__(
        self,
        coverage: float = 0.7,
        crowding: float = 1.25,
        energy: float = 0.3,
        uncovered: float = 0.25,
        from_step: float = 0.0,
    ) -> None:
        super().__init__(Episode(rows=5, steps=50))
        self.from_step = from_step
        self.coverage, self.crowding, self.energy, self.uncovered = coverage, crowding, energy, uncovered
        self.best = 0.0
        self.levels = {"crowding": self.history, "coverage": History(), "energy_distance": History()}

    def observe(self, row: Row) -> Finding | None:
        """Compare coverage with 0.97, crowding with 1, the energy distance with 0."""
        found = {name: finite(row, name) for name in self.levels}
        for name, value in found.items():
            if value is None:
                return None
            self.levels[name].push(value)
        if self.history.seen <= 8 or row["step"] < self.from_step:
            return None
        crowding, coverage, energy = (self.levels[name].level(5) for name in self.levels)
        self.best = max(self.best, coverage)
        large = self.energy if coverage >= self.uncovered else self.energy / 2
        bad = coverage < self.coverage and (crowding > self.crowding or energy > large) and not self._improves(energy)
        clear = coverage > 1.1 * self.coverage or (crowding < 0.9 * self.crowding and energy < 0.7 * large)
        if not self.episode.update(int(row["step"]), bad=bad, clear=clear):
            return None
        if self.best < self.uncovered:
            return self._never(int(row["step"]), coverage, energy)
        return Finding(
            int(row["step"]),
            "mode-collapse",
            "warning",
            f"The samples have missed a part of the data since step {self.episode.since}: {coverage:.0%} of the "
            f"examples have a sample near them (a perfect model: 97%), two samples are close to each other "
            f"{crowding:.2g} times as often as two examples (a perfect model: 1), and the energy distance is "
            f"{energy:.2g} of the width of the data (a perfect model: 0).",
            "The generator moved to regions where the discriminator was weak and lost modes. A discriminator that "
            "receives one sample at a time cannot detect that a mode is missing.",
            f"{SMOOTHER_DISCRIMINATOR}. {JUDGE_TOGETHER}. {SMALLER_STEPS}.",
        )

    def _never(self, step: int, coverage: float, energy: float) -> Finding:
        return Finding(
            step,
            "learns-nothing",
            "error",
            f"The samples have never reached the data: {coverage:.0%} of the examples have a sample near them (a "
            "perfect "
            f"model: 97%), never more than {self.best:.0%}, and the energy distance is {energy:.2g} of the width of "
            "the "
            "data (a perfect model: 0).",
            "The discriminator does not show the generator the way: it is too weak, too slow, saturated, or the steps "
            "of either player are too large or too small.",
            f"{SMOOTHER_DISCRIMINATOR}. {SMALLER_STEPS}. Start from the defaults of the family "
            "(`veridical train gan --data DATA`).",
            "docs/health.md: thresholds from labelled runs.",
        )

    def _improves(self, energy: float) -> bool:
        """Return whether the energy distance is a quarter less than ten rows before: the samples still approach."""
        before = self.levels["energy_distance"].recent[-15:-10]
        return len(before) == 5 and energy < 0.75 * median(before)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {
            **super().state(),
            "best": self.best,
            "levels": {name: list(of.recent) for name, of in self.levels.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.best = float(state.get("best", 1.0))  # checkpoints of earlier versions have none
        for name, recent in state["levels"].items():
            self.levels["energy_distance" if name == "energy" else name].recent = list(recent)


class LossRunaway(Monitor):
    """A loss of an adversarial training grows without bound. Such a loss need not fall, but it must stay bounded."""

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
            f"The loss of player {self.player} grows without bound: its size is {level:.3g}; it was {early:.3g} at "
            "the start.",
            "The gradient of the discriminator is not bounded, so its outputs and both losses grow (Wasserstein and "
            "hinge objectives need a penalty).",
            f"{SMOOTHER_DISCRIMINATOR}, or --gradient-penalty 10 with --objective wasserstein. {SMALLER_STEPS}.",
        )
