"""Examples on the way between the codes of others, as a picture or an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from veridical.atomic import replacing
from veridical.config import DataConfig
from veridical.config.reading import Reading
from veridical.data.dataset import ArrayData
from veridical.data.errors import NoTestSplitError
from veridical.data.sources import load
from veridical.errors import RequestError
from veridical.latent.interpolation import codes_of, interpolated
from veridical.model import Bijective, Encoder, GenerativeModel, LatentVariable
from veridical.run import Run
from veridical.sampling import drawing
from veridical.workflows import images
from veridical.workflows.encode import read_examples, say_about
from veridical.workflows.evaluate import Remedies, own_data
from veridical.workflows.progress import Say
from veridical.workflows.sample import require_format

Part = Literal["train", "test"]

FIRST = 5
"""Rows that are passed through where none are named, if there are as many."""

REMEDIES = Remedies(
    "Name the examples (veridical interpolate RUN --examples FILE FILE), or call "
    "veridical.latent.interpolation.interpolated(model, first, second).",
    "Leave them out, or name the examples: --examples FILE FILE.",
)


class NoSuchRowError(ValueError, RequestError):
    """The data have no such example."""


def part(model: GenerativeModel, split: Part) -> Part:
    """Return the part of the data whose examples have codes: any for an encoder, else that of the training."""
    return split if finds_codes(model) else "train"


def finds_codes(model: GenerativeModel) -> bool:
    """Return whether a model has codes of any examples, from which it decodes."""
    return isinstance(model, Encoder | Bijective)


def own_examples(run: Run, config: DataConfig, model: GenerativeModel, split: Part, reading: Reading) -> ArrayData:
    """Return the part of a run's data whose examples have codes.

    Args:
        run: the run.
        config: of its data.
        model: of the run.
        split: the part, if all have codes.
        reading: options of reading, which are refused.
    """
    place, which = own_data(run, config, reading, REMEDIES), part(model, split)
    try:
        return load(place, which)
    except NoTestSplitError as error:
        raise NoTestSplitError(error.problem, "Take training examples: --split train.") from error


def given(sources: Sequence[str], config: DataConfig, model: GenerativeModel, reading: Reading, say: Say) -> Tensor:
    """Return (n, *event) all examples of files and folders, in their order, in data space.

    Args:
        sources: images, folders, files of arrays, named data.
        config: of the data of the run.
        model: of the run.
        reading: how they are read; what is open is as in training.
        say: called with what was changed while reading.
    """
    found = []
    for source in sources:
        data = read_examples(source, config, model.space, reading)
        say_about(source, data, model.space, say)
        found.append(data.batch(torch.arange(len(data)), "cpu").x)
    return torch.cat(found)


def between_examples(model: GenerativeModel, x: Tensor, steps: int = 8) -> Tensor:
    """Return (n - 1, steps, *event) examples on the ways from each to the next, on the CPU.

    Args:
        model: that has codes of any examples.
        x: (n, *event) in data space, at least two.
        steps: points of each way, both ends included.

    Raises:
        ValueError: fewer than two examples, or a model without such codes.
    """
    if len(x) < 2:
        raise NoSuchRowError(f"there is {len(x)} example; expected at least two, the ends of a way.")
    with drawing(model, 0):
        z = codes_of(model, x.to(model.device), None)
        return between(model, z, steps)


def between(model: GenerativeModel, z: Tensor, steps: int) -> Tensor:
    """Return (n - 1, steps, *event) decoded codes on the ways from each code (n, *latent_shape) to the next.

    Raises:
        ValueError: a model without codes that it decodes.
    """
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no codes, so there is no way between two of them.")
    return interpolated(model, z[:-1], z[1:], steps).transpose(0, 1).float().cpu()


def ways(
    model: GenerativeModel, data: ArrayData, rows: tuple[int, ...] | None = None, steps: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return examples on the ways from each row to the next, and the examples of the rows themselves.

    Args:
        model: with codes.
        data: whose rows they are; for a model with a code of its own per training example, the training data.
        rows: at least two; None: the first five, or all if there are fewer.
        steps: points of each way, both ends included.
        seed: of samples, for models that cannot infer the codes of examples.

    Returns:
        (len(rows) - 1, steps, *event) decoded codes, and (len(rows), *event) examples, in data space, on the CPU.

    Raises:
        NoSuchRowError: rows beyond the data.
        ValueError: fewer than two rows, or a model without codes.
    """
    rows = tuple(range(min(FIRST, len(data)))) if rows is None else rows
    if len(rows) < 2:
        raise NoSuchRowError(f"rows are {list(rows)}; expected at least two, the ends of a way.")
    if min(rows) < 0 or max(rows) >= len(data):
        raise NoSuchRowError(f"rows are {list(rows)}; this part of {data.name} has the rows 0 to {len(data) - 1}.")
    index = torch.tensor(rows)
    x = data.batch(index, model.device).x
    with drawing(model, seed):
        return between(model, codes_of(model, x, index, seed), steps), x.float().cpu()


def require_output(out: Path) -> None:
    """Make sure that ways can be written there; see `sample.require_format`."""
    require_format(out, (".png", ".npz"), "a .png (a row for each way) or a .npz (arrays x and ends)")


def save(decoded: Tensor, x: Tensor, model: GenerativeModel, out: Path) -> None:
    """Write ways as a grid with a row for each (.png), the examples at both ends of the row; or as arrays (.npz).

    Args:
        decoded: (ways, steps, *event).
        x: (ways + 1, *event) the examples at the ends.
        model: that decoded them.
        out: a new file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".npz":
        with replacing(out) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, x=decoded.numpy(), ends=x.numpy())
        return
    if finds_codes(model):  # samples have no examples to compare with
        decoded = torch.cat([x[:-1, None], decoded, x[1:, None]], dim=1)
    images.draw(decoded.flatten(0, 1), model.space, out, columns=decoded.shape[1])
