"""Monitors of models with a likelihood or a bound of it, in nats per example, and of the average of the weights."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import Any

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, History, Monitor, Row, finite
from veridical.health.remedies import SMALLER_STEPS


def nats_of(row: Row) -> float | None:
    """Return the negative log-likelihood of a row, or its bound: reconstruction plus KL divergence of any weight.

    Examples:
        >>> nats_of({"reconstruction": 3.0, "posterior_kl": 1.5}), nats_of({"nats": 2.0}), nats_of({})
        (4.5, 2.0, None)
    """
    nats, error, kl = (finite(row, kind) for kind in ("nats", "reconstruction", "posterior_kl"))
    return error + kl if error is not None and kl is not None else nats


class AgainstConstant(Monitor):
    """The likelihood is worse than that of the constant model, or no better.

    The constant model ignores its input and every code: independent bits, or one Gaussian, with the means of the data
    (`workflows/facts.py`). Every family with a likelihood contains it, or nearly does.

    Args:
        constant: nats per example of the constant model.
        steps: of the run; nothing is reported in its first fifth, and nothing in the first three fifths while the
            level is falling.
        margin: share of the constant model's nats (at least `least`) that counts as no difference.
        least: nats that count as no difference.
    """

    def __init__(self, constant: float, steps: int, margin: float = 0.01, least: float = 0.02) -> None:
        super().__init__(Episode(rows=5), History())
        self.constant, self.steps = constant, steps
        self.margin = max(least, margin * abs(constant))

    def observe(self, row: Row) -> Finding | None:
        """Compare the level of the nats with those of the constant model."""
        nats = nats_of(row)
        if nats is None:
            return None
        self.history.push(nats)
        if self.history.seen < 10 or row["step"] < 0.2 * self.steps:
            return None
        level = self.history.level(5)
        falling = median(self.history.recent[-10:-5]) - level > self.margin
        if falling and row["step"] < 0.6 * self.steps:
            return None
        gain = self.constant - level
        if not self.episode.update(int(row["step"]), bad=gain < self.margin, clear=gain > 2 * self.margin):
            return None
        return self._worse(row, level, falling) if gain < -self.margin else self._equal(row, level)

    def _worse(self, row: Row, level: float, falling: bool) -> Finding:
        kl = finite(row, "posterior_kl")
        part = f", {kl:,.4g} of them for the code" if kl is not None else ""
        return Finding(
            int(row["step"]),
            "worse-than-constant",
            "error",
            f"The model is worse than one that ignores the examples: it needs {level:,.4g} nats per example{part}; a "
            f"constant model with the mean and the variance of the data needs {self.constant:,.4g}.",
            "The loss is still falling: the steps are too small, or too few."
            if falling
            else "The steps were so large that the weights left every useful region; a code that costs many nats is a "
            "sign of it.",
            "Train for longer (`veridical resume RUN --steps N`), or take larger steps (--lr-scale 3)."
            if falling
            else f"{SMALLER_STEPS}.",
            "A model must beat the constant one; Burda, Grosse & Salakhutdinov (2016) for the bound.",
        )

    def _equal(self, row: Row, level: float) -> Finding:
        return Finding(
            int(row["step"]),
            "learns-nothing",
            "error",
            f"The model is as good as one that ignores the examples, and no better: it needs {level:,.4g} nats per "
            f"example; a constant model with the mean and the variance of the data needs {self.constant:,.4g}.",
            "The code is not used, the network is too small, or the steps are too small or too few.",
            "Take larger steps (--lr-scale 10), lower the weight of the KL divergence (--kl-weight 0.1), or use a "
            "wider network (--width 256).",
            "Bowman et al., Generating Sentences from a Continuous Space (2016), Sec. 3.1.",
        )


class LostChains(Monitor):
    """A machine whose gradient comes from chains is worse than the constant model, from which it began.

    Args:
        constant: nats per example of the constant model.
    """

    def __init__(self, constant: float) -> None:
        super().__init__(Episode(rows=2))
        self.constant = constant

    def observe(self, row: Row) -> Finding | None:
        """Compare the probe of exact nats with those of the constant model; four standard errors are no difference."""
        nats, error = finite(row, "probe/nats_held_out"), finite(row, "probe/nats_error")
        if nats is None or error is None:
            return None
        excess, margin = nats - self.constant, max(4 * error, 0.01 * abs(self.constant))
        if not self.episode.update(int(row["step"]), bad=excess > margin, clear=excess < 0):
            return None
        return Finding(
            int(row["step"]),
            "worse-than-constant",
            "error",
            f"The machine is worse than independent components: it needs {nats:,.4g} nats per held-out example; a "
            f"constant model with the mean and the variance of the data needs {self.constant:,.4g}.",
            "The chains no longer follow the machine, whose weights have become too large for them to cross between "
            "modes; so their mean is not that of the machine, and the steps do not raise the likelihood.",
            "Take replicas at several temperatures (--negative temper), or smaller steps (--lr-scale 0.1).",
            "Fischer & Igel, Empirical Analysis of the Divergence of Gibbs Sampling Based Learning Algorithms for "
            "Restricted Boltzmann Machines (2010).",
        )


class Overfit(Monitor):
    """Held-out examples become less likely again while training examples become more likely.

    Args:
        constant: nats of the constant model, the scale of what there is to gain; None: 1 nat.
        share: part of the gain that must be lost.
    """

    def __init__(self, constant: float | None, share: float = 0.05) -> None:
        super().__init__(Episode(rows=2))
        self.constant, self.share = constant, share
        self.best: list[float] = []
        """Nats of held-out and of training examples where the former were fewest."""

    def observe(self, row: Row) -> Finding | None:
        """Compare held-out examples with the best probe so far."""
        there, here = finite(row, "probe/nats_held_out"), finite(row, "probe/nats_train")
        error = finite(row, "probe/nats_error")
        if there is None or here is None or error is None:
            return None
        if not self.best or there < self.best[0]:
            self.best = [there, here]
        first = self.constant if self.constant is not None else self.best[0] + 1.0
        lost, gained = there - self.best[0], max(0.0, first - self.best[0])
        bad = lost > max(self.share * gained, 0.1) and there - here > 4 * error and here < self.best[1] + 0.5 * lost
        if not self.episode.update(int(row["step"]), bad=bad, clear=lost < 0.5 * self.share * gained):
            return None
        return Finding(
            int(row["step"]),
            "likelihood-overfit",
            "warning",
            f"The model fits its examples and not their distribution: held-out examples need {there:,.4g} nats, and "
            f"needed {self.best[0]:,.4g} at best; training examples need {here:,.4g}.",
            "The network can store single examples, and there are few of them.",
            "Stop earlier: --evaluate-every 500 keeps the best checkpoint too. Or use more examples, or a smaller "
            "network (--width 32).",
            "Prechelt, Early Stopping - But When? (1998).",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {**super().state(), "best": list(self.best)}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.best = list(state["best"])


class Underfit(Monitor):
    """The run nears its end while the likelihood is still improving quickly.

    Args:
        steps: of the run; from three quarters of it on, what was gained since 55 % is compared with what was gained
            from 15 % to 55 %.
        share: part of the latter that may still be gained.
        noise: changes that chance makes, in usual changes from row to row: three standard errors of the difference of
            two medians of five independent rows.
    """

    def __init__(self, steps: int, share: float = 0.15, noise: float = 2.5) -> None:
        super().__init__(Episode(rows=3), History())
        self.steps, self.share, self.noise = steps, share, noise
        self.marks: dict[str, float] = {}

    def observe(self, row: Row) -> Finding | None:
        """Compare what was gained lately with what was gained before."""
        nats, step = nats_of(row), int(row["step"])
        if nats is None:
            return None
        self.history.push(nats)
        level = self.history.level(5)
        for name, share in (("start", 0.15), ("before", 0.55)):
            if step >= share * self.steps:
                self.marks.setdefault(name, level)
        if step < 0.75 * self.steps or len(self.marks) < 2:
            return None
        late, early = self.marks["before"] - level, self.marks["start"] - self.marks["before"]
        usual = median([abs(b - a) for a, b in pairwise(self.history.recent)] or [0.0])  # a short run has one row
        bad = late > max(self.share * max(early, 0.0) + 0.05, self.noise * usual)
        if not self.episode.update(step, bad=bad, clear=not bad):
            return None
        return Finding(
            step,
            "likelihood-underfit",
            "warning",
            f"The model is still far from converged: since 55 % of the run it has gained {late:,.4g} nats per "
            f"example, and from 15 % to 55 % {early:,.4g}.",
            "There are too few steps, or they are too small.",
            "Train for longer (`veridical resume RUN --steps N`), or take larger steps (--lr-scale 3).",
            "Prechelt, Early Stopping - But When? (1998).",
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {**super().state(), "marks": dict(self.marks)}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        self.marks = dict(state["marks"])


class BetterThanEntropy(Monitor):
    """Held-out examples are more likely under the model than under the distribution that they were drawn from.

    The expected difference is a KL divergence, which is never negative (Gibbs' inequality): the likelihood is computed
    wrongly, or the held-out examples were used for training.

    Args:
        errors: standard errors of the difference below 0 that are an error; a perfect model is 3 below by chance with
            probability 0.0013.
    """

    def __init__(self, errors: float = 3.0) -> None:
        super().__init__(Episode(rows=2))
        self.errors = errors

    def observe(self, row: Row) -> Finding | None:
        """Compare the excess with 0."""
        excess, error = finite(row, "probe/excess"), finite(row, "probe/excess_error")
        if excess is None or error is None:
            return None
        bad = excess < -self.errors * error - 1e-6
        if not self.episode.update(int(row["step"]), bad=bad, clear=excess > -0.5 * self.errors * error):
            return None
        return Finding(
            int(row["step"]),
            "better-than-entropy",
            "error",
            f"The model claims to know the held-out examples better than the distribution that they were drawn from: "
            "by "
            f"{-excess:.4g} nats per example (standard error {error:.2g}). No model can.",
            "The likelihood is not normalised (a missing constant or Jacobian, a sum over too few components), or the "
            "held-out examples are among the training examples.",
            "Check the likelihood against the known distribution (`veridical evaluate RUN`), and the data for "
            "duplicates (`veridical data check DATA`).",
            "Gibbs' inequality: Cover & Thomas, Elements of Information Theory (2006), Thm. 2.6.3.",
        )


class AverageWorse(Monitor):
    """The averaged weights, which are the ones that are used, are worse than the weights of the last step.

    Args:
        steps: of the run; nothing is reported before 70 % of it, where an average lags behind by design.
        share: smallest disadvantage, as a share of what the live weights have gained over the constant model.
        constant: nats of the constant model; None: not known.
        energy: smallest disadvantage in energy distance.
    """

    def __init__(self, steps: int, constant: float | None, share: float = 0.05, energy: float = 0.012) -> None:
        super().__init__(Episode(rows=2))
        self.from_step, self.constant, self.share, self.energy = 0.7 * steps, constant, share, energy

    def observe(self, row: Row) -> Finding | None:
        """Compare the averaged weights with the live ones."""
        nats, distance = self._nats(row), self._energy(row)
        if (nats is None and distance is None) or row["step"] < self.from_step:
            return None
        bad = bool(nats) or bool(distance)
        if not self.episode.update(int(row["step"]), bad=bad, clear=not bad):
            return None
        return Finding(
            int(row["step"]),
            "average-worse",
            "warning",
            f"The average of the weights is worse than the weights of the last step: {nats or distance}. The average "
            "is "
            "what `sample` and `evaluate` use.",
            "The average reaches too far back: the weights have changed much within its half-life.",
            "Use a shorter average (--ema 0.99) or none (--ema 0); from Python, `veridical.load(run, average=False)` "
            "loads the weights of the last step.",
            "Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models (2024), Sec. 3.",
        )

    def _nats(self, row: Row) -> str | None:
        """Return the disadvantage in nats in words, empty if there is none; None where it was not measured."""
        excess, error = finite(row, "probe/average_excess"), finite(row, "probe/average_error")
        if excess is None or error is None:
            return None
        now = finite(row, "probe/nats_held_out") or finite(row, "probe/nats_train")
        scale = 0.0
        if self.constant is not None and now is not None:
            scale = max(self.constant - now, 0.2 * abs(self.constant))
        bad = excess > max(4 * error, self.share * scale, 0.1)
        return f"by {excess:.3g} nats per example" if bad else ""

    def _energy(self, row: Row) -> str | None:
        """Return the disadvantage in energy distance in words, empty if there is none; None if not measured."""
        raw, average = finite(row, "probe/energy_live"), finite(row, "probe/energy_average")
        if raw is None or average is None:
            return None
        bad = average > 1.5 * max(raw, 0.0) + self.energy
        return f"its samples are at an energy distance of {average:.2g} from the data, not {raw:.2g}" if bad else ""


class DenoisingError(Monitor):
    """Noise is predicted worse than by predicting none: a squared error above 1 per component."""

    def __init__(self, error: float = 1.05) -> None:
        super().__init__(Episode(rows=5), History())
        self.error = error

    def observe(self, row: Row) -> Finding | None:
        """Compare the error with 1."""
        error = finite(row, "denoising_error")
        if error is None:
            return None
        self.history.push(error)
        level = self.history.level(5)
        if self.history.seen <= 5:
            return None
        if not self.episode.update(int(row["step"]), bad=level > self.error, clear=level < 1.0):
            return None
        return Finding(
            int(row["step"]),
            "worse-than-constant",
            "error",
            f"The model denoises worse than one that ignores its input: the squared error per component of the noise "
            "is "
            f"{level:.3g}; predicting none has the error 1.",
            "Steps were so large that the weights left every useful region.",
            f"{SMALLER_STEPS}.",
            "Predicting the mean of the noise, 0, has the error 1 whatever the data are.",
        )
