"""`veridical interpolate` as a person types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.cli import run

QUICK = ["--steps", "2", "--batch-size", "16", "--width", "8", "--network", "mlp", "--precision", "fp32"]


def test_ways_between_examples_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "vae")
    assert run(["train", "vae", "--data", "digits", "--out", where, *QUICK]) == 0
    out = tmp_path / "ways.npz"
    assert run(["interpolate", where, "--rows", "3", "0", "5", "--steps", "4", "--out", str(out)]) == 0
    assert np.load(out)["x"].shape == (2, 4, 1, 8, 8)
    assert run(["interpolate", where, "--out", str(out)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    for name in ("interpolated.png", "interpolated-1.png"):
        assert run(["interpolate", where]) == 0
        with Image.open(Path(where) / "samples" / name) as image:
            assert image.size[0] > 100
    assert run(["interpolate", where, "--rows", "0", "99999"]) == 2
    assert "has the rows 0 to" in capsys.readouterr().err
    assert run(["interpolate", where, "--rows", "4"]) == 2
    assert run(["interpolate", where, "--rows", "0", "1", "--examples", "digits"]) == 2
    assert "--rows and --examples are both given" in capsys.readouterr().err
    for name in ("ways.wav", "ways"):  # formats of samples only
        assert run(["interpolate", where, "--out", str(tmp_path / name)]) == 2
        assert "expected a .png (a row for each way) or a .npz" in capsys.readouterr().err


def test_few_held_out_vectors_are_passed_through_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flow of forty vectors holds out four; named files of another length get no advice for images."""
    for columns in (2, 3):
        np.save(tmp_path / f"{columns}.npy", np.random.default_rng(0).normal(size=(40, columns)).astype(np.float32))
    where, out = str(tmp_path / "run"), tmp_path / "ways.npz"
    data = ["--data", str(tmp_path / "2.npy"), "--steps", "1", "--batch-size", "16"]
    assert run(["train", "transformer-flow", "--out", where, *data, "--width", "8", "--blocks", "2"]) == 0
    assert run(["interpolate", where, "--out", str(out)]) == 0
    assert np.load(out)["x"].shape == (3, 8, 2)
    capsys.readouterr()
    assert run(["interpolate", where, "--examples", str(tmp_path / "3.npy")]) == 1
    message = capsys.readouterr().err
    assert "Choose examples of shape (2,)" in message and "--size" not in message


def test_data_without_a_test_split_offer_training_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    where = str(tmp_path / "run")
    data = ["--data", str(tmp_path / "x.npy"), "--holdout", "0"]
    assert run(["train", "autoencoder", "--out", where, *data, *QUICK]) == 0
    assert run(["interpolate", where]) in (1, 2)
    assert "--split train" in capsys.readouterr().err
    assert run(["interpolate", where, "--split", "train", "--out", str(tmp_path / "ways.npz")]) == 0
