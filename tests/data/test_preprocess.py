import math

import pytest
import torch

from veridical.data.preprocess import log_det, to_data_space, to_uint8
from veridical.data.space import Space

SPACES = [
    Space((1, 2, 2)),
    Space((1, 2, 2), levels=17),
    Space((1, 2, 2), levels=2),
    Space((3,), "vector", (0.0, 5.0), 6),
]


@pytest.mark.parametrize("space", SPACES)
def test_every_level_comes_back_and_fills_the_support_exactly(space: Space) -> None:
    raw = torch.arange(space.levels or 0, dtype=torch.uint8)
    x = to_data_space(raw, space)
    assert x.dtype is torch.float32
    assert (float(x[0]), float(x[-1])) == space.support
    assert torch.equal(to_uint8(x, space), raw)


def test_values_outside_the_support_are_clamped_and_inside_rounded() -> None:
    space = Space((1, 1, 1))
    x = torch.tensor([-7.0, -1.0 + 0.49 * 2 / 255, -1.0 + 0.51 * 2 / 255, 9.0])
    assert to_uint8(x, space).tolist() == [0, 0, 1, 255]


def test_conversion_leaves_its_argument_alone() -> None:
    raw = torch.tensor([0.0, 1.0])
    to_data_space(raw, Space((2,), "vector", (-1.0, 1.0), 2))
    assert raw.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("space", SPACES)
def test_log_det_changes_variables_of_a_gaussian(space: Space) -> None:
    assert space.support is not None and space.bin_width is not None
    mean, std = 1.3, 0.7  # over raw values
    raw = torch.randint(0, space.levels or 0, (5, *space.shape), generator=torch.Generator().manual_seed(0)).double()
    low, width = space.support[0], space.bin_width
    over_raw = torch.distributions.Normal(mean, std).log_prob(raw).flatten(1).sum(1)
    over_x = torch.distributions.Normal(low + width * mean, width * std).log_prob(low + width * raw).flatten(1).sum(1)
    torch.testing.assert_close(over_x + log_det(space), over_raw)


@pytest.mark.parametrize("space", SPACES)
def test_uniform_law_over_the_dequantised_support_costs_log2_levels_bits_per_dimension(space: Space) -> None:
    assert space.support is not None and space.bin_width is not None and space.levels is not None
    length = space.support[1] - space.support[0] + space.bin_width
    log_p = -space.dim * math.log(length)
    bits = -(log_p + log_det(space)) / (space.dim * math.log(2))
    assert bits == pytest.approx(math.log2(space.levels), abs=1e-12)


def test_log_det_of_continuous_data_is_zero() -> None:
    assert log_det(Space((2,), "vector", None, None)) == 0.0


@pytest.mark.parametrize("convert", [to_data_space, to_uint8])
def test_a_continuous_space_has_no_grid(convert) -> None:
    with pytest.raises(ValueError, match="continuous"):
        convert(torch.zeros(1, 2), Space((2,), "vector", None, None))


def test_more_than_256_levels_do_not_fit_8_bits() -> None:
    with pytest.raises(ValueError, match="at most 256"):
        to_uint8(torch.zeros(1), Space((1,), "vector", (0.0, 1.0), 65536))
