r"""What does each family learn of a critical point?

QUESTION  Trained on the same critical lattice, how many nats does each family miss, in which direction, and which of
          energy, magnetisation and correlation does it get right?
COMMAND   veridical experiment criticality
TIME      30 minutes of one core
EXPECTED  KL(p|q) in nats per lattice: from energy .026, coarse to fine .103, MADE .66, PixelCNN 2.3, RBM 3.6, NADE 4.1;
          bounds: hierarchical VAE 11, DBM 14, VAE 17, diffusion 30, flow 37, flow matching 56

The Ising model on a 16 x 16 torus at its critical coupling. Its probabilities are exact, so both divergences of a model
with an exact likelihood are means without bias, and those of a bound are bounded. Every model has the same examples;
`from energy` has none. Columns: KL(p|q) and KL(q|p) of the exact distribution p and the model q, in nats per lattice;
the distance of the distribution of energies from the exact one (total variation; that of as many exact configurations
in the first line); squared magnetisation, correlation at half the side and Binder's ratio with their exact values (that
of Binder's ratio is measured on exact configurations); samples per second, and processor seconds of training. The
figure shows bits per spin above the exact entropy, of models and, in grey, of codes and compressors as in the
information ladder.

Every training takes about 75 processor seconds of one thread: a comparison of what the families learn in equal time,
not in the end. Models that take long to sample or to evaluate are measured on a tenth or a fifth of the configurations;
the distance of energies, which falls with their number, says so by `n`.

One file per model is kept while it runs, so the same command continues after an interruption.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veridical.atomic import write_atomically
from veridical.experiments.experiment import BLOCKS, Experiment, Outcome, Say


@dataclass(frozen=True)
class Entry:
    """One model of the table."""

    preset: str
    """Preset or family."""

    choices: Mapping[str, Any]
    """What differs from the preset's model."""

    steps: int
    """Steps of training."""

    batch: int = 128
    """Examples per step."""

    scored: float = 1.0
    """Share of the samples and held-out configurations that it is measured on."""


MODELS: dict[str, Entry] = {
    "VAE": Entry("vae", {}, 500),
    "hierarchical VAE": Entry("hierarchical-vae", {}, 950),
    "GAN": Entry("gan", {}, 280),
    "discrete GAN": Entry("discrete-reinforce", {}, 280),
    "flow": Entry("realnvp", {}, 140),
    "MADE": Entry("made", {}, 6000),
    "NADE": Entry("nade", {"width": 200}, 2500),
    "PixelCNN": Entry("pixelcnn", {"width": 32, "layers": 4}, 430),
    "transformer": Entry("causal-transformer", {}, 85, scored=0.2),
    "RBM": Entry("rbm", {"width": 256}, 5000),
    "DBM": Entry("dbm", {}, 1000, scored=0.2),
    "diffusion": Entry("diffusion-levels", {"sigma_min": None}, 130, scored=0.1),
    "flow matching": Entry("flow-matching", {}, 100, scored=0.1),
    "coarse to fine": Entry("coarse-to-fine", {}, 2500, 256),
    "from energy": Entry("critical-energy", {}, 1700, 256),
}


CONTEXTS = (4, 16)
"""Spins from which the codes predict the next."""


@dataclass(frozen=True)
class Preset:
    """Sizes of the experiment."""

    side: int = 16
    examples: int = 50_000
    samples: int = 10_000
    share: float = 1.0
    """Of the steps of every model."""

    models: tuple[str, ...] = tuple(MODELS)


FULL = Preset()
QUICK = Preset(4, 500, 300, 0.002, ("MADE", "coarse to fine", "from energy"))


def run(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    """Train every model, measure it, and draw the figure.

    Args:
        folder: folder of the figure, and of the parts of an interrupted run.
        seed: seed of all random numbers.
        quick: run a small version of a few seconds.
        say: called with each line of progress.
    """
    from veridical.experiments.criticality_figure import draw

    preset = QUICK if quick else FULL
    (folder / BLOCKS).mkdir(exist_ok=True)
    rows = [_kept(folder / BLOCKS / f"{name}.json", name, preset, seed, say) for name in preset.models]
    exact, others = reference(preset, seed), codes(preset, seed)
    draw(rows, others, exact, preset.side, folder / "criticality.png")
    say(table(rows, exact))
    return Outcome(verdict(rows), {"preset": asdict(preset), "exact": exact, "models": rows, "codes": others})


def _kept(path: Path, name: str, preset: Preset, seed: int, say: Say) -> dict[str, Any]:
    """Return the row of a model, from its file where it has been measured already with the same choices and sizes."""
    settings = {"model": asdict(MODELS[name]), "preset": asdict(preset) | {"models": None}}
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if kept.get("settings") != settings:
        kept = {"settings": settings, "row": measure(name, preset, seed)}
        write_atomically(path, json.dumps(kept))
        row = kept["row"]
        nats = "no likelihood" if row["forward"] is None else f"KL(p || q) {row['forward']:.3g} nats"
        say(f"{name}: {row['seconds']:.0f} s, {nats}")
    return kept["row"]


def measure(name: str, preset: Preset, seed: int) -> dict[str, Any]:
    """Train a model and return its row.

    Args:
        name: key of `MODELS`.
        preset: sizes.
        seed: of data, weights and samples.
    """
    import torch

    from veridical.evaluation.evaluate import evaluate
    from veridical.sampling import draw

    entry = MODELS[name]
    n, held_out = (round(entry.scored * whole) for whole in (preset.samples, 2_000))
    train, test = _lattices(preset.side, preset.examples, seed), _lattices(preset.side, held_out, seed + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, seconds = _trained(entry, train, preset, seed)
        began = time.perf_counter()
        samples = draw(model, n, seed=seed)
        rate = n / (time.perf_counter() - began)
        named = ["observables"] if _no_likelihood(model, train) else ["observables", "divergence"]
        found = evaluate(model, train, test, samples=samples, n=n, seed=seed, metrics=named)
    values = {m.name: m for m in found.measurements}
    forward, reverse = values.get("kl_forward"), values.get("kl_reverse")
    return {
        "name": name,
        "n": n,
        "forward": None if forward is None else forward.value,
        "forward_interval": None if forward is None else forward.interval,
        "bound": forward is not None and forward.bound is not None,
        "reverse": None if reverse is None else reverse.value,
        "samples_per_second": rate,
        "seconds": seconds,
        **physics(samples),
    }


def _lattices(side: int, n: int, seed: int) -> Any:
    """Return critical configurations with their exact distribution."""
    from veridical.data.dataset import ArrayData
    from veridical.data.space import Space
    from veridical.targets.ising import Ising

    law = Ising(side)
    space = Space(law.shape, "lattice", (-1.0, 1.0), 2, mean=0.0, std=1.0)
    return ArrayData(law.draw(n, 1_000 + seed), space=space, name=f"ising-{side}", target=law)


def _trained(entry: Entry, data: Any, preset: Preset, seed: int) -> tuple[Any, float]:
    """Return a trained model, with averaged weights, and the processor seconds it took."""
    from dataclasses import replace

    from veridical.config.presets import find_preset
    from veridical.data.source import EnergySource, batches
    from veridical.evaluation.target import Target
    from veridical.families import FAMILIES
    from veridical.model import Facts
    from veridical.training.energy import EnergyGame
    from veridical.training.fit import State, fit

    config = find_preset(entry.preset)
    steps = max(2, round(preset.share * entry.steps))
    training = replace(config.training, steps=steps, batch_size=entry.batch, seed=seed)
    model = FAMILIES[config.family](replace(config.model, **entry.choices), Facts(data.space, len(data)))
    game, source = model, data
    if training.from_energy is not None:
        log_p = Target(data.target, data.space).log_prob
        game = EnergyGame(model, log_p, training.from_energy, training.energy)
        source = EnergySource(data.space, entry.batch)
    state = State(model, game=game, steps=steps, ema=training.ema)
    loader = batches(source, config.data, training)
    began = time.process_time()
    fit(state, loader, clip_norm=training.clip_norm, log_every=steps)
    if state.ema is not None:
        state.ema.swap()
    return model.eval(), time.process_time() - began


def _no_likelihood(model: Any, data: Any) -> bool:
    from veridical.evaluation.density import density_of

    return density_of(model, data.space) is None


def physics(x: Any) -> dict[str, Any]:
    """Return energies' distance from the exact distribution, and the means of the observables.

    Args:
        x: (n, 1, L, L) spins.
    """
    import numpy as np

    from veridical.evaluation.observables import observe
    from veridical.ising import CRITICAL_COUPLING, exact

    s = (x[:, 0] > 0).long() * 2 - 1
    found, sites = observe(s), s[0].numel()
    energy = (found["energy_per_site"].numpy() * sites).round().astype(int)
    distribution = exact.energy_distribution(s.shape[1], s.shape[2], CRITICAL_COUPLING)
    counts = np.bincount((energy + 2 * sites) // 4, minlength=len(distribution.energies))
    m2 = found["magnetization_squared"]
    return {
        "energy_distance": 0.5 * float(np.abs(counts / len(s) - distribution.probabilities).sum()),
        "energies": counts.tolist(),
        "energy_per_site": float(found["energy_per_site"].mean()),
        "magnetization_squared": float(m2.mean()),
        "correlation_half": float(found["correlation_half"].mean()),
        "binder": float(1 - m2.square().mean() / (3 * m2.mean().square())),
    }


def reference(preset: Preset, seed: int) -> dict[str, Any]:
    """Return the exact values, and those of as many exact configurations as there are samples."""
    from veridical.targets.ising import Ising

    law = Ising(preset.side)
    drawn = physics(2.0 * law.draw(preset.samples, 2_000 + seed) - 1)
    return {"entropy": law.entropy().value, "drawn": drawn} | law.expectations()


def codes(preset: Preset, seed: int) -> list[dict[str, Any]]:
    """Return bits per spin of codes and compressors on such configurations: the other rungs of the ladder.

    Codes are learned on half of the examples and measured, as compressors are, on the other half.
    """
    from veridical.ising import CRITICAL_COUPLING, sample
    from veridical.ising.compressors import compressor_bound
    from veridical.ising.information import context_bounds

    x = sample(preset.side, preset.examples, seed=seed).view(bool)
    train, test = x[: len(x) // 2], x[len(x) // 2 :]
    learned = context_bounds(train, test, CONTEXTS, CRITICAL_COUPLING)
    return [bound._asdict() for bound in (*learned, *(compressor_bound(test, name) for name in ("xz", "zlib")))]


def table(rows: Sequence[Mapping[str, Any]], exact: Mapping[str, Any]) -> str:
    """Return the table as text."""
    head = (
        f"{'':<17}{'KL(p|q)':>10}{'KL(q|p)':>10}{'TV(E)':>8}{'m^2':>8}{'C(L/2)':>8}{'U4':>8}{'n':>7}{'1/s':>9}{'s':>7}"
    )
    drawn = exact["drawn"]
    perfect = (exact["magnetization_squared"], exact["correlation_half"], drawn["binder"])
    lines = [head, f"{'exact':<17}{0:>10}{0:>10}{drawn['energy_distance']:>8.3f}" + _columns(perfect)]
    for row in rows:
        forward = f"{'<' if row['bound'] else ''}{row['forward']:.3g}" if row["forward"] is not None else "-"
        reverse = "-" if row["reverse"] is None else f"{row['reverse']:.3g}"
        values = (row["magnetization_squared"], row["correlation_half"], row["binder"])
        speed = f"{row['n']:>7}{row['samples_per_second']:>9.0f}{row['seconds']:>7.0f}"
        lines.append(
            f"{row['name']:<17}{forward:>10}{reverse:>10}{row['energy_distance']:>8.3f}{_columns(values)}{speed}"
        )
    return "\n".join(lines)


def _columns(values: Sequence[float]) -> str:
    return "".join(f"{value:>8.3f}" for value in values)


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on the models that miss least and most."""
    known = sorted((row for row in rows if row["forward"] is not None), key=lambda row: row["forward"])
    if not known:
        return "No model has a likelihood."
    best, worst = known[0], known[-1]
    of_bound = " at most" if worst["bound"] else ""
    return (
        f"{best['name']} misses {best['forward']:.3g} nats per lattice, {worst['name']}{of_bound} "
        f"{worst['forward']:.3g}."
    )


EXPERIMENT = Experiment(
    name="criticality",
    question="What does each family learn of a critical point?",
    minutes=30,
    expected="nats per lattice: from energy .026, coarse to fine .103, MADE .66, PixelCNN 2.3, RBM 3.6, NADE 4.1",
    run=run,
    resumable=True,
)
