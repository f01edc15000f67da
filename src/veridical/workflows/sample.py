"""Write samples of a trained model: a grid, an array, or a folder of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veridical.atomic import replacing, require_free
from veridical.config.sampling import ConditionedSampling, SamplingOptions
from veridical.data.classes import class_number
from veridical.errors import RequestError
from veridical.latent.guidance import DATA, Classifier
from veridical.model import GenerativeModel
from veridical.run import Run
from veridical.sampling import require_memory
from veridical.workflows import audio, images
from veridical.workflows.progress import Say

MOST_IN_A_GRID = 100_000


class NoSuchFormatError(ValueError, RequestError):
    """Samples cannot be written in that format."""


def classifier_for(model: GenerativeModel, options: SamplingOptions | None) -> Classifier | None:
    """Return the built-in classifier of Fashion-MNIST if the options name one of its classes.

    Raises:
        ValueError: the model does not generate grey 28x28 images, or there is no such class.
    """
    if not isinstance(options, ConditionedSampling) or options.condition in (None, DATA):
        return None
    from veridical.evaluation.extractors.fashion import CLASSES, Fashion28

    space = model.space
    if space.kind != "image" or space.shape != (1, 28, 28):
        raise ValueError(f"the built-in classifier needs images (1, 28, 28); this model generates {space.shape}.")
    if int(str(options.condition)) >= CLASSES:
        raise ValueError(f"condition is {options.condition}; Fashion-MNIST has the classes 0 to {CLASSES - 1}.")
    return Fashion28(model.device).logits


def label_of(run: Run, name: str | None) -> int | None:
    """Return the number of a class, given its number, or its name if the data of the run have class names.

    Raises:
        NoSuchDataError: there is no such class.
    """
    if name is None:
        return None
    about = run.environment()
    return class_number(name, about["space"].get("classes") or 0, tuple(about["data"].get("class_names") or ()))


def default_output(run: Path, n: int, seed: int) -> Path:
    """Return samples/drawn-nN-seedS.png inside the run; a number is added if the file exists."""
    return free_name(run / "samples" / f"drawn-n{n}-seed{seed}.png")


def free_name(path: Path) -> Path:
    """Return the path, with a number added to its name if the file exists."""
    found, number = path, 1
    while found.exists():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found


def require_format(out: Path, suffixes: Sequence[str], expected: str) -> None:
    """Make sure that a file can be written there and over nothing, before any work is done.

    Args:
        out: file or folder.
        suffixes: that it may have.
        expected: the formats in words.

    Raises:
        OutputExistsError: something is there.
        NoSuchFormatError: no such format.
    """
    require_free(out)
    if out.suffix not in suffixes:
        raise NoSuchFormatError(f"out is {out}; expected {expected}.")


def require_output(out: Path) -> None:
    """Make sure that samples can be written there; see `require_format`."""
    require_format(
        out,
        (".png", ".npz", ".wav", ""),
        "a .png (one grid), a .npz (an array x), a .wav (sequences, one after the other) or a folder (one PNG or WAV "
        "each)",
    )


def save(blocks: Iterator[Tensor], n: int, model: GenerativeModel, out: Path, say: Say) -> Path:
    """Write examples as one grid (.png), an array `x` in data space (.npz), sound (.wav), or one file each (a folder).

    Args:
        blocks: (B, *event) examples in data space, block by block.
        n: number of examples in all blocks.
        model: the model that generated them.
        out: a new file or folder; the suffix selects the format.
        say: called with a line for every thousand images.
    """
    require_output(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png" and n > MOST_IN_A_GRID:
        raise ValueError(f"n is {n:,}; one image shows at most {MOST_IN_A_GRID:,} samples. Use .npz or a folder.")
    if out.suffix == ".wav":
        audio.save_one(blocks, model.space, out)
        return out
    if out.suffix:
        require_memory(n, model)
        x = torch.cat(list(blocks))
        if out.suffix == ".png":
            images.draw(x, model.space, out)
        else:
            with replacing(out) as temporary, open(temporary, "wb") as file:
                np.savez_compressed(file, x=x.numpy())
        return out
    if model.space.kind == "sequence":
        audio.require_audio(model.space)
        out.mkdir(parents=True, exist_ok=True)
        audio.save_each(blocks, model.space, n, out)
        return out
    if len(model.space.shape) != 3:
        raise ValueError(f"a folder of images needs images; these examples have shape {model.space.shape}. Use .npz.")
    out.mkdir(parents=True, exist_ok=True)
    done, digits = 0, len(str(n - 1))
    for block in blocks:
        for image in images.pixels(block, model.space):
            images.write(images.as_image(image), out / f"{done:0{digits}d}.png")
            done += 1
        if done // 1000 > (done - len(block)) // 1000:
            say(f"{done} of {n} images")
    return out
