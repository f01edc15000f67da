"""From a run, or from anybody's images, to measurements, a panel and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.cli import run as command
from veridical.config import DataConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.reading import Reading
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.sources import load as load_data
from veridical.errors import RequestError
from veridical.evaluation import Evaluation
from veridical.report import build
from veridical.run import Run
from veridical.sampling import draw
from veridical.training import checkpoint
from veridical.workflows import evaluate as evaluate_module
from veridical.workflows import load as load_module
from veridical.workflows.evaluate import chosen, evaluate_files, evaluate_run, nearest
from veridical.workflows.load import load
from veridical.workflows.start import train


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = RunConfig(
        VAEConfig(network="mlp", width=32, latent_dim=4),
        DataConfig(source="digits"),
        TrainingConfig(steps=60, batch_size=32, precision="fp32"),
    )
    return train(config, out=tmp_path_factory.mktemp("runs") / "vae", say=silent)


def test_a_run_is_measured_the_same_twice_and_reported(run: Run) -> None:
    first = evaluate_run(run.path, n=300, say=silent)
    torch.manual_seed(123)
    second = evaluate_run(run.path, n=300, say=silent)
    assert [(m.name, m.value, m.interval) for m in first.measurements] == [
        (m.name, m.value, m.interval) for m in second.measurements
    ]
    saved = json.loads(run.evaluation_file.read_text())
    assert saved["step"] == 60
    assert saved["summary"] == first.summary()
    assert {m["name"] for m in saved["measurements"]} >= {"fid", "kid", "recall", "memorised", "bits_per_dim"}
    assert (run.samples / "nearest.png").is_file()
    page = build([run.path])
    assert first.summary()[1][:20] in page.read_text()


def test_earlier_evaluations_are_kept(run: Run) -> None:
    """The last one stands alone; a file from before there was a history joins it, and nothing is written twice."""
    first = evaluate_run(run.path, n=100, seed=1, say=silent)
    run.evaluations_file.unlink()
    second = evaluate_run(run.path, n=100, seed=2, say=silent)
    third = evaluate_run(run.path, n=100, seed=3, say=silent)
    kept = [json.loads(line) for line in run.evaluations_file.read_text().splitlines()]
    assert [row["seed"] for row in kept] == [1, 2, 3] and kept[-1] == run.read_json("evaluation.json")
    assert [row["summary"] for row in kept] == [found.summary() for found in (first, second, third)]
    assert kept[-1]["state"] == "finished" and not third.notes


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_an_unfinished_run_is_measured_and_said_to_be_one(run: Run, state: str) -> None:
    run.set_status(state, 60, "out of memory")
    try:
        found = evaluate_run(run.path, n=100, say=silent)
    finally:
        run.set_status("finished", 60)
    assert state in found.summary()[0] and json.loads(run.evaluation_file.read_text())["state"] == state
    assert Evaluation.from_json(json.loads(run.evaluation_file.read_text())).notes == found.notes != ()


def test_a_misspelt_extractor_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    for measure in (
        lambda: evaluate_run(tmp_path, extractor="pixel"),
        lambda: evaluate_files(tmp_path, "x", extractor="pixel"),
    ):
        with pytest.raises(RequestError, match="Did you mean pixels"):
            measure()


def test_a_run_is_read_verified_and_sampled_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for module, name in (
        (checkpoint, "read_newest"),
        (load_module, "read"),
        (import_module("veridical.evaluation.evaluate"), "draw_blocks"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name), name, calls))
    evaluate_run(run.path, n=40, say=silent)
    assert sorted(calls) == ["draw_blocks", "read", "read_newest"]


def counted(function: Callable[..., Any], name: str, calls: list[str]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        return function(*arguments, **options)

    return call


def test_the_panel_shows_the_samples_that_were_measured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[torch.Tensor] = []
    shown: list[torch.Tensor] = []
    measure, panel = evaluate_module.measure, evaluate_module.nearest_panel
    monkeypatch.setattr(evaluate_module, "measure", lambda *a, **k: measured.append(k["samples"]) or measure(*a, **k))
    monkeypatch.setattr(evaluate_module, "nearest_panel", lambda x, *a, **k: shown.append(x) or panel(x, *a, **k))
    evaluate_run(run.path, n=70, seed=4, say=silent)
    assert torch.equal(shown[0], measured[0][: len(shown[0])])
    assert torch.equal(measured[0], draw(load(run.path, say=silent), 70, seed=4))


def test_images_of_any_program_are_measured(run: Run, tmp_path: Path) -> None:
    """Held-out digits, saved by somebody else, look like digits; noise does not."""
    digits = load_data(DataConfig(source="digits"), "test")
    folders = {"held-out": digits.batch(torch.arange(200)).x, "noise": torch.rand(200, 1, 8, 8) * 2 - 1}
    precision = {}
    for name, x in folders.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(((x[:, 0] + 1) * 127.5).round().numpy().astype(np.uint8)):
            Image.fromarray(image).save(tmp_path / name / f"{i}.png")
        found = evaluate_files(tmp_path / name, "digits", say=silent)
        precision[name] = next(m.value for m in found.measurements if m.name == "precision")
    assert precision["held-out"] > 0.7
    assert precision["noise"] < 0.1


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    for i in range(20):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (9, 9), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="they must be equal"):
        evaluate_files(tmp_path, "digits", say=silent)


def test_nearest_are_the_nearest() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    train_data = ArrayData(torch.randn(4500, 3, generator=torch.Generator().manual_seed(1)))
    everything = train_data.batch(torch.arange(len(train_data))).x
    expected = torch.cdist(x.double(), everything.double()).topk(4, largest=False).indices
    assert torch.equal(nearest(x, train_data, 4), expected)


def drawn(folder: Path, n: int, sizes: list[tuple[int, int]]) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(len(sizes))
    for i in range(n):
        width, height = sizes[i % len(sizes)]
        Image.fromarray(rng.integers(0, 255, (height, width), dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return folder


def test_images_of_mixed_sizes_are_read_as_is_asked_or_as_they_were_in_training(tmp_path: Path) -> None:
    mixed, made = drawn(tmp_path / "mixed", 60, [(12, 10), (9, 11)]), drawn(tmp_path / "made", 30, [(8, 8)])
    with pytest.raises(ValueError, match="--size 8 --fit crop"):
        evaluate_files(made, str(mixed), say=silent)
    assert evaluate_files(made, str(mixed), reading=Reading(size=8, fit="crop"), say=silent).n == 30
    config = RunConfig(
        VAEConfig(network="mlp", width=8, latent_dim=2),
        DataConfig(source=str(mixed), size=8, fit="crop"),
        TrainingConfig(steps=2, batch_size=8, precision="fp32"),
    )
    run = train(config, out=tmp_path / "run", say=silent)
    assert evaluate_run(run.path, against=str(mixed), n=30, say=silent).n == 30
    with pytest.raises(ValueError, match="read as they were in training"):
        evaluate_run(run.path, reading=Reading(size=8), say=silent)


def test_what_could_not_be_measured_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few, made = drawn(tmp_path / "few", 40, [(8, 8)]), drawn(tmp_path / "made", 30, [(8, 8)])
    assert command(["evaluate", str(made), "--against", str(few)]) == 1  # nothing at all
    said = capsys.readouterr().out
    rows = {line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│")}
    assert {"fid", "kid", "prdc", "memorisation"} <= rows
    assert "held-out examples are too few" in said


def flat(x: np.ndarray, folder: Path) -> Path:
    """Save one plain picture per value, in sub-folders of the same value, as somebody sorts samples by class."""
    for i, value in enumerate(x):
        (folder / str(value)).mkdir(parents=True, exist_ok=True)
        picture = np.full((8, 8), value, np.uint8)
        picture[0, 0] = i % 256
        Image.fromarray(picture).save(folder / str(value) / f"{i:04d}.png")
    return folder


def test_some_samples_of_a_folder_are_drawn_at_random_and_not_its_first_classes(tmp_path: Path) -> None:
    rows = chosen(1000, 100, seed=0)
    assert len(set(rows.tolist())) == 100 and rows.max() > 900 and (rows.diff() > 0).all()
    assert not torch.equal(rows, chosen(1000, 100, seed=1)) and torch.equal(rows, chosen(1000, 100, seed=0))
    assert torch.equal(chosen(5, None, 0), torch.arange(5)) and torch.equal(chosen(5, 9, 0), torch.arange(5))
    made = flat(np.repeat(np.arange(10, 250, 24), 30), tmp_path / "made")
    found = evaluate_files(made, str(made), n=60, say=silent)
    assert found.n == 60 and "60 of the 300 samples" in " ".join(found.notes)


def test_values_beyond_the_range_are_read_by_the_option_that_the_message_names(tmp_path: Path) -> None:
    """The remedy of the error is followed to the letter."""
    x = load_data(DataConfig(source="digits"), "test").batch(torch.arange(100), "cpu").x.numpy()
    np.save(tmp_path / "over.npy", 1.01 * x)
    with pytest.raises(DataError) as refused:
        evaluate_files(tmp_path / "over.npy", "digits", say=silent)
    words = re.search(r"--value-range \S+ \S+", str(refused.value))
    assert words is not None
    over = str(tmp_path / "over.npy")
    assert command(["evaluate", over, "--against", "digits", *words[0].split()]) == 0


def test_what_the_reader_knew_is_said(tmp_path: Path) -> None:
    digits = load_data(DataConfig(source="digits"), "test").batch(torch.arange(60)).x
    (tmp_path / "colour").mkdir()
    for i, image in enumerate(((digits[:, 0] + 1) * 127.5).round().numpy().astype(np.uint8)):
        Image.fromarray(image).convert("RGB").save(tmp_path / "colour" / f"{i}.png")
    said = " ".join(evaluate_files(tmp_path / "colour", "digits", say=silent).summary())
    assert "60 of 60 images: colour made grey" in said  # samples get the channels of the data


def test_results_that_changed_data_make_invalid_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    config = RunConfig(
        VAEConfig(network="mlp", width=8, latent_dim=2, likelihood="gaussian"),
        DataConfig(source=str(tmp_path / "x.npy")),
        TrainingConfig(steps=2, batch_size=8, precision="fp32"),
    )
    run = train(config, out=tmp_path / "run", say=silent)
    assert {m.name for m in evaluate_run(run.path, n=50, say=silent).measurements} >= {"memorised", "overfit_nats"}
    np.save(tmp_path / "x.npy", np.concatenate([x, x[:100] + 1]))
    found = evaluate_run(run.path, n=50, say=silent)
    assert found.summary()[0].startswith("The data have changed since training")
    assert not {"memorised", "copied", "overfit_nats"} & {m.name for m in found.measurements}
    assert command(["evaluate", str(run.path), "-n", "50"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "the data have changed" in line]
    assert len(rows) == 1  # of all that need the old split


def test_restored_examples_are_measured_and_drawn_but_not_of_other_data(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (40, 9, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    config = RunConfig(
        GLOConfig(latent_dim=4, width=8, network="mlp"),
        DataConfig(source=str(tmp_path / "x.npy"), kind="image"),
        TrainingConfig(steps=2, batch_size=8, precision="fp32"),
    )
    run = train(config, out=tmp_path / "run", say=silent)
    found = evaluate_run(run.path, n=20, metrics=["restoration"], say=silent)
    assert (
        found["restored"].n == run.read_json("environment.json")["data"]["n"] and 5 < found["restored_psnr"].value < 35
    )
    with Image.open(run.samples / "restored.png") as panel:
        assert panel.width > 7 * panel.height  # sixteen images above what is left of them
    other = evaluate_run(run.path, n=20, metrics=["restoration"], against=str(tmp_path / "x.npy"), say=silent)
    assert not other.measurements and "not those of the training" in other.skipped["restored"]
