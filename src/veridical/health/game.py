"""Monitors of a game that look at its course: a discriminator that memorises, oscillation, growing singular values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite
from veridical.health.remedies import SMALLER_STEPS, SMOOTHER_DISCRIMINATOR


class Memorising(Monitor):
    r"""The discriminator distinguishes its own examples from held-out ones.

    $r_v = \frac{E D(x_\text{train}) - E D(x_\text{held out})}{E D(x_\text{train}) - E D(\tilde x)}$ is 0 for a
    discriminator that treats both alike, and 1 if it takes held-out examples for samples.

    References:
        Karras et al., Training Generative Adversarial Networks with Limited Data (2020), Eq. 1.
    """

    def __init__(self, ratio: float = 0.4, least: float = 0.5) -> None:
        super().__init__(Episode(rows=2))
        self.ratio, self.least = ratio, least

    def observe(self, row: Row) -> Finding | None:
        """Compare the logits of training examples, held-out examples and samples."""
        train, held_out, fake = (finite(row, f"probe/logit_{part}") for part in ("train", "held_out", "fake"))
        if train is None or held_out is None or fake is None:
            return None
        apart = train - fake
        ratio = (train - held_out) / apart if apart > 0 else 0.0
        bad = apart > self.least and ratio > self.ratio
        if not self.episode.update(int(row["step"]), bad=bad, clear=ratio < 0.5 * self.ratio):
            return None
        return Finding(
            int(row["step"]),
            "discriminator-memorises",
            "warning",
            f"The discriminator knows its examples by heart: held-out examples are {ratio:.0%} of the way from "
            "training "
            f"examples to samples (logits: training {train:.3g}, held out {held_out:.3g}, samples {fake:.3g}).",
            "There are few examples for a discriminator of this size. It teaches the generator single examples, not "
            "their distribution.",
            "Use more examples, a smaller discriminator (--discriminator-width 32), a larger penalty (--r1 1), or for "
            "images random transformations of all its inputs (--augment colour translation cutout).",
            "Karras et al., Training Generative Adversarial Networks with Limited Data (2020), Eq. 1; Brock, Donahue & "
            "Simonyan (2019), Sec. 4.2.",
        )


class Oscillation(Monitor):
    """Samples and discriminator go around in circles: what was learned is lost again and again.

    Between rows, the energy distance of samples and data goes up and down by a large part of its size, and it has been
    much lower before.

    Args:
        swing: smallest mean change between rows, relative to the mean.
        level: smallest mean energy distance; smaller ones are sampling noise.
    """

    def __init__(self, swing: float = 0.35, level: float = 0.16) -> None:
        super().__init__(Episode(rows=5), History())
        self.swing, self.least = swing, level

    def observe(self, row: Row) -> Finding | None:
        """Compare the changes of the energy distance with its size."""
        energy = finite(row, "energy_distance")
        if energy is None:
            return None
        self.history.push(energy)
        recent = self.history.recent
        if len(recent) < self.history.recent_rows:
            return None
        mean = sum(recent) / len(recent)
        turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(recent, recent[1:], recent[2:], strict=False))
        change = sum(abs(b - a) for a, b in pairwise(recent)) / (len(recent) - 1)
        bad = mean > self.least and change > self.swing * mean and turns >= 4
        if not self.episode.update(int(row["step"]), bad=bad, clear=change < 0.5 * self.swing * mean):
            return None
        return Finding(
            int(row["step"]),
            "oscillation",
            "warning",
            f"The game oscillates: over the last {len(recent)} rows the energy distance of samples and data was "
            f"{min(recent):.2g} to {max(recent):.2g} and changed by {change / mean:.0%} of its mean from row to row.",
            "Without a penalty the game circles around its equilibrium, and momentum or large steps widen the circle.",
            f"{SMOOTHER_DISCRIMINATOR}. {SMALLER_STEPS}, without momentum (--generator-optimizer.betas 0 0.99 "
            "--discriminator-optimizer.betas 0 0.99).",
            "Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018), Sec. 2-3.",
        )


class SpectrumGrowth(Monitor):
    """The largest singular value of a player's layers grows without bound.

    References:
        Brock, Donahue & Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis (2019), Sec. 4.1.
    """

    def __init__(self, player: str, growth: float = 5.0) -> None:
        super().__init__(Episode(rows=2))
        self.player, self.growth = player, growth
        self.first: float | None = None

    def observe(self, row: Row) -> Finding | None:
        """Compare the largest singular value with that of the untrained weights."""
        sigma = finite(row, f"{self.player}/sigma_max")
        if sigma is None:
            return None
        self.first = sigma if self.first is None else self.first
        ratio = sigma / self.first if self.first > 0 else 1.0
        if not self.episode.update(int(row["step"]), bad=ratio > self.growth, clear=ratio < 0.5 * self.growth):
            return None
        return Finding(
            int(row["step"]),
            "spectrum-growth",
            "warning",
            f"The weights of player {self.player} grow: the largest singular value of a layer is {sigma:.3g}; it was "
            f"{self.first:.3g} at the start.",
            "The steps all point the same way, or they are too large. In large GANs a collapse usually follows.",
            f"{SMALLER_STEPS}, or bound the weights of the discriminator (--spectral-norm).",
            "Brock, Donahue & Simonyan, Large Scale GAN Training (2019), Sec. 4.1.",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {**super().state(), "first": self.first}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.first = state["first"]
