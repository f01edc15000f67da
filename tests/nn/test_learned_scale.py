"""The learned scale: its start, its floor, and its step size."""

import math

import pytest
import torch

from tests.mutants import mutated
from veridical.nn import learned_scale as module
from veridical.nn.learned_scale import first_log_scale, learned_scale, scale_group


def test_it_starts_at_half_the_scale_of_the_data() -> None:
    log_scale = first_log_scale(0.7)
    assert log_scale.requires_grad and log_scale.shape == (1,)
    assert log_scale.item() == pytest.approx(math.log(0.35))


def test_continuous_data_have_a_floor_and_quantised_data_none() -> None:
    nothing = torch.tensor([-50.0])
    assert learned_scale(nothing, 5.0, None).item() == pytest.approx(0.005)
    assert learned_scale(nothing, 5.0, 0.1).item() == pytest.approx(math.exp(-50))
    assert learned_scale(torch.zeros(1), 5.0, None).item() == pytest.approx(math.hypot(1.0, 0.005))


def test_it_moves_ten_times_as_fast_and_does_not_decay() -> None:
    log_scale = first_log_scale(1.0)
    assert scale_group(log_scale, 1e-3) == {"params": [log_scale], "lr": 1e-2, "weight_decay": 0.0}


MUTANTS = {
    "the whole scale": ("first_log_scale", "std / 2", "std", test_it_starts_at_half_the_scale_of_the_data),
    "a floor of levels": (
        "learned_scale", "if bin_width", "if not bin_width", test_continuous_data_have_a_floor_and_quantised_data_none
    ),
    "it decays": ("scale_group", "0.0", "0.1", test_it_moves_ten_times_as_fast_and_does_not_decay),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after, test = MUTANTS[name]
    monkeypatch.setitem(globals(), function, mutated(getattr(module, function), before, after))
    with pytest.raises(AssertionError):
        test()
