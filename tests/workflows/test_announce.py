"""What is announced before the first step: counts of examples and of parameters, device, arithmetic, seed."""

import torch
from torch import nn

from tests.training import toys
from veridical.config import RunConfig, TrainingConfig
from veridical.training.engine import Engine
from veridical.workflows.announce import describe


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
