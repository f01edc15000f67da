"""How often the monitors speak: recall on sick trainings, false alarms on healthy ones, with Wilson intervals.

    python tests/health/rates.py 20

prints the table of docs/health.md (20 seeds of each training; about ten minutes on one core).
"""

import math
import sys
from collections.abc import Callable

import torch
from trainings import Autoencoder, Game, train_gan, train_vae

from veridical.health import check

PLAIN = {"relativistic": False, "penalty": 0.0}
FROZEN = {**PLAIN, "separated": True, "lr_generator": 1e-9}
Rows = list[dict[str, float]]

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
    print("| training | finding looked for | runs that say it | 95 % interval |\n|---|---|---|---|")
    for name, (wanted, train) in SICK.items():
        said = [{finding.name for finding in check(train(seed))} for seed in range(seeds)]
        print(line(name, " or ".join(sorted(wanted)), sum(bool(names & wanted) for names in said), seeds), flush=True)
    for name, train in HEALTHY.items():
        said = [{finding.name for finding in check(train(seed))} for seed in range(seeds)]
        print(line(name + " (healthy)", "any: a false alarm", sum(map(bool, said)), seeds), flush=True)
        print("    ", [names for names in said if names], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
