"""Examples on the way between the codes of others, as a picture or an array."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from veridical.atomic import replacing
from veridical.data.dataset import ArrayData
from veridical.errors import RequestError
from veridical.latent.interpolation import codes_of, interpolated
from veridical.model import Encoder, GenerativeModel, LatentVariable
from veridical.sampling import drawing
from veridical.workflows import images

Part = Literal["train", "test"]


class NoSuchRowError(ValueError, RequestError):
    """The data have no such example."""


def part(model: GenerativeModel, split: Part) -> Part:
    """Return the part of the data whose examples have codes: any for an encoder, else that of the training."""
    return split if isinstance(model, Encoder) else "train"


def ways(
    model: GenerativeModel, data: ArrayData, rows: tuple[int, ...], steps: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return examples on the ways from each row to the next, and the examples of the rows themselves.

    Args:
        model: with codes.
        data: whose rows they are; for a model with a code of its own per training example, the training data.
        rows: at least two.
        steps: points of each way, both ends included.
        seed: of samples, for models that cannot infer the codes of examples.

    Returns:
        (len(rows) - 1, steps, *event) decoded codes, and (len(rows), *event) examples, in data space, on the CPU.

    Raises:
        NoSuchRowError: rows beyond the data.
        ValueError: fewer than two rows, or a model without codes.
    """
    if len(rows) < 2:
        raise ValueError(f"rows are {list(rows)}; expected at least two, the ends of a way.")
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no codes, so there is no way between two of them.")
    if min(rows) < 0 or max(rows) >= len(data):
        raise NoSuchRowError(f"rows are {list(rows)}; {data.name} has the rows 0 to {len(data) - 1}.")
    index = torch.tensor(rows)
    x = data.batch(index, model.device).x
    with drawing(model, seed):
        z = codes_of(model, x, index, seed)
        decoded = interpolated(model, z[:-1], z[1:], steps)
    return decoded.transpose(0, 1).float().cpu(), x.float().cpu()


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
    if isinstance(model, Encoder):  # samples have no examples to compare with
        decoded = torch.cat([x[:-1, None], decoded, x[1:, None]], dim=1)
    images.draw(decoded.flatten(0, 1), model.space, out, columns=decoded.shape[1])
