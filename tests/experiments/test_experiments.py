"""Every experiment runs from the command line into a folder of its own, and says in one sentence what it found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_light import outcome
from veridical.cli import run
from veridical.experiments import NAMES, Experiment, Outcome, find, perform
from veridical.experiments.experiment import next_free

FIGURES = {
    "information-ladder": {"ladder.png", "gaps.png"},
    "critical-lattice": {"configurations.png", "energy.png", "correlation.png"},
    "sampling-order": {"variety.png"},
    "metric-court": {"power.png"},
    "criticality": {"criticality.png"},
    "morse": {"morse.png", "morse.gif"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("experiments")
    return {name: perform(find(name), parent / name, quick=True, say=lambda line: None) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_holds_figures_numbers_and_a_verdict(name: str, folders: dict[str, Path]) -> None:
    assert {path.name for path in folders[name].iterdir()} == {"result.json", *FIGURES[name]}
    for figure in FIGURES[name]:
        with Image.open(folders[name] / figure) as image:
            assert min(image.size) > 400
            assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 2  # not blank
    result = json.loads((folders[name] / "result.json").read_text())
    assert result["experiment"] == name and result["question"] == find(name).question
    assert result["command"] == f"veridical experiment {name} --seed 0 --quick"
    assert result["seconds"] > 0 and result["numbers"]


def test_the_ladder_holds_the_exact_value(folders: dict[str, Path]) -> None:
    result = json.loads((folders["information-ladder"] / "result.json").read_text())
    ladder = result["numbers"]["ladders"][0]
    assert ladder["exact"] == pytest.approx(0.421050294105, abs=1e-11)
    assert all(b["low"] < ladder["exact"] for b in ladder["lower"])
    assert all(b["high"] > ladder["exact"] for b in (*ladder["contexts"], *ladder["compressors"]))
    assert "bounds hold" in result["verdict"] and "FAIL" not in result["verdict"]


def test_the_lattice_follows_its_law(folders: dict[str, Path]) -> None:
    result = json.loads((folders["critical-lattice"] / "result.json").read_text())
    assert result["verdict"].startswith("Yes: all 39 tests")
    correlation = result["numbers"]["correlation"]
    assert correlation["torus"][0] == pytest.approx(1.45306485281 / 2, abs=1e-9)
    assert correlation["infinite"][0] == pytest.approx(math.sqrt(0.5), abs=1e-9)
    assert correlation["largest_difference_in_errors"] < 6


def small(run_it) -> Experiment:
    return Experiment("small", "Does it?", 0.1, "nothing", run_it)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine" / "own").mkdir(parents=True)
    ran = []
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        perform(small(lambda *_: ran.append(1) or Outcome("yes")), tmp_path / "mine", say=ran.append)
    assert not ran


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_experiment_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def fail(folder: Path, seed: int, quick: bool, say) -> Outcome:
        (folder / "half.png").write_text("half")
        raise error

    with pytest.raises(error):
        perform(small(fail), tmp_path / "out", say=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        perform(small(lambda *_: Outcome("yes", {"x": math.nan})), tmp_path / "out", say=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_the_second_of_a_day_has_a_number(tmp_path: Path) -> None:
    first = next_free("small", tmp_path)
    first.mkdir()
    assert next_free("small", tmp_path).name == first.name + "-2"
    assert first.name.startswith("small-20")


def test_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["experiment", "information-ladder", "--quick", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    (folder,) = (tmp_path / "experiments").iterdir()
    assert "Expected on two cores: 2 min" in said and "bounds hold" in said and folder.name in said
    assert json.loads((folder / "result.json").read_text())["command"].endswith("--seed 3 --quick")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["experiment"], 0, "(about 2 minutes on two cores)"),
        (["experiment", "--help"], 0, "--quick"),
        (["experiment", "information-lader"], 2, "Did you mean information-ladder?"),
    ],
)
def test_listing_is_light(arguments: list[str], code: int, words: str) -> None:
    got, said, heavy = outcome(*arguments)
    assert got == code and words in said and heavy == "[]", said


def test_files_say_what_the_listing_says() -> None:
    import importlib

    for name in NAMES:
        text = importlib.import_module(f"veridical.experiments.{name.replace('-', '_')}").__doc__
        assert text is not None and f"COMMAND   veridical experiment {name}" in text
        assert f"TIME      {find(name).minutes:g} minute" in text
        for word in ("QUESTION", "EXPECTED"):
            assert word in text


def test_a_resumable_experiment_continues_where_it_was_stopped(tmp_path: Path) -> None:
    found: list[bool] = []

    def stop_once(folder: Path, seed: int, quick: bool, say) -> Outcome:
        part = folder / "blocks" / "part"
        found.append(part.exists())
        part.parent.mkdir(exist_ok=True)
        part.write_text("done")
        if len(found) == 1:
            raise KeyboardInterrupt
        return Outcome("yes")

    experiment = Experiment("small", "Does it?", 0.1, "nothing", stop_once, resumable=True)
    with pytest.raises(KeyboardInterrupt):
        perform(experiment, tmp_path / "out", say=lambda line: None)
    assert perform(experiment, tmp_path / "out", say=lambda line: None) == tmp_path / "out"
    assert found == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.json"]
