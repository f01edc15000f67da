"""Samples that flow along a discriminator: known landscapes, measures, table and verdict."""

import math

import torch
from torch import Tensor

from veridical.experiments.morse import (
    DATA,
    GAN,
    KEPT,
    LEARNED,
    NOISE,
    QUICK,
    WIDTH,
    followed,
    kept,
    measured,
    table,
    verdict,
)
from veridical.latent.learned_flow import RatioNetwork, learn
from veridical.targets import GaussianMixture, ring

SETS = (DATA, NOISE, GAN, *KEPT.values(), *LEARNED.values())


def rows_of(**nearest: float) -> list[dict[str, object]]:
    base = {"energy_distance": 0.1, "modes": 8.0, "high_quality": 0.9, "mode_kl": 0.0, "mode_width": 1.0}
    names = {name.replace(" ", "_").replace(",", ""): name for name in SETS}
    values = {name: 0.5 for name in SETS} | {names[key]: value for key, value in nearest.items()}
    return [{"seed": 0, "samples": name, "nearest_neighbour": value, **base} for name, value in values.items()]


def test_the_verdict_is_on_both_learned_flows() -> None:
    assert verdict(rows_of(noise_kept=0.99)).startswith("From noise yes, from a GAN's samples yes")
    assert "0.990" in verdict(rows_of(noise_kept=0.99))
    assert verdict(rows_of(noise_learned=0.9, GAN_learned=0.7)).startswith(
        "From noise no, from a GAN's samples not quite"
    )
    assert len(table(rows_of()).split("\n")) == 1 + len(SETS)


def test_draws_of_the_distribution_are_at_the_floor_and_noise_is_not() -> None:
    """Nearest neighbours of 1,000 and 1,000 equal draws: 1/2 with a standard error of about .014; five of them."""
    truth, random = GaussianMixture(ring().means, WIDTH), torch.Generator().manual_seed(0)
    fresh, equal = truth.sample(1_000, random).float(), truth.sample(1_000, random).float()
    same, noise = measured(equal, fresh, truth), measured(torch.randn(1_000, 2, generator=random), fresh, truth)
    assert abs(same["nearest_neighbour"] - 0.5) < 0.07 and abs(same["energy_distance"]) < 0.01 and same["modes"] == 8
    assert noise["nearest_neighbour"] > 0.6 and noise["energy_distance"] > 0.02 and noise["high_quality"] < 0.5


def test_a_landscape_that_stays_draws_all_to_its_maximum() -> None:
    def hill(x: Tensor) -> Tensor:
        return -(x - 0.5).square().sum(dim=1)

    x = torch.randn(20, 2)
    ways = kept("hill", hill, x, 1.0, QUICK)
    assert len(ways.x) == QUICK.frames + 1 and torch.equal(ways.x[0], x)
    # dx = -2 (x - 1/2) dt for a time of 2, in 6 steps of 1/3 (Euler): (1 - 2/3)^6
    torch.testing.assert_close(ways.x[-1] - 0.5, (x - 0.5) * math.pow(1 / 3, len(ways.x[1:]) * 2), atol=1e-5, rtol=1e-4)


def test_frames_of_a_learned_flow_are_parts_of_it() -> None:
    x = torch.randn(30, 2)
    flow = learn(torch.randn(40, 2) / 2, x, RatioNetwork(2, width=8), n_steps=6, updates=1, first_updates=2)
    ways = followed("flow", flow, x, 3)
    assert len(ways.x) == len(ways.landscapes) == 4
    torch.testing.assert_close(ways.x[-1], flow.transport(x))
    torch.testing.assert_close(ways.landscapes[0](x), flow.logits(0)(x))
    torch.testing.assert_close(ways.landscapes[3](x), flow.logits(-1)(x))
