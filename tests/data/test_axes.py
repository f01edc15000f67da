"""What the axes of arrays mean, for numpy and torch alike."""

from typing import Any

import numpy as np
import pytest
import torch

from veridical.data.axes import arrange, channels_first
from veridical.data.errors import DataError


@pytest.mark.parametrize("torch_too", [False, True])
@pytest.mark.parametrize(
    ("shape", "kind", "event", "found"),
    [
        ((5, 7), "auto", (7,), "vector"),
        ((5, 8, 9), "auto", (1, 8, 9), "image"),
        ((5, 3, 8, 9), "auto", (3, 8, 9), "image"),
        ((5, 8, 9, 3), "auto", (3, 8, 9), "image"),
        ((5, 1, 9, 3), "auto", (1, 9, 3), "image"),  # both could be channels: the first is
        ((5, 2, 3, 4), "vector", (24,), "vector"),
        ((5, 6), "lattice", (1, 6), "lattice"),
        ((5, 6, 6), "lattice", (1, 6, 6), "lattice"),
        ((5, 100), "sequence", (1, 100), "sequence"),
        ((5, 2, 100), "sequence", (2, 100), "sequence"),
        ((5, 100, 2), "sequence", (2, 100), "sequence"),
    ],
)
def test_axes_become_examples_channels_places(
    shape: tuple[int, ...], kind: Any, event: tuple[int, ...], found: str, torch_too: bool
) -> None:
    x: Any = np.arange(np.prod(shape)).reshape(shape)
    y, kind_found, _ = arrange(torch.from_numpy(x) if torch_too else x, kind, "x")
    assert (tuple(y.shape), kind_found) == ((5, *event), found)
    assert sorted(np.asarray(y).ravel()) == list(range(x.size))


def test_channels_keep_their_pixels() -> None:
    x = np.arange(2 * 6 * 5 * 3).reshape(2, 6, 5, 3)
    turned, notes = channels_first(x)
    assert all(turned[n, c, i, j] == x[n, i, j, c] for n, c, i, j in np.ndindex(2, 3, 6, 5))
    assert "channels first" in notes[0]


@pytest.mark.parametrize(("shape", "kind"), [((0, 3), "auto"), ((4,), "auto"), ((2, 3, 4, 5, 6), "image")])
def test_other_axes_are_refused(shape: tuple[int, ...], kind: Any) -> None:
    with pytest.raises(DataError, match="expected"):
        arrange(np.zeros(shape), kind, "x")
