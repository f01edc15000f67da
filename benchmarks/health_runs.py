r"""Trainings of thirteen families, healthy and with a planted failure, for the thresholds of the health monitors.

    python benchmarks/health_runs.py tests/health/health_runs.jsonl.gz

Every run is one of `veridical.train` with the families as they are shipped (small networks, 400 to 1,500 steps, 2-D
mixtures, a mixture in four and a Gaussian in eight dimensions, digits of 8x8, words of five bits, Ising lattices).
One line per run is appended as soon as it is trained; a stopped command goes on where it was.

**Truth**, never from a monitor, at every tenth of the run with the live weights (`truth`), and at its end with the
weights that a user loads (`end`):

- energy: energy distance of 1,000 samples and 1,000 fresh or held-out examples over the mean distance of examples;
- nats, best: negative elbo on held-out examples; gain: constant model minus nats;
- variety: effective share of the modes, where modes are known (for digits of 20 cells of k-means);
- auc: probability that the discriminator's logit of a training example exceeds that of a held-out one;
- inverse: distance of held-out examples from the inverse of their codes, in standard deviations of the data;
- excess: nats minus the exact entropy's estimate on the same examples, where the density is known.

What was planted is in `planted` ("": nothing). `label_of` in tests/health/health_runs.py decides from both.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gan_collapse import k_means, nearest, variety_of
from torch import Tensor

from veridical.config import DataConfig, GANConfig, OptimizerConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.config.families.conditional_gan import ConditionalGANConfig
from veridical.config.families.discrete_gan import DiscreteGANConfig
from veridical.config.families.flow import FlowConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.families.infogan import InfoGANConfig
from veridical.config.families.made import MADEConfig
from veridical.config.families.nade import NADEConfig
from veridical.config.families.noise_level import NoiseLevelConfig
from veridical.config.families.pixelcnn import PixelCNNConfig
from veridical.config.families.semisupervised_gan import SemiSupervisedGANConfig
from veridical.config.families.unrolled_gan import UnrolledGANConfig
from veridical.data.sources import load as load_data
from veridical.evaluation.target import Target
from veridical.families.flow import Flow
from veridical.families.vae import VAE
from veridical.model import Bijective, Conditional, Discriminating, ExactLikelihood, LikelihoodBound, Sampler
from veridical.objectives.diagnostics import distances, energy_distance
from veridical.run import Run
from veridical.sampling import draw
from veridical.targets import GaussianMixture
from veridical.targets.law import HasDensity, HasModes
from veridical.training.callbacks import averaged, seeded
from veridical.training.fit import Callback, State
from veridical.training.terms import NonFiniteError
from veridical.workflows.start import train

SAMPLES = 1_000
DENSITIES = 10
"""The first round of runs of the families that came later."""

FOLDER = Path(tempfile.gettempdir()) / "veridical-health-data"


@dataclass(frozen=True)
class Plan:
    """One training."""

    planted: str
    """What was planted; empty: nothing."""

    name: str
    model: Any
    data: str
    steps: int = 600
    lr_scale: float = 1.0
    ema: float = 0.99
    holdout: float = 0.1
    broken: Callable[[Any, Any], Any] | None = None
    """Makes the model from configuration and facts; None: the family's."""
    callbacks: tuple[Callback, ...] = field(default=())


# Data that are not among the named sets -----------------------------------------------------------------------------


def mixture(name: str) -> GaussianMixture:
    """Return a law whose components have mean 0 and deviation 1."""
    side = torch.arange(-2, 3, 2, dtype=torch.float64)
    means, sigma = {
        "square": (torch.cartesian_prod(side, side), 0.2),
        "cloud": (2 * torch.randn(10, 4, generator=torch.Generator().manual_seed(10), dtype=torch.float64), 0.3),
    }[name]
    scale = math.sqrt(float((means - means.mean(dim=0)).square().mean()) + sigma**2)
    return GaussianMixture((means - means.mean(dim=0)) / scale, sigma / scale, name=name)


def write_data() -> None:
    """Write the files of points."""
    FOLDER.mkdir(exist_ok=True)
    random = torch.Generator().manual_seed(0)
    clouds = {name: mixture(name).sample(22_000, random, torch.float32) for name in ("square", "cloud")}
    mix = torch.randn(8, 8, generator=random)
    clouds["gauss8"] = torch.randn(22_000, 8, generator=random) @ mix / mix.norm() * math.sqrt(8)
    digits = load_data(DataConfig(source="digits", labels=False))
    x = digits.batch(torch.arange(len(digits))).x.flatten(1)
    clouds["digits64"] = x + (torch.rand(x.shape, generator=random) - 0.5) / 8
    for few in (80, 120):
        clouds |= {f"{name}-{few}": clouds[name][:few] for name in ("cloud", "digits64", "square", "gauss8")}
    for name in ("square", "cloud", "gauss8"):
        spoiled = clouds[name].clone()
        spoiled[777] *= 3e4
        clouds[f"{name}-outlier"] = spoiled
        clouds[f"{name}-repeated"] = clouds[name][:4].repeat(3_000, 1)
    for name, x in clouds.items():
        np.save(FOLDER / f"{name}.npy", x.numpy())


def source(name: str) -> str:
    """Return what a data configuration names."""
    return (
        name
        if name.split(":")[0] in ("ring", "grid", "digits", "categorical-bits", "ising", "bars")
        else f"{FOLDER}/{name}.npy"
    )


def law_of(name: str) -> Any:
    """Return the law with known modes behind a file, None for others."""
    base = name.split("-")[0]
    return mixture(base) if base in ("square", "cloud") else None


# Recipes ------------------------------------------------------------------------------------------------------------


def adam(lr: float = 2e-3, betas: tuple[float, float] = (0.5, 0.999), **more: Any) -> OptimizerConfig:
    return OptimizerConfig(lr=lr, betas=betas, **more)


def both(one: OptimizerConfig, other: OptimizerConfig | None = None) -> dict[str, Any]:
    return {"generator_optimizer": one, "discriminator_optimizer": other or one}


SMALL: dict[str, Any] = {"network": "mlp", "width": 32, "depth": 2, "discriminator_depth": 2, "fourier_octaves": 4}
SMALL |= both(OptimizerConfig(lr=3e-3, betas=(0.0, 0.99), schedule="linear"))
BARE: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}
PLAIN = BARE | both(adam()) | {"fourier_octaves": 0}
SLOW = 1e-5
STILL = OptimizerConfig(lr=1e-14, betas=(0.0, 0.99))
LIVELY = OptimizerConfig(lr=3e-3, betas=(0.0, 0.99), schedule="linear")
SEQUENCE = OptimizerConfig(lr=5e-3, schedule="cosine")
FLOW = FlowConfig(layers="realnvp", couplings=3, width=32)
GOOD: dict[str, dict[str, Any]] = {
    "default": {},
    "own optimisers": {"generator_optimizer": GANConfig().generator_optimizer}
    | {"discriminator_optimizer": GANConfig().discriminator_optimizer},
    "R1": BARE | {"r1": 0.5},
    "R1 and R2": {"relativistic": False},
    "hinge": {"relativistic": False, "objective": "hinge"},
    "WGAN-GP": BARE | {"objective": "wasserstein", "gradient_penalty": 1.0, "discriminator_turns": 2},
}


def gan(latent: int = 4, **more: Any) -> GANConfig:
    return GANConfig(**(SMALL | {"latent_dim": latent} | more))


def discrete(**more: Any) -> DiscreteGANConfig:
    return DiscreteGANConfig(**(SMALL | {"latent_dim": 8, "fourier_octaves": 0} | more))


def info(**more: Any) -> InfoGANConfig:
    return InfoGANConfig(**(SMALL | {"latent_dim": 6, "categorical": (4,), "continuous": 1, "reader_width": 32} | more))


def vae(**more: Any) -> VAEConfig:
    return VAEConfig(**({"network": "mlp", "width": 64, "latent_dim": 4} | more))


def levels(**more: Any) -> NoiseLevelConfig:
    return NoiseLevelConfig(**({"network": "mlp", "width": 32, "depth": 2, "levels": 16} | more))


class TooGood(VAE):
    """A VAE whose likelihood is wrong by a constant, or by a factor."""

    def log_likelihood(self, x: Tensor, z: Tensor, *, check: bool = True) -> Tensor:
        """Return what is too large."""
        found = super().log_likelihood(x, z, check=check)
        return found * 0.25 if self.bernoulli else found + 8.0


class Rounded(Flow):
    """A flow whose inverse reads its codes in half precision."""

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return the examples of rounded codes."""
        return super().decode(z.to(torch.bfloat16).to(z.dtype), c)


class OldAverage(Callback):
    """Makes the average of the weights as slow at the start as it is late in a long run."""

    def on_start(self, state: State) -> None:
        """Count many updates that were never made."""
        assert state.ema is not None
        state.ema.updates = 10**7


def made(**more: Any) -> MADEConfig:
    return MADEConfig(**({"width": 64, "optimizer": SEQUENCE} | more))


def nade(**more: Any) -> NADEConfig:
    return NADEConfig(**({"width": 64, "optimizer": SEQUENCE} | more))


def pixels(**more: Any) -> PixelCNNConfig:
    return PixelCNNConfig(**({"width": 8, "layers": 2, "first_kernel": 5, "optimizer": SEQUENCE} | more))


def glo(**more: Any) -> GLOConfig:
    return GLOConfig(**({"latent_dim": 2, "width": 64} | more))


def of_densities(k: int) -> Iterator[Plan]:
    """Plan healthy runs of the families that came later."""
    points = ("ring", "square", "cloud", "grid", "gauss8")
    bits = ("categorical-bits", "ising:4", "bars:3")
    for i in range(2):
        yield Plan("", "made", made(order=("stored", "random")[i]), points[(k + 2 * i) % 5], 1000)
        yield Plan("", "nade", nade(activation=("sigmoid", "relu")[i]), points[(k + 2 * i + 1) % 5], 1000)
        yield Plan("", "made", made(), bits[(k + i) % 3], 500)
        yield Plan("", "nade", nade(), bits[(k + i + 1) % 3], 500)
    yield Plan("", "made, any order", made(order="any"), bits[k % 3], 700)
    yield Plan("", "pixelcnn", pixels(network=("gated", "plain")[k % 2]), bits[1 + k % 2], 400)
    yield Plan("", "flow", replace(FLOW, layers=("nice", "realnvp")[k % 2]), ("gauss8", "cloud")[k // 2 % 2], 500)
    yield Plan("", "glo", glo(latent_dim=4), ("gauss8", "cloud", "square")[k % 3], 400)


def failing_densities(k: int) -> Iterator[Plan]:
    """Plan failures of the same families."""
    points, bits = ("square", "cloud", "gauss8")[k % 3], ("ising:4", "bars:3")[k % 2]
    huge, heavy = OptimizerConfig(lr=3.0), {"width": 256, "optimizer": OptimizerConfig(lr=5e-3)}
    one = (made, nade)[k % 2]
    yield Plan("steps-too-small", one.__name__, one(), points, 500, lr_scale=SLOW)
    yield Plan("steps-too-small", "pixelcnn", pixels(), bits, 400, lr_scale=SLOW)
    yield Plan("steps-too-small", "glo", glo(start="random"), points, 400, lr_scale=SLOW)
    yield Plan("steps-too-large", one.__name__, one(optimizer=huge), points, 500)
    yield Plan("steps-too-large", "nade of bits", nade(optimizer=huge), bits, 500)
    yield Plan("steps-too-large", "glo", glo(optimizer=huge), points, 400)
    yield Plan("overfit", one.__name__, one(**heavy), ("cloud-80", "gauss8-80")[k % 2], 900, holdout=0.5)
    yield Plan("underfit", one.__name__, one(optimizer=OptimizerConfig(lr=2e-5)), points, 500)
    yield Plan("average", f"{one.__name__}, old average", one(), points, 600, ema=0.9995, callbacks=(OldAverage(),))
    yield Plan("outlier", one.__name__, one(), f"{points}-outlier", 400)
    yield Plan("repeated-data", one.__name__, one(), f"{points}-repeated", 400)
    yield Plan("inverse-error", "flow, codes in half precision", FLOW, points, 300, broken=Rounded)


def healthy(k: int) -> Iterator[Plan]:
    """Plan the healthy runs of round k."""
    if k >= DENSITIES:
        yield from of_densities(k - DENSITIES)
        return
    names = list(GOOD)
    for i, data in enumerate(("ring", "square", "grid", "cloud", "gauss8", "digits64")):
        recipe = names[(i + k) % len(names)]
        latent, steps = (16, 900) if data == "digits64" else (8 if data == "gauss8" else 4, 700)
        yield Plan("", f"gan {recipe}", gan(latent, **GOOD[recipe]), data, steps)
    yield Plan("", "conditional-gan", ConditionalGANConfig(**(SMALL | {"latent_dim": 16})), "digits", 800)
    yield Plan("", "infogan", info(), ("square", "cloud", "ring")[k % 3], 800)
    yield Plan(
        "",
        "semisupervised-gan",
        SemiSupervisedGANConfig(**(SMALL | {"latent_dim": 16, "r1": 0.5, "r2": 0.5})),
        "digits",
        800,
    )
    unrolled = SMALL | {"latent_dim": 4, "unrolled_steps": 3, "r1": 0.0, "r2": 0.0, "fourier_octaves": 0}
    unrolled |= both(adam(1e-3), adam(1e-3))
    yield Plan("", "unrolled-gan", UnrolledGANConfig(**unrolled), ("square", "gauss8")[k % 2], 500)
    yield Plan("", "discrete-gan", discrete(), ("categorical-bits", "ising:4")[k % 2], 700)
    for data in (("ring", "square"), ("cloud", "gauss8"), ("grid", "square"))[k % 3]:
        yield Plan("", "noise-level", levels(), data, 700)
    for data in (("ring", "digits"), ("square", "ising:4"), ("gauss8", "digits64"), ("grid", "categorical-bits"))[
        k % 4
    ]:
        yield Plan("", "vae", vae(latent_dim=16 if "digits" in data else 4), data, 1500)
    yield Plan("", "iwae", vae(importance_samples=5), ("cloud", "gauss8", "square")[k % 3], 1200)
    yield Plan("", "vae", vae(width=32, optimizer=adam(3e-3, (0.9, 0.999))), ("square", "cloud", "gauss8")[k % 3], 1200)

    if k >= 6:
        yield Plan("", "flow", FLOW, ("cloud", "gauss8", "square")[k % 3], 600)


def failing(k: int) -> Iterator[Plan]:
    """Plan the failures of round k."""
    if k >= DENSITIES:
        yield from failing_densities(k - DENSITIES)
        return
    data = ("ring", "square", "grid", "cloud", "gauss8", "digits64")[k % 6]
    points = ("square", "cloud", "gauss8")[k % 3]
    latent = 16 if data == "digits64" else 4
    recipe = GOOD[list(GOOD)[k % 5]]
    bits = ("categorical-bits", "ising:4")[k % 2]
    yield Plan("steps-too-small", "gan", gan(latent, **recipe), data, lr_scale=SLOW)
    yield Plan("steps-too-small", "vae", vae(), data, 800, lr_scale=SLOW)
    if k % 2:
        yield Plan("steps-too-small", "noise-level", levels(), points, 500, lr_scale=SLOW)
        yield Plan("frozen-generator", "infogan", info(**both(STILL, LIVELY)), points)
        yield Plan("frozen-discriminator", "infogan", info(**both(LIVELY, STILL)), points)
    else:
        yield Plan("steps-too-small", "discrete-gan", discrete(), bits, 500, lr_scale=SLOW)
        yield Plan("frozen-generator", "discrete-gan", discrete(**both(STILL, LIVELY)), bits)
        conditional = SMALL | {"latent_dim": 16} | both(LIVELY, STILL)
        yield Plan("frozen-discriminator", "conditional-gan", ConditionalGANConfig(**conditional), "digits")
    yield Plan("frozen-generator", "gan", gan(latent, **(recipe | both(STILL, LIVELY))), data)
    yield Plan("frozen-discriminator", "gan", gan(latent, **(recipe | both(LIVELY, STILL))), data)
    yield Plan("steps-too-large", "gan", gan(latent, **(PLAIN | both(adam(0.1)))), data)
    yield Plan("steps-too-large", "vae", vae(optimizer=adam(1.0, (0.9, 0.999))), ("digits", data)[k % 2], 800)
    yield Plan("steps-too-large", "noise-level", levels(optimizer=adam(3.0, (0.9, 0.99))), points, 500)
    turns = PLAIN | {"objective": "minimax", "discriminator_turns": 10, "fourier_octaves": 4}
    yield Plan("vanishing-gradient", "gan, minimax, 10 turns", gan(latent, **turns), data, 1000)
    orbit = BARE | {"depth": 0, "discriminator_depth": (1, 2)[k % 2], "fourier_octaves": 0}
    momentum = both(adam(5e-3, (0.9, 0.999)), adam(5e-3, (0.9, 0.999)))
    yield Plan(
        "oscillation", "gan, momentum 0.9", gan(2, **(orbit | momentum)), ("square", "ring", "cloud")[k % 3], 900
    )
    critic = PLAIN | {"objective": "wasserstein"} | both(adam(5e-4), adam(1e-2))
    yield Plan("divergence", "gan, Wasserstein, no penalty", gan(latent, **critic), data, 900)
    bad = ({"discriminator_depth": 1, "discriminator_width": 4}, both(adam(1e-2), adam(2e-4)), both(adam(3e-2)))[k % 3]
    yield Plan("collapse", "gan", gan(latent, **(PLAIN | bad)), ("ring", "square", "grid", "cloud")[k % 4])
    few = ("digits64-80", "cloud-80", "digits64-120", "cloud-120", "gauss8-80", "digits64-80")[k % 6]
    heart = BARE | {"discriminator_width": 128, "discriminator_depth": 3} | both(adam(2e-4), adam(1e-3))
    yield Plan("memorising-discriminator", "gan, few examples", gan(latent, **heart), few, 1000, holdout=0.5)
    growing = PLAIN | {"objective": "wasserstein"} | both(adam((2e-2, 5e-2)[k % 2]))
    yield Plan("spectrum", "gan, growing weights", gan(latent, **growing), data)
    heavy = vae(kl_weight=(50.0, 20.0)[k % 2], latent_dim=8)
    yield Plan("posterior-collapse", "vae", heavy, ("digits64", "gauss8", "cloud")[k % 3], 1200)
    learnt = vae(width=256, latent_dim=16, optimizer=adam(2e-3, (0.9, 0.999)))
    few = ("digits64-80", "gauss8-80", "cloud-120", "digits64-120")[k % 4]
    yield Plan("overfit", "vae", learnt, few, 1500, holdout=0.5)
    slow = vae(latent_dim=8, optimizer=adam(2e-5, (0.9, 0.999)))
    yield Plan("underfit", "vae", slow, ("digits64", "cloud", "square")[k % 3], 1000)
    yield Plan("average", "vae, old average", vae(latent_dim=8), points, 1000, ema=0.9995, callbacks=(OldAverage(),))
    yield Plan(
        "average", "gan, old average", gan(latent), ("square", "cloud")[k % 2], ema=0.9995, callbacks=(OldAverage(),)
    )
    good = ("ring", "grid", "categorical-bits")[k % 3]
    yield Plan("better-than-entropy", "vae, wrong likelihood", vae(), good, 1500, broken=TooGood)
    descent = OptimizerConfig("sgd", lr=(1e4, 10.0, 100.0)[k % 3], warmup=300)
    yield Plan("non-finite", "vae, gradient descent", vae(optimizer=descent), points, 500)
    yield Plan("outlier", "vae", vae(), f"{points}-outlier", 800)
    yield Plan("outlier", "gan", gan(4, **recipe), f"{points}-outlier")
    yield Plan("repeated-data", "gan", gan(4, **recipe), f"{points}-repeated")
    yield Plan("repeated-data", "vae", vae(), f"{points}-repeated", 800)
    if k >= 6:
        yield Plan("inverse-error", "flow, codes in half precision", FLOW, points, 400, broken=Rounded)


def plans(rounds: int) -> list[tuple[str, Plan]]:
    """Return all runs by key, in an order that is useful wherever it stops."""
    ordered = []
    for k in range(rounds):
        ordered += [(f"{k}/{i}/{'healthy' if not p.planted else p.planted}/{p.name}/{p.data}", p)
                    for i, p in enumerate([*healthy(k), *failing(k)])]  # fmt: skip
    return ordered


# Truth --------------------------------------------------------------------------------------------------------------


class Truth(Callback):
    """Measures the live weights at every tenth."""

    def __init__(self, plan: Plan, config: DataConfig) -> None:
        self.rows: list[dict[str, float]] = []
        self.train, self.law = load_data(config), law_of(plan.data)
        if self.law is None and isinstance(self.train.target, HasModes):
            self.law = self.train.target
        kept = load_data(config, "test")
        self.test = kept.batch(torch.arange(min(SAMPLES, len(kept))))
        clean = plan.data.split("-outlier")[0]
        if clean != plan.data:  # what the data would be without their fault
            self.test = load_data(replace(config, source=source(clean)), "test").batch(torch.arange(SAMPLES))
        self.cells = None
        if plan.data in ("digits", "digits64"):
            own = self.train.batch(torch.arange(len(self.train))).x.flatten(1).double()
            self.cells = k_means(own, 20)
            self.shares = torch.bincount(nearest(own, self.cells)[0], minlength=20) / len(own)
        self.log_p = None
        if isinstance(self.train.target, HasDensity):
            self.log_p = Target(self.train.target, self.train.space).log_prob(self.test.x)
        elif isinstance(self.law, GaussianMixture):  # of a file
            self.log_p = self.law.log_prob(self.test.x.double())

    def on_step(self, state: State) -> None:
        """Measure when due."""
        if state.step % max(1, state.steps // 10) == 0:
            training = state.module.training
            state.module.eval()
            with seeded(11, torch.device("cpu")):
                self.rows.append({"step": state.step} | self.measure(state.model))
            state.module.train(training)

    def on_end(self, state: State) -> None:
        """Measure what a user loads."""
        with averaged(state), seeded(11, torch.device("cpu")):
            self.end = self.measure(state.model)

    def measure(self, model: Any) -> dict[str, float]:
        """Return the exact measures of a model."""
        found: dict[str, float] = {}
        n = len(self.test.x)
        if isinstance(model, Sampler):
            x = draw(model, n)
            if torch.isfinite(x).all():
                d = distances(self.test.x.double(), x.double())
                found["energy"] = float(energy_distance(d))
                if self.law is not None:
                    share = torch.bincount(self.law.nearest_mode(x.double())[0], minlength=len(self.law.weights)) / n
                    found["variety"] = variety_of(share, self.law.weights)
                elif self.cells is not None:
                    share = torch.bincount(nearest(x.flatten(1).double(), self.cells)[0], minlength=20) / n
                    found["variety"] = variety_of(share, self.shares)
            else:
                found["energy"] = math.inf
        if isinstance(model, LikelihoodBound | ExactLikelihood):
            with torch.no_grad():
                bounds = [model.elbo(self.test.x) for _ in range(4)] if isinstance(model, LikelihoodBound) else []
                nats = -torch.stack(bounds or [model.log_prob(self.test.x)]).mean(0).double()  # type: ignore[union-attr]
            found["nats"] = float(nats.mean())
            if self.log_p is not None:
                excess = nats + self.log_p
                found |= {"excess": float(excess.mean()), "excess_error": float(excess.std() / math.sqrt(n))}
        if isinstance(model, Bijective):
            found["inverse"] = float(model.inverse_error(self.test.x).mean())
        if isinstance(model, Discriminating) and model.logits_of is None:
            own = self.train.batch(torch.arange(min(SAMPLES, len(self.train))))
            with torch.no_grad():
                logits = [model.logits(b.x, b.c if isinstance(model, Conditional) else None) for b in (own, self.test)]
            found["auc"] = float((logits[0][:, None] > logits[1][None]).double().mean())
        return found


def four(value: Any) -> Any:
    """Round for the file; what is not a number becomes null."""
    if isinstance(value, int):
        return value
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def play(key: str, plan: Plan, seed: int) -> dict[str, Any]:
    """Train one run and return its line."""
    data = DataConfig(source=source(plan.data), holdout=plan.holdout, labels=plan.data == "digits")
    every = max(8, plan.steps // 50)
    often: dict[str, Any] = {"log_every": every, "sample_every": 10**9, "checkpoint_every": 10**9, "keep": 1}
    often |= {"spectrum_every": every * 4, "probe_every": every * 4}
    training = TrainingConfig(
        steps=plan.steps, seed=seed, lr_scale=plan.lr_scale, ema=plan.ema, device="cpu", precision="fp32", **often
    )
    truth = Truth(plan, data)
    given: dict[str, Any] = {}
    if plan.broken is not None:
        torch.manual_seed(seed)
        given["model"] = plan.broken(plan.model, truth.train.space)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run")
        config = RunConfig(plan.model, data, training)
        failed = None
        try:
            train(config, out=run.path, say=lambda line: None, callbacks=[truth, *plan.callbacks], **given)
        except NonFiniteError as error:
            failed = {"step": error.step, "term": error.name}
        rows, environment = run.metrics(), run.read_json("environment.json")
    terms = ["step", *sorted({t for row in rows for t in row if "/" in t and "evaluation" not in t})]
    return {
        "key": key,
        "planted": plan.planted,
        "name": plan.name,
        "family": type(plan.model).__name__.removesuffix("Config"),
        "data": plan.data,
        "seed": seed,
        "steps": plan.steps,
        "failed": failed,
        "kinds": environment["terms"],
        "facts": {k: four(v) for k, v in environment["health"].items()},
        "truth": [{k: four(v) for k, v in row.items()} for row in truth.rows],
        "end": {k: four(v) for k, v in getattr(truth, "end", {}).items()},
        "terms": terms,
        "rows": [[four(row.get(term)) for term in terms] for row in rows],
        "seconds": round(time.perf_counter() - started, 1),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Read the lines written so far."""
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--first", type=int, default=0, help="round to begin with")
    parser.add_argument("--only", nargs="*", default=[""], help="parts of keys; a run needs one of them")
    given = parser.parse_args()
    torch.set_num_threads(1)
    write_data()
    started = time.monotonic()
    done = {run["key"] for run in read(given.file)}
    for seed, (key, plan) in enumerate(plans(given.rounds), start=1_000):
        if key in done or int(key.split("/")[0]) < given.first or not any(word in key for word in given.only):
            continue
        if time.monotonic() - started > 60 * given.minutes:
            break
        try:
            line = play(key, plan, seed)
        except Exception as error:
            print(f"{key}: {type(error).__name__}: {error}", flush=True)
            continue
        with given.file.open("ab") as file:
            file.write(
                gzip.compress((json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n").encode(), mtime=0)
            )
        print(f"{key} | {line['seconds']} s | {line['truth'][-1:]} | {line['end']}", flush=True)


if __name__ == "__main__":
    main()
