"""The entry of the program: its exit code is that of the command."""

import subprocess
import sys

import pytest

from veridical import __main__, __version__
from veridical.cli import explain, unexpected


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["nonsense"], 2)])
def test_the_process_exits_with_the_code_of_the_command(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["veridical", *arguments])
    with pytest.raises(SystemExit) as left:
        __main__.main()
    assert left.value.code == code
    assert (f"veridical {__version__}" in capsys.readouterr().out) is (code == 0)


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "veridical", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"veridical {__version__}\n"


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("CUDA out of memory."), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_memory_that_cannot_be_had_is_no_bug(error: Exception, missing: bool) -> None:
    """Mutant: without the words of torch, the error blames the program."""
    assert unexpected(error) != missing
    assert ("not enough memory" in explain(error)) == missing
