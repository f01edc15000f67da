"""What is to be cited: the papers that the run recorded, and the software in its version."""

import json
from pathlib import Path

import pytest

from veridical.cli import run
from veridical.run import Run


def test_papers_and_version_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("family: vae\n")
    about = {"papers": ["Kingma & Welling (2014)", "Burda (2016)"], "versions": {"veridical": "9.8.7"}}
    (tmp_path / "environment.json").write_text(json.dumps(about))
    assert run(["cite", str(tmp_path)]) == 0
    first, second, software = capsys.readouterr().out.splitlines()
    assert [first, second] == about["papers"] and software.startswith("veridical 9.8.7")


def test_what_is_no_run_is_a_wrong_request(tmp_path: Path) -> None:
    assert run(["cite", str(tmp_path)]) == 2


@pytest.mark.parametrize("about", [{}, {"papers": None, "versions": "x"}, {"papers": 3, "versions": []}])
def test_entries_that_are_missing_or_damaged_are_left_out(
    tmp_path: Path, about: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    made = Run.create(tmp_path / "run")
    made.config_file.write_text("")
    made.write_json("environment.json", about)
    assert run(["cite", str(made.path)]) == 0
    assert capsys.readouterr().out == "veridical , the software (see CITATION.cff)\n"
