import json
import math
import subprocess
import sys
from pathlib import Path

from veridical.health import Finding, HealthMonitor, check
from veridical.run import read_lines

ROWS = [
    {
        "step": 50 * i,
        "discriminator/js": 0.4 if i < 10 else 0.69,
        "discriminator/accuracy": 0.9 if i < 10 else 1.0,
        "discriminator/crowding": 1.0 if i < 15 else 3.0,
        "discriminator/coverage": 0.3,
        "discriminator/energy": 0.1,
        "generator/loss": 1.0,
        "generator/grad_norm": 1.0 if i < 20 else 50.0,
    }
    for i in range(1, 40)
]


def test_findings_are_returned_written_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    monitor = HealthMonitor(tmp_path / "health.jsonl", said.append)
    found = [finding for row in ROWS for finding in monitor.on_log(row["step"], row)]
    assert [finding.name for finding in found] == ["discriminator-saturation", "mode-collapse", "gradient-explosion"]
    assert [Finding.from_json(row) for row in read_lines(tmp_path / "health.jsonl")] == found
    assert said == [str(finding) for finding in found]


def test_resuming_anywhere_says_the_same(tmp_path: Path) -> None:
    whole = check(ROWS)
    for cut in range(len(ROWS)):
        first, second = HealthMonitor(), HealthMonitor()
        found = [finding for row in ROWS[:cut] for finding in first.on_log(row["step"], row)]
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        found += [finding for row in ROWS[cut:] for finding in second.on_log(row["step"], row)]
        assert found == whole


def test_terms_may_appear_late() -> None:
    rows = [{"step": i, "discriminator/loss": 1.0} for i in range(20)]
    rows += [{"step": 20 + i, "discriminator/loss": 1.0, "discriminator/js": 0.69} for i in range(300)]
    assert [finding.name for finding in check(rows)] == ["discriminator-saturation"]


def test_the_error_of_the_loop_becomes_a_finding(tmp_path: Path) -> None:
    monitor = HealthMonitor(tmp_path / "health.jsonl")
    found = monitor.on_nonfinite(731, "generator/grad_norm", math.inf)
    assert found.message == "grad_norm of player generator is inf at step 731."
    assert list(read_lines(tmp_path / "health.jsonl")) == [found.to_json()]


def test_resuming_drops_what_will_be_judged_anew(tmp_path: Path) -> None:
    monitor = HealthMonitor(tmp_path / "health.jsonl")
    for step in (100, 200, 300):
        monitor.on_nonfinite(step, "model/loss", math.nan)
    HealthMonitor(tmp_path / "health.jsonl").on_start(200)
    assert [row["step"] for row in read_lines(tmp_path / "health.jsonl")] == [100, 200]


def test_no_torch_is_imported() -> None:
    code = "import veridical.health, sys; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
