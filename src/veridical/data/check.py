"""Find all problems in the data of a configuration before training."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from veridical.config import DataConfig, TrainingConfig
from veridical.data.archives import holds_split
from veridical.data.classes import name_classes
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.flips import require_images
from veridical.data.folder import (
    Plan,
    bad_files,
    decoder,
    decoding_of,
    in_threads,
    invisible,
    list_images,
    plan,
    range_notes,
    scan,
)
from veridical.data.source import few_examples
from veridical.data.sources import find_path, load_splits, set_name, split_folder
from veridical.data.split import held_out

FEW_HELD_OUT = 20
"""Smallest number of held-out examples for which `evaluate` measures features."""

_IMBALANCE = 10


@dataclass(frozen=True)
class Finding:
    """One finding about the data."""

    severity: Literal["error", "warning", "note"]
    """error: training cannot start; warning: training can start, but there may be a problem; note: information."""

    message: str
    remedy: str = ""
    """Remedy; empty for a note."""


@dataclass(frozen=True)
class CheckReport:
    """Result of a check."""

    summary: str
    """The data in one line."""

    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether training can start."""
        return all(finding.severity != "error" for finding in self.findings)


def check(config: DataConfig, batch_size: int | None = None) -> CheckReport:
    """Find all problems in the data of a configuration; they are returned, not raised.

    Args:
        config: configuration of the data.
        batch_size: examples per step, to check that there are enough; None: the value of the default preset.
    """
    batch_size = TrainingConfig().batch_size if batch_size is None else batch_size
    try:
        if set_name(config.source) is None:
            path = find_path(config.source)
            if path.is_dir() and not holds_split(path):
                return _check_folders(path, config, batch_size)
        return _check_arrays(config, batch_size)
    except DataError as error:
        return CheckReport("no data", (_finding(error),))


def describe(data: ArrayData) -> str:
    """Return one line on the data: number, shape, levels, classes, mean and standard deviation."""
    space = data.space
    what = {"image": "images", "vector": "vectors", "lattice": "configurations", "sequence": "sequences"}[space.kind]
    levels = f", {space.levels} levels" if space.levels else ", continuous"
    rate = f", {space.sample_rate:g} Hz" if space.sample_rate else ""
    shape = "x".join(map(str, space.shape))
    return (
        f"{len(data):,} {what} of {shape}{levels}{rate}, {name_classes(space.classes, data.class_names)}; "
        f"mean {space.mean:.3f}, std {space.std:.3f} in data space; {data.nbytes / 1e6:,.1f} MB"
    )


def _check_arrays(config: DataConfig, batch_size: int) -> CheckReport:
    data, test = load_splits(config)
    require_images(data.space, config.flip)
    findings = [_note(note) for note in data.notes]
    kept = 0 if test is None else len(test)
    findings += _too_few(len(data), kept, batch_size, data.space.kind)
    if data.space.classes:
        counts = np.bincount(np.asarray(data.labels), minlength=data.space.classes)
        names = data.class_names or tuple(map(str, range(len(counts))))
        findings += _imbalance({name: int(n) for name, n in zip(names, counts, strict=True)})
    return CheckReport(describe(data), tuple(findings))


def _check_folders(path: Path, config: DataConfig, batch_size: int) -> CheckReport:
    """Check a folder, or the training and the test folder in it."""
    both = split_folder(path)
    if both is None:
        return _check_folder(path, config, batch_size)
    kept = len(list_images(both[1], labels=False).files)
    reports = (_check_folder(both[0], config, batch_size, kept), _check_folder(both[1], config, 0, kept))
    return CheckReport("; ".join(r.summary for r in reports), tuple(f for r in reports for f in r.findings))


def _check_folder(folder: Path, config: DataConfig, batch_size: int, tests: int | None = None) -> CheckReport:
    """Check a folder of images.

    Args:
        folder: folder of images, or of sub-folders of images.
        config: options.
        batch_size: examples per step.
        tests: number of test images in another folder; None: a share of this folder is held out.
    """
    listing = list_images(folder, labels=config.labels)
    headers, bad = scan(listing.files, decoding_of(config))
    findings = [_note(note) for note in listing.notes]
    size = "unknown size"
    try:
        target = plan(headers, config, folder)
    except DataError as error:
        findings.append(_finding(error))
    else:
        size = f"{target.channels}x{target.height}x{target.width}"
        findings += [_note(note) for note in target.notes]
        findings += _decode_all(list(headers), target, config, bad, folder)
    if bad:
        error = bad_files(bad, len(listing.files), folder)
        skipped = config.on_bad == "skip" and len(bad) < len(listing.files)
        findings.insert(0, Finding("warning" if skipped else "error", error.problem, error.remedy))
    usable = [file for file in listing.files if file not in bad]
    kept = int(held_out(len(usable), config.holdout).sum()) if tests is None else 0
    findings += _too_few(len(usable) - kept, kept if tests is None else tests, batch_size)
    if listing.classes:
        counts = Counter(listing.classes[listing.class_of[file]] for file in usable)
        findings += _imbalance({name: counts[name] for name in listing.classes})
    classes = name_classes(None if listing.classes is None else len(listing.classes), listing.classes)
    held = f", {kept:,} of them held out" if kept else ""
    return CheckReport(f"{len(usable):,} images of {size} in {folder}, {classes}{held}", tuple(findings))


def _decode_all(
    files: list[Path], target: Plan, config: DataConfig, bad: dict[Path, str], folder: Path
) -> list[Finding]:
    """Decode every file without keeping the images.

    Args:
        files: image files.
        target: size and channels of the decoded images.
        config: options.
        bad: receives the files that cannot be read.
        folder: for messages.
    """
    seen: dict[bytes, list[Path]] = {}
    plain: list[Path] = []
    high = 0
    for file, result in zip(files, in_threads(decoder(target, config), files, target.image_bytes), strict=True):
        if isinstance(result, str):
            bad[file] = result
            continue
        high = max(high, int(result.max()))
        if result.min() == result.max():
            plain.append(file)
        seen.setdefault(hashlib.sha256(result.tobytes()).digest(), []).append(file)
    findings = [Finding("warning", note) for note in range_notes(high, target.sixteen)]
    if len(seen) == 1 and plain:
        same = f"every image of {folder} is the same plain colour.", "Check the files; a model cannot learn from them."
        problem, remedy = invisible(str(folder), config.background) if target.transparent else same
        return [*findings, Finding("error", problem, remedy)]
    return [*findings, *_plain(plain, target, config), *_doubles(seen)]


def _note(note: str) -> Finding:
    """Make a finding of a note on the data; a note that names an option is a warning."""
    return Finding("warning" if "--" in note else "note", note)


def _plain(plain: list[Path], target: Plan, config: DataConfig) -> list[Finding]:
    if not plain:
        return []
    other = "white" if config.background == "black" else "black"
    remedy = f"If their drawing is {config.background} on transparency: --background {other}."
    return [
        Finding(
            "warning",
            f"{len(plain)} images have one plain colour only (the first is {plain[0]})",
            remedy if target.transparent else "Remove them if they are mistakes.",
        )
    ]


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
            "Remove the duplicates: they get more weight in training, and held-out copies look like memorisation.",
        )
    ]


def _too_few(n: int, kept: int, batch_size: int, kind: str = "image") -> list[Finding]:
    """Check the numbers of training and of held-out examples.

    Args:
        n: training examples.
        kept: held-out examples.
        batch_size: examples per step.
        kind: kind of the examples.
    """
    if n == 1:
        return [Finding("note", "one single example: every batch repeats it, and nothing is held out")]
    findings = []
    if n < batch_size:
        findings.append(Finding("warning", f"{n} examples are fewer than a batch of {batch_size}: batches become {n}"))
    if few := few_examples(n, kind):
        findings.append(Finding("warning", few))
    if kept < FEW_HELD_OUT:
        findings.append(
            Finding(
                "warning",
                f"{kept} held-out examples are too few to measure features against; {FEW_HELD_OUT} are needed.",
                "Raise --holdout, or add a separate test set.",
            )
        )
    return findings


def _imbalance(counts: dict[str, int]) -> list[Finding]:
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[most] <= _IMBALANCE * max(1, counts[least]):
        return []
    return [
        Finding(
            "warning",
            f"class {most} has {counts[most]} examples, class {least} has {counts[least]}",
            "Rare classes are learned last. Balance the classes, or check the samples of each class.",
        )
    ]
