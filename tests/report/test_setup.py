"""The next step of a run in every state."""

from pathlib import Path
from typing import Any

import pytest

from veridical.health import Finding
from veridical.report.record import Record
from veridical.report.setup import about, class_names, commands, next_step

MEASURED: dict[str, Any] = {"evaluation": {"measurements": [{"name": "fid"}]}}
WARNING = Finding(100, "mode-collapse", "warning", "It collapsed.", "", "")


def record(state: str = "finished", **more: Any) -> Record:
    rows = [{"step": 500, "seconds": 3.0}]
    config = {"training.steps": 500, "training.seed": 7}
    return Record(Path("run"), "run", {"state": state, "step": 500}, config, family="vae", rows=rows, **more)


@pytest.mark.parametrize(
    ("found", "level", "command", "why"),
    [
        (record(), "unknown", "veridical evaluate run", "Measure it"),
        (record(**MEASURED), "good", "veridical sample run -n 64", "Draw samples"),
        (record(**MEASURED), "caution", "veridical resume run --steps 1000", "twice as many"),
        (record(**MEASURED, findings=[WARNING]), "bad", "veridical train --config run/config.yaml", "remedy"),
        (record("failed", checkpoints=[400]), "bad", "veridical resume run", "step 400"),
        (record("failed"), "bad", "veridical train --config run/config.yaml", "before its first checkpoint"),
        (record("running", quiet_for=1.0), "unknown", "veridical report run", "still running"),
    ],
)
def test_next_step(found: Record, level: str, command: str, why: str) -> None:
    said = next_step(found, level)
    assert said[0] == command and why in said[1]
    assert command in [c for c, _ in commands(found)] or "--config" in command


def test_a_model_of_your_own_is_named_by_its_class() -> None:
    found = record(environment={"own_modules": True})
    found.family = "mine.Model"
    assert about(found)[0] == "mine.Model"
    assert next_step(found, "unknown")[0].startswith("veridical.evaluate(veridical.load('run', model=model)")


@pytest.mark.parametrize("data", [None, [], {"class_names": None}, {"class_names": "boot"}])
def test_classes_without_names(data: Any) -> None:
    assert class_names(record(environment={"data": data})) == []
