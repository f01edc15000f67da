"""Size and channels of arrays: averages of blocks, luma, repeated channels."""

from typing import Any

import numpy as np
import pytest

from veridical.config import DataConfig
from veridical.data.errors import DataError
from veridical.data.shaping import shape_images


def shaped(x: np.ndarray, **choices: Any) -> np.ndarray:
    return shape_images(x, DataConfig(source="x", **choices), "x")[0]


def test_grey_is_the_luma_and_colour_repeats_it() -> None:
    x = np.zeros((3, 3, 2, 2), np.uint8)
    for i in range(3):
        x[i, i] = 255
    assert [int(g) for g in shaped(x, channels="grey")[:, 0, 0, 0]] == [76, 150, 29]  # 255 (0.299, 0.587, 0.114)
    grey = shaped(x.astype(np.float32) / 255, channels="grey")
    assert grey.dtype == np.float32 and grey[:, 0, 0, 0] == pytest.approx([0.299, 0.587, 0.114])
    colour = shaped(x[:, :1], channels="colour")
    assert colour.shape == (3, 3, 2, 2) and (colour == x[:, :1]).all()


def test_nothing_asked_and_nothing_to_do_leave_the_array() -> None:
    vectors, images = np.zeros((2, 5)), np.zeros((2, 1, 8, 8), np.uint8)
    assert shaped(vectors) is vectors
    assert np.shares_memory(shaped(images, size=8), images)


def test_constant_images_stay_constant_and_halves_stay_halves() -> None:
    x = np.zeros((1, 1, 8, 8), np.uint8)
    x[..., 4:] = 200
    small = shaped(x, size=4)
    assert (small[..., :1] == 0).all() and (small[..., 3:] == 200).all() and small.shape == (1, 1, 4, 4)
    assert (shaped(np.full((1, 8, 8), 77, np.uint8), size=5) == 77).all()


@pytest.mark.parametrize(
    ("x", "choices", "words"),
    [
        (np.zeros((2, 5)), {"size": 4}, "apply to images"),
        (np.zeros((2, 2, 6, 6)), {"channels": "grey"}, "has 2 channels"),
        (np.zeros((2, 1, 4, 6), np.uint8), {"size": 4}, "6 x 4"),
        (np.zeros((2, 1, 4, 4), np.int64), {"size": 2}, "only uint8 and float"),
    ],
)
def test_choices_that_do_not_apply_are_refused(x: np.ndarray, choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        shaped(x, **choices)


@pytest.mark.parametrize("kind", ["S2", "U2", "c8", "M8[s]"])
def test_what_is_no_number_is_not_made_grey(kind: str) -> None:
    with pytest.raises(DataError, match="only numbers are made grey"):
        shaped(np.zeros((2, 3, 4, 4), np.int64).astype(kind), channels="grey")
