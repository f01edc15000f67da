"""What became of a run: every state, from what a run leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from veridical.run import Run, append_lines
from veridical.status import QUIET_SECONDS


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run")


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed", "running"])
def test_what_the_run_says(run: Run, state: str) -> None:
    run.set_status(state, 7, "why")
    status = run.outcome()
    assert (status.state, status.step, status.message) == (state, 7, "why")
    assert (status.warning == "") == (state == "finished")
    assert state == "finished" or "step 7" in status.warning


def test_a_run_whose_process_is_gone_was_killed(run: Run) -> None:
    code = f"from veridical.run import Run; Run({str(run.path)!r}).set_status('running', 3)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert run.outcome().state == "killed"
    assert f"veridical resume {run.path}" in run.outcome().warning


def test_a_run_on_another_machine_is_judged_by_its_silence(run: Run) -> None:
    run.write_json("status.json", {"state": "running", "step": 1, "process": 2**22 + 1, "host": "elsewhere"})
    assert run.outcome().state == "running"
    long_ago = time.time() - 2 * QUIET_SECONDS
    os.utime(run.path / "status.json", (long_ago, long_ago))
    assert run.outcome().state == "killed"
    append_lines(run.metrics_file, [{"step": 50, "seconds": 10.0}, {"step": 100, "seconds": 10.0 + QUIET_SECONDS / 4}])
    os.utime(run.metrics_file, (long_ago, long_ago))
    assert run.outcome().state == "running"  # a slow run: a line every 150 seconds
    assert run.outcome().step == 100


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"state": "dancing", "step": "x"}), None])
def test_damage_is_no_state(run: Run, text: str | None) -> None:
    if text is not None:
        (run.path / "status.json").write_text(text)
    assert (run.outcome().state, run.outcome().step) == ("unknown", 0)
