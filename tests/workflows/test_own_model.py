"""A model in no table of families is trained, resumed, loaded, sampled, evaluated and reported under its own name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import veridical as vd
from veridical.cli import run as command
from veridical.config import DataConfig, OptimizerConfig, OwnModel, RunConfig, TrainingConfig
from veridical.config.families.vae import VAEConfig
from veridical.config.files import read
from veridical.families.vae import VAE
from veridical.model import Batch, ExactLikelihood, Facts, GenerativeModel, Loss, Sampler
from veridical.workflows.load import record_of

QUICK = TrainingConfig(steps=6, batch_size=32, checkpoint_every=3, sample_every=3, spectrum_every=0, ema=0.5)


@dataclass(frozen=True)
class Start:
    """Where the fit begins."""

    scale: float = 2.0
    sides: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class GaussianSettings:
    """Choices of a Gaussian."""

    start: Start = Start()
    lr: float = 0.05


class Gaussian(GenerativeModel, Sampler, ExactLikelihood):
    """A diagonal normal distribution, fitted by maximum likelihood."""

    config: GaussianSettings

    def __init__(self, facts: Facts, config: GaussianSettings | None = None) -> None:
        super().__init__(facts)
        if config is not None:
            self.config = config
        scale = 1.0 if config is None else config.start.scale
        self.mu = nn.Parameter(torch.zeros(self.space.shape))
        self.log_std = nn.Parameter(torch.full(self.space.shape, scale).log())

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(lr=0.05)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.distributions.Normal(self.mu, self.log_std.exp()).log_prob(x).flatten(1).sum(1)

    def sample(self, n: int, c: Tensor | None = None, **_: object) -> Tensor:
        return (self.mu + self.log_std.exp() * torch.randn(n, *self.space.shape)).detach()


NAME = f"{Gaussian.__module__}.Gaussian"
SETTINGS = [None, GaussianSettings(Start(3.0))]


@pytest.mark.parametrize("settings", SETTINGS, ids=["without", "with"])
def test_it_is_trained_resumed_loaded_evaluated_and_reported(tmp_path: Path, settings: GaussianSettings | None) -> None:
    data = vd.load_data(DataConfig(source="ring"), "train")
    facts = Facts(data.space, len(data))
    where, said = tmp_path / "run", []
    vd.train(model=Gaussian(facts, settings), data=data, training=QUICK, out=where, say=said.append)
    assert f"model      {NAME}: model 4 parameters" in said

    config, origins = read(where / "config.yaml")
    expected = {} if settings is None else {"start": {"scale": 3.0, "sides": [1, 2]}, "lr": 0.05}
    assert config.model == OwnModel(NAME, expected) and config.family == NAME
    assert ("model.start.scale" in origins) == (settings is not None)

    vd.resume(where, model=Gaussian(facts, settings), data=data, steps=8, say=said.append)
    vd.train(
        model=Gaussian(facts, settings),
        data=data,
        training=TrainingConfig(**{**vars(QUICK), "steps": 8}),
        out=tmp_path / "whole",
        say=said.append,
    )
    resumed, whole = (vd.load(p, model=Gaussian(facts, settings)) for p in (where, tmp_path / "whole"))
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters(), strict=True))
    assert not any("another" in line for line in said)

    assert vd.draw(resumed, 5, seed=1).shape == (5, 2)
    assert vd.evaluate(resumed, data, None, n=200).measurements
    vd.build_report([where])
    report = json.loads((where / "report.json").read_text())
    page = (where / "report.html").read_text()
    assert NAME in json.dumps(report) and NAME in page
    assert "nonsaturating" not in page and "discriminator" not in json.dumps(report["runs"][0]["config"])


def test_another_model_than_the_recorded_one_is_noticed_on_resuming(tmp_path: Path) -> None:
    data = vd.load_data(DataConfig(source="ring"), "train")
    facts, said = Facts(data.space, len(data)), []
    vd.train(model=Gaussian(facts), data=data, training=QUICK, out=tmp_path / "run", say=said.append)
    other = Gaussian(facts, GaussianSettings())
    vd.resume(tmp_path / "run", model=other, data=data, steps=7, say=said.append)
    assert any(NAME in line and "other settings" in line for line in said)


def test_without_the_model_the_remedy_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = vd.load_data(DataConfig(source="ring"), "train")
    where = str(tmp_path / "run")
    vd.train(model=Gaussian(Facts(data.space)), data=data, training=QUICK, out=where, say=lambda line: None)
    for line in (["sample", where], ["evaluate", where], ["resume", where, "--steps", "9"]):
        assert command(line) != 0
        assert "model=" in capsys.readouterr().err
    assert command(["train", "--config", f"{where}/config.yaml", "--data", "ring"]) == 2
    assert "Train it from Python" in capsys.readouterr().err
    assert command(["config", "show", where]) == 0
    assert f"family: {NAME}" in capsys.readouterr().out


def test_a_familys_model_with_modules_of_ones_own_is_still_of_the_family() -> None:
    space = vd.Space((2,), kind="vector", support=None, levels=None)
    assert record_of(VAE(VAEConfig(width=8), space, encoder=nn.Linear(2, 4))) == VAEConfig(width=8)


class Mine(VAE):
    """A subclass is a model of one's own, with the settings of the family it comes from."""


def test_a_subclass_is_recorded_under_its_own_name() -> None:
    space = vd.Space((2,), kind="vector", support=None, levels=None)
    found = record_of(Mine(VAEConfig(width=8), space))
    assert isinstance(found, OwnModel) and found.name.endswith(".Mine") and found.settings["width"] == 8


def test_a_configuration_of_no_family_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"model is GaussianSettings.*veridical\.train\(model=model"):
        RunConfig(model=GaussianSettings())
