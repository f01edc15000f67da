"""The next step of a run in every state."""

from pathlib import Path
from typing import Any

import pytest

from veridical.health import Finding
from veridical.report.record import Record
from veridical.report.setup import about, class_names, commands, next_step

MEASURED: dict[str, Any] = {"evaluation": {"measurements": [{"name": "fid"}]}}
WARNING = Finding(100, "mode-collapse", "warning", "It collapsed.", "", "")


SMALLER = Finding(100, "R1", "warning", "It.", "", "Use a penalty (--r1 1 --r2 1), or smaller steps (--lr-scale 0.3).")
LONGER = Finding(
    300, "too short", "error", "It.", "", "Train for longer (`veridical resume RUN --steps N`) or not (--x 1)."
)
DOUBLES = Finding(1, "doubles", "warning", "It.", "", "Check the data (`veridical data check DATA`).")
STOP = Finding(1, "overfit", "warning", "It.", "", "Stop earlier: --evaluate-every 500 keeps the best. Or do not.")


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
        (record(**MEASURED, findings=[SMALLER]), "bad", "veridical train --config run/config.yaml --r1 1 --r2 1", "R1"),
        (record(**MEASURED, findings=[SMALLER, LONGER]), "bad", "veridical resume run --steps 1000", "too short"),
        (record(**MEASURED, findings=[DOUBLES]), "bad", "veridical data check DATA", "doubles"),
        (
            record(**MEASURED, findings=[STOP]),
            "bad",
            "veridical train --config run/config.yaml --evaluate-every 500",
            "",
        ),
        (record("failed", checkpoints=[400]), "bad", "veridical resume run", "step 400"),
        (record("failed"), "bad", "veridical train --config run/config.yaml", "before its first checkpoint"),
        (record("running", quiet_for=1.0), "unknown", "veridical report run", "still running"),
    ],
)
def test_next_step(found: Record, level: str, command: str, why: str) -> None:
    said = next_step(found, level)
    assert said[0] == command and why in said[1]
    assert command in [c for c, _ in commands(found)] or "--config" in command or "check" in command


def test_a_model_of_your_own_is_named_by_its_class() -> None:
    found = record(environment={"own_modules": True})
    found.family = "mine.Model"
    assert about(found)[0] == "mine.Model"
    assert next_step(found, "unknown")[0].startswith("veridical.evaluate(veridical.load('run', model=model)")
    found.evaluation, found.findings = MEASURED["evaluation"], [SMALLER]
    assert next_step(found, "bad")[0] == "veridical.train(model=model, data=data)"


@pytest.mark.parametrize("data", [None, [], {"class_names": None}, {"class_names": "boot"}])
def test_classes_without_names(data: Any) -> None:
    assert class_names(record(environment={"data": data})) == []
