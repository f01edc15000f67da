from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.config import GANConfig, OptimizerConfig, UnrolledGANConfig
from veridical.config.families.unrolled_gan import REFUSED
from veridical.families.gan import GAN
from veridical.families.unrolled_gan import UnrolledGAN
from veridical.model import Batch, Space
from veridical.nn.mlp import MLP
from veridical.noise import Noise
from veridical.objectives.game import generator_turn
from veridical.objectives.unrolling import Moments, unroll
from veridical.training.engine import Engine
from veridical.training.fit import State, move

SPACE = Space((2,), kind="vector", support=None, levels=None)
FAST = OptimizerConfig(lr=0.05, betas=(0.5, 0.999))
CODES = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
BATCH = Batch(torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9)) + 1, torch.arange(6))

PLAIN = Engine.plain()


class FixedCodes(UnrolledGAN):
    """The same codes at every turn, in float64."""

    def prior(self, n: int, noise: Noise | None = None) -> Tensor:
        return CODES[:n]


def networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return MLP(3, 2, 4, 1, nn.Tanh).double(), MLP(2, 1, 5, 2, nn.Tanh).double()


def build(steps: int, **choices: Any) -> FixedCodes:
    """A tiny game in float64 whose discriminator has a past of three updates."""
    config = UnrolledGANConfig(unrolled_steps=steps, latent_dim=3, discriminator_optimizer=FAST, **choices)
    generator, discriminator = networks()
    model = FixedCodes(config, SPACE, generator=generator, discriminator=discriminator).double()
    state = State(model, steps=3)
    for _ in range(3):
        move(model, state.players["discriminator"], BATCH, PLAIN, 0)
    return model


def generator_gradient(model: UnrolledGAN) -> Tensor:
    model.zero_grad()
    model.loss(BATCH, player="generator", step=0).loss.backward()
    return torch.cat([p.grad.reshape(-1) for p in model.generator.parameters() if p.grad is not None])


def finite_differences(model: UnrolledGAN, eps: float = 1e-5) -> Tensor:
    slopes = []
    for parameter in model.generator.parameters():
        flat = parameter.detach().view(-1)
        for i in range(len(flat)):
            ends = []
            for sign in (1, -1):
                flat[i] += sign * eps
                ends.append(model.loss(BATCH, player="generator", step=0).loss.item())
                flat[i] -= sign * eps
            slopes.append((ends[0] - ends[1]) / (2 * eps))
    return torch.tensor(slopes, dtype=torch.float64)


@pytest.mark.parametrize("rule", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_gradient_is_that_of_finite_differences(steps: int, rule: str) -> None:
    model = build(steps, unrolled_optimizer=rule, unrolled_lr=0.05 if rule == "adam" else 1.0)
    exact, measured = generator_gradient(model), finite_differences(model)
    assert (exact - measured).norm() < 1e-7 * exact.norm()


@pytest.mark.parametrize(
    "choices",
    [
        {"objective": "nonsaturating"},
        {"objective": "wasserstein", "pack": 2},
        {"objective": "minimax", "relativistic": True},
        {"objective": "minimax", "smoothing": 0.1},
        {"objective": "f-kl"},
    ],
    ids=lambda choices: "-".join(map(str, choices.values())),
)
def test_the_gradient_is_exact_for_other_games(choices: dict[str, Any]) -> None:
    if "pack" in choices:
        torch.manual_seed(0)
        config = UnrolledGANConfig(unrolled_steps=2, latent_dim=3, unrolled_lr=0.05, **choices)
        model = FixedCodes(config, SPACE, generator=networks()[0], discriminator=MLP(4, 1, 5, 1, nn.Tanh)).double()
        model.second.fill_(0.1)  # as if there were a past
    else:
        model = build(2, **choices)
    exact, measured = generator_gradient(model), finite_differences(model)
    assert (exact - measured).norm() < 1e-6 * exact.norm()


def test_without_second_order_it_would_be_another_algorithm() -> None:
    """The generator that merely meets a discriminator three steps ahead goes elsewhere."""
    model = build(3, unrolled_lr=0.2)
    whole = generator_gradient(model)
    theta = model.discriminator_vector().requires_grad_()
    x_fake = model.decode(CODES).detach()

    def loss(theta: Tensor) -> Tensor:
        tensors = model.named(theta)
        return model._discriminator_loss(model._logits(tensors, BATCH.x), model._logits(tensors, x_fake))

    ahead = unroll(loss, theta, Moments(model.first, model.second, int(model.updates)), model.rule(), 3)
    torch.nn.utils.vector_to_parameters(ahead.detach(), model.discriminator.parameters())
    model.config = replace(model.config, unrolled_steps=0)
    part = generator_gradient(model)
    assert (whole - part).norm() > 0.05 * whole.norm()


@pytest.mark.parametrize("objective", ["minimax", "nonsaturating", "hinge", "wasserstein", "least-squares"])
@pytest.mark.parametrize("relativistic", [False, True])
def test_without_steps_it_is_the_plain_game(objective: Any, relativistic: bool) -> None:
    model = build(0, objective=objective, relativistic=relativistic)
    mine = generator_gradient(model)
    plain = GAN(
        GANConfig(objective=objective, relativistic=relativistic, r1=0, r2=0, latent_dim=3),
        SPACE,
        generator=model.generator,
        discriminator=model.discriminator,
    )
    model.zero_grad()
    turn = generator_turn(plain.game, plain.logits, BATCH.x, model.decode(CODES), step=0)
    turn.loss.backward()
    theirs = torch.cat([p.grad.reshape(-1) for p in model.generator.parameters() if p.grad is not None])
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-15)


def test_the_foreseen_steps_are_those_the_loop_would_take() -> None:
    """With the same batch and codes, the answer is what training the discriminator alone arrives at."""
    model = build(4)
    foreseen: list[Tensor] = []
    rule = model.rule()

    def watched(theta: Tensor, gradient: Tensor, moments: Any) -> Any:
        theta, moments = rule(theta, gradient, moments)
        foreseen.append(theta.detach())
        return theta, moments

    model.rule = lambda: watched  # type: ignore[method-assign]
    model.loss(BATCH, player="generator", step=0)
    # The real optimiser from the beginning: three moves of the past, four of the future.
    generator, discriminator = networks()
    twin = FixedCodes(model.config, SPACE, generator=generator, discriminator=discriminator).double()
    state = State(twin, steps=7)
    for i in range(7):
        move(twin, state.players["discriminator"], BATCH, PLAIN, i)
        if i >= 3:
            torch.testing.assert_close(twin.discriminator_vector(), foreseen[i - 3], rtol=1e-10, atol=1e-12)


class Point(nn.Module):
    """The generator of the Dirac-GAN: every code becomes theta."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


def dirac(steps: int, lr: float, theta: float, psi: float) -> UnrolledGAN:
    """Data at 0, generator at theta, critic psi x (Mescheder et al., 2018, §2)."""
    game = OptimizerConfig("sgd", lr=0.05)
    config = UnrolledGANConfig(
        unrolled_steps=steps,
        unrolled_optimizer="sgd",
        unrolled_lr=lr,
        objective="wasserstein",
        latent_dim=1,
        generator_optimizer=game,
        discriminator_optimizer=game,
    )
    critic = nn.Linear(1, 1, bias=False)
    nn.init.constant_(critic.weight, psi)
    space = Space((1,), kind="vector", support=None, levels=None)
    return UnrolledGAN(config, space, generator=Point(theta), discriminator=critic)


@pytest.mark.parametrize(("steps", "lr"), [(0, 0.1), (1, 0.1), (5, 0.1), (10, 0.2)])
def test_in_the_dirac_gan_it_is_a_damping_of_two_k_eta(steps: int, lr: float) -> None:
    """psi_K = psi - K eta theta, so f = -psi theta + K eta theta²: the field of R1 with gamma = 2 K eta, on theta."""
    rows = []
    for theta, psi in ((1.0, 0.0), (0.0, 1.0)):
        model = dirac(steps, lr, theta, psi)
        batch = Batch(torch.zeros(4, 1), torch.arange(4))
        for player in model.players:
            model.zero_grad()
            model.loss(batch, player=player, step=0).loss.backward()
            (parameter,) = model.get_submodule(player).parameters()
            assert parameter.grad is not None
            rows.append(-parameter.grad.item())
    field = torch.tensor(rows).view(2, 2).T  # d(psi', theta') / d(theta, psi)
    torch.testing.assert_close(field, torch.tensor([[-1.0, 0.0], [-2 * steps * lr, 1.0]]))
    eigenvalues = torch.linalg.eigvals(field.flip(0))  # of (theta, psi)
    half = steps * lr
    expected = torch.sqrt(torch.tensor(half**2 - 1, dtype=torch.complex64))
    torch.testing.assert_close(eigenvalues.real.sort().values, torch.stack([-half - expected, -half + expected]).real)
    torch.testing.assert_close(eigenvalues.imag.abs(), expected.imag.abs().expand(2))


@pytest.mark.parametrize("steps", [0, 5])
def test_it_ends_the_orbit_of_the_dirac_gan(steps: int) -> None:
    model = dirac(steps, 0.1, 1.0, 0.5)
    state = State(model, steps=250)
    for _ in range(250):
        for player in model.players:
            move(model, state.players[player], Batch(torch.zeros(4, 1), torch.arange(4)), PLAIN, 0)
    distance = sum(p.square().sum().item() for p in model.parameters()) ** 0.5
    # Alternating steps of size 0.05 stay on an ellipse; with a damping of 1 they shrink by e^(-0.025) a step.
    assert distance < 0.01 if steps else 0.9 < distance < 1.4


def test_looking_ahead_leaves_the_discriminator_as_it_is() -> None:
    model = UnrolledGAN(UnrolledGANConfig(unrolled_steps=2, network="dcgan", width=2), Space((1, 28, 28)))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = Batch(torch.randn(4, 1, 28, 28).clamp(-1, 1), torch.arange(4))
    model.loss(batch, player="generator", step=0).loss.backward()
    for name, tensor in model.state_dict().items():
        if not name.startswith("generator"):
            assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None for p in model.discriminator.parameters())


def test_the_gain_says_how_far_the_discriminator_would_get() -> None:
    assert build(0).loss(BATCH, player="generator", step=0).terms["unrolled_gain"] == 0
    assert build(3, unrolled_lr=0.01).loss(BATCH, player="generator", step=0).terms["unrolled_gain"] > 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_ignored_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*; the unrolled steps"):
        UnrolledGANConfig(**{name: True if name == "spectral_norm" else 0.1})  # type: ignore[arg-type]


def test_choices_are_checked() -> None:
    with pytest.raises(ValueError, match="unrolled_steps"):
        UnrolledGANConfig(unrolled_steps=-1)
    with pytest.raises(ValueError, match="unrolled_lr"):
        UnrolledGANConfig(unrolled_lr=0.0)
    with pytest.raises(ValueError, match="unrolled_optimizer"):
        UnrolledGANConfig(unrolled_optimizer="lion")  # type: ignore[arg-type]
