"""What following its own discriminator does for the samples of a half-trained GAN.

    python benchmarks/refinement.py

The preset `gan-2d` on `grid`, stopped after 2,000 steps, once per seed; then 1,984 samples of each guidance that
`veridical sample` offers, seed 0, and PacGAN's metric. One line per guidance: the numbers of all seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from veridical.config import DataConfig
from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.presets import find_preset
from veridical.data.sources import load as load_data
from veridical.evaluation.coverage import measure_modes
from veridical.sampling import draw
from veridical.targets.law import HasModes
from veridical.workflows.load import load
from veridical.workflows.start import train

OPTIONS = {
    "before": AdversarialSampling(),
    "`--refine kl`": AdversarialSampling(refine="kl"),
    "`--refine js`": AdversarialSampling(refine="js"),
    "`--refine logd`": AdversarialSampling(refine="logd"),
    "`--refine kl --refine-in latent`": AdversarialSampling(refine="kl", refine_in="latent"),
    "`--condition data`, 100 steps": AdversarialSampling(condition="data", condition_steps=100),
}
NAMES = ("modes", "high_quality", "mode_kl", "mode_width")
DIGITS = (0, 3, 3, 2)


def quiet(line: str) -> None:
    """Say nothing."""


def measure(seed: int, steps: int, n: int, target: HasModes) -> dict[str, list[float]]:
    """Train, draw with all options, measure."""
    config = find_preset("gan-2d")
    training = replace(config.training, steps=steps, seed=seed, precision="fp32")
    config = replace(config, data=DataConfig(source="grid"), training=training)
    with TemporaryDirectory() as folder:
        model = load(train(config, out=Path(folder) / "run", say=quiet).path, say=quiet)
    found = {}
    for label, options in OPTIONS.items():
        values = {m.name: m.value for m in measure_modes(draw(model, n, seed=0, options=options), target)}
        found[label] = [values.get(name, float("nan")) for name in NAMES]  # a width needs samples within the modes
    return found


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("-n", type=int, default=1_984)
    given = parser.parse_args()
    torch.set_num_threads(1)
    target = load_data(DataConfig(source="grid")).target
    assert isinstance(target, HasModes)
    found = [measure(seed, given.steps, given.n, target) for seed in given.seeds]
    print("| | modes | high quality | mode KL, nats | width of modes |\n|---|---|---|---|---|")
    for label in OPTIONS:
        columns = zip(*(of_seed[label] for of_seed in found), strict=True)
        cells = [", ".join(f"{v:.{d}f}" for v in column) for column, d in zip(columns, DIGITS, strict=True)]
        print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
