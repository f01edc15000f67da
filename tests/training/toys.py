"""The smallest real training: the MLP GAN on the ring, a few milliseconds a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veridical.config import GANConfig, OptimizerConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.gan import GAN
from veridical.model import GenerativeModel, Loss
from veridical.nn.buffers import BufferRole
from veridical.training.fit import State

OPTIMIZER = OptimizerConfig(lr=1e-3, betas=(0.5, 0.99), schedule="linear")
CONFIG = GANConfig(
    network="mlp", latent_dim=2, width=16, depth=1, generator_optimizer=OPTIMIZER, discriminator_optimizer=OPTIMIZER
)


def data() -> ArrayData:
    generator = torch.Generator().manual_seed(5)
    angle = 2 * torch.pi * torch.randint(8, (512,), generator=generator) / 8
    x = torch.stack([angle.cos(), angle.sin()], 1) + 0.01 * torch.randn(512, 2, generator=generator)
    return ArrayData(x, name="ring")


def model(seed: int = 0) -> GAN:
    torch.manual_seed(seed)
    return GAN(CONFIG, data().space)


def state(steps: int, seed: int = 0) -> State:
    made = State(model(seed), steps=steps, ema=0.9)
    torch.manual_seed(seed + 100)
    return made


class Chained(GenerativeModel):
    """Learns to tell data from chains that wander on, one set of chains in every process; and keeps statistics."""

    buffer_roles = {"chains": BufferRole.PER_PROCESS, "updates": BufferRole.LIVE}
    chains: Tensor
    updates: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.space = data().space
        self.network = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        self.register_buffer("chains", torch.ones(16, 2))
        self.register_buffer("updates", torch.tensor(0))

    def optimizer(self, player: str) -> OptimizerConfig:
        return OPTIMIZER

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        with torch.no_grad():
            self.chains.mul_(0.9).add_(0.1 * torch.randn_like(self.chains))
            self.updates += 1
        loss = (self.network(batch.x).mean() - self.network(self.chains).mean()).square()
        return Loss(loss, {"loss": loss.detach(), "chains": self.chains.mean()})


def chained(steps: int, seed: int = 0) -> State:
    torch.manual_seed(seed)
    made = State(Chained(), steps=steps, ema=0.9)
    torch.manual_seed(seed + 100)
    return made


def loader(**options: int) -> Loader:
    return Loader(data(), 32, seed=1, **options)  # type: ignore[arg-type]


def everything(made: State) -> dict[str, torch.Tensor]:
    """All tensors that training changes, to compare to the bit."""
    assert made.ema is not None
    tensors = {f"model.{k}": v for k, v in made.module.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in made.ema.tensors().items()}
    for name, player in made.players.items():
        for i, slot in player.optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{i}.{k}": v for k, v in slot.items()}
    tensors["random"] = torch.get_rng_state()
    return {k: v.clone() for k, v in tensors.items()}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [k for k in a if not torch.equal(a[k], b[k])]
    assert not different, different
