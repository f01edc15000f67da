"""The entry of the program: its exit code is that of the command."""

import subprocess
import sys

import pytest

from veridical import __main__, __version__


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
