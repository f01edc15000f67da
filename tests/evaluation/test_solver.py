"""The error of the solver behind a likelihood."""

import pytest
import torch
from torch import Tensor

from veridical.config.families.diffusion import DiffusionConfig
from veridical.data.dataset import ArrayData
from veridical.evaluation import evaluate
from veridical.evaluation.density import density_of
from veridical.evaluation.solver import measure_solver
from veridical.families.diffusion import Diffusion
from veridical.model import Integrated, Space

CPU = torch.device("cpu")
SMALL = DiffusionConfig(width=8, depth=1, likelihood_steps=4, evaluations=8)


class Off(Integrated):
    """A solver that misses by a tenth of the first component."""

    @property
    def density_facts(self) -> dict[str, float | str]:
        return {"trace": "exact", "steps": 3}

    def solver_error(self, x: Tensor) -> Tensor:
        return 0.1 * x[:, 0].abs()


def test_it_is_the_mean_with_its_interval_and_the_largest() -> None:
    x = torch.arange(1000.0)[:, None] / 1000
    (error,) = measure_solver(Off(), x, CPU, seed=0)
    assert error.value == pytest.approx(0.04995) and error.detail["largest"] == pytest.approx(0.0999)
    assert error.interval is not None and error.interval[0] < error.value < error.interval[1] and error.n == 1000
    assert error.unit == "nats" and error.detail["steps"] == 3


def test_an_evaluation_states_how_the_density_is_solved() -> None:
    torch.manual_seed(0)
    data = ArrayData(torch.randn(60, 2))
    model = Diffusion(SMALL, data.space)
    found = evaluate(model, data, None, n=50, metrics=["likelihood", "solver"])
    assert found["solver_error"].value < 1e-6  # at the start the equation is trivial
    stated = {"likelihood": "exact", "source": "probability flow", "trace": "exact", "steps": 4}
    assert stated.items() <= found["nats_train"].detail.items()


def test_an_estimated_trace_is_not_called_exact_and_levels_have_one_draw() -> None:
    continuous = Space((20,), kind="vector", support=None, levels=None)
    found = density_of(Diffusion(SMALL, continuous))
    assert found is not None and found.kind == "unbiased estimate" and found.exact
    levels = Space((20,), kind="vector", levels=4)
    found = density_of(Diffusion(SMALL, levels))
    assert found is not None and found.kind == "lower bound" and found.source == "elbo"
    assert found.facts["draws"] == 1 and "estimated" in str(found.facts["trace"]) and found.codes is None
    few = density_of(Diffusion(SMALL, Space((4,), kind="vector", levels=4)))
    assert few is not None and few.facts["draws"] == 16 and few.codes is not None


def test_costly_densities_score_fewer_examples() -> None:
    image = density_of(Diffusion(DiffusionConfig(width=8), Space((1, 28, 28))))
    vector = density_of(Diffusion(DiffusionConfig(width=8), Space((2,), kind="vector", support=None, levels=None)))
    assert image is not None and vector is not None
    assert image.limit(2_000) == 100 and vector.limit(2_000) == 2_000
