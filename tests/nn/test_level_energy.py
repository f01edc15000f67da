"""Logits of noise levels by the energy of a U-Net, against closed forms of Gaussian data and of points."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from tests.mutants import is_noticed
from veridical.data.space import Space
from veridical.nn import level_energy
from veridical.nn.level_energy import GaussianMoments, LevelEnergy, flatness

SPACE = Space((1, 8, 8), levels=None, mean=0.3, std=0.7)
CLOSE = torch.tensor([0.5, 0.5 * (1 + 1e-7), 0.5 * (1 + 2e-7)], dtype=torch.float64)
"""Levels so close that every estimate is the level."""


def moments(dim: int, axes: int, seed: int = 0) -> tuple[GaussianMoments, Tensor, Tensor]:
    """Return moments in double precision, the mean (d,) and the covariance (d, d) that they stand for."""
    random = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(dim, dim, generator=random, dtype=torch.float64)).Q[:axes]
    mean = torch.randn(dim, generator=random, dtype=torch.float64)
    variances = torch.rand(axes, generator=random, dtype=torch.float64) + 0.1
    found = GaussianMoments(dim, axes, 0.0, 1.0).double()
    found.set(mean, basis, variances, float(variances.sum()) + 0.2 * (dim - axes))
    others = torch.eye(dim, dtype=torch.float64) - basis.T @ basis
    return found, mean, basis.T @ variances.diag() @ basis + 0.2 * others


def check_the_moments(axes: int) -> None:
    found, mean, covariance = moments(5, axes)
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    added = torch.tensor([0.03, 2.0], dtype=torch.float64)
    eye = torch.eye(5, dtype=torch.float64)
    laws = [MultivariateNormal(mean, covariance + float(a) * eye) for a in added]
    expected = torch.stack([law.log_prob(x) for law in laws], dim=1) + 2.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(found.log_density(x, added), expected)
    inverse = torch.linalg.inv(covariance + 0.03 * eye)
    torch.testing.assert_close(found.quadratic(x, added)[:, 0], ((x @ inverse) * x).sum(dim=1))
    for a in added:
        shrink = covariance @ torch.linalg.inv(covariance + a * eye)
        torch.testing.assert_close(found.shrunk(x, a.expand(7)), (x - mean) @ shrink)


def test_moments_are_those_of_a_normal_distribution() -> None:
    check_the_moments(5)


def test_directions_beside_the_axes_share_a_variance() -> None:
    check_the_moments(2)


class Fields(nn.Module):
    """Gives the energy the h that leads to a denoiser, in the place of the U-Net."""

    def __init__(self, energy: LevelEnergy, denoiser: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.energy, self.denoiser, self.x = energy, denoiser, torch.empty(0)

    def forward(self, inputs: Tensor, level: Tensor) -> Tensor:
        """Return h in its units, and nothing for g."""
        angle = (4 * level).exp().atan()[:, None, None, None]
        linear = self.energy.std * inputs[:, 1:]
        mean = self.energy.gaussian.mean.to(linear).reshape(1, 1, 8, 8)
        h = self.denoiser(self.x) - mean - linear
        free = torch.zeros(len(h), len(self.energy.logs), 8, 8, dtype=h.dtype)
        return torch.cat([h / (self.energy.std * angle.sin() * angle.cos()), free], dim=1)


def energy_of(sigmas: Tensor = CLOSE, axes: int = 64) -> tuple[LevelEnergy, Tensor, Tensor]:
    energy = LevelEnergy(SPACE, SPACE.mean, SPACE.std, sigmas, axes=axes, width=8).double()
    energy.gaussian, mean, covariance = moments(64, axes)
    return energy, mean, covariance


def check_the_energy() -> None:
    energy, mean, covariance = energy_of()
    random = torch.Generator().manual_seed(2)
    x, f = torch.randn(2, 4, 1, 8, 8, generator=random, dtype=torch.float64)
    fields = energy.network = Fields(energy, lambda _: f)
    fields.x = x
    logits, inner = energy(x)
    torch.testing.assert_close(inner, f)
    # |x - f|^2 / 2 sigma^2 + (f - m)' C^-1 (f - m) / 2, and half the logarithm of the determinant of C + sigma^2.
    away, apart = (f.flatten(1) - mean), (x - f).flatten(1).square().sum(dim=1)
    prior = (away @ torch.linalg.inv(covariance) * away).sum(dim=1)
    log_det = torch.logdet(covariance + 0.25 * torch.eye(64, dtype=torch.float64))
    expected = -0.5 * (apart / 0.25 + prior + log_det)
    torch.testing.assert_close(logits, expected[:, None].expand(4, 3), rtol=1e-4, atol=1e-4)


def test_it_is_the_squared_distance_from_the_denoiser_and_a_penalty_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_energy, "FINEST", 0.0)
    check_the_energy()


def test_for_data_on_points_the_gradient_leads_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_energy, "FINEST", 0.0)
    energy, _, _ = energy_of()
    points = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def nearest(x: Tensor) -> Tensor:
        return points[torch.cdist(x.flatten(1), points.flatten(1)).argmin(dim=1)]

    fields = energy.network = Fields(energy, nearest)
    x = fields.x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(energy(x)[0][:, 1].sum(), x)
    torch.testing.assert_close(slope, ((nearest(x) - x) / 0.25).detach(), rtol=1e-4, atol=1e-4)


def started(levels: int = 4) -> LevelEnergy:
    """An energy with weights in every layer."""
    torch.manual_seed(5)
    sigmas = torch.logspace(-1, 0.5, levels, dtype=torch.float64)
    energy = LevelEnergy(SPACE, SPACE.mean, SPACE.std, sigmas, axes=20, width=8).double()
    energy.gaussian, _, _ = moments(64, 20)
    for parameter in energy.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return energy


def test_its_gradient_passes_through_the_estimated_level() -> None:
    energy = started()
    x, step = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    x.requires_grad_()
    along = torch.zeros(())
    for k in range(4):
        (slope,) = torch.autograd.grad(energy(x)[0][:, k].sum(), x, create_graph=True)
        along = (slope * step).sum()
        with torch.no_grad():
            ends = [float(energy(x + sign * 1e-5 * step)[0][:, k].sum()) for sign in (1, -1)]
        assert float(along.detach()) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)
    # The second derivative, which training needs, by the same differences of the last gradient.
    (curve,) = torch.autograd.grad(along, x)
    slopes = []
    for sign in (1, -1):
        moved = (x + sign * 1e-5 * step).detach().requires_grad_()
        slopes.append(torch.autograd.grad(energy(moved)[0][:, 3].sum(), moved)[0])
    torch.testing.assert_close(curve, (slopes[0] - slopes[1]) / 2e-5, rtol=1e-4, atol=1e-5)


def test_an_offset_is_the_fall_of_the_density_from_one_level_to_the_next() -> None:
    energy = LevelEnergy(SPACE, SPACE.mean, SPACE.std, torch.tensor([0.1, 0.2, 0.4, 0.8]), axes=4, width=8)
    energy.explained.data = torch.tensor([0.1, 0.2, 0.3, 0.4])
    c, shares = energy.offsets(), 1 / (1 + (torch.tensor([0.1, 0.2, 0.4]) / 0.7).square())
    fall = 3 * 64 * torch.tensor(2.0).log() * torch.tensor([0.1, 0.2, 0.3]) * shares
    torch.testing.assert_close(c[:-1] - c[1:], fall)


def test_the_level_is_known_and_smooth_where_there_are_many_components() -> None:
    # 784 normal components of variance 0.01 with noise from 0.1 to 10: the level is known to 2.5 %, a sixth of a step.
    sigmas = torch.logspace(-1, 1, 32)
    step = float((sigmas[1] / sigmas[0]).log())
    gaussian = GaussianMoments(784, 1, 0.0, 0.01)
    x = sigmas[8:24, None] * torch.randn(16, 784, generator=torch.Generator().manual_seed(7))
    x = x + 0.1 * torch.randn(16, 784, generator=torch.Generator().manual_seed(8))
    shares = (gaussian.log_density(x, sigmas.square()) / flatness(784, step)).softmax(dim=1)
    off = (shares @ sigmas.log() - sigmas[8:24].log()).abs()
    assert float(off.max()) < 0.2  # five of its standard deviations, with half the bias of a step
    assert float(shares.max()) < 0.75  # neighbours are confused


MUTANTS = [
    (GaussianMoments, "quadratic", "1 / (self.variances", "(self.variances", lambda: check_the_moments(5)),
    (GaussianMoments, "quadratic", "total + others", "total - others", lambda: check_the_moments(2)),
    (GaussianMoments, "log_density", "x - self.mean.to(x)", "x", lambda: check_the_moments(5)),
    (GaussianMoments, "log_density", "self.left *", "1 *", lambda: check_the_moments(2)),
    (GaussianMoments, "shrunk", "(factors - rest)", "factors", lambda: check_the_moments(2)),
    (GaussianMoments, "set", "total - float(variances.sum())", "total", lambda: check_the_moments(2)),
    (LevelEnergy, "forward", "/ squares", "* squares", check_the_energy),
    (LevelEnergy, "forward", "gaussian - 0.5", "gaussian - 1.0", check_the_energy),
    (LevelEnergy, "forward", "+ linear + h", "+ linear", check_the_energy),
    (LevelEnergy, "forward", "(self.std * level.exp())", "level.exp()", check_the_energy),
    (LevelEnergy, "_fields", "angle.sin() * angle.cos()", "angle.sin()", check_the_energy),
    (
        LevelEnergy,
        "forward",
        "level = (gaussian",
        "level = (gaussian.detach()",
        test_its_gradient_passes_through_the_estimated_level,
    ),
    (
        LevelEnergy,
        "offsets",
        ".flip(0).cumsum(0).flip(0)",
        "",
        test_an_offset_is_the_fall_of_the_density_from_one_level_to_the_next,
    ),
    (
        level_energy,
        "flatness",
        "dim * step**2",
        "1.0",
        test_the_level_is_known_and_smooth_where_there_are_many_components,
    ),
]


@pytest.mark.parametrize(("owner", "name", "before", "after", "check"), MUTANTS)
def test_a_planted_mistake_is_found(
    owner: Any, name: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(level_energy, "FINEST", 0.0)
    is_noticed(check, monkeypatch, owner, name, before, after)
