"""The codes of examples: of a run's own data, or of images and arrays from any place, with the names of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from veridical.atomic import replacing
from veridical.config import DataConfig
from veridical.config.reading import Reading
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.sources import load, load_examples
from veridical.data.space import Space
from veridical.latent.encoding import encode, encodes
from veridical.model import GenerativeModel
from veridical.workflows.evaluate import Remedies, own_data, read_with
from veridical.workflows.load import changed_data, load_run
from veridical.workflows.progress import Say
from veridical.workflows.sample import require_format

Part = Literal["train", "test"]
AS_IS = Reading()

REMEDIES = Remedies(
    "Name the examples (veridical encode RUN FILE ...), or call veridical.encode(model, data).",
    "Leave them out, or name other examples: veridical encode RUN FILE ...",
)


def encode_run(
    path: str | Path,
    sources: Sequence[str] = (),
    *,
    model: GenerativeModel | None = None,
    split: Part = "train",
    which: Literal["newest", "best"] = "newest",
    device: str | torch.device = "cpu",
    reading: Reading = AS_IS,
    say: Say = print,
) -> dict[str, np.ndarray]:
    """Return the codes of examples by a run's model, and where the examples came from.

    Args:
        path: the run directory.
        sources: named data, folders and files; none: the run's own data.
        model: the untrained model, for runs on your own model or modules.
        split: part of the run's own data, and of sources that have parts.
        which: the newest checkpoint, or the best if the run was evaluated during training.
        device: device of the model.
        reading: how sources are read; what is open is as in training.
        say: called with what was changed or noticed while reading.

    Returns:
        The codes of `latent.encoding.encode`, (n, ...) float32, spaces in their names replaced by underscores; `rows`
        (n,) the number of the example in its source; `files` (n,) the path of its file, or the source; `y` (n,)
        labels and `class_names`, where all sources have them.

    Raises:
        NoCodesError: the model has no codes of these examples.
        DataError: no such source, or examples of another shape than those of the training.
    """
    run, config, model, _ = load_run(path, model=model, which=which, say=say)
    model.to(device)
    if sources:
        sets = [read_examples(source, config.data, model.space, reading, split) for source in sources]
        for source, data in zip(sources, sets, strict=True):
            say_about(source, data, model.space, say)
        return collected(model, sets, list(sources), training=False)
    data = load(own_data(run, config.data, reading, REMEDIES), split)
    if split == "train" and not encodes(model) and changed_data(run, data):
        raise DataError(
            f"the data of {run.path} have changed since training, and its codes are those of the rows of the old data.",
            "Restore the data, or train again.",
        )
    return collected(model, [data], [config.data.source], training=split == "train")


def read_examples(source: str, like: DataConfig, space: Space, reading: Reading, split: Part = "train") -> ArrayData:
    """Read examples as the data of a run were read, but for what is asked.

    Args:
        source: named data, a folder or a file.
        like: the data of the run.
        space: of the run's model.
        reading: what is asked.
        split: of a source that has parts.
    """
    channels: Any = {1: "grey", 3: "colour"}.get(space.shape[0], "auto") if space.kind == "image" else "auto"
    config = replace(like, source=source, kind=space.kind, channels=channels, labels=reading.labels)
    return load_examples(reading.apply(config), space, split)


def say_about(source: str, data: ArrayData, space: Space, say: Say) -> None:
    """Say what was changed in examples while they were read, and that they have other levels than the training data.

    Args:
        source: what they are called.
        data: the examples.
        space: of the training data.
        say: called with each sentence.
    """
    if note := read_with(source, data):
        say(note)
    if data.space.levels != space.levels:
        has, was = ("no" if levels is None else str(levels) for levels in (data.space.levels, space.levels))
        say(f"Note: {source} has {has} levels, the data of the training {was}.")


def collected(
    model: GenerativeModel, sets: Sequence[ArrayData], sources: Sequence[str], *, training: bool
) -> dict[str, np.ndarray]:
    """Encode sets of examples and join the results; see `encode_run`.

    Args:
        model: on its device.
        sets: the examples.
        sources: what each set was called.
        training: they are the training examples.
    """
    found = [encode(model, data, training=training) for data in sets]
    arrays = {name.replace(" ", "_"): torch.cat([part[name] for part in found]).numpy() for name in found[0]}
    arrays["rows"] = np.concatenate([np.arange(len(data)) for data in sets])
    named = zip(sets, sources, strict=True)
    arrays["files"] = np.array([file for data, source in named for file in data.files or (source,) * len(data)])
    labels = [data.labels for data in sets]
    if all(y is not None for y in labels) and len({data.class_names for data in sets}) == 1:
        arrays["y"] = torch.cat([y.cpu() for y in labels if y is not None]).numpy()
        if sets[0].class_names is not None:
            arrays["class_names"] = np.array(sets[0].class_names)
    return arrays


def require_npz(out: Path) -> None:
    """Make sure that codes can be written there; see `sample.require_format`."""
    require_format(out, (".npz",), "a .npz file, which holds the codes and where they came from")


def save(arrays: dict[str, np.ndarray], out: Path) -> None:
    """Write arrays to a new .npz file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
