"""What families declare beside samples is true of their smallest models, whatever the evaluation asks."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch

from veridical.config.families.table import FAMILIES
from veridical.model import (
    Batch,
    Classifier,
    Coded,
    Conditional,
    Denoiser,
    Discriminating,
    Encoder,
    Facts,
    GenerativeModel,
    LatentVariable,
    Restorer,
    Space,
)

SPACE = Space((1, 8, 8), levels=2, classes=3)


def smallest(name: str, **changes: object) -> GenerativeModel:
    module = name.replace("-", "_")
    config = import_module(f"veridical.config.families.{module}").FAMILY.smallest
    return getattr(import_module(f"veridical.families.{module}"), FAMILIES[name])(
        replace(config, **changes), Facts(SPACE, 6)
    )


MODELS = {name: smallest(name).eval() for name in FAMILIES}
X = torch.randn(6, *SPACE.shape, generator=torch.Generator().manual_seed(0)).sign()


def with_ability(ability: type) -> list[str]:
    return [name for name, model in MODELS.items() if isinstance(model, ability)]


@pytest.mark.parametrize("name", with_ability(Discriminating))
def test_a_discriminator_judges_examples_or_says_what_else(name: str) -> None:
    model = MODELS[name]
    assert isinstance(model, Discriminating)
    if model.logits_of is not None:
        assert name == "discrete-gan"
        return
    c = torch.arange(6) % 3 if isinstance(model, Conditional) else None
    logits = model.logits(X, c)
    assert logits.shape == (6,) and logits.isfinite().all()


@pytest.mark.parametrize("conditioning", ["concatenate", "projection", "auxiliary"])
def test_every_use_of_the_label_gives_one_logit(conditioning: str) -> None:
    model = smallest("conditional-gan", conditioning=conditioning).eval()
    assert isinstance(model, Discriminating) and isinstance(model, Conditional) and model.classes == 3
    assert model.logits(X, torch.arange(6) % 3).shape == (6,)


def test_packs_are_said_to_be_judged() -> None:
    model = smallest("gan", pack=3, r1=0.0, r2=0.0)
    assert isinstance(model, Discriminating) and model.logits_of == "packs of 3 examples"


@pytest.mark.parametrize("name", with_ability(Coded))
def test_codes_are_read_by_the_names_they_are_drawn_with(name: str) -> None:
    model = MODELS[name]
    assert isinstance(model, Coded) and isinstance(model, LatentVariable)
    drawn, read = model.codes(model.prior(6)), model.read_codes(X)
    assert drawn.keys() == read.keys()
    for key in drawn:
        assert drawn[key].shape == read[key].shape == (6,)
        assert drawn[key].is_floating_point() == read[key].is_floating_point()


@pytest.mark.parametrize("name", with_ability(Classifier))
def test_a_classifier_has_a_logit_for_each_class(name: str) -> None:
    model = MODELS[name]
    assert isinstance(model, Classifier) and model.classify(X).shape == (6, 3)


@pytest.mark.parametrize("name", with_ability(Denoiser))
def test_a_denoiser_denoises_within_its_range(name: str) -> None:
    model = MODELS[name]
    assert isinstance(model, Denoiser)
    low, high = model.noise_range
    assert 0 <= low < high
    for sigma in (low, high):
        assert model.denoise(X, torch.full((6,), sigma)).shape == X.shape


@pytest.mark.parametrize("name", with_ability(Restorer))
def test_what_is_restored_has_the_shape_of_examples(name: str) -> None:
    model = MODELS[name]
    assert isinstance(model, Restorer)
    restored = model.restore(Batch(X[:3], torch.tensor([4, 0, 5])))
    assert restored.shape == X[:3].shape and restored.isfinite().all()


def test_abilities_that_have_a_user_are_declared_by_someone() -> None:
    for ability in (Classifier, Coded, Conditional, Denoiser, Discriminating, Encoder, LatentVariable, Restorer):
        assert with_ability(ability), ability
