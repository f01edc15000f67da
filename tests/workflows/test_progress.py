"""What a person sees of a training: rates on a clock of the test's own, and the bar on terminals of any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.training import toys
from veridical.training.fit import State
from veridical.workflows.progress import LiveProgress, Progress, Rate, Stopwatch, left_of


def at(step: int, steps: int) -> State:
    state = toys.state(steps)
    state.step = step
    return state


def test_the_rate_forgets_a_slow_start() -> None:
    rate = Rate(100, 0.0)
    assert rate.update(101, 50.0) == pytest.approx(1 / 50)  # the first step took fifty seconds
    seen = 0.0
    for second in range(1, 40):
        seen = rate.update(101 + 10 * second, 50.0 + second)
    assert seen == pytest.approx(10.0)


def test_the_rate_of_a_resumed_run_is_its_own() -> None:
    assert Rate(1000, 5.0).update(1010, 7.0) == pytest.approx(5.0)


def test_time_left() -> None:
    assert left_of(at(40, 100), 2.0) == "left 30s"
    assert left_of(at(0, 100), 0.0) == ""


@pytest.mark.parametrize("width", [30, 80, 200])
def test_step_and_time_left_are_visible_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr("veridical.workflows.progress.time.monotonic", iter(range(0, 1000, 10)).__next__)
    progress = LiveProgress(console, batch_size=64)
    progress.on_start(at(0, 5000))
    progress.on_log(at(2500, 5000), {"discriminator/loss": 0.69314, "generator/loss": 0.70001})
    progress.on_step(at(2500, 5000))
    progress.on_end(at(2500, 5000))
    last = [line for line in screen.getvalue().split("\r") if "2500/5000" in line][-1]
    assert "step 2500/5000  left" in last
    assert ("discriminator 0.69" in last) == (width >= 80)
    assert all(len(line.rstrip("\n")) <= width + 10 for line in last.splitlines())  # control codes


def test_lines_come_while_no_row_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of slow steps says that it lives before its first row of metrics."""
    monkeypatch.setattr("veridical.workflows.progress.time.monotonic", iter(range(0, 1000, 7)).__next__)
    said: list[str] = []
    progress = Progress(said.append, batch_size=2)
    progress.on_start(at(0, 100))
    for step in (1, 2, 3):
        progress.on_step(at(step, 100))
    assert [line.split("  ")[0] for line in said] == ["step 2/100"]


def test_the_stopwatch_leaves_the_warm_up_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 200.0, 201.0, 202.0, 203.0])
    monkeypatch.setattr("veridical.workflows.progress.time.monotonic", clock.__next__)
    watch, state = Stopwatch(warm_up=2, seconds=2.5), at(0, 20)
    while state.stop is None:
        state.step += 1
        watch.on_step(state)
    assert state.step == 5  # two to warm up, three timed ones of a second each
    assert "7,200 steps would take about 2h00m on this machine: 3 steps took 1 s each" in watch.estimate(7200)
    assert Stopwatch().estimate(10) == ""
