"""Flows along a learned ratio between Gaussians, where the distribution at every time is known; with mutants."""

import math
from collections.abc import Iterator

import pytest
import torch
from tests.mutants import is_noticed
from torch import Tensor, nn

from veridical.config.sampling import Divergence
from veridical.latent import learned_flow
from veridical.latent.learned_flow import LearnedFlow, RatioEstimator, RatioNetwork, learn
from veridical.latent.refinement import DIVERGENCES, velocity
from veridical.noise import FreshNoise

M, S2 = 1.0, 0.5  # the data
MU, V = -0.5, 2.0  # the start, wider
N = 4_000


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Quadratic(nn.Module):
    """The log ratio of any two Gaussians in one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.cat([x, x.square() / 2], dim=1))[:, 0]


def exact_draws(mean: float, variance: float, n: int, seed: int) -> Tensor:
    """Return normal draws, shifted and scaled so that their mean and variance are exact: only higher moments err."""
    x = torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))
    return mean + variance**0.5 * (x - x.mean()) / x.std(correction=0)


def learned(
    time: float,
    n_steps: int,
    divergence: Divergence = "kl",
    gamma: float = 0.0,
    updates: int = 8,
    start: tuple[float, float] = (MU, V),
) -> LearnedFlow:
    data, x = exact_draws(M, S2, N, 1), exact_draws(*start, N, 2)
    noise = FreshNoise(N, generator=torch.Generator().manual_seed(3))
    return learn(
        data, x, Quadratic(), divergence=divergence, step=time / n_steps, last=1.0, n_steps=n_steps, updates=updates,
        first_updates=250, batch_size=N, lr=0.05, entropy_weight=gamma, noise=noise,
    )  # fmt: skip


def law(time: float, gamma: float) -> tuple[float, float]:
    """Mean and variance: m' = -(m - M) / s2, v' = 2 (1 + gamma) - 2 v / s2."""
    limit = (1 + gamma) * S2
    return M + (MU - M) * math.exp(-time / S2), limit + (V - limit) * math.exp(-2 * time / S2)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_mean_and_variance_follow_the_gradient_flow_of_kl(gamma: float) -> None:
    """The fit of the ratio errs by its own sampling, about (2 / 4000)^(1/2) = .022 of a variance, Euler's steps by .02
    of the change, the delay of the fit by about .02 of it: .06 of each in all."""
    time, n_steps = 0.5, 50
    found, (mean, variance) = learned(time, n_steps, gamma=gamma), law(time, gamma)
    assert float(found.x.mean()) == pytest.approx(mean, abs=0.06 * (M - MU))
    assert float(found.x.var()) == pytest.approx(variance, abs=0.06 * V)


def test_it_ends_at_the_data_where_the_ratio_of_the_start_passes_them() -> None:
    """The kept ratio of the start gives v exp(-2 a t), a = 1 / s2 - 1 / v = 1.5, below s2 after t = .46; at t = 2 it is
    .005."""
    found = learned(2.0, 100)
    assert float(found.x.mean()) == pytest.approx(M, abs=0.05) and float(found.x.var()) == pytest.approx(S2, abs=0.05)
    x = exact_draws(MU, V, N, 4)
    for _ in range(200):
        x = x + 0.01 * velocity(found.logits(0), x)
    assert float(x.var()) < 0.02 * S2


@pytest.mark.parametrize("divergence", ["js", "logd"])
def test_the_other_divergences_end_there_too(divergence: Divergence) -> None:
    """Their weight is 1/2 near the data, so that they take twice the time. The start is narrow: js hardly moves samples
    that are far from all data."""
    found = learned(4.0, 100, divergence, start=(0.5, 0.3))
    assert float(found.x.mean()) == pytest.approx(M, abs=0.06) and float(found.x.var()) == pytest.approx(S2, abs=0.07)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_first_step_is_along_the_exact_field(divergence: Divergence) -> None:
    def exact(x: Tensor) -> Tensor:
        p, q = (torch.distributions.Normal(m, v**0.5).log_prob(x) for m, v in ((M, S2), (MU, V)))
        return (p - q)[:, 0]

    flow = learned(0.001, 1, divergence)
    x = exact_draws(MU, V, N, 2)
    moved, field = (flow.x - x) / 0.001, velocity(exact, x, divergence)
    assert float((moved - field).square().mean()) < 0.02 * float(field.square().mean())


def test_the_loss_says_how_far_the_samples_are() -> None:
    flow = learned(2.0, 60)
    assert float(flow.losses[-1]) == pytest.approx(2 * math.log(2), abs=0.005) and float(flow.losses[1]) < 1.2


def test_other_draws_go_through_the_same_fields() -> None:
    flow = learned(1.0, 40)
    x = exact_draws(MU, V, N, 2)
    torch.testing.assert_close(flow.transport(x), flow.x)
    halves = flow.transport(flow.transport(x[:9], last=15), first=15)
    torch.testing.assert_close(halves, flow.x[:9])
    fresh = flow.transport(MU + V**0.5 * torch.randn(N, 1, generator=torch.Generator().manual_seed(5)))
    # The flow is linear here: the draws' own errors, 5 sqrt(2/n) (false alarm 6e-7), shrink with the variance.
    assert float(fresh.var()) == pytest.approx(law(1.0, 0)[1], abs=0.06 * V)


def test_a_perceptron_learns_two_modes() -> None:
    """Noise becomes the two modes; each has its half to four standard errors of data and of draws (false alarm 1e-4),
    and a tenth for the fit."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    side = 2.0 * torch.randint(0, 2, (2_000, 1), generator=random) - 1
    data = side * torch.tensor([[1.0, 0.0]]) + 0.25 * torch.randn(2_000, 2, generator=random)
    x = torch.randn(500, 2, generator=random)
    flow = learn(data, x, RatioNetwork(2, depth=2), step=0.02, n_steps=60, generator=random)
    y = flow.transport(torch.randn(1_000, 2, generator=random))
    right = (y[:, 0] > 0).double().mean()
    assert abs(float(right) - 0.5) < 0.1 + 4 * 0.5 * (1 / 1_000 + 1 / 2_000) ** 0.5
    assert float((y[:, 0].abs() - 1).std()) == pytest.approx(0.25, abs=0.08)
    assert float(y[:, 1].std()) == pytest.approx(0.25, abs=0.08)


def test_batches_are_of_the_size_asked_for() -> None:
    seen = []

    class Watched(Quadratic):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    estimator = RatioEstimator(Watched(), torch.randn(50, 1), batch_size=20)
    estimator.update(torch.randn(10, 1), 2)
    assert seen == [20, 10, 20, 10]


def test_what_makes_no_flow_is_refused() -> None:
    x = torch.zeros(3, 1)
    for name in ("n_steps", "updates", "first_updates"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            learn(x, x, Quadratic(), **{name: 0})  # type: ignore[arg-type]


MUTANTS = [
    ("learn", "updates if n else first_updates", "first_updates if not n else 0 * updates + 1"),  # hardly re-estimated
    ("learn", "weights.append(estimator.weights())\n        x =", "x ="),
    ("learn", "geometric(step, last, n_steps)", "geometric(2 * step, last, n_steps)"),
    ("logistic_loss", "F.softplus(-logits(data))", "F.softplus(logits(data))"),
    ("logistic_loss", "+ F.softplus(logits(x)).mean()", "+ 2 * F.softplus(logits(x)).mean()"),
    ("_moved", "divergence=divergence", 'divergence="js"'),
]  # fmt: skip


@pytest.mark.parametrize(("function", "before", "after"), MUTANTS)
def test_mutants_are_found(function: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        flow = learned(0.1, 5)
        assert len(flow.weights) == len(flow.steps)
        test_the_first_step_is_along_the_exact_field("js")
        test_it_ends_at_the_data_where_the_ratio_of_the_start_passes_them()
        test_mean_and_variance_follow_the_gradient_flow_of_kl(0.0)

    is_noticed(check, monkeypatch, learned_flow, function, before, after)


def test_a_kept_ratio_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant that matters: nothing is learned after the first step, and the variance passes that of the data."""
    original = RatioEstimator.update
    monkeypatch.setattr(
        RatioEstimator, "update", lambda self, x, n: original(self, x, n) if n == 250 else torch.zeros(())
    )
    with pytest.raises(AssertionError):
        test_it_ends_at_the_data_where_the_ratio_of_the_start_passes_them()
    assert float(learned(2.0, 100).x.var()) < 0.02 * S2
