"""Options stand before or after the folder, and one mistake has one exit code, in every command."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from veridical.cli import run

LINES = {
    "resume": (["nowhere"], ["--steps", "3"]),
    "sample": (["nowhere"], ["-n", "5"]),
    "evaluate": (["nowhere"], ["--json"]),
    "report": (["nowhere", "elsewhere"], ["--out", "x"]),
    "export": (["nowhere"], ["--which", "best"]),
    "runs": (["nowhere"], ["--json"]),
    "cite": (["nowhere"], []),
    "data check": (["nowhere"], ["--size", "28"]),
    "data get": (["nowhere"], ["--to", "x"]),
    "experiment": (["nowhere"], ["--quick"]),
    "train": (["vae"], ["--data", "nowhere"]),
}
"""Words and options of every command that takes a folder, a file or a name."""


@pytest.mark.parametrize(("command", "options_first"), [*itertools.product(LINES, (True, False))])
def test_what_does_not_exist_exits_with_2_wherever_the_options_stand(
    command: str, options_first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    words, options = LINES[command]
    line = [*options, *words] if options_first else [*words, *options]
    assert run([*command.split(), *line]) == 2
    said = capsys.readouterr().err
    assert "nowhere" in said and "Traceback" not in said, said


def test_options_may_stand_between_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "nowhere", "--out", "x", "elsewhere"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["train vae --data digits", "ising sample 4 -n 1", "experiment critical-lattice --quick"],
)
def test_what_is_taken_exits_with_2_in_every_command_that_writes(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "mine.npz"
    taken.write_text("mine")
    assert run([*line.split(), "--out", str(taken)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err and taken.read_text() == "mine"
