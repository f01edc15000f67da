"""Real trainings of a second or two, healthy and sick, for the monitors to listen to: a GAN and a VAE on points.

    python tests/health/trainings.py 20

prints the table of docs/health.md: how often the monitors speak on 20 seeds of each (about ten minutes on one core).
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import check

Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Game:
    """A GAN on points of the plane."""

    relativistic: bool = True
    penalty: float = 0.1
    lr_discriminator: float = 1e-3
    lr_generator: float = 1e-3
    objective: str = "nonsaturating"
    separated: bool = False
    """Hold the generator's samples ten units away from the data."""
    deaf: bool = False
    """Give the generator the same code every time."""
    steps: int = 1500
    log_every: int = 25


class Means:
    """Rows as the loop writes them: the mean of every term since the last row."""

    def __init__(self, log_every: int) -> None:
        self.log_every = log_every
        self.rows: list[dict[str, float]] = []
        self.values: dict[str, list[float]] = defaultdict(list)

    def add(self, **terms: Tensor | float) -> None:
        for name, value in terms.items():
            self.values[name.replace("__", "/")].append(value.item() if isinstance(value, Tensor) else value)

    def end_of_step(self, step: int) -> None:
        if step % self.log_every == 0:
            self.rows.append({"step": step} | {name: sum(v) / len(v) for name, v in self.values.items()})
            self.values.clear()


def mlp(inputs: int, outputs: int, width: int = 48) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )


def ring(n: int, modes: int = 8) -> Tensor:
    angle = torch.randint(modes, (n,)) * (2 * math.pi / modes)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


def norm(module: nn.Module) -> float:
    return math.sqrt(sum(float((p.grad**2).sum()) for p in module.parameters() if p.grad is not None))


def spread(x: Tensor) -> Tensor:
    return (x - x.roll(1, 0)).norm(dim=1).mean().detach()


def slope(logits: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(logits.sum(), x, create_graph=True)[0].square().sum(1).mean()


def train_gan(game: Game, seed: int) -> Rows:
    torch.manual_seed(seed)
    generator, discriminator = mlp(4, 2), mlp(2, 1)
    optimizers = [
        torch.optim.Adam(discriminator.parameters(), lr=game.lr_discriminator, betas=(0.0, 0.99)),
        torch.optim.Adam(generator.parameters(), lr=game.lr_generator, betas=(0.0, 0.99)),
    ]
    means = Means(game.log_every)
    for step in range(1, game.steps + 1):
        x = ring(64).requires_grad_(game.penalty > 0)
        x_fake = generator(torch.zeros(64, 4) if game.deaf else torch.randn(64, 4)) + (10.0 if game.separated else 0.0)
        seen = x_fake.detach().requires_grad_(game.penalty > 0)
        real, fake = discriminator(x), discriminator(seen)
        loss = discriminator_loss(game, real, fake)
        if game.penalty:
            loss = loss + 0.5 * game.penalty * (slope(real, x) + slope(fake, seen))
        update(optimizers[0], loss)
        means.add(
            discriminator__loss=loss,
            discriminator__js=math.log(2) - 0.5 * (softplus(-real) + softplus(fake)).mean().detach(),
            discriminator__accuracy=0.5 * ((real > 0).float().mean() + (fake < 0).float().mean()),
            discriminator__diversity=spread(seen) / spread(x),
            discriminator__grad_norm=norm(discriminator),
        )
        real, fake = discriminator(x.detach()).detach(), discriminator(x_fake)
        loss = generator_loss(game, real, fake)
        update(optimizers[1], loss)
        means.add(generator__loss=loss, generator__grad_norm=norm(generator))
        means.end_of_step(step)
    return means.rows


def discriminator_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    if game.objective == "wasserstein":
        return fake.mean() - real.mean()
    return softplus(fake - real).mean() if game.relativistic else (softplus(-real) + softplus(fake)).mean()


def generator_loss(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    if game.objective == "wasserstein":
        return -fake.mean()
    if game.objective == "minimax":
        return -softplus(fake).mean()
    return softplus(real - fake).mean() if game.relativistic else softplus(-fake).mean()


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@dataclass(frozen=True)
class Autoencoder:
    """A VAE with a Gaussian decoder of learned scale on points of the plane."""

    kl_weight: float = 1.0
    lr: float = 2e-3
    sigma: float = 0.2
    """Scale of the decoder's noise at the start; a broad one leaves nothing for the code to say."""
    spike_at: int | None = None
    """Step at which the step size is a thousandfold, once."""
    steps: int = 1500
    log_every: int = 25


def train_vae(vae: Autoencoder, seed: int) -> Rows:
    torch.manual_seed(seed)
    encoder, decoder, log_sigma = mlp(2, 16), mlp(8, 2), nn.Parameter(torch.tensor(math.log(vae.sigma)))
    model = nn.ModuleList([encoder, decoder])
    optimizer = torch.optim.Adam([*model.parameters(), log_sigma], lr=vae.lr)
    means = Means(vae.log_every)
    for step in range(1, vae.steps + 1):
        x = ring(64)
        mu, log_var = encoder(x).chunk(2, 1)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        error = (x - decoder(z)).square() / (2 * (2 * log_sigma).exp()) + log_sigma + 0.5 * math.log(2 * math.pi)
        reconstruction = error.sum(1).mean()
        loss = reconstruction + vae.kl_weight * kl
        optimizer.param_groups[0]["lr"] = vae.lr * (1000.0 if step == vae.spike_at else 1.0)
        update(optimizer, loss)
        means.add(
            model__loss=loss,
            model__reconstruction=reconstruction,
            model__kl=kl,
            model__active_units=int((mu.var(0) > 0.01).sum()),
            model__grad_norm=norm(model),
        )
        means.end_of_step(step)
    return means.rows


KINDS = {**GAN.term_kinds, **VAE.term_kinds}
PLAIN = {"relativistic": False, "penalty": 0.0}
FROZEN = {**PLAIN, "separated": True, "lr_generator": 1e-9}

HEALTHY: dict[str, Callable[[int], Rows]] = {
    "GAN, relativistic, R1 and R2": lambda seed: train_gan(Game(), seed),
    "GAN, non-saturating, R1 and R2": lambda seed: train_gan(Game(relativistic=False), seed),
    "VAE, learned scale": lambda seed: train_vae(Autoencoder(), seed),
    "VAE, KL weight 0.1": lambda seed: train_vae(Autoencoder(kl_weight=0.1), seed),
}
SICK: dict[str, tuple[set[str], Callable[[int], Rows]]] = {
    "GAN, samples held apart from the data": (
        {"discriminator-saturation"},
        lambda seed: train_gan(Game(**FROZEN), seed),
    ),
    "GAN, minimax, samples held apart": (
        {"gradient-vanishing"},
        lambda seed: train_gan(Game(**FROZEN, objective="minimax", log_every=10), seed),
    ),
    "GAN, generator without a code": ({"sample-collapse"}, lambda seed: train_gan(Game(**PLAIN, deaf=True), seed)),
    "Wasserstein critic without penalty": (
        {"loss-divergence"},
        lambda seed: train_gan(Game(**PLAIN, objective="wasserstein", lr_discriminator=0.01, lr_generator=1e-6), seed),
    ),
    "VAE, KL weight 50": ({"posterior-collapse"}, lambda seed: train_vae(Autoencoder(kl_weight=50.0), seed)),
    "VAE, decoder noise as broad as the data": (
        {"posterior-collapse"},
        lambda seed: train_vae(Autoencoder(sigma=1.0), seed),
    ),
    "VAE, one step a thousandfold": (
        {"loss-divergence", "gradient-explosion", "non-finite"},
        lambda seed: train_vae(Autoencoder(spike_at=1000), seed),
    ),
}


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share."""
    share, scale = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def line(name: str, wanted: str, hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"| {name} | {wanted} | {hits}/{n} | {low:.2f}-{high:.2f} |"


def main(seeds: int) -> None:
    torch.set_num_threads(1)
    print("| training | finding looked for | runs with it | 95 % interval |\n|---|---|---|---|")
    for name, (wanted, train) in SICK.items():
        said = [{finding.name for finding in check(train(seed), KINDS)} for seed in range(seeds)]
        print(line(name, " or ".join(sorted(wanted)), sum(bool(names & wanted) for names in said), seeds), flush=True)
    for name, train in HEALTHY.items():
        said = [{finding.name for finding in check(train(seed), KINDS)} for seed in range(seeds)]
        print(line(name + " (healthy)", "any: a false alarm", sum(map(bool, said)), seeds), flush=True)
        print("    ", [names for names in said if names], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
