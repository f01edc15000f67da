"""Discrete GANs against laws that are known: exact KL of 32 outcomes, local patterns of binarised digits.

    python benchmarks/discrete_gan.py categorical --estimator gumbel --seeds 0 1 2
    python benchmarks/discrete_gan.py digits --estimator reinforce --seeds 0 1 2 --steps 300 --batch-size 64 --width 16

On the categorical laws the law of the generator is E_z q(x | z) over 50,000 codes, so that KL has next to no floor. On
digits, thresholded at half ink, 1,438 samples are compared with the 359 held-out digits: mean over the 49 places of a
2x2 window of KL(samples || held-out) between the shares of its 16 patterns, half an observation added to each. The
floor is what the 1,438 training digits score, the control what pixels score that are independent and of the right mean.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from veridical.config import DataConfig, DiscreteGANConfig
from veridical.config.presets import find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.families.discrete_gan import DiscreteGAN
from veridical.targets.law import HasOutcomes
from veridical.training.fit import State, fit


def binarised_digits() -> tuple[ArrayData, ArrayData]:
    """Return training and held-out digits with ink above half as 1."""
    splits = [load(DataConfig(source="digits", labels=False), split) for split in ("train", "test")]
    x = [(data.batch(torch.arange(len(data))).x > 0).float() * 2 - 1 for data in splits]
    space = Space((1, 8, 8), levels=2, mean=float(x[0].mean()), std=float(x[0].std()))
    return ArrayData(x[0], space=space, name="binarised-digits"), ArrayData(x[1], space=space, name="binarised-digits")


def train(
    config: DiscreteGANConfig, data: ArrayData, steps: int, batch_size: int, seed: int
) -> tuple[DiscreteGAN, float]:
    """Train; return the model, its averaged weights in force, and the seconds."""
    torch.manual_seed(seed)
    model = DiscreteGAN(config, data.space)
    state = State(model, steps=steps, ema=0.99)
    began = time.perf_counter()
    fit(state, Loader(data, batch_size, seed=seed), log_every=steps)
    assert state.ema is not None
    state.ema.swap()
    return model, time.perf_counter() - began


@torch.no_grad()
def law_of(model: DiscreteGAN, target: HasOutcomes, codes: int = 50_000) -> Tensor:
    """Return the probabilities of all outcomes under the generator, averaged over codes."""
    p = model.theta(model.prior(codes)).double().softmax(-1)
    component = torch.arange(target.outcomes.shape[1])
    return torch.stack([p[:, component, outcome].prod(1).mean() for outcome in target.outcomes.long()])


def kl(p: Tensor, q: Tensor) -> float:
    """KL(p || q) in nats, averaged over leading axes."""
    return float((torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(-1).mean())


def windows(x: Tensor) -> Tensor:
    """Return (49, 16) shares of the patterns of the 2x2 window at every place of images (n, 1, 8, 8) of -1 and 1."""
    bits = F.unfold((x > 0).double(), 2)  # (n, 4, 49)
    pattern = (bits * torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)[:, None]).sum(1).long()
    counts = F.one_hot(pattern, 16).sum(0) + 0.5
    return counts / counts.sum(-1, keepdim=True)


def independent_pixels(x: Tensor, seed: int = 0) -> Tensor:
    """Return images whose pixels have the means of x and do not depend on each other."""
    mean = ((x + 1) / 2).mean(0, keepdim=True).expand_as(x)
    return 2 * torch.bernoulli(mean, generator=torch.Generator().manual_seed(seed)) - 1


def main() -> None:
    """Print one row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("categorical", "categorical-bits", "digits"))
    parser.add_argument("--estimator", choices=("gumbel", "reinforce"), default="gumbel")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--width", type=int, default=None)
    options = parser.parse_args()
    preset = find_preset(f"discrete-{options.estimator}")
    config, training = preset.model, preset.training
    assert isinstance(config, DiscreteGANConfig)
    config = replace(config, width=options.width)
    steps, batch_size = options.steps or training.steps, options.batch_size or training.batch_size
    if options.data == "digits":
        data, held_out = binarised_digits()
        real, other = (d.batch(torch.arange(len(d))).x for d in (data, held_out))
        floor, control = (kl(windows(x), windows(other)) for x in (real, independent_pixels(real)))
        print(f"windows of digits: floor {floor:.4f}, independent pixels {control:.4f} nats", flush=True)
    else:
        data = load(DataConfig(source=options.data))
    for seed in options.seeds:
        model, seconds = train(config, data, steps, batch_size, seed)
        row = f"{options.data} {options.estimator} seed {seed}, {steps} steps of {batch_size}, {seconds:.0f} s: "
        if isinstance(data.target, HasOutcomes):
            q, p = law_of(model, data.target), data.target.probabilities
            row += f"KL(model || law) {kl(q, p):.4f}, KL(law || model) {kl(p, q):.4f} nats"
        else:
            x = model.sample(len(data))
            row += f"windows {kl(windows(x), windows(other)):.4f} nats, ink {float((x > 0).double().mean()):.4f}"
            row += f" (held-out {float((other > 0).double().mean()):.4f})"
        print(row, flush=True)


if __name__ == "__main__":
    main()
