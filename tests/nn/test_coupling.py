"""Couplings: the identity at the start, masks, and their context; the mathematics is in test_invertible.py."""

import pytest
import torch

from veridical.nn.coupling import (
    LOG_SCALE,
    ConvConditioner,
    MaskedCoupling,
    SplitCoupling,
    checkerboard,
    move,
    move_back,
    vector_conditioner,
)


def test_couplings_start_as_the_identity() -> None:
    x = torch.randn(3, 4, 5, 5)
    split = SplitCoupling(4, ConvConditioner(2, 4, 8), "affine")
    masked = MaskedCoupling(checkerboard(5, 5, odd=False), ConvConditioner(4, 8, 8, periodic=True), "affine")
    for layer in (split, masked):
        z, log_det = layer(x)
        assert torch.equal(z, x) and log_det.abs().max() == 0


def test_a_context_is_an_input_of_the_network() -> None:
    layer = SplitCoupling(2, vector_conditioner(1 + 3, 2, width=8, depth=1), "affine")
    torch.nn.init.normal_(layer.conditioner.last.weight)  # type: ignore[union-attr, arg-type]
    x = torch.randn(4, 2)
    first, second = layer(x, torch.zeros(4, 3)), layer(x, torch.ones(4, 3))
    assert torch.equal(first[0][:, 0], second[0][:, 0]) and not torch.equal(first[0][:, 1], second[0][:, 1])
    torch.testing.assert_close(layer.inverse(second[0], torch.ones(4, 3))[0], x)


def test_a_scale_cannot_leave_its_bounds() -> None:
    x, h = torch.ones(1, 1), torch.tensor([[0.0, 1e9]])
    z, log_scale = move(x, h, "affine")
    assert log_scale.item() == pytest.approx(LOG_SCALE) and move_back(z, h, "affine")[0].item() == pytest.approx(1.0)


def test_a_single_channel_has_no_halves() -> None:
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        SplitCoupling(1, vector_conditioner(1, 2, 4, 1), "affine")


def test_fields_of_both_colours_are_all_fields() -> None:
    assert torch.equal(checkerboard(3, 5, odd=False) + checkerboard(3, 5, odd=True), torch.ones(3, 5))
