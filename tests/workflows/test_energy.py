"""Runs that learn from a log density alone: from the command line, resumed, refused, on a law of one's own."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.workflows.runs import digest, lines, silent
from veridical.cli.train import run as command
from veridical.config import DataConfig, RunConfig, TrainingConfig
from veridical.config.families.flow import FlowConfig
from veridical.config.families.made import MADEConfig
from veridical.config.training import EnergyConfig
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.source import EnergySource
from veridical.data.space import Space
from veridical.run import Run
from veridical.targets.ising import Ising
from veridical.workflows.energy import learned_from, log_density
from veridical.workflows.resume import resume
from veridical.workflows.start import train

QUICK = TrainingConfig(
    steps=4,
    batch_size=16,
    log_every=1,
    sample_every=4,
    checkpoint_every=2,
    precision="fp32",
    from_energy="reverse-kl",
    energy=EnergyConfig(beta=0.5, anneal=3),
)
SPINS = RunConfig(MADEConfig(width=8), DataConfig(source="ising:4"), QUICK)


def killed_half_way(run: Run, path: Path) -> Run:
    shutil.copytree(run.path, path)
    half = Run.open(path)
    shutil.rmtree(max(half.checkpoints.iterdir()))
    return half


@pytest.mark.parametrize(
    ("divergence", "model", "source"),
    [("reverse-kl", MADEConfig(width=8), "ising:4"), ("alpha-2", FlowConfig(width=8, couplings=2), "ring")],
)
def test_a_resumed_run_equals_an_uninterrupted_one(divergence, model, source: str, tmp_path: Path) -> None:
    energy = replace(QUICK.energy, bridges=1 if source == "ring" else None)
    training = replace(QUICK, from_energy=divergence, energy=energy)
    whole = train(RunConfig(model, DataConfig(source=source), training), out=tmp_path / "whole", say=silent)
    half = killed_half_way(whole, tmp_path / "half")
    resume(half.path, say=silent)
    assert lines(whole) == lines(half)
    a, b = digest(whole), digest(half)
    assert all(torch.equal(a[name], b[name]) for name in a)
    betas = [row["model/beta"] for row in whole.metrics()]
    assert betas == pytest.approx([0.5, 2 / 3, 5 / 6, 1.0])
    assert whole.environment()["terms"] == {"model/reverse_kl": "objective"}


def test_the_command_line_trains_from_an_energy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["made", "--data", "ising:4", "--from-energy", "alpha-2", "--energy.beta", "0.5", "--energy.anneal", "9"]
    few = ["--steps", "2", "--width", "8", "--batch-size", "8", "--out", str(tmp_path / "run")]
    command([*words, *few])
    assert "alpha-2: learned from the log density of ising-4, without examples" in capsys.readouterr().out
    text = Run.open(tmp_path / "run").config_file.read_text()
    assert "from_energy: alpha-2" in text and "beta: 0.5" in text


def test_no_value_of_the_data_reaches_the_loss() -> None:
    data = ArrayData(Ising(4).draw(50, 0), levels=2, target=Ising(4))
    batch = learned_from(data, QUICK).batch(0)  # type: ignore[union-attr, call-arg]
    assert batch.x.shape == (16, 1, 4, 4) and bool(batch.x.isnan().all())
    assert learned_from(data, TrainingConfig()) is data


def test_examples_limit_neither_the_batch_nor_the_steps(tmp_path: Path) -> None:
    """Eight of them are fewer than 16 samples of a step, which are the model's own; there are no passes over them."""
    data = ArrayData(Ising(4).draw(8, 0), levels=2, target=Ising(4))
    run = train(replace(SPINS, training=replace(QUICK, steps=1)), data=data, out=tmp_path / "run", say=silent)
    assert "batch_size: 16" in run.config_file.read_text()
    with pytest.raises(ValueError, match="no number of examples is known"):
        train(SPINS, data=data, out=tmp_path / "other", say=silent, epochs=2)


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        (replace(SPINS, data=DataConfig(source="digits")), DataError, "no density of digits is known"),
        (replace(SPINS, model=FlowConfig(width=8)), ValueError, "Flow has only a bound"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_a_run_begins(config, error, words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words):
        train(config, out=tmp_path / "run", say=silent)
    assert not (tmp_path / "run").exists()


class DoubleWell:
    """A law of which the energy alone is known, in one dimension."""

    name, version, log_partition = "wells", 1, math.nan

    def energy(self, x: Tensor) -> Tensor:
        return (x.square() - 1).square().sum(-1)

    def sample(self, n: int, generator=None, dtype=None) -> Tensor:
        raise NotImplementedError


def test_an_energy_of_ones_own_is_learned_without_any_data(tmp_path: Path) -> None:
    space = Space((2,), "vector", None, None)
    source = EnergySource(space, 32, name="wells", target=DoubleWell())
    config = RunConfig(FlowConfig(width=8, couplings=2), training=replace(QUICK, batch_size=32))
    run = train(config, data=source, out=tmp_path / "run", say=silent)
    assert math.isfinite(run.metrics()[-1]["model/reverse_kl"])
    x = torch.randn(5, 2)
    assert torch.allclose(log_density(source)(x), -DoubleWell().energy(x.double()))


def test_the_log_density_is_that_of_data_space() -> None:
    """Bits of an image stand for spins."""
    law = Ising(4)
    data = ArrayData(law.draw(8, 0), levels=2, target=law)
    x = data.batch(torch.arange(8)).x
    spins = 2 * (x - x.min()) / (x.max() - x.min()) - 1
    assert torch.allclose(log_density(data)(x), law.log_prob(spins.double()))
