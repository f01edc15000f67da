"""Infer the space of an array, with notes on each decision; an unclear range is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from veridical.data.axes import Wish, arrange, channels_first
from veridical.data.errors import DataError
from veridical.data.space import Space

_CHUNK = 1 << 22
_ON_GRID = 1e-3  # of a level: float32 keeps 8-bit values to 1e-5 of a level


class Wishes(NamedTuple):
    """What the caller knows of an array that its values do not tell; everything can be left open."""

    kind: Wish = "auto"
    """What the axes mean; auto: two axes are vectors, three or four are images."""

    levels: int | None = None
    """Number of values 0..L-1 of integers; None: 2 if only two values occur, 256 for 8-bit images."""

    value_range: tuple[float, float] | None = None
    """The values that become -1 and 1; None: [0, 1] or [-1, 1] for float images, no change for vectors."""

    sample_rate: float | None = None
    """Steps per second of a sequence."""


class Inferred(NamedTuple):
    """Raw storage, its space, and x = scale * raw + shift for what is not stored as levels."""

    raw: Tensor | np.ndarray
    space: Space
    scale: float
    shift: float
    notes: tuple[str, ...]


class _Values(NamedTuple):
    """What the values of an array are."""

    support: tuple[float, float] | None
    levels: int | None
    scale: float = 1.0
    shift: float = 0.0
    note: str = ""


def infer(x: np.ndarray | Tensor, space: Space | None, name: str, wishes: Wishes = Wishes()) -> Inferred:  # noqa: B008
    """Decide storage, space and scaling of an array.

    Args:
        x: (N, ...) values.
        space: where they live, if that is known; then only checked.
        name: for messages.
        wishes: what the caller knows beyond the values.

    Raises:
        DataError: nothing in it, a type or a range that is not clear, values that are not finite.
    """
    raw, notes = _storage(x, name)
    if space is not None:
        raw, more = _fit_axes(raw, space, name)
        _require_in(raw, space, name)
        return Inferred(raw, space, 1.0, 0.0, (*notes, *more))
    raw, kind, more = arrange(raw, wishes.kind, name)
    dtype = str(x.dtype).removeprefix("torch.")
    low, high = _range(raw)
    if (
        dtype.startswith(("int", "uint"))
        and isinstance(raw, Tensor)
        and raw.dtype is torch.float32
        and kind != "vector"
        and _is_8_bit(low, high)
    ):
        raw = raw.to(torch.uint8)
        more += (f"{dtype} values within 0..255 were taken as 8-bit",)
        dtype = "uint8"
    values = _values(raw, dtype, kind, name, wishes, (low, high))
    shape = tuple(raw.shape[1:])
    rate = wishes.sample_rate if kind == "sequence" else None
    inferred = Space(shape, kind, values.support, values.levels, sample_rate=rate)
    sentences = (*notes, *more, values.note) if values.note else (*notes, *more)
    return Inferred(raw, inferred, values.scale, values.shift, sentences)


def _values(
    raw: Tensor | np.ndarray, dtype: str, kind: str, name: str, wishes: Wishes, ends: tuple[float, float]
) -> _Values:
    """Decide support, resolution and scaling."""
    if dtype == "bool":
        return _Values((-1.0, 1.0), 2, note="false and true became -1 and 1")
    if wishes.levels is not None:
        return _given_levels(raw, dtype, kind, name, wishes.levels, ends)
    if wishes.value_range is not None:
        return _given_range(name, wishes.value_range, ends)
    if (two := _two_values(raw, dtype, name, ends)) is not None:
        return two
    if kind == "vector":
        return _Values(None, None)
    if dtype == "uint8":
        return _Values((-1.0, 1.0), 256, note=_dark(ends[1]))
    if dtype == "int16" and kind == "sequence":
        return _Values((-1.0, 1.0), None, 1 / 32768, 0.0, "16-bit samples were divided by 32768")
    if not dtype.startswith("float") or not (-1.0 <= ends[0] and ends[1] <= 1.0):
        return _unclear(raw, dtype, kind, name, ends)
    return _floats(raw, kind, ends)


def _given_levels(
    raw: Tensor | np.ndarray, dtype: str, kind: str, name: str, levels: int, ends: tuple[float, float]
) -> _Values:
    if dtype.startswith("float") or ends[0] < 0 or ends[1] >= levels:
        raise DataError(
            f"{name} holds {dtype} values from {ends[0]:g} to {ends[1]:g}; {levels} levels are the integers "
            f"0..{levels - 1}.",
            "Give the number of levels that the file has, or leave levels out.",
        )
    support = (0.0, levels - 1.0) if kind == "vector" else (-1.0, 1.0)
    if raw.dtype in (torch.uint8, np.dtype(np.uint8)):
        return _Values(support, levels)
    width = (support[1] - support[0]) / (levels - 1)
    return _Values(support, levels, width, support[0])


def _given_range(name: str, value_range: tuple[float, float], ends: tuple[float, float]) -> _Values:
    low, high = value_range
    if not (low <= ends[0] and ends[1] <= high and low < high):
        raise DataError(
            f"{name} ranges over [{ends[0]:g}, {ends[1]:g}], which is not within the value range [{low:g}, {high:g}].",
            "Give a range that holds all values.",
        )
    scale = 2.0 / (high - low)
    note = "" if (low, high) == (-1.0, 1.0) else f"the range [{low:g}, {high:g}] was moved to [-1, 1]"
    return _Values((-1.0, 1.0), None, scale, -1.0 - scale * low, note)


def _two_values(raw: Tensor | np.ndarray, dtype: str, name: str, ends: tuple[float, float]) -> _Values | None:
    """Recognise arrays of exactly two values: bits, spins, and what becomes of spins as unsigned bytes."""
    if ends not in ((0.0, 1.0), (-1.0, 1.0), (1.0, 255.0)) or not _only(raw, ends):
        return None
    if ends == (1.0, 255.0):
        raise DataError(
            f"{name} holds the values 1 and 255 alone, which is what spins 1 and -1 become as unsigned bytes.",
            "Save them as int8 or float32.",
        )
    if ends == (-1.0, 1.0):
        return _Values(
            ends,
            2,
            note="only -1 and 1 occur: taken as spins or bits, 2 levels (the kind lattice adds a periodic boundary)",
        )
    by_levels = dtype == "uint8"
    note = "only 0 and 1 occur: taken as bits, 2 levels; they became -1 and 1"
    return _Values((-1.0, 1.0), 2, 1.0 if by_levels else 2.0, 0.0 if by_levels else -1.0, note)


def _floats(raw: Tensor | np.ndarray, kind: str, ends: tuple[float, float]) -> _Values:
    """Tell [-1, 1] from [0, 1]: by values below 0, else by the grid on which 8-bit values lie in either."""
    low, high = ends
    span = f"float values over [{low:.3g}, {high:.3g}]"
    if kind == "sequence" or low < 0.0:
        return _Values((-1.0, 1.0), None, note=f"{span} were taken as [-1, 1], unchanged")
    if _odd_255ths(raw):
        note = f"{span} were taken as [-1, 1], unchanged, because all are of the form 2v/255 - 1"
        return _Values((-1.0, 1.0), None, note=note)
    doubt = ""
    if low > 0.25:
        doubt = "; none is dark: if they are light images in [-1, 1], pass --value-range -1 1 (value_range=(-1, 1))"
    return _Values((-1.0, 1.0), None, 2.0, -1.0, f"{span} were taken as [0, 1] and moved to [-1, 1]{doubt}")


def _unclear(raw: Tensor | np.ndarray, dtype: str, kind: str, name: str, ends: tuple[float, float]) -> _Values:
    low, high = ends
    if kind == "sequence":
        return _Values(None, None)
    first, last = (0, 255) if 0 <= low and 1 < high <= 255 else (low, high)  # most likely bytes kept as floats
    remedy = f"Say which values become -1 and 1: --value-range {first:g} {last:g} (value_range=({first:g}, {last:g}))"
    if low >= 0 and not dtype.startswith("float"):
        levels = 1 << max(1, int(high).bit_length())
        remedy += f", or how many levels there are: --levels {levels} (levels={levels})"
    shape = tuple(raw.shape[1:])
    raise DataError(
        f"the values of {name} are {dtype} over [{low:g}, {high:g}]; expected uint8 in 0..255, or floats in [0, 1] or "
        f"[-1, 1].",
        f"{remedy}. In Python you can also pass a Space with their support: Space({shape}, "
        f"support=({low:g}, {high:g}), levels=None).",
    )


def _storage(x: np.ndarray | Tensor, name: str) -> tuple[Tensor | np.ndarray, tuple[str, ...]]:
    """Keep uint8, int8 and float32 (memory-mapped stays so); make bool uint8 and the rest float32."""
    if isinstance(x, np.memmap) and x.dtype in (np.uint8, np.int8, np.float32):
        for part in _parts(x) if x.dtype == np.float32 and len(x) else ():
            _finite(torch.from_numpy(np.array(part)), name)
        return x, ()
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "buif":
            raise DataError(f"{name} holds {x.dtype} values; expected numbers (uint8, bool or float).")
        x = _native(x)
    x = x.detach()
    if x.dtype in (torch.uint8, torch.int8):
        return x.contiguous(), ()
    if x.dtype is torch.bool:
        return x.to(torch.uint8), ()
    note = (f"{x.dtype} values were rounded to float32",) if x.dtype is torch.float64 else ()
    if x.dtype.is_complex or x.layout != torch.strided or x.is_quantized:
        raise DataError(f"{name} holds {x.dtype} values ({x.layout}); expected numbers (uint8, bool or float).")
    return _finite(x.to(torch.float32).contiguous(), name), note


def _native(x: np.ndarray) -> Tensor:
    """Return an array as a tensor: long doubles rounded to doubles, unsigned integers of over 8 bits as float32."""
    if x.dtype.itemsize > 8:
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused below
            x = x.astype(np.float64)
    elif x.dtype.kind == "u" and x.dtype.itemsize > 1:
        x = x.astype(np.float32)
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    return torch.from_numpy(x.copy() if isinstance(x, np.memmap) or not x.flags.writeable else x)


def _finite(x: Tensor, name: str) -> Tensor:
    bad = ~torch.isfinite(x).flatten(1).all(1) if x.ndim > 1 and x.numel() else torch.zeros(0, dtype=torch.bool)
    if bad.any():
        raise DataError(
            f"{int(bad.sum()):,} of {len(x):,} examples of {name} hold values that are not finite "
            f"(first: row {int(bad.nonzero()[0, 0])}); remove or replace them."
        )
    return x


def _fit_axes(raw: Tensor | np.ndarray, space: Space, name: str) -> tuple[Tensor | np.ndarray, tuple[str, ...]]:
    """Bring the axes to those of a given space."""
    if raw.ndim < 2 or len(raw) == 0:
        raise DataError(f"{name} has shape {tuple(raw.shape)}; expected (N, {', '.join(map(str, space.shape))}).")
    if tuple(raw.shape[1:]) == space.shape:
        return raw, ()
    if (1, *raw.shape[1:]) == space.shape:
        return raw[:, None], ()
    turned, notes = channels_first(raw)
    if tuple(turned.shape[1:]) == space.shape:
        return turned, notes
    raise DataError(
        f"an example of {name} has shape {tuple(raw.shape[1:])}; the space says {space.shape}. "
        "Reshape the array, or pass the space it has."
    )


def _require_in(raw: Tensor | np.ndarray, space: Space, name: str) -> None:
    """Check that all values are of the given space."""
    low, high = _range(raw)
    if raw.dtype in (torch.uint8, np.dtype(np.uint8)) and space.levels is not None:
        if high >= space.levels:
            raise DataError(f"{name} has a value {high:g}; its space has {space.levels} levels, 0..{space.levels - 1}.")
    elif space.support is not None and not (space.support[0] - 1e-6 <= low and high <= space.support[1] + 1e-6):
        raise DataError(
            f"{name} ranges over [{low:g}, {high:g}]; the support of its space is {list(space.support)}. "
            "Values that are not uint8 are taken to be in data space: scale them, or pass another support."
        )


def _dark(high: float) -> str:
    """Say that the values use a sliver of their range."""
    if high > 64:
        return ""
    return (
        f"the largest 8-bit value is {high:g} of 255; if there are {high + 1:g} levels, pass --levels {high + 1:g} "
        f"(in Python levels={high + 1:g})"
    )


def _is_8_bit(low: float, high: float) -> bool:
    return low >= 0 and 1 < high <= 255


def _only(raw: Tensor | np.ndarray, ends: tuple[float, float]) -> bool:
    return all(bool(((part == ends[0]) | (part == ends[1])).all()) for part in _parts(raw))


def _odd_255ths(raw: Tensor | np.ndarray) -> bool:
    """Say whether all values are odd multiples of 1/255, as 8-bit values in [-1, 1] are; those in [0, 1] are mixed."""
    for part in _parts(raw):
        rest = ((part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))) * 255.0 - 1.0) % 2.0
        if torch.minimum(rest, 2.0 - rest).max() > _ON_GRID:
            return False
    return True


def _range(raw: Tensor | np.ndarray) -> tuple[float, float]:
    """Smallest and largest value."""
    low, high = zip(*((float(part.min()), float(part.max())) for part in _parts(raw)), strict=True)
    return min(low), max(high)


def _parts(raw: Tensor | np.ndarray) -> Iterator[Tensor | np.ndarray]:
    """Yield the rows in order, a few megabytes at a time."""
    step = max(1, _CHUNK * len(raw) // max(1, int(np.prod(raw.shape, dtype=np.int64))))
    for start in range(0, len(raw), step):
        yield raw[start : start + step]
