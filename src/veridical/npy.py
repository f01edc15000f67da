"""Arrays of npy and npz files: the header is read and checked first, then exactly the bytes that it states.

The readers of numpy allocate whatever a header states and raise a dozen kinds of errors on damaged files; here every
error is a `DataError` that names the file. Nothing is unpickled.

Reference: NumPy enhancement proposal 1, A simple file format for NumPy arrays.
"""

from __future__ import annotations

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast, final

import numpy as np

from veridical import budget
from veridical.errors import DataError

DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    TypeError,
    AttributeError,
    MemoryError,
    tokenize.TokenError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What numpy and zipfile raise on damaged files."""

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # as in numpy
_CHUNK = 1 << 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that numpy writes; others decode without a bound


class Header(NamedTuple):
    """What an npy file states of its array."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes, without overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path, map_above: int) -> np.ndarray:
    """Read the array of an npy file, memory-mapped if it has more than `map_above` bytes.

    Raises:
        DataError: not an npy file, damaged, or pickled objects.
    """
    with named(path), open(path, "rb") as file:
        header = read_header(file, str(path))
        start, held = file.tell(), path.stat().st_size
        _require_bytes(held - start, header, str(path))
        if header.nbytes > map_above:
            order = "F" if header.fortran else "C"
            return np.memmap(path, header.dtype, "r", start, header.shape, order)
        return _read_values(file, header, str(path))


def read_header(stream: BinaryIO, name: str) -> Header:
    """Read the header of an array; the stream is then at its first value.

    Raises:
        DataError: no npy header, a damaged one, or an array of objects.
    """
    start = stream.read(8)
    wide = start[6:7] != b"\x01"
    size = stream.read(4 if wide else 2)
    if start[:6] != _MAGIC or len(size) != (4 if wide else 2):
        raise DataError(f"{name} is not an npy array: it starts with {start.hex(' ') or 'nothing'}.", _COMPLETE)
    length = int.from_bytes(size, "little")
    text = stream.read(length) if length <= _LONGEST_HEADER else b""
    if len(text) != length:
        raise DataError(f"the npy header of {name} states its length as {length:,} bytes; it is damaged.", _COMPLETE)
    parse = np.lib.format.read_array_header_2_0 if wide else np.lib.format.read_array_header_1_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = parse(io.BytesIO(size + text))
            header = Header(tuple(int(side) for side in shape), dtype, bool(fortran))
    except DAMAGED as error:
        raise DataError(f"the npy header of {name} is damaged ({type(error).__name__}).", _COMPLETE) from error
    return _checked(header, name)


def _checked(header: Header, name: str) -> Header:
    if header.dtype.hasobject:
        raise DataError(
            f"{name} holds pickled Python objects, which can run any code when read; they are not read.",
            "Save plain arrays of numbers (uint8 or float32).",
        )
    if header.dtype.names is not None or header.dtype.subdtype is not None or header.dtype.itemsize == 0:
        raise DataError(f"{name} holds values of the type {header.dtype}; expected plain numbers or text.")
    if any(side < 0 for side in header.shape):
        raise DataError(f"the npy header of {name} states the shape {header.shape}; it is damaged.", _COMPLETE)
    return header


def _require_bytes(there: int, header: Header, name: str) -> None:
    if header.nbytes > there:
        raise DataError(
            f"{name} has {there:,} bytes of values; its header ({_sides(header)} of {header.dtype}) states "
            f"{budget.written(header.nbytes)}. The file is cut short or damaged.",
            _COMPLETE,
        )


def _read_values(stream: BinaryIO, header: Header, name: str) -> np.ndarray:
    """Read the values, no more than the header states."""
    content = np.empty(header.nbytes, np.uint8)
    filled = fill(stream, content)
    _require_bytes(filled, header, name)
    return content.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def fill(stream: BinaryIO, content: np.ndarray) -> int:
    """Read bytes into an array (n,) uint8 until it is full or the stream ends; return how many were read."""
    filled = 0
    while filled < len(content):
        part = stream.read(min(_CHUNK, len(content) - filled))
        if not part:
            break
        content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    return filled


@final
class Npz:
    """The arrays of an open npz file, each read when it is used.

    Args:
        path: of the file, for messages.
        archive: the open file.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self._decoded = 0

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return list(self._members)

    def __getitem__(self, name: str) -> np.ndarray:
        """Read an array.

        Raises:
            DataError: there is none of this name, it is damaged, or it needs more memory than the bound.
        """
        if name not in self._members:
            raise DataError(f"{self.path} has no array {name}; it holds {', '.join(self.names[:20]) or 'nothing'}.")
        info, what = self._members[name], f"the array {name} of {self.path}"
        if info.compress_type not in _COMPRESSIONS:
            raise DataError(f"{what} is compressed in a way that numpy does not write.", "Save it with numpy.savez.")
        with self._archive.open(info) as member:
            stream = cast("BinaryIO", member)
            header = read_header(stream, what)
            _require_bytes(info.file_size, header, what)
            self._decoded += header.nbytes
            budget.require(self._decoded, what, self.path.stat().st_size)
            return _read_values(stream, header, what)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open an npz file; damage found inside the block is a `DataError` that names the file.

    Raises:
        DataError: not an npz file, or damaged.
    """
    with named(path), zipfile.ZipFile(path) as archive:
        yield Npz(path, archive)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn every error of a damaged file inside the block into one that names the file.

    Raises:
        DataError: the file is damaged.
    """
    try:
        yield
    except DataError:
        raise
    except DAMAGED as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}).", _COMPLETE) from error


def _sides(header: Header) -> str:
    return " x ".join(map(str, header.shape)) or "one value"


_COMPLETE = "Is it complete, and of the format its ending says?"
