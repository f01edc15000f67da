"""Whether a process still runs: its number alone does not say."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

from veridical.process import Process, token_is_alive


def ended() -> int:
    """Number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_this_process_runs_and_its_record_names_it() -> None:
    this = Process.this()
    assert this.is_alive() is True and token_is_alive(this.token) is True
    assert Process.of(this.to_json()) == this
    assert this.number == os.getpid()


def test_a_process_that_ended_is_gone_also_before_its_parent_asked() -> None:
    this = Process.this()
    gone = dataclasses.replace(this, number=ended(), started="")
    assert gone.is_alive() is False and token_is_alive(gone.token) is False
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is still listed
        assert dataclasses.replace(this, number=zombie.pid, started="").is_alive() is False


def test_a_number_used_again_is_another_process() -> None:
    other = dataclasses.replace(Process.this(), started="00000000.1")
    assert other.is_alive() is False and token_is_alive(other.token) is False


def test_nothing_is_known_of_other_machines_and_containers() -> None:
    this = Process.this()
    for elsewhere in (dataclasses.replace(this, host="elsewhere"), dataclasses.replace(this, space="1")):
        assert elsewhere.is_alive() is None and token_is_alive(elsewhere.token) is None
    assert token_is_alive("notes") is None


def test_records_of_no_process_are_none() -> None:
    assert Process.of({}) is None
    assert all(Process.of({"process": number}) is None for number in (True, -1, 0, "5", None, 1.5))
