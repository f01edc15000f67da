"""What replaying steps as CUDA graphs gains, and that it changes nothing: to be run on a machine with a GPU.

    python benchmarks/graphs.py [preset ...] --steps 200 --batch 64

Every preset is trained twice from the same weights and random numbers, its steps started one by one and replayed. The
table gives steps per second of each after the first 50 steps, their ratio, and the largest difference between the
weights after 40 steps, beside that between two runs whose steps were started one by one (convolutions on a GPU do not
repeat to the bit). A third run is stopped after 20 steps, saved, loaded and goes on: it must be the second.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import torch
from torch import Tensor

from veridical.config import DataConfig, TrainingConfig
from veridical.config.presets import find_preset
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.training.replay import Recorder
from veridical.workflows.load import build_model

DEFAULT = ("gan-2d", "gan", "dcgan", "wgan-gp", "progressive", "infogan", "discrete-gumbel", "semisupervised", "vae")


class Training:
    """One preset on the GPU.

    Args:
        preset: its name.
        batch: examples per step.
        graphs: replay steps.
    """

    def __init__(self, preset: str, batch: int, graphs: bool) -> None:
        config = find_preset(preset)
        source = "categorical-bits" if preset.startswith("discrete") else "fashion-mnist-10k"
        data = load(DataConfig(source="grid" if preset in ("gan-2d", "pacgan-2d", "unrolled") else source), "train")
        config = dataclasses.replace(config, training=TrainingConfig(device="cuda", batch_size=batch))
        self.engine = Engine("cuda")
        torch.manual_seed(0)
        model = build_model(config, data.space)
        self.engine.place(model)
        torch.manual_seed(1)
        self.state = State(model, steps=0, ema=0.999)
        self.loader = Loader(data, batch, device=self.engine.device)
        self.replay, self.how = self.state.choose_replay(self.engine, graphs)

    def go(self, steps: int) -> float:
        """Do so many more steps; return the seconds they took."""
        self.state.steps += steps
        for player in self.state.players.values():
            player.schedule.steps = 10_000
        torch.cuda.synchronize()
        started = time.perf_counter()
        fit(self.state, self.loader, self.engine, log_every=50, replay=self.replay)
        torch.cuda.synchronize()
        return time.perf_counter() - started

    def weights(self) -> Tensor:
        """Return all weights as one vector."""
        return torch.cat([p.detach().flatten().double() for p in self.state.module.parameters()])


def resumed(preset: str, batch: int) -> Tensor:
    """Return the weights after 40 steps, of which the first 20 were done by another process' objects."""
    first, second = Training(preset, batch, True), Training(preset, batch, True)
    first.go(20)
    second.state.module.load_state_dict(first.state.module.state_dict())
    for name, player in second.state.players.items():
        player.optimizer.load_state_dict(first.state.players[name].optimizer.state_dict())
    assert second.state.ema is not None and first.state.ema is not None
    second.state.ema.load(first.state.ema.tensors(), first.state.ema.updates)
    second.state.step = second.state.steps = 20
    second.go(20)
    return second.weights()


def main() -> None:
    """Print a row for every preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, batch {args.batch}")
    print("| preset | one by one, steps/s | replayed, steps/s | ratio | difference | of two plain runs | resumed |")
    print("|---|---|---|---|---|---|---|")
    for preset in args.presets:
        plain, again, graphs = (Training(preset, args.batch, g) for g in (False, False, True))
        for training in (plain, again, graphs):
            training.go(40)
        apart = float((plain.weights() - graphs.weights()).abs().max())
        noise = float((plain.weights() - again.weights()).abs().max())
        stopped = float((resumed(preset, args.batch) - graphs.weights()).abs().max())
        for training in (plain, graphs):
            training.go(10)
        rates = [args.steps / training.go(args.steps) for training in (plain, graphs)]
        how = f"{rates[1] / rates[0]:.2f}"
        if not isinstance(graphs.replay, Recorder) or graphs.replay.problem is not None:
            how = getattr(graphs.replay, "problem", None) or graphs.how
        print(f"| {preset} | {rates[0]:.0f} | {rates[1]:.0f} | {how} | {apart:.2g} | {noise:.2g} | {stopped:.2g} |")


if __name__ == "__main__":
    main()
