"""Codes of encoders whose posterior is known: active units, the prior they should have, what is reconstructed."""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.data.dataset import ArrayData
from veridical.evaluation.latent import measure_codes
from veridical.evaluation.measurement import Measurement
from veridical.families.autoencoder import Autoencoder
from veridical.model import Encoder, Facts, LatentVariable
from veridical.verdict import NO_FAULT

CPU = torch.device("cpu")


class Linear(nn.Module, LatentVariable, Encoder):
    """x has unit variance; z_i = gain_i x_i + noise, and the decoder divides by the gain where there is one."""

    def __init__(self, gains: tuple[float, ...], noise: float, shift: float = 0.0, ignore: bool = False) -> None:
        super().__init__()
        self.gains, self.noise, self.shift, self.ignore = torch.tensor(gains), noise, shift, ignore
        self.latent_shape = (len(gains),)
        self.unused = nn.Parameter(torch.zeros(()))

    def posterior(self, x: Tensor) -> Distribution:
        return Independent(Normal(x * self.gains + self.shift, self.noise), 1)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        x = torch.where(self.gains > 0, (z - self.shift) / self.gains.clamp(min=1e-9), 0.0)
        return torch.zeros_like(x) if self.ignore else x


def measured(model: Encoder, n: int = 1500) -> dict[str, Measurement]:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(5))
    return {m.name: m for m in measure_codes(model, x, CPU, seed=0)}


@pytest.mark.parametrize(("gains", "active"), [((0.8, 0.8, 0.8, 0.8), 4), ((0.8, 0.0, 0.05, 0.8), 2), ((0.0,) * 4, 0)])
def test_active_units_are_those_that_vary_by_more_than_a_tenth(gains: tuple[float, ...], active: int) -> None:
    found = measured(Linear(gains, 0.6))["active_units"]
    assert found.value == active and found.interval == (active, active) and found.detail["of"] == 4
    assert found.verdict == "no reference"


def test_codes_of_the_prior_have_no_gap() -> None:
    """0.8 x + 0.6 eps is standard normal: the aggregate posterior is the prior. False alarm 0.6 %, seed fixed."""
    assert measured(Linear((0.8,) * 4, 0.6))["prior_gap"].verdict in NO_FAULT


@pytest.mark.parametrize(
    "model", [Linear((0.8,) * 4, 0.6, shift=0.5), Linear((0.8,) * 4, 0.1), Linear((2.0,) * 4, 0.6)]
)
def test_mutants_of_the_prior_are_found(model: Linear) -> None:
    assert measured(model)["prior_gap"].verdict == "short of perfect"


def test_reconstruction_is_in_variances_of_the_data() -> None:
    assert measured(Linear((0.8,) * 4, 0.6))["reconstruction_error"].value == pytest.approx(0.0, abs=1e-9)
    half = measured(Linear((0.8, 0.8, 0.0, 0.0), 0.6))["reconstruction_error"]
    assert half.value == pytest.approx(0.5, abs=0.05)  # two of four components are lost
    assert half.detail["of_another_code"] == pytest.approx(1.5, abs=0.1)  # 1 + the variance of what is decoded
    nothing = measured(Linear((0.8,) * 4, 0.6, ignore=True))["reconstruction_error"]
    assert nothing.value == pytest.approx(1.0, abs=0.01) == nothing.detail["of_another_code"]


def test_an_encoder_alone_is_measured_by_its_units() -> None:
    class Alone(Encoder):
        def posterior(self, x: Tensor) -> Distribution:
            return Independent(Normal(x, 1.0), 1)

    assert list(measured(Alone())) == ["active_units"]


def test_one_hot_codes_have_no_units_and_no_gap() -> None:
    """A table of 500 training examples, of which each unit is the code of one: none varies by a hundredth."""
    data = ArrayData(torch.randn(500, 4))
    model = Autoencoder(AutoencoderConfig(code="one-hot", width=8, depth=1), Facts(data.space, len(data)))
    assert list(measured(model, 100)) == ["reconstruction_error"]


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    first = measured(Linear((0.8,) * 4, 0.6))["prior_gap"].value
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert measured(Linear((0.8,) * 4, 0.6))["prior_gap"].value == first
