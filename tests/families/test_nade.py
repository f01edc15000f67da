"""NADE: a distribution whose factors are those of the definition, in any order."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.families.proofs import all_examples
from tests.mutants import mutated
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.nade import FAMILY, NADEConfig
from veridical.families.nade import NADE
from veridical.model import Batch, Space
from veridical.nn.running_sum import RunningSum
from veridical.training.fit import State, fit

pytestmark = pytest.mark.usefixtures("double_precision")

BITS = Space((2, 3), kind="sequence", levels=2, classes=3)
SMALL = NADEConfig(width=7)


def random_model(config: NADEConfig, space: Space) -> NADE:
    model = NADE(config, space)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def by_hand(model: NADE, x: Tensor) -> float:
    """log p(x) of one example by the recursion of the paper."""
    network, bits = model.network, x.flatten().tolist()
    total, nats = network.bias.tolist(), 0.0
    for i in model.order.tolist():
        h = torch.tensor(total).sigmoid()
        logit = (network.out[i, 0] @ h + network.out_bias[i, 0]).item()
        p = torch.tensor(logit).sigmoid()
        nats += torch.log(p if bits[i] > 0 else 1 - p).item()
        total = [a + w * bits[i] for a, w in zip(total, network.weight[i, 0].tolist(), strict=True)]
    return nats


@pytest.mark.parametrize("choices", [{}, {"order": "random"}], ids=["stored", "random"])
def test_nats_are_those_of_the_recursion(choices: dict[str, Any]) -> None:
    model, x = random_model(replace(SMALL, **choices), BITS), all_examples(BITS)[::7]
    expected = torch.tensor([by_hand(model, each) for each in x])
    torch.testing.assert_close(model.log_prob(x).detach(), expected)


@pytest.mark.parametrize(
    "choices", [{}, {"order": "random"}, {"activation": "relu"}, {"labels": True}], ids=lambda c: "-".join(map(str, c))
)
def test_probabilities_sum_to_one(choices: dict[str, Any]) -> None:
    model, x = random_model(replace(SMALL, **choices), BITS), all_examples(BITS)
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1, abs=1e-9)
    if choices.get("labels"):
        c = torch.ones(len(x), dtype=torch.long)
        assert model.log_prob(x, c).exp().sum().item() == pytest.approx(1, abs=1e-9)


class Everything:
    """The whole data at every step."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def batch(self, step: int) -> Batch:
        return Batch(self.x, torch.arange(len(self.x)))


def test_training_finds_a_distribution_of_three_bits() -> None:
    """p(x) of 8 outcomes as data with these frequencies: KL(p || q) falls below 0.001 nats."""
    space = Space((3,), kind="vector", levels=2)
    counts = torch.tensor([1, 7, 2, 10, 20, 3, 9, 12])
    x, p = all_examples(space).repeat_interleave(counts, 0), counts / counts.sum()
    model = NADE(NADEConfig(width=16, optimizer=OptimizerConfig(lr=0.05, schedule="cosine")), space)
    fit(State(model, steps=250), Everything(x), log_every=250)
    kl = (p * (p.log() - model.log_prob(all_examples(space)).detach())).sum().item()
    assert -1e-9 < kl < 1e-3


def test_a_second_sigmoid_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published code returns probabilities where its loss expects logits."""
    forward = mutated(
        RunningSum.forward, "found[:, order.argsort()] + bias", "(found[:, order.argsort()] + bias).sigmoid()"
    )
    monkeypatch.setattr(RunningSum, "forward", forward)
    with pytest.raises(AssertionError):
        test_nats_are_those_of_the_recursion({})


def test_the_inverse_of_an_order_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = mutated(RunningSum.forward, "found[:, order.argsort()]", "found[:, order]")
    monkeypatch.setattr(RunningSum, "forward", forward)
    with pytest.raises(AssertionError):
        test_nats_are_those_of_the_recursion({"order": "random"})


def test_the_preset_names_its_paper() -> None:
    assert "88.33" in FAMILY.presets["nade"].published and "larochelle11a" in FAMILY.presets["nade"].paper
