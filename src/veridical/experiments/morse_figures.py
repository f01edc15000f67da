"""Pictures of samples that flow in a landscape: maps with ways and sinks, and an animation."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIDE, HEIGHT, POINTS = 2.0, 4.0, 161
"""Half the side of a map; log ratio at which the colours end at most, nats; places along a side."""

NEAR = 1.5
"""Half the side of the pictures of where samples end."""

SHOWN = 220
"""Samples whose ways are drawn."""

INK, SINK = "#1a1a1a", "#ffd23f"


@dataclass(frozen=True)
class Ways:
    """The flow of samples in a landscape, at some times."""

    title: str
    landscapes: Sequence[Callable[[Any], Any]]
    """Log ratio of (B, 2) places at every time; one that stays is the only one."""

    x: Sequence[Any] = field(default_factory=list)
    """(n, 2) samples at every time, the first at the start."""


def draw(ways: Sequence[Ways], ends: Mapping[str, Any], path: Path) -> None:
    """Draw the landscapes with the ways of the samples, and below where the samples end.

    Args:
        ways: one panel each.
        ends: sets of samples, by name; those that a panel ends with, and the data.
        path: of the PNG file.
    """
    figure = _figure(4 * len(ways), 8.6, 110)
    panels = figure.subplots(2, len(ways))
    for axes, below, way in zip(*panels, ways, strict=True):
        image = _map(axes, way.landscapes[0], height_of(way))
        figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.75, aspect=30, pad=0.02)
        _paths(axes, way)
        if len(way.landscapes) == 1:
            _sinks(axes, way)
        axes.set_title(way.title, fontsize=11)
        _cloud(below, way.x[-1], ends["data"])
    panels[1][0].set_ylabel("where they end, data in red", fontsize=10)
    panels[0][0].set_ylabel("log ratio at the start, nats, and ways", fontsize=10)
    figure.savefig(path)


def height_of(way: Ways) -> float:
    """Return the log ratio at which the colours of a panel end: what nearly all of its samples see at their start."""
    import torch

    with torch.no_grad():
        z = way.landscapes[0](way.x[0]).abs()
    return max(0.1, min(HEIGHT, round(float(z.quantile(0.98)), 1)))


def animate(ways: Sequence[Ways], path: Path, frames: int) -> None:
    """Write an animation of the samples, with the landscape of every time.

    Args:
        ways: one panel each, with the same number of times.
        path: of the GIF file.
        frames: number of times after the start.
    """
    import numpy as np
    from PIL import Image

    pictures = []
    for i in range(frames + 1):
        figure = _figure(3.6 * len(ways), 4.0, 120)
        for axes, way in zip(np.atleast_1d(figure.subplots(1, len(ways))), ways, strict=True):
            _map(axes, way.landscapes[min(i, len(way.landscapes) - 1)])
            x = way.x[i].numpy()[:600]
            axes.plot(x[:, 0], x[:, 1], ".", color=INK, markersize=2.5, alpha=0.8)
            axes.set_title(way.title, fontsize=10)
        with io.BytesIO() as buffer:
            figure.savefig(buffer, format="png")
            pictures.append(Image.open(buffer).convert("RGB"))
    palette = pictures[-1].quantize(48) if len(pictures) < 2 else _both(pictures).quantize(48)
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [700] + [80] * (frames - 1) + [2500]
    small[0].save(path, save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True)


def _both(pictures: Sequence[Any]) -> Any:
    """Return the first and the last picture in one, from which the colours of all are taken."""
    from PIL import Image

    first, last = pictures[0], pictures[-1]
    both = Image.new("RGB", (first.width, 2 * first.height))
    both.paste(first, (0, 0))
    both.paste(last, (0, first.height))
    return both


def _map(axes: Any, logits: Any, height: float = HEIGHT) -> Any:
    """Draw the landscape in colours, white where the ratio is one, with lines of equal height."""
    import numpy as np

    line = np.linspace(-SIDE, SIDE, POINTS)
    z = heights(logits)
    image = axes.imshow(
        z,
        extent=(-SIDE, SIDE, -SIDE, SIDE),
        origin="lower",
        cmap="RdBu_r",
        vmin=-height,
        vmax=height,
        interpolation="bilinear",
    )
    levels = height * np.linspace(-1, 1, 9)
    axes.contour(line, line, z, levels=levels, colors=INK, linewidths=0.4, alpha=0.35, linestyles="solid")
    axes.set_xlim(-SIDE, SIDE)
    axes.set_ylim(-SIDE, SIDE)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    return image


def heights(logits: Any) -> Any:
    """Return (POINTS, POINTS) values of the landscape, of equal y in a row, as an array."""
    import torch

    line = torch.linspace(-SIDE, SIDE, POINTS)
    x = torch.cartesian_prod(line, line).flip(1)  # rows of equal y
    with torch.no_grad():
        z = logits(x)
    return z.reshape(POINTS, POINTS).numpy()


def _paths(axes: Any, way: Ways) -> None:
    """Draw the ways of some samples, an open circle at the start and a dot at the end."""
    import torch

    x = torch.stack(list(way.x))[:, :SHOWN].numpy()
    axes.plot(x[:, :, 0], x[:, :, 1], color=INK, linewidth=0.5, alpha=0.45)
    axes.plot(x[0, :, 0], x[0, :, 1], "o", markersize=2.6, color="white", markeredgecolor=INK, markeredgewidth=0.4)
    axes.plot(x[-1, :, 0], x[-1, :, 1], ".", markersize=3.2, color=INK)


def _sinks(axes: Any, way: Ways) -> None:
    """Mark the maxima that draw at least 1 % of the samples, larger for more."""
    for x, y, share in sinks(way):
        axes.plot(x, y, "*", markersize=7 + 22 * share**0.5, color=SINK, markeredgecolor=INK, markeredgewidth=0.7)


def sinks(way: Ways, least: float = 0.01) -> list[tuple[float, float, float]]:
    """Return maxima of a landscape that stays, with the share of samples that end nearest to each.

    Args:
        way: whose first landscape is searched, on the grid of the map.
        least: share of samples.
    """
    import torch
    import torch.nn.functional as F

    z = torch.from_numpy(heights(way.landscapes[0]))[None, None]
    inside = F.pad(F.max_pool2d(z, 5, stride=1), (2, 2, 2, 2), value=float("inf"))
    rows, columns = torch.nonzero((z == inside)[0, 0], as_tuple=True)
    line = torch.linspace(-SIDE, SIDE, POINTS)
    places = torch.stack([line[columns], line[rows]], dim=1)
    if not len(places):
        return []
    shares = torch.cdist(way.x[-1], places).argmin(dim=1).bincount(minlength=len(places)) / len(way.x[-1])
    return [(*place.tolist(), float(share)) for place, share in zip(places, shares, strict=True) if share >= least]


def _cloud(axes: Any, x: Any, data: Any) -> None:
    """Draw samples over data."""
    axes.plot(*data.numpy().T, ".", color="#d1495b", markersize=1.6, alpha=0.35, rasterized=True)
    axes.plot(*x.numpy().T, ".", color="#26547c", markersize=2.4, alpha=0.55, rasterized=True)
    axes.set_xlim(-NEAR, NEAR)
    axes.set_ylim(-NEAR, NEAR)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def _figure(width: float, height: float, dpi: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
