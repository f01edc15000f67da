"""A small version of the attacks in benchmarks/reliability, in a process of its own, without other threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ATTACKS = Path(__file__).parents[1] / "benchmarks" / "reliability"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the attacks fork and read /proc")
def test_a_small_version_of_every_attack_fails() -> None:
    ended = subprocess.run(
        [sys.executable, str(ATTACKS)], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
