"""Configurations in files: those of other programs are read as they are, ours are written piece by piece.

A file written here is an uncompressed `.npz` that `numpy.load` opens, with

    x          (n, height, width) bool, True for spin up; or, packed,
    packed     (n, bytes) uint8, the bits of a configuration row by row as of `numpy.packbits`, and
    size       (height, width)
    metadata   a text: JSON with coupling, method, burn-in, thinning, seed, version

It appears under its name when it is complete, not before. Nothing is unpickled or overwritten.
"""

import json
import math
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from jaxtyping import Bool, UInt8

from veridical.atomic import require_free
from veridical.errors import DataError
from veridical.npy import open_npz, read_npy

_NAMES = ("x", "packed", "spins", "configurations", "samples", "images", "data", "arr_0")
_CODES = ((0, 1), (-1, 1), (0, 255))
_CHUNK = 1 << 22


class ConfigurationsError(DataError):
    """A file or an array holds no configurations that could be read without guessing."""


@dataclass(frozen=True)
class Configurations:
    """Configurations of one lattice, in memory or in a file, with any two values for the spins."""

    raw: np.ndarray
    """(n, height, width) of two values, the larger of which is up; or (n, bytes) packed."""

    height: int
    width: int
    up: float
    """The value of a spin that is up."""

    packed: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    """The metadata of the file; empty for files of other programs."""

    def __len__(self) -> int:
        """Number of configurations."""
        return len(self.raw)

    @property
    def sites(self) -> int:
        """Number of spins of one configuration."""
        return self.height * self.width

    def rows(self, start: int, stop: int) -> Bool[np.ndarray, "rows height width"]:
        """Return some configurations, True for spin up."""
        part = self.raw[start:stop]
        if self.packed:
            part = np.unpackbits(part, axis=1, count=self.sites)
            return part.view(np.bool_).reshape(-1, self.height, self.width)
        x = part if part.dtype == np.bool_ else part == self.up
        return np.ascontiguousarray(x).reshape(-1, self.height, self.width)

    def blocks(self, most: int = _CHUNK) -> Iterator[Bool[np.ndarray, "rows height width"]]:
        """Yield all configurations in order, about `most` spins at a time."""
        step = max(1, most // self.sites)
        for start in range(0, len(self), step):
            yield self.rows(start, start + step)


def as_configurations(
    array: np.ndarray,
    size: tuple[int, int] | None = None,
    name: str = "the array",
    metadata: dict[str, Any] | None = None,
) -> Configurations:
    """Take an array as configurations.

    Args:
        array: (n, height, width), also with an axis of length 1 for a channel: -1 and 1, 0 and 1, 0 and 255, or
            booleans, of any type; or, where `size` is given, (n, height * width) of the same, or packed bits as of
            `numpy.packbits`, (n, bytes) uint8.
        size: height and width, if the shape of the array does not determine them.
        name: what messages call the array.
        metadata: what is known of it.

    Raises:
        ConfigurationsError: nothing in it, a shape that is not clear, values other than two spin states.

    Examples:
        >>> x = as_configurations(np.array([[[-1, 1], [1, 1]]]))
        >>> x.rows(0, 1).tolist()
        [[[False, True], [True, True]]]
    """
    array = np.asarray(array) if not isinstance(array, np.memmap) else array
    if array.size == 0 or array.ndim == 0:
        raise ConfigurationsError(f"{name} is empty: its shape is {array.shape}. Expected (n, height, width).")
    if array.dtype.kind not in "buif":
        raise ConfigurationsError(f"{name} holds {array.dtype} values; expected numbers or booleans, two of them.")
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):
        array = array[:, 0] if array.shape[1] == 1 else array[..., 0]
    height, width, packed = _sides(array, size, name)
    if min(height, width) < 2:
        raise ConfigurationsError(f"{name} holds lattices of {height} x {width}; expected sides of at least 2.")
    up = 1.0 if packed else _up(array, name)
    if not packed:
        array = array.reshape(len(array), height, width)
    return Configurations(array, height, width, up, packed, metadata or {})


def read(path: str | Path, size: tuple[int, int] | None = None) -> Configurations:
    """Read a file of configurations, .npy (memory-mapped) or .npz.

    Args:
        path: the file.
        size: height and width, for configurations stored flat or as packed bits by others.

    Raises:
        ConfigurationsError: no such file, or nothing in it that is clear.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigurationsError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}; expected a file.")
    if path.stat().st_size == 0:
        raise ConfigurationsError(f"{path} is empty: 0 bytes.")
    try:
        if path.suffix.lower() == ".npz":
            return _read_npz(path, size)
        if path.suffix.lower() == ".npy":
            return as_configurations(read_npy(path, map_above=0), size, str(path))
    except ConfigurationsError:
        raise
    except DataError as error:
        raise ConfigurationsError(error.problem, error.remedy) from error
    raise ConfigurationsError(f"{path} ends in {path.suffix!r}; expected .npz or .npy (numpy.save(file, x)).")


def _read_npz(path: Path, size: tuple[int, int] | None) -> Configurations:
    with open_npz(path) as archive:
        name = next((key for key in _NAMES if key in archive.names), None)
        if name is None and len(archive.names) == 1:
            name = archive.names[0]
        if name is None:
            held = ", ".join(archive.names[:20]) or "nothing"
            raise ConfigurationsError(f"{path} holds {held}; expected an array x: numpy.savez(file, x=...).")
        if name == "packed" and "size" in archive.names:
            height, width = (int(side) for side in archive["size"])
            size = height, width
        text = str(archive["metadata"]) if "metadata" in archive.names else ""
        return as_configurations(archive[name], size, f"{name} of {path}", _metadata(text))


def _metadata(text: str) -> dict[str, Any]:
    """Read the metadata of a file that was written by this package."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _sides(array: np.ndarray, size: tuple[int, int] | None, name: str) -> tuple[int, int, bool]:
    """Return height, width, and whether bits are packed."""
    if array.ndim == 3:
        height, width = array.shape[1:]
        if size is not None and size != (height, width):
            raise ConfigurationsError(f"{name} holds lattices of {height} x {width}, not {size[0]} x {size[1]}.")
        return height, width, False
    if array.ndim == 2 and size is not None:
        sites = size[0] * size[1]
        if array.shape[1] == sites:
            return *size, False
        if array.shape[1] == math.ceil(sites / 8) and array.dtype == np.uint8:
            return *size, True
        raise ConfigurationsError(
            f"{name} has shape {array.shape} and type {array.dtype}; {size[0]} x {size[1]} lattices need rows of "
            f"{sites} spins, or of {math.ceil(sites / 8)} bytes (uint8) of packed bits."
        )
    hint = {
        1: "Pass (n, height, width).",
        2: "One configuration alone is not enough; for flat rows or packed bits give the size (--size HxW).",
    }.get(array.ndim, "Pass (n, height, width), one lattice per row.")
    raise ConfigurationsError(f"{name} has shape {array.shape}; expected (n, height, width). {hint}")


def _up(array: np.ndarray, name: str) -> float:
    """Return the value of a spin that is up, after looking at every value."""
    if array.dtype == np.bool_:
        return 1.0
    low, high = _extremes(array)
    code = next(((a, b) for a, b in _CODES if {low, high} <= {a, b}), None)
    step = max(1, _CHUNK // math.prod(array.shape[1:]))
    for start in range(0, len(array), step):
        part = array[start : start + step]
        if code is None or not ((part == low) | (part == high)).all():
            raise ConfigurationsError(_odd_values(array, low, high, name))
    assert code is not None
    return float(code[1])


def _extremes(array: np.ndarray) -> tuple[float, float]:
    step = max(1, _CHUNK // math.prod(array.shape[1:]))
    parts = [array[start : start + step] for start in range(0, len(array), step)]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _odd_values(array: np.ndarray, low: float, high: float, name: str) -> str:
    found = np.unique(array[: max(1, _CHUNK // math.prod(array.shape[1:]))])
    shown = ", ".join(f"{value:g}" for value in found[:5]) + (", ..." if len(found) > 5 else "")
    if {low, high} == {1.0, 255.0} and array.dtype == np.uint8 and len(found) == 2:
        hint = "They look like -1 and 1 stored without sign: pass x.view(numpy.int8)."
    elif len(found) > 2 and array.dtype.kind == "f":
        hint = "A model's grey values must be made spins first, by sampling or by a threshold of your choice."
    else:
        hint = "Write two states, such as -1 and 1."
    return (
        f"{name} holds values other than two spin states: {shown} (from {low:g} to {high:g}); expected -1 and 1, "
        f"0 and 1, 0 and 255, or booleans. {hint}"
    )


class Writer:
    """Writes a file of configurations piece by piece; it appears under its name when all are written.

    Use as a context manager: where the block is left by an exception, Ctrl-C included, nothing remains.

    Args:
        path: the file, which must not exist, ending in .npz.
        n: number of configurations to come.
        size: height and width.
        metadata: what is to be known of them.
        packed: eight spins to the byte.
    """

    def __init__(self, path: Path, n: int, size: tuple[int, int], metadata: dict[str, Any], packed: bool) -> None:
        require_archive(path)
        self.path, self.n, self.size, self.packed = path, n, size, packed
        self.text = json.dumps({**metadata, "n": n, "height": size[0], "width": size[1]})
        self.partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self.done = 0
        self._archive: zipfile.ZipFile | None = None
        self._member: IO[bytes] | None = None

    def __enter__(self) -> "Writer":
        """Begin the file under a temporary name; nothing is left where that is interrupted."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._begin()
        except BaseException:
            self.partial.unlink(missing_ok=True)
            raise
        return self

    def _begin(self) -> None:
        self._archive = zipfile.ZipFile(self.partial, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._save("metadata", np.array(self.text))
        if self.packed:
            self._save("size", np.array(self.size))
        name, width = ("packed", (math.ceil(math.prod(self.size) / 8),)) if self.packed else ("x", self.size)
        self._member = self._archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
        dtype = np.dtype(np.uint8 if self.packed else np.bool_)
        header = {"descr": dtype.str, "fortran_order": False, "shape": (self.n, *width)}
        np.lib.format.write_array_header_1_0(self._member, header)

    def write(self, rows: UInt8[np.ndarray, "rows bytes"]) -> None:
        """Append configurations as rows of packed bits."""
        assert self._member is not None
        if self.done + len(rows) > self.n:
            raise ValueError(f"{self.done + len(rows)} configurations for a file of {self.n}.")
        sites = math.prod(self.size)
        step = len(rows) if self.packed else max(1, _CHUNK // sites)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            self._member.write(part.tobytes() if self.packed else np.unpackbits(part, axis=1, count=sites).tobytes())
        self.done += len(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Give the complete file its name, or remove what there is of it."""
        assert self._archive is not None and self._member is not None
        try:
            self._member.close()
            self._archive.close()
            if kind is None and self.done != self.n:
                raise ValueError(f"{self.done} configurations were written to a file of {self.n}.")
            if kind is None:
                require_free(self.path)
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)

    def _save(self, name: str, array: np.ndarray) -> None:
        assert self._archive is not None
        with self._archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


def require_archive(path: Path) -> None:
    """Check that no file would be overwritten, and that the suffix of the file is known.

    Raises:
        OutputExistsError: something is there.
        ValueError: the name does not end in .npz.
    """
    if path.suffix != ".npz":
        raise ValueError(f"out is {path}; expected a name that ends in .npz.")
    require_free(path, "Choose another name.")
