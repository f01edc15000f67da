"""`veridical encode` as a person types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.cli import run

QUICK = ["--data", "digits", "--steps", "2", "--batch-size", "16", "--width", "8", "--network", "mlp"]


def picture(path: Path, value: int, side: int = 8) -> str:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((side, side), value, np.uint8)).save(path)
    return str(path)


def test_codes_of_the_data_and_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "vae")
    assert run(["train", "vae", "--out", where, *QUICK, "--latent-dim", "3"]) == 0
    assert run(["encode", where]) == 0
    own = np.load(tmp_path / "vae" / "codes.npz")
    assert own["z"].shape == own["std"].shape == (1438, 3) and own["y"].shape == (1438,)
    assert own["rows"].tolist() == list(range(1438)) and set(own["files"]) == {"digits"}
    assert len(own["class_names"]) == 10
    images = [picture(tmp_path / "in" / f"{name}.png", value) for name, value in (("b", 0), ("a", 200))]
    np.save(tmp_path / "levels.npy", np.full((2, 8, 8), 16))
    capsys.readouterr()
    out = tmp_path / "new" / "codes.npz"
    assert run(["encode", where, images[0], str(tmp_path / "in"), str(tmp_path / "levels.npy"), "--out", str(out)]) == 0
    assert "b.png has 256 levels, the data of the training 17" in capsys.readouterr().out
    found = np.load(out)
    assert found["files"].tolist() == [images[0], images[1], images[0], *[str(tmp_path / "levels.npy")] * 2]
    assert found["rows"].tolist() == [0, 0, 1, 0, 1]
    np.testing.assert_allclose(found["z"][0], found["z"][2], atol=1e-6)
    assert np.abs(found["z"][0] - found["z"][1]).max() > 1e-4
    assert run(["encode", where, "digits", "--split", "test", "--out", str(tmp_path / "test.npz")]) == 0
    assert np.load(tmp_path / "test.npz")["z"].shape == (359, 3)


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where, large = str(tmp_path / "glo"), picture(tmp_path / "large.png", 90, side=9)
    assert run(["train", "glo", "--out", where, *QUICK]) == 0
    out = ["--out", str(tmp_path / "codes.npz")]
    for arguments, message in (
        ([where, large], "--size 8 --fit crop"),
        ([where, large, "--size", "8"], "codes of its training examples alone"),
        ([where, "--split", "test"], "codes of its training examples alone"),
        ([where, "--size", "8"], "veridical encode RUN FILE"),
        ([where, str(tmp_path / "lost.png")], "lost.png"),
        ([where, "--out", str(tmp_path / "codes.png")], "expected a .npz"),
        (["--size", "8"], "RUN is missing"),
    ):
        out_too = [] if "--out" in arguments else out
        assert run(["encode", *arguments, *out_too]) in (1, 2)
        assert message in capsys.readouterr().err, arguments
    assert run(["encode", where, *out]) == 0 and run(["encode", where, *out]) == 2
    assert np.load(tmp_path / "codes.npz")["z"].shape == (1438, 32)
