"""The sampling order is a choice of every family, made on the command line and kept with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from veridical.cli import run
from veridical.config.files import read
from veridical.run import Run

STEPS = ["--steps", "4", "--batch-size", "16", "--log-every", "2", "--precision", "fp32", "--network", "mlp"]
REPEATED = ("--order", "repeated", "--repeats", "2")


def trained(out: Path, preset: str, *order: str) -> list[dict[str, Any]]:
    assert run(["train", preset, "--data", "digits", "--width", "8", *STEPS, *order, "--out", str(out)]) == 0
    return [{term: v for term, v in row.items() if term != "seconds"} for row in Run(out).metrics()]


@pytest.mark.parametrize("preset", ["gan", "vae"])
def test_orders_are_switched_from_the_command_line(preset: str, tmp_path: Path) -> None:
    epoch, repeated = trained(tmp_path / "a", preset), trained(tmp_path / "b", preset, *REPEATED)
    assert read(tmp_path / "b" / "config.yaml")[0].data.repeats == 2
    assert epoch != repeated
    assert repeated == trained(tmp_path / "c", preset, *REPEATED)


def test_repeats_without_the_order_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "gan", "--data", "digits", "--repeats", "3"]) == 2
    assert "--order repeated --repeats 5" in capsys.readouterr().err
