"""A folder of images: listed, scanned (headers first), planned, decoded; every bad file counted before training.

Sub-folders, one level deep, are classes in the order of their names, numbers by value ("10" after "9"). Folders that
look like numbered shards (00000, 01000, ...) are none; a file dataset.json, as StyleGAN writes it, gives the labels
instead. Where the decoded images would fill memory they
are decoded once into a memory-mapped file of the cache (`veridical.data.cache`), never into the folder itself.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from veridical import budget
from veridical.config import DataConfig
from veridical.data.classes import MOST_CLASSES, in_order
from veridical.data.errors import DataError
from veridical.data.images import Decoding, Header, decode, extensions, quiet_pillow, read_header
from veridical.data.unreadable import UNREADABLE

_LABELS = "dataset.json"  # StyleGAN's file of labels
_NEARLY_ALL = 0.9
"""Share of images of one size, above which the others are named."""

_SHOWN = 10
_SHARD = re.compile(r"(part|shard|chunk)[-_ ]?\d+", re.IGNORECASE)
_DIGITS_OF_A_SHARD = 4
_AT_ONCE = 512
_SLIVER = 64  # of 255
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, sorted, with their classes."""

    folder: Path
    files: list[Path]
    classes: list[str] | None
    """Names of the classes; None when there are none, or labels are not wanted."""

    notes: tuple[str, ...]

    class_of: dict[Path, int] = field(default_factory=dict)
    """Number of the class of every file, where there are classes."""

    def labels(self, files: Sequence[Path]) -> np.ndarray | None:
        """Return (N,) class numbers of some of the files."""
        return None if self.classes is None else np.array([self.class_of[file] for file in files], np.int64)


@dataclass(frozen=True)
class Plan:
    """What every image of a folder becomes."""

    channels: int
    height: int
    width: int
    notes: tuple[str, ...]

    sixteen: bool = False
    """Whether every image is stored with 16 bits."""

    transparent: bool = False
    """Whether some image has transparency."""

    @property
    def image_bytes(self) -> int:
        """Size of one decoded image."""
        return self.channels * self.height * self.width


def list_images(folder: Path, *, labels: bool) -> Listing:
    """List the images of a folder and of its sub-folders.

    Raises:
        DataError: no folder, nothing in it, no images, or images both in it and in sub-folders.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", "Pass a folder of images, a file, or the name of a set.")
    entries = sorted(e for e in folder.iterdir() if not e.name.startswith(".") and e.name != _LABELS)
    if not entries:
        raise DataError(f"{folder} is empty; expected images, or sub-folders of images.", "Is it the right folder?")
    known = extensions()
    inner = [entry for entry in entries if entry.is_dir()]
    within = {entry: sorted(f for f in entry.iterdir() if not f.name.startswith(".")) for entry in inner}
    everything = [f for f in [*entries, *(f for files in within.values() for f in files)] if f.is_file()]
    images = [f for f in everything if f.suffix.lower() in known]
    others = Counter(f.suffix.lower() or "(none)" for f in everything if f.suffix.lower() not in known)
    deeper = sum(f.is_dir() for files in within.values() for f in files)
    if not images:
        raise DataError(f"{folder} holds no images; {_what_else(others, deeper)}.", "Expected png, jpg, webp, tif, ...")
    notes = [f"{sum(others.values())} other files left out ({_count(others)})"] if others else []
    notes += [f"{deeper} folders deeper than one level were not read"] if deeper else []
    names, class_of, more = _classes(folder, images) if labels else (None, {}, ())
    return Listing(folder, images, names, (*notes, *more), class_of)


def _classes(folder: Path, images: list[Path]) -> tuple[list[str] | None, dict[Path, int], tuple[str, ...]]:
    """Find the classes: those of dataset.json, or the sub-folders, unless these are numbered shards."""
    stated = folder / _LABELS
    if stated.is_file():
        return _stated_classes(stated, images)
    names = in_order({file.parent.name for file in images if file.parent != folder})
    loose = sum(file.parent == folder for file in images)
    if not names:
        return None, {}, ()
    if len(names) == 1 and not loose:
        return None, {}, (f"one sub-folder ({names[0]}) alone makes no classes: no labels",)
    if _are_shards(names):
        shown = f"{names[0]}, {names[1]}, ..."
        note = f"the sub-folders {shown} look like numbered parts, not classes: no labels (classes need other names)"
        return None, {}, (note,)
    if loose:
        raise DataError(
            f"{folder} holds {loose} images of its own and {len(images) - loose} in sub-folders, which are "
            "classes; the former would have no label.",
            "Move them into sub-folders, or read no labels (--no-labels).",
        )
    number = {name: i for i, name in enumerate(names)}
    return names, {file: number[file.parent.name] for file in images}, ()


def _are_shards(names: Sequence[str]) -> bool:
    """Say whether names are numbers of one width, filled up with zeros or very wide, or numbered parts."""
    if all(_SHARD.fullmatch(name) for name in names):
        return True
    width = len(names[0])
    alike = width >= _DIGITS_OF_A_SHARD and all(name.isdecimal() and len(name) == width for name in names)
    return alike and (width > _DIGITS_OF_A_SHARD or any(name.startswith("0") for name in names))


def _stated_classes(path: Path, images: list[Path]) -> tuple[list[str] | None, dict[Path, int], tuple[str, ...]]:
    """Read {"labels": [[file, class number], ...]}, the form of StyleGAN; null means no labels."""
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))["labels"]
        if stated is None:
            return None, {}, (f"{path.name} states no labels",)
        number = {path.parent / str(file): int(label) for file, label in stated}
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise DataError(
            f'{path} cannot be read as labels ({error}); expected {{"labels": [["file.png", 0], ...]}}.',
            "Repair or remove it, or read no labels (--no-labels).",
        ) from error
    absent = [file for file in images if file not in number]
    odd = next((label for label in number.values() if not 0 <= label < MOST_CLASSES), None)
    if absent or odd is not None:
        what = f"no label for {len(absent)} of {len(images)} images, {absent[0]} the first"
        what = what if absent else f"a label {odd}, which is no number of a class"
        raise DataError(f"{path} has {what}.", "Complete or remove it, or read no labels (--no-labels).")
    names = [str(i) for i in range(max(number.values()) + 1)]
    return names, {file: number[file] for file in images}, (f"labels were read from {path.name}",)


def decoding_of(config: DataConfig, *, grey: bool = False) -> Decoding:
    """Return what a configuration makes of every image."""
    white = config.levels - 1 if config.levels is not None and config.levels > 256 else 65535
    return Decoding(grey, config.size, config.fit, config.background, white)


def scan(files: Sequence[Path], decoding: Decoding | None = None) -> tuple[dict[Path, Header], dict[Path, str]]:
    """Read every header: those that can be read, and why the others cannot."""
    headers: dict[Path, Header] = {}
    bad: dict[Path, str] = {}
    for file, result in zip(files, in_threads(_attempt(partial(read_header, decoding=decoding)), files), strict=True):
        if isinstance(result, Header):
            headers[file] = result
        else:
            bad[file] = str(result)
    return headers, bad


def plan(headers: dict[Path, Header], config: DataConfig, where: Path) -> Plan:
    """Decide channels and size of all images.

    Raises:
        DataError: images that differ in size or are not square, and no word on what to do about it.
    """
    if not headers:
        raise DataError(f"no image of {where} can be read.", "Check that the files are images and complete.")
    sizes = Counter(header.size for header in headers.values())
    width, height = next(iter(sizes))
    square = all(w == h for w, h in sizes)
    if config.fit == "error" and (len(sizes) > 1 or (config.size is not None and not square)):
        remedy = f"Pass for example --size {_usual_side(sizes)} --fit crop (or pad, stretch)."
        raise DataError(_sizes(sizes, where), f"{_strays(headers, sizes)}{remedy}")
    if config.size is not None:
        width = height = config.size
    budget.require(3 * width * height, f"an image of {width} x {height} pixels")
    grey = config.channels == "grey" or (config.channels == "auto" and all(h.grey for h in headers.values()))
    changes = [change for header in headers.values() for change in header.changes]
    sixteen = sum(change.startswith("16 bits") for change in changes) == len(headers)
    transparent = any(change.startswith("transparency") for change in changes)
    notes = tuple(_plan_notes(headers, sizes, config, grey))
    return Plan(1 if grey else 3, height, width, notes, sixteen, transparent)


def decoder(target: Plan, config: DataConfig) -> Callable[[Path], np.ndarray | str]:
    """Return the function that decodes one file to (C, H, W) uint8, or says why it cannot."""
    decoding = decoding_of(config, grey=target.channels == 1)

    def one(path: Path) -> np.ndarray:
        pixels = decode(path, decoding)
        if pixels.shape != (target.channels, target.height, target.width):
            raise ValueError(f"decoded to {pixels.shape}, which differs from its header")
        return pixels

    return _attempt(one)


def range_notes(high: int, sixteen: bool) -> tuple[str, ...]:
    """Say that images use a sliver of their range, and which option mends it.

    Args:
        high: largest 8-bit value.
        sixteen: whether they are stored with 16 bits.
    """
    if high == 0 or high > _SLIVER:
        return ()
    if not sixteen:
        levels = high + 1
        return (f"the largest value is {high} of 255; if there are {levels} levels, pass --levels {levels}",)
    bits = next(bits for bits in range(1, 17) if ((1 << bits) - 1 + 128) // 257 >= high)
    return (f"the largest value is {high} of 255 after rounding; for {bits}-bit scans pass --levels {1 << bits}",)


def invisible(where: str, background: str) -> tuple[str, str]:
    """Return problem and remedy where transparent images are all of one colour once they lie on the background."""
    other = "white" if background == "black" else "black"
    return (
        f"every image of {where} is the same plain colour once its transparency lies on {background}.",
        f"Put them on {other}: --background {other}.",
    )


def bad_files(bad: dict[Path, str], total: int, where: Path) -> DataError:
    """Return the error that counts all bad files and names the first ones."""
    lines = [f"\n  {path}: {reason}" for path, reason in list(bad.items())[:_SHOWN]]
    more = f"\n  ... and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return DataError(
        f"{len(bad)} of {total} images of {where} cannot be read:{''.join(lines)}{more}\n",
        "Repair or remove them, or leave them out with --on-bad skip." if len(bad) < total else "Repair them.",
    )


def in_threads(work: Callable[[_In], _Out], items: Sequence[_In], result_bytes: int = 1) -> Iterator[_Out]:
    """Apply a function to all items, in order, with one thread for each core (Pillow decodes without the lock).

    Args:
        work: the function.
        items: its arguments.
        result_bytes: size of a result, of which only so many wait for their turn as the memory for decoding allows.
    """
    step = max(1, min(_AT_ONCE, budget.limit() // (4 * result_bytes)))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), step):
            with quiet_pillow():
                results = list(pool.map(work, items[start : start + step]))
            yield from results


def _attempt(work: Callable[[Path], _Out]) -> Callable[[Path], _Out | str]:
    """Return the reason in place of raising."""

    def attempt(path: Path) -> _Out | str:
        try:
            return work(path)
        except UNREADABLE as error:
            return f"{error}".replace(f" {str(path)!r}", "") or type(error).__name__

    return attempt


def _plan_notes(headers: dict[Path, Header], sizes: Counter, config: DataConfig, grey: bool) -> Iterator[str]:
    changes = Counter(change for header in headers.values() for change in header.changes)
    total = len(headers)
    yield from (f"{count} of {total} images: {change}" for change, count in sorted(changes.items()))
    jpegs = sum(header.jpeg for header in headers.values())
    if jpegs:
        yield f"{jpegs} of {total} images: stored as JPEG, with loss"
    stored_grey = sum(header.grey for header in headers.values())
    if grey and stored_grey < total:
        yield f"{total - stored_grey} of {total} images: colour made grey (ITU-R 601 luma)"
    if not grey and stored_grey:
        yield f"{stored_grey} of {total} images: grey made colour by repeating the channel"
    resized = total - sizes[(config.size, config.size)] if config.size is not None else 0
    if resized:
        how = {
            "error": "",
            "crop": " after a centre crop",
            "pad": " and padded with black",
            "stretch": " by stretching",
        }
        yield f"{resized} of {total} images: resized to {config.size}x{config.size}{how[config.fit]}"


def _sizes(sizes: Counter, where: Path) -> str:
    total = sum(sizes.values())
    lines = [f"\n  {w:>5} x {h:<5} {n:>8,}  {'#' * max(1, 40 * n // total)}" for (w, h), n in sizes.most_common(_SHOWN)]
    more = f"\n  ... and {len(sizes) - _SHOWN} more sizes" if len(sizes) > _SHOWN else ""
    what = f"{len(sizes)} sizes" if len(sizes) > 1 else "one size that is not square"
    return f"the {total:,} images of {where} have {what} (width x height):{''.join(lines)}{more}\n"


def _strays(headers: dict[Path, Header], sizes: Counter) -> str:
    """Name the few images that differ from all others in size: they may not belong here."""
    usual, n = sizes.most_common(1)[0]
    others = [file for file, header in headers.items() if header.size != usual]
    if not others or n < _NEARLY_ALL * len(headers):
        return ""
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"Does {others[0]}{more} belong here? Otherwise remove what does not. "


def _usual_side(sizes: Counter) -> int:
    """Side of nearly all images, or else the largest power of two (at most 256) that three quarters of them fill."""
    (width, height), n = sizes.most_common(1)[0]
    if width == height and n >= _NEARLY_ALL * sum(sizes.values()):
        return width
    sides = sorted(min(size) for size, n in sizes.items() for _ in range(n))
    side = sides[len(sides) // 4]
    return min(256, 1 << max(3, side.bit_length() - 1))


def _count(others: Counter) -> str:
    return ", ".join(f"{n} {ending}" for ending, n in others.most_common(5))


def _what_else(others: Counter, deeper: int) -> str:
    found = [f"other files: {_count(others)}"] if others else []
    found += [f"{deeper} folders deeper than one level, which is as deep as is looked"] if deeper else []
    return "; ".join(found) or "its sub-folders are empty"
