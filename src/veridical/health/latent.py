"""Monitors of models with a latent code."""

from __future__ import annotations

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, Monitor, Row, finite


class PosteriorCollapse(Monitor):
    """The latent code carries no information: no unit is active, or the KL to the prior is nearly 0.

    A unit counts as active if the variance over the data of its posterior mean exceeds 0.01.

    References:
        Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), App. C.
    """

    def __init__(self, kl: float = 0.1) -> None:
        super().__init__(Episode(rows=8, steps=500))
        self.kl = kl

    def observe(self, row: Row) -> Finding | None:
        """Compare the number of active units with 0, and the KL with 0 nats."""
        kl, active = finite(row, "posterior_kl"), finite(row, "active_units")
        if kl is None and active is None:
            return None
        empty = kl is not None and kl < self.kl
        none = active is not None and active < 0.5
        full = (kl is None or kl > 2 * self.kl) and (active is None or active >= 1)
        if not self.episode.update(int(row["step"]), bad=empty or none, clear=full):
            return None
        return Finding(
            int(row["step"]),
            "posterior-collapse",
            "error",
            f"The latent code has carried no information since step {self.episode.since}: {_seen(kl, active)}. "
            "The output of the decoder does not depend on the code.",
            "A code is used only if it reduces the reconstruction loss by more nats than its KL divergence. Here it "
            "does not: the weight of the KL divergence is too high, the decoder's noise is too broad, or the first "
            "steps were too large.",
            "Lower the weight of the KL divergence (--kl-weight 0.1; below 1 the loss is no longer a bound on the "
            "likelihood), take smaller steps (--lr-scale 0.3), or train a tighter bound (--importance-samples 5).",
        )


def _seen(kl: float | None, active: float | None) -> str:
    """Return text with the KL divergence and the number of active units, if they are known."""
    parts = [] if kl is None else [f"the KL divergence of the posterior from the prior is {kl:.3g} nats"]
    parts += [] if active is None else [f"the number of active units is {active:.2g}"]
    return " and ".join(parts)
