"""The arithmetic follows from device and network alone; no clock has a say."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from veridical.training import arithmetic
from veridical.training.arithmetic import Arithmetic, choose_arithmetic, mean_width

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")
IMAGES, VECTORS = (16, 3, 8, 8), (16, 3)
Choose = Callable[[], Arithmetic]


def convolutions(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, width, 3), nn.ReLU(), nn.ConvTranspose2d(width, width, 3))


def by_rule() -> Arithmetic:
    return choose_arithmetic(CPU, convolutions(64), (4, 64, 8, 8))[0]


def by_stopwatch() -> Arithmetic:
    """The mutant: the candidate that was the faster this time."""
    network, x = convolutions(64), torch.zeros(4, 64, 8, 8)
    seconds: dict[Arithmetic, float] = {}
    for candidate in (Arithmetic("fp32"), Arithmetic("bf16", channels_last=True)):
        started = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=candidate.precision == "bf16"):
            network(x)
        seconds[candidate] = time.perf_counter() - started
    return min(seconds, key=lambda candidate: seconds[candidate])


def choices(choose: Choose, monkeypatch: pytest.MonkeyPatch, times: int) -> set[Arithmetic]:
    """Choose many times beside other load: every reading of a clock is late by a random time."""
    late, clock = random.Random(0), time.perf_counter
    with monkeypatch.context() as patch:
        for name in ("perf_counter", "monotonic", "process_time"):
            patch.setattr(time, name, lambda: clock() + late.random())
        return {choose() for _ in range(times)}


def test_two_hundred_runs_choose_the_same_beside_any_load(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(choices(by_rule, monkeypatch, 200)) == 1
    # Without a difference, 40 readings take the same of two candidates with a chance of 2^-39.
    assert len(choices(by_stopwatch, monkeypatch, 40)) == 2


def test_choosing_draws_nothing_and_changes_nothing() -> None:
    network = convolutions(64)
    before, generator = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    choose_arithmetic(CPU, network, IMAGES)
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def machine(monkeypatch: pytest.MonkeyPatch, capability: str, flags: set[str], cuda: tuple[int, int] = (8, 0)) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(arithmetic, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: cuda)


NEW, OLD = ("AVX512", {"avx512f", "avx512_bf16"}, (9, 0)), ("AVX2", {"avx2"}, (7, 5))
HALF, LAYOUT, PLAIN = Arithmetic("bf16", True), Arithmetic("fp32", True), Arithmetic("fp32", False)


@pytest.mark.parametrize(
    ("hardware", "device", "width", "shape", "wanted"),
    [
        (NEW, CPU, 64, IMAGES, HALF),
        (NEW, CPU, arithmetic.WIDE, IMAGES, HALF),
        (NEW, CPU, arithmetic.WIDE - 1, IMAGES, LAYOUT),
        (NEW, CPU, 64, VECTORS, PLAIN),
        (OLD, CPU, 64, IMAGES, LAYOUT),
        (("AVX512", {"avx512f"}, (8, 0)), CPU, 64, IMAGES, LAYOUT),
        (("AVX512", {"amx_bf16"}, (8, 0)), CPU, 64, IMAGES, HALF),
        (("AVX2", {"avx512_bf16"}, (8, 0)), CPU, 64, IMAGES, LAYOUT),  # ATEN_CPU_CAPABILITY=avx2
        (NEW, CUDA, 64, IMAGES, HALF),
        (NEW, CUDA, 8, IMAGES, PLAIN),
        (NEW, CUDA, 64, VECTORS, PLAIN),
        (OLD, CUDA, 64, IMAGES, PLAIN),
        (NEW, MPS, 64, IMAGES, PLAIN),
    ],
)
def test_the_rule(
    monkeypatch: pytest.MonkeyPatch,
    hardware: tuple[str, set[str], tuple[int, int]],
    device: torch.device,
    width: int,
    shape: tuple[int, ...],
    wanted: Arithmetic,
) -> None:
    machine(monkeypatch, *hardware)
    chosen, why = choose_arithmetic(device, convolutions(width), shape)
    assert chosen == wanted
    assert "mean width" in why or "no convolutions" in why


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_asked_for_is_taken(precision: str) -> None:
    assert choose_arithmetic(CPU, nn.Linear(2, 2), VECTORS, precision) == (Arithmetic(precision), "as requested")
    assert choose_arithmetic(CPU, convolutions(4), IMAGES, precision)[0] == Arithmetic(precision, channels_last=True)


def test_the_width_is_that_of_convolutions_alone() -> None:
    assert mean_width(nn.Linear(512, 512)) == 0
    assert mean_width(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Linear(512, 512), nn.ConvTranspose2d(100, 32, 4))) == 17.5
