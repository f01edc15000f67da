import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from veridical.config import DataConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.data.errors import DataError
from veridical.data.sources import load_splits
from veridical.model import GenerativeModel
from veridical.run import RunFileError
from veridical.training import checkpoint
from veridical.workflows import load as load_module
from veridical.workflows.evaluate import evaluate_run
from veridical.workflows.load import changed_data, load
from veridical.workflows.start import train

RNG = np.random.default_rng(0)
QUICK = TrainingConfig(steps=2, batch_size=8, log_every=1, precision="fp32", device="cpu")


def quiet(line: str) -> None:
    """Say nothing."""


def images(folder: Path, n: int, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(first, first + n):
        Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{i:04d}.png")
    return folder


def test_data_that_grew_are_noticed(tmp_path: Path) -> None:
    """The case data_grew: 100 new images since training, so that other rows are held out."""
    config = DataConfig(source=str(images(tmp_path / "in", 300)))
    run = train(RunConfig(VAEConfig(width=8), config, QUICK), out=tmp_path / "run", say=quiet)
    assert changed_data(run, load_splits(config)[0]) == ""
    assert not any("have changed" in note for note in evaluate_run(run.path, n=50, say=quiet).notes)
    images(tmp_path / "in", 100, first=300)
    found = evaluate_run(run.path, n=50, say=quiet)
    assert any("270 training examples then, 360 now" in note for note in found.notes)


def test_nothing_held_out_is_no_error(tmp_path: Path) -> None:
    """The case small_holdout: --holdout 0 was refused by evaluate."""
    config = DataConfig(source=str(images(tmp_path / "in", 60)), holdout=0.0)
    data, test = load_splits(config)
    assert len(data) == 60 and test is None
    one = DataConfig(source=str(tmp_path / "in" / "0000.png"))
    assert load_splits(one)[1] is None
    run = train(RunConfig(VAEConfig(width=8), config, QUICK), out=tmp_path / "run", say=quiet)
    evaluate_run(run.path, n=30, say=quiet)


def test_data_from_python_must_be_named_again(tmp_path: Path) -> None:
    x = RNG.normal(size=(50, 2)).astype(np.float32)
    run = train(RunConfig(VAEConfig(width=8), training=QUICK), data=x, out=tmp_path / "run", say=quiet)
    with pytest.raises(DataError, match="--against"):
        evaluate_run(run.path, n=30, say=quiet)
    np.save(tmp_path / "x.npy", x)
    evaluate_run(run.path, n=30, against=str(tmp_path / "x.npy"), say=quiet)


def test_one_image_is_trained_on_sampled_and_evaluated(tmp_path: Path) -> None:
    place = images(tmp_path / "in", 1) / "0000.png"
    config = RunConfig(VAEConfig(width=8), DataConfig(source=str(place)), QUICK)
    run = train(config, out=tmp_path / "run", say=quiet)
    assert (run.samples / "reals.png").exists()
    found = evaluate_run(run.path, n=30, say=quiet)
    assert "1 examples are too few" in found.skipped["codes"]


def test_the_step_is_that_of_the_checkpoint_that_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training may have written another when the model is built; and an evaluation names the step it measured."""
    config = RunConfig(VAEConfig(network="mlp", width=8, latent_dim=2), DataConfig(source="digits"), QUICK)
    run = train(config, out=tmp_path / "run", say=quiet)
    real = load_module.build_model

    def slow(*arguments: Any) -> GenerativeModel:
        last = run.checkpoints / checkpoint.named(2)
        meta = checkpoint.read(last).meta
        shutil.copytree(last, run.checkpoints / checkpoint.named(7))
        checkpoint.write_meta(run.checkpoints / checkpoint.named(7), {**meta, "step": 7})
        shutil.rmtree(last)
        run.set_status("running", 7)
        return real(*arguments)

    monkeypatch.setattr(load_module, "build_model", slow)
    found = evaluate_run(run.path, n=50, say=quiet)
    assert run.read_json("evaluation.json")["step"] == 2
    assert any("(at step 7). The results are for the checkpoint of step 2." in note for note in found.notes)


def test_damaged_facts_are_named(tmp_path: Path) -> None:
    config = RunConfig(VAEConfig(network="mlp", width=8, latent_dim=2), DataConfig(source="digits"), QUICK)
    run = train(config, out=tmp_path / "run", say=quiet)
    about = run.environment()
    run.write_json("environment.json", {**about, "space": {**about["space"], "colour": 1}})
    with pytest.raises(RunFileError, match=r"environment\.json: space is damaged .*colour"):
        load(run, say=quiet)
