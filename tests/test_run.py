"""The run directory as an object: a path, and what a notebook shows."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from veridical.errors import OutputExistsError
from veridical.run import NotARunError, Run, RunFileError, append_lines, keep_lines_until, read_lines
from veridical.seal import RunningDigest, digest, sealed


def test_a_run_is_a_path(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    assert Path(run) == run.path and os.fspath(run) == str(run.path)
    assert repr(run) == f"Run({str(run.path)!r})"


def test_a_notebook_shows_state_losses_and_samples(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "<run>")
    assert "unknown" in run._repr_html_()
    run.set_status("failed", 40, "js is <nan>")
    append_lines(run.metrics_file, [{"step": 40, "seconds": 1.0, "model/loss": 0.5, "model/grad_norm": 2.0}])
    Image.new("L", (4, 4)).save(run.samples / "step-00000040.png")
    shown = run._repr_html_()
    assert "failed, step 40" in shown and "model/loss 0.5" in shown and "data:image/png;base64," in shown
    assert "<nan>" not in shown and "<run>" not in shown and "grad_norm" not in shown


def test_of_two_that_create_a_run_at_once_one_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that nothing is there before either creates anything."""
    monkeypatch.setattr(Run, "require_free", lambda path: None)
    Run.create(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="created by another process just now"):
        Run.create(tmp_path / "run")


def test_of_many_that_create_a_run_at_once_exactly_one_succeeds(tmp_path: Path) -> None:
    def attempt(i: int) -> bool:
        try:
            Run.create(tmp_path / f"run-{i // 8}")
        except OutputExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(attempt, range(400)))
    assert [sum(made[i : i + 8]) for i in range(0, 400, 8)] == [1] * 50


def test_numbers_of_runs_created_at_once_differ(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda i: Run.create_next(tmp_path, f"gan-{i}"), range(24)))
    assert sorted(run.path.name[:4] for run in runs) == [f"{i:04d}" for i in range(24)]
    assert len(list(tmp_path.iterdir())) == 24


def test_a_claim_on_a_number_that_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".0000").mkdir()
    os.utime(tmp_path / ".0000", (0, 0))
    assert Run.create_next(tmp_path, "gan").path.name == "0000-gan"


def test_a_folder_without_configuration_is_no_run(tmp_path: Path) -> None:
    Run.create(tmp_path / "run")
    with pytest.raises(NotARunError, match=r"contains no config.yaml.*ended before its first step"):
        Run.open(tmp_path / "run")


def whole(folder: Path) -> Run:
    """A run with all that has a checksum."""
    run = Run.create(folder)
    run.config_file.write_text("steps: 4")
    data = {"digest": "ab", "n": 3, "name": "x"}
    digests = [digest(b"steps: 4")]
    run.write_json("environment.json", {"data": data, "space": {"shape": [1]}, "config_sha256": digests})
    run.set_status("finished", 4)
    run.write_evaluation({"seed": 1})
    append_lines(run.metrics_file, [{"step": i} for i in range(1, 5)])
    checkpoint = run.checkpoints / "step-00000004"
    checkpoint.mkdir()
    lines = {"metrics.jsonl": RunningDigest(run.metrics_file).update()}
    (checkpoint / "meta.json").write_text(json.dumps(sealed({"step": 4, "lines": lines})))
    return run


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("status.json", '"step": 4', '"step": 6'),
        ("environment.json", '"n": 3', '"n": 4'),
        ("evaluation.json", '"seed": 1', '"seed": 2'),
        ("config.yaml", "steps: 4", "steps: 5"),
        ("metrics.jsonl", '"step": 3', '"step": 2'),
    ],
)
def test_edits_that_still_parse_are_noticed(tmp_path: Path, name: str, old: str, new: str) -> None:
    run = whole(tmp_path / "run")
    assert run.changes() == []
    file = run.path / name
    file.write_text(file.read_text().replace(old, new))
    (said,) = run.changes()
    assert said.startswith(name)


def test_files_without_a_checksum_are_believed_and_later_lines_are_not_covered(tmp_path: Path) -> None:
    run = whole(tmp_path / "run")
    append_lines(run.metrics_file, [{"step": 5}])
    (run.path / "status.json").write_text('{"state": "finished", "step": 9}')
    (run.path / "environment.json").write_text('{"data": {}}')
    assert run.changes() == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = whole(tmp_path / "run")
    for text in ("", "{", "[]"):
        (run.path / "environment.json").write_text(text)
        with pytest.raises(RunFileError, match=r"environment\.json is damaged"):
            run.environment()
        assert "environment.json is damaged" in run.changes()[0]


@pytest.mark.parametrize(("section", "key"), [("space", "shape"), ("data", "digest"), ("data", "n")])
def test_missing_entries_are_named_with_a_remedy(tmp_path: Path, section: str, key: str) -> None:
    run = whole(tmp_path / "run")
    about = run.environment()
    del about[section][key]
    run.write_json("environment.json", about)
    with pytest.raises(RunFileError, match=rf"lacks {key} of {section}.*veridical train --config"):
        run.environment()
    run.write_json("environment.json", {**about, section: None})
    with pytest.raises(RunFileError, match=f"{key} of {section}"):
        run.environment()
    (run.path / "environment.json").unlink()
    with pytest.raises(RunFileError, match="is missing"):
        run.environment()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("data", "digest", 3),
        ("data", "n", "3"),
        ("data", "path", 3),
        ("space", "shape", "x"),
        ("space", "support", "x"),
        ("health", "outlier", "x"),
    ],
)
def test_entries_of_another_kind_are_named(tmp_path: Path, section: str, key: str, value: object) -> None:
    run = whole(tmp_path / "run")
    about = run.environment()
    about.setdefault(section, {})[key] = value
    run.write_json("environment.json", about)
    with pytest.raises(RunFileError, match=rf"is damaged: {key} of {section} \({value!r}\).*Restore it"):
        run.environment()


def test_half_a_line_never_spoils_the_next_and_damaged_lines_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    append_lines(file, [{"step": 1}])
    for torn in ('{"step": 2, "lo', '{"st'):
        with open(file, "a") as opened:
            opened.write(torn)
        append_lines(file, [{"step": 3}])
    assert file.read_text() == '{"step": 1}\n{"step": 3}\n{"step": 3}\n'
    file.write_bytes(b'{"step": 1}\nnonsense\n\xff\n[]\n{"step": 1.0, "x": NaN}\n{"step": 2}\n{"step"')
    assert [row["step"] for row in read_lines(file)] == [1, 1.0, 2]
    keep_lines_until(file, 1)
    assert file.read_bytes() == b'{"step": 1}\n{"step": 1.0, "x": NaN}\n'


def test_a_checksum_that_was_removed_is_said(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.write_json("environment.json", {"device": "cpu", "config_sha256": []})
    assert not run.changes()
    (run.path / "environment.json").write_text('{"device": "cuda", "config_sha256": []}')
    assert run.changes() == [
        "environment.json does not match its checksum: it was edited or damaged after it was written."
    ]
    (run.path / "environment.json").write_text('{"device": "cuda"}')  # of an earlier version
    assert not run.changes()


def test_a_removed_status_is_said_where_training_wrote_one(tmp_path: Path) -> None:
    """Mutant: believed, a report of a killed run says nothing of it."""
    run = Run.create(tmp_path / "run")
    assert not run.changes()
    (run.checkpoints / "step-00000010").mkdir()
    assert run.changes() == ["status.json is missing: it was removed after training wrote it."]
    run.set_status("finished", 10)
    assert not run.changes()


def test_an_evaluation_whose_checksum_was_removed_is_said(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.write_json("environment.json", {"config_sha256": []})
    (run.path / "evaluation.json").write_text('{"n": 5}')
    assert run.changes() == [
        "evaluation.json does not match its checksum: it was edited or damaged after it was written."
    ]


@pytest.mark.parametrize("name", ["metrics.jsonl", "spectra.jsonl"])
def test_a_line_that_was_repeated_is_said(name: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    append_lines(run.path / name, [{"step": 0}, {"step": 5}])
    assert not run.changes()
    append_lines(run.path / name, [{"step": 5}])
    assert run.changes() == [f"{name} was edited or damaged after training wrote it: its steps do not increase."]
