"""Grids of images, clouds of points and curves of sequences, as PNG files."""

from __future__ import annotations

import dataclasses
import gc
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from veridical.atomic import replacing
from veridical.data.batch import Batch
from veridical.data.preprocess import to_uint8
from veridical.data.space import Space
from veridical.model import Restorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(x: Tensor, space: Space, path: Path, *, behind: Tensor | None = None, columns: int | None = None) -> None:
    """Draw examples in the form of their kind.

    Images and lattices: a grid. One-dimensional lattices: one row of pixels per example. Sequences: curves. Vectors: a
    scatter plot over the real examples (`behind`).

    Args:
        x: (n, *space.shape) examples in data space.
        space: space of the examples.
        path: path of the PNG file.
        behind: real examples for the background of a scatter plot; if these are x, they are drawn alone.
        columns: columns of a grid; None: as many as rows.
    """
    if len(space.shape) == 3:
        write(grid(pixels(x, space), columns), path)
    elif space.kind == "sequence":
        curves(x, path, space.sample_rate)
    elif len(space.shape) == 2:
        lines = x.transpose(0, 1)[None]  # (1, C, n, L): every row is an example
        write(grid(pixels(lines, dataclasses.replace(space, shape=tuple(lines.shape[1:])))), path)
    else:
        scatter(None if x is behind else x, path, behind)


def how_many(space: Space) -> int:
    """Return the number of examples in a drawing of this space."""
    return {"sequence": 16, "vector": 2000}.get(space.kind, 64)


def pixels(x: Tensor, space: Space) -> np.ndarray:
    """Return examples (n, C, H, W) of data space as (n, H, W, C) uint8, 0 the lowest and 255 the highest value."""
    if space.support is None:
        low, high = float(x.min()), float(x.max())
        space = dataclasses.replace(space, support=(low, high if high > low else low + 1.0), levels=None)
    full = dataclasses.replace(space, levels=256)
    return to_uint8(x.cpu(), full).permute(0, 2, 3, 1).numpy()


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> Image.Image:
    """Arrange (n, H, W, C) uint8 images row by row; small ones are enlarged without smoothing."""
    n, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows, scale = math.ceil(n / columns), max(1, 56 // max(height, width))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale, width * scale
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return as_image(sheet)


def draw_restored(batch: Batch, model: Restorer, space: Space, path: Path) -> None:
    """Draw training images above what a model restores of them.

    Args:
        batch: the images, from left to right, on the device of the model.
        model: restores them.
        space: of the images.
        path: path of the PNG file.
    """
    with torch.no_grad():
        both = torch.cat([batch.x, model.restore(batch)]).cpu()
    write(grid(pixels(both, space), columns=len(batch.x)), path)


def as_image(array: np.ndarray) -> Image.Image:
    """Return (H, W, C) uint8 as an image: 1 channel grey, 3 colour, otherwise the mean of the channels."""
    if array.shape[2] not in (1, 3):
        array = array.mean(axis=2, keepdims=True).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def scatter(x: Tensor | None, path: Path, behind: Tensor | None = None) -> None:
    """Draw a scatter plot of the first two components of vectors of a model, over those of real examples."""
    canvas_to_file(_cloud(x, behind), path)


def _cloud(x: Tensor | None, behind: Tensor | None) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for points, colour, label in ((behind, "#bbbbbb", "real"), (x, "#d1495b", "model")):
        if points is not None:
            second = points[:, min(1, points.shape[1] - 1)].cpu()
            axes.scatter(points[:, 0].cpu(), second, s=4, c=colour, label=label, linewidths=0)
    if behind is not None:
        low, high = behind.amin(0).cpu().numpy(), behind.amax(0).cpu().numpy()
        pad = 0.15 * (high - low)
        axes.set_xlim(float(low[0] - pad[0]), float(high[0] + pad[0]))
        last = min(1, len(low) - 1)
        axes.set_ylim(float(low[last] - pad[last]), float(high[last] + pad[last]))
        axes.legend(loc="upper right", markerscale=3)
    figure.tight_layout()
    return figure


def curves(x: Tensor, path: Path, sample_rate: float | None = None) -> None:
    """Draw sequences (n, C, T), one above the other, one colour per channel; time in seconds if the rate is known."""
    canvas_to_file(_lines(x, sample_rate), path)


def _lines(x: Tensor, sample_rate: float | None) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n, _, steps = x.shape
    figure = Figure(figsize=(8, 1 + 0.5 * n), dpi=100)
    FigureCanvasAgg(figure)
    time = np.arange(steps) / (sample_rate or 1.0)
    for i, axes in enumerate(figure.subplots(n, 1, sharex=True, sharey=True, squeeze=False)[:, 0]):
        axes.plot(time, x[i].cpu().T.numpy(), linewidth=0.6)
        axes.set_yticks([])
        axes.margins(x=0)
        if i == n - 1:
            axes.set_xlabel("time in s" if sample_rate else "step")
    figure.tight_layout(h_pad=0.1)
    return figure


def canvas_to_file(figure: Figure, path: Path) -> None:
    """Save a matplotlib figure to a temporary file and rename it; the figure must not be used afterwards.

    The parts of a figure refer to each other. Without a collection, Python keeps some thirty of them, 1.4 MB each.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary)
    del figure
    gc.collect()


def write(image: Image.Image, path: Path) -> None:
    """Save an image to a temporary file and rename it."""
    with replacing(path) as temporary:
        image.save(temporary)
