"""Monitors of families with chains or with an inverse: both must be what the mathematics says they are."""

from __future__ import annotations

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, Monitor, Row, finite


class Mixing(Monitor):
    """The chains of a model have not mixed: they still differ from each other, or they hold few independent states.

    Kind `r_hat`: the split potential scale reduction of the chains, 1 if they agree. Kind `effective_samples`: number
    of independent states that they are worth.
    """

    def __init__(self, r_hat: float = 1.1, effective: float = 100.0) -> None:
        super().__init__(Episode(rows=3))
        self.r_hat, self.effective = r_hat, effective

    def observe(self, row: Row) -> Finding | None:
        """Compare R-hat with 1, and the effective number of states with what an estimate needs."""
        r_hat, effective = finite(row, "r_hat"), finite(row, "effective_samples")
        if r_hat is None and effective is None:
            return None
        apart = r_hat is not None and r_hat > self.r_hat
        few = effective is not None and effective < self.effective
        if not self.episode.update(int(row["step"]), bad=apart or few, clear=not apart and not few):
            return None
        parts = [f"R-hat is {r_hat:.3g} (mixed: 1)"] if apart else []
        parts += [f"they are worth {effective:.3g} independent states"] if few else []
        return Finding(
            int(row["step"]),
            "chains-not-mixing",
            "warning",
            f"The Markov chains of the model do not mix: {' and '.join(parts)}.",
            "There are too few steps between two updates for the energy as it is now: large weights separate the "
            "modes.",
            "Take smaller steps (--lr-scale 0.3), so that the chains can follow the energy.",
            "Vehtari, Gelman, Simpson, Carpenter & Bürkner, Rank-normalization, folding, and localization: an improved "
            "R-hat (2021): 1.01 for a final estimate; Gelman & Rubin (1992): 1.1 while it runs.",
        )


class Inverse(Monitor):
    """The inverse of a flow does not return the example: its likelihood and its samples belong to different models.

    Kind `inverse_error`: mean of |x - f^{-1}(f(x))| over the standard deviation of the data.
    """

    def __init__(self, error: float = 1e-3) -> None:
        super().__init__(Episode(rows=2))
        self.error = error

    def observe(self, row: Row) -> Finding | None:
        """Compare the error with 0."""
        error = finite(row, "inverse_error")
        if error is None:
            return None
        if not self.episode.update(int(row["step"]), bad=error > self.error, clear=error < 0.3 * self.error):
            return None
        return Finding(
            int(row["step"]),
            "inverse-error",
            "error",
            f"The inverse of the model does not return its input: the mean error is {error:.2g} of the standard "
            "deviation of the data.",
            "A layer is nearly singular, so that rounding errors are magnified. The likelihood is that of another "
            "model "
            "than the one that is sampled.",
            "Compute in full precision (--precision fp32) and take smaller steps (--lr-scale 0.3).",
            "Behrmann et al., Understanding and Mitigating Exploding Inverses in Invertible Neural Networks (2021).",
        )
