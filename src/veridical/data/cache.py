"""Decoded images: in memory when they fit, otherwise decoded once into a memory-mapped npy file of the user's cache.

The name of the cache file is a digest of the names, sizes and times of the files and of the options. The file is
written under a temporary name and renamed, so an interrupted decoding leaves no incomplete cache file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from veridical.atomic import replacing, write_atomically
from veridical.config import DataConfig
from veridical.data.errors import DataError
from veridical.data.folder import Listing, Plan, bad_files, decoder, decoding_of, in_threads, plan, scan
from veridical.npy import DAMAGED, read_npy

_FORMAT = 2  # of the cache; raise it when decoding changes
_UNKNOWN_MEMORY = 4 << 30


class Decoded(NamedTuple):
    """Images of a folder, decoded."""

    x: np.ndarray
    """(N, C, H, W) uint8, in memory or memory-mapped."""

    files: list[Path]
    """The file of each image."""

    notes: tuple[str, ...]

    sixteen: bool = False
    """Whether every image is stored with 16 bits."""

    transparent: bool = False
    """Whether some image has transparency."""


def cache_folder() -> Path:
    """Return the folder of downloaded data sets and decoded images: $XDG_CACHE_HOME/veridical or ~/.cache/veridical."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veridical"


def read_images(listing: Listing, config: DataConfig, memory_limit: int | None = None) -> Decoded:
    """Decode the images of a listed folder, or open the cache file of an earlier decoding.

    Args:
        listing: the files.
        config: size, fit, channels, and the treatment of unreadable files.
        memory_limit: bytes of decoded images kept in memory; None: half of the free memory.

    Raises:
        DataError: files are unreadable (all are counted), sizes differ, or the disk has no space for the cache.
    """
    place = cache_folder() / "folders" / f"{_key(listing.files, config)}.npy"
    there = place.with_suffix(".json").is_file() and place.is_file()
    if there and (found := _open(place, listing)) is not None:
        return found
    decoded = _decode(place, listing, config, memory_limit)
    again = (f"the decoded images in {place} were damaged; the images were decoded again",) if there else ()
    return decoded._replace(notes=(*decoded.notes, *again))


def _decode(place: Path, listing: Listing, config: DataConfig, memory_limit: int | None) -> Decoded:
    headers, bad = scan(listing.files, decoding_of(config))
    if not headers:
        raise bad_files(bad, len(listing.files), listing.folder)
    target = plan(headers, config, listing.folder)
    files = list(headers)
    limit = available_memory() // 2 if memory_limit is None else memory_limit
    if len(files) * target.image_bytes > limit:
        return _decode_to_disk(place, listing, files, target, config, bad)
    x = np.empty((len(files), target.channels, target.height, target.width), np.uint8)
    kept = _decode_into(x, files, target, config, bad)
    _judge(bad, listing, config)
    notes = (*target.notes, *_left_out(bad))
    return Decoded(x[: len(kept)], kept, notes, target.sixteen, target.transparent)


def available_memory() -> int:
    """Return the free memory in bytes, within the limit of the control group if there is one."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return _UNKNOWN_MEMORY
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return free if limit == "max" else min(free, int(limit) - int(used))
    except OSError:
        return free


def _key(files: Sequence[Path], config: DataConfig) -> str:
    """Return the digest of the files and options that determine the decoded content."""
    digest = hashlib.sha256(repr((_FORMAT, decoding_of(config), config.channels, config.on_bad)).encode())
    for file in files:
        state = file.stat()
        digest.update(f"{file.absolute()}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _open(place: Path, listing: Listing) -> Decoded | None:
    """Open an earlier decoding; None if it is damaged."""
    try:
        meta = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        files = [listing.files[i] for i in meta["kept"]]
        x = read_npy(place, map_above=0)
        notes = tuple(map(str, meta["notes"]))
        whole = bool(files) and x.ndim == 4 and len(x) == len(files) and x.dtype == np.uint8
        return Decoded(x, files, notes, bool(meta["sixteen"]), bool(meta["transparent"])) if whole else None
    except DAMAGED:
        return None


def _decode_to_disk(
    place: Path, listing: Listing, files: list[Path], target: Plan, config: DataConfig, bad: dict[Path, str]
) -> Decoded:
    shape = (len(files), target.channels, target.height, target.width)
    needed = len(files) * target.image_bytes
    place.parent.mkdir(parents=True, exist_ok=True)
    if needed > shutil.disk_usage(place.parent).free:
        raise DataError(
            f"the decoded images of {listing.folder} need {needed / 1e9:.1f} GB; this is more than the memory and the "
            f"free disk space in {place.parent}.",
            "Set XDG_CACHE_HOME to a folder on a larger disk, or lower --size.",
        )
    with replacing(place) as temporary:
        x = np.lib.format.open_memmap(temporary, "w+", np.dtype(np.uint8), shape)
        kept = _decode_into(x, files, target, config, bad)
        _judge(bad, listing, config)
        x.flush()
        _shorten(temporary, shape, len(kept))
        notes = (*target.notes, *_left_out(bad), f"decoded into {place} ({needed / 1e9:.2g} GB), used again next time")
        number = {file: i for i, file in enumerate(listing.files)}
        about = {"notes": notes, "sixteen": target.sixteen, "transparent": target.transparent}
        meta = json.dumps({"kept": [number[file] for file in kept], **about})
    write_atomically(place.with_suffix(".json"), meta)  # last: without it the npy file is not used
    written = _open(place, listing)
    if written is None:
        raise DataError(f"{place} cannot be read although it was just written.", "Is the disk full or failing?")
    return written


def _decode_into(
    x: np.ndarray, files: list[Path], target: Plan, config: DataConfig, bad: dict[Path, str]
) -> list[Path]:
    """Fill the rows of x with the decoded images, in order; unreadable files are added to `bad`."""
    kept: list[Path] = []
    for file, result in zip(files, in_threads(decoder(target, config), files, target.image_bytes), strict=True):
        if isinstance(result, str):
            bad[file] = result
        else:
            x[len(kept)] = result
            kept.append(file)
    return kept


def _judge(bad: dict[Path, str], listing: Listing, config: DataConfig) -> None:
    if bad and (config.on_bad == "fail" or len(bad) == len(listing.files)):
        raise bad_files(bad, len(listing.files), listing.folder)


def _left_out(bad: dict[Path, str]) -> tuple[str, ...]:
    shown = ", ".join(file.name for file in list(bad)[:10]) + (", ..." if len(bad) > 10 else "")
    return (f"{len(bad)} images left out because they cannot be read: {shown}",) if bad else ()


def _shorten(file: Path, shape: tuple[int, ...], rows: int) -> None:
    """Cut an npy file to its first rows (numpy pads its header so that the first axis can change)."""
    if rows == shape[0]:
        return
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False}
    with open(file, "r+b") as stream:
        for n in (shape[0], rows):
            stream.seek(0)
            np.lib.format.write_array_header_1_0(stream, header | {"shape": (n, *shape[1:])})
        stream.truncate(stream.tell() + rows * int(np.prod(shape[1:])))
