from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from veridical.data.convert import as_data
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.source import EnergySource

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 3, 5, 4), dtype=np.uint8)
Y = np.arange(12) % 3
T = torch.from_numpy(X)


class Pairs(Dataset):
    """The smallest data set of one's own."""

    classes = ("red", "green", "blue")

    def __init__(self, noise: bool = False) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return 12

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return (torch.rand(3, 5, 4) if self.noise else T[i]), int(Y[i])


class Dicts(Pairs):
    def __getitem__(self, i: int) -> Any:
        return {"image": 0, "x": X[i], "labels": Y[i]}


def collate(items: list) -> Any:
    return items


IMAGES = [Image.fromarray(x.transpose(1, 2, 0)) for x in X]
LAST = X.transpose(0, 2, 3, 1)
WITHOUT_LABELS = [X, T, list(X), list(T), X.tolist(), IMAGES, TensorDataset(T), {"x": X}, {"images": T}, LAST]
WITH_LABELS = [
    {"x": X, "y": Y},
    {"data": list(T), "labels": Y.tolist()},
    [(x, int(y)) for x, y in zip(X, Y, strict=True)],
    TensorDataset(T, torch.from_numpy(Y)),
    Pairs(),
    Dicts(),
    DataLoader(Pairs(), batch_size=5, shuffle=True),
]


def every(data: Any) -> torch.Tensor:
    made = as_data(data)
    assert isinstance(made, ArrayData)
    return made.batch(torch.arange(len(made))).x


@pytest.mark.parametrize("data", WITHOUT_LABELS, ids=lambda data: type(data).__name__)
def test_everything_that_holds_examples_is_the_same_data(data: Any) -> None:
    assert torch.equal(every(data), every(X))
    assert getattr(as_data(data), "labels", 1) is None


@pytest.mark.parametrize("data", WITH_LABELS, ids=lambda data: type(data).__name__)
def test_everything_that_holds_labels_has_the_same_labels(data: Any) -> None:
    made = as_data(data)
    assert isinstance(made, ArrayData) and made.labels is not None
    assert made.labels.tolist() == Y.tolist() and torch.equal(every(data), every(X))


def test_what_is_data_already_stays() -> None:
    for data in (ArrayData(X), EnergySource(ArrayData(X).space)):
        assert as_data(data) is data
    assert getattr(as_data("digits"), "name", "") == "digits"


def test_names_of_the_classes_are_kept() -> None:
    assert getattr(as_data(Pairs()), "class_names", None) == Pairs.classes
    assert getattr(as_data([(x, "ab"[i % 2]) for i, x in enumerate(X)]), "class_names", None) == ("a", "b")


def test_what_does_not_apply_is_said() -> None:
    notes = getattr(as_data(DataLoader(Pairs())), "notes", ())
    assert any("batch size, order and workers are ignored" in note for note in notes)
    assert not any("read again" in note for note in notes)
    assert any("read again" in note for note in getattr(as_data(Pairs(noise=True)), "notes", ()))
    assert any("unused entries: other" in note for note in getattr(as_data({"x": X, "other": 1}), "notes", ()))


class Stream(IterableDataset):
    def __iter__(self) -> Any:
        return iter(X)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "data is a int; expected a tensor"),
        (b"abc", "data is a bytes; expected"),
        ([], "list is empty"),
        ({}, "contains nothing; expected 'x'"),
        ({"pixels": X}, "contains pixels; expected 'x'"),
        ({"x": 3}, "x is a int"),
        ([X[0], X[1][:, :2]], "2 shapes"),
        ([T[0], T[1][:, :2]], "2 shapes"),
        (Stream(), "iterable data set"),
        (DataLoader(Stream()), "iterable data set"),
        (DataLoader(Pairs(), collate_fn=collate), "custom collate_fn"),
        (iter(X), "expected a tensor"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else type(value).__name__,
)
def test_the_rest_is_refused_with_what_is_expected(data: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_data(data)


def test_a_list_of_points_and_a_tuple_of_examples_and_labels() -> None:
    points = as_data([(0.5, 1.5), (2.5, 3.0), (4.0, 5.0)])
    assert isinstance(points, ArrayData) and points.space.shape == (2,) and points.labels is None
    both = as_data((X, Y))
    assert isinstance(both, ArrayData) and both.space.shape == (3, 5, 4)
    assert both.labels is not None and both.labels.tolist() == Y.tolist()
