"""log Z by enumeration, against Kaufman's and closed forms; too large spaces are refused with the reason."""

import math

import pytest
import torch

from tests.evaluation.models import Lattice
from veridical.evaluation.density import density_of
from veridical.evaluation.partition import log_partition, states, why_not
from veridical.model import Space
from veridical.targets.ising import Ising


@pytest.mark.parametrize(("height", "width", "coupling"), [(4, 4, 0.44), (3, 4, 0.2), (2, 3, 0.9)])
def test_log_z_is_kaufmans(height: int, width: int, coupling: float) -> None:
    law, space = Ising(height, width, coupling), Space((1, height, width), "lattice", levels=2)
    found = log_partition(Lattice(law, space, offset=2.0), space)
    assert found.value == pytest.approx(law.log_partition - 2.0, abs=1e-5) and found.standard_error == 0


def test_a_mutant_without_the_last_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    law, space = Ising(4), Space((1, 4, 4), "lattice", levels=2)
    from veridical.evaluation import partition

    monkeypatch.setattr(partition, "states", lambda space: list(states(space))[:-1])
    assert abs(log_partition(Lattice(law, space), space).value - (law.log_partition - 2.0)) > 1e-3


def test_states_are_all_states_once() -> None:
    space = Space((2, 1, 2), levels=3, support=(-1.0, 1.0))
    x = torch.cat(list(states(space, batch=7)))
    assert x.shape == (81, 2, 1, 2) and len(x.flatten(1).unique(dim=0)) == 81
    assert x.unique().tolist() == [-1.0, 0.0, 1.0]


def test_the_density_of_an_energy_is_normalised_in_data_space() -> None:
    space = Space((1, 3, 3), "lattice", (0.0, 1.0), levels=2)
    density = density_of(Lattice(Ising(3), space))
    assert density is not None and density.exact
    assert float(density.log_prob(torch.cat(list(states(space)))).double().exp().sum()) == pytest.approx(1)


def test_larger_spaces_say_why_not() -> None:
    space = Space((1, 6, 6), "lattice", levels=2)
    with pytest.raises(ValueError, match="only small spaces can be enumerated"):
        next(states(space))
    assert "continuous" in str(why_not(Space((2,), "vector", None, None)))
    assert math.log2(1 << 20) == 20 and why_not(Space((1, 4, 5), "lattice", levels=2)) is None
