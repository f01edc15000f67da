"""Stacks of digits: shares that are exact, and three independent channels."""

import numpy as np
import pytest
import torch

from veridical.targets.stacked import StackedDigits

LABELS = np.array([0, 1, 1, 7])
IMAGES = (np.arange(4, dtype=np.uint8) * 85)[:, None, None] * np.ones((1, 2, 2), np.uint8)
"""Digit i is grey of level 85 i, so that a stack shows which rows it was made of."""


def test_shares_are_those_of_the_labels() -> None:
    shares = StackedDigits(IMAGES, LABELS).digit_shares
    assert shares.tolist() == [0.25, 0.5, 0, 0, 0, 0, 0, 0.25, 0, 0]


def test_channels_are_drawn_independently_and_uniformly() -> None:
    n = 20_000
    x = StackedDigits(IMAGES, LABELS).sample(n, torch.Generator().manual_seed(0), torch.float64)
    assert x.shape == (n, 3, 2, 2) and x.dtype is torch.float64
    rows = ((x[:, :, 0, 0] + 1) * 127.5 / 85).round().long()
    stacks = (rows @ torch.tensor([16, 4, 1])).bincount(minlength=64)
    chi_square = float(((stacks - n / 64) ** 2 / (n / 64)).sum())
    assert chi_square < 63 + 5.2 * (2 * 63) ** 0.5 + 15  # false alarm below 1e-6


def test_values_fill_the_support() -> None:
    x = StackedDigits(IMAGES, LABELS).sample(200, torch.Generator().manual_seed(0))
    assert sorted(x.unique().tolist()) == pytest.approx([-1, -1 / 3, 1 / 3, 1], abs=1e-6)


def test_images_and_labels_must_match() -> None:
    with pytest.raises(ValueError, match="4 images and 3 labels"):
        StackedDigits(IMAGES, LABELS[:3])
    with pytest.raises(ValueError, match="at least one"):
        StackedDigits(IMAGES[:0], LABELS[:0])
