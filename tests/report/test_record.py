"""Reading run directories: what is whole is read, what is damaged is named and left out."""

import json
from pathlib import Path

import pytest

from veridical.report.record import labels, read_record
from veridical.run import NotARunError


def test_everything_that_is_whole_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "family: vae\ntraining:\n  steps: 30\n  seed: 1\norigin:\n  training.steps: command line\n"
    )
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "model/loss": 1.5}\n{"step": 20}\n{"step": 2')
    (tmp_path / "status.json").write_text(json.dumps({"step": 15}))
    (tmp_path / "evaluation.json").write_text("[1]")
    for name in ("samples/step-20.png", "samples/step-3.png", "samples/other.png", "checkpoints/step-20"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    record = read_record(tmp_path, "run")
    assert (record.family, record.step, record.steps) == ("vae", 20, 30)
    assert record.config == {"training.steps": 30, "training.seed": 1}
    assert record.origins == {"training.steps": "command line", "training.seed": "default"}
    assert [row["step"] for row in record.rows] == [10, 20]
    assert [step for step, _ in record.samples] == [3, 20] and record.checkpoints == [20]
    assert record.evaluation == {} and record.reals is None
    assert len(record.problems) == 2 and "1 line" in " ".join(record.problems)
    assert record.quiet_for is not None and record.quiet_for < 60


def test_a_folder_without_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotARunError):
        read_record(tmp_path, "run")
    (tmp_path / "config.yaml").write_text("family: [")
    record = read_record(tmp_path, "run")
    assert record.config == {} and len(record.problems) == 1 and record.quiet_for is None


def test_labels_are_as_short_as_they_can_be() -> None:
    assert labels([Path("/a/b/run"), Path("/a/c/run"), Path("/a/c/other")]) == ["b/run", "c/run", "c/other"]
