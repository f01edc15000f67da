"""Starting from the weights of another run: what is taken, what is recorded, and what is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.workflows.runs import QUICK, VAE, silent
from veridical.cli import run as command
from veridical.config import VAEConfig
from veridical.training import checkpoint
from veridical.workflows.finetune import OtherShapesError
from veridical.workflows.start import train


def weights_at(folder: Path, step: int, name: str = checkpoint.WEIGHTS) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"step-{step:08d}" / name)


def test_a_run_starts_from_the_averaged_weights_of_another(tmp_path: Path) -> None:
    train(VAE, out=tmp_path / "first", say=silent)
    said: list[str] = []
    short = dataclasses.replace(VAE, training=dataclasses.replace(QUICK, seed=7, keep=3))
    second = train(short, out=tmp_path / "second", start=tmp_path / "first", say=said.append)
    average = weights_at(tmp_path / "first", 12, checkpoint.AVERAGE)
    begun = weights_at(tmp_path / "second", 0)
    assert all(torch.equal(begun[name], tensor) for name, tensor in average.items())
    raw = weights_at(tmp_path / "first", 12)
    assert any(not torch.equal(begun[name], raw[name]) for name in average)
    recorded = second.read_json("environment.json")["start"]
    assert (recorded["run"], recorded["step"]) == (str((tmp_path / "first").resolve()), 12)
    file = tmp_path / "first" / "checkpoints" / "step-00000012" / checkpoint.AVERAGE
    assert recorded["sha256"][checkpoint.AVERAGE] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert any("step 12, averaged" in line for line in said)


def test_other_shapes_are_refused_by_name(tmp_path: Path) -> None:
    train(VAE, out=tmp_path / "first", say=silent)
    wide = dataclasses.replace(VAE, model=VAEConfig(network="mlp", width=17, latent_dim=2))
    with pytest.raises(OtherShapesError, match=r"encoder\S+ is \(17, 64\) here, \(16, 64\) there; .*and \d+ more"):
        train(wide, out=tmp_path / "second", start=tmp_path / "first", say=silent)
    assert not (tmp_path / "second").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(VAE, out=tmp_path / "first", say=silent)
    quick = ["--data", "digits", "--steps", "2", "--batch-size", "16", "--network", "mlp", "--width", "16"]
    begun = ["--from", str(tmp_path / "first"), "--out", str(tmp_path / "second")]
    assert command(["train", "vae", *quick, "--latent-dim", "2", *begun]) == 0
    assert "weights    of" in capsys.readouterr().out
    assert command(["train", "vae", *quick, "--latent-dim", "3", *begun[:2]]) == 2
    assert "do not fit this model" in capsys.readouterr().err
    assert command(["train", "vae", *quick, "--from", str(tmp_path / "nowhere")]) == 2
