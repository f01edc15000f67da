"""Drawing configurations on the command line: at infinite temperature spins are coins."""

from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run


def test_coins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.npz"
    assert run(["ising", "sample", "4x6", "-n", "1000", "--coupling", "0", "-o", str(out)]) == 0
    x = np.load(out)["x"]
    assert x.shape == (1000, 4, 6) and abs(x.mean() - 0.5) < 5.2 * 0.5 / x.size**0.5  # false alarm below 1e-6
    assert f"veridical ising check {out}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["1"], ["4", "-n", "0"], ["4", "--coupling", "1", "--temperature", "1"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert run(["ising", "sample", *arguments]) == 2
