"""Deterministic training: what is switched, what is restored, and what is said."""

from __future__ import annotations

import os

import pytest
import torch

from tests.training import toys
from veridical.training import determinism
from veridical.training.determinism import deterministic, is_deterministic, repeatability
from veridical.training.fit import fit

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("wanted", [True, None])
def test_everything_is_switched_inside_and_restored_behind_an_error_too(
    device: torch.device, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(determinism.WORKSPACE, raising=False)
    before = determinism._switches()
    with pytest.raises(RuntimeError, match="inside"), deterministic(device, wanted):
        assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (wanted is None)
        assert os.environ[determinism.WORKSPACE] == ":4096:8"
        raise RuntimeError("inside")
    assert determinism._switches() == before and not before[0]
    assert determinism.WORKSPACE not in os.environ


def test_a_workspace_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(determinism.WORKSPACE, ":16:8")
    with deterministic(CUDA, True):
        assert os.environ[determinism.WORKSPACE] == ":16:8"
    assert os.environ[determinism.WORKSPACE] == ":16:8"


@pytest.mark.parametrize(("device", "wanted"), [(CUDA, False), (MPS, None), (CPU, False)])
def test_elsewhere_nothing_is_switched(device: torch.device, wanted: bool | None) -> None:
    before = determinism._switches()
    with deterministic(device, wanted):
        assert determinism._switches() == before


@pytest.mark.parametrize(
    ("device", "wanted", "repeats", "said"),
    [
        (CPU, None, True, "repeats to the bit on this processor"),
        (CPU, False, True, "repeats to the bit on this processor"),
        (CUDA, None, True, "repeats to the bit on this kind of GPU"),
        (CUDA, True, True, "repeats to the bit on this kind of GPU"),
        (CUDA, False, False, "does not repeat to the bit: deterministic is off"),
        (MPS, None, False, "is not known to repeat"),
    ],
)
def test_what_holds_is_said(device: torch.device, wanted: bool | None, repeats: bool, said: str) -> None:
    assert is_deterministic(device, wanted) is repeats
    assert repeatability(device, wanted).startswith(said)


def test_training_inside_repeats_to_the_bit_and_equals_training_outside() -> None:
    ends = []
    for _ in range(2):
        with deterministic(CPU, True):
            ends.append(toys.everything(fit(toys.state(10), toys.loader())))
    toys.assert_equal(*ends)
    toys.assert_equal(ends[0], toys.everything(fit(toys.state(10), toys.loader())))
