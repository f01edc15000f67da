"""Edits and damage are noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from veridical.seal import RunningDigest, begins, digest, is_intact, sealed

VALUE = {"step": 4, "share": 0.1, "names": ["a", "é"], "place": Path("x"), "inner": {"n": None}}


def test_a_sealed_object_is_intact_after_a_trip_through_a_file() -> None:
    read = json.loads(json.dumps(sealed(VALUE), default=str))
    assert is_intact(read) is True
    assert is_intact(sealed(read)) is True and len(sealed(read)) == len(read)
    assert is_intact({"step": 4}) is None


@pytest.mark.parametrize("change", [{"step": 6}, {"new": 1}, {"inner": {"n": 0}}, {"checksum": "0"}])
def test_every_change_shows(change: dict[str, object]) -> None:
    assert is_intact(json.loads(json.dumps(sealed(VALUE), default=str)) | change) is False


def test_a_running_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    running = RunningDigest(file)
    assert running.update() == {"bytes": 0, "sha256": hashlib.sha256().hexdigest()}
    for line in (b"one\n", b"two\n", b""):
        with open(file, "ab") as opened:
            opened.write(line)
        record = running.update()
        assert record == {"bytes": file.stat().st_size, "sha256": digest(file.read_bytes())}


def test_lines_may_follow_but_not_differ(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"one\n")
    record = RunningDigest(file).update()
    file.write_bytes(b"one\ntwo\n")
    assert begins(file, record)
    for content in (b"ona\ntwo\n", b"on"):
        file.write_bytes(content)
        assert not begins(file, record)
    file.unlink()
    assert not begins(file, record) and begins(file, RunningDigest(file).update())
    assert not begins(file, None) and not begins(file, {"bytes": "x"})
