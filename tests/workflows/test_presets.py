"""Every preset trains, stops, resumes to the bit, samples and reports; narrow, and for a few steps."""

import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import DataConfig, RunConfig
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.presets import PRESETS, find_preset
from veridical.report import build
from veridical.run import Run
from veridical.sampling import draw
from veridical.workflows.load import load
from veridical.workflows.resume import resume
from veridical.workflows.start import train

ROOT = Path(__file__).parents[2]
DATA = {
    "gan-2d": "grid",
    "pacgan-2d": "grid",
    "unrolled": "ring",
    "discrete-reinforce": "categorical",
    "critical-energy": "ising:4",
}
"""What a preset is tried on; the others on digits."""
ONE_OF_EACH = [next(iter(find_family(family).presets)) for family in FAMILIES]
"""A preset of each family."""
NARROW: dict[str, Any] = {"width": 8, "discriminator_width": None, "levels": 4}
IMAGE_NETWORKS = ("dcgan", "dcgan-paper", "sngan", "biggan")


def quiet(line: str) -> None:
    """Say nothing."""


def narrow(preset: str, source: str, **changes: Any) -> RunConfig:
    config = find_preset(preset)
    known = {field.name for field in fields(config.model)}
    model = replace(config.model, **{k: v for k, v in (NARROW | changes).items() if k in known})
    training = replace(
        config.training, steps=4, batch_size=8, log_every=1, sample_every=4, checkpoint_every=2, precision="fp32"
    )
    return replace(config, model=model, data=DataConfig(source=source), training=training)


@pytest.mark.every_case
@pytest.mark.parametrize("preset", PRESETS)
def test_it_trains_resumes_samples_and_reports(preset: str, tmp_path: Path) -> None:
    config = narrow(preset, DATA.get(preset, "digits"))
    whole = train(config, out=tmp_path / "whole", say=quiet)
    shutil.copytree(whole.path, tmp_path / "half")
    half = Run.open(tmp_path / "half")
    shutil.rmtree(max(half.checkpoints.iterdir()))  # as if it had been killed after the second step
    resumed = resume(half.path, say=quiet)
    models = [load(run.path, say=quiet) for run in (whole, resumed)]
    for name, tensor in models[0].state_dict().items():
        assert torch.equal(tensor, models[1].state_dict()[name]), name
    assert draw(models[0], 4, seed=1).isfinite().all()
    assert '"layers"' in (whole.path / "spectra.jsonl").read_text()
    build([whole.path])
    assert (whole.path / "report.html").is_file()


@pytest.mark.slow
def test_every_family_trains_and_resumes_to_the_bit_as_two_processes(tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launcher, "--module", "tests.workflows.presets_of_two", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stdout.splitlines() if line] == [f"{p} resumed to the bit" for p in ONE_OF_EACH]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty coloured images in two classes."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir()
        for i in range(10):
            levels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(levels).save(root / name / f"{i}.png")
    return str(root)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name not in ("gan-2d", "pacgan-2d", "unrolled")])
def test_it_takes_images_of_every_kind(preset: str, folder: str, tmp_path: Path) -> None:
    if preset.startswith(("discrete", "rbm", "dbm", "critical-energy")):
        with pytest.raises(ValueError, match=r"levels|no density"):
            train(narrow(preset, folder), out=tmp_path / "refused", say=quiet, dry_run=True)
        return
    for source in ("fashion-mnist-10k", folder):
        train(narrow(preset, source), out=tmp_path / "run", say=quiet, dry_run=True)


@pytest.mark.parametrize("source", ["grid", "categorical"])
@pytest.mark.parametrize("preset", ["gan", "wgan", "wgan-gp", "dragan", "pacgan", "gan-2014", "dcgan", "sngan"])
def test_it_plays_with_vectors_too(preset: str, source: str, tmp_path: Path) -> None:
    config = narrow(preset, source)
    if getattr(config.model, "network", "") in IMAGE_NETWORKS:
        with pytest.raises(ValueError, match=r"mlp|conv"):
            train(config, out=tmp_path / "refused", say=quiet, dry_run=True)
        config = narrow(preset, source, network="mlp")
    train(config, out=tmp_path / "run", say=quiet, dry_run=True)
