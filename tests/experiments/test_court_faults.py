"""Every planted fault is what it says, in numbers that a mutant changes."""

from __future__ import annotations

import math

import pytest
import torch

from veridical.experiments import court_faults
from veridical.experiments.court_faults import FAULTS, World, law, none

N = 20_000


def world(d: int = 32, seed: int = 0) -> World:
    generator = torch.Generator().manual_seed(seed)
    of = law(d)
    return World(of, of.sample(N, generator, torch.float32), generator)


def moments(x: torch.Tensor, of: World) -> tuple[torch.Tensor, float]:
    """Return the shares of the modes, and the mean square deviation per coordinate from the centre of the mode."""
    mode, distance = of.law.nearest_mode(x.double())
    return torch.bincount(mode, minlength=10) / len(x), float(distance.square().mean()) / x.shape[1]


@pytest.mark.parametrize("d", [2, 32, 256])
def test_neighbouring_centres_are_six_widths_apart(d: int) -> None:
    centres = law(d).means
    distance = torch.cdist(centres, centres) + 99 * torch.eye(10)
    assert torch.allclose(distance.amin(dim=1), torch.full((10,), 6.0, dtype=torch.float64))


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2, or at least 10"):
        law(5)


def test_weights_of_modes() -> None:
    """Shares of 20,000 examples have a standard error of .002; 5 of them leave a false alarm below 1e-5."""
    of = world()
    for name, share in (("dropped mode", 0.0), ("halved mode", 0.05 / 0.95), ("doubled mode", 0.2 / 1.1)):
        assert float(moments(FAULTS[name](of, N), of)[0][0]) == pytest.approx(share, abs=0.014), name
    assert float(moments(none(of, N), of)[0][0]) == pytest.approx(0.1, abs=0.012)


def test_widths() -> None:
    of = world()
    expected = {"shrunk": 0.93**2, "inflated": 1.07**2, "blur": (1 + 0.49) / 2, "shift": 1 + 0.25**2 / 32}
    base = moments(none(of, N), of)[1]  # some examples are nearer to another centre than to their own
    for name, variance in expected.items():
        assert moments(FAULTS[name](of, N), of)[1] / base == pytest.approx(variance, abs=0.01), name


def test_copies_are_near_training_examples_and_junk_is_far_from_all_modes() -> None:
    of = world()
    near = torch.cdist(court_faults.copies(of, 2000), of.train).amin(dim=1) < 0.01 * 3 * math.sqrt(32)
    assert float(near.float().mean()) == pytest.approx(0.05, abs=0.025)
    _, distance = of.law.nearest_mode(court_faults.junk(of, 2000).double())
    assert float((distance > 10).float().mean()) == pytest.approx(0.05, abs=0.025)
