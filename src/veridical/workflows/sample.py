"""Draw from a trained model: the same seed gives the same pixels, however many are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veridical.errors import RequestError
from veridical.model import GenerativeModel, LatentVariable, Sampler
from veridical.training.callbacks import seeded
from veridical.workflows import pictures
from veridical.workflows.guide import UNLED, Guidance, led
from veridical.workflows.progress import Say

BLOCK = 64
"""Examples are always drawn in whole blocks of this many, each from its own seed, and the surplus is left out."""


class OutputExistsError(FileExistsError, RequestError):
    """Something is there already; nothing is overwritten."""


def draw_blocks(
    model: GenerativeModel,
    n: int,
    *,
    seed: int = 0,
    label: int | None = None,
    truncation: float | None = None,
    guidance: Guidance = UNLED,
) -> Iterator[Tensor]:
    """Yield (<= 64, *event) examples in data space until n are drawn.

    Example i depends on (seed, i) alone: a block is always computed whole, so that not even rounding differs.

    Raises:
        ValueError: the model cannot be sampled, has no labels, or nothing that could lead its samples.
    """
    classes = model.space.classes
    if label is not None and (classes is None or not 0 <= label < classes):
        have = f"labels 0 to {classes - 1}" if classes else "no labels"
        raise ValueError(f"label is {label}; the data of this model have {have}.")
    c = None if label is None else torch.full((BLOCK,), label, device=model.device)
    draw_block = way(model, c, truncation, guidance, seed)
    for block in range(math.ceil(n / BLOCK)):
        with torch.no_grad(), seeded((seed * 1_000_003 + block) % 2**63, model.device):
            x = draw_block(BLOCK)
        yield x[: n - block * BLOCK].float().cpu()


def way(
    model: GenerativeModel, c: Tensor | None, truncation: float | None, guidance: Guidance, seed: int
) -> Callable[[int], Tensor]:
    """Return what draws n examples from torch's global generator: the model's own way, or another.

    Raises:
        ValueError: the model cannot be sampled so, or is to be sampled in two ways at once.
    """
    if not isinstance(model, Sampler):
        raise ValueError(f"{type(model).__name__} cannot be sampled.")
    sampler = model
    if guidance:
        if truncation is not None:
            raise ValueError("truncation is given beside refine or condition; choose one.")
        return led(model, guidance, c, seed)
    if truncation is None:
        return lambda n: sampler.sample(n, c)
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no latent code; leave out the truncation.")
    latent = model
    return lambda n: latent.decode(truncated(latent, n, truncation), c)


def truncated(model: LatentVariable, n: int, limit: float) -> Tensor:
    """Draw codes whose components beyond the limit are drawn again (the truncation trick).

    References:
        Brock, Donahue & Simonyan, Large Scale GAN Training (2019), Sec. 3.1. https://arxiv.org/abs/1809.11096
    """
    if limit <= 0:
        raise ValueError(f"truncation is {limit}; expected a number above 0, in standard deviations of the code.")
    z = model.prior(n)
    while bool((beyond := z.abs() > limit).any()):
        z = torch.where(beyond, model.prior(n), z)
    return z


def draw(
    model: GenerativeModel,
    n: int,
    *,
    seed: int = 0,
    label: int | None = None,
    truncation: float | None = None,
    guidance: Guidance = UNLED,
) -> Tensor:
    """Return (n, *event) examples in data space; see `draw_blocks`."""
    return torch.cat(list(draw_blocks(model, n, seed=seed, label=label, truncation=truncation, guidance=guidance)))


def default_output(run: Path, n: int, seed: int) -> Path:
    """Return samples/drawn-nN-seedS.png inside the run, with the next free number if taken."""
    path = run / "samples" / f"drawn-n{n}-seed{seed}.png"
    number = 1
    while path.exists():
        path = path.with_name(f"drawn-n{n}-seed{seed}-{number}.png")
        number += 1
    return path


def require_free(out: Path) -> None:
    """Make sure that nothing would be written over, before any work is done.

    Raises:
        OutputExistsError: something is there.
    """
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise OutputExistsError(f"{out} exists already; nothing is overwritten. Choose another --out.")
    if out.suffix not in (".png", ".npz", ""):
        raise ValueError(f"out is {out}; expected a .png (one grid), a .npz (an array x) or a folder (one PNG each).")


def save(blocks: Iterator[Tensor], n: int, model: GenerativeModel, out: Path, say: Say) -> Path:
    """Write examples as one grid (.png), as an array `x` in data space (.npz), or as one PNG each (a folder)."""
    require_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix:
        x = torch.cat(list(blocks))
        if out.suffix == ".png":
            pictures.draw(x, model.space, out)
        else:
            np.savez_compressed(out, x=x.numpy())
        return out
    if len(model.space.shape) != 3:
        raise ValueError(
            f"a folder of pictures needs pictures; these examples have shape {model.space.shape}. Use .npz."
        )
    out.mkdir(parents=True, exist_ok=True)
    done, digits = 0, len(str(n - 1))
    for block in blocks:
        for image in pictures.pixels(block, model.space):
            pictures.as_image(image).save(out / f"{done:0{digits}d}.png")
            done += 1
        if done % (16 * BLOCK) == 0:
            say(f"{done} of {n} pictures")
    return out
