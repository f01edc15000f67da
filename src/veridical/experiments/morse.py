r"""Do samples that flow along a discriminator become data?

QUESTION  Samples climb the discriminator's landscape. Where do they end if it stays as it is, as in refinement, and
          where if it is learned anew along the way?
COMMAND   veridical experiment morse
TIME      3 minutes on two cores
EXPECTED  at the maxima of the landscape if it stays (1-NN accuracy .998 from noise, .87 from a GAN's samples); if it is
          learned anew, noise ends at the data by energy distance (.000, before .048), width (.99) and quality (.98),
          but a nearest neighbour still sees a difference (.62); a GAN's modes become as wide as those of the data (.98,
          before .87), their shares worse

Eight Gaussians of width 0.1 on the unit circle. A GAN is trained for a short time; its discriminator is a landscape
with the logarithm of the density ratio as its height. Samples:

- `GAN`: as it draws;
- `GAN, refined`: moved along its discriminator for 25 steps of a hundredth of the variance, as `sample --refine kl`
  does where it need not halve them;
- `GAN, its discriminator`: moved on, to the maxima;
- `GAN, learned`: moved along a ratio that is learned anew at every step (`latent/learned_flow.py`);
- `noise, kept`: standard normal noise along the ratio of noise and data;
- `noise, learned`: the same noise along a ratio that is learned anew.

The learned flows are measured on draws that had no part in learning them. Two figures: `morse.png`, landscapes with the
ways of the samples and where they end; `morse.gif`, noise in the landscape that stays and in the one that answers.
Measures: the energy distance to fresh draws, the accuracy of the nearest neighbour as a classifier of both (and both
numbers of two sets of fresh draws), modes, share of high quality, width of the modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from veridical.experiments.experiment import Experiment, Outcome, Say
from veridical.experiments.morse_figures import Ways, animate, draw

WIDTH = 0.1
"""Of the Gaussians."""

DATA, NOISE, GAN = "data", "noise", "GAN"
KEPT = {GAN: "GAN, its discriminator", NOISE: "noise, kept"}
LEARNED = {GAN: "GAN, learned", NOISE: "noise, learned"}
"""By what the samples start from."""

REFINED = "GAN, refined"

CLOSE = 0.55
"""1-NN accuracy up to which samples count as data."""


@dataclass(frozen=True)
class Preset:
    """Sizes of the experiment."""

    seeds: int = 3
    examples: int = 20_000
    gan_steps: int = 600
    particles: int = 2_000
    samples: int = 2_000
    n_steps: int = 200
    updates: int = 20
    first_updates: int = 2_000
    frames: int = 48


FULL = Preset()
QUICK = Preset(1, 500, 3, 100, 100, 4, 2, 2, 3)


def run(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    """Train, let samples flow, measure and draw.

    Args:
        folder: folder of the figures.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds.
        say: called with each line of progress.
    """
    preset, rows = QUICK if quick else FULL, []
    for i in range(preset.seeds):
        found, ways, ends = flows(seed * preset.seeds + i, preset)
        rows += found
        if i == 0:
            draw(ways, ends, folder / "morse.png")
            animate(ways[1:], folder / "morse.gif", preset.frames)
        say(f"seed {seed * preset.seeds + i}: " + _line(found))
    say(table(rows))
    return Outcome(verdict(rows), {"preset": asdict(preset), "rows": rows})


def flows(seed: int, preset: Preset) -> tuple[list[dict[str, Any]], list[Ways], dict[str, Any]]:
    """Return the measures of all sets of one seed, the ways to be drawn, and the sets.

    Args:
        seed: of data, networks and noise.
        preset: sizes.
    """
    import torch

    from veridical.data.dataset import ArrayData
    from veridical.latent.learned_flow import RatioNetwork, learn
    from veridical.latent.refinement import normalised, refine
    from veridical.sampling import draw as draw_samples
    from veridical.targets import GaussianMixture, ring

    truth = GaussianMixture(ring().means, WIDTH, name="ring")
    random = torch.Generator().manual_seed(1_000 + seed)
    data = truth.sample(preset.examples, random).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gan = _trained(ArrayData(data, name="ring", target=truth), seed, preset.gan_steps)
        networks = {name: RatioNetwork(2) for name in (GAN, NOISE)}
    n, m = preset.samples, preset.particles
    drawn = draw_samples(gan, n + m, seed=seed)
    log_ratio = normalised(lambda x: gan.logits(x, None), drawn)
    starts = {GAN: drawn[:n], NOISE: torch.randn(n, 2, generator=random)}
    particles = {GAN: drawn[n:], NOISE: torch.randn(m, 2, generator=random)}
    learned = {
        name: learn(
            data,
            particles[name],
            networks[name],
            n_steps=preset.n_steps,
            updates=preset.updates,
            first_updates=preset.first_updates,
            generator=random,
        )
        for name in networks
    }
    time = sum(learned[NOISE].steps)
    ways = [
        kept("GAN: its own discriminator stays", log_ratio, starts[GAN], time, preset),
        kept("noise: the first discriminator stays", learned[NOISE].logits(0), starts[NOISE], time, preset),
        followed("noise: learned anew at every step", learned[NOISE], starts[NOISE], preset.frames),
    ]
    variance = float(data.var(dim=0).mean())
    ends = {
        DATA: truth.sample(n, random).float(),
        NOISE: starts[NOISE],
        GAN: starts[GAN],
        REFINED: refine(log_ratio, starts[GAN], step=0.01 * variance, n_steps=25),
        KEPT[GAN]: ways[0].x[-1],
        LEARNED[GAN]: learned[GAN].transport(starts[GAN]),
        KEPT[NOISE]: ways[1].x[-1],
        LEARNED[NOISE]: ways[2].x[-1],
    }
    fresh = truth.sample(n, random).float()
    return [{"seed": seed, "samples": name, **measured(x, fresh, truth)} for name, x in ends.items()], ways, ends


def _trained(data: Any, seed: int, steps: int) -> Any:
    """Return a GAN of the default recipe, in evaluation mode."""
    from veridical.config import GANConfig
    from veridical.data.loader import Loader
    from veridical.families.gan import GAN as Model
    from veridical.training.fit import State, fit

    model = Model(GANConfig(width=64, latent_dim=2, fourier_octaves=3), data.space)
    fit(State(model, steps=steps), Loader(data, 256, seed=seed), log_every=steps)
    return model.eval()


def kept(title: str, logits: Callable[[Any], Any], x: Any, time: float, preset: Preset) -> Ways:
    """Move samples along one landscape for twice the time; return the places at every frame.

    Args:
        title: of the panel.
        logits: the landscape.
        x: (n, 2) samples at the start.
        time: of the flow that is learned.
        preset: sizes.
    """
    from veridical.latent.refinement import refine

    places, inner = [x], max(1, 2 * preset.n_steps // preset.frames)
    for _ in range(preset.frames):
        x = refine(logits, x, step=2 * time / (preset.frames * inner), n_steps=inner)
        places.append(x)
    return Ways(title, [logits], places)


def followed(title: str, flow: Any, x: Any, frames: int) -> Ways:
    """Move samples along the landscapes that were learned; return places and landscapes at every frame.

    Args:
        title: of the panel.
        flow: a `LearnedFlow`.
        x: (n, 2) samples at the start.
        frames: number of times after the start.
    """
    n = len(flow.steps)
    times = [round(n * (i / frames) ** 1.5) for i in range(frames + 1)]
    places = [x]
    for before, after in pairwise(times):
        places.append(flow.transport(places[-1], first=before, last=after))
    return Ways(title, [flow.logits(min(t, n - 1)) for t in times], places)


def measured(x: Any, fresh: Any, truth: Any) -> dict[str, float]:
    """Return the distances of samples from fresh draws, and their modes.

    Args:
        x: (n, 2) samples.
        fresh: (m, 2) draws of the distribution.
        truth: the distribution.
    """
    from veridical.evaluation.c2st import nearest_neighbour_accuracy
    from veridical.evaluation.coverage import measure_modes
    from veridical.evaluation.provenance import energy_distance

    x, fresh = x.double(), fresh.double()
    modes = {m.name: m.value for m in measure_modes(x, truth)}
    return {
        "energy_distance": energy_distance(x, fresh),
        "nearest_neighbour": nearest_neighbour_accuracy(x, fresh),
        **{name: modes.get(name, 0.0) for name in ("modes", "high_quality", "mode_kl", "mode_width")},
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the means over seeds as text."""
    lines = [f"{'':<24}{'energy distance':>17}{'1-NN':>8}{'modes':>7}{'quality':>9}{'width':>7}"]
    for name in dict.fromkeys(row["samples"] for row in rows):
        e, nn, k, q, w = (
            mean_of(rows, name, key)
            for key in ("energy_distance", "nearest_neighbour", "modes", "high_quality", "mode_width")
        )
        lines.append(f"{name:<24}{e:>17.5f}{nn:>8.3f}{k:>7.1f}{q:>9.3f}{w:>7.2f}")
    return "\n".join(lines)


def mean_of(rows: Sequence[Mapping[str, Any]], name: str, key: str) -> float:
    """Return the mean of a measure over seeds."""
    values = [row[key] for row in rows if row["samples"] == name]
    return math.fsum(values) / len(values)


def _line(rows: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{row['samples']} {row['energy_distance']:.4f}" for row in rows)


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on where samples end."""
    accuracy = {name: mean_of(rows, name, "nearest_neighbour") for name in (DATA, *KEPT.values(), *LEARNED.values())}
    noise, gan = (accuracy[LEARNED[start]] for start in (NOISE, GAN))
    noise_kept, gan_kept = (accuracy[KEPT[start]] for start in (NOISE, GAN))
    return (
        f"From noise {_word(noise)}, from a GAN's samples {_word(gan)}: 1-NN accuracy {noise:.3f} and {gan:.3f} "
        f"where the ratio is learned anew along the way ({accuracy[DATA]:.3f} between two sets of data), "
        f"{noise_kept:.3f} and {gan_kept:.3f} at the maxima of a discriminator that stays."
    )


def _word(accuracy: float) -> str:
    return "yes" if accuracy <= CLOSE else "not quite" if accuracy <= 0.75 else "no"


EXPERIMENT = Experiment(
    name="morse",
    question="Do samples that flow along a discriminator become data?",
    minutes=3,
    expected="1-NN accuracy .998 at its maxima if it stays; .62 and no energy distance if it is learned anew",
    run=run,
)
