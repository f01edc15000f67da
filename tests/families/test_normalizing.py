"""Densities of flows: quadrature in one and two dimensions, cells of levels, bounds, and the error of the inverse."""

import itertools
import math
from typing import Any

import pytest
import torch
from tests.mutants import mutated
from torch import Tensor

from veridical.config.families.flow import FlowConfig
from veridical.families.flow import Flow
from veridical.families.normalizing import NormalizingFlow
from veridical.model import Batch, Dequantised, Space, has_exact_likelihood
from veridical.nn.dequantisation import Logit, VariationalNoise

LINE = Space((1,), kind="vector", support=None, levels=None, mean=2.0, std=3.0)
PLANE = Space((2,), kind="vector", support=None, levels=None, mean=-1.0, std=2.0)
PIXEL = Space((1,), kind="vector", levels=5)
PAIR = Space((1, 1, 2), levels=3, mean=-0.2, std=0.6)
LAYERS = ("nice", "realnvp", "glow")


pytestmark = pytest.mark.usefixtures("double_precision")


def flow(space: Space, layers: Any = "glow", **choices: Any) -> Flow:
    small = {"width": 8, "couplings": 2, "depth": 1, "noise_width": 4, "noise_steps": 1}
    model = Flow(FlowConfig(layers=layers, **small, **choices), space)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def line(low: float, high: float, n: int) -> Tensor:
    return low + (high - low) * (torch.arange(n) + 0.5) / n


@torch.no_grad()
def check_integral(space: Space, layers: str) -> None:
    """Midpoint rule over 30 standard deviations to both sides, tails included."""
    model, n = flow(space, layers), {1: 20_000, 2: 700}[space.dim]
    axis = line(space.mean - 30 * space.std, space.mean + 30 * space.std, n)
    grid = torch.cartesian_prod(*space.dim * [axis]).reshape(-1, space.dim)
    total = model.log_prob(grid).exp().sum() * (60 * space.std / n) ** space.dim
    assert total.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("space", "layers"), list(itertools.product((LINE, PLANE), LAYERS)))
def test_the_density_integrates_to_one(space: Space, layers: str) -> None:
    check_integral(space, layers)


@torch.no_grad()
def check_cells(layers: str, units: str = "standard", dequantisation: str = "uniform") -> None:
    """The probabilities of all levels, each the integral of the density over its cell, and the rest outside."""
    model = flow(PIXEL, layers, units=units, margin=0.0, dequantisation=dequantisation)
    width, n = PIXEL.bin_width, 2000
    assert width is not None
    levels = torch.linspace(-1, 1, 5)
    cells = (levels[:, None] + width * (line(0, 1, n) - 0.5)).reshape(-1, 1)
    p = model.log_density(cells).exp().reshape(5, n).mean(1) * width
    outside = 0.0
    if units == "standard":
        beyond = line(1 + width / 2, 60, 40_000)[:, None]
        step = (60 - 1 - width / 2) / 40_000
        outside = float((model.log_density(beyond).exp() + model.log_density(-beyond).exp()).sum() * step)
    assert p.sum().item() + outside == pytest.approx(1, abs=1e-3)
    # The bound of many draws, in expectation at most log P and near it. Six standard errors, five levels.
    bound = model.dequantised_bound(levels[:, None].repeat_interleave(400, 0), 100).reshape(5, 400) + math.log(width)
    error = bound.std(1) / 20
    assert (bound.mean(1) <= p.log() + 6 * error + 1e-6).all()
    assert (bound.mean(1) >= p.log() - 6 * error - 0.03).all()


@pytest.mark.parametrize(
    ("layers", "units", "dequantisation"),
    [("nice", "standard", "uniform"), ("glow", "logit", "uniform"), ("realnvp", "logit", "variational")],
)
def test_cells_of_levels_have_probabilities(layers: str, units: str, dequantisation: str) -> None:
    check_cells(layers, units, dequantisation)


@torch.no_grad()
def check_sum() -> None:
    """Weights of the noise estimate probabilities without bias: over all 9 images of two pixels they sum to 1.

    Behind a logit without margins no mass lies outside the cells. Five standard errors: false-alarm rate 6e-7.
    """
    model = flow(PAIR, "realnvp", margin=0.0, dequantisation="variational")
    x = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=2))).reshape(-1, 1, 1, 2)
    p = model.elbo(x.repeat(2000, 1, 1, 1)).exp().reshape(2000, 9)  # the width of a level is 1
    error = float((p.var(0) / 2000).sum().sqrt())
    assert abs(float(p.mean(0).sum()) - 1) < 5 * error
    assert error < 0.03


def test_probabilities_of_all_images_sum_to_one() -> None:
    check_sum()


MUTANTS: dict[str, tuple[Any, str, str, str]] = {
    "sign of the volume": (NormalizingFlow, "log_density", " + volume", " - volume"),
    "half a cell": (NormalizingFlow, "dequantise", "width * (u - 0.5)", "width * (u - 0.5) / 2"),
    "a cell to one side": (NormalizingFlow, "dequantise", "(u - 0.5)", "u"),
    "the noise has no density": (NormalizingFlow, "noise_log_weights", " - log_q", ""),
    "a sum instead of a mean": (Dequantised, "dequantised_bound", "iwae_bound(", "(lambda w: w.logsumexp(1))("),
    "the units are not counted": (NormalizingFlow, "_code", " + in_units", ""),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, function, before, after = MUTANTS[name]
    monkeypatch.setattr(owner, function, mutated(getattr(owner, function), before, after))
    with pytest.raises(AssertionError):
        check_integral(LINE, "glow")
        check_cells("realnvp", "logit", "variational")


@pytest.mark.parametrize("before", [" - log_det", " - log_slope(y)"])
def test_noise_of_another_density_is_noticed(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mutated(VariationalNoise.forward, before, before.replace("-", "+"))
    monkeypatch.setattr(VariationalNoise, "forward", wrong)
    with pytest.raises(AssertionError):
        check_sum()


@torch.no_grad()
def test_more_draws_are_a_tighter_bound() -> None:
    model, x = flow(PAIR), torch.tensor([[-1.0, 1.0]]).reshape(1, 1, 1, 2).expand(4000, -1, -1, -1)
    bounds = [model.elbo(x), model.dequantised_bound(x, 10), model.dequantised_bound(x, 50)]
    means, errors = [float(b.mean()) for b in bounds], [float(b.std()) / math.sqrt(4000) for b in bounds]
    # Five standard errors each: false-alarm rate 1e-6.
    assert means[0] <= means[1] + 5 * math.hypot(errors[0], errors[1])
    assert means[1] <= means[2] + 5 * math.hypot(errors[1], errors[2])
    assert means[0] < means[2]


def test_levels_are_bounded_and_never_called_exact() -> None:
    levels, continuous = flow(PIXEL), flow(LINE)
    assert has_exact_likelihood(continuous) and not has_exact_likelihood(levels)
    with pytest.raises(ValueError, match=r"5 levels.*dequantised_bound"):
        levels.log_prob(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="log_prob"):
        continuous.dequantised_bound(torch.zeros(3, 1), 1)
    x = torch.randn(3, 1)
    assert torch.equal(continuous.elbo(x), continuous.log_prob(x))


@torch.no_grad()
def goes_to_the_nearest_level() -> bool:
    """Levels -1, -.5, ..., 1: within a quarter of one, and beyond the ends."""
    y = torch.tensor([[-3.0], [-0.76], [-0.74], [0.24], [0.26], [3.0]])
    return torch.equal(flow(PIXEL).to_levels(y)[:, 0], torch.tensor([-1.0, -1.0, -0.5, 0.0, 0.5, 1.0]))


def test_samples_are_at_the_nearest_level() -> None:
    assert goes_to_the_nearest_level()


@pytest.mark.parametrize("after", ["floor()", "ceil()"])
def test_levels_off_by_half_a_cell_would_be_noticed(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NormalizingFlow, "to_levels", mutated(NormalizingFlow.to_levels, "round()", after))
    assert not goes_to_the_nearest_level()


def test_a_uniform_law_costs_its_entropy() -> None:
    """The identity on (0, 1) with logistic codes behind a logit is exactly uniform: log2(levels) bits each."""
    space = Space((2, 3), kind="lattice", levels=32)
    model = Flow(FlowConfig(layers="nice", units="logit", margin=0.0, couplings=1), space)
    x = space.support[0] + space.bin_width * torch.randint(32, (50, 2, 3))  # type: ignore[index, operator]
    bits = -(model.elbo(x) + 6 * math.log(space.bin_width)) / (6 * math.log(2))  # type: ignore[arg-type]
    torch.testing.assert_close(bits, torch.full((50,), 5.0), rtol=0, atol=1e-9)


@torch.no_grad()
def test_two_levels_have_probabilities() -> None:
    space = Space((2,), kind="lattice", levels=2)
    model = Flow(FlowConfig(layers="nice", units="logit", margin=0.0, couplings=1), space)
    bits = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2)))
    torch.testing.assert_close(model.elbo(bits).exp(), torch.full((4,), 0.25), rtol=0, atol=1e-9)


@torch.no_grad()
def test_moving_the_data_changes_nothing_and_scaling_adds_its_logarithm() -> None:
    x = torch.randn(5, 2)
    here, there = flow(PLANE), flow(Space((2,), "vector", None, None, mean=9.0, std=8.0))
    there.load_state_dict(here.state_dict())
    moved = 9.0 + 4 * (x + 1.0)
    torch.testing.assert_close(there.log_prob(moved), here.log_prob(x) - 2 * math.log(4), rtol=0, atol=1e-9)


@torch.no_grad()
def test_samples_follow_the_density() -> None:
    """The entropy from samples is that from quadrature: five standard errors, false-alarm rate 6e-7."""
    model = flow(LINE, "nice")
    axis = line(-100, 100, 40_000)[:, None]
    log_p = model.log_prob(axis)
    exact = float((log_p.exp() * log_p).sum() * 200 / 40_000)
    found = model.log_prob(model.sample(20_000))
    assert abs(found.mean() - exact) < 5 * found.std() / math.sqrt(20_000)


@torch.no_grad()
def test_codes_and_examples_are_inverses() -> None:
    model = flow(PLANE)
    x = torch.randn(6, 2)
    torch.testing.assert_close(model.decode(model.encode(x)), x, rtol=0, atol=1e-9)
    assert model.inverse_error(x).max() < 1e-9
    model.flow.inverse = lambda z, context=None: (1.1 * z, z[:, 0])  # type: ignore[method-assign]
    assert model.inverse_error(x).min() > 1e-3


def test_the_first_step_alone_sets_the_statistics() -> None:
    model = flow(PLANE)
    layer = next(m for m in model.modules() if hasattr(m, "ready"))
    model.sample(4)
    model.log_prob(torch.randn(4, 2))
    batch = Batch(torch.randn(8, 2), torch.arange(8), None)
    model.eval().loss(batch, player="model", step=0)
    assert not layer.ready
    model.train().loss(batch, player="model", step=0)
    assert layer.ready
    assert "inverse_error" in model.loss(batch, player="model", step=100).terms
    assert "inverse_error" not in model.loss(batch, player="model", step=101).terms


def test_units_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected levels"):
        flow(LINE, units="logit")
    assert isinstance(flow(PAIR).units, Logit)
    with pytest.raises(ValueError, match="was built for"):
        flow(LINE).log_prob(torch.zeros(3, 2))
