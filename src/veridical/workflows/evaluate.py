"""Measure a run, or images from any program, against real data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.sources import load as load_data
from veridical.evaluation import Evaluation
from veridical.evaluation import evaluate as measure
from veridical.evaluation import evaluate_samples as measure_samples
from veridical.evaluation.extractors import check_name
from veridical.model import GenerativeModel, Sampler
from veridical.run import Run
from veridical.sampling import draw
from veridical.workflows import images
from veridical.workflows.load import changed_data, load_run, load_splits
from veridical.workflows.location import locate
from veridical.workflows.progress import Say

Fit = Literal["error", "crop", "pad", "stretch"]

PANEL = 10
"""Number of samples in the nearest-neighbour panel: the first of the measured samples."""


def evaluate_run(
    path: str | Path,
    *,
    model: GenerativeModel | None = None,
    n: int = 10_000,
    seed: int = 0,
    extractor: str | None = None,
    against: str | None = None,
    which: Literal["newest", "best"] = "newest",
    device: str = "cpu",
    size: int | None = None,
    fit: Fit = "error",
    say: Say = print,
) -> Evaluation:
    """Measure the model of a run against its data; write evaluation.json and the nearest-neighbour panel.

    Earlier evaluations are kept in evaluations.jsonl. A run that is not finished, or that failed, is also measured; its
    state is in the notes, which come first in the summary.

    Args:
        path: the run directory.
        model: the untrained model, for runs on your own model or modules.
        n: number of samples.
        seed: seed of the samples and of the random numbers in the metrics.
        extractor: features to compare images by; None: chosen by the kind of data.
        against: data to compare with; None: the run's own data.
        which: the newest checkpoint, or the best if the run was evaluated during training.
        device: device of the sampling.
        size: side to which the images of `against` are resized; None: as those of the run were.
        fit: what to do with images of `against` that are not square or differ in size, where `size` is given.
        say: called with lines of progress.

    Raises:
        NoSuchExtractorError: no features have that name.
        DataError: the run was trained on data that came from Python, and `against` is left out.
    """
    check_name(extractor)
    run, config, model, step = load_run(path, model=model, which=which, say=say)
    if against is None and run.read_json("environment.json").get("own_data"):
        raise DataError(
            f"{run.path} was trained on data passed from Python, which are not in a file.",
            "Give the data to compare with (--against DATA), or call veridical.evaluate(model, data).",
        )
    if against is None:
        _refuse_size(size, fit, run)
        reading = locate(config.data, run)
    else:
        reading = _reading(against, size, fit, DataConfig() if size is not None else config.data)
    train, test = load_splits(reading)
    changed = changed_data(run, train) if against is None else ""
    model.to(device)
    samples = None
    if isinstance(model, Sampler):
        say(f"drawing {n:,} samples, seed {seed}")
        samples = draw(model, n, seed=seed)
    found = measure(model, train, test, samples=samples, n=n, seed=seed, extractor=extractor, progress=say)
    status = run.outcome()
    found = replace(found, notes=tuple(note for note in (status.warning, changed) if note))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"step": step, "checkpoint": which, "state": status.state, "time": when, "summary": found.summary()}
    run.write_evaluation({**found.to_json(), **about})
    if samples is not None and len(model.space.shape) == 3:
        nearest_panel(samples[:PANEL], train, run.samples / "nearest.png")
    return found


def evaluate_files(
    path: str | Path,
    against: str,
    *,
    n: int | None = None,
    seed: int = 0,
    extractor: str | None = None,
    size: int | None = None,
    fit: Fit = "error",
    say: Say = print,
) -> Evaluation:
    """Measure a folder of images, or an array in a file, from any program, against real data.

    Args:
        path: folder of images, npy or npz.
        against: named data, a folder or a file to compare with.
        n: largest number of images to use; None: all.
        seed: seed of the random numbers in the metrics.
        extractor: features to compare images by.
        size: side to which the images of folders are resized, of both; None: as they are.
        fit: what to do with images of folders that are not square or differ in size.
        say: called with lines of progress.
    """
    check_name(extractor)
    train, test = load_splits(_reading(against, size, fit))
    made = load_data(replace(_reading(str(path), size, fit), labels=False, holdout=0.0), "train")
    if made.space.shape != train.space.shape:
        raise ValueError(
            f"{path} contains examples of shape {made.space.shape}, {against} of shape {train.space.shape}; "
            "they must be equal. Bring the images of folders to one size: --size N --fit crop (size=N, fit='crop')."
        )
    count = len(made) if n is None else min(n, len(made))
    samples = torch.cat([made.batch(rows, "cpu").x for rows in torch.arange(count).split(1000)])
    return measure_samples(samples, train, test, seed=seed, extractor=extractor, progress=say)


def _reading(source: str, size: int | None, fit: Fit, like: DataConfig | None = None) -> DataConfig:
    """Return how a source is read: images of a folder with the given size and fit, or else as other data were."""
    if not Path(source).expanduser().is_dir():
        return DataConfig(source=source)
    like = like or DataConfig()
    if size is None:
        size, fit = like.size, fit if fit != "error" else like.fit
    return DataConfig(source=source, size=size, fit=fit, channels=like.channels, background=like.background)


def _refuse_size(size: int | None, fit: Fit, run: Run) -> None:
    """Refuse options that would not count."""
    if size is not None or fit != "error":
        raise DataError(
            f"size and fit are given, but the data of {run.path} are read as they were in training.",
            "Leave them out, or name other data: --against PLACE.",
        )


def nearest_panel(x: Tensor, train: ArrayData, path: Path, k: int = 4) -> None:
    """Draw samples x (n, C, H, W), first column, next to their nearest training images, nearest first.

    Args:
        x: samples in data space.
        train: the training images.
        path: path of the PNG file.
        k: number of neighbours per sample.
    """
    k = min(k, len(train))
    n, rows = len(x), nearest(x, train, k)
    neighbours = train.batch(rows.reshape(-1), "cpu").x.reshape(n, k, *x.shape[1:])
    panel = torch.cat([x[:, None], neighbours], dim=1).reshape(n * (k + 1), *x.shape[1:])
    sheet = images.grid(images.pixels(panel, train.space), columns=k + 1)
    images.write(_with_rule(sheet, k + 1), path)


def nearest(x: Tensor, train: ArrayData, k: int) -> Tensor:
    """Return (n, k) rows of the training examples nearest to x (n, *event), by Euclidean distance of pixels."""
    flat, best, rows = x.flatten(1).double(), torch.empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64)
    for index in torch.arange(len(train)).split(2000):
        distances = torch.cat([best, torch.cdist(flat, train.batch(index, "cpu").x.flatten(1).double())], 1)
        best, order = distances.topk(min(k, distances.shape[1]), dim=1, largest=False)
        rows = torch.cat([rows, index.expand(len(x), -1)], 1).gather(1, order)
    return rows


def _with_rule(sheet: Image.Image, columns: int) -> Image.Image:
    """Draw a line between the samples and the training images."""
    array: Any = np.asarray(sheet).copy()
    cell = (array.shape[1] + 2) // columns
    array[:, cell - 2 : cell] = 0
    return Image.fromarray(array)
