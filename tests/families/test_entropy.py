"""No model beats the entropy: the mean of -log q over examples of a law is at least the law's own, whatever the family.

By Gibbs' inequality the difference is a divergence. Each family is trained for a moment on laws of bits whose
probabilities are known, as much as it takes to make use of a fault: a likelihood that sees what it should not, or that
is not normalised, falls below the entropy. The same rule stands in `evaluate` and in the monitors of health.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from tests.families.densities import Autoregression, Bits, Flow, Small
from tests.families.test_proofs import is_density
from tests.health.rows import feed
from torch import Tensor

from veridical.config.families.table import FAMILIES as NAMES
from veridical.config.families.table import find_family
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.evaluation.density import density_of, score
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.summary import sentences
from veridical.evaluation.target import Target
from veridical.families import FAMILIES, unmet
from veridical.health.likelihood import BetterThanEntropy
from veridical.model import (
    Dequantised,
    ExactLikelihood,
    Facts,
    GenerativeModel,
    LikelihoodBound,
    ObservationModel,
    Space,
    Tempered,
)
from veridical.statistics import Estimate
from veridical.targets.bars import BarsAndStripes
from veridical.targets.ising import Ising
from veridical.targets.law import HasDensity
from veridical.workflows.probe import log_prob_of, nats

N = 200
"""Examples of a law that are scored."""

ERRORS = 3.0
"""Standard errors below the entropy that are an error: a perfect model gets there with probability 0.0013."""


class Fair:
    """Every example of a discrete space is equally likely."""

    version = 1

    def __init__(self, space: Space) -> None:
        assert space.support is not None and space.levels is not None
        self.space, self.support, self.levels, self.name = space, space.support, space.levels, "fair"

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        index = torch.randint(self.levels, (n, *self.space.shape), generator=generator)
        return (self.support[0] + (self.space.bin_width or 0.0) * index).to(dtype or torch.get_default_dtype())

    def log_prob(self, x: Tensor) -> Tensor:
        return x.new_full((len(x),), -self.entropy().value)

    def entropy(self) -> Estimate:
        return Estimate(self.space.dim * math.log(self.levels), 0.0)


SPACES = {
    "squares": Space((1, 2, 2), levels=2),
    "bars": Space((1, 3, 3), levels=2),
    "ising": Space((1, 4, 4), kind="lattice", levels=2),
    "pair": Space((2,), kind="vector", support=(0.0, 1.0), levels=5, mean=0.5, std=0.35),
}
LAWS: dict[str, Any] = {
    "squares": Fair(SPACES["squares"]),
    "bars": BarsAndStripes(3),
    "ising": Ising(4),
    "pair": Fair(SPACES["pair"]),
}


@cache
def data(law: str) -> tuple[ArrayData, ArrayData]:
    """Return training examples and others of a law."""
    parts = (LAWS[law].sample(N, torch.Generator().manual_seed(seed), torch.float32) for seed in (0, 1))
    first, second = (ArrayData(x, space=SPACES[law], name=law, target=LAWS[law]) for x in parts)
    return first, second


def trained(model: GenerativeModel, law: str, steps: int = 12, lr: float = 0.02) -> GenerativeModel:
    train, random = data(law)[0], torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for player in model.players:
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
        for step in range(steps):
            x = train.batch(torch.randint(len(train), (64,), generator=random), "cpu").x
            optimizer.zero_grad()
            model.loss(Batch(x, torch.arange(64)), player=player, step=step).loss.backward()
            optimizer.step()
            model.after_update(player)
    return model.eval()


def excess(model: GenerativeModel, law: str) -> Tensor:
    """Return log p - log q of examples of a law, or of a bound of log q; the mean is a divergence, or more."""
    held_out = data(law)[1]
    density = density_of(model, held_out.space)
    assert density is not None and isinstance(held_out.target, HasDensity)
    x = held_out.batch(torch.arange(N), "cpu").x
    return Target(held_out.target, held_out.space).log_prob(x) - score(density.log_prob, x, model.device, 0)


def is_not_below_the_entropy(model: GenerativeModel, law: str) -> None:
    gap = excess(model, law)
    assert gap.mean() >= -ERRORS * gap.std() / math.sqrt(N) - 1e-5


def cases() -> Iterator[tuple[str, str]]:
    for family in NAMES:
        if is_density(FAMILIES[family]):
            yield from ((family, law) for law in LAWS if not unmet(family, Facts(SPACES[law], N)))


@cache
def model_of(family: str, law: str) -> GenerativeModel | str:
    torch.manual_seed(0)
    try:
        return trained(FAMILIES[family](find_family(family).smallest, Facts(SPACES[law], N)), law)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(("family", "law"), list(cases()))
def test_no_model_beats_the_entropy(family: str, law: str) -> None:
    model = model_of(family, law)
    if isinstance(model, str):
        pytest.skip(model)
    is_not_below_the_entropy(model, law)


FLATTERED: dict[str, tuple[type[Small], str, str]] = {
    "future sites are seen": (Autoregression, "bars", "future sites are seen"),
    "the site itself is seen": (Autoregression, "ising", "the site itself is seen"),
    "a factor is missing": (Autoregression, "squares", "a factor is missing"),
    "the mean over sites": (Autoregression, "ising", "the mean over sites, not the sum"),
    "logits are not normalised": (Autoregression, "squares", "logits are not normalised"),
    "no constant of the Gaussian": (Flow, "pair", "the constant of the Gaussian is left out"),
    "a constant is added": (Bits, "squares", "a constant is added"),
}


@pytest.mark.parametrize("name", FLATTERED)
def test_a_likelihood_that_flatters_is_found(name: str) -> None:
    kind, law, fault = FLATTERED[name]
    right, wrong = (trained(kind(SPACES[law], f), law, steps=150, lr=0.1) for f in ("", fault))
    is_not_below_the_entropy(right, law)
    with pytest.raises(AssertionError):
        is_not_below_the_entropy(wrong, law)


def flattered(model: GenerativeModel, by: float) -> GenerativeModel:
    """Return the model with a likelihood that claims `by` nats more."""
    kind = type(model)
    methods: dict[str, Any] = {}
    for ability, name in (
        (ExactLikelihood, "log_prob"),
        (LikelihoodBound, "elbo"),
        (ObservationModel, "log_likelihood"),
        (Dequantised, "dequantised_bound"),
    ):
        if issubclass(kind, Dequantised):  # all its likelihoods are made of one
            name = "log_density"
        if issubclass(kind, ability):
            methods[name] = lambda *given, _name=name, **named: getattr(kind, _name)(*given, **named) + by
    if issubclass(kind, Tempered):
        methods["log_partition"] = lambda *given: getattr(kind, "log_partition")(*given) - by  # noqa: B009
    cheating = type(kind.__name__, (kind,), methods)
    cheat = cheating.__new__(cheating)
    cheat.__dict__.update(model.__dict__)
    return cheat


@pytest.mark.parametrize("family", [name for name in NAMES if is_density(FAMILIES[name])])
def test_evaluation_and_health_name_a_likelihood_that_flatters(family: str) -> None:
    law = next(law for law in LAWS if not isinstance(model_of(family, law), str))
    model = model_of(family, law)
    assert isinstance(model, GenerativeModel)
    train, held_out = data(law)
    gap = float(excess(model, law).mean())
    for by, verdict in ((0.0, ("short of perfect", "undecided", "as good as perfect")), (gap + 3.0, ("suspicious",))):
        cheat = flattered(model, by)
        measured = {m.name: m for m in measure_likelihood(cheat, train, held_out, N, seed=0)}
        assert measured["nats_test"].verdict in verdict
        assert any("No model can" in line for line in sentences(measured.values())) == bool(by)
        if isinstance(cheat, ExactLikelihood | LikelihoodBound):
            seen = held_out.batch(torch.arange(N), "cpu")
            log_p = Target(LAWS[law], SPACES[law]).log_prob(seen.x)
            log_prob = log_prob_of(cheat)
            assert log_prob is not None
            with torch.no_grad():
                terms, _ = nats(log_prob, train.batch(torch.arange(N), "cpu"), seen, log_p)
            row: dict[str, Any] = {f"probe__{k}": [terms[k]] * 3 for k in ("excess", "excess_error")}
            assert [f.name for f in feed(BetterThanEntropy(), **row)] == (["better-than-entropy"] if by else [])
