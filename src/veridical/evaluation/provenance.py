"""The file before the model: whether format, range, orientation or the shares of classes explain a difference.

Samples are compared with data by an energy distance of coarse pixels. Where it shows a difference (by exchanging
samples and data), simple changes of the file are tried: if one of them removes most of the distance, it is named
before any verdict. JPEG leaves a grid in the cosine coefficients (`veridical.evaluation.compression`); classes are
those of the nearest examples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.data.space import Space
from veridical.evaluation.compression import compressed, measure_grid

MOST = 1_000
"""Samples, and examples of the data, that are looked at."""

FEWEST = 50
"""Of fewer nothing is inferred."""

REMAINS = 0.25
"""A change explains a difference if it leaves at most this share of it."""

SEEN = 0.005
"""Largest p-value of a difference that is to be explained: false alarms are rarer."""

_EXCHANGES = 399
_COARSE = 8  # pixels a side
_FINE = 0.1  # share of the finest detail below which images are smooth
_PLAINER = 0.1  # by which a rescaling must be better than a change that has a name
_VALUES = 1_000_000
_RARE = 0.25  # share of what the data have, below which a class is rare

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Explanation:
    """Something about the file that explains a difference."""

    cause: str
    """One word: jpeg, range, orientation, channels, classes, detail, values."""

    says: str
    """One sentence."""


def explanations(samples: Tensor, train: ArrayData, test: ArrayData | None, seed: int = 0) -> list[Explanation]:
    """Return what explains a difference between samples of a file and data, plainest first; often nothing.

    Args:
        samples: (n, *event) in data space.
        train: training data.
        test: held-out data; None: training data take their place.
        seed: of the choice of examples and of the exchanges.
    """
    data = train if test is None or len(test) < FEWEST else test
    random = torch.Generator().manual_seed(seed)
    x = samples[torch.randperm(len(samples), generator=random)[:MOST]].float()
    rows = torch.randperm(len(data), generator=random)[:MOST]
    if min(len(x), len(rows)) < FEWEST:
        return []
    batch = data.batch(rows, "cpu")
    found = [*_format(x, batch.x, train.space)]
    labels = batch.c if train.space.classes is not None and batch.c is not None and batch.c.ndim == 1 else None
    return [*found, *_changes(x, batch.x, train.space, labels, train.class_names, random)]


def _format(x: Tensor, data: Tensor, space: Space) -> Iterator[Explanation]:
    """Look for JPEG, and for values or detail that only one of the two has."""
    if space.kind != "image" or x.ndim != 4:
        return
    grids = measure_grid(x), measure_grid(data)
    if grids[0] is not None and grids[1] is not None:
        if compressed(grids[0], grids[1]):
            yield Explanation("jpeg", JPEG.format("samples", "data", "Save the samples as PNG"))
        elif compressed(grids[1], grids[0]):
            yield Explanation("jpeg", JPEG.format("data", "samples", "Part of the difference is theirs"))
    mine, theirs = (len(torch.unique((part * 127.5).round())) for part in (x, data))
    if min(mine, theirs) <= 4 and max(mine, theirs) >= 8 * min(mine, theirs):
        text = f"Ask about the file first: the samples have {mine} different values, the data {theirs}."
        yield Explanation("values", text)
    ratio = _detail(x) / max(_detail(data), 1e-12)
    if ratio < _FINE:
        yield Explanation("detail", SMOOTH.format(100 * ratio))


JPEG = (
    "Ask about the file first: the {0} were compressed as JPEG (their cosine coefficients in blocks of 8 x 8 lie on a "
    "grid), the {1} were not, which alone makes them differ. {2}."
)
SMOOTH = (
    "Ask about the file first: the samples have {0:.1f} % of the finest detail of the data. Were they enlarged from a "
    "smaller size, or resized with another filter? Otherwise the model blurs."
)
CHANGED = "Ask about the file first: {0}, the samples differ from the data by {1:.0f} % of what they do now. {2}"


def _detail(x: Tensor) -> float:
    """Return the share of power at wavelengths below about three pixels in both directions together."""
    power = torch.fft.rfft2(x - x.mean((2, 3), keepdim=True)).abs().square().mean((0, 1))
    far = torch.fft.fftfreq(x.shape[2]).abs()[:, None].square() + torch.fft.rfftfreq(x.shape[3]).square()
    return float(power[far > 0.35**2].sum() / power.sum().clamp(min=1e-12))


def _changes(
    x: Tensor,
    data: Tensor,
    space: Space,
    labels: Int64[Tensor, " m"] | None,
    names: tuple[str, ...] | None,
    random: torch.Generator,
) -> Iterator[Explanation]:
    """Try the changes one by one, and yield the best if it explains the difference.

    Args:
        x: samples.
        data: examples.
        space: of both.
        labels: of the examples.
        names: of the classes.
        random: of the exchanges.
    """
    real = coarse(data)
    now, p = difference(coarse(x), real, random)
    if p > SEEN:
        return
    best: tuple[float, tuple[str, str, str]] | None = None
    for words, change in _candidates(x, data, space):
        moved = change(x)
        share = energy_distance(coarse(moved), real) / now
        better = best is None or share < best[0] - (_PLAINER if words[0] == "scale" else 0.0)
        if share <= REMAINS and better and (words[0] != "scale" or _same_values(x, moved, data)):
            best = share, words
    if best is not None:
        share, (cause, how, question) = best
        yield Explanation(cause, CHANGED.format(how, 100 * max(share, 0.0), question))
    elif labels is not None and (text := _classes(x, data, labels, now, names)):
        yield Explanation("classes", text)


def _same_values(x: Tensor, moved: Tensor, data: Tensor) -> bool:
    """Return whether a change brings the values, each by itself, near those of the data: noise stays noise."""
    at = torch.linspace(0.01, 0.99, 99)
    mine, after, theirs = (torch.quantile(part.flatten()[:_VALUES], at) for part in (x, moved, data))
    return bool((after - theirs).abs().mean() <= REMAINS**0.5 * (mine - theirs).abs().mean())


def coarse(x: Tensor) -> Float[Tensor, "n d"]:
    """Return images averaged to at most 8 x 8 pixels per channel, flat; other examples flat."""
    if x.ndim == 4 and max(x.shape[2:]) > _COARSE:
        x = F.adaptive_avg_pool2d(x, (min(_COARSE, x.shape[2]), min(_COARSE, x.shape[3])))
    return x.flatten(1).double()


def difference(x: Tensor, y: Tensor, random: torch.Generator) -> tuple[float, float]:
    """Return the energy distance of two sets (n, d), and its p-value by exchanges."""
    pooled, n = torch.cat([x, y]), len(x)
    distances = torch.cdist(pooled, pooled)
    orders = torch.stack([torch.randperm(len(pooled), generator=random) for _ in range(_EXCHANGES)])
    labels = torch.zeros(1 + _EXCHANGES, len(pooled), dtype=torch.float64)
    labels[0, :n] = 1
    labels[1:].scatter_(1, orders[:, :n], 1.0)
    values = _energies(distances, labels)
    return float(values[0]), float((values >= values[0]).double().mean())


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Return the energy distance of two sets (n, d) and (m, d), without bias: about 0 if they are alike."""
    labels = torch.cat([torch.ones(len(x)), torch.zeros(len(y))]).double()[None]
    pooled = torch.cat([x, y])
    return float(_energies(torch.cdist(pooled, pooled), labels)[0])


def _energies(distances: Tensor, labels: Tensor) -> Float[Tensor, " labellings"]:
    """Return the energy distance of every labelling (labellings, n + m) of a pool."""
    n, m = labels.sum(1), (1 - labels).sum(1)
    mine = labels @ distances
    within, across = (mine * labels).sum(1), (mine * (1 - labels)).sum(1)
    other = distances.sum() - within - 2 * across
    return 2 * across / (n * m) - within / (n * (n - 1)) - other / (m * (m - 1))


def _candidates(x: Tensor, data: Tensor, space: Space) -> Iterator[tuple[tuple[str, str, str], Change]]:
    """Yield changes of samples, each with its cause, its words and a question."""
    if space.support is not None and space.kind != "lattice":
        yield from _ranges(space.support)
    if x.ndim == 4 and x.shape[1] == 3:
        question = "Are red and blue exchanged (BGR)?"
        yield ("channels", "with the channels in the other order", question), lambda v: v.flip(1)
    if x.ndim == 4:
        yield from _turns(x.shape[2] == x.shape[3])
    a = float(data.std() / x.std().clamp(min=1e-6))
    b = float(data.mean() - a * x.mean())
    how = f"multiplied by {a:.3f} and moved by {b:+.3f} in data space"
    yield ("scale", how, "Were they normalised otherwise, or brightened?"), lambda v: a * v + b


def _ranges(support: tuple[float, float]) -> Iterator[tuple[tuple[str, str, str], Change]]:
    low, high = support
    middle, half = (low + high) / 2, (high - low) / 2

    def of(change: Change) -> Change:
        return lambda v: middle + half * change((v - middle) / half)

    yield ("range", "inverted", "Are black and white exchanged?"), of(lambda v: -v)
    read = "moved from {} to {}", "Give the range of the file (--value-range)."
    yield ("range", read[0].format("[0, 1]", "[-1, 1]"), read[1]), of(lambda v: 2 * v - 1)
    yield ("range", read[0].format("[-1, 1]", "[0, 1]"), read[1]), of(lambda v: (v + 1) / 2)
    question = "Were they divided by 255 twice?"
    yield ("range", "multiplied by 255", question), of(lambda v: (255 * (v + 1) - 1).clamp(-1, 1))


def _turns(square: bool) -> Iterator[tuple[tuple[str, str, str], Change]]:
    question = "How are rows and columns stored?"
    flips: list[tuple[str, Any]] = [("upside down", (2,)), ("mirrored", (3,)), ("turned by half", (2, 3))]
    for how, axes in flips:
        yield ("orientation", how, question), lambda v, axes=axes: v.flip(axes)
    for how, axes in (("transposed", ()), ("turned right", (3,)), ("turned left", (2,))) if square else ():
        yield ("orientation", how, question), lambda v, axes=axes: v.transpose(2, 3).flip(axes)


def _classes(x: Tensor, data: Tensor, labels: Int64[Tensor, " m"], now: float, names: tuple[str, ...] | None) -> str:
    """Describe shares of classes that explain the difference; empty if they do not.

    Samples and examples have the class of their nearest example (but themselves); the data are weighted to the shares
    of the samples.

    Args:
        x: samples.
        data: examples.
        labels: of the examples.
        now: energy distance of both.
        names: of the classes.
    """
    mine, real = coarse(x), coarse(data)
    theirs = torch.cdist(real, real).fill_diagonal_(torch.inf).argmin(1)
    counts = [
        torch.bincount(labels[rows], minlength=int(labels.max()) + 1).double()
        for rows in (torch.cdist(mine, real).argmin(1), theirs)
    ]
    shares = [count / count.sum() for count in counts]
    weights = (shares[0] / shares[1].clamp(min=1e-9))[labels[theirs]]
    if _weighted_distance(mine, real, weights) > REMAINS * now:
        return ""
    rare = [c for c in range(len(shares[0])) if shares[0][c] < _RARE * shares[1][c]]
    listed = ", ".join(names[c] if names and c < len(names) else str(c) for c in rare)
    what = f"the classes {listed} are rare or missing among the samples" if rare else "the shares of classes differ"
    return (
        f"Ask about the file first: {what}, and data with the same shares of classes differ by at most "
        f"{100 * REMAINS:.0f} % of what these do. Is it the first part of a sorted list, or were labels drawn at other "
        "frequencies?"
    )


def _weighted_distance(x: Tensor, y: Tensor, weights: Tensor) -> float:
    """Return the energy distance of x (n, d) to y (m, d) with weights (m,)."""
    w, n = weights / weights.sum(), len(x)
    across = float((torch.cdist(x, y) @ w).mean())
    within = float(torch.cdist(x, x).sum() / (n * (n - 1)))
    other = float(w @ torch.cdist(y, y) @ w / (1 - w.square().sum()))
    return 2 * across - within - other
