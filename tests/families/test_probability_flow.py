"""What all families of a probability flow share: estimated traces, errors of the solver, networks, bounds."""

from typing import Any

import pytest
import torch
from tests.families.exact_denoisers import THREE
from tests.families.test_diffusion import CONFIG, exact
from tests.mutants import is_noticed

from veridical.config.families.diffusion import DiffusionConfig
from veridical.config.families.flow_matching import FlowMatchingConfig
from veridical.data.preprocess import log_det
from veridical.data.space import Space
from veridical.families.diffusion import Diffusion
from veridical.families.flow_matching import FlowMatching
from veridical.families.probability_flow import ProbabilityFlow, build_network
from veridical.nn.level_network import LevelMLP, UNet
from veridical.noise import SampleNoise
from veridical.objectives.bounds import iwae_bound

pytestmark = pytest.mark.usefixtures("double_precision")


def test_an_estimated_trace_is_right_in_the_mean_and_follows_the_noise_of_its_row() -> None:
    model, rough = exact(), exact(DiffusionConfig(**{**vars(CONFIG), "exact_trace": 0, "likelihood_steps": 12}))
    x = THREE.sample(1).expand(300, 2)
    estimates = rough.log_density(x)
    expected = float(model.log_prob(x[:1]))
    assert abs(float(estimates.mean()) - expected) < 3.9 * float(estimates.std()) / 300**0.5 + 0.02
    y = THREE.sample(4)
    whole, alone = (
        rough.log_density(y[part], noise=SampleNoise(0, part.start, part.stop - part.start))
        for part in (slice(0, 4), slice(2, 3))
    )
    torch.testing.assert_close(alone, whole[2:3])


def test_the_error_of_the_solver_is_about_right() -> None:
    few = exact(DiffusionConfig(**{**vars(CONFIG), "likelihood_steps": 16}))
    x = THREE.sample(60)
    true = (few.log_prob(x) - exact(DiffusionConfig(**{**vars(CONFIG), "likelihood_steps": 120})).log_prob(x)).abs()
    estimate = few.solver_error(x)
    assert 0.3 < float(estimate.mean() / true.mean()) < 3
    assert few.density_facts["trace"] == "exact" and few.density_facts["evaluations"] == 64


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (Space((1, 8, 8)), UNet),
        (Space((1, 28, 28), kind="lattice", levels=2), UNet),
        (Space((1, 5, 5)), LevelMLP),
        (Space((4,), kind="vector"), LevelMLP),
        (Space((1, 16), kind="sequence"), LevelMLP),
    ],
)
def test_the_network_fits_the_space(space: Space, kind: type) -> None:
    assert isinstance(build_network(DiffusionConfig(width=8), space, 0), kind)


def test_the_least_noise_is_that_of_levels_or_of_continuous_data() -> None:
    space = Space((1, 2, 2), levels=17, std=0.5)
    assert Diffusion(DiffusionConfig(width=8), space).sigma_min == pytest.approx(1 / 8 / 3 / 0.5)
    assert Diffusion(DiffusionConfig(width=8), Space((1, 2, 2), levels=None)).sigma_min == 0.002
    assert Diffusion(DiffusionConfig(width=8, sigma_min=0.3), space).sigma_min == 0.3


PIXEL = Space((1,), kind="vector", support=(-0.6, 0.6), levels=3, mean=0.1, std=0.4)
SMALL: dict[str, Any] = {"width": 8, "depth": 1, "fourier_octaves": 0, "likelihood_steps": 16}
FLOWS = {
    "diffusion": lambda: Diffusion(DiffusionConfig(**SMALL), PIXEL),
    "flow matching": lambda: FlowMatching(FlowMatchingConfig(**SMALL), PIXEL),
}


def check_probabilities_of_levels(name: str) -> None:
    """With any network the integrals of p(y) P(x | y) sum to 1; weights have them as means, and bounds are below."""
    torch.manual_seed(2)
    model = FLOWS[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert model.cells is not None
    levels, y = torch.tensor([[-0.6], [0.0], [0.6]]), torch.linspace(-6, 6, 1201)[:, None]
    with torch.no_grad():
        density, mean = model.log_density(y).exp(), model.last_mean(y, None)
        given = torch.stack([model.cells.log_prob(level.expand_as(y), y, mean).exp() for level in levels])
    p = (given * density).sum(1) * 0.01
    torch.testing.assert_close(p.sum(), torch.ones(()), rtol=0, atol=1e-5)  # the error of the solver
    n = 3_000
    with torch.no_grad():
        log_weights = model.noise_log_weights(levels.repeat_interleave(n, 0), 1).reshape(3, n) + log_det(PIXEL)
    weights, error = log_weights.exp(), 5 / n**0.5  # five standard errors: false-alarm rate 6e-7
    assert ((weights.mean(1) - p).abs() < error * weights.std(1) + 1e-3 * p).all()
    assert (log_weights.mean(1) < p.log() + error * log_weights.std(1) + 1e-3).all()
    assert log_weights.mean(1).exp().sum() < 1


BOUND_MUTANTS = [
    ("_log_weight", "self.last_mean(y, c)", "x"),
    ("_log_weight", "self.cells.log_prob(x, y, self.last_mean(y, c))", "0"),
    ("_log_weight", " - log_q", ""),
    ("noise_log_weights", " - shift", " + shift"),
    ("_nats", "math.log(scale)", "0"),
    ("_nats", "+ expansion", "- expansion"),
]


@pytest.mark.parametrize("name", FLOWS)
def test_bounds_are_below_the_probabilities_of_levels(name: str) -> None:
    check_probabilities_of_levels(name)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize(("function", "before", "after"), BOUND_MUTANTS)
def test_a_wrong_bound_is_noticed(
    name: str, function: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(lambda: check_probabilities_of_levels(name), monkeypatch, ProbabilityFlow, function, before, after)


@pytest.mark.parametrize("limit", [0, 16])
def test_draws_are_weighted_where_the_trace_is_exact_and_averaged_where_it_is_estimated(limit: int) -> None:
    space = Space((2,), kind="vector", support=(0.0, 1.0), levels=3, mean=0.5, std=0.4)
    model = Diffusion(DiffusionConfig(width=8, exact_trace=limit, likelihood_steps=4), space)
    assert isinstance(model.network, LevelMLP)
    torch.nn.init.normal_(model.network.last.weight)
    x = torch.tensor([[0.0, 0.5], [1.0, 1.0]])
    torch.manual_seed(1)
    weights = model.noise_log_weights(x, 6)
    torch.manual_seed(1)
    bound = model.dequantised_bound(x, 6)
    torch.testing.assert_close(bound, iwae_bound(weights) if limit else weights.mean(1))
