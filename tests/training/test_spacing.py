"""Lines and images of a long training: equal distances that double, the same after every resume."""

import itertools
from pathlib import Path

import pytest

from tests.training import toys
from veridical.training.fit import Callback, State, fit
from veridical.training.spacing import distance, is_due, thin
from veridical.training.terms import Row


def test_the_distance_doubles_when_so_many_fit() -> None:
    assert [distance(step, 5, 4) for step in (1, 20, 21, 40, 41, 80, 81)] == [5, 5, 10, 10, 20, 20, 40]
    assert distance(10**12, 50, 20_000) == 50 * 2**20


def test_short_trainings_write_as_they_always_did() -> None:
    """Mutant: a bound of 20 lines changes every run of the presets."""
    for every in (1, 50, 100):
        assert all(is_due(step, every) == (step % every == 0) for step in range(1, 3_000))
        assert is_due(20_000 * every, every) and not is_due(20_000 * every + every, every)


def test_lines_grow_with_the_logarithm_of_the_steps() -> None:
    lines = [sum(is_due(step, 1, most=10) for step in range(1, steps + 1)) for steps in (10, 100, 1_000, 10_000)]
    assert lines[0] == 10 and max(b - a for a, b in itertools.pairwise(lines)) <= 10 * 4 / 2


class Rows(Callback):
    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_log(self, state: State, row: Row) -> None:
        self.steps.append(row["step"])


def test_the_loop_writes_a_line_where_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veridical.training.fit.is_due", lambda step, every: step % distance(step, every, 4) == 0)
    rows = Rows()
    fit(toys.state(steps=19), toys.loader(), log_every=1, callbacks=[rows])
    assert rows.steps == [1, 2, 3, 4, 6, 8, 12, 16, 19]


def drawn(folder: Path, steps: range, every: int = 10) -> list[int]:
    for step in steps:
        if step % every == 0:
            (folder / f"step-{step:08d}.png").write_bytes(b"")
            thin(folder, step, every, most=4)
    return sorted(int(path.stem[5:]) for path in folder.glob("step-0*.png"))


@pytest.mark.parametrize("end", [40, 50, 170, 330, 1_000])
def test_few_images_stay_the_first_and_the_newest_among_them(end: int, tmp_path: Path) -> None:
    found = drawn(tmp_path, range(0, end + 1))
    assert found[0] == 0 and found[-1] == end and len(found) <= 4 + 2
    assert len({b - a for a, b in itertools.pairwise(found[:-1])}) <= 1  # equal distances


@pytest.mark.parametrize("again", [0, 30, 40, 50, 90, 120])
def test_a_resumed_training_keeps_the_same_images(again: int, tmp_path: Path) -> None:
    """Mutant: thinning by the number of files keeps others when a part is drawn twice."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = drawn(tmp_path / "a", range(0, 251))
    drawn(tmp_path / "b", range(0, 131))  # killed here
    assert drawn(tmp_path / "b", range(again + 1, 251)) == whole


def test_other_files_stay(tmp_path: Path) -> None:
    for name in ("reals.png", "step-final.png", "step-00000030.txt"):
        (tmp_path / name).write_bytes(b"")
    drawn(tmp_path, range(0, 1_000))
    assert all((tmp_path / name).exists() for name in ("reals.png", "step-final.png", "step-00000030.txt"))
