"""`veridical sample` as a person types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run

QUICK = ["--steps", "2", "--batch-size", "16", "--width", "8", "--precision", "fp32"]


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("runs") / "gan")
    assert run(["train", "gan-2d", "--data", "ring", "--out", where, *QUICK]) == 0
    return where


@pytest.mark.parametrize(
    "options", [["--refine", "kl", "--refine-steps", "3"], ["--condition", "data", "--condition-steps", "4"]]
)
def test_led_samples_are_written_and_others_than_unled(game: str, tmp_path: Path, options: list[str]) -> None:
    drawn = []
    for name, more in (("plain", []), ("led", options), ("again", options)):
        out = tmp_path / f"{name}.npz"
        assert run(["sample", game, "-n", "5", "--out", str(out), *more]) == 0
        drawn.append(np.load(out, allow_pickle=False)["x"])
    assert drawn[0].shape == drawn[1].shape == (5, 2)
    assert np.array_equal(drawn[1], drawn[2]) and not np.array_equal(drawn[0], drawn[1])


def test_what_cannot_lead_is_said_before_anything_is_drawn(
    game: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.npz"
    assert run(["sample", game, "-n", "5", "--out", str(out), "--condition", "3"]) == 1
    assert "sees pictures (1, 28, 28)" in capsys.readouterr().err
    assert run(["sample", game, "-n", "5", "--out", str(out), "--condition", "3", "--refine", "kl"]) != 0
    assert "choose one" in capsys.readouterr().err
    assert not out.exists()


def test_a_discriminator_of_noise_levels_trains_and_samples(tmp_path: Path) -> None:
    where = str(tmp_path / "run")
    assert run(["train", "noise-level", "--data", "digits", "--out", where, "--levels", "4", *QUICK]) == 0
    assert run(["sample", where, "-n", "3", "--out", str(tmp_path / "x.npz")]) == 0
    x = np.load(tmp_path / "x.npz", allow_pickle=False)["x"]
    assert x.shape == (3, 1, 8, 8) and -1 <= x.min() and x.max() <= 1
