"""Chains and inverses; chains of Langevin dynamics and of a lattice that mix, and that do not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.health.rows import feed

from veridical.health.exactness import Inverse, Mixing
from veridical.mcmc import langevin
from veridical.noise import SampleNoise
from veridical.statistics import autocorrelation_time, split_r_hat


def test_chains_that_disagree_or_hold_few_states() -> None:
    (apart,) = feed(Mixing(), r_hat=[1.5] * 5, effective_samples=[1000.0] * 5)
    assert "R-hat is 1.5" in apart.message and "independent" not in apart.message
    (few,) = feed(Mixing(), r_hat=[1.0] * 5, effective_samples=[12.0] * 5)
    assert "worth 12 independent" in few.message
    assert feed(Mixing(), r_hat=[1.05] * 5, effective_samples=[400.0] * 5) == []
    assert len(feed(Mixing(), r_hat=[1.5] * 5)) == 1


def langevin_chains(apart: float, steps: int = 1_000) -> np.ndarray:
    """First coordinates of eight chains of MALA on two Gaussians of width 1, of which half start in either."""

    def log_density(x: torch.Tensor) -> torch.Tensor:
        centres = torch.tensor([[-apart / 2], [apart / 2]])
        return (-(x - centres.T).square() / 2).logsumexp(dim=1)

    noise = SampleNoise(0, 0, 8)
    start = torch.tensor([[-1.0], [1.0]]).repeat(4, 1) * apart / 2
    state, found = langevin.init(log_density, start), []
    for _ in range(steps):
        state = langevin.adjusted_step(log_density, state, 0.8, noise=noise)[0]
        found.append(state.x[:, 0].numpy())
    return np.stack(found, axis=1)


def lattice_chains(coupling: float, sweeps: int = 300) -> np.ndarray:
    """Magnetisations of eight chains of a heat bath on a 6 x 6 lattice, half of which start in either ordered state."""
    rng, black = np.random.default_rng(0), np.indices((6, 6)).sum(axis=0) % 2 == 0
    x = np.where(np.arange(8) % 2, 1.0, -1.0)[:, None, None] * np.ones((8, 6, 6))
    found = []
    for _ in range(sweeps):
        for half in (black, ~black):
            field = sum(np.roll(x, shift, axis) for shift in (1, -1) for axis in (1, 2))
            up = rng.random(x.shape) < 1 / (1 + np.exp(-2 * coupling * field))
            x = np.where(half, np.where(up, 1.0, -1.0), x)
        found.append(x.mean(axis=(1, 2)))
    return np.stack(found, axis=1)


@pytest.mark.parametrize(
    ("chains", "mixed", "torn"), [(langevin_chains, 0.0, 12.0), (lattice_chains, 0.1, 1.0)], ids=["langevin", "lattice"]
)
def test_chains_that_cannot_cross_are_found_and_chains_that_can_are_not(
    chains: Callable[[float], np.ndarray], mixed: float, torn: float
) -> None:
    """Real chains: R-hat 1.00 and 1,400 to 4,700 independent states, or R-hat 6.4 and 143 and 8 states of 8 chains."""
    for at, found in ((mixed, False), (torn, True)):
        x = chains(at)
        effective = x.size / (2 * autocorrelation_time(x))
        assert bool(feed(Mixing(), r_hat=[split_r_hat(x)] * 5, effective_samples=[effective] * 5)) is found
        assert (split_r_hat(x) > 3 and effective < 20) is found
        assert bool(feed(Mixing(), effective_samples=[effective] * 5)) is found
    halves = [split_r_hat(half) for half in (x[::2], x[1::2])]  # chains that start in one state know of no other
    assert max(halves) < 1.1


def test_an_inverse_that_does_not_return_its_input() -> None:
    assert len(feed(Inverse(), inverse_error=[0.01] * 5)) == 1
    assert feed(Inverse(), inverse_error=[1e-5] * 5) == []
