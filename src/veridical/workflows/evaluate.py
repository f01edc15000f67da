"""Measure a run, or images from any program, against real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from veridical.config import DataConfig
from veridical.config.reading import Reading
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.sources import load as load_data
from veridical.data.sources import load_splits, other_shape, set_name
from veridical.evaluation import Evaluation
from veridical.evaluation import evaluate as measure
from veridical.evaluation import evaluate_samples as measure_samples
from veridical.evaluation.evaluate import check_metrics, samples_for
from veridical.evaluation.extractors import check_name
from veridical.model import GenerativeModel, Restorer
from veridical.run import Run
from veridical.status import Status
from veridical.workflows import images
from veridical.workflows.load import changed_data, load_run
from veridical.workflows.location import locate
from veridical.workflows.progress import Say

AS_IS = Reading()

OF_THE_SPLIT = ("memorised", "copied", "authenticity", "overfit_nats")
"""Measurements that are not valid where held-out examples may have been training examples."""

OF_THE_ROWS = ("restored", "restored_psnr", "restored_worst", "restored_detail")
"""Measurements that are not valid where the data are not those of the training."""

WORST = 16
"""Number of training images in the panel of restored ones: those that are restored least accurately."""

PANEL = 10
"""Number of samples in the nearest-neighbour panel: the first of the measured samples."""


def evaluate_run(
    path: str | Path,
    *,
    model: GenerativeModel | None = None,
    n: int = 10_000,
    seed: int = 0,
    extractor: str | None = None,
    metrics: Sequence[str] | None = None,
    against: str | None = None,
    which: Literal["newest", "best"] = "newest",
    device: str = "cpu",
    reading: Reading = AS_IS,
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
        metrics: names in `evaluation.METRICS`; None: all that apply.
        against: data to compare with; None: the run's own data.
        which: the newest checkpoint, or the best if the run was evaluated during training.
        device: device of the sampling.
        reading: how `against` is read; what is open is as in training.
        say: called with lines of progress.

    Raises:
        NoSuchExtractorError: no features have that name.
        DataError: the run was trained on data that came from Python, and `against` is left out.
    """
    check_name(extractor)
    check_metrics(metrics)
    run, config, model, step = load_run(path, model=model, which=which, say=say)
    place = own_data(run, config.data, reading) if against is None else comparison(against, reading, config.data)
    train, test = load_splits(place)
    changed = changed_data(run, train) if against is None else ""
    model.to(device)
    samples = samples_for(model, train, n, seed, metrics, say)
    found = measure(
        model, train, test, samples=samples, n=n, seed=seed, extractor=extractor, metrics=metrics, progress=say
    )
    if changed:
        found = withhold(found, "the data have changed since training", OF_THE_SPLIT + OF_THE_ROWS)
    elif against is not None:
        found = withhold(found, "the data are not those of the training", OF_THE_ROWS)
    status = run.outcome()
    found = noted(found, warning_of(status, step), changed, read_with(train.name, train), *run.changes())
    when = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"step": step, "checkpoint": which, "state": status.state, "time": when, "summary": found.summary()}
    run.write_evaluation({**found.to_json(), **about})
    if len(model.space.shape) == 3:
        draw_panels(run.samples, model, samples, train, found)
    return found


def warning_of(status: Status, step: int) -> str:
    """Return what is to be known of a run that is measured at a step; nothing if it is finished and this its last."""
    of_step = f"The results are for the checkpoint of step {step}." if step != status.step else ""
    return " ".join(filter(None, (status.warning, of_step)))


def draw_panels(
    folder: Path, model: GenerativeModel, samples: Tensor | None, train: ArrayData, found: Evaluation
) -> None:
    """Draw samples with their nearest training images, and the training images that are restored least accurately.

    Args:
        folder: receives nearest.png and restored.png; each only if there is something to show.
        model: of images.
        samples: drawn from it; None: there are none.
        train: the training images.
        found: what was measured.
    """
    if samples is not None:
        nearest_panel(samples[:PANEL], train, folder / "nearest.png")
    listed: Any = next((m.detail["row_and_dB_from_the_worst"] for m in found.measurements if m.name == "restored"), [])
    if isinstance(model, Restorer) and listed:
        worst = train.batch(torch.tensor([row for row, _ in listed[:WORST]]), model.device)
        images.draw_restored(worst, model, train.space, folder / "restored.png")


def evaluate_files(
    path: str | Path,
    against: str,
    *,
    n: int | None = None,
    seed: int = 0,
    extractor: str | None = None,
    metrics: Sequence[str] | None = None,
    reading: Reading = AS_IS,
    data_reading: Reading = AS_IS,
    say: Say = print,
) -> Evaluation:
    """Measure a folder of images, or an array in a file, from any program, against real data.

    Args:
        path: folder of images, npy or npz.
        against: named data, a folder or a file to compare with.
        n: largest number of samples to use, drawn at random by the seed; None: all.
        seed: seed of the random numbers in the metrics, and of the chosen samples.
        extractor: features to compare images by.
        metrics: names in `evaluation.METRICS`; None: all that apply.
        reading: how both are read.
        data_reading: how `against` is read, where it differs.
        say: called with lines of progress.
    """
    check_name(extractor)
    check_metrics(metrics)
    train, test = load_splits(comparison(against, data_reading.over(reading)))
    made = load_samples(str(path), reading, train)
    rows = chosen(len(made), n, seed)
    drawn = made if len(rows) == len(made) else made.subset(rows)
    samples = torch.cat([drawn.batch(part, "cpu").x for part in torch.arange(len(drawn)).split(1000)])
    found = measure_samples(samples, train, test, seed=seed, extractor=extractor, metrics=metrics, progress=say)
    some = f"{len(rows):,} of the {len(made):,} samples of {path} were drawn at random (seed {seed})."
    some = some if len(rows) < len(made) else ""
    return noted(found, *found.notes, some, read_with(str(path), made), read_with(against, train))


def chosen(total: int, n: int | None, seed: int) -> Tensor:
    """Return at most n of the rows 0..total-1, drawn without repetition and in order.

    The first n of a folder would be its first classes, since files are read in the order of their names.
    """
    if n is None or n >= total:
        return torch.arange(total)
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:n].sort().values


def load_samples(path: str, reading: Reading, train: ArrayData) -> ArrayData:
    """Read the samples of another program, in the form of the data they are compared with.

    Raises:
        DataError: they cannot be read, or have another shape than the data.
    """
    shape = train.space.shape
    channels: Any = {1: "grey", 3: "colour"}.get(shape[0], "auto") if train.space.kind == "image" else "auto"
    config = reading.apply(DataConfig(source=path, channels=channels))
    config = replace(config, labels=reading.labels, holdout=0.0)
    try:
        made = load_data(config, "train")
    except DataError:
        if not config.labels:
            raise
        made = load_data(replace(config, labels=False), "train")
    if made.space.shape != shape:
        raise other_shape(path, made.space.shape, train.name, shape)
    return made


def comparison(source: str, reading: Reading, like: DataConfig | None = None) -> DataConfig:
    """Return how data to compare with are read: as asked, or else as other data were.

    Args:
        source: named data, a folder or a file.
        reading: what is asked; of named data only size, fit and channels.
        like: the data of a run.
    """
    config = DataConfig(source=source)
    if like is not None and Path(source).expanduser().is_dir():
        config = replace(config, size=like.size, fit=like.fit, channels=like.channels, background=like.background)
    named = set_name(source) is not None
    return reading.apply(config, ("size", "fit", "channels") if named else None)


def read_with(name: str, data: ArrayData) -> str:
    """Say what the reader changed in or found out about data; empty if nothing."""
    return f"About {name}: {'; '.join(data.notes)}." if data.notes else ""


def noted(found: Evaluation, *notes: str) -> Evaluation:
    """Return an evaluation with these notes; empty ones are left out."""
    return replace(found, notes=tuple(filter(None, notes)))


def withhold(found: Evaluation, reason: str, invalid: Sequence[str] = OF_THE_SPLIT) -> Evaluation:
    """Leave out measurements that are not valid for this reason: by default those of training and held-out examples."""
    names = [m.name for m in found.measurements if m.name in invalid]
    kept = tuple(m for m in found.measurements if m.name not in invalid)
    return replace(found, measurements=kept, skipped={**found.skipped, **dict.fromkeys(names, reason)})


class Remedies(NamedTuple):
    """What to do where a command cannot read the data of a run by itself."""

    in_python: str = "Give the data to compare with (--against DATA), or call veridical.evaluate(model, data)."
    """The data were passed from Python."""

    other: str = "Leave them out, or name other data: --against PLACE."
    """There are options of reading."""


def own_data(run: Run, config: DataConfig, reading: Reading, remedies: Remedies = Remedies()) -> DataConfig:  # noqa: B008
    """Return where the data of a run are now.

    Args:
        run: the run.
        config: of its data.
        reading: options of reading, which would not count.
        remedies: of the command.

    Raises:
        DataError: they are not in a file, were not found, or options are given.
    """
    if run.read_json("environment.json").get("own_data"):
        raise DataError(
            f"{run.path} was trained on data passed from Python, which are not in a file.", remedies.in_python
        )
    if reading.given:
        raise DataError(
            f"{', '.join(reading.given)} given, but the data of {run.path} are read as they were in training.",
            remedies.other,
        )
    return locate(config, run)


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
