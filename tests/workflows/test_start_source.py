"""Training on what is no data set: a source of batches, and an energy alone."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig, RunConfig, TrainingConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.source import EnergySource
from veridical.data.space import Space
from veridical.model import GenerativeModel, Loss, Sampler
from veridical.workflows.resume import resume
from veridical.workflows.start import train

PLANE = Space((2,), "vector", None, None)
QUICK = TrainingConfig(steps=600, log_every=100, sample_every=600, ema=0.0, precision="fp32", device="cpu")
MEAN, PRECISION = torch.tensor([1.0, -2.0]), torch.tensor([[2.0, 0.8], [0.8, 1.0]])


def quiet(line: str) -> None:
    """Say nothing."""


def energy(x: Tensor) -> Tensor:
    """Energy of a normal distribution of known mean and precision, in nats up to a constant."""
    d = x - MEAN
    return 0.5 * torch.einsum("bi,ij,bj->b", d, PRECISION, d)


class GaussianByReverseKL(GenerativeModel, Sampler):
    """A normal distribution x = mu + L eps, fitted to an energy alone by KL(q || p)."""

    def __init__(self, space: Space, sign: float = 1.0) -> None:
        super().__init__()
        self.space, self.sign = space, sign
        self.mu, self.factor = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.eye(2))

    @property
    def triangle(self) -> Tensor:
        return self.factor.tril(-1) + self.factor.diagonal().exp().diag()

    def sample(self, n: int, c: Tensor | None = None, **_: object) -> Tensor:
        return self.mu + torch.randn(n, 2) @ self.triangle.T

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        x = self.sample(len(batch.index))
        loss = energy(x).mean() - self.sign * self.factor.diagonal().sum()  # the entropy, up to a constant
        return Loss(loss, {"loss": loss})

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig(lr=0.02, schedule="cosine")

    def kl(self) -> float:
        """KL(q || p) in nats, in closed form."""
        q = torch.distributions.MultivariateNormal(self.mu.detach(), scale_tril=self.triangle.detach())
        p = torch.distributions.MultivariateNormal(MEAN, precision_matrix=PRECISION)
        return float(torch.distributions.kl_divergence(q, p))


@pytest.mark.parametrize(("sign", "most"), [(1.0, 1e-3), (0.5, math.inf)])
def test_a_gaussian_is_fitted_to_an_energy_alone(sign: float, most: float, tmp_path: Path) -> None:
    """The mutant (half the entropy) ends far from the target, so that the bound can fail."""
    torch.manual_seed(0)
    model = GaussianByReverseKL(PLANE, sign)
    assert model.kl() > 1.0
    run = train(RunConfig(training=QUICK), model=model, data=EnergySource(PLANE, 256), out=tmp_path / "run", say=quiet)
    about = run.read_json("environment.json")["data"]
    assert about["n"] is None and about["name"] == "energy"
    assert not (run.samples / "reals.png").exists() and list(run.samples.glob("step-*.png"))
    assert model.kl() < most
    if sign != 1.0:
        assert model.kl() > 0.05


def test_a_source_trains_like_the_data_set_whose_batches_it_gives(tmp_path: Path) -> None:
    data = ArrayData(torch.randn(64, 2))
    few = TrainingConfig(steps=4, batch_size=8, log_every=1, ema=0.0, precision="fp32", device="cpu")
    rows = []
    for i, source in enumerate((data, Loader(data, 8, seed=few.seed))):
        torch.manual_seed(0)
        model = ToMean(PLANE)
        run = train(RunConfig(training=few), model=model, data=source, out=tmp_path / f"{i}", say=quiet)
        rows.append([{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()])
    assert rows[0] == rows[1]


class ToMean(GaussianByReverseKL):
    """Reads the data, unlike its parent."""

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        loss = (batch.x - self.mu).square().mean()
        return Loss(loss, {"loss": loss})


def test_resuming_on_an_energy_goes_on_and_refuses_another(tmp_path: Path) -> None:
    few = TrainingConfig(steps=4, log_every=1, checkpoint_every=2, ema=0.0, precision="fp32", device="cpu")
    source = EnergySource(PLANE, 16)
    run = train(RunConfig(training=few), model=GaussianByReverseKL(PLANE), data=source, out=tmp_path / "r", say=quiet)
    resume(run.path, model=GaussianByReverseKL(PLANE), data=source, steps=6, say=quiet)
    assert [row["step"] for row in run.metrics()] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(RuntimeError, match="differ from the training data of the run"):
        resume(run.path, model=GaussianByReverseKL(PLANE), data=EnergySource(PLANE, name="other"), steps=8, say=quiet)


def test_few_examples_shrink_the_batch_and_that_is_recorded(tmp_path: Path) -> None:
    said: list[str] = []
    few = TrainingConfig(steps=2, batch_size=64, log_every=1, ema=0.0, precision="fp32", device="cpu")
    data = {"x": torch.randn(40, 2), "y": ["b", "a"] * 20}
    run = train(RunConfig(training=few), model=ToMean(PLANE), data=data, out=tmp_path / "r", say=said.append)
    assert any("Batch size 40 instead of 64: there are only 40 examples." in line for line in said)
    assert any("40 examples are few" in line for line in said)
    lines = run.config_file.read_text().splitlines()
    assert any("batch_size: 40  # the data" in line for line in lines)
    assert run.read_json("environment.json")["data"]["class_names"] == ["a", "b"]
    assert run.metrics()[-1]["step"] == 2


def test_the_name_of_a_set_may_stand_for_data(tmp_path: Path) -> None:
    few = TrainingConfig(steps=1, log_every=1, ema=0.0, precision="fp32", device="cpu")
    space = Space((2,), "vector", None, None)
    run = train(RunConfig(training=few), model=ToMean(space), data="ring", out=tmp_path / "r", say=quiet)
    assert "source: ring" in run.config_file.read_text() and not run.read_json("environment.json")["own_data"]
