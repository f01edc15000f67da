"""The torch sampler against exact laws, on the processor; every p-value may fall below 1e-6 once in a million."""

import numpy as np
import pytest
import torch

from veridical.ising import CRITICAL_COUPLING
from veridical.ising.exact import energy_distribution, enumerate_spins
from veridical.ising.law import Law
from veridical.ising.observables import hamiltonian
from veridical.ising.torch_sampler import DIGITS, TorchSampler, colouring, compare, digits, random_bits, sample_torch
from veridical.statistics import chi_square_test

FALSE_ALARM = 1e-6


@pytest.mark.parametrize(
    ("size", "coupling", "field"),
    [((3, 3), (0.44, 0.44), 0.0), ((4, 2), (-0.3, 0.4), 0.0), ((3, 3), (0.2, 0.5), 0.15), ((3, 2), (-0.4, 0.3), -0.3)],
)
def test_every_state_of_a_tiny_lattice_comes_with_its_probability(size, coupling, field):
    x = sample_torch(size, 40_960, coupling, 1, field=field, device="cpu", lanes=4096, burn_in=40, thinning=12)
    s = enumerate_spins(x[0].numel()).reshape(-1, *size).astype(np.float64)
    across, down = (s * np.roll(s, -1, 2)).sum((1, 2)), (s * np.roll(s, -1, 1)).sum((1, 2))
    weight = np.exp(coupling[0] * across + coupling[1] * down + field * s.sum((1, 2)))
    states = (1 - x.reshape(len(x), -1).numpy().astype(np.int64)) @ (1 << np.arange(x[0].numel()))
    assert chi_square_test(np.bincount(states, minlength=len(s)), weight / weight.sum()).p_value > FALSE_ALARM


@pytest.mark.parametrize("size", [(8, 8), (5, 6)])
def test_the_energy_has_its_exact_law(size):
    x = sample_torch(size, 20_480, CRITICAL_COUPLING, 2, device="cpu", lanes=4096, burn_in=80, thinning=30)
    exact = energy_distribution(size[0], size[1], CRITICAL_COUPLING)
    counts = np.bincount((hamiltonian(x.numpy()) - exact.energies.min()) // 4, minlength=len(exact.probabilities))
    assert chi_square_test(counts, exact.probabilities).p_value > FALSE_ALARM


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (7, 9), (3, 2)])
def test_neighbours_never_have_the_same_colour(size):
    colour = np.empty(size, int)
    classes = colouring(*size)
    for c, sites in enumerate(classes):
        colour.ravel()[sites] = c
    assert sorted(np.concatenate(classes)) == list(range(colour.size))
    assert (colour != np.roll(colour, 1, 0)).all() and (colour != np.roll(colour, 1, 1)).all()
    assert len(classes) == (3 if size[0] % 2 or size[1] % 2 else 2)


def test_comparing_digits_is_comparing_numbers():
    rng = np.random.default_rng(3)
    table = digits([0.3, 0.7])
    a, b = (torch.from_numpy(rng.integers(-(2**63), 2**63, (2, 3), dtype=np.int64)) for _ in range(2))
    generator = a, b
    below, u = torch.zeros(2, 2, 3, dtype=torch.int64), np.zeros((2, 3, 64), object)
    copy = generator
    for chunk in table:
        below, generator = compare(below, generator, chunk)
        for _ in chunk:
            word, copy = random_bits(copy)
            u = u / 2 + (~word[..., None] >> torch.arange(64) & 1).numpy() / 2
    expected = np.stack([u < round(p * 2**DIGITS) / 2**DIGITS for p in (0.3, 0.7)])
    assert np.array_equal((below[..., None] >> torch.arange(64) & 1).numpy().astype(bool), expected)


def test_a_seed_gives_the_same_spins_and_another_does_not():
    kept = {"device": "cpu", "lanes": 128, "burn_in": 4, "thinning": 2}
    first = sample_torch(12, 200, seed=4, **kept)
    assert torch.equal(first, sample_torch(12, 200, seed=4, **kept))
    assert not torch.equal(first, sample_torch(12, 200, seed=5, **kept))
    assert torch.equal(sample_torch(12, 200, seed=4, spins=True, **kept) > 0, first > 0)
    assert len(torch.unique(first.flatten(1), dim=0)) == 200


def test_lanes_come_in_words():
    with pytest.raises(ValueError, match="64"):
        TorchSampler(Law(4, 4, 0.4, 0.4), 100, 0, torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_compiled_updates_give_the_same_spins():
    kept = {"device": "cpu", "lanes": 128, "burn_in": 3, "thinning": 2}
    assert torch.equal(sample_torch(4, 100, seed=7, **kept), sample_torch(4, 100, seed=7, compiled=True, **kept))
