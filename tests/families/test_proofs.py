"""Every density is proved to be one: each family of the table, by the abilities that it declares.

The weights of an exact density are random and far from where training starts, so that no part of a network is idle;
models with an encoder are trained for a moment, since a random encoder proves nothing of its bound. Each preset is
built as small as the family's `smallest`, so that its variants are proved too. A new line of the table is proved
without a line here. `test_proof_mutants.py` shows that each proof fails where something is wrong.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import pytest
import torch
from tests.families import proofs

from veridical.config.families.table import FAMILIES as NAMES
from veridical.config.families.table import find_family
from veridical.families import FAMILIES, unmet
from veridical.families.autoregressive import Autoregressive
from veridical.model import (
    Batch,
    Bijective,
    Conditional,
    Encoder,
    EnergyBased,
    ExactLikelihood,
    Facts,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    ObservationModel,
    Sampler,
    Space,
    Tempered,
)

SPACES = {
    "bits": Space((1, 3, 3), levels=2),
    "few-bits": Space((1, 2, 2), levels=2, classes=3),
    "word": Space((4,), kind="vector", support=(0.0, 1.0), levels=2, mean=0.4, std=0.5),
    "spins": Space((1, 4), kind="lattice", levels=2),
    "levels": Space((1, 2, 2), levels=4, mean=-0.2, std=0.7),
    "pair": Space((2,), kind="vector", support=(0.0, 5.0), levels=11, mean=2.0, std=1.5),
    "sequence": Space((1, 4), kind="sequence", levels=4, std=0.7),
    "line": Space((1,), kind="vector", support=None, levels=None, mean=30.0, std=5.0),
    "plane": Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=0.5),
    "volume": Space((3,), kind="vector", support=None, levels=None, mean=3.0, std=5.0),
}
LABELLED = "labelled"
"""Not a preset: the smallest configuration that learns p(x | c), where there is such a choice."""

LINEAR = "linear"
"""Not a preset: the smallest configuration without hidden layers, whose evidence is known where it is Gaussian."""

FIRST = ("bits", "levels", "plane")
"""Spaces of the presets; the smallest configuration is proved on all."""


@dataclass(frozen=True)
class Case:
    """A configuration of a family, and a space."""

    family: str
    preset: str
    space: str

    def __str__(self) -> str:
        return "-".join(part for part in (self.family, self.preset, self.space) if part)


def is_density(kind: type) -> bool:
    return issubclass(kind, ExactLikelihood | LikelihoodBound | ObservationModel | EnergyBased)


def cases() -> Iterator[Case]:
    for family in NAMES:
        if is_density(FAMILIES[family]):
            yield from (Case(family, "", space) for space in SPACES)
            others = [p for p in find_family(family).presets if configuration(Case(family, p, "")) != smallest(family)]
            yield from (Case(family, p, s) for p, s in itertools.product(others, FIRST))
            if any(field.name == "labels" for field in fields(smallest(family))):
                yield Case(family, LABELLED, "few-bits")
            if any(field.name == "depth" for field in fields(smallest(family))):
                yield Case(family, LINEAR, "volume")


def configuration(case: Case) -> Any:
    """Return the smallest configuration, with the choices of a preset where the smallest one keeps the defaults."""
    declared, least = find_family(case.family), smallest(case.family)
    changed = {"": {}, LINEAR: {"depth": 0}, LABELLED: {"labels": True}}
    if case.preset in changed:
        return replace(least, **changed[case.preset])
    default = declared.config()
    small = [f.name for f in fields(least) if getattr(least, f.name) != getattr(default, f.name)]
    return replace(declared.presets[case.preset].model, **{name: getattr(least, name) for name in small})


def smallest(family: str) -> Any:
    return find_family(family).smallest


def perturbed(model: GenerativeModel) -> GenerativeModel:
    """Return the model with random weights of every layer, after one loss (which may set scales from the data)."""
    trained(model, 0)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.6 / float(parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.15
            parameter.add_(scale * torch.randn(parameter.shape, generator=random, dtype=parameter.dtype))
    return model.eval()


def trained(model: GenerativeModel, steps: int) -> GenerativeModel:
    """Return the model after some steps of Adam, so that an encoder fits its decoder and weights of codes are even."""
    batch = examples(model.space, 32)
    for player in model.players:
        optimizer = torch.optim.Adam(model.player_parameters(player), lr=0.02)
        for step in range(max(1, steps)):
            optimizer.zero_grad()
            model.loss(batch, player=player, step=step).loss.backward()
            if step < steps:
                optimizer.step()
                model.after_update(player)
    return model.eval()


def examples(space: Space, n: int = 16) -> Batch:
    """Return n examples on the levels of a space."""
    random = torch.Generator().manual_seed(7)
    if space.levels is not None:
        everything = proofs.all_examples(space)
        x = everything[torch.randint(len(everything), (n,), generator=random)]
    else:
        x = space.mean + space.std * torch.randn(n, *space.shape, generator=random, dtype=torch.float64)
    c = None if space.classes is None else torch.randint(space.classes, (n,), generator=random)
    return Batch(x, torch.arange(n), c)


@cache
def build(case: Case) -> GenerativeModel | str:
    """Return the model of a case, or why there is none."""
    space = SPACES[case.space]
    facts = Facts(space, 16)
    if unmet(case.family, facts):
        return f"needs {', '.join(unmet(case.family, facts))}"
    torch.manual_seed(0)
    try:
        model = FAMILIES[case.family](configuration(case), facts)
    except ValueError as error:
        return str(error)
    return trained(model, 60) if issubclass(FAMILIES[case.family], Encoder) else perturbed(model)


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=list(cases()), ids=str)
def model(request: pytest.FixtureRequest) -> GenerativeModel:
    found = build(request.param)
    if isinstance(found, str):
        pytest.skip(found)
    torch.manual_seed(2)
    return found


def classes_of(model: GenerativeModel) -> list[int | None]:
    """Return the labels under which a density is proved."""
    if isinstance(model, Autoregressive) and model.classes:
        return [0, model.classes - 1, None]  # without a label p(x) is the mean over the classes
    if isinstance(model, Conditional) and model.space.classes is not None and model.classes:
        return [0, model.classes - 1]
    return [None]


def test_what_it_declares_is_true(model: GenerativeModel) -> None:
    """All proofs that the abilities of the model and its space admit."""
    x, _, labels = examples(model.space, 5)
    proofs.rows_are_independent(model, x, labels if classes_of(model) != [None] else None)
    for c in classes_of(model):
        for proof in proofs_of_a_density(model):
            proof(model, c)
    for proof in (*proofs_of_codes(model), *proofs_of_a_bound(model)):
        proof(model)
    if isinstance(model, Autoregressive):
        proofs.sites_see_the_past_alone(model)
    if isinstance(model, Bijective) and model.space.dim <= 4:
        proofs.layers_are_invertible(model, x)


def proofs_of_a_density(model: GenerativeModel) -> Iterator[Callable[..., None]]:
    if isinstance(model, ExactLikelihood) and proofs.is_small(model.space):
        yield proofs.integrates_to_one
        if isinstance(model, Sampler):
            yield proofs.samples_follow_the_density
    elif isinstance(model, Tempered) and (proofs.is_small(model.space) or proofs.is_discrete(model.space)):
        yield proofs.the_energy_is_normalised
    elif proofs.is_exact(model):
        yield proofs.sums_to_one
        if isinstance(model, Sampler):
            yield proofs.samples_follow_the_probabilities


def proofs_of_codes(model: GenerativeModel) -> Iterator[Callable[..., None]]:
    if not isinstance(model, LatentVariable):
        return
    yield proofs.derivative_of_decode
    if not isinstance(model, ObservationModel) or not proofs.is_discrete(model.space):
        return
    yield proofs.observations_sum_to_one
    if proofs.has_weights(model):
        yield proofs.weights_sum_to_one
    if proofs.is_normalised(model):
        yield proofs.observations_follow_their_probabilities
        if isinstance(model, Sampler) and proofs.is_few(model.space):
            yield proofs.samples_follow_the_mixture


def proofs_of_a_bound(model: GenerativeModel) -> Iterator[Callable[..., None]]:
    if not isinstance(model, LikelihoodBound):
        return
    if isinstance(model, ObservationModel) and proofs.is_few(model.space):
        yield proofs.bounds_are_below_the_mixture
    if proofs.has_weights(model) and proofs.evidence(model) is not None:
        yield proofs.bounds_are_below_the_evidence
    if isinstance(model, ExactLikelihood) and proofs.is_discrete(model.space) and model.space.dim <= 2:
        yield proofs.bound_is_below_the_cell


@pytest.mark.parametrize("family", [name for name in NAMES if is_density(FAMILIES[name])])
def test_some_space_proves_each_density(family: str) -> None:
    """No family escapes because it refuses the spaces of the proofs."""
    found = [build(case) for case in cases() if case.family == family]
    models = [model for model in found if isinstance(model, GenerativeModel)]
    assert any([*proofs_of_a_density(model), *proofs_of_codes(model), *proofs_of_a_bound(model)] for model in models)
