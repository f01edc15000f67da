"""Lattices to files and tables: the same seed makes the same file, a torus is enumerated, a wrong law is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from veridical.ising.exact import log_partition
from veridical.workflows.ising import Pace, check_file, exact_rows, sample_to_file


def silent(line: str) -> None:
    pass


def test_the_same_seed_makes_the_same_file_and_its_law_is_recognised(tmp_path: Path) -> None:
    files = [sample_to_file(tmp_path / f"{i}.npz", (4, 4), 2000, 0.3, seed=5, say=silent) for i in (0, 1)]
    x, y = (np.load(file)["x"] for file in files)
    assert np.array_equal(x, y) and x.shape == (2000, 4, 4)
    assert check_file(files[0], say=silent).outcome == "consistent"  # at the coupling that the file states
    assert check_file(files[0], 0.2, say=silent).outcome != "consistent"
    with pytest.raises(FileExistsError):
        sample_to_file(files[0], (4, 4), 10, say=silent)


def test_rows_hold_what_is_exact() -> None:
    row, infinite = exact_rows([(2, 3)], 0.4)
    assert row["log_partition"] == pytest.approx(float(log_partition(2, 3, 0.4)))
    assert row["entropy_bits"] == pytest.approx(row["entropy_nats"] / math.log(2))
    assert row["entropy_nats"] == pytest.approx(row["log_partition"] / 6 + 0.4 * row["energy"])  # S = ln Z + K E
    assert infinite["lattice"] == "infinite" and infinite["log_partition"] is None
    assert infinite["magnetization_squared"] == 0  # above the critical temperature
    assert len(exact_rows([(2, 2)], -0.4)) == 1


def test_a_pace_speaks_no_more_often_than_it_should() -> None:
    lines: list[str] = []
    pace = Pace(10, 16, lines.append, every=0.0)
    pace.live = False
    pace.update(5)
    assert len(lines) == 1 and lines[0].startswith("5 of 10 configurations")
    pace.every = 1e9
    pace.update(6)
    assert len(lines) == 1 and pace.summary().startswith("10 configurations in ")
