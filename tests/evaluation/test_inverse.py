"""The error of the inverse where it is known."""

import pytest
import torch
from torch import Tensor

from veridical.config.families.flow import FlowConfig
from veridical.data.dataset import ArrayData
from veridical.evaluation import evaluate
from veridical.evaluation.inverse import measure_inverse
from veridical.families.flow import Flow
from veridical.model import Bijective, Space

CPU = torch.device("cpu")
PLANE = Space((2,), kind="vector", support=None, levels=None)


class Off(Bijective):
    """An inverse that misses by a tenth of the first component."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def inverse_error(self, x: Tensor) -> Tensor:
        return 0.1 * x[:, 0].abs()


def test_it_is_the_mean_with_its_interval_and_the_largest() -> None:
    x = torch.arange(1000.0)[:, None] / 1000
    (error,) = measure_inverse(Off(), x, CPU, seed=0)
    assert error.value == pytest.approx(0.04995) and error.detail["largest"] == pytest.approx(0.0999)
    assert error.interval is not None and error.interval[0] < error.value < error.interval[1] and error.n == 1000


def test_every_evaluation_of_a_flow_measures_it() -> None:
    torch.manual_seed(0)
    data = ArrayData(torch.randn(100, 2))
    found = evaluate(Flow(FlowConfig(width=8, couplings=2, depth=1), PLANE), data, None, n=50, metrics=None)
    assert 0 <= found["inverse_error"].value < 1e-5
    assert {"likelihood": "exact", "source": "log_prob"}.items() <= found["nats_train"].detail.items()


def test_levels_are_scored_by_a_bound_that_states_its_noise() -> None:
    torch.manual_seed(0)
    space = Space((2,), kind="vector", levels=4)
    data = ArrayData(2 * torch.randint(4, (60, 2)) / 3 - 1, space=space)
    model = Flow(FlowConfig(width=8, couplings=1, depth=1, dequantisation="variational"), space)
    found = evaluate(model, data, data, n=50, metrics=["likelihood", "inverse"])
    assert found["inverse_error"].value < 1e-5
    for name in ("nats_train", "nats_test", "bits_per_dim"):
        assert {"likelihood": "lower bound", "draws": 16, "noise": "variational"}.items() <= found[name].detail.items()
    assert 1 <= found["nats_test"].detail["effective_draws_least"] <= found["nats_test"].detail["effective_draws"] <= 16  # type: ignore[operator]
    assert found["nats_test"].bound == "lower" and found["bits_per_dim"].bound == "upper"


def test_the_noise_is_that_of_the_seed() -> None:
    space = Space((2,), kind="vector", levels=4)
    model, x = Flow(FlowConfig(width=8, couplings=1, depth=1), space), torch.ones(20, 2)
    first, again = (measure_inverse(model, x, CPU, seed=3)[0].value for _ in range(2))
    assert first == again
