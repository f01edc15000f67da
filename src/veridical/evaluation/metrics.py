"""The table of metrics: what each needs, and what it measures.

A metric is measured where all its needs are met (`needs.py`), and left out with the reason of the first that is not.
Numbers that are exact come first. Comparisons of features are measured only when asked for by name where something
better is known of the data: modes, outcomes or digits that can be counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.needs import DENSITY, DIGITS, ENOUGH, LIKELIHOOD, MODES, OUTCOMES, SAMPLES, Need
from veridical.evaluation.outcomes import measure_outcomes
from veridical.evaluation.stacked import measure_stacks
from veridical.evaluation.subject import Subject
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation

__all__ = ["METRICS", "Metric", "Subject"]


@final
@dataclass(frozen=True)
class Metric:
    """What a metric needs, and what it measures."""

    needs: tuple[Need, ...]

    measure: Callable[[Subject], list[Measurement]]
    """Called only where all needs are met."""

    replaced_by: tuple[Need, ...] = ()
    """Where one of these is met, a better metric takes its place: measured only when asked for by name."""

    def why_not(self, subject: Subject) -> str | None:
        """Return the reason of the first need that is not met; None: it can be measured."""
        return next((reason for need in self.needs if (reason := need.missing(subject)) is not None), None)

    def unasked(self, subject: Subject) -> str | None:
        """Return the reason to measure it only when asked for; None: it is measured anyway."""
        counted = any(need.missing(subject) is None for need in self.replaced_by)
        return "the modes of the data are known: they are counted" if counted else None


COUNTED = (MODES, DIGITS, OUTCOMES)
FEATURES = (SAMPLES, ENOUGH)

METRICS: Mapping[str, Metric] = {
    "divergence": Metric(
        (DENSITY, LIKELIHOOD),
        lambda s: measure_divergence(s.model, s.target, s.samples, s.n, s.seed, s.density),  # type: ignore[arg-type]
    ),
    "coverage": Metric(
        (SAMPLES, MODES),
        lambda s: measure_modes(s.samples, s.train.target, s.seed),  # type: ignore[arg-type]
    ),
    "stacks": Metric(
        (SAMPLES, DIGITS),
        lambda s: measure_stacks(s.samples, s.train, s.seed),  # type: ignore[arg-type]
    ),
    "outcomes": Metric(
        (SAMPLES, OUTCOMES),
        lambda s: measure_outcomes(s.target.to_law(s.samples), s.target.law, s.seed),  # type: ignore[arg-type]
    ),
    "fid": Metric(FEATURES, lambda s: measure_frechet(s.features), COUNTED),
    "kid": Metric(FEATURES, lambda s: measure_kernel(s.features), COUNTED),
    "prdc": Metric(FEATURES, lambda s: measure_manifold(s.features), COUNTED),
    "memorisation": Metric(FEATURES, lambda s: measure_memorisation(s.features), COUNTED),
    "likelihood": Metric(
        (LIKELIHOOD,),
        lambda s: measure_likelihood(s.model, s.train, s.test, s.n, s.seed, s.density),  # type: ignore[arg-type]
    ),
}
"""Everything that can be measured, in the order of the table: fid, kid, prdc and memorisation compare features."""
