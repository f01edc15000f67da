"""The table of metrics: what each needs, and what it measures.

A metric is measured where all its needs are met (`needs.py`), and left out with the reason of the first that is not.
Numbers that are exact come first. Where the data have modes, outcomes or digits that can be counted, comparisons of
features are measured only if requested by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from veridical.evaluation import needs
from veridical.evaluation.annealed import Annealing, measure_annealed
from veridical.evaluation.authenticity import measure_authenticity
from veridical.evaluation.birthday import measure_birthday
from veridical.evaluation.c2st import measure_c2st, measure_nearest_neighbour
from veridical.evaluation.cells import measure_ndb, measure_shares
from veridical.evaluation.classes import EXAMPLES as OF_CLASSES
from veridical.evaluation.classes import draw_of, measure_accuracy, measure_class_match
from veridical.evaluation.clipped import measure_clipped
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.denoising import EXAMPLES as DENOISED
from veridical.evaluation.denoising import measure_denoising
from veridical.evaluation.dimension import measure_code_dimension
from veridical.evaluation.discrimination import EXAMPLES as JUDGED
from veridical.evaluation.discrimination import measure_discrimination
from veridical.evaluation.divergence import measure_divergence
from veridical.evaluation.inception_score import measure_inception_score
from veridical.evaluation.inverse import EXAMPLES as INVERTED
from veridical.evaluation.inverse import measure_inverse
from veridical.evaluation.latent import EXAMPLES as ENCODED
from veridical.evaluation.latent import measure_codes
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.mmd import measure_mmd
from veridical.evaluation.needs import DENSITY, DIGITS, ENOUGH, LIKELIHOOD, MODES, OUTCOMES, SAMPLES, Need
from veridical.evaluation.observables import measure_observables
from veridical.evaluation.outcomes import measure_outcomes
from veridical.evaluation.recovery import EXAMPLES as PAIRS
from veridical.evaluation.recovery import (
    measure_coded_factors,
    measure_encoded_factors,
    measure_matched_classes,
    measure_sample_factors,
)
from veridical.evaluation.restoration import EXAMPLES as RESTORED
from veridical.evaluation.restoration import measure_restoration
from veridical.evaluation.solver import EXAMPLES as SOLVED
from veridical.evaluation.solver import measure_solver
from veridical.evaluation.stacked import measure_stacks
from veridical.evaluation.subject import Subject
from veridical.evaluation.tilting import measure_tilting
from veridical.evaluation.two_sample import measure_frechet, measure_kernel, measure_manifold, measure_memorisation
from veridical.evaluation.typicality import measure_typicality
from veridical.evaluation.vendi import measure_vendi
from veridical.model import draws_classes

__all__ = ["METRICS", "Metric", "Subject"]


@final
@dataclass(frozen=True)
class Metric:
    """What a metric needs, and what it measures."""

    needs: tuple[Need, ...]

    measure: Callable[[Any], list[Measurement]]
    """Called with the subject where all needs are met: then nothing that it takes is None."""

    replaced_by: tuple[Need, ...] = ()
    """Where one of these is met, a better metric takes its place: measured only if requested by name."""

    on_request: str | None = None
    """Why it is measured only if requested by name; None: it is measured by default."""

    samples_too: bool = False
    """Whether it measures more where there are samples, without needing them."""

    @property
    def sees_samples(self) -> bool:
        """Whether samples make a difference to it."""
        return self.samples_too or SAMPLES in self.needs

    def unmet(self, subject: Subject) -> tuple[Need, str] | None:
        """Return the first need that is not met, and the reason; None: it can be measured.

        Needs that more examples would meet come last: where another is missing too, examples would not help.
        """
        reasons = ((need, need.missing(subject)) for need in sorted(self.needs, key=lambda need: need.more_examples))
        return next(((need, reason) for need, reason in reasons if reason is not None), None)

    def unasked(self, subject: Subject) -> str | None:
        """Return the reason to measure it only on request; None: it is measured by default."""
        if self.on_request is not None:
            return self.on_request
        counted = any(need.missing(subject) is None for need in self.replaced_by)
        return "the modes of the data are known: they are counted" if counted else None


def _class_match(s: Any) -> list[Measurement]:
    rows = s.some(s.held_out, min(s.n, OF_CLASSES))
    c = s.held_out.labels.cpu()[rows]
    return measure_class_match(draw_of(s.model, c, s.model.device, s.seed), c, s.features, s.train, s.test)


def _accuracy(s: Any) -> list[Measurement]:
    rows = s.some(s.held_out, s.n)
    return measure_accuracy(s.model, s.examples(rows), s.held_out.labels.cpu()[rows], s.model.device)


def _matched_classes(s: Any) -> list[Measurement]:
    rows = s.some(s.held_out, s.n)
    return measure_matched_classes(s.model, s.examples(rows), s.held_out.labels[rows], s.model.device, s.seed)


def _discrimination(s: Any) -> list[Measurement]:
    conditional = draws_classes(s.model)
    rows = s.some(s.held_out, min(len(s.samples), JUDGED))
    c = s.held_out.labels.cpu()[rows] if conditional else None
    samples = s.samples[:JUDGED] if c is None else draw_of(s.model, c, s.model.device, s.seed)
    return measure_discrimination(s.model, (s.examples(rows), c), (samples, c), s.model.device, s.test is not None)


def _encoded_factors(s: Any) -> list[Measurement]:
    rows = s.some(s.held_out, min(s.n, PAIRS))
    return measure_encoded_factors(s.model, s.held_out, rows, s.model.device, s.seed)


def _annealed(s: Any) -> list[Measurement]:
    n = Annealing().examples
    train = s.train.batch(s.some(s.train, n), "cpu").x
    log_prob = None if needs.DENSITY.missing(s) else s.target.log_prob
    return measure_annealed(s.model, train, s.examples(s.some(s.held_out, n)), s.train.space, s.seed, log_prob=log_prob)


def _observables(s: Any) -> list[Measurement]:
    exact = None if needs.OBSERVABLES.missing(s) else s.train.target.expectations()
    return measure_observables(s.samples, s.examples(s.some(s.held_out, s.n)), s.train.space, exact)


def _shares(s: Any) -> list[Measurement]:
    labels = None if needs.TRAINING_LABELS.missing(s) else s.train.labels.cpu()
    return measure_shares(s.features, labels, s.train.space.classes or 0, s.train.class_names)


def _inception_score(s: Any) -> list[Measurement]:
    return measure_inception_score(s.features, s.train.labels.cpu(), s.train.space.classes)


def _denoising(s: Any) -> list[Measurement]:
    x = s.examples(s.some(s.held_out, min(s.n, DENOISED)))
    return measure_denoising(s.model, x, s.target, s.train.space, s.model.device, s.seed)


def _codes(s: Any) -> list[Measurement]:
    return measure_codes(s.model, s.examples(s.some(s.held_out, min(s.n, ENCODED))), s.model.device, s.seed)


def _inverse(s: Any) -> list[Measurement]:
    return measure_inverse(s.model, s.examples(s.some(s.held_out, min(s.n, INVERTED))), s.model.device, s.seed)


def _solver(s: Any) -> list[Measurement]:
    return measure_solver(s.model, s.examples(s.some(s.held_out, min(s.n, SOLVED))), s.model.device, s.seed)


def _code_dimension(s: Any) -> list[Measurement]:
    x = s.examples(s.some(s.held_out, min(s.n, ENCODED)))
    return measure_code_dimension(s.model, x, s.model.device)


def _coded_factors(s: Any) -> list[Measurement]:
    return measure_coded_factors(s.model, s.train.target, min(s.n, PAIRS), s.model.device, s.seed)


COSTLY = "it takes minutes; request it by name (metrics=[...], --metrics)"
REQUESTED = "other metrics see as much; request it by name (metrics=[...], --metrics)"
COUNTED = (MODES, DIGITS, OUTCOMES)
FEATURES = (SAMPLES, ENOUGH)

METRICS: Mapping[str, Metric] = {
    "divergence": Metric(
        (DENSITY, LIKELIHOOD),
        lambda s: measure_divergence(s.model, s.target, s.samples, s.n, s.seed, s.density),
        samples_too=True,
    ),
    "tilting": Metric(
        (SAMPLES, DENSITY, needs.NO_EXACT_DENSITY, needs.ENOUGH_TO_HALVE),
        lambda s: measure_tilting(s.samples, s.target, s.seed, forward=s.density is None),
    ),
    "typicality": Metric((SAMPLES, DENSITY, needs.ENTROPY), lambda s: measure_typicality(s.samples, s.target, s.seed)),
    "coverage": Metric((SAMPLES, MODES), lambda s: measure_modes(s.samples, s.train.target, s.seed)),
    "stacks": Metric((SAMPLES, DIGITS), lambda s: measure_stacks(s.samples, s.train, s.seed)),
    "outcomes": Metric(
        (SAMPLES, OUTCOMES), lambda s: measure_outcomes(s.target.to_law(s.samples), s.target.law, s.seed)
    ),
    "observables": Metric((SAMPLES, needs.SPINS, needs.ENOUGH_HELD_OUT), _observables),
    "factors": Metric(
        (SAMPLES, needs.MEASURED_FACTORS), lambda s: measure_sample_factors(s.samples[:PAIRS], s.train.target, s.seed)
    ),
    "fid": Metric(FEATURES, lambda s: measure_frechet(s.features), COUNTED),
    "kid": Metric(FEATURES, lambda s: measure_kernel(s.features), COUNTED),
    "prdc": Metric(FEATURES, lambda s: measure_manifold(s.features), COUNTED),
    "clipped": Metric(FEATURES, lambda s: measure_clipped(s.features), COUNTED),
    "shares": Metric(FEATURES, _shares, COUNTED),
    "c2st": Metric(FEATURES, lambda s: measure_c2st(s.features), COUNTED),
    "memorisation": Metric(FEATURES, lambda s: measure_memorisation(s.features), COUNTED),
    "ndb": Metric(FEATURES, lambda s: measure_ndb(s.features), on_request=REQUESTED),
    "mmd": Metric(FEATURES, lambda s: measure_mmd(s.features), on_request=REQUESTED),
    "nearest_neighbour": Metric(FEATURES, lambda s: measure_nearest_neighbour(s.features), on_request=REQUESTED),
    "vendi": Metric(FEATURES, lambda s: measure_vendi(s.features), on_request=REQUESTED),
    "birthday": Metric(FEATURES, lambda s: measure_birthday(s.features), on_request=REQUESTED),
    "inception_score": Metric((*FEATURES, needs.TRAINING_LABELS), _inception_score, on_request=REQUESTED),
    "authenticity": Metric(FEATURES, lambda s: measure_authenticity(s.features), on_request=REQUESTED),
    "class_match": Metric((*FEATURES, needs.CLASSES, needs.CONDITIONAL, needs.LABELS), _class_match),
    "likelihood": Metric(
        (LIKELIHOOD, needs.SEVERAL), lambda s: measure_likelihood(s.model, s.train, s.test, s.n, s.seed, s.density)
    ),
    "annealed": Metric((needs.DECODER, needs.SEVERAL), _annealed, on_request=COSTLY),
    "denoising": Metric((needs.DENOISER, needs.OF_ALL_CLASSES, needs.ENOUGH_HELD_OUT), _denoising),
    "inverse": Metric((needs.BIJECTIVE, needs.SEVERAL), _inverse),
    "solver": Metric((needs.INTEGRATED, needs.OF_ALL_CLASSES, needs.SEVERAL), _solver),
    "restoration": Metric(
        (needs.RESTORER, needs.BOUNDED, needs.SAME_EXAMPLES),
        lambda s: measure_restoration(s.model, s.train, s.some(s.train, RESTORED).sort().values, s.model.device),
    ),
    "codes": Metric((needs.ENCODER, needs.ENOUGH_HELD_OUT), _codes),
    "code_dimension": Metric((needs.ENCODER, needs.ENOUGH_HELD_OUT), _code_dimension),
    "encoded_factors": Metric(
        (needs.ENCODER, needs.ENOUGH_HELD_OUT, needs.FACTORS, needs.KNOWN_ROWS), _encoded_factors
    ),
    "coded_factors": Metric((needs.CODED, needs.LATENT, needs.CODES, needs.MEASURED_FACTORS), _coded_factors),
    "matched_classes": Metric((needs.CODED, needs.CODES, needs.CLASSES, needs.LABELS), _matched_classes),
    "class_accuracy": Metric((needs.CLASSIFIER, needs.CLASSES, needs.LABELS), _accuracy),
    "discrimination": Metric((needs.DISCRIMINATOR, SAMPLES, needs.JUDGED_ALONE, ENOUGH), _discrimination),
}
"""Everything that can be measured, in the order of the table; those with `FEATURES` compare features."""
