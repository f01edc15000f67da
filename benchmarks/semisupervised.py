"""What do unlabelled examples add to 100 labels? Test error of the semi-supervised GAN and of its network alone.

    python benchmarks/semisupervised.py [--data digits] [--seeds 0 1 2]
    python benchmarks/semisupervised.py --data mnist --paper --steps 6000

The preset `semisupervised` on MLPs of 128 units without Fourier features, or with `--paper` the networks, noise, step
and batch of `semisupervised-paper`, once per seed. The baseline is the same discriminator from the same initial
weights, with the same optimiser, steps, noise and averaged weights, trained on the cross-entropy of the very same
labelled examples alone. Both are measured at the last step on all test examples; on one thread in fp32.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from veridical.config import DataConfig, OptimizerConfig, SemiSupervisedGANConfig
from veridical.config.presets import PRESETS
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.semisupervised_gan import SemiSupervisedGAN
from veridical.model import Batch, Loss
from veridical.objectives.game import view
from veridical.statistics import wilson_interval
from veridical.training.fit import State, fit


class Supervised(SemiSupervisedGAN):
    """The classifier alone, on the labelled examples that another model kept."""

    players = ("discriminator",)

    def player_parameters(self, player: str) -> list[torch.nn.Parameter]:
        """Return the parameters of the classifier."""
        return list(self.discriminator.parameters())

    def turns(self, step: int) -> tuple[str, ...]:
        """Let the classifier move."""
        return self.players

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the cross-entropy."""
        x, c = self.draw_labelled(len(batch.x))
        loss = F.cross_entropy(self.class_logits(view(x, self.game, step)), c)
        return Loss(loss, {"loss": loss.detach()})


def configure(given: argparse.Namespace) -> SemiSupervisedGANConfig:
    """Return the preset's choices, narrower unless they are those of the paper."""
    if given.paper:
        paper = PRESETS["semisupervised-paper"].model
        assert isinstance(paper, SemiSupervisedGANConfig)
        return replace(paper, labelled=given.labelled)
    optimizer = OptimizerConfig(lr=given.lr, betas=(0.5, 0.999), schedule="linear")
    config = PRESETS["semisupervised"].model
    assert isinstance(config, SemiSupervisedGANConfig)
    return replace(
        config,
        labelled=given.labelled,
        network=given.network,
        fourier_octaves=0,
        depth=2,
        width=given.width,
        instance_noise=given.noise,
        generator_optimizer=optimizer,
        discriminator_optimizer=optimizer,
    )


def train(model: SemiSupervisedGAN, data: ArrayData, given: argparse.Namespace, seed: int) -> float:
    """Train with the averaged weights in place; return the processor seconds it took."""
    torch.manual_seed(1_000 + seed)
    state, started = State(model, steps=given.steps, ema=0.999), time.process_time()
    fit(state, Loader(data, given.batch, seed=seed), log_every=500)
    assert state.ema is not None
    state.ema.swap()
    return time.process_time() - started


def errors(model: SemiSupervisedGAN, x: Tensor, c: Tensor) -> int:
    """Count the test examples that are classified wrongly."""
    model.eval()
    return int((torch.cat([model.classify(part).argmax(1) for part in x.split(500)]) != c).sum())


def main() -> None:
    """Train both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labelled", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--network", default="mlp")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--noise", type=float, default=0.3, help="on all that the classifier sees, in standard units")
    parser.add_argument(
        "--paper",
        action="store_true",
        help="networks, noise, step and batch of the paper, whatever the other options say",
    )
    given = parser.parse_args()
    if given.paper:
        given.batch = PRESETS["semisupervised-paper"].training.batch_size
    torch.set_num_threads(1)
    data, test = (load(DataConfig(source=given.data), split) for split in ("train", "test"))
    held = test.batch(torch.arange(len(test)))
    assert held.c is not None
    config = configure(given)
    print(f"{given.data}, {given.steps:,} steps of {given.batch}: {config}")
    print("| seed | with unlabelled examples: error % | labels alone: error % | seconds |", flush=True)
    rows = []
    for seed in given.seeds:
        torch.manual_seed(seed)
        model = SemiSupervisedGAN(config, data.space)
        alone = Supervised(model.config, data.space)
        alone.discriminator.load_state_dict(copy.deepcopy(model.discriminator.state_dict()))
        seconds = train(model, data, given, seed)
        for name in ("labelled_x", "labelled_c", "labelled_index"):
            getattr(alone, name).copy_(getattr(model, name))
        seconds_alone = train(alone, data, given, seed)
        wrong = [errors(m, held.x, held.c) for m in (model, alone)]
        rows.append([100 * w / len(test) for w in wrong])
        intervals = [tuple(100 * side for side in wilson_interval(w, len(test))) for w in wrong]
        shown = [f"{r:.2f} ({low:.2f} to {high:.2f})" for r, (low, high) in zip(rows[-1], intervals, strict=True)]
        print(f"| {seed} | {shown[0]} | {shown[1]} | {seconds:.0f} + {seconds_alone:.0f} |", flush=True)
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    print(f"mean of {len(rows)}: {means[0]:.2f} % against {means[1]:.2f} %, {len(test):,} test examples")


if __name__ == "__main__":
    main()
