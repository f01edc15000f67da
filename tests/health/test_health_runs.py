"""The labelled runs of all families, and what the monitors make of them, at the rates that docs/health.md states."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import health_runs as judged  # pyright: ignore[reportMissingImports]  (a script beside this file)

sys.path.pop(0)
RUNS = judged.read()
HELD_OUT = [run for run in RUNS if judged.is_held_out(run)]
RATES = judged.rates(HELD_OUT)


def test_there_are_enough_runs_of_enough_kinds() -> None:
    labels = [judged.label_of(run) for run in RUNS]
    assert len(RUNS) >= 200 and labels.count("healthy") >= 70 and labels.count("failure") >= 100
    assert len({run["family"] for run in RUNS}) >= 6 and len({run["key"] for run in RUNS}) == len(RUNS)
    assert {run["planted"] for run in RUNS if judged.label_of(run) == "failure"} == set(judged.RIGHT)
    assert 0.4 < len(HELD_OUT) / len(RUNS) < 0.6
    assert judged.FILE.stat().st_size < 1_500_000


def test_the_page_states_what_the_runs_show(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text(encoding="utf-8")
    judged.main()
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("|")]
    assert len(rows) > 30 and all(f"\n{row}\n" in page for row in rows)
    neither = sum(judged.label_of(run) == "neither" for run in RUNS)
    planted = sum(bool(run["planted"]) for run in RUNS)
    assert f"in neither rate ({neither} runs)" in page
    assert f"exact measures of {len(RUNS)} trainings" in page and f"In {planted} of\nthem a failure was planted" in page


def test_failures_are_called_in_time_with_their_cause() -> None:
    assert RATES.failed >= 50
    assert RATES.called >= 0.9 * RATES.failed


def test_few_healthy_runs_raise_an_alarm() -> None:
    assert RATES.healthy >= 30
    assert RATES.false <= 0.05 * RATES.healthy


@pytest.mark.parametrize("planted", ["frozen-generator", "frozen-discriminator", "outlier", "repeated-data"])
def test_no_wrong_cause_is_named(planted: str) -> None:
    """What follows from a player that does not move, or from the data, is not reported as a fault of its own."""
    for run in RUNS:
        if run["planted"] == planted:
            named = {finding.name for finding in judged.findings(run)}
            wrong = {
                "mode-collapse",
                "sample-collapse",
                "discriminator-saturation",
                "learns-nothing",
                "gradient-vanishing",
            }
            assert not named & wrong, (run["key"], named)


def test_without_causes_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veridical.health.monitors.CAUSES", {})
    frozen = [run for run in RUNS if run["planted"] == "frozen-generator"]
    assert any(len({finding.name for finding in judged.judge(run)}) > 1 for run in frozen)
