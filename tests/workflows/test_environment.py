"""What a run ran on: versions as they are installed, the commit of a checkout, hardware."""

import os
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from veridical.workflows import environment


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package-here"))
    assert environment.versions() == {"numpy": metadata.version("numpy"), "no-such-package-here": "not installed"}


def test_the_commit_is_that_of_the_checkout_and_marked_where_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *own, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    file = tmp_path / "environment.py"
    file.write_text("1\n")
    monkeypatch.setattr(environment, "__file__", str(file))
    assert environment.commit() is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    assert environment.commit() == git("rev-parse", "HEAD")
    file.write_text("2\n")
    assert environment.commit() == git("rev-parse", "HEAD") + "+"


def test_the_hardware_is_described() -> None:
    found = environment.describe()
    assert found["cores"] == os.cpu_count() and found["processor"] and found["memory_gb"] > 0
