"""Known answers that docs/evaluation.md states: shares that were planted are read back.

    python benchmarks/planted_shares.py clipped     # clipped density and coverage of samples of which a share is good
    python benchmarks/planted_shares.py copies      # memorised and copied shares of planted copies, and of narrow modes
    python benchmarks/planted_shares.py classes     # classes of Fashion-MNIST that are missing, rarer or more frequent
    python benchmarks/planted_shares.py tilting     # lower bounds of divergences from samples, beside the exact ones

Each takes seconds to minutes of one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.evaluation.cells import measure_shares
from veridical.evaluation.clipped import clipped
from veridical.evaluation.clipped_calibration import calibrated
from veridical.evaluation.extractors import Values, extractor_for
from veridical.evaluation.features import FeatureSets, extract_data
from veridical.evaluation.target import Target
from veridical.evaluation.tilting import measure_tilting
from veridical.evaluation.two_sample import measure_memorisation
from veridical.targets import GaussianMixture, grid
from veridical.targets.ising import Ising

REPETITIONS = 8


def clipped_shares() -> None:
    """1,000 samples and real examples; what is not good lies 1,000 widths away."""
    for d in (2, 16, 64):
        for share in (1.0, 0.7, 0.3):
            found, g = [], torch.Generator().manual_seed(d)
            for _ in range(REPETITIONS):
                real, x = torch.randn(2, 1_000, d, generator=g)
                x[round(1_000 * share) :] += 1_000.0
                one = clipped(real, x, torch.ones(1, 1_000, dtype=torch.bool))
                found.append((float(one.scores.mean()), float(calibrated(one.covered.numpy(), 1_000, 1_000)[0])))
            mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
            print(f"d = {d:2d}, {share:.0%} good: density {mean[0]:.3f} (spread {spread[0]:.3f}), "
                  f"coverage {mean[1]:.3f} ({spread[1]:.3f})")  # fmt: skip


def sets(x: Tensor, train: Tensor, test: Tensor) -> FeatureSets:
    """Return rows as features."""
    return FeatureSets(Values(tuple(x.shape[1:]), "coordinates"), x, train, test, 0)


def copied_shares() -> None:
    """Ten modes; 1,000 samples, 3,000 training and 1,000 held-out examples; 1 % copies, or narrow modes."""
    for d in (2, 8, 16, 64):
        means = 3 * torch.randn(10, d, generator=torch.Generator().manual_seed(d))
        planted, narrow = [], []
        for seed in range(REPETITIONS):
            g = torch.Generator().manual_seed(seed)
            mode = torch.randint(10, (5_000,), generator=g)
            noise = torch.randn(5_000, d, generator=g)
            train, test, x = (means[mode] + noise).split((3_000, 1_000, 1_000))
            x = torch.cat([train[:10], x[10:]])
            at = {m.name: m for m in measure_memorisation(sets(x, train, test))}
            planted.append((at["copied"].value, at["copied"].verdict == "short of perfect"))
            for width in (0.3, 0.8):
                thin = means[mode[:1_000]] + width * torch.randn(1_000, d, generator=g)
                one = {m.name: m for m in measure_memorisation(sets(thin, train, test))}
                narrow.append(
                    (one["copied"].value, one["copied"].verdict == "short of perfect", one["memorised"].value)
                )
        values, seen = zip(*planted, strict=True)
        (mean, called, _), (most, _, near) = np.mean(narrow, axis=0), np.max(narrow, axis=0)
        print(
            f"d = {d:2d}: 1 % of copies found {sum(seen)}/{REPETITIONS}, estimated {100 * np.mean(values):.2f} %; "
            f"narrow modes: copied {100 * mean:.2f} % on average, at most {100 * most:.1f} %, "
            f"called copies {round(called * len(narrow))}/{len(narrow)}, memorised at most {100 * near:.0f} %"
        )


def thinned(name: str, times: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return which rows are kept, with one class at another frequency."""
    garment = {"shirt": 6, "trouser": 1, "bag": 8}[name]

    def rows(labels: Tensor, g: torch.Generator) -> Tensor:
        weight = torch.where(labels == garment, times, 1.0)
        return torch.multinomial(weight, 2_000, replacement=False, generator=g)

    return rows


def class_shares() -> None:
    """2,000 of 10,000 images in the place of samples, the other images for training, 2,000 held out."""
    parts = [load(DataConfig(source="fashion-mnist-10k"), split) for split in ("train", "test")]
    extractor = extractor_for(parts[0].space, "fashion-28", torch.device("cpu"))
    (train, test), labels = (extract_data(part, extractor) for part in parts), parts[0].labels
    assert labels is not None
    faults = {"none": ("shirt", 1.0), "no shirt": ("shirt", 1e-9), "half of the shirts": ("shirt", 0.5)}
    faults |= {"half of the trousers": ("trouser", 0.5), "bags twice": ("bag", 2.0)}
    for fault, planted in faults.items():
        p: dict[str, list[float]] = {"classes": [], "cells": []}
        for seed in range(6):
            g = torch.Generator().manual_seed(seed)
            own = thinned(*planted)(labels.cpu(), g)
            rest = torch.ones(len(train), dtype=torch.bool)
            rest[own] = False
            features = sets(train[own], train[rest], test)
            for kind, of in (("classes", labels.cpu()[rest]), ("cells", None)):
                (m,) = measure_shares(features, of, 10 if of is not None else 0)
                p[kind].append(m.test.p_value if m.test is not None else math.nan)
        print(f"{fault}: " + "; ".join(
            f"{kind} p < .01 in {sum(v < 0.01 for v in of)} of 6 ({min(of):.3f} to {max(of):.3f})"
            for kind, of in p.items()))  # fmt: skip


def bounds() -> None:
    """10,000 samples; the exact KL(model||data) is the mean of log q - log p over them."""
    normal = GaussianMixture(torch.zeros(1, 64, dtype=torch.float64), 1.0, name="normal")
    thin = GaussianMixture(torch.zeros(1, 64, dtype=torch.float64), 0.97, name="thin")
    modes = grid()
    weights = modes.weights.clone()
    weights[7] /= 2
    rare = GaussianMixture(modes.means, modes.sigma, weights / weights.sum(), name="rare")
    cold, hot = Ising(8), Ising(8, coupling=0.976 * Ising(8).coupling)
    cases = {"64-D normal, 3 % narrower": (normal, thin, Space((64,), "vector", None, None, mean=0.0, std=1.0))}
    cases |= {"25 modes, one halved": (modes, rare, Space((2,), "vector", None, None, mean=0.0, std=3.0))}
    lattice = Space(cold.shape, kind="lattice", support=(-1.0, 1.0), levels=2, mean=0.0, std=1.0)
    cases |= {"8 x 8 lattice, 2.4 % too hot": (cold, hot, lattice)}
    for name, (law, model, space) in cases.items():
        x = model.sample(10_000, torch.Generator().manual_seed(1), torch.float32)  # type: ignore[attr-defined]
        exact = model.log_prob(x.double()) - law.log_prob(x.double())  # type: ignore[attr-defined]
        found = {m.name: m for m in measure_tilting(x, Target(law, space), 0)}  # type: ignore[arg-type]
        print(f"{name}: exact KL(model || data) {float(exact.mean()):.4f} +- {float(exact.std()) / 100:.4f}; "
              + ", ".join(f"{m.name} {m.value:.4f} {m.interval}" for m in found.values()))  # fmt: skip


COMMANDS = {"clipped": clipped_shares, "copies": copied_shares, "classes": class_shares, "tilting": bounds}


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(COMMANDS))
    torch.set_num_threads(1)
    COMMANDS[parser.parse_args().what]()


if __name__ == "__main__":
    main()
