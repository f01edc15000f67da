"""Reports on the command line: a page where it was asked for, and a run that must be named."""

from pathlib import Path

import pytest

from veridical.cli import run


def test_a_page_about_a_run_that_never_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("family: vae\n")
    out = tmp_path / "page.html"
    assert run(["report", str(tmp_path / "run"), "--out", str(out)]) == 0
    assert "</html>" in out.read_text() and str(out) in capsys.readouterr().out


def test_a_run_must_be_named(tmp_path: Path) -> None:
    assert run(["report"]) == 2
    assert run(["report", str(tmp_path)]) == 2
