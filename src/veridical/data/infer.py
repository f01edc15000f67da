"""Which space an array lives in: decided once, said in sentences, refused where it is not clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from veridical.data.errors import DataError
from veridical.data.space import Space

_CHUNK = 1 << 22


class Inferred(NamedTuple):
    """Raw storage, its space, and x = scale * raw + shift for what is not stored as levels."""

    raw: Tensor | np.ndarray
    space: Space
    scale: float
    shift: float
    notes: tuple[str, ...]


def infer(x: np.ndarray | Tensor, space: Space | None, name: str, levels: int = 256) -> Inferred:
    """Decide storage, space and scaling of an array.

    Raises:
        DataError: nothing in it, a type or a range that is not clear, values that are not finite.
    """
    raw, notes = _storage(x, name)
    if len(raw) == 0 or raw.ndim < 2 or 0 in raw.shape:
        raise DataError(
            f"{name} has shape {tuple(raw.shape)}; expected (N, C, H, W) or (N, H, W) pictures or (N, d) "
            "vectors, with N at least 1."
        )
    if space is not None:
        return Inferred(_in_given_space(raw, space, name), space, 1.0, 0.0, notes)
    if raw.ndim == 2:
        return _vectors(raw, x, notes)
    if raw.ndim == 3:
        raw = raw[:, None]
    if raw.ndim != 4:
        raise DataError(f"{name} has shape {tuple(raw.shape)}; pass a Space that says what its axes mean.")
    return _pictures(raw, x, name, levels, notes)


def _storage(x: np.ndarray | Tensor, name: str) -> tuple[Tensor | np.ndarray, tuple[str, ...]]:
    """Keep uint8, int8 and float32 (memory-mapped stays so); make bool uint8 and the rest float32."""
    if isinstance(x, np.memmap) and x.dtype in (np.uint8, np.int8, np.float32):
        for part in _parts(x) if x.dtype == np.float32 and len(x) else ():
            _finite(torch.from_numpy(np.array(part)), name)
        return x, ()
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "buif":
            raise DataError(f"{name} holds {x.dtype} values; expected numbers (uint8, bool or float).")
        native = x.astype(x.dtype.newbyteorder("=")) if x.dtype.byteorder == ">" else x
        native = native.astype(np.int64) if native.dtype in (np.uint16, np.uint32, np.uint64) else native
        x = torch.from_numpy(native if native.flags.writeable and not isinstance(native, np.memmap) else native.copy())
    x = x.detach()
    if x.dtype in (torch.uint8, torch.int8):
        return x.contiguous(), ()
    if x.dtype is torch.bool:
        return x.to(torch.uint8), ()
    note = (f"{x.dtype} values were rounded to float32",) if x.dtype is torch.float64 else ()
    return _finite(x.to(torch.float32).contiguous(), name), note


def _finite(x: Tensor, name: str) -> Tensor:
    bad = ~torch.isfinite(x).flatten(1).all(1) if x.ndim > 1 and x.numel() else torch.zeros(0, dtype=torch.bool)
    if bad.any():
        raise DataError(
            f"{int(bad.sum()):,} of {len(x):,} examples of {name} hold values that are not finite "
            f"(first: row {int(bad.nonzero()[0, 0])}); remove or replace them."
        )
    return x


def _in_given_space(raw: Tensor | np.ndarray, space: Space, name: str) -> Tensor | np.ndarray:
    if tuple(raw.shape[1:]) != space.shape and (1, *raw.shape[1:]) == space.shape:
        raw = raw[:, None]
    if tuple(raw.shape[1:]) != space.shape:
        raise DataError(
            f"an example of {name} has shape {tuple(raw.shape[1:])}; the space says {space.shape}. "
            "Reshape the array, or pass the space it has."
        )
    low, high = _range(raw)
    if raw.dtype in (torch.uint8, np.dtype(np.uint8)) and space.levels is not None:
        if high >= space.levels:
            raise DataError(f"{name} has a value {high:g}; its space has {space.levels} levels, 0..{space.levels - 1}.")
    elif space.support is not None and not (space.support[0] - 1e-6 <= low and high <= space.support[1] + 1e-6):
        raise DataError(
            f"{name} ranges over [{low:g}, {high:g}]; the support of its space is {list(space.support)}. "
            "Values that are not uint8 are taken to be in data space: scale them, or pass another support."
        )
    return raw


def _vectors(raw: Tensor | np.ndarray, x: np.ndarray | Tensor, notes: tuple[str, ...]) -> Inferred:
    if str(x.dtype).removeprefix("torch.") == "bool":
        note = "false and true became -1 and 1"
        space = Space(tuple(raw.shape[1:]), "vector", (-1.0, 1.0), 2)
        return Inferred(raw, space, 1.0, 0.0, (*notes, note))
    space = Space(tuple(raw.shape[1:]), "vector", None, None)
    return Inferred(raw, space, 1.0, 0.0, notes)


def _pictures(
    raw: Tensor | np.ndarray, x: np.ndarray | Tensor, name: str, levels: int, notes: tuple[str, ...]
) -> Inferred:
    if raw.shape[1] > 4 and raw.shape[-1] in (1, 3):
        raise DataError(
            f"{name} has shape {tuple(raw.shape)}, which looks like channels last; "
            "expected (N, C, H, W): pass x.transpose(0, 3, 1, 2) (torch: x.permute(0, 3, 1, 2))."
        )
    shape, kind = tuple(raw.shape[1:]), str(x.dtype).removeprefix("torch.")
    low, high = _range(raw)
    if kind == "bool":
        return Inferred(raw, Space(shape, levels=2), 1.0, 0.0, (*notes, "false and true became -1 and 1"))
    if kind == "uint8":
        space = Space(shape, levels=levels)
        return Inferred(_in_given_space(raw, space, name), space, 1.0, 0.0, (*notes, *_dark(high, levels)))
    if not kind.startswith("float") or not (-1.0 <= low and high <= 1.0):
        raise DataError(
            f"the pictures of {name} are {kind} over [{low:g}, {high:g}]; expected uint8 in 0..255, or floats in "
            "[0, 1] or [-1, 1]. Convert them (x.astype('uint8') where they are 8-bit), or pass a Space with their "
            f"support: Space({shape}, support=({low:g}, {high:g}), levels=None)."
        )
    if low < 0.0:
        note = f"float pictures over [{low:.3g}, {high:.3g}] were taken as [-1, 1], unchanged"
        return Inferred(raw, Space(shape, levels=None), 1.0, 0.0, (*notes, note))
    note = f"float pictures over [{low:.3g}, {high:.3g}] were taken as [0, 1] and moved to [-1, 1]"
    return Inferred(raw, Space(shape, levels=None), 2.0, -1.0, (*notes, note))


def _dark(high: float, levels: int) -> tuple[str, ...]:
    if high > 17 or levels < 256:
        return ()
    return (f"the largest 8-bit value is {high:g} of 255; if there are {high + 1:g} levels, pass levels={high + 1:g}",)


def _range(raw: Tensor | np.ndarray) -> tuple[float, float]:
    """Smallest and largest value."""
    low, high = zip(*((float(part.min()), float(part.max())) for part in _parts(raw)), strict=True)
    return min(low), max(high)


def _parts(raw: Tensor | np.ndarray) -> Iterator[Tensor | np.ndarray]:
    """Yield the rows in order, a few megabytes at a time."""
    step = max(1, _CHUNK * len(raw) // max(1, int(np.prod(raw.shape, dtype=np.int64))))
    for start in range(0, len(raw), step):
        yield raw[start : start + step]
