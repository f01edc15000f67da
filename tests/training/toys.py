"""The smallest real training: the MLP GAN on the ring, a few milliseconds a step."""

from __future__ import annotations

import torch

from veridical.config import GANConfig, OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.gan import GAN
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
