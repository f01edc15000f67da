"""Who plays the model where nobody is held out, and that features come in the order of the examples."""

import pytest
import torch

from veridical.data.dataset import ArrayData
from veridical.evaluation.extractors import Values
from veridical.evaluation.features import FeatureSets, extract, extract_data
from veridical.model import Space

VALUES = Values((2,), "coordinates")


def sets(test: torch.Tensor | None, n: int = 30) -> FeatureSets:
    train = torch.arange(200.0).reshape(100, 2)
    return FeatureSets(VALUES, torch.zeros(n, 2), train, test, seed=1)


def rows(x: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in x.tolist()}


def test_held_out_data_play_the_model() -> None:
    test = -torch.arange(40.0).reshape(20, 2)
    given = sets(test, n=20)
    assert rows(given.null) == rows(test) and rows(given.reference) == rows(given.train)
    assert given.null_kind == "held-out data" and not torch.equal(given.reference, given.train)  # in random order


def test_few_held_out_examples_are_joined_by_training_examples_that_are_no_reference() -> None:
    test = -torch.arange(20.0).reshape(10, 2)
    given = sets(test)
    assert rows(test) < rows(given.null) and len(given.null) == 30 and len(given.reference) == 80
    assert not rows(given.null) & rows(given.reference)
    assert rows(given.null) | rows(given.reference) == rows(given.train) | rows(test)
    assert given.null_kind.startswith("10 held-out and 20 training examples")


@pytest.mark.parametrize(("n", "parts"), [(30, (30, 70)), (500, (50, 50))])
def test_otherwise_a_part_of_the_training_data_does_and_is_no_reference(n: int, parts: tuple[int, int]) -> None:
    given = sets(None, n)
    assert (len(given.null), len(given.reference)) == parts
    assert not rows(given.null) & rows(given.reference)
    assert rows(given.null) | rows(given.reference) == rows(given.train)
    assert torch.equal(given.null, sets(None, n).null)  # the same for the same seed


def test_features_keep_the_order_of_the_examples() -> None:
    x = torch.randn(700, 2, generator=torch.Generator().manual_seed(0))
    data = ArrayData(x, space=Space((2,), "vector", None, None))
    assert torch.equal(extract_data(data, VALUES), x)
    assert torch.equal(extract(iter(x.split(17)), VALUES, 700), x)
