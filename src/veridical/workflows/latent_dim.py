r"""The smallest dimension of codes from which images can be restored to a stated accuracy.

A decoder with one learned code for each image (`families/glo.py`) is trained for 1, 2, 4, ... dimensions until enough
images have at least the wanted peak signal-to-noise ratio, then for dimensions between the last that failed and the
first that sufficed, halving the distance. The answer is a dimension that suffices while the next smaller one does not,
for this network and this number of steps: a wider network or a longer training can need less.

Two other numbers are stated with it. So many principal components reach the same accuracy, which is what a decoder
without layers needs at best. The intrinsic dimension of the data (`evaluation/dimension.py`) is what their
neighbourhoods look like, and no network.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veridical.atomic import require_free, write_atomically
from veridical.config.families.glo import GLOConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.principal import principal_components
from veridical.evaluation.dimension import NEIGHBOURS, IntrinsicDimension, intrinsic_dimension
from veridical.evaluation.restoration import BEST, restored
from veridical.families.glo import GLO
from veridical.model import Facts
from veridical.objectives.reconstruction import decibels
from veridical.training.callbacks import generators_kept
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.workflows import images
from veridical.workflows.progress import Say
from veridical.workflows.sample import free_name

SHOWN = 16
"""Number of images in the panel of restored ones."""


@dataclass(frozen=True)
class Goal:
    """What counts as restored."""

    psnr: float = 35.0
    """Peak signal-to-noise ratio of an image, in dB."""

    share: float = 1.0
    """Share of the images that reach it."""

    def met(self, ratios: Tensor) -> bool:
        """Return whether images with these ratios (n,) meet it."""
        return float((ratios >= self.psnr).double().mean()) >= self.share


@dataclass(frozen=True)
class Trial:
    """One training."""

    dim: int
    """Dimension of the codes."""

    worst: float
    """Smallest ratio of an image, in dB."""

    median: float
    """Median ratio, in dB."""

    share: float
    """Share of images with the wanted ratio."""

    suffices: bool
    seconds: float


@dataclass(frozen=True)
class LatentDimension:
    """The smallest dimension, and what was tried."""

    dim: int | None
    """The smallest dimension that suffices, where the next smaller one does not; None: none that was tried."""

    goal: Goal
    n: int
    """Number of images."""

    trials: tuple[Trial, ...]
    """By dimension."""

    principal: int | None
    """Smallest number of principal components that suffices; None: more than were computed."""

    principal_curve: tuple[tuple[int, float, float], ...]
    """(dimension, worst, median) of principal components, in dB."""

    intrinsic: IntrinsicDimension | None
    """Estimates of the dimension of the images themselves; None: too few different images."""

    def with_trial(self, trial: Trial) -> LatentDimension:
        """Return the same after one more training."""
        trials = tuple(sorted((*self.trials, trial), key=lambda t: t.dim))
        return replace(self, trials=trials, dim=next((t.dim for t in trials if t.suffices), None))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@generators_kept()
def find_latent_dim(
    data: ArrayData,
    goal: Goal | None = None,
    *,
    config: GLOConfig | None = None,
    n: int = 100,
    steps: int = 2_000,
    batch_size: int = 50,
    most: int = 128,
    seed: int = 0,
    device: str = "cpu",
    out: Path | None = None,
    say: Say = print,
) -> LatentDimension:
    """Find the smallest dimension of codes from which images can be restored (module docstring).

    Args:
        data: bounded; n of them are chosen by the seed.
        goal: what counts as restored; None: all of them with 35 dB.
        config: network, loss and optimiser; the dimension is set here. None: the defaults.
        n: number of images.
        steps: of every training.
        batch_size: images per step.
        most: largest dimension that is tried.
        seed: of the choice, the weights and the order.
        device: where it is trained.
        out: new folder for latent-dim.json, latent-dim.png and restored.png; None: nothing is written.
        say: called with a line for every training.

    Raises:
        ValueError: data without bounds.
        OutputExistsError: `out` exists.
    """
    if data.space.support is None:
        raise ValueError(f"{data.name} has no bounds; a ratio in dB needs them. Choose images or other bounded data.")
    if out is not None:
        require_free(out)
    goal, config = goal or Goal(), config or GLOConfig()
    some, engine = chosen(data, n, seed), Engine(device)
    found = untried(some, goal, most)
    best: tuple[GLO, Tensor] | None = None

    def suffices(dim: int) -> bool:
        nonlocal found, best
        began = time.perf_counter()
        model = trained(some, replace(config, latent_dim=dim), steps, batch_size, seed, engine)
        ratios, _ = restored(model, some, torch.arange(len(some)), engine.device)
        trial = judged(dim, ratios, goal, time.perf_counter() - began)
        found = found.with_trial(trial)
        if found.dim == dim:
            best = model, ratios
        say(line_of(trial, goal))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(out / "latent-dim.json", json.dumps(found.to_json(), indent=2))
        return trial.suffices

    smallest(suffices, most)
    if out is not None:
        images.canvas_to_file(figure(found), out / "latent-dim.png")
        if best is not None and len(some.space.shape) == 3:
            write_restored(*best, some, out / "restored.png")
    return found


def untried(data: ArrayData, goal: Goal, most: int) -> LatentDimension:
    """Return what is known of the images before any training."""
    curve, principal = principal_curve(data, goal, most)
    x = data.batch(torch.arange(len(data)), "cpu").x.unique(dim=0)
    intrinsic = intrinsic_dimension(x) if len(x) > NEIGHBOURS else None
    return LatentDimension(None, goal, len(data), (), principal, curve, intrinsic)


def smallest(suffices: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest of 1, ..., most that suffices, if all larger ones do too; None: the largest does not.

    Args:
        suffices: called once for each dimension that is tried.
        most: largest dimension.

    Examples:
        >>> smallest(lambda dim: dim >= 11, 64)
        11
    """
    low, high = 0, 1
    while not suffices(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


def trained(data: ArrayData, config: GLOConfig, steps: int, batch_size: int, seed: int, engine: Engine) -> GLO:
    """Return a decoder with a code for each image, trained from principal components.

    Args:
        data: the images.
        config: of the model.
        steps: of the training.
        batch_size: images per step, at most all.
        seed: of the weights and the order.
        engine: device and arithmetic.
    """
    torch.manual_seed(seed)
    model = GLO(config, Facts(data.space, len(data)))
    model.start_from(data)
    engine.place(model)
    loader = Loader(data, min(batch_size, len(data)), seed=seed, device=engine.device)
    fit(State(model, steps=steps), loader, engine, log_every=steps)
    return model.eval()


def judged(dim: int, ratios: Tensor, goal: Goal, seconds: float) -> Trial:
    """Return the trial with these ratios (n,).

    Args:
        dim: dimension of the codes.
        ratios: in dB.
        goal: what counts as restored.
        seconds: of the training.
    """
    share = float((ratios >= goal.psnr).double().mean())
    return Trial(dim, float(ratios.min()), float(ratios.median()), share, goal.met(ratios), seconds)


def chosen(data: ArrayData, n: int, seed: int) -> ArrayData:
    """Return n of the examples, or all if there are fewer, in their order."""
    if n >= len(data):
        return data
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n].sort().values
    return data.subset(rows)


def principal_curve(data: ArrayData, goal: Goal, most: int) -> tuple[tuple[tuple[int, float, float], ...], int | None]:
    """Return (dimension, worst, median) in dB of principal components, and the smallest number that suffices."""
    assert data.space.support is not None
    low, high = data.space.support
    count = min(data.space.dim, max(most, 256))
    mse = principal_components(data, count).errors(data) / data.space.dim
    ratios = decibels(mse, high - low).clamp(max=BEST)
    curve = tuple((k, float(ratios[:, k].min()), float(ratios[:, k].median())) for k in range(1, count + 1))
    enough = (k for k in range(1, count + 1) if goal.met(ratios[:, k]))
    return curve, next(enough, None)


def line_of(trial: Trial, goal: Goal) -> str:
    """Return a trial as a line of text."""
    verdict = "suffices" if trial.suffices else "does not suffice"
    return (
        f"{trial.dim:>4} dimensions: {100 * trial.share:5.1f} % of the images with {goal.psnr:g} dB (worst "
        f"{trial.worst:.1f}, median {trial.median:.1f}); {verdict}; {trial.seconds:.0f} s"
    )


def summary(found: LatentDimension) -> list[str]:
    """Return what was found, in sentences."""
    goal, n = found.goal, f"{found.n:,} images"
    enough = "all" if found.goal.share == 1 else f"{100 * goal.share:g} % of the"
    if found.dim is None:
        tried = f"up to {found.trials[-1].dim} " if found.trials else ""
        lines = [f"None of the dimensions {tried}restores {enough} {n} with {goal.psnr:g} dB. Train longer or wider."]
    else:
        lines = [f"{found.dim} dimensions restore {enough} {n} with {goal.psnr:g} dB; fewer do not, at this budget."]
    lines.append(
        f"Principal components: {found.principal} are needed."
        if found.principal is not None
        else f"Principal components: more than {len(found.principal_curve)} are needed."
    )
    if found.intrinsic is not None:
        d = found.intrinsic
        lines.append(
            f"Intrinsic dimension: {d.likelihood:.1f} ({d.likelihood_interval[0]:.1f} to "
            f"{d.likelihood_interval[1]:.1f}) by maximum likelihood of {d.neighbours} neighbours, {d.two_nearest:.1f} "
            f"({d.two_nearest_interval[0]:.1f} to {d.two_nearest_interval[1]:.1f}) by the two nearest."
        )
    return lines


def default_output(name: str, n: int) -> Path:
    """Return latent-dim/NAME-nN; a number is added if it exists."""
    return free_name(Path("latent-dim") / f"{name}-n{n}")


def write_restored(model: GLO, ratios: Tensor, data: ArrayData, out: Path) -> None:
    """Write the images that are restored least accurately above what is restored of them.

    Args:
        model: restores them.
        ratios: (n,) of all images, in dB.
        data: the images.
        out: a new file.
    """
    rows = ratios.argsort()[:SHOWN]
    images.draw_restored(data.batch(rows, model.device), model, data.space, out)


def figure(found: LatentDimension) -> Any:
    """Return the curve: ratios by dimension, of learned codes and of principal components, and the estimates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(6.4, 4.2), dpi=130)
    FigureCanvasAgg(made)
    axes = made.add_subplot()
    dims = [trial.dim for trial in found.trials]
    learned, linear = "#2a6fbb", "#999999"
    axes.plot(dims, [t.median for t in found.trials], "o-", ms=4, color=learned, label="learned codes, median")
    axes.plot(dims, [t.worst for t in found.trials], "v--", ms=4, color=learned, label="learned codes, worst")
    k, worst, median = zip(*found.principal_curve, strict=True)
    axes.plot(k, median, "-", lw=1, color=linear, label="principal components, median")
    axes.plot(k, worst, "--", lw=1, color=linear, label="principal components, worst")
    axes.axhline(found.goal.psnr, color="black", lw=0.8, ls=":")
    if found.dim is not None:
        axes.axvline(found.dim, color="#c8553d", lw=1, label=f"smallest that suffices: {found.dim}")
    if found.intrinsic is not None:
        low, high = sorted((found.intrinsic.likelihood, found.intrinsic.two_nearest))
        axes.axvspan(low, high, color="#e8c468", alpha=0.5, lw=0, label=f"intrinsic dimension {low:.1f} to {high:.1f}")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("dimensions")
    axes.set_ylabel("peak signal-to-noise ratio, dB")
    axes.set_ylim(0, min(max([*median, *(t.median for t in found.trials)]), 2 * found.goal.psnr))
    ticks = [2**i for i in range(0, 9)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlim(0.9, max([*dims, found.principal or 1]) * 1.3)
    axes.legend(frameon=False, fontsize=8)
    made.tight_layout()
    return made
