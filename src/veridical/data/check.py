"""Everything that is wrong with the data of a configuration, found at once and before anything trains."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from veridical.config import DataConfig
from veridical.data.archives import holds_split
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.folder import Plan, bad_files, decoder, in_threads, list_images, plan, scan
from veridical.data.sources import find_path, load, set_name, split_folder
from veridical.data.split import held_out

_FEW = 1000
_IMBALANCE = 10


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data."""

    severity: Literal["error", "warning", "note"]
    """error: training cannot start; warning: it can, but look; note: what is done to the data."""

    message: str
    remedy: str = ""
    """What to do; empty for a note."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found."""

    summary: str
    """The data in one line."""

    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether training can start."""
        return all(finding.severity != "error" for finding in self.findings)


def check(config: DataConfig, batch_size: int | None = None) -> CheckReport:
    """Find what is wrong with the data of a configuration; raises nothing for it.

    Args:
        config: the data.
        batch_size: examples per step, to tell whether there are enough.
    """
    try:
        if set_name(config.source) is None:
            path = find_path(config.source)
            if path.is_dir() and not holds_split(path):
                return _check_folders(path, config, batch_size)
        return _check_arrays(config, batch_size)
    except DataError as error:
        return CheckReport("no data", (_finding(error),))


def describe(data: ArrayData) -> str:
    """Return one line on the data: how many, of what shape and resolution, of how many classes, their spread."""
    space = data.space
    what = {"image": "images", "vector": "vectors", "lattice": "configurations"}[space.kind]
    levels = f", {space.levels} levels" if space.levels else ", continuous"
    classes = f", {space.classes} classes" if space.classes else ", no labels"
    shape = "x".join(map(str, space.shape))
    return (
        f"{len(data):,} {what} of {shape}{levels}{classes}; "
        f"mean {space.mean:.3f}, std {space.std:.3f} in data space; {data.nbytes / 1e6:,.1f} MB"
    )


def _check_arrays(config: DataConfig, batch_size: int | None) -> CheckReport:
    data = load(config)
    findings = [Finding("note", note) for note in data.notes]
    findings += _too_few(len(data), batch_size)
    if data.space.classes:
        counts = np.bincount(np.asarray(data.labels), minlength=data.space.classes)
        findings += _imbalance({str(i): int(n) for i, n in enumerate(counts)})
    return CheckReport(describe(data), tuple(findings))


def _check_folders(path: Path, config: DataConfig, batch_size: int | None) -> CheckReport:
    """Check a folder, or the training and the test folder in it."""
    both = split_folder(path)
    if both is None:
        return _check_folder(path, config, batch_size, config.holdout)
    reports = (_check_folder(both[0], config, batch_size, 0.0), _check_folder(both[1], config, None, 0.0))
    return CheckReport("; ".join(r.summary for r in reports), tuple(f for r in reports for f in r.findings))


def _check_folder(folder: Path, config: DataConfig, batch_size: int | None, holdout: float) -> CheckReport:
    listing = list_images(folder, labels=config.labels)
    headers, bad = scan(listing.files)
    findings = [Finding("note", note) for note in listing.notes]
    size = "unknown size"
    try:
        target = plan(headers, config, folder)
    except DataError as error:
        findings.append(_finding(error))
    else:
        size = f"{target.channels}x{target.height}x{target.width}"
        findings += [Finding("note", note) for note in target.notes]
        findings += _decode_all(list(headers), target, config, bad)
    if bad:
        error = bad_files(bad, len(listing.files), folder)
        skipped = config.on_bad == "skip" and len(bad) < len(listing.files)
        findings.insert(0, Finding("warning" if skipped else "error", error.problem, error.remedy))
    usable = [file for file in listing.files if file not in bad]
    kept = int(held_out(len(usable), holdout).sum())
    findings += _too_few(len(usable) - kept, batch_size)
    if listing.classes:
        counts = Counter(file.parent.name for file in usable)
        findings += _imbalance({name: counts[name] for name in listing.classes})
    classes = f"{len(listing.classes)} classes" if listing.classes else "no labels"
    held = f", {kept:,} of them held out" if kept else ""
    return CheckReport(f"{len(usable):,} images of {size} in {folder}, {classes}{held}", tuple(findings))


def _decode_all(files: list[Path], target: Plan, config: DataConfig, bad: dict[Path, str]) -> list[Finding]:
    """Decode every file and keep none: those that cannot be read are added to `bad`, doubles are found."""
    seen: dict[bytes, list[Path]] = {}
    for file, result in zip(files, in_threads(decoder(target, config), files), strict=True):
        if isinstance(result, str):
            bad[file] = result
        else:
            seen.setdefault(hashlib.sha256(result.tobytes()).digest(), []).append(file)
    return _doubles(seen)


def _finding(error: DataError) -> Finding:
    return Finding("error", error.problem, error.remedy)


def _doubles(seen: dict[bytes, list[Path]]) -> list[Finding]:
    doubles = [files for files in seen.values() if len(files) > 1]
    if not doubles:
        return []
    extra = sum(len(files) - 1 for files in doubles)
    first = " = ".join(str(file) for file in doubles[0][:3])
    return [
        Finding(
            "warning",
            f"{extra} images equal another pixel for pixel (for example {first})",
            "Remove the doubles: a model learns them with more weight, and held-out copies look memorised.",
        )
    ]


def _too_few(n: int, batch_size: int | None) -> list[Finding]:
    if batch_size is not None and n < batch_size:
        return [
            Finding(
                "error", f"{n} examples are fewer than a batch of {batch_size}", f"Set the batch size to at most {n}."
            )
        ]
    if n < _FEW:
        return [
            Finding(
                "warning", f"{n} examples are few; a model can memorise them.", "Look at memorisation in the report."
            )
        ]
    return []


def _imbalance(counts: dict[str, int]) -> list[Finding]:
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[most] <= _IMBALANCE * max(1, counts[least]):
        return []
    return [
        Finding(
            "warning",
            f"class {most} has {counts[most]} examples, class {least} has {counts[least]}",
            "Rare classes are learned last; balance the classes, or look at each of them in the samples.",
        )
    ]
