"""The lattice as a law: probabilities by enumeration, samples against them."""

import math

import numpy as np
import pytest
import torch

from veridical.ising import CRITICAL_COUPLING
from veridical.ising.exact import energy_per_site
from veridical.statistics import chi_square_test
from veridical.targets.ising import Ising

FALSE_ALARM = 1e-6


def every(height: int, width: int) -> torch.Tensor:
    sites = height * width
    bits = (torch.arange(1 << sites)[:, None] >> torch.arange(sites)) & 1
    return (2.0 * bits.double() - 1).reshape(-1, 1, height, width)


@pytest.mark.parametrize(
    ("height", "width", "coupling"),
    [(3, 3, CRITICAL_COUPLING), (4, 4, CRITICAL_COUPLING), (2, 3, 0.7), (3, 5, 0.2), (4, 2, -0.5), (4, 4, 0.0)],
)
def test_probabilities_sum_to_one(height: int, width: int, coupling: float) -> None:
    law = Ising(height, width, coupling)
    log_p = law.log_prob(every(height, width))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert law.entropy().value == pytest.approx(-float((log_p.exp() * log_p).sum()), abs=1e-10)


def test_energy_by_loops() -> None:
    law, x = Ising(3, 4, 0.3), torch.randint(2, (6, 1, 3, 4)).double() * 2 - 1
    for spins, energy in zip(x[:, 0], law.energy(x), strict=True):
        bonds = sum(
            float(spins[r, c] * (spins[(r + 1) % 3, c] + spins[r, (c + 1) % 4])) for r in range(3) for c in range(4)
        )
        assert float(energy) == pytest.approx(-0.3 * bonds)


def test_samples_follow_the_probabilities() -> None:
    law = Ising(3)
    x = law.sample(50_000, torch.Generator().manual_seed(0))
    state = ((x > 0).reshape(len(x), -1).long() << torch.arange(9)).sum(1)
    expected = law.log_prob(every(3, 3)).exp()
    assert chi_square_test(np.bincount(state.numpy(), minlength=512), expected.numpy()).p_value > FALSE_ALARM


def test_mean_log_probability_of_samples_is_minus_the_entropy() -> None:
    law = Ising(16)
    log_p = law.log_prob(law.sample(4000, torch.Generator().manual_seed(1), torch.float64))
    assert abs(float(log_p.mean()) + law.entropy().value) < 5 * float(log_p.std()) / math.sqrt(4000)
    energy = 256 * float(energy_per_site(16, 16, CRITICAL_COUPLING)) * CRITICAL_COUPLING
    assert law.log_partition + energy == pytest.approx(law.entropy().value, rel=1e-12)


def test_samples_are_spins_and_repeat_with_their_seed() -> None:
    law = Ising(4, 6, 0.3)
    a, b, c = (law.sample(10, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert a.shape == (10, *law.shape) == (10, 1, 4, 6) and a.dtype == torch.get_default_dtype()
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert set(a.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(law.draw(5, 7), law.draw(5, 7)) and law.draw(5).dtype == torch.uint8


def test_names() -> None:
    assert Ising(8).name == "ising:8" and Ising(8, 4).name == "ising:8x4"
    assert Ising(8, coupling=0.3).name == "ising:8 at K=0.3"


def test_what_is_no_configuration_is_refused() -> None:
    law = Ising(4)
    with pytest.raises(ValueError, match=r"x has shape \(2, 4, 4\).*\(\*batch, 1, 4, 4\)"):
        law.energy(torch.ones(2, 4, 4))
    with pytest.raises(ValueError, match=r"values from 0 to 1; expected spins"):
        law.log_prob(torch.tensor([[[0.0, 1.0] * 2] * 4]))
    with pytest.raises(ValueError, match="a side is 1"):
        Ising(1, 4)
    with pytest.raises(ValueError, match="frustrated"):
        Ising(3, 4, -0.4)
