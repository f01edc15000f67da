"""Do the codes of an InfoGAN carry the information that they can, and is it that of the true factors?

    python benchmarks/infogan.py shapes [--image codes.png]
    python benchmarks/infogan.py position
    python benchmarks/infogan.py digits

`shapes`: images whose factors are known (shape, scale, orientation, x, y), one categorical code of 3 values and 4
continuous ones. The nats of every code beside its entropy, from fresh samples; then how much of every factor, measured
on these samples, its best code tells, with a 95 % interval, beside what the best of unrelated codes scores.
`position`: the sub-family of standing squares that differ in x and y only, and two continuous codes.
`digits`: one categorical code of 10 values and 2 continuous ones. How well the category read from held-out real digits
matches their labels under the best assignment, and how well the category of generated digits matches what a classifier
sees in them (a support vector machine trained on the real ones), beside permuted codes.

All with the averaged weights of the last step, fp32, one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veridical.config import DataConfig, InfoGANConfig
from veridical.config.presets import PRESETS
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.factors import matched_accuracy, recover
from veridical.families.infogan import Codes, InfoGAN
from veridical.statistics import wilson_interval
from veridical.targets.measure_shapes import measure_shapes
from veridical.targets.shapes import FACTORS, Shapes
from veridical.training.fit import State, fit

CODES: dict[str, tuple[tuple[int, ...], int]] = {"shapes": ((3,), 4), "position": ((), 2), "digits": ((10,), 2)}
"""Categorical and continuous codes."""

VARY = {"shapes": FACTORS, "position": ("x", "y")}
"""Factors that vary."""


def train(config: InfoGANConfig, data: ArrayData, seed: int, steps: int, batch_size: int) -> tuple[InfoGAN, float]:
    """Train with the averaged weights in place; return the model and the seconds it took."""
    torch.manual_seed(seed)
    model = InfoGAN(config, data.space)
    state = State(model, steps=steps, ema=0.995)
    started = time.perf_counter()
    fit(state, Loader(data, batch_size, seed=seed), log_every=steps)
    seconds = time.perf_counter() - started
    if state.ema is not None:
        state.ema.swap()
    return model.eval(), seconds


@torch.no_grad()
def draw(model: InfoGAN, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return n latents and what they decode to."""
    torch.manual_seed(1_000 + seed)
    z = model.prior(n)
    return z, torch.cat([model.decode(part) for part in z.split(500)])


@torch.no_grad()
def nats(model: InfoGAN, x: Tensor, z: Tensor) -> dict[str, tuple[float, float]]:
    """Bound the information about every code, with its standard error over batches."""
    parts = [model.information(*pair) for pair in zip(x.split(100), z.split(100), strict=True)]
    found = {}
    for part in ("categorical", "continuous"):
        for i, values in enumerate(torch.stack([p[part] for p in parts]).T if part in parts[0] else ()):
            found[f"{part} {i}"] = (float(values.mean()), float(values.std() / math.sqrt(len(values))))
    return found


def columns(model: InfoGAN, z: Tensor) -> tuple[np.ndarray, list[str]]:
    """Return (n, codes) values of all codes, and their names."""
    codes = model.split(z)
    values = torch.stack([*(c.to(z.dtype) for c in codes.categorical), *codes.continuous.T], 1)
    names = [f"categorical {i}" for i in range(len(codes.categorical))]
    return values.numpy(), names + [f"continuous {i}" for i in range(codes.continuous.shape[1])]


def report_shapes(model: InfoGAN, seed: int, vary: tuple[str, ...], n: int = 4_000) -> None:
    """Print the recovered factors of generated shapes."""
    z, x = draw(model, n, seed)
    measured = measure_shapes(x)
    seen = measured.factors.isfinite().all(1)
    share = float((measured.residual[seen] < 0.5).sum()) / n
    codes, names = columns(model, z[seen])
    factors = measured.factors[seen][:, [FACTORS.index(name) for name in vary]]
    found = recover(codes, factors.numpy(), code_names=names, factor_names=vary, seed=seed)
    print(f"  {share:.3f} of the samples are a shape (residual below 0.5)")
    for m, gap in zip(found.measurements(), found.gap(), strict=True):
        low, high = m.interval or (math.nan, math.nan)
        print(
            f"  {m.name}: {m.value:.3f} ({low:.3f} to {high:.3f}), null {m.detail['null']:.3f}, "
            f"gap {gap:.3f}, by {m.detail['code']}"
        )


def report_digits(model: InfoGAN, data: ArrayData, test: ArrayData, seed: int, n: int = 2_000) -> None:
    """Print how well the categories match the classes."""
    from sklearn.svm import SVC

    z, x = draw(model, n, seed)
    whole, held = (part.batch(torch.arange(len(part))) for part in (data, test))
    assert whole.c is not None and held.c is not None
    classifier = SVC().fit(whole.x.flatten(1), whole.c)
    print(f"  classifier on held-out digits: {classifier.score(held.x.flatten(1), held.c):.3f}")
    with torch.no_grad():
        seen = model.read(held.x).logits[0].argmax(1).numpy()
    drawn = model.split(z).categorical[0].numpy()
    rng = np.random.default_rng(seed)
    for what, codes, labels in (
        ("read from held-out digits", seen, held.c.numpy()),
        ("of generated digits", drawn, classifier.predict(x.flatten(1))),
    ):
        accuracy = matched_accuracy(codes, labels)
        low, high = wilson_interval(accuracy * len(codes), len(codes))
        null = np.quantile([matched_accuracy(rng.permutation(codes), labels) for _ in range(200)], 0.975)
        print(f"  category {what}: {accuracy:.3f} ({low:.3f} to {high:.3f}), null {null:.3f}, n {len(codes)}")


@torch.no_grad()
def traverse(model: InfoGAN, path: Path, seed: int, columns: int = 11) -> None:
    """Draw one row for each code: everything else fixed, the code going through its values."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    torch.manual_seed(seed)
    start = model.split(model.prior(1))
    rows: list[tuple[str, Tensor]] = []
    for i, k in enumerate(model.config.categorical):
        values = torch.arange(columns) % k
        categorical = tuple(values if j == i else c.expand(columns) for j, c in enumerate(start.categorical))
        rows.append(
            (
                f"category {i}",
                model.join(Codes(still(start.noise, columns), categorical, still(start.continuous, columns))),
            )
        )
    for i in range(model.config.continuous):
        continuous = still(start.continuous, columns).clone()
        continuous[:, i] = torch.linspace(-1, 1, columns)
        categorical = tuple(c.expand(columns) for c in start.categorical)
        rows.append((f"code {i}", model.join(Codes(still(start.noise, columns), categorical, continuous))))
    figure, axes = pyplot.subplots(len(rows), columns, figsize=(0.7 * columns, 0.78 * len(rows)), squeeze=False)
    for (label, z), line in zip(rows, axes, strict=True):
        for image, axis in zip(model.decode(z), line, strict=True):
            axis.imshow(image[0], cmap="gray", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    figure.subplots_adjust(left=0.11, right=0.995, top=0.995, bottom=0.005, wspace=0.06, hspace=0.06)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def still(values: Tensor, n: int) -> Tensor:
    """Return one row n times."""
    return values.expand(n, -1)


def configured(given: argparse.Namespace) -> InfoGANConfig:
    """Return the preset's configuration with the codes for the data and what was given."""
    preset = PRESETS["infogan"].model
    assert isinstance(preset, InfoGANConfig)
    categorical, continuous = CODES[given.data]
    return replace(
        preset,
        categorical=categorical,
        continuous=continuous,
        network=given.network,
        fourier_octaves=0,  # every pixel is a smooth number; octaves resolve narrow modes of vectors
        depth=3,
        width=given.width,
        latent_dim=given.noise,
        information_weight=preset.information_weight if given.category_weight is None else given.category_weight,
        continuous_weight=preset.continuous_weight if given.weight is None else given.weight,
        code_resolution=preset.code_resolution if given.resolution is None else given.resolution,
    )


def read(name: str, size: int) -> tuple[ArrayData, ArrayData | None]:
    """Return the data, and the held-out ones where labels of these are wanted."""
    if name == "digits":
        return load(DataConfig(source=name)), load(DataConfig(source=name), "test")
    law = Shapes(size, VARY[name])
    x = ((law.render(law.factors(torch.arange(20_000)), torch.float32) + 1) * 127.5).round().to(torch.uint8)
    return ArrayData(x, name=name, target=law), None


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(CODES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", type=int, default=16, help="side of the shapes")
    parser.add_argument("--network", default="mlp", choices=["mlp", "conv"])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--noise", type=int, default=4)
    parser.add_argument("--category-weight", type=float, default=None, help="of the categorical codes")
    parser.add_argument("--weight", type=float, default=None, help="of the continuous codes")
    parser.add_argument("--resolution", type=float, default=None, help="of the continuous codes")
    parser.add_argument("--image", type=Path, default=None, help="of the first seed's codes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = configured(given)
    data, test = read(given.data, given.size)
    for seed in given.seeds:
        model, seconds = train(config, data, seed, given.steps, given.batch_size)
        print(f"seed {seed}: {given.steps} steps of {given.batch_size} in {seconds:.0f} s")
        for name, (value, error) in nats(model, *reversed(draw(model, 4_000, seed))).items():
            entropy = math.log(config.categorical[int(name[-1])]) if name.startswith("categorical") else math.log(2)
            print(f"  {name}: {value:.3f} +- {error:.3f} nats, H(c) {entropy:.3f}")
        if test is None:
            report_shapes(model, seed, VARY[given.data])
        else:
            report_digits(model, data, test, seed)
        if given.image is not None and seed == given.seeds[0]:
            traverse(model, given.image, seed)
        print(end="", flush=True)


if __name__ == "__main__":
    main()
