"""The values of the data decide on the head of a site and on what a network sees."""

import pytest
import torch

from veridical.data.space import Space
from veridical.nn.default_heads import compact_head, features_for, grid_of, interval_of, scalar_head
from veridical.nn.heads import Bernoulli, Categorical, Features, GaussianMixture, Grid, LogisticMixture

BITS, FEW, MANY = (Space((2,), kind="vector", support=(0.0, 62.0), levels=levels) for levels in (2, 32, 63))
LINE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=2.0)


def test_the_values_decide_on_the_distribution_of_a_site() -> None:
    grids = [Grid(0.0, 62.0, 2), Grid(0.0, 2.0, 32), Grid(0.0, 1.0, 63)]
    assert [grid_of(space) for space in (BITS, FEW, MANY)] == grids
    usual = [Bernoulli(grids[0]), Categorical(grids[1]), Categorical(grids[2]), GaussianMixture(3.0, 2.0, None, 5)]
    assert [scalar_head(space, 5) for space in (BITS, FEW, MANY, LINE)] == usual
    compact = [*usual[:2], LogisticMixture(grids[2], 5), usual[3]]
    assert [compact_head(space, 5) for space in (BITS, FEW, MANY, LINE)] == compact


def test_a_network_sees_bits_as_signs_few_levels_one_hot_and_other_values_in_standard_deviations() -> None:
    assert features_for(BITS)(torch.tensor([[0.0], [62.0]])).flatten().tolist() == [-1.0, 1.0]
    assert torch.equal(features_for(FEW)(2.0 * torch.arange(32)[:, None]), torch.eye(32))
    assert [features_for(space) for space in (MANY, LINE)] == [Features(0.0, 1.0), Features(3.0, 2.0)]
    assert interval_of(MANY) == (0.0, 62.0) and interval_of(LINE) == (1.0, 5.0)


def test_continuous_values_have_no_grid() -> None:
    with pytest.raises(ValueError, match="are continuous; expected levels"):
        grid_of(LINE)
