"""Examples with a missing part, read from a file, for a model that completes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from veridical.data.colour import to_srgb
from veridical.data.errors import DataError
from veridical.data.files import read_file
from veridical.data.images import extensions, quiet_pillow
from veridical.data.space import Space
from veridical.data.unreadable import UNREADABLE
from veridical.model import Completer, GenerativeModel
from veridical.sampling import Given


def given_for(model: GenerativeModel, path: Path, keep: float | None) -> Given:
    """Return the examples of a file with what is known of them.

    Args:
        model: that completes them.
        path: an array of examples, NaN where something is missing, or an image, transparent there.
        keep: share of each example that is known, from the first site of the model's order; None: as the file says.

    Raises:
        DataError: the file cannot be read or its examples are of another shape, or nothing is missing.
    """
    image = path.suffix.lower() in extensions()
    x = read_image(path, model.space) if image else torch.from_numpy(np.array(read_file(path).x, dtype=np.float32))
    if x.shape[1:] != model.space.shape or len(x) == 0:
        raise DataError(
            f"{path} holds an array of shape {tuple(x.shape)}; expected (number, {str(model.space.shape)[1:-1]}).",
            "Give examples in data space: `veridical sample RUN --out FILE.npz` writes such a file.",
        )
    known = known_in(x, path)
    if keep is not None and isinstance(model, Completer):
        known = known & model.leading(keep).cpu()
    if bool(known.all()):
        raise DataError(
            f"nothing is missing in {path}.",
            "Mark what is to be drawn by NaN or transparency, or keep a part alone: --keep 0.5.",
        )
    return Given(x, known)


def known_in(x: Tensor, path: Path) -> Tensor:
    """Return (*event) bool: what is known, the same in all examples.

    Raises:
        DataError: it differs from example to example.
    """
    known = ~x.isnan()
    if bool((known != known[0]).any()):
        raise DataError(
            f"{path} holds examples of which different parts are missing; expected the same in all.",
            "Complete them one file after the other.",
        )
    return known[0]


def read_image(path: Path, space: Space) -> Tensor:
    """Return (1, C, H, W): an image in data space, NaN where it is more transparent than not.

    Raises:
        DataError: it is not an image, or its size is not that of the data.
    """
    if len(space.shape) != 3 or space.shape[0] not in (1, 3) or space.support is None:
        raise DataError(f"the data have shape {space.shape}, not that of an image.", "Give an array (.npz or .npy).")
    channels, height, width = space.shape
    try:
        with quiet_pillow(), Image.open(path) as image:
            solid = to_srgb(image).convert("RGBA")
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an image: {error}.") from error
    if solid.size != (width, height):
        raise DataError(f"{path} has {solid.size} pixels; expected {(width, height)}, as the data.")
    colours = np.asarray(solid.convert("L" if channels == 1 else "RGB"), dtype=np.float32) / 255
    x = torch.from_numpy(colours.reshape(height, width, channels)).permute(2, 0, 1)
    if space.levels is not None:
        x = (x * (space.levels - 1)).round() / (space.levels - 1)
    low, high = space.support
    hidden = torch.from_numpy(np.array(solid)[..., 3] < 128)
    return (low + (high - low) * x).masked_fill(hidden, torch.nan)[None]
