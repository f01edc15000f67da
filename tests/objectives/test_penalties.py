"""The penalties on critics whose gradient is known, and what they do to the simplest game."""

import cmath
import math

import pytest
import torch
from torch import Tensor

from veridical.objectives.adversarial import OBJECTIVES, pair
from veridical.objectives.penalties import gradient_penalty, input_gradient, zero_centered_penalty

SLOPE = {"nonsaturating": 0.5, "minimax": 0.5, "hinge": 1.0, "wasserstein": 1.0}
"""f'(0) of every objective, in the notation of Mescheder et al. (2018)."""


def examples(n: int, *event: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_r1_of_a_linear_discriminator_is_half_its_squared_slope() -> None:
    w = torch.tensor([3.0, -4.0, 12.0], dtype=torch.float64, requires_grad=True)
    x = examples(7, 3).requires_grad_()
    penalty = zero_centered_penalty(x @ w, x)
    assert penalty.item() == pytest.approx(169 / 2)
    penalty.backward()
    torch.testing.assert_close(w.grad, w.detach())  # d/dw |w|^2 / 2, through the second derivative of D


def test_r1_of_a_quadratic_discriminator() -> None:
    matrix = examples(6, 6, seed=1)
    x = examples(9, 1, 2, 3).requires_grad_()
    flat = x.flatten(1)
    penalty = zero_centered_penalty(((flat @ matrix) * flat).sum(1) / 2, x)
    gradient = flat @ (matrix + matrix.T) / 2
    assert penalty.item() == pytest.approx(gradient.square().sum(1).mean().item() / 2)


@pytest.mark.parametrize("n", [1, 16, 64])
def test_gradient_penalty_of_a_critic_of_slope_one_is_zero_at_any_batch_size(n: int) -> None:
    w = torch.nn.functional.normalize(examples(12, seed=2), dim=0)
    x, x_fake, eps = examples(n, 3, 2, 2), examples(n, 3, 2, 2, seed=3), torch.linspace(0, 1, n).double()
    for slope, expected in ((1.0, 0.0), (3.0, 4.0), (0.0, 1.0)):
        penalty = gradient_penalty(lambda x, s=slope: s * x.flatten(1) @ w, x, x_fake, eps)
        assert penalty.item() == pytest.approx(expected, rel=1e-12, abs=1e-20)


def test_gradient_penalty_looks_between_each_pair() -> None:
    x, x_fake, eps = examples(5, 4), examples(5, 4, seed=1), torch.linspace(0, 1, 5, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: x.square().sum(1) / 2, x, x_fake, eps)  # the gradient is x_hat itself
    norms = torch.stack([(e * a + (1 - e) * b).norm() for e, a, b in zip(eps, x, x_fake, strict=True)])
    assert penalty.item() == pytest.approx((norms - 1).square().mean().item())


def test_gradient_penalty_of_a_flat_critic_has_a_finite_gradient() -> None:
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    eps = torch.full((3,), 0.5, dtype=torch.float64)
    gradient_penalty(lambda x: scale * x.sum(1), examples(3, 2), examples(3, 2, seed=1), eps).backward()
    assert scale.grad is not None and scale.grad.isfinite()


def test_a_gradient_that_cannot_be_taken_is_explained() -> None:
    x = examples(3, 2)
    with pytest.raises(ValueError, match="requires_grad_"):
        input_gradient(x.sum(1), x)
    x.requires_grad_()
    with pytest.raises(ValueError, match="do not depend on x"):
        input_gradient((x.detach() * x.new_ones(2, requires_grad=True)).sum(1), x)
    with torch.no_grad():
        logits = x.sum(1)
    with pytest.raises(ValueError, match="no_grad"):
        input_gradient(logits, x)


def dirac_field(name: str, gamma: float, paired: bool, both: bool) -> Tensor:
    """Jacobian at the equilibrium of the Dirac-GAN: data at 0, a fake at theta, D(x) = psi x."""

    def field(state: Tensor) -> Tensor:
        theta, psi = state.unbind()
        x, x_fake = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True), theta.expand(4, 1)
        logits = (psi * x)[:, 0], (psi * x_fake)[:, 0]
        seen = pair(*logits) if paired else logits
        loss_d = OBJECTIVES[name].discriminator(*seen) / (2 if paired else 1)
        loss_d = loss_d + gamma * zero_centered_penalty(logits[0], x)
        if both:
            loss_d = loss_d + gamma * zero_centered_penalty(logits[1], x_fake)
        loss_g = OBJECTIVES[name].generator(seen[1])
        (grad_g,) = torch.autograd.grad(loss_g, theta, create_graph=True)
        (grad_d,) = torch.autograd.grad(loss_d, psi, create_graph=True)
        return -torch.stack([grad_g, grad_d])

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    assert isinstance(jacobian, Tensor)
    return jacobian


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("name", list(OBJECTIVES))
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_eigenvalues_of_the_dirac_game(name: str, gamma: float, paired: bool) -> None:
    root = cmath.sqrt(gamma**2 / 4 - SLOPE[name] ** 2)
    expected = sorted([-gamma / 2 - root, -gamma / 2 + root], key=lambda v: (v.real, v.imag))
    found = torch.linalg.eigvals(dirac_field(name, gamma, paired, both=False)).tolist()
    found = sorted(found, key=lambda v: (round(v.real, 6), v.imag))
    # At the critical weight gamma = 2 f'(0) the root is double and only its square is exact to rounding.
    assert found == pytest.approx(expected, abs=1e-6)


def test_without_a_penalty_the_game_circles_and_with_one_it_comes_to_rest() -> None:
    assert torch.linalg.eigvals(dirac_field("nonsaturating", 0.0, True, False)).real.abs().max() < 1e-12
    assert torch.linalg.eigvals(dirac_field("nonsaturating", 0.1, True, False)).real.max() < 0


def test_r2_adds_to_r1_at_the_equilibrium() -> None:
    gamma = 0.3
    one, two = (dirac_field("nonsaturating", g, True, both) for g, both in ((2 * gamma, False), (gamma, True)))
    torch.testing.assert_close(one, two)
    assert math.isclose(one[1, 1].item(), -2 * gamma)
