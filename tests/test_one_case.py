"""`--one-case` keeps the first case of a test with parameters, all of one that is marked, and every other test."""

import subprocess
import sys
from pathlib import Path

FILE = """
import pytest

@pytest.mark.parametrize("x", range(3))
def test_of_many(x): pass

@pytest.mark.every_case
@pytest.mark.parametrize("x", range(3))
def test_of_every(x): pass

def test_alone(): pass
"""


def test_few_cases_are_kept(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = every_case\n")
    (tmp_path / "test_few.py").write_text(FILE)
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-v", "--one-case"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    ran = [line.split()[0].partition("::")[2] for line in done.stdout.splitlines() if "PASSED" in line]
    assert ran == ["test_of_many[0]", "test_of_every[0]", "test_of_every[1]", "test_of_every[2]", "test_alone"]
