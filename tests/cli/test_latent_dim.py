"""`veridical latent-dim` as a person types it."""

from pathlib import Path

import numpy as np
import pytest

from veridical.cli import run


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (60, 9, 8), dtype=np.uint8))
    return str(tmp_path / "x.npy")


QUICK = ["-n", "20", "--steps", "2", "--width", "4", "--most", "1", "--kind", "image"]


def test_a_search_prints_writes_and_says_when_nothing_sufficed(
    pictures: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert run(["latent-dim", pictures, *QUICK, "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "1 dimensions:" in said and "None of the dimensions up to 1" in said and "Intrinsic dimension" in said
    assert (out / "latent-dim.json").is_file() and (out / "latent-dim.png").is_file()
    assert run(["latent-dim", pictures, *QUICK, "--out", str(out)]) == 2
    assert run(["latent-dim", pictures, *QUICK, "--psnr", "1", "--out", str(tmp_path / "easy")]) == 0
    assert "1 dimensions restore all 20 images with 1 dB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"), [("--share 0", "share is 0"), ("--psnr -1", "psnr is -1"), ("--most 0", "most is 0")]
)
def test_what_means_nothing_is_refused(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["latent-dim", "digits", *line.split()]) == 2
    assert words in capsys.readouterr().err
