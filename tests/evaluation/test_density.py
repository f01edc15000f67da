"""What a model knows of its density: of an energy, log Z is summed over all states."""

import math

import pytest
import torch
from torch import Tensor, nn

from tests.evaluation.models import Bounded, Law
from veridical.config import OptimizerConfig
from veridical.evaluation.density import density_of, score, why_no_density
from veridical.evaluation.normalisation import Effort
from veridical.mcmc.annealing import combine
from veridical.model import Batch, EnergyBased, GenerativeModel, Loss, Space
from veridical.targets import GaussianMixture

MIXTURE = GaussianMixture(torch.zeros(1, 2), 1.0, name="cloud")
CPU = torch.device("cpu")


class Field(GenerativeModel, EnergyBased):
    """Independent spins in a field h: E = -h sum(s), log Z = N log(2 cosh h)."""

    def __init__(self, space: Space, h: float) -> None:
        super().__init__(space)
        self.h = nn.Parameter(torch.tensor(h, dtype=torch.float64))

    def energy(self, x: Tensor) -> Tensor:
        return -self.h * x.double().flatten(1).sum(1)

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        return Loss(self.energy(batch.x).mean(), {})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()


@torch.no_grad()
def test_an_energy_of_few_states_is_normalised() -> None:
    model = Field(Space((1, 2, 3), "lattice", levels=2), 0.7)
    density = density_of(model)
    assert density is not None and density.exact and density.error == 0
    x = torch.tensor([[1.0, 1, -1], [1, -1, -1]]).reshape(1, 1, 2, 3)
    assert float(density.log_prob(x)) == pytest.approx(-6 * math.log(2 * math.cosh(0.7)), rel=1e-12)
    up = float(density.log_prob(torch.ones(1, 1, 2, 3)))
    assert up == pytest.approx(6 * math.log(math.exp(0.7) / (2 * math.cosh(0.7))), rel=1e-12)


@torch.no_grad()
def test_levels_that_are_dequantised_have_a_density_over_bins() -> None:
    space = Space((2,), "vector", (0.0, 1.5), 4)
    density = density_of(Field(space, 0.0))
    assert density is not None and space.bin_width is not None
    assert float(density.log_prob(torch.zeros(1, 2))) == pytest.approx(-2 * math.log(4 * space.bin_width), rel=1e-12)


def test_exact_and_bound_are_told_apart() -> None:
    exact, bound = density_of(Law(MIXTURE)), density_of(Bounded(MIXTURE, 0.1))
    assert exact is not None and exact.exact and exact.source == "log_prob"
    assert bound is not None and not bound.exact and bound.source == "elbo"


def test_weights_that_are_not_finite_are_a_reason_and_no_number() -> None:
    model = Field(Space((1, 3, 7), "lattice", levels=2), math.nan)
    assert density_of(model) is None
    assert "log Z of Field is not known: 20 of 20 energies of the start are not finite" in why_no_density(model)


def test_an_energy_of_many_states_is_estimated_and_says_so() -> None:
    """Without interaction every heat bath is exact: the estimate is too, up to the steps of the path."""
    model = Field(Space((1, 3, 7), "lattice", levels=2), 0.3)
    density = density_of(model, effort=Effort(sweeps=20))
    assert density is not None and density.kind == "annealed estimate" and not density.exact and density.bound is None
    x = torch.ones(400, 1, 3, 7)
    exact = 21 * math.log(math.exp(0.3) / (2 * math.cosh(0.3)))
    with torch.no_grad():
        assert float(density.log_prob(x)[0]) == pytest.approx(exact, abs=4 * density.error + 1e-3)
        assert density.below is not None
        below = density.below(x)
    # Of 400 chains back, with log weights of variance .113, the mean is .057 too low and has the error .017; the log of
    # the mean weight is within .07 of the truth in all but one of 10,000 repetitions.
    assert exact - 0.13 < float(below.mean()) < exact
    assert float(combine(below)) == pytest.approx(exact, abs=0.08)
    # The ladder leaves .893 of the chains in expectation (tests/mcmc/test_energy_paths.py); of 100 normal log weights
    # of variance .113 fewer than 80 count, or the error exceeds .05, in one of 10,000 repetitions each.
    assert float(density.detail["effective_chains"]) > 80 and density.error < 0.05  # type: ignore[arg-type]


def test_scores_repeat_and_leave_the_global_generator_alone() -> None:
    model, x = Bounded(MIXTURE, 0.1), torch.zeros(300, 2)
    before = torch.get_rng_state()
    first, again, other = (score(model.elbo, x, CPU, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again) and not torch.equal(first, other) and first.dtype is torch.float64
