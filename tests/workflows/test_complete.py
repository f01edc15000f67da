"""Examples with a missing part, from arrays and images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config.families.made import MADEConfig
from veridical.data.errors import DataError
from veridical.data.space import Space
from veridical.families.made import MADE
from veridical.workflows.complete import given_for

GREY = Space((1, 3, 4), levels=5)
COLOUR = Space((3, 3, 4))


def model(space: Space = GREY) -> MADE:
    return MADE(MADEConfig(width=8, components=2), space)


def test_an_array_says_by_nan_what_is_missing(tmp_path: Path) -> None:
    x = np.zeros((2, 1, 3, 4), dtype=np.float32)
    x[:, :, 2] = np.nan
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        given = given_for(model(), tmp_path / name, None)
        assert given.known[0].tolist() == [[True] * 4, [True] * 4, [False] * 4] and given.x.shape == x.shape


def test_a_share_is_kept_from_the_first_site(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 1, 3, 4), dtype=np.float32))
    given = given_for(model(), tmp_path / "x.npz", 0.5)
    assert given.known.flatten().tolist() == [True] * 6 + [False] * 6


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_image_says_by_transparency_what_is_missing(tmp_path: Path, mode: str) -> None:
    shades = np.array([[0, 64, 128, 255]] * 3, dtype=np.uint8)
    alpha = np.array([[255] * 4, [255] * 4, [0] * 4], dtype=np.uint8)
    planes = [shades] * (1 if mode == "LA" else 3)
    Image.merge(mode, [Image.fromarray(plane) for plane in (*planes, alpha)]).save(tmp_path / "x.png")
    given = given_for(model(), tmp_path / "x.png", None)
    assert given.x[0, 0, 0].tolist() == [-1.0, -0.5, 0.0, 1.0]  # the nearest of five levels
    assert given.known[0].tolist() == [[True] * 4, [True] * 4, [False] * 4]
    coloured = given_for(model(COLOUR), tmp_path / "x.png", None)
    assert coloured.x.shape == (1, 3, 3, 4) and coloured.known[:, 2].sum() == 0
    torch.testing.assert_close(coloured.x[0, 2, 0, 1].item(), 2 * 64 / 255 - 1)


def test_what_cannot_be_completed_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "full.npz", x=np.zeros((2, 1, 3, 4), dtype=np.float32))
    with pytest.raises(DataError, match="nothing is missing"):
        given_for(model(), tmp_path / "full.npz", None)
    np.savez(tmp_path / "other.npz", x=np.zeros((2, 12), dtype=np.float32))
    with pytest.raises(DataError, match=r"shape \(2, 12\); expected \(number, 1, 3, 4\)"):
        given_for(model(), tmp_path / "other.npz", None)
    x = np.zeros((2, 1, 3, 4), dtype=np.float32)
    x[0, 0, 2, 3] = np.nan
    np.savez(tmp_path / "uneven.npz", x=x)
    with pytest.raises(DataError, match="different parts are missing"):
        given_for(model(), tmp_path / "uneven.npz", None)
    Image.new("L", (5, 5)).save(tmp_path / "large.png")
    with pytest.raises(DataError, match=r"\(5, 5\) pixels; expected \(4, 3\)"):
        given_for(model(), tmp_path / "large.png", None)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        given_for(model(), tmp_path / "broken.png", None)
    vectors = Space((3,), kind="vector", support=None, levels=None)
    with pytest.raises(DataError, match="not that of an image"):
        given_for(model(vectors), tmp_path / "large.png", None)
