"""The number of a step as a number and as a tensor."""

import torch

from veridical.clock import Clock, elapsed, progress

CPU = torch.device("cpu")


def test_a_clock_is_its_number_and_shares_its_tensor() -> None:
    now = torch.tensor(7.0)
    clock = Clock(7, now)
    assert clock == 7 and clock + 1 == 8 and clock % 4 == 3
    now.fill_(9.0)  # as the loop does between replays
    assert elapsed(clock, CPU) is now and float(elapsed(clock, CPU)) == 9.0


def test_a_plain_number_becomes_a_tensor() -> None:
    made = elapsed(3, CPU)
    assert made.shape == () and made.dtype is torch.get_default_dtype() and float(made) == 3.0


def test_a_clock_knows_what_is_done_and_a_plain_number_does_not() -> None:
    now = torch.tensor(7.0)
    clock = Clock(7, now, steps=28)
    now.fill_(14.0)  # as the loop does between replays
    assert float(progress(clock, CPU)) == 0.5
    assert float(progress(7, CPU)) == float(progress(Clock(7, now), CPU)) == 0.0
