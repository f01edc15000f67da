"""Which space an array lives in: every branch by an array whose values leave one answer."""

from typing import Any

import numpy as np
import pytest
import torch

from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.infer import Wishes, infer
from veridical.data.space import Space

GREY = np.linspace(0, 255, 4 * 8 * 8).round().reshape(4, 8, 8)


def decided(x: Any, **wishes: Any) -> tuple[Any, ...]:
    found = infer(x, None, "x", Wishes(**wishes))
    return found.space.support, found.space.levels, found.scale, found.shift


@pytest.mark.parametrize(
    ("x", "answer"),
    [
        (GREY.astype(np.uint8), ((-1.0, 1.0), 256, 1.0, 0.0)),
        (GREY.astype(np.int64), ((-1.0, 1.0), 256, 1.0, 0.0)),  # 8-bit values in a wider type
        (GREY / 255, ((-1.0, 1.0), None, 2.0, -1.0)),
        (2 * GREY / 255 - 1, ((-1.0, 1.0), None, 1.0, 0.0)),
        (2 * (GREY // 4 + 191.5).clip(0, 255).round() / 255 - 1, ((-1.0, 1.0), None, 1.0, 0.0)),  # light, in [-1, 1]
        (GREY > 100, ((-1.0, 1.0), 2, 1.0, 0.0)),
        ((GREY > 100).astype(np.float32), ((-1.0, 1.0), 2, 2.0, -1.0)),
        (2.0 * (GREY > 100) - 1, ((-1.0, 1.0), 2, 1.0, 0.0)),
        (GREY.reshape(4, 64), (None, None, 1.0, 0.0)),  # vectors are left alone
    ],
)
def test_values_decide(x: np.ndarray, answer: tuple[Any, ...]) -> None:
    assert decided(x) == answer
    if x.dtype != bool:
        assert decided(torch.from_numpy(x)) == answer


def test_wishes_decide_before_values() -> None:
    assert decided(GREY / 255, value_range=(-1.0, 3.0)) == ((-1.0, 1.0), None, 0.5, -0.5)
    assert decided((GREY / 16).astype(np.int64), levels=17) == ((-1.0, 1.0), 17, 1.0, 0.0)  # kept as bytes
    assert decided((GREY / 16).astype(np.int64).reshape(4, 64), levels=17) == ((0.0, 16.0), 17, 1.0, 0.0)
    assert decided((GREY * 100).astype(np.int16).reshape(4, 64), kind="sequence") == ((-1.0, 1.0), None, 1 / 32768, 0.0)


@pytest.mark.parametrize(
    ("x", "wishes", "words"),
    [
        (GREY * 3, {}, "value-range 0 765"),
        (np.where(GREY > 9, 1, 255).astype(np.uint8), {}, "spins 1 and -1"),
        (GREY, {"levels": 100}, "levels are the integers"),
        (GREY, {"value_range": (0.0, 1.0)}, "not within the value range"),
        (np.where(GREY > 9, np.nan, GREY), {}, r"4 of 4 examples .* \(first: row 0\)"),
        (np.array([["a", "b"]]), {}, "expected numbers"),
    ],
)
def test_what_is_not_clear_is_refused(x: np.ndarray, wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        infer(x, None, "x", Wishes(**wishes))


def test_a_given_space_is_checked() -> None:
    space = Space((1, 8, 8), support=(-1.0, 1.0), levels=None)
    assert infer(GREY / 255, space, "x").space is space
    with pytest.raises(DataError, match="the support of its space"):
        infer(GREY, space, "x")
    with pytest.raises(DataError, match="the space says"):
        infer(GREY[:, :7] / 255, space, "x")


@pytest.mark.parametrize("kind", [np.longdouble, ">f8", "<f2", ">u2", np.uint32, np.uint64, ">i4"])
def test_numbers_of_every_type_are_read(kind) -> None:
    """Mutant: torch refuses long doubles and other byte orders."""
    x = np.array([[0, 3], [2, 200]]).astype(kind)
    assert ArrayData(x).batch(torch.arange(2)).x.tolist() == [[0, 3], [2, 200]]


def test_large_unsigned_integers_stay_positive() -> None:
    """Mutant: through int64, 2^63 becomes negative."""
    x = np.array([[0, 2**63], [5, 2**62]], np.uint64)
    assert ArrayData(x).batch(torch.arange(2)).x[0, 1] == 2.0**63


@pytest.mark.parametrize("x", [np.array(3.0), np.zeros(3), np.zeros((0, 3)), torch.tensor(1.0)])
def test_arrays_without_examples_are_refused(x) -> None:
    with pytest.raises(DataError, match="has shape"):
        ArrayData(x)


@pytest.mark.parametrize("x", [torch.zeros(3, 2, dtype=torch.complex64), torch.eye(3).to_sparse()])
def test_tensors_that_hold_no_plain_numbers_are_refused(x) -> None:
    with pytest.raises(DataError, match="expected numbers"):
        ArrayData(x)


@pytest.mark.parametrize("value", [np.longdouble("1e4000"), np.nan, -np.inf])
def test_long_doubles_that_are_not_finite_are_refused(value) -> None:
    with pytest.raises(DataError, match="not finite"):
        ArrayData(np.array([[1, 2], [3, value]], np.longdouble))
