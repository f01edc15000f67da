"""A family is two new files and one line: a toy one, added to a copy of the project, appears everywhere."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CONFIG = '''
"""The choices of a normal distribution."""

from dataclasses import dataclass, field

from veridical.config import checks
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class ToyNormalConfig:
    """A diagonal normal distribution."""

    steps: float = 1.0
    """Standard deviation at the start, under a name that the training has too."""

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.05))

    def __post_init__(self) -> None:
        checks.positive("steps", self.steps)


FAMILY = Family(
    config=ToyNormalConfig,
    about="A diagonal normal distribution, fitted by maximum likelihood.",
    purpose="tests",
    smallest=ToyNormalConfig(),
    presets={"wide-normal": Preset("Starts wide.", model=ToyNormalConfig(steps=3.0))},
)
'''

MODEL = '''
"""A diagonal normal distribution, fitted by maximum likelihood."""

import torch
from torch import Tensor, nn

from veridical.config.families.toy_normal import ToyNormalConfig
from veridical.config.sampling import SamplingOptions
from veridical.config.training import OptimizerConfig
from veridical.model import Batch, ExactLikelihood, Facts, GenerativeModel, Loss, Sampler, Space
from veridical.noise import Noise, noise_for


class ToyNormal(GenerativeModel, Sampler, ExactLikelihood):
    """x ~ N(mu, diag(std^2))."""

    papers = ("Gauss, Theoria motus corporum coelestium (1809), https://archive.org/details/theoriamotuscor00gausgoog",)

    def __init__(self, config: ToyNormalConfig, facts: Facts | Space) -> None:
        super().__init__(facts)
        self.config = config
        self.mu = nn.Parameter(torch.full(self.space.shape, self.space.mean) + torch.randn(self.space.shape))
        self.log_std = nn.Parameter(torch.full(self.space.shape, config.steps * self.space.std).log())

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = -self.log_prob(batch.x).mean()
        return Loss(loss, {"loss": loss.detach()})

    def optimizer(self, player: str) -> OptimizerConfig:
        return self.config.optimizer

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.distributions.Normal(self.mu, self.log_std.exp()).log_prob(x.float()).flatten(1).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, *, noise: Noise | None = None, options: SamplingOptions | None = None
    ) -> Tensor:
        x = self.mu + self.log_std.exp() * noise_for(n, self.device, noise).normal(*self.space.shape)
        return x if self.space.support is None else x.clamp(*self.space.support)
'''

SCRIPT = """
import sys
from pathlib import Path
import veridical as vd
from veridical.cli import run

assert vd.__file__.startswith(sys.argv[1]), vd.__file__
assert run(["config", "show", "wide-normal"]) == 0
assert run(["train", "toy-normal", "--help"]) == 0
assert run(["train", "toy-normal", "--data", "ring", "--dry-run"]) == 0
quick = ["--steps", "40", "--model.steps", "2", "--sample-every", "40", "--device", "cpu"]
assert run(["train", "--data", "ring", *quick, "wide-normal", "--out", "run"]) == 0
assert run(["sample", "-n", "5", "run", "--out", "x.npz"]) == 0
assert run(["evaluate", "run", "-n", "300"]) == 0
assert run(["cite", "run"]) == 0
assert vd.ToyNormal is type(vd.load("run")) and vd.load("run").config == vd.ToyNormalConfig(steps=2.0)
assert {"ToyNormal", "ToyNormalConfig"} <= set(vd.__all__)
assert vd.preset("toy-normal").family == "toy-normal"
"""


def with_family(copy: Path) -> dict[str, str]:
    """Copy the project, add the family, and return the environment in which the copy is imported."""
    for folder in ("src", "tests/families"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "src/veridical/config/families/toy_normal.py").write_text(CONFIG)
    (copy / "src/veridical/families/toy_normal.py").write_text(MODEL)
    table = copy / "src/veridical/config/families/table.py"
    table.write_text(
        table.read_text().replace('    "vae": "VAE",\n', '    "toy-normal": "ToyNormal",\n    "vae": "VAE",\n')
    )
    return {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}


def changed_lines(before: Path, after: Path) -> int:
    """Count the lines that differ in the files that both folders have."""
    count = 0
    for file in (path for path in before.rglob("*.py") if (after / path.relative_to(before)).is_file()):
        old, new = file.read_text().splitlines(), (after / file.relative_to(before)).read_text().splitlines()
        if old != new:
            diff = [*difflib.unified_diff(old, new, lineterm="")][2:]
            count += sum(line[0] in "+-" for line in diff)
    return count


@pytest.mark.slow
def test_a_new_family_is_two_files_and_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    environment = with_family(copy)
    assert changed_lines(ROOT / "src", copy / "src") == 1
    new = {p.relative_to(copy / "src") for p in (copy / "src").rglob("*.py")}
    old = {p.relative_to(ROOT / "src") for p in (ROOT / "src").rglob("*.py")}
    assert {str(path) for path in new - old} == {
        "veridical/families/toy_normal.py",
        "veridical/config/families/toy_normal.py",
    }

    def python(*arguments: str, where: Path) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=where, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = python("-c", SCRIPT, str(copy), where=tmp_path)
    for part in ("  tests:", "wide-normal", "--model.steps X", "family: toy-normal", "Theoria motus"):
        assert part in said, part
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", "-q", "-k", "toy-normal", "tests/families/test_contract.py"]
    assert "passed" in python("-m", "pytest", *options, where=copy)
