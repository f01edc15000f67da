"""Problems of models with a latent code."""

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
            f"The latent code carries no information since step {self.episode.since}: {_seen(kl, active)}. "
            "The decoder draws from one fixed distribution, whatever the code.",
            "A code must save more nats of reconstruction than its KL costs; here it does not: the weight of the KL "
            "is too high, the decoder's noise is too broad, or the first steps were so large that the code was lost "
            "before the decoder learned to read it.",
            "Lower the weight of the KL (--kl-weight 0.1; below 1 the loss is no bound on the likelihood any more), "
            "take smaller steps (--lr-scale 0.3), or train the tighter bound (--importance-samples 5).",
        )


def _seen(kl: float | None, active: float | None) -> str:
    """Say the KL and the number of active units, as far as they are known."""
    said = [] if kl is None else [f"the KL of the posterior to the prior is {kl:.3g} nats"]
    said += [] if active is None else [f"the number of active units is {active:.2g}"]
    return " and ".join(said)
