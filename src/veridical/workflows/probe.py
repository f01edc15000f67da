"""Looks at a training model from outside now and then: at held-out examples, and at the averaged weights.

The losses of a training cannot show that a discriminator knows its examples by heart, that a likelihood is
overfitted, or that the average of the weights is worse than the weights. Few examples suffice for the monitors of
health (`veridical.health`); `veridical evaluate` measures precisely. The terms, added to rows of metrics.jsonl:

- probe/logit_train, probe/logit_held_out, probe/logit_fake: mean logits of the discriminator;
- probe/nats_train, probe/nats_held_out: mean negative log-likelihood, or its bound, in nats per example in data space,
  of the live weights, of an energy if its log Z is a short sum; probe/nats_error: standard error of their difference;
- probe/excess, probe/excess_error: mean of log p(x) minus the log-likelihood or the bound on held-out examples, if the
  distribution is known, and its standard error; its expectation is never negative;
- probe/average_excess, probe/average_error: nats by which the averaged weights are worse than the live ones, paired;
- probe/energy_live, probe/energy_average: energy distance of samples and examples, relative to their mean distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from veridical.config import DataConfig, RunConfig
from veridical.data.batch import Batch
from veridical.data.convert import as_data
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.source import BatchSource, spread
from veridical.data.sources import splits_of
from veridical.evaluation.density import LogProb, only_of_classes, summed
from veridical.evaluation.target import Target, mismatch
from veridical.model import (
    Discriminating,
    ExactLikelihood,
    GenerativeModel,
    Integrated,
    LatentVariable,
    LikelihoodBound,
    Sampler,
    Tempered,
    draws_classes,
)
from veridical.objectives.diagnostics import distances, energy_distance
from veridical.targets.law import HasDensity
from veridical.training.callbacks import averaged, live, seeded
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State
from veridical.training.spacing import LINES, distance
from veridical.training.terms import Row
from veridical.workflows.progress import is_first

EXAMPLES = 128
"""Largest number of examples of each kind."""

COSTLY_EXAMPLES = 16
"""The same, of likelihoods that are solutions of equations: each takes hundreds of evaluations of the network."""

SUMMED_BITS = 16
"""Bits of the states over which log Z of an energy is summed at most."""

SEED = 20_000
"""Of the random numbers of every probe, so that probes of different steps can be compared."""

LARGEST = 200_000_000
"""Bytes of a data set whose held-out part is read."""


@dataclass(frozen=True)
class Material:
    """The examples that a probe looks at, the same ones every time."""

    train: Batch
    """Training examples."""

    held_out: Batch | None
    """Examples kept from training; None: there are none."""

    log_p: Tensor | None = None
    """(n,) exact log densities of the held-out examples in data space, nats; None: not known."""


class Probe(Callback):
    """Adds the terms of the module to rows; must precede the callbacks that write the rows.

    It uses the same random numbers each time and leaves those of the training as they are.

    Args:
        material: examples; None in all processes but the first, which measures.
        every: steps between probes; each is made at the next row.
        log_every: steps between rows.
        engine: all processes get the terms.
    """

    def __init__(self, material: Material | None, every: int, log_every: int, engine: Engine) -> None:
        self.material, self.every, self.log_every, self.engine = material, every, log_every, engine

    def on_log(self, state: State, row: Row) -> None:
        """Measure if a probe is due."""
        if state.step % self.every < distance(state.step, self.log_every, LINES):
            found = {} if self.material is None else self._measure(state, self.material)
            row |= self.engine.gather(found)[0]

    def _measure(self, state: State, seen: Material) -> dict[str, float]:
        model = state.model
        if not isinstance(model, GenerativeModel):
            return {}
        with live(state), seeded(SEED, model.device), torch.no_grad():
            terms, raw = look(model, seen)
        if state.ema is not None:
            with averaged(state), seeded(SEED, model.device), torch.no_grad():
                terms |= compare(raw, look(model, seen)[1])
        return {f"probe/{name}": value for name, value in terms.items() if math.isfinite(value)}


def look(model: GenerativeModel, seen: Material) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Return the terms of the weights in use, and numbers to compare with those of other weights."""
    train = on(seen.train, model.device)
    held_out = None if seen.held_out is None else on(seen.held_out, model.device)
    terms: dict[str, float] = {}
    compared: dict[str, Tensor] = {}
    fake = samples_for(model, train)
    if fake is not None:
        x = train.x if held_out is None else held_out.x
        n = min(len(fake), len(x))
        compared["energy"] = energy_distance(distances(x[:n].float(), fake[:n].float()))
    if isinstance(model, Discriminating) and model.logits_of is None and held_out is not None and fake is not None:
        parts = {"train": train, "held_out": held_out, "fake": train._replace(x=fake)}
        terms |= {
            f"logit_{name}": float(model.logits(part.x, labels(model, part.c)).mean()) for name, part in parts.items()
        }
    log_prob = log_prob_of(model)
    if log_prob is not None:
        log_p = seen.log_p
        if isinstance(model, Integrated):
            train, held_out, log_p = first(COSTLY_EXAMPLES, train, held_out, log_p)
        found, compared["nats"] = nats(log_prob, train, held_out, log_p)
        terms |= found
    return terms, compared


def log_prob_of(model: GenerativeModel) -> LogProb | None:
    """Return one draw of the bound; the log-likelihood of a model that has no bound; None: it has neither."""
    if only_of_classes(model) is not None:
        return None
    if isinstance(model, LikelihoodBound):
        return model.elbo
    if isinstance(model, ExactLikelihood):
        return model.log_prob
    found = summed(model, model.space, SUMMED_BITS) if isinstance(model, Tempered) else None
    return None if found is None else found.log_prob


def nats(
    log_prob: LogProb, train: Batch, held_out: Batch | None, log_p: Tensor | None
) -> tuple[dict[str, float], Tensor]:
    """Return the terms of the negative log-likelihoods, and those of held-out examples, or else of training examples.

    Args:
        log_prob: (B, *event) → (B,) nats, or a bound of them.
        train: training examples.
        held_out: examples kept from training; None: there are none.
        log_p: (n,) exact log densities of the held-out examples; None: not known.
    """
    here = -log_prob(train.x).double()
    terms = {"nats_train": float(here.mean())}
    if held_out is None:
        return terms, here
    there = -log_prob(held_out.x).double()
    terms["nats_held_out"] = float(there.mean())
    terms["nats_error"] = math.sqrt(float(here.var() / len(here) + there.var() / len(there)))
    if log_p is not None:
        excess = log_p.to(there) + there
        terms |= {"excess": float(excess.mean()), "excess_error": float(excess.std() / math.sqrt(len(excess)))}
    return terms, there


def first(
    n: int, train: Batch, held_out: Batch | None, log_p: Tensor | None
) -> tuple[Batch, Batch | None, Tensor | None]:
    """Return the first n examples of each kind.

    Args:
        n: how many.
        train: training examples.
        held_out: examples kept from training; None: there are none.
        log_p: (n,) exact log densities of the held-out examples; None: not known.
    """
    fewer = None if held_out is None else held_out._replace(x=held_out.x[:n])
    return train._replace(x=train.x[:n]), fewer, None if log_p is None else log_p[:n]


def compare(live: dict[str, Tensor], average: dict[str, Tensor]) -> dict[str, float]:
    """Return how much worse the averaged weights are than the live ones."""
    terms: dict[str, float] = {}
    if "nats" in live:
        difference = average["nats"] - live["nats"]
        terms["average_excess"] = float(difference.mean())
        terms["average_error"] = float(difference.std() / math.sqrt(len(difference)))
    if "energy" in live:
        terms |= {"energy_live": float(live["energy"]), "energy_average": float(average["energy"])}
    return terms


def labels(model: GenerativeModel, c: Tensor | None) -> Tensor | None:
    """Return labels for a model that uses them, None for the others."""
    return c if draws_classes(model) else None


def samples_for(model: GenerativeModel, batch: Batch) -> Tensor | None:
    """Return as many samples as a batch holds, with its labels; None where one takes more than a pass."""
    if not isinstance(model, Sampler) or not isinstance(model, LatentVariable):
        return None
    return model.sample(len(batch.x), labels(model, batch.c))


def on(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device."""
    c = None if batch.c is None else batch.c.to(device)
    return Batch(batch.x.to(device), batch.index.to(device), c)


def read_data(config: DataConfig, *, probed: bool) -> tuple[ArrayData, Material | None]:
    """Read training data, and the examples of probes; of a file or folder without splits in one reading.

    Args:
        config: of the data.
        probed: False: no probes are made here.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    parts = splits_of(config)
    data = parts("train")
    return data, material(data, parts) if probed else None


def given(config: RunConfig, data: Any) -> tuple[ArrayData | BatchSource, Material | None]:
    """Return data that were passed as objects, and the examples of probes, none of which are held out.

    Raises:
        DataError: they cannot be used.
    """
    data = as_data(data)
    return data, material(data) if are_probed(config) and isinstance(data, ArrayData) else None


def are_probed(config: RunConfig) -> bool:
    """Return whether this process makes probes."""
    return config.training.probe_every > 0 and is_first()


def material(data: ArrayData, parts: Callable[[Literal["test"]], ArrayData] | None = None) -> Material:
    """Return the examples of a training's probes.

    Args:
        data: training data.
        parts: takes the held-out part; None: there is none, as of data that were passed as objects.
    """
    held_out = None if parts is None or data.nbytes > LARGEST else held_out_part(data, parts)
    log_p = None
    if held_out is not None and isinstance(data.target, HasDensity) and mismatch(data.target, data.space) is None:
        log_p = Target(data.target, data.space).log_prob(held_out.x)
    return Material(spread(data, EXAMPLES), held_out, log_p)


def held_out_part(data: ArrayData, parts: Callable[[Literal["test"]], ArrayData]) -> Batch | None:
    """Return examples that are kept from training; None if there are none like the training data."""
    try:
        kept = parts("test")
    except (DataError, OSError):
        return None
    return spread(kept, EXAMPLES) if kept.space.shape == data.space.shape and len(kept) > 1 else None
