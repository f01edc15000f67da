"""The penalties on critics whose gradient is known, and what they do to the simplest game."""

import cmath
import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from veridical.objectives.adversarial import OBJECTIVES, pair
from veridical.objectives.penalties import (
    analytic_noise_penalty,
    clip_weights,
    dragan_noise,
    dragan_penalty,
    gradient_penalty,
    historical_averaging,
    input_gradient,
    one_sided_gradient_penalty,
    running_average,
    zero_centered_penalty,
)

SLOPES = {
    "nonsaturating": (0.5, 0.5),
    "minimax": (0.5, 0.5),
    "maximum-likelihood": (0.5, 0.5),
    "least-squares": (0.5, 0.5),
    "pearson-least-squares": (1.0, 0.0),
    "hinge": (1.0, 1.0),
    "wasserstein": (1.0, 1.0),
    "f-kl": (1.0, 1.0),
    "f-reverse-kl": (1.0, 1.0),
    "f-js": (0.5, 0.5),
    "f-pearson": (1.0, 1.0),
    "f-neyman": (1.0, 1.0),
    "f-hellinger": (1.0, 1.0),
    "f-total-variation": (0.5, 0.5),
}
"""Slopes of the two losses in a fake's logit where D cannot tell; f'(0) of Mescheder et al. (2018) where they agree."""


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


class Dirac(NamedTuple):
    """A state of the Dirac-GAN: data at 0, a fake at theta, D(x) = psi x + what it says when it cannot tell."""

    theta: Tensor
    psi: Tensor
    x: Tensor
    x_fake: Tensor
    logit_real: Tensor
    logit_fake: Tensor
    discriminator: Callable[[Tensor], Tensor]


def dirac(state: Tensor, undecided: float = 0.0) -> Dirac:
    theta, psi = state.unbind()
    x, x_fake = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True), theta.expand(4, 1)

    def discriminator(x: Tensor) -> Tensor:
        return (psi * x)[:, 0] + undecided

    return Dirac(theta, psi, x, x_fake, discriminator(x), discriminator(x_fake), discriminator)


Damping = Callable[[Dirac], tuple[Tensor | float, Tensor | float]]
"""What is added to the losses of the discriminator and of the generator."""


def dirac_field(name: str, damping: Damping, paired: bool = False) -> Tensor:
    """Jacobian of the two players' simultaneous descent at the equilibrium (0, 0)."""

    def field(state: Tensor) -> Tensor:
        game = dirac(state, 0.5 if name == "least-squares" else 0.0)
        logits = game.logit_real, game.logit_fake
        seen = pair(*logits) if paired else logits
        loss_d = OBJECTIVES[name].discriminator(*seen) / (2 if paired else 1)
        loss_g = OBJECTIVES[name].generator(seen[1])
        extra_d, extra_g = damping(game)
        (grad_g,) = torch.autograd.grad(loss_g + extra_g, game.theta, create_graph=True)
        (grad_d,) = torch.autograd.grad(loss_d + extra_d, game.psi, create_graph=True)
        return -torch.stack([grad_g, grad_d])

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2, dtype=torch.float64))
    assert isinstance(jacobian, Tensor)
    return jacobian


def r1(gamma: float) -> Damping:
    return lambda game: (gamma * zero_centered_penalty(game.logit_real, game.x), 0.0)


def r1_and_r2(gamma: float) -> Damping:
    def damping(game: Dirac) -> tuple[Tensor, float]:
        both = (game.logit_real, game.x), (game.logit_fake, game.x_fake)
        return torch.stack([gamma * zero_centered_penalty(*pair) for pair in both]).sum(), 0.0

    return damping


def eigenvalues(jacobian: Tensor) -> list[complex]:
    found = torch.linalg.eigvals(jacobian).tolist()
    return sorted(found, key=lambda v: (round(v.real, 6), v.imag))


def damped(rate: float, slopes: tuple[float, float]) -> list[complex]:
    """Roots of lambda^2 + rate lambda + the product of the slopes."""
    root = cmath.sqrt(rate**2 / 4 - slopes[0] * slopes[1])
    return sorted([-rate / 2 - root, -rate / 2 + root], key=lambda v: (round(v.real, 6), v.imag))


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("name", list(OBJECTIVES))
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_eigenvalues_of_the_dirac_game(name: str, gamma: float, paired: bool) -> None:
    # Pairing moves "cannot tell" to a difference of 0, where the generator of least squares is twice as steep.
    slopes = (0.5, 1.0) if paired and name == "least-squares" else SLOPES[name]
    # At the critical weight gamma = 2 f'(0) the root is double and only its square is exact to rounding.
    assert eigenvalues(dirac_field(name, r1(gamma), paired)) == pytest.approx(damped(gamma, slopes), abs=1e-6)


def test_without_a_penalty_the_game_circles_and_with_one_it_comes_to_rest() -> None:
    assert torch.linalg.eigvals(dirac_field("nonsaturating", r1(0.0), True)).real.abs().max() < 1e-12
    assert torch.linalg.eigvals(dirac_field("nonsaturating", r1(0.1), True)).real.max() < 0


def test_r2_adds_to_r1_at_the_equilibrium() -> None:
    gamma = 0.3
    both = dirac_field("nonsaturating", r1_and_r2(gamma), True)
    torch.testing.assert_close(dirac_field("nonsaturating", r1(2 * gamma), True), both)
    assert math.isclose(both[1, 1].item(), -2 * gamma)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 3.0])
def test_the_analytic_noise_penalty_damps_half_as_much_as_r1(gamma: float) -> None:
    def damping(game: Dirac) -> tuple[Tensor, float]:
        return gamma * analytic_noise_penalty(game.logit_real, game.x, game.logit_fake, game.x_fake), 0.0

    # Where D cannot tell both weights are 1/4, and there are two terms.
    assert eigenvalues(dirac_field("nonsaturating", damping)) == pytest.approx(damped(gamma / 2, (0.5, 0.5)), abs=1e-6)


def test_historical_averaging_of_both_players_damps_both() -> None:
    gamma, past = 0.2, [torch.zeros((), dtype=torch.float64)]

    def damping(game: Dirac) -> tuple[Tensor, Tensor]:
        return tuple(gamma * historical_averaging([own], past) for own in (game.psi, game.theta))  # type: ignore

    found = eigenvalues(dirac_field("nonsaturating", damping))
    assert found == pytest.approx([complex(-2 * gamma, -0.5), complex(-2 * gamma, 0.5)])


@pytest.mark.parametrize("psi", [1e-6, -1e-6, 0.5, -0.5])
def test_what_the_penalties_on_the_norm_do_near_rest(psi: float) -> None:
    # Two-sided: (|psi| - 1)^2 pushes away from psi = 0, with a kink there. One-sided: nothing below slope 1.
    x, eps = examples(4, 1), torch.full((4,), 0.5, dtype=torch.float64)
    slope = torch.tensor(psi, dtype=torch.float64, requires_grad=True)
    expected = {gradient_penalty: 2 * (psi - math.copysign(1, psi)), one_sided_gradient_penalty: 0.0}
    for penalty, pull in expected.items():
        (found,) = torch.autograd.grad(penalty(lambda x: slope * x[:, 0], x, -x, eps), slope)
        assert found.item() == pytest.approx(pull, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [1, 16, 64])
def test_one_sided_penalty_of_any_1_lipschitz_critic_is_zero_at_any_batch_size(n: int) -> None:
    w = torch.nn.functional.normalize(examples(12, seed=2), dim=0) * (1 - 1e-12)
    x, x_fake, eps = examples(n, 3, 2, 2), examples(n, 3, 2, 2, seed=3), torch.linspace(0, 1, n).double()
    for slope, expected in ((0.0, 0.0), (0.4, 0.0), (1.0, 0.0), (3.0, 4.0)):
        penalty = one_sided_gradient_penalty(lambda x, s=slope: s * x.flatten(1) @ w, x, x_fake, eps)
        assert penalty.item() == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize("n", [1, 16, 64])
def test_dragan_penalty_looks_at_the_noised_data_each_for_itself(n: int) -> None:
    x, u = examples(n, 4), torch.rand(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noise = dragan_noise(x, u)
    penalty = dragan_penalty(lambda x: x.square().sum(1) / 2, x, noise)  # the gradient is x_hat itself
    assert penalty.item() == pytest.approx(((x + noise).norm(dim=1) - 1).square().mean().item())
    w = torch.nn.functional.normalize(examples(4, seed=2), dim=0)
    assert dragan_penalty(lambda x: x @ w, x, noise).item() == pytest.approx(0, abs=1e-20)


def test_dragan_noise_is_centred_and_as_wide_as_half_the_standard_deviation() -> None:
    x, u = 3 * examples(50, 4) + 7, torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64).expand(50, 4)
    spread = x.numpy().std() / 2
    torch.testing.assert_close(dragan_noise(x, u)[0], spread * torch.tensor([-1.0, -0.5, 0.0, 1.0]).double())


def test_the_analytic_noise_penalty_weighs_by_doubt() -> None:
    w = torch.tensor([3.0, -4.0], dtype=torch.float64)
    x, x_fake = examples(5, 2).requires_grad_(), examples(5, 2, seed=1).requires_grad_()
    logits = x @ w, x_fake @ w
    penalty = analytic_noise_penalty(logits[0], x, logits[1], x_fake)
    doubt = torch.sigmoid(-logits[0]).square().mean() + torch.sigmoid(logits[1]).square().mean()
    assert penalty.item() == pytest.approx(25 / 2 * doubt.item())


def test_historical_averaging_against_the_average_written_out() -> None:
    past = examples(6, 3)
    average = torch.full((3,), torch.pi, dtype=torch.float64)
    for count, theta in enumerate(past, start=1):
        average = running_average(average, theta, count)
    torch.testing.assert_close(average, past.mean(0))
    theta, bias = past[-1].clone().requires_grad_(), torch.tensor(2.0, dtype=torch.float64)
    penalty = historical_averaging([theta, bias], [average, torch.zeros((), dtype=torch.float64)])
    assert penalty.item() == pytest.approx((past[-1] - past.mean(0)).square().sum().item() + 4)
    penalty.backward()
    torch.testing.assert_close(theta.grad, 2 * (past[-1] - past.mean(0)))


def test_historical_averaging_refuses_what_does_not_match() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        historical_averaging([], [])
    with pytest.raises(ValueError, match="shorter"):
        historical_averaging([torch.zeros(2), torch.zeros(2)], [torch.zeros(2)])
    with pytest.raises(ValueError, match="at least 1"):
        running_average(torch.zeros(2), torch.zeros(2), 0)


def test_clipping_bounds_every_weight_in_place() -> None:
    weights = [torch.nn.Parameter(examples(3, 2)), torch.nn.Parameter(torch.tensor([0.5, -0.001]))]
    clip_weights(weights, 0.01)
    assert all((w.abs() <= 0.01).all() for w in weights)
    torch.testing.assert_close(weights[1].detach(), torch.tensor([0.01, -0.001]))
    with pytest.raises(ValueError, match="positive"):
        clip_weights(weights, 0.0)
