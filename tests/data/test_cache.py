"""Decoded folders: the same images from memory and from the disk, decoded once, decoded anew when a file changes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.config import DataConfig
from veridical.data.cache import cache_folder, read_images
from veridical.data.errors import DataError
from veridical.data.folder import list_images

X = np.random.default_rng(0).integers(0, 256, (4, 6, 6), dtype=np.uint8)
LITTLE = 1
"""Bytes of memory into which nothing fits."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    for i, x in enumerate(X):
        Image.fromarray(x).save(made / f"{i}.png")
    return made


def read(folder: Path, limit: int | None = None, **choices: str) -> np.ndarray:
    config = DataConfig(source=str(folder), **choices)  # type: ignore[arg-type]
    return read_images(list_images(folder, labels=False), config, limit).x


def test_memory_and_disk_hold_the_same_images(folder: Path, own_cache: Path) -> None:
    assert cache_folder() == own_cache
    assert np.array_equal(read(folder), X[:, None]) and not own_cache.exists()
    mapped = read(folder, LITTLE)
    assert isinstance(mapped, np.memmap) and np.array_equal(mapped, X[:, None])


def test_a_folder_is_decoded_once_and_again_when_a_file_changes(folder: Path, own_cache: Path) -> None:
    read(folder, LITTLE)
    (file,) = own_cache.glob("folders/*.npy")
    np.lib.format.open_memmap(file, "r+")[0] = 7
    assert (read(folder, LITTLE)[0] == 7).all()  # what was decoded before
    os.utime(folder / "0.png", ns=(1, 1))
    assert np.array_equal(read(folder, LITTLE), X[:, None])
    assert len(list(own_cache.glob("folders/*.npy"))) == 2


def test_bad_files_fail_or_shorten_the_cache(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png"):
        read(folder, LITTLE)
    assert np.array_equal(read(folder, LITTLE, on_bad="skip"), X[[0, 2, 3], None])
    assert np.array_equal(read(folder, on_bad="skip"), X[[0, 2, 3], None])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda npy: npy.with_suffix(".json").write_text("{"),
    "other JSON": lambda npy: npy.with_suffix(".json").write_text("[1]"),
    "missing entry": lambda npy: npy.with_suffix(".json").write_text('{"kept": [0, 1, 2, 3]}'),
    "rows beyond": lambda npy: npy.with_suffix(".json").write_text(
        '{"kept": [0, 1, 2, 9], "notes": [], "sixteen": false, "transparent": false}'
    ),
    "fewer rows": lambda npy: npy.with_suffix(".json").write_text(
        '{"kept": [0], "notes": [], "sixteen": false, "transparent": false}'
    ),
    "cut short": lambda npy: npy.write_bytes(npy.read_bytes()[:-1]),
    "empty": lambda npy: npy.write_bytes(b""),
    "other type": lambda npy: npy.write_bytes(npy.read_bytes().replace(b"|u1", b"<u8")),
    "text": lambda npy: npy.write_text("decoded"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_decoding_is_made_again_and_that_is_said(what: str, folder: Path, own_cache: Path) -> None:
    """Mutant: `_open` without its checks raises KeyError, IndexError, ValueError, or returns too few images."""
    read(folder, LITTLE)
    (file,) = own_cache.glob("folders/*.npy")
    DAMAGES[what](file)
    config = DataConfig(source=str(folder))
    for again in (True, False):
        found = read_images(list_images(folder, labels=False), config, LITTLE)
        assert np.array_equal(found.x, X[:, None]) and len(found.files) == 4
        assert any("were damaged" in note for note in found.notes) == again
