"""A point mass is where it is said to be."""

import torch

from veridical.nn.point_mass import PointMass


def test_its_moments_and_draws_are_the_points() -> None:
    points = torch.randn(4, 2, 3, requires_grad=True)
    q = PointMass(points)
    assert torch.equal(q.mean, points) and torch.equal(q.sample(), points) and not q.variance.any()
    assert q.rsample((5,)).shape == (5, 4, 2, 3) and q.rsample().requires_grad


def test_all_mass_is_at_the_points() -> None:
    points = torch.zeros(2, 3)
    other = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1e-30]])
    assert PointMass(points).log_prob(other).tolist() == [0.0, -torch.inf]
