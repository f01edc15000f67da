"""Help, version and wrong usage load nothing heavy: the modules are looked at, not the clock."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numba", "matplotlib", "lightning_fabric", "scipy")
SCRIPT = """
import sys
sys.argv = ["veridical", *{arguments!r}]
from veridical.cli import run
code = run(sys.argv[1:])
print("CODE", code)
print("HEAVY", [name for name in {heavy!r} if name in sys.modules])
"""


def outcome(*arguments: str) -> tuple[int, str, str]:
    script = SCRIPT.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    code = int(done.stdout.split("CODE ")[1].split()[0])
    return code, done.stdout + done.stderr, done.stdout.split("HEAVY ")[1].strip()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["train", "--help"], 0),
        (["train", "vae", "--help"], 0),
        (["resume", "--help"], 0),
        (["sample", "--help"], 0),
        (["evaluate", "--help"], 0),
        (["report", "--help"], 0),
        (["data", "--help"], 0),
        (["config", "show", "gan"], 0),
        (["cite", "--help"], 0),
        (["doctor", "--help"], 0),
        (["tarin"], 2),
        (["train", "gna", "--data", "digits"], 2),
        (["train", "--stesp", "3", "--data", "digits"], 2),
        (["train", "--steps", "0", "--data", "digits"], 2),
        (["train"], 2),
        (["resume", "nowhere"], 2),
        (["evaluate", "nowhere"], 2),
        (["sample", "nowhere"], 2),
        (["cite", "nowhere"], 2),
        (["report", "nowhere"], 2),
        (["runs", "nowhere"], 2),
        (["runs", "--help"], 0),
        (["runs", "src"], 0),
    ],
)
def test_nothing_heavy_is_imported(arguments: list[str], code: int) -> None:
    got, said, heavy = outcome(*arguments)
    assert got == code, said
    assert heavy == "[]", (heavy, said)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["tarin"], "Did you mean train?"),
        (["train", "gna"], "Did you mean gan?"),
        (["train", "--stesp", "3"], "--steps"),
        (["train", "--objective", "hing"], "Did you mean hinge?"),
        (["train"], "--data"),
        (["resume", "nowhere"], "nowhere does not exist"),
        (["config", "sho"], "Did you mean show?"),
        (["data", "chek"], "Did you mean check?"),
    ],
)
def test_wrong_usage_says_what_was_meant(arguments: list[str], hint: str) -> None:
    assert hint in outcome(*arguments)[1]
