"""Examples with a missing part, from arrays and images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config.families.made import MADEConfig
from veridical.data.errors import DataError, NoSuchDataError
from veridical.data.space import Space
from veridical.data.wav import write_recording
from veridical.families.made import MADE
from veridical.workflows.audio import samples_of
from veridical.workflows.complete import given_for

GREY = Space((1, 3, 4), levels=5)
COLOUR = Space((3, 3, 4))
SOUND = Space((1, 6), "sequence", levels=None, sample_rate=8000.0)


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


def write_sound(path: Path, *, steps: int, rate: float = 8000.0) -> np.ndarray:
    samples = (1000 * np.arange(1, steps + 1, dtype=np.int16))[None]
    write_recording(samples, rate, path)
    return samples


def test_a_recording_is_continued_where_it_ends(tmp_path: Path) -> None:
    for name in ("10", "9"):
        samples = write_sound(tmp_path / f"{name}.wav", steps=4)
    given = given_for(model(SOUND), tmp_path / "9.wav", None)
    assert given.known.tolist() == [[True] * 4 + [False] * 2]
    assert np.array_equal(samples_of(given.x[0, :, :4], SOUND), samples)
    write_sound(tmp_path / "9.wav", steps=9)
    kept = given_for(model(SOUND), tmp_path / "9.wav", 0.5)
    assert kept.x.shape == (1, 1, 6) and kept.known.tolist() == [[True] * 3 + [False] * 3]


def test_the_files_of_a_folder_are_examples_in_natural_order(tmp_path: Path) -> None:
    for i, name in enumerate(("2", "10")):
        write_sound(tmp_path / f"{name}.wav", steps=3 + 4 * i)
    given = given_for(model(SOUND), tmp_path, 0.5)
    assert given.x[:, 0, 5].isnan().tolist() == [True, False]
    Image.new("L", (4, 3)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="not that of an image"):
        given_for(model(SOUND), tmp_path, 0.5)


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
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image and no recording"):
        given_for(model(), tmp_path / "empty", None)
    for name in ("none.wav", "none.npz"):
        with pytest.raises(NoSuchDataError, match="does not exist"):
            given_for(model(), tmp_path / name, None)
    write_sound(tmp_path / "fast.wav", steps=6, rate=16000)
    with pytest.raises(DataError, match="16000 Hz, the sequences of the model 8000 Hz"):
        given_for(model(SOUND), tmp_path / "fast.wav", 0.5)
    with pytest.raises(ValueError, match="holds sequences"):
        given_for(model(), tmp_path / "fast.wav", 0.5)
    vectors = Space((3,), kind="vector", support=None, levels=None)
    with pytest.raises(DataError, match="not that of an image"):
        given_for(model(vectors), tmp_path / "large.png", None)
