"""What starting a training leaves, refuses and says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.workflows.runs import QUICK, VAE, silent
from veridical.config import DataConfig, GANConfig, RunConfig, TrainingConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.files import read
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.errors import OutputExistsError
from veridical.families.gan import GAN
from veridical.families.glo import GLO, first_codes
from veridical.model import Facts
from veridical.sampling import draw
from veridical.training import checkpoint
from veridical.workflows.load import load
from veridical.workflows.resume import resume
from veridical.workflows.start import train


def test_a_run_leaves_everything_a_reader_needs(tmp_path: Path) -> None:
    said: list[str] = []
    run = train(VAE, out=tmp_path / "run", say=said.append)
    assert run.status == {"state": "finished", "step": 12, "message": ""}
    assert [row["step"] for row in run.metrics()] == [5, 10, 12]
    assert sorted(p.name for p in run.samples.iterdir()) == [
        "reals.png",
        "step-00000000.png",
        "step-00000006.png",
        "step-00000012.png",
    ]
    assert read(run.config_file)[0] == VAE
    about = run.read_json("environment.json")
    assert about["data"]["n"] > 1000
    assert about["versions"]["torch"] == torch.__version__
    assert about["arithmetic"] == {"precision": "fp32", "channels_last": False}
    assert [p.name for p in checkpoint.complete(run.checkpoints)] == ["step-00000012", "step-00000006"]
    text = "\n".join(said)
    for word in ("digits", "parameters", "device", "seed       0", str(run.path), "Finished 12 steps"):
        assert word in text
    assert load(run.path).sample(3).shape == (3, 1, 8, 8)  # type: ignore[attr-defined]


def test_a_preset_of_images_fits_itself_to_vectors(tmp_path: Path) -> None:
    said: list[str] = []
    train("gan", data="ring", out=tmp_path / "run", say=said.append, dry_run=True)
    assert "The data are vectors: preset gan takes the values of gan-2d." in said
    assert any("30,000 steps of 256" in line for line in said)
    said.clear()
    train("gan", data="digits", out=tmp_path / "run", say=said.append, dry_run=True)
    assert any("5,000 steps of 64" in line for line in said) and not any("vectors" in line for line in said)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match="nothing is overwritten"):
        train(VAE, out=tmp_path / "run", say=silent)
    assert (tmp_path / "run" / "thesis.txt").read_text() == "precious"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    train(VAE, out=tmp_path / "run", say=said.append, dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert "Dry run: 12 steps; nothing was written." in said
    assert "12 steps would take about" in said[-1]


def test_what_takes_long_at_the_start_is_said_first(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DataError):
        train(dataclasses.replace(VAE, data=DataConfig(source="nowhere")), out=tmp_path / "run", say=said.append)
    assert said == ["Reading nowhere."]


def test_modules_and_data_of_ones_own(tmp_path: Path) -> None:
    data = ArrayData(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)))
    model = GAN(
        GANConfig(latent_dim=2, network="mlp"),
        data.space,
        generator=nn.Linear(2, 3),
        discriminator=nn.Linear(3, 1),
    )
    run = train(model=model, data=data, training=QUICK, out=tmp_path / "run", say=silent)
    again = GAN(
        GANConfig(latent_dim=2, network="mlp"), data.space, generator=nn.Linear(2, 3), discriminator=nn.Linear(3, 1)
    )
    loaded = load(run.path, model=again)
    assert torch.equal(loaded.generator.weight, model.generator.weight)  # type: ignore[union-attr,arg-type]
    with pytest.raises(checkpoint.CheckpointError, match="model built in Python"):
        load(run.path)
    with pytest.raises(checkpoint.CheckpointError, match="from Python"):
        resume(run.path, steps=20, say=silent)
    resume(run.path, steps=20, model=again, data=data, say=silent)
    assert run.status["step"] == 20


def own_model(data: ArrayData) -> GAN:
    torch.manual_seed(1)
    config = GANConfig(latent_dim=2, network="mlp", width=8)
    return GAN(config, data.space)


def test_a_model_is_left_as_its_run_is_loaded_and_the_generators_as_they_were(tmp_path: Path) -> None:
    data = ArrayData(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)))
    model = own_model(data)
    before = torch.get_rng_state()
    run = train(model=model, data=data, training=QUICK, out=tmp_path / "run", say=silent)
    assert torch.equal(before, torch.get_rng_state()) and not model.training
    averaged, raw = (load(run.path, model=own_model(data), average=average, say=silent) for average in (True, False))
    assert torch.equal(draw(model, 9), draw(averaged, 9)) and not torch.equal(draw(model, 9), draw(raw, 9))
    torch.manual_seed(99)  # which must not matter
    again = train(model=own_model(data), data=data, training=QUICK, out=tmp_path / "again", say=silent)
    assert run.metrics()[-1]["generator/loss"] == again.metrics()[-1]["generator/loss"]
    model.eval()  # as it was left: training goes on in training mode
    train(model=model, data=data, training=QUICK, out=tmp_path / "more", say=silent)
    assert not model.training


def test_resuming_leaves_the_generators_as_they_were(tmp_path: Path) -> None:
    run = train(VAE, out=tmp_path / "run", say=silent)
    before = torch.get_rng_state()
    resume(run.path, steps=14, say=silent)
    assert torch.equal(before, torch.get_rng_state())


def test_a_preset_is_given_by_its_name(tmp_path: Path) -> None:
    steps = dataclasses.replace(QUICK, steps=2)
    run = train("vae", data="digits", training=steps, out=tmp_path / "run", say=silent)
    assert read(run.config_file)[0].family == "vae"
    with pytest.raises(ValueError, match="Did you mean vae"):
        train("VAE", data="digits", say=silent)
    with pytest.raises(DataError, match=r"no data are given.*a torch Dataset or DataLoader"):
        train("vae", say=silent)


def test_what_starts_from_the_data_does_so_once(tmp_path: Path) -> None:
    """The codes of a resumed or fine-tuned run are those of the run."""
    data = ArrayData(torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    config = GLOConfig(latent_dim=3, width=8, network="mlp", code_lr=1e-9)
    quick = TrainingConfig(steps=1, batch_size=10, precision="fp32", ema=0.0)
    run = train(RunConfig(config, training=quick), data=data, out=tmp_path / "first", say=silent)
    codes = load(run.path).get_parameter("codes")
    expected = GLO(config, Facts(data.space, 30)).project(first_codes(data, 3).float())
    torch.testing.assert_close(codes, expected, rtol=0, atol=1e-6)
    moved = train(
        RunConfig(dataclasses.replace(config, code_lr=0.1), training=quick),
        data=data,
        out=tmp_path / "moved",
        say=silent,
    )
    again = train(RunConfig(config, training=quick), data=data, out=tmp_path / "second", start=moved, say=silent)
    torch.testing.assert_close(
        load(again.path).get_parameter("codes"), load(moved.path).get_parameter("codes"), rtol=0, atol=1e-6
    )
