"""Examples with a missing part, read from files, for a model that completes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from veridical.data.classes import in_order
from veridical.data.colour import to_srgb
from veridical.data.errors import DataError, NoSuchDataError
from veridical.data.files import read_file
from veridical.data.images import extensions, quiet_pillow
from veridical.data.space import Space
from veridical.data.unreadable import UNREADABLE
from veridical.data.wav import read_recording
from veridical.model import Completer, GenerativeModel
from veridical.sampling import Given
from veridical.workflows.audio import require_audio, values_of


def given_for(model: GenerativeModel, path: Path, keep: float | None) -> Given:
    """Return the examples of a file or folder with what is known of them.

    Args:
        model: that completes them.
        path: an array of examples, NaN where something is missing; an image, transparent there; a recording, which may
            end before the sequences of the model do; or a folder of images or recordings.
        keep: share of each example that is known, from the first site of the model's order; None: as the files say.

    Raises:
        DataError: a file cannot be read or its examples are of another shape, or nothing is missing.
    """
    x = torch.cat([read_examples(file, model.space) for file in files_of(path)])
    known = ~x.isnan()
    if keep is not None and isinstance(model, Completer):
        known = known & model.leading(keep).cpu()
    known = same_in_all(known, path)
    if bool(known.all()):
        raise DataError(
            f"nothing is missing in {path}.",
            "Mark what is to be drawn by NaN or transparency, or keep a part alone: --keep 0.5.",
        )
    return Given(x, known)


def files_of(path: Path) -> list[Path]:
    """Return the images and recordings of a folder, in natural order of their names; or the file itself.

    Raises:
        NoSuchDataError: nothing is there.
        DataError: a folder without such files.
    """
    if not path.exists():
        raise NoSuchDataError(f"{path} does not exist; expected a file of examples, or a folder of them.")
    if not path.is_dir():
        return [path]
    files = [path / name for name in in_order(file.name for file in path.iterdir() if _sound(file) or _image(file))]
    if not files:
        raise DataError(f"{path} has no image and no recording (.wav) in it.", "Give one file, or a folder of them.")
    return files


def read_examples(path: Path, space: Space) -> Tensor:
    """Return (n, *event): the examples of a file in data space, NaN where something is missing.

    Raises:
        DataError: the file cannot be read, or its examples are of another shape.
    """
    if _sound(path):
        x = read_sound(path, space)
    elif _image(path):
        x = read_image(path, space)
    else:
        x = torch.from_numpy(np.array(read_file(path).x, dtype=np.float32))
    if x.shape[1:] != space.shape or len(x) == 0:
        raise DataError(
            f"{path} holds an array of shape {tuple(x.shape)}; expected (number, {str(space.shape)[1:-1]}).",
            "Give examples in data space: `veridical sample RUN --out FILE.npz` writes such a file.",
        )
    return x


def _sound(path: Path) -> bool:
    return path.suffix.lower() == ".wav"


def _image(path: Path) -> bool:
    return path.suffix.lower() in extensions()


def read_sound(path: Path, space: Space) -> Tensor:
    """Return (1, C, T): the first T steps of a recording in data space, NaN after its end.

    Raises:
        DataError: it cannot be read, or its sample rate is not that of the data.
    """
    rate, (samples, found) = require_audio(space), read_recording(path)
    if found != round(rate):
        raise DataError(f"{path} has {found} Hz, the sequences of the model {rate:g} Hz.", "Convert the recording.")
    length = space.shape[-1]
    x = torch.full((1, len(samples), length), torch.nan)
    x[0, :, : samples.shape[1]] = values_of(samples[:, :length], space)
    return x


def same_in_all(known: Tensor, path: Path) -> Tensor:
    """Return (*event) bool: what is known, the same in all examples.

    Raises:
        DataError: it differs from example to example.
    """
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
