"""`veridical sample` as a person types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.cli import run

QUICK = ["--steps", "2", "--batch-size", "16", "--width", "8", "--precision", "fp32"]


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("runs") / "gan")
    assert run(["train", "gan-2d", "--data", "ring", "--out", where, *QUICK]) == 0
    return where


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("runs") / "vae")
    assert run(["train", "vae", "--data", "digits", "--out", where, *QUICK]) == 0
    return where


def drawn(out: Path) -> np.ndarray:
    return np.load(out, allow_pickle=False)["x"]


@pytest.mark.parametrize(
    "options", [["--refine", "kl", "--refine-steps", "3"], ["--condition", "data", "--condition-steps", "40"]]
)
def test_guided_samples_are_written_and_others_than_plain_ones(game: str, tmp_path: Path, options: list[str]) -> None:
    for name, more in (("plain", []), ("guided", options), ("again", options)):
        assert run(["sample", game, "-n", "5", "--out", str(tmp_path / f"{name}.npz"), *more]) == 0
    plain, guided, again = (drawn(tmp_path / f"{name}.npz") for name in ("plain", "guided", "again"))
    assert plain.shape == guided.shape == (5, 2)
    assert np.array_equal(guided, again) and not np.array_equal(plain, guided)


def test_options_stand_before_or_after_the_folder_and_more_samples_begin_with_the_fewer(
    game: str, tmp_path: Path
) -> None:
    for name, arguments in (
        ("five", [game, "-n", "5", "--truncation", "1e-6"]),
        ("eight", ["-n", "8", "--truncation=1e-6", game]),
        ("rest", ["--first", "5", "-n", "3", game, "--truncation", "1e-6"]),
    ):
        assert run(["sample", *arguments, "--out", str(tmp_path / f"{name}.npz")]) == 0
    five, eight, rest = (drawn(tmp_path / f"{name}.npz") for name in ("five", "eight", "rest"))
    assert np.array_equal(five, eight[:5]) and np.array_equal(rest, eight[5:])


def test_help_and_flags_are_those_of_the_family(
    game: str, decoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, has, lacks in (
        (game, "--truncation", "--temperature"),
        (decoder, "--temperature", "--truncation"),
    ):
        for arguments in (["sample", where, "--help"], ["sample", "-h", where]):
            assert run(arguments) == 0
            shown = capsys.readouterr().out
            assert has in shown and lacks not in shown and "--label" not in shown and "Run directory" in shown
    assert run(["sample", decoder, "--truncation", "0.5"]) == 2
    assert "there is no option --truncation" in capsys.readouterr().err
    assert run(["sample", "--temprature", "0.5", decoder]) == 2
    assert "Did you mean --temperature?" in capsys.readouterr().err
    assert run(["sample", "--help"]) == 0
    assert "veridical sample RUN --help" in capsys.readouterr().out


def test_the_last_grid_of_a_training_shows_what_the_command_draws(decoder: str, tmp_path: Path) -> None:
    assert run(["sample", decoder, "-n", "64", "--seed", "0", "--out", str(tmp_path / "x.png")]) == 0
    grid = Image.open(Path(decoder) / "samples" / "step-00000002.png")
    assert np.array_equal(np.asarray(grid), np.asarray(Image.open(tmp_path / "x.png")))


def test_what_cannot_be_drawn_is_said_before_anything_is(
    game: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.npz"
    for arguments, code, message in (
        (["--condition", "3"], 1, "needs images (1, 28, 28)"),
        (["--condition", "3", "--refine", "kl"], 2, "choose one"),
        (["--truncation", "nan"], 2, "truncation is nan"),
        (["--first", "-1"], 2, "first is -1"),
    ):
        assert run(["sample", game, "-n", "5", "--out", str(out), *arguments]) == code
        assert message in capsys.readouterr().err
    assert run(["sample", str(tmp_path / "nothing"), "--truncation", "1"]) == 2
    assert "nothing does not exist" in capsys.readouterr().err
    assert not out.exists()


def test_labels_are_drawn_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "run")
    assert run(["train", "cgan", "--data", "digits", "--out", where, *QUICK]) == 0
    assert run(["sample", where, "-n", "3", "--label", "2", "--out", str(tmp_path / "x.npz")]) == 0
    assert drawn(tmp_path / "x.npz").shape == (3, 1, 8, 8)
    assert run(["sample", where, "-n", "3", "--label", "10", "--out", str(tmp_path / "y.npz")]) == 2
    assert "number from 0 to 9" in capsys.readouterr().err
    assert run(["sample", where, "-n", "3", "--label", "boots", "--out", str(tmp_path / "y.npz")]) == 2
    assert "there is no class 'boots'" in capsys.readouterr().err


def test_labels_are_drawn_by_name_where_the_data_have_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("boots", "shirts"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(24):
            pixels = np.random.default_rng(i).integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    where, data = str(tmp_path / "run"), str(tmp_path / "images")
    assert run(["train", "cgan", "--data", data, "--size", "8", "--out", where, *QUICK]) == 0
    for label in ("shirts", "1"):
        assert run(["sample", where, "-n", "3", "--label", label, "--out", str(tmp_path / f"{label}.npz")]) == 0
    assert np.array_equal(drawn(tmp_path / "shirts.npz"), drawn(tmp_path / "1.npz"))
    assert run(["sample", where, "--label", "boot"]) == 2
    assert "Did you mean 'boots'?" in capsys.readouterr().err


def test_a_discriminator_of_noise_levels_trains_and_samples(tmp_path: Path) -> None:
    where = str(tmp_path / "run")
    assert run(["train", "noise-level", "--data", "digits", "--out", where, "--model.levels", "4", *QUICK]) == 0
    assert run(["sample", where, "-n", "3", "--out", str(tmp_path / "x.npz")]) == 0
    x = np.load(tmp_path / "x.npz", allow_pickle=False)["x"]
    assert x.shape == (3, 1, 8, 8) and -1 <= x.min() and x.max() <= 1


def test_examples_are_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str], game: str) -> None:
    where = str(tmp_path / "made")
    assert run(["train", "made", "--data", "digits", "--out", where, *QUICK]) == 0
    whole, half = str(tmp_path / "whole.npz"), str(tmp_path / "half.npz")
    assert run(["sample", where, "-n", "3", "--out", whole]) == 0
    assert run(["sample", where, "-n", "7", "--complete", whole, "--keep", "0.5", "--seed", "5", "--out", half]) == 0
    x, completed = drawn(tmp_path / "whole.npz"), drawn(tmp_path / "half.npz")
    assert np.array_equal(completed[:, :, :4], x[[0, 1, 2, 0, 1, 2, 0], :, :4])
    assert not np.array_equal(completed[:3, :, 4:], x[:, :, 4:]) and not np.array_equal(completed[0], completed[3])
    assert run(["sample", where, "--keep", "0.5"]) == 2
    assert "give them with --complete" in capsys.readouterr().err
    assert run(["sample", game, "--complete", whole]) == 2
    assert "no option --complete" in capsys.readouterr().err
