"""The discrete GAN: what it draws, what its gradients are, and that it learns a law."""

import itertools
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from veridical.config import DiscreteGANConfig, OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.preprocess import to_data_space
from veridical.families.discrete_gan import DiscreteGAN
from veridical.model import Batch, Space
from veridical.targets.categorical import Categorical
from veridical.training.fit import State, fit

Estimator = Literal["gumbel", "reinforce"]
ESTIMATORS: tuple[Estimator, ...] = ("gumbel", "reinforce")
SPINS = Space((1, 8, 8), kind="lattice", levels=2)
DIGITS = Space((1, 8, 8), levels=17)
BOX = Space((2,), kind="vector", support=(0.0, 10.0), levels=3, mean=5.0, std=3.0)


class Constant(nn.Module):
    """A generator whose law does not depend on the code."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, z: Tensor) -> Tensor:
        return self.logits.expand(len(z), -1)


class Table(nn.Module):
    """A discriminator with a logit of its own for each of the 9 examples of BOX."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.linspace(-2, 3, 9).reshape(3, 3)[:, torch.tensor([2, 0, 1])])

    def forward(self, y: Tensor) -> Tensor:
        first, second = y.unflatten(1, (2, 3)).unbind(1)
        return ((first @ self.table) * second).sum(1)


def batch(space: Space, n: int = 6) -> Batch:
    x = to_data_space(torch.randint(space.levels or 0, (n, *space.shape)), space)
    return Batch(x, torch.arange(n))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("space", [SPINS, DIGITS, BOX], ids=["spins", "digits", "box"])
def test_samples_lie_exactly_on_the_levels(space: Space, estimator: Estimator) -> None:
    torch.manual_seed(0)
    model = DiscreteGAN(DiscreteGANConfig(latent_dim=3, width=8, estimator=estimator), space)
    grid = to_data_space(torch.arange(space.levels or 0), space)
    for x in (model.sample(20), model.decode(model.prior(20)).detach()):
        assert torch.isin(x, grid).all()
        assert torch.equal(model.in_data_space(model.one_hot(x)), x)


def test_one_hot_and_logits_lay_the_levels_out_alike() -> None:
    torch.manual_seed(0)
    model = DiscreteGAN(DiscreteGANConfig(latent_dim=3, width=8), DIGITS)
    z = model.prior(2)
    theta, flat = model.theta(z), model.generator(z)  # (B, C, H, W, L) and (B, C L, H, W)
    assert torch.equal(theta[1, 0, 3, 5], flat[1, :, 3, 5])
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    y = model.one_hot(batch(DIGITS, 2).x)
    model.judge(y)
    assert torch.equal(seen[0][1, :, 3, 5], y[1, 0, 3, 5])


def test_draws_follow_the_softmax_of_the_logits() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5, 0.0, 2.0])
    model = DiscreteGAN(DiscreteGANConfig(latent_dim=2), BOX, generator=Constant(logits))
    n = 40_000
    counts = model.one_hot(model.sample(n)).sum(0)
    expected = n * logits.reshape(2, 3).softmax(-1)
    # False alarms: chi-square with 4 degrees of freedom is above 18.5 with probability 0.1 %.
    assert float(((counts - expected) ** 2 / expected).sum()) < 18.5
    assert (model.decode(model.prior(3)).detach() == torch.tensor([5.0, 10.0])).all()  # the most probable


def exact_gradient(model: DiscreteGAN, logits: Tensor) -> Tensor:
    """Of the expected non-saturating cost, over all 9 examples."""
    theta = logits.clone().requires_grad_()
    log_p = theta.reshape(2, 3).log_softmax(-1)
    cost = torch.zeros(())
    for first, second in itertools.product(range(3), range(3)):
        y = torch.nn.functional.one_hot(torch.tensor([[first, second]]), 3).float()
        f = nn.functional.softplus(-model.judge(y)[0]).detach()
        cost = cost + (log_p[0, first] + log_p[1, second]).exp() * f
    return torch.autograd.grad(cost, theta)[0]


def estimates(estimator: Estimator, repeats: int = 40, n: int = 2_000) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5, 0.0, 1.0])
    config = DiscreteGANConfig(latent_dim=2, relativistic=False, estimator=estimator)
    model = DiscreteGAN(config, BOX, generator=Constant(logits), discriminator=Table())
    found = []
    for _ in range(repeats):
        model.zero_grad()
        model.generator_loss(batch(BOX, n), 0).loss.backward()
        found.append(model.get_parameter("generator.logits").grad.clone())  # type: ignore[union-attr]
    return torch.stack(found), exact_gradient(model, logits)


def test_reinforce_is_unbiased_and_gumbel_is_not() -> None:
    # Hotelling's T^2 of 40 means in 4 free directions: F(4, 36) is above 5.0 with probability 0.3 %.
    statistics = {}
    for estimator in ESTIMATORS:
        found, exact = estimates(estimator)
        free = [0, 1, 3, 4]  # gradients of each component sum to 0
        gap = (found.mean(0) - exact)[free]
        covariance = torch.cov(found[:, free].T) / len(found)
        statistics[estimator] = float(gap @ torch.linalg.solve(covariance, gap)) * 36 / (39 * 4)
    assert statistics["reinforce"] < 5.0
    assert statistics["gumbel"] > 20.0


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_value_of_the_loss_is_the_mean_cost(estimator: Estimator) -> None:
    torch.manual_seed(0)
    config = DiscreteGANConfig(latent_dim=2, relativistic=False, estimator=estimator)
    model = DiscreteGAN(config, BOX, generator=Constant(torch.zeros(6)), discriminator=Table())
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    exact = nn.functional.softplus(-model.judge(nn.functional.one_hot(every, 3).float())).mean()
    assert model.generator_loss(batch(BOX, 20_000), 0).loss.item() == pytest.approx(exact.item(), abs=0.03)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_learns_a_law(estimator: Estimator) -> None:
    law = Categorical(torch.tensor([0.4, 0.05, 0.05, 0.5]), dim=2)  # two bits that mostly agree
    x = law.sample(20_000, torch.Generator().manual_seed(0), torch.float32).to(torch.uint8)
    data = ArrayData(x, space=Space((2,), "vector", (0.0, 1.0), 2, mean=law.mean(), std=law.std()))
    optimizer = OptimizerConfig(lr=5e-3, betas=(0.0, 0.99), schedule="linear")
    config = DiscreteGANConfig(
        estimator=estimator,
        latent_dim=2,
        width=32,
        depth=1,
        discriminator_depth=2,
        generator_optimizer=optimizer,
        discriminator_optimizer=optimizer,
    )
    torch.manual_seed(0)
    model = DiscreteGAN(config, data.space)
    state = fit(State(model, steps=200), Loader(data, 256), log_every=200)
    assert state.step == 200
    shares = torch.bincount(law.index(model.sample(20_000)), minlength=4) / 20_000
    kl = float((law.probabilities * (law.probabilities / shares).log()).sum())
    assert kl < 0.03  # independent bits of the right means are 0.36 nats away


def test_the_relaxation_cools_and_is_shown_only_when_asked_for() -> None:
    torch.manual_seed(0)
    config = DiscreteGANConfig(latent_dim=2, temperature_half_life=10, final_temperature=0.25, straight_through=False)
    model = DiscreteGAN(config, BOX)
    logged = [model.generator_loss(batch(BOX), step).terms["temperature"].item() for step in (0, 10, 1000)]
    assert logged == [1.0, 0.5, 0.25]
    soft = model.fakes(50, 0)
    assert soft.sum(-1).allclose(torch.ones(50, 2)) and soft.max() < 1
    assert (model.fakes(50, 1000).max(-1).values.mean() > soft.max(-1).values.mean()).item()
    hard = DiscreteGAN(DiscreteGANConfig(latent_dim=2), BOX).fakes(50, 0)
    assert torch.equal(hard, hard.round()) and hard.requires_grad


def test_packed_images_are_judged_together() -> None:
    torch.manual_seed(0)
    model = DiscreteGAN(DiscreteGANConfig(latent_dim=3, width=8, pack=2), SPINS)
    for player in model.players:
        assert model.loss(batch(SPINS), player=player, step=0).loss.isfinite()


@pytest.mark.parametrize(
    "choice", [{"straight_through": False}, {"temperature": 0.5}, {"temperature_half_life": 100}, {"pack": 2}]
)
def test_reinforce_refuses_what_it_cannot_honour(choice: dict[str, float]) -> None:
    DiscreteGANConfig(**choice)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='choose estimator "gumbel"'):
        DiscreteGANConfig(estimator="reinforce", **choice)  # type: ignore[arg-type]


def test_reinforce_refuses_costs_that_examples_share() -> None:
    choice = {"r1": 0.0, "r2": 0.0, "minibatch": "stddev", "latent_dim": 3, "width": 8}
    DiscreteGAN(DiscreteGANConfig(**choice), BOX)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="MinibatchStdDev"):
        DiscreteGAN(DiscreteGANConfig(estimator="reinforce", **choice), BOX)  # type: ignore[arg-type]


def test_temperatures_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="Lower final_temperature"):
        DiscreteGANConfig(temperature=0.5, temperature_half_life=10, final_temperature=0.6)
    with pytest.raises(ValueError, match="temperature is 0"):
        DiscreteGANConfig(temperature=0.0)


def test_a_generator_of_the_wrong_shape_is_explained() -> None:
    model = DiscreteGAN(DiscreteGANConfig(latent_dim=2), BOX, generator=nn.Linear(2, 5))
    with pytest.raises(ValueError, match="3 logits for every component"):
        model.sample(2)
    with pytest.raises(ValueError, match="without labels"):
        model.sample(2, torch.zeros(2))
