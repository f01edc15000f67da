"""What is announced before the first step: counts of examples and of parameters, device, arithmetic, seed."""

import torch
from torch import nn

from tests.training import toys
from veridical.config import GANConfig, RunConfig, TrainingConfig
from veridical.families.gan import GAN
from veridical.training.engine import Engine
from veridical.workflows.announce import bounded_logits, describe


def test_numbers_are_counted() -> None:
    model, lines = toys.model(), []
    config = RunConfig(toys.CONFIG, training=TrainingConfig(seed=42, steps=1234, batch_size=32))
    describe(lines.append, config, toys.data(), model, Engine.plain(), "as asked")
    said = "\n".join(lines)
    assert "512 examples of shape (2,)" in said
    for player in model.players:
        network = model.get_submodule(player)
        assert isinstance(network, nn.Module)
        assert f"{player} {sum(p.numel() for p in network.parameters()):,} parameters" in said
    assert "as asked" in said and "seed       42; 1,234 steps of 32" in said and str(torch.device("cpu")) in said


class Ends(nn.Module):
    """A discriminator of points, and what its output goes through."""

    def __init__(self, sigmoid: bool) -> None:
        super().__init__()
        self.network, self.sigmoid = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)), sigmoid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.network(x)
        return logits.sigmoid() if self.sigmoid else logits


def test_a_sigmoid_inside_forward_is_noticed() -> None:
    torch.manual_seed(0)
    space = toys.data().space
    for sigmoid in (True, False):  # the second is bounded too, by tanh, but not to [0, 1]
        model = GAN(GANConfig(latent_dim=2), space, discriminator=Ends(sigmoid))
        warning = bounded_logits(model)
        assert model.training and (warning is not None) == sigmoid
        assert warning is None or "before the sigmoid" in warning
    assert bounded_logits(toys.model()) is None
