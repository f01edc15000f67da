"""Processes that were started for a training do not outlive the first one."""

import os
import subprocess
import sys

import pytest

from veridical.training.launcher import LAUNCHER, end_with_launcher

SECOND = """
import time
from veridical.training.launcher import end_with_launcher
end_with_launcher()
print("up", flush=True)
time.sleep(99)
"""
FIRST = f"""
import os, subprocess, sys, time
from veridical.training.launcher import end_with_launcher
end_with_launcher()
subprocess.Popen([sys.executable, "-c", {SECOND!r}], env=os.environ | {{"LOCAL_RANK": "1"}})
time.sleep(99)
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (LAUNCHER, "LOCAL_RANK", "TORCHELASTIC_RUN_ID", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def test_the_second_process_ends_when_the_first_is_killed() -> None:
    first = subprocess.Popen([sys.executable, "-c", FIRST], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None and first.stdout.readline() == "up\n"
    first.kill()
    assert first.communicate(timeout=60)[0] == ""  # the end of the pipe, which the second process held open too


def test_a_second_process_that_starts_after_the_end_of_the_first_ends_at_once() -> None:
    about = os.environ | {LAUNCHER: "1073741823", "LOCAL_RANK": "1"}
    assert subprocess.run([sys.executable, "-c", SECOND], env=about, capture_output=True, timeout=60).returncode == 1


def test_processes_of_other_launchers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(LAUNCHER, "1073741823")
    end_with_launcher()  # would end the tests otherwise


def test_the_first_process_records_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAUNCHER, "5")
    end_with_launcher()
    assert os.environ[LAUNCHER] == str(os.getpid())
