"""log Z by annealing: against Kaufman's, sums and determinants; what is no estimate is refused."""

import math

import pytest
import torch
from torch import Tensor

from tests.evaluation.models import Lattice
from veridical.config.families.rbm import RBMConfig
from veridical.data.dataset import ArrayData
from veridical.evaluation import normalisation
from veridical.evaluation.density import density_of
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.normalisation import Effort, UnknownLogZError, annealed, log_z
from veridical.families.rbm import RBM
from veridical.model import Space
from veridical.targets.ising import Ising

CPU = torch.device("cpu")
QUICK = Effort(chains=100, temperatures=200, sweeps=30)


def machine(width: int = 8, scale: float = 1.0, side: int = 4) -> RBM:
    torch.manual_seed(0)
    model = RBM(RBMConfig(width=width), Space((1, side, side), levels=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape))
    return model


@torch.no_grad()
def test_both_sides_meet_at_the_sum() -> None:
    model = machine()
    exact, found = log_z(model, model.space, CPU), annealed(model, model.space, CPU, QUICK, seed=1)
    assert exact.exact and exact.value == pytest.approx(model.log_partition(), rel=1e-12)
    assert not found.exact and found.value == pytest.approx(exact.value, abs=4 * found.standard_error)
    assert 0 < found.standard_error < 0.1
    x = model.sample(200)
    log_p = -model.energy(x) - exact.value
    assert found.below is not None
    gap = log_p - found.below(x)
    assert -4 * float(gap.std()) / 200**0.5 < float(gap.mean()) < 0.5


@torch.no_grad()
def test_a_lattice_without_a_path_of_its_own_has_kaufmans_log_z() -> None:
    law, space = Ising(5, coupling=0.3), Space((1, 5, 5), "lattice", levels=2)
    found = log_z(Lattice(law, space, offset=2.0), space, CPU, QUICK)
    assert found.found_by == "annealing"
    assert found.value == pytest.approx(law.log_partition - 2.0, abs=4 * found.standard_error)
    assert found.standard_error < 0.1 and found.facts["chains"] == 100


class Quadratic(Lattice):
    """E = a |x|^2 / 2: log Z = log(2 pi / a) in two dimensions, if a is above 0."""

    def __init__(self, a: float) -> None:
        super().__init__(Ising(2), Space((2,), "vector", None, None))
        self.a = a

    def energy(self, x: Tensor) -> Tensor:
        return self.a * x.square().sum(1) / 2


def test_an_integral_is_found_where_there_is_one() -> None:
    model = Quadratic(3.0)
    found = log_z(model, model.space, CPU, QUICK)
    assert found.value == pytest.approx(math.log(2 * math.pi / 3), abs=4 * found.standard_error)


@pytest.mark.parametrize("a", [-1.0, -30.0])
def test_an_energy_without_an_integral_is_an_error(a: float) -> None:
    model = Quadratic(a)
    with pytest.raises(UnknownLogZError, match="finite sum or integral"):
        log_z(model, model.space, CPU, QUICK)


def test_too_few_temperatures_are_refused() -> None:
    model = machine(width=30, scale=4.0, side=6)
    with pytest.raises(UnknownLogZError, match=r"only \d\.\d count"):
        annealed(model, model.space, CPU, Effort(temperatures=3), seed=0)


def test_nats_of_an_estimate_share_its_error_and_have_another_side() -> None:
    model = machine(width=26, scale=0.4, side=6)
    x = ((model.sample(150) + 1) / 2).to(torch.uint8)
    train, test = (ArrayData(part, space=model.space) for part in (x[:60], x[60:]))
    density = density_of(model, effort=QUICK)
    assert density is not None and density.kind == "annealed estimate"
    measured = {m.name: m for m in measure_likelihood(model, train, test, 1_000, 0, density)}
    above, below = measured["nats_test"], measured["nats_reverse"]
    assert above.bound is None and below.bound == "lower" and below.n == 90
    assert above.detail["likelihood"] == "annealed estimate" and above.detail["log_z_error"] == density.error
    assert above.interval is not None and below.interval is not None
    assert below.value - 4 * density.error < above.value < below.value + 1.0
    assert float(above.detail["standard_error"]) > density.error  # type: ignore[arg-type]


def test_a_mutant_that_counts_no_weights_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalisation, "_counted", lambda log_w: float(len(log_w)))
    model = Quadratic(-1.0)
    found = log_z(model, model.space, CPU, QUICK)
    assert not found.standard_error < 0.1
