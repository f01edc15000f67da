"""The density of a model: exact, as a bound (importance sampling before the elbo), or by its energy and log Z.

A density that is the solution of an equation states its steps and its trace; where the trace is estimated, nats have no
bias in their mean, and are not called exact.

An energy whose log Z is a sum is a density as exact as any; where it is estimated, the nats of all examples share its
error; chains that go back give a lower bound of the likelihood of annealed chains, which approach the model. Energies
that are upper bounds give a lower bound, up to the error of log Z.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.evaluation import importance
from veridical.evaluation.measurement import JSON
from veridical.evaluation.normalisation import EFFORT, Effort, LogZ, UnknownLogZError, log_z
from veridical.mcmc.annealing import effective_size
from veridical.model import (
    Dequantised,
    EnergyBased,
    ExactLikelihood,
    GenerativeModel,
    Integrated,
    LikelihoodBound,
    Tempered,
    draws_classes,
    has_exact_likelihood,
)
from veridical.verdict import Bound

BATCH = 256

NOISE_DRAWS = 16
"""Draws of the noise for each example, where a density of continuous values bounds that of levels."""

SOLVED_VALUES = 1 << 22
"""Values of all evaluations of the network for likelihoods that are solutions of equations: 16,384 vectors of two
components, or 100 images of 28x28, with 64 evaluations each."""

LogProb = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Density:
    """Nats of examples in data space."""

    log_prob: LogProb
    kind: Literal["exact", "unbiased estimate", "lower bound", "annealed estimate"]
    """An annealed estimate is off by the same number for all examples, of which `error` is the standard error."""

    error: float = 0.0
    """Standard error that all nats share: that of log Z."""

    source: str = "log_prob"
    """Where the nats come from: log_prob, codes or noise that are weighted, the elbo, or the energy."""

    examples: int | None = None
    """Examples that are scored at most, because each is costly; None: any number."""

    codes: Callable[[Tensor], Tensor] | None = None
    """(B, *event) → (B,) codes or draws that count, of `importance.CODES` or `NOISE_DRAWS`; None: none are weighted."""

    counted: Literal["codes", "draws"] = "codes"
    """What is weighted: codes, or draws of noise."""

    below: LogProb | None = None
    """Nats by chains that go back: in expectation at most those of the annealed chains, whose law approaches the
    model's (`normalisation.py`); None: there are none."""

    facts: Mapping[str, JSON] = field(default_factory=dict)
    """Further facts of how the nats are computed: draws of noise, ..."""

    @property
    def detail(self) -> dict[str, JSON]:
        """What a measurement states of it."""
        return {"likelihood": self.kind, "source": self.source, **self.facts}

    def limit(self, n: int) -> int:
        """Return how many of n examples are scored."""
        return n if self.examples is None else min(n, self.examples)

    @property
    def exact(self) -> bool:
        """Whether the mean of its nats is that of the density: neither a bound nor off by an error that all share."""
        return self.kind in ("exact", "unbiased estimate")

    @property
    def bound(self) -> Bound | None:
        """Whether nats are a bound of the density."""
        return "lower" if self.kind == "lower bound" else None


def density_of(model: GenerativeModel, space: Space | None = None, effort: Effort = EFFORT) -> Density | None:
    """Return the density of a model, a bound or an estimate of it; None where there is none (`find_density`)."""
    found = find_density(model, space, effort)
    return None if isinstance(found, str) else found


def only_of_classes(model: object) -> str | None:
    """Return why a model has no p(x), and thus neither a density nor a denoiser without labels; None: it has."""
    if not draws_classes(model) or not model.needs_class:
        return None
    return f"this {type(model).__name__} learned p(x | c) alone, and p(x) of an example without its label is not known"


def find_density(model: GenerativeModel, space: Space | None = None, effort: Effort = EFFORT) -> Density | str:
    """Return the density of a model, a bound or an estimate of it, or the reason why there is none.

    Args:
        model: its abilities decide.
        space: of its examples; None: the model's own.
        effort: how much work an estimate of log Z may be.
    """
    space = model.space if space is None else space
    given_labels = only_of_classes(model)
    if given_labels is not None:
        return given_labels
    if isinstance(model, ExactLikelihood) and has_exact_likelihood(model):
        return _solved(model) if isinstance(model, Integrated) else Density(model.log_prob, "exact")
    if isinstance(model, Dequantised):
        return _dequantised(model, space)
    if importance.can_be_weighted(model):
        return _weighted(model, space)
    if isinstance(model, LikelihoodBound):
        return Density(model.elbo, "lower bound", source="elbo")
    if not isinstance(model, EnergyBased):
        return f"{type(model).__name__} has no likelihood"
    try:
        return _normalised(model, space, log_z(model, space, model.device, effort))
    except UnknownLogZError as error:
        return f"log Z of {type(model).__name__} is not known: {error}"


def summed(model: Tempered, space: Space, bits: float) -> Density | None:
    """Return the density of an energy whose log Z is a sum over states of at most so many bits; None: it is not."""
    log_z = model.log_partition(bits)
    return None if log_z is None else _normalised(model, space, LogZ(log_z, "summation"))


def _normalised(model: EnergyBased, space: Space, found: LogZ) -> Density:
    """Return the density of an energy with its log Z; on data with levels it is spread over their cells."""
    cell = log_det(space) if space.levels not in (None, 2) else 0.0
    below = found.below
    kind = "lower bound" if model.energy_is_bound else "exact" if found.exact else "annealed estimate"
    return Density(
        lambda x: -model.energy(x) - found.value - cell,
        kind,
        found.standard_error,
        f"{'bound of the energy' if model.energy_is_bound else 'energy'}, log Z by {found.found_by}",
        below=None if below is None else lambda x: below(x) - cell,
        facts=found.facts,
    )


def _dequantised(model: Dequantised, space: Space) -> Density:
    k = NOISE_DRAWS if model.tightens else 1
    solved: dict[str, JSON] = dict(_facts(model))
    examples = importance.examples_scored(space, k)
    return Density(
        lambda x: model.dequantised_bound(x, k),
        "lower bound",
        source=f"importance sampling, {k} draws of {model.noise_kind} noise per example" if k > 1 else "elbo",
        examples=min(examples, _affordable(space, k, solved)) if solved else examples,
        codes=(lambda x: effective_size(model.noise_log_weights(x, k).double().T)) if k > 1 else None,
        counted="draws",
        facts={"draws": k, "noise": model.noise_kind, **solved},
    )


def _solved(model: ExactLikelihood) -> Density:
    """Return the density of a model on continuous data that is the solution of an equation."""
    assert isinstance(model, GenerativeModel)
    facts = _facts(model)
    kind = "exact" if facts["trace"] == "exact" else "unbiased estimate"
    return Density(model.log_prob, kind, examples=_affordable(model.space, 1, facts), facts=facts)


def _facts(model: object) -> dict[str, JSON]:
    """Return how a solver computes the density; empty without one."""
    return dict(model.density_facts) if isinstance(model, Integrated) else {}


def _affordable(space: Space, k: int, facts: Mapping[str, JSON]) -> int:
    """Return how many examples are scored by a solver, from its stated evaluations, with k draws of each."""
    evaluations = facts["evaluations"]
    assert isinstance(evaluations, int)
    return max(100, SOLVED_VALUES // (k * space.dim * evaluations))


def _weighted(model: importance.Inferred, space: Space) -> Density:
    k = importance.CODES
    return Density(
        lambda x: importance.importance_bound(model, x, k),
        "lower bound",
        source=f"importance sampling, {k} codes per example",
        examples=importance.examples_scored(space, k),
        codes=lambda x: effective_size(importance.log_weights(model, x, k).T),
    )


def why_no_density(model: GenerativeModel, space: Space | None = None) -> str:
    """Return the reason why a model has no density that can be computed."""
    found = find_density(model, space)
    return found if isinstance(found, str) else f"{type(model).__name__} has a density"


@torch.no_grad()
def score(log_prob: LogProb, x: Float[Tensor, "n *event"], device: torch.device, seed: int) -> Float[Tensor, " n"]:
    """Return nats of every example in float64, the same for the same seed; the global generators keep their state.

    Args:
        log_prob: (B, *event) → (B,) log-probabilities in nats.
        x: examples in data space.
        device: where they are computed.
        seed: of torch's global generator, which bounds that are estimated draw from.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        return torch.cat([log_prob(batch.to(device)).double().cpu() for batch in x.split(BATCH)])
