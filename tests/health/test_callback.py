"""The callback: what is written, printed, dropped on resume and carried over it."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.training import toys

from veridical.families.gan import GAN
from veridical.health import Finding, check
from veridical.health.callback import Health
from veridical.run import read_lines
from veridical.training.fit import State
from veridical.training.terms import NonFiniteError

ROWS: list[dict[str, Any]] = [
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

STATE = toys.state(steps=10_000)


def at(step: int) -> State:
    STATE.step = step
    return STATE


def log(health: Health, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        health.on_log(at(row["step"]), row)


def test_findings_are_written_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    log(Health(GAN.term_kinds, tmp_path / "health.jsonl", said.append), ROWS)
    found = [Finding.from_json(row) for row in read_lines(tmp_path / "health.jsonl")]
    assert [finding.name for finding in found] == ["discriminator-saturation", "mode-collapse", "gradient-explosion"]
    assert found == check(ROWS, GAN.term_kinds)
    assert said == [str(finding) for finding in found]


def test_resuming_anywhere_says_the_same() -> None:
    whole = [str(finding) for finding in check(ROWS, GAN.term_kinds)]
    for cut in range(len(ROWS)):
        said: list[str] = []
        first, second = (Health(GAN.term_kinds, say=said.append) for _ in range(2))
        log(first, ROWS[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        log(second, ROWS[cut:])
        assert said == whole


def test_terms_may_appear_late() -> None:
    rows = [{"step": i, "discriminator/loss": 1.0} for i in range(20)]
    rows += [{"step": 20 + i, "discriminator/loss": 1.0, "discriminator/js": 0.69} for i in range(300)]
    assert [finding.name for finding in check(rows, GAN.term_kinds)] == ["discriminator-saturation"]


def test_the_error_of_the_loop_becomes_a_finding(tmp_path: Path) -> None:
    health = Health({}, tmp_path / "health.jsonl")
    health.on_nonfinite(NonFiniteError(731, "generator/grad_norm", math.inf))
    (row,) = read_lines(tmp_path / "health.jsonl")
    assert row["message"] == "grad_norm of player generator is inf at step 731."


def test_resuming_drops_what_will_be_judged_anew(tmp_path: Path) -> None:
    health = Health({}, tmp_path / "health.jsonl")
    for step in (100, 200, 300):
        health.on_nonfinite(NonFiniteError(step, "model/loss", math.nan))
    Health({}, tmp_path / "health.jsonl").on_start(at(200))
    assert [row["step"] for row in read_lines(tmp_path / "health.jsonl")] == [100, 200]


def test_no_torch_is_imported() -> None:
    code = "import veridical.health, sys; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
