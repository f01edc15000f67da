"""Nats of the VAE within a budget of seconds: elbo and importance-weighted bound on held-out examples.

    python benchmarks/vae.py --data digits --seconds 25
    python benchmarks/vae.py --data fashion-mnist-10k --seconds 240
    python benchmarks/vae.py --binarised fixed_binarised_mnist.npz --network mlp --seconds 240

The last reads bit-packed rows of 784 pixels in column-major order (keys `train` and `test`), as the fixed binarisation
of Salakhutdinov & Murray (2008) is stored; images are transposed. The step size falls to 0 at the last step, so the
number of steps is fixed first, by timing a few. `--grid FILE` writes held-out examples, their reconstructions, samples.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veridical.config import DataConfig, VAEConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.families.vae import VAE
from veridical.training.fit import State, fit


def read_binarised(path: Path) -> tuple[ArrayData, ArrayData]:
    """Read the two splits as images of two values."""
    with np.load(path, allow_pickle=False) as archive:
        bits = {key: np.unpackbits(archive[key], axis=1)[:, :784].reshape(-1, 28, 28) for key in ("train", "test")}
    images = {key: torch.from_numpy(b.transpose(0, 2, 1).copy()).float()[:, None] * 2 - 1 for key, b in bits.items()}
    space = Space((1, 28, 28), levels=2, mean=images["train"].mean().item(), std=images["train"].std().item())
    return ArrayData(images["train"], space=space), ArrayData(images["test"], space=space)


def train(config: VAEConfig, data: ArrayData, batch_size: int, seconds: float, seed: int) -> State:
    """Train for about the budget; return the state, its averaged weights in force."""
    torch.manual_seed(seed)
    model, loader = VAE(config, data.space), Loader(data, batch_size, seed=seed)
    trial = State(copy.deepcopy(model), steps=25, ema=0.999)
    fit(trial, loader, log_every=25)
    state = State(model, steps=max(1, int(seconds / (trial.seconds / 25))), ema=0.999)
    fit(state, loader, log_every=state.steps)
    assert state.ema is not None
    state.ema.swap()
    return state


def bounds(model: VAE, x: Tensor, k: int) -> dict[str, tuple[float, float]]:
    """Return mean and standard error over examples of the elbo (four draws) and of the bound of k codes, in nats."""
    with torch.no_grad():
        elbo = torch.stack([torch.cat([model.elbo(part) for part in x.split(100)]) for _ in range(4)]).mean(0)
    iwae = torch.cat([model.iwae(part, k) for part in x.split(100)])
    error = math.sqrt(len(x))
    return {
        "elbo": (elbo.mean().item(), elbo.std().item() / error),
        f"iwae-{k}": (iwae.mean().item(), iwae.std().item() / error),
    }


def bits_per_dim(nats: float, space: Space) -> float:
    """Convert nats to bits per dimension; two-valued data have probabilities, which need no bin width."""
    shift = 0.0 if space.levels in (None, 2) else space.dim * math.log(space.bin_width or 1.0)
    return -(nats + shift) / (space.dim * math.log(2))


def write_grid(model: VAE, x: Tensor, path: Path) -> None:
    """Write three bands of images: held-out examples, their reconstructions, samples."""
    import matplotlib.image

    with torch.no_grad():
        rows = torch.cat([x[:16], model.decode(model.posterior(x[:16]).mean), model.sample(48)])
    _, height, width = rows.shape[1:]
    grid = rows[:, 0].reshape(5, 16, height, width).permute(0, 2, 1, 3).reshape(5 * height, 16 * width)
    zoom = np.ones((max(1, 84 // height),) * 2)
    matplotlib.image.imsave(path, np.kron(grid.numpy(), zoom), cmap="gray", vmin=-1, vmax=1)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--binarised", type=Path)
    parser.add_argument("--network", default="auto")
    parser.add_argument("--width", type=int)
    parser.add_argument("--latent-dim", type=int)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-n", type=int, default=300, help="held-out examples")
    parser.add_argument("-k", type=int, default=500, help="codes per example")
    parser.add_argument("--grid", type=Path)
    options = parser.parse_args()

    if options.binarised:
        data, test = read_binarised(options.binarised)
    else:
        data, test = (load(DataConfig(source=options.data), split) for split in ("train", "test"))
    config = VAEConfig(network=options.network, width=options.width, latent_dim=options.latent_dim)
    state = train(config, data, options.batch_size, options.seconds, options.seed)
    model = state.module
    assert isinstance(model, VAE)
    x = test.batch(torch.arange(min(options.n, len(test))), "cpu").x
    began = time.perf_counter()
    for name, (nats, error) in bounds(model, x, options.k).items():
        bpd = f", {bits_per_dim(nats, data.space):.4f} bits/dim" if data.space.levels else ""
        print(f"{name}: {nats:.2f} nats, standard error {error:.2f} over {len(x)} held-out examples{bpd}")
    print(
        f"{state.steps} steps of {options.batch_size} in {state.seconds:.0f} s, seed {options.seed}; "
        f"measured in {time.perf_counter() - began:.0f} s"
    )
    if not model.bernoulli:
        print(f"sigma {model.sigma.item():.4f}")
    if options.grid:
        write_grid(model, x, options.grid)


if __name__ == "__main__":
    main()
