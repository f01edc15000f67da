"""A law in data space: nats normalise there, whatever the scale, and values off the levels have none."""

import math

import pytest
import torch

from veridical.evaluation.partition import states
from veridical.evaluation.target import Target, mismatch
from veridical.model import Space
from veridical.targets import ring
from veridical.targets.categorical import Categorical, zipf, zipf_bits
from veridical.targets.ising import Ising
from veridical.targets.law import HasDensity, Law
from veridical.targets.shapes import Shapes

BINS = [
    (Ising(3), Space((1, 3, 3), "lattice", (-1.0, 1.0), 2), 0.0),
    (Ising(3), Space((1, 3, 3), "lattice", (0.0, 1.0), 2), 0.0),
    (zipf(), Space((1,), "vector", (0.0, 31.0), 32), 0.0),
    (zipf(), Space((1,), "vector", (-1.0, 1.0), 32), math.log(2 / 31)),
    (zipf_bits(), Space((5,), "vector", (0.0, 1.0), 2), 0.0),
    (Categorical(torch.full((9,), 1 / 9), dim=2), Space((2,), "vector", (-1.0, 3.0), 3), 2 * math.log(2.0)),
]


@pytest.mark.parametrize(("law", "space", "log_bin"), BINS, ids=str)
def test_nats_of_all_states_times_their_bins_sum_to_one(law: Law, space: Space, log_bin: float) -> None:
    target = Target(law, space)
    nats = torch.cat([target.log_prob(x) for x in states(space)])
    assert float((nats + log_bin).exp().sum()) == pytest.approx(1)


@pytest.mark.parametrize(("law", "space", "log_bin"), BINS, ids=str)
def test_samples_lie_in_data_space_and_convert_back(law: Law, space: Space, log_bin: float) -> None:
    target = Target(law, space)
    x = target.sample(100, 0)
    low, high = space.support or (0.0, 0.0)
    assert x.shape == (100, *space.shape) and float(x.min()) >= low and float(x.max()) <= high
    torch.testing.assert_close(target.to_data(target.to_law(x)), x)
    torch.testing.assert_close(target.to_law(x), law.sample(100, torch.Generator().manual_seed(0), torch.float32))
    assert target.log_prob(x).isfinite().all()


def test_continuous_laws_are_as_they_are() -> None:
    law, target = ring(), Target(ring(), Space((2,), "vector", None, None))
    x = target.sample(50, 3)
    assert torch.equal(x, law.sample(50, torch.Generator().manual_seed(3), torch.float32))
    assert isinstance(law, HasDensity) and torch.equal(target.log_prob(x), law.log_prob(x.double()))


def test_off_the_levels_there_is_no_probability() -> None:
    target = Target(Ising(2), Space((1, 2, 2), "lattice", (0.0, 1.0), 2))
    x = torch.ones(3, 1, 2, 2)
    x[1, 0, 0, 0], x[2, 0, 0, 0] = 0.5, 1 - 1e-6  # a grey spin, and one that rounding moved
    assert target.log_prob(x).isfinite().tolist() == [True, False, True]
    noisy = Target(zipf(), Space((1,), "vector", (0.0, 31.0), 32))  # a density of noisy levels: half a bin to each side
    nats = noisy.log_prob(torch.tensor([[0.4], [0.0], [-0.6], [31.4]]))
    assert nats[0] == nats[1] and nats[2] == -math.inf and nats[3].isfinite()


def test_what_does_not_fit_is_refused() -> None:
    space = Space((1,), "vector", None, None)
    assert mismatch(zipf(), space) == "categorical has 32 levels and the data have continuous ones"
    with pytest.raises(ValueError, match="it is not the law of these data"):
        Target(zipf(), space)
    with pytest.raises(ValueError, match="shapes has no known density"):
        Target(Shapes(8), Space((1, 8, 8))).log_prob(torch.zeros(1, 1, 8, 8))
