"""A folder of an experiment appears when it is complete; nothing remains of one that failed."""

import json
from pathlib import Path

import pytest

from veridical.experiments.experiment import Experiment, Outcome, Say, next_free, perform


def silent(line: str) -> None:
    pass


def coin(folder: Path, seed: int, quick: bool, say: Say) -> Outcome:
    if seed < 0:
        raise ValueError("no such coin")
    (folder / "figure.txt").write_text("heads")
    return Outcome("Heads.", {"seed": seed, "quick": quick})


COIN = Experiment("coin", "Heads or tails?", 0.1, "heads", coin)


def test_a_folder_holds_the_record(tmp_path: Path) -> None:
    out = perform(COIN, tmp_path / "out", 7, quick=True, say=silent)
    record = json.loads((out / "result.json").read_text())
    assert record["command"] == "veridical experiment coin --seed 7 --quick" and record["verdict"] == "Heads."
    assert record["numbers"] == {"seed": 7, "quick": True} and (out / "figure.txt").read_text() == "heads"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_remains_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such coin"):
        perform(COIN, tmp_path / "out", -1, say=silent)
    assert not list(tmp_path.iterdir())


def test_names_are_counted(tmp_path: Path) -> None:
    first = next_free("coin", tmp_path)
    first.mkdir()
    assert next_free("coin", tmp_path).name == f"{first.name}-2"
