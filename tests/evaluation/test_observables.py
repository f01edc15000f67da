"""Observables of spins: by enumeration of all configurations, exact expectations, and planted faults."""

import itertools

import pytest
import torch

from veridical.data.dataset import ArrayData
from veridical.data.space import Space
from veridical.evaluation import evaluate_samples
from veridical.evaluation.observables import measure_observables, observe, spins
from veridical.targets.ising import Ising

SPACE = Space((1, 8, 8), kind="lattice", support=(-1.0, 1.0), levels=2)


@pytest.mark.parametrize("size", [(4, 4), (2, 4)])
def test_expectations_are_those_of_all_configurations(size: tuple[int, int]) -> None:
    law = Ising(*size, coupling=0.3)
    states = torch.tensor(list(itertools.product([-1, 1], repeat=size[0] * size[1]))).reshape(-1, *size)
    p = law.log_prob(states[:, None].double()).exp()
    found, exact = observe(states), law.expectations()
    for name, x in found.items():
        assert float((p * x).sum()) == pytest.approx(exact[name], abs=1e-10), name
    e = found["energy_per_site"]
    variance = float((p * e.square()).sum() - (p * e).sum() ** 2) * size[0] * size[1]
    assert variance == pytest.approx(exact["energy_spread"], abs=1e-9)


def configurations(n: int, coupling: float, seed: int) -> torch.Tensor:
    return Ising(8, coupling=coupling).sample(n, torch.Generator().manual_seed(seed), torch.float32)


def verdicts(x: torch.Tensor, exact: bool) -> set[str]:
    law = Ising(8, coupling=0.4)
    found = measure_observables(x, configurations(1000, 0.4, 99), SPACE, law.expectations() if exact else None)
    return {m.name for m in found if m.verdict == "short of perfect"}


@pytest.mark.parametrize("exact", [True, False])
def test_faults_are_seen_by_the_observable_that_they_change(exact: bool) -> None:
    # Five tests at 5 %, seeds fixed.
    good = configurations(1000, 0.4, 1)
    assert len(verdicts(good, exact)) <= 1
    assert {"energy_per_site", "magnetization_squared", "correlation_half"} <= verdicts(
        configurations(1000, 0.3, 2), exact
    )
    assert "magnetization" in verdicts(good * good.mean(dim=(1, 2, 3), keepdim=True).sign(), exact)
    two = torch.cat([configurations(500, 0.30, 3), configurations(500, 0.47, 4)])
    assert "energy_spread" in verdicts(two, exact)


def test_values_between_the_levels_are_rounded() -> None:
    assert spins(torch.tensor([[[[-0.9, 0.1]]]]), SPACE).tolist() == [[[-1, 1]]]
    assert spins(
        torch.tensor([[[[0.4, 0.6]]]]), Space((1, 1, 2), kind="lattice", support=(0.0, 1.0), levels=2)
    ).tolist() == [[[-1, 1]]]


def test_they_are_measured_of_spins_and_of_nothing_else() -> None:
    x = configurations(300, 0.4, 5)
    data = ArrayData(configurations(300, 0.4, 6), space=SPACE, target=Ising(8, coupling=0.4))
    found = evaluate_samples(x, data, None, metrics=["observables"])
    assert [m.detail["reference"] for m in found.measurements] == ["exact"] * 5
    with pytest.raises(ValueError, match="no spins"):
        evaluate_samples(torch.randn(30, 2), ArrayData(torch.randn(30, 2)), None, metrics=["observables"])
