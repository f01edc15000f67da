"""MADE: distributions of every order, ensembles, missing components."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import stats
from tests.families.proofs import all_examples
from tests.mutants import mutated
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.made import FAMILY, MADEConfig
from veridical.families import made
from veridical.families.made import MADE, masks_of
from veridical.model import Batch, Space
from veridical.nn import triangular
from veridical.noise import SampleNoise
from veridical.training.fit import State, fit

pytestmark = pytest.mark.usefixtures("double_precision")

BITS = Space((2, 3), kind="sequence", levels=2, classes=3)
BOX = Space((2,), kind="vector", support=(0.0, 4.0), levels=5, mean=2.0, std=1.4)
GREY = Space((1, 1, 2), levels=40)
SMALL = MADEConfig(width=12, depth=2, components=2)


def random_model(config: MADEConfig, space: Space) -> MADE:
    model = MADE(config, space)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def total(model: MADE) -> float:
    unit = 0.0 if model.space.levels == 2 else model.space.dim * math.log(model.space.bin_width or 1.0)
    return (model.log_prob(all_examples(model.space)) + unit).exp().sum().item()


CHOICES: list[dict[str, Any]] = [
    {},
    {"depth": 0},
    {"order": "random"},
    {"order": "random", "masks": 3},
    {"masks": 3},
    {"order": "any", "masks": 2},
]


@pytest.mark.parametrize("space", [BITS, BOX, GREY], ids=["bits", "box", "grey"])
@pytest.mark.parametrize("choices", CHOICES, ids=lambda choices: "-".join(map(str, choices.values())) or "plain")
def test_probabilities_sum_to_one(space: Space, choices: dict[str, Any]) -> None:
    assert total(random_model(replace(SMALL, **choices), space)) == pytest.approx(1, abs=1e-9)


def test_probabilities_of_a_class_and_of_all_sum_to_one() -> None:
    model, x = random_model(replace(SMALL, labels=True), BITS), all_examples(BITS)
    assert total(model) == pytest.approx(1, abs=1e-9)
    assert model.log_prob(x, torch.ones(len(x), dtype=torch.long)).exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_an_ensemble_averages_probabilities() -> None:
    model, x = random_model(replace(SMALL, order="random", masks=4), BITS), all_examples(BITS)
    each = torch.stack([model.site_log_probs(chain, x, None).sum(1) for chain in model.chains()])
    torch.testing.assert_close(model.log_prob(x).exp(), each.exp().mean(0))
    assert (model.log_prob(x) >= each.mean(0)).all()
    assert each.std(0).max() > 0.1  # the masks differ


def test_an_order_is_applied_and_not_its_inverse() -> None:
    """The first component in the order is independent of all others, the last is of none."""
    model = random_model(replace(SMALL, order="random"), BITS)
    x = all_examples(BITS)
    h = model.conditionals(x, None)
    first, last = model.order[0], model.order[-1]
    assert not torch.equal(model.order, model.order.argsort())
    assert h[:, first].std() < 1e-12 < h[:, last].std()
    for i in model.order[:-1].tolist():
        pair = x.reshape(-1, 6).clone()
        pair[:, i] *= -1
        assert (model.conditionals(pair.reshape(x.shape), None)[:, last] != h[:, last]).any()


def test_every_part_can_be_completed_by_a_model_of_any_order() -> None:
    model, x = random_model(replace(SMALL, order="any", masks=2), BITS), all_examples(BITS)
    for seed in range(4):
        known = torch.rand(BITS.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        same = (x[:, known] == x[37][known]).all(1)
        nats = model.log_prob_missing(x[same], known)
        assert nats.exp().sum().item() == pytest.approx(1, abs=1e-9)
        drawn = model.complete(x[37][None].expand(50, -1, -1), known, noise=SampleNoise(0, 0, 50))
        assert torch.equal(drawn[:, known], x[37][known].expand(50, -1))
    with pytest.raises(ValueError, match=r"3 of 6 sites are known.*order='any'"):
        random_model(SMALL, BITS).complete(x[:1], torch.tensor([[False] * 3, [True] * 3]))


def test_a_model_of_any_order_keeps_the_first_components_as_they_are_stored() -> None:
    model = random_model(replace(SMALL, order="any", masks=2), BITS)
    assert not torch.equal(model.order, torch.arange(6))
    assert model.leading(0.5).tolist() == [[True] * 3, [False] * 3]
    shuffled = random_model(replace(SMALL, order="random"), BITS)
    assert shuffled.leading(0.5).flatten().nonzero()[:, 0].tolist() == shuffled.order[:3].sort().values.tolist()


def test_the_missing_given_the_known_is_the_joint_over_the_marginal() -> None:
    """Known by summing over everything: in the stored order p(second row | first row)."""
    model, x = random_model(SMALL, BITS), all_examples(BITS)
    p = model.log_prob(x).exp().detach().reshape(8, 8)
    known = torch.tensor([[True] * 3, [False] * 3])
    expected = (p / p.sum(1, keepdim=True)).flatten()
    torch.testing.assert_close(model.log_prob_missing(x, known).exp(), expected)


def test_a_training_step_minimises_a_term_of_the_bound() -> None:
    model = random_model(replace(SMALL, order="random", masks=3), BITS)
    x = all_examples(BITS)[:9]
    each = torch.stack([-model.site_log_probs(chain, x, None).sum(1).mean() for chain in model.chains()])
    losses = torch.stack([model.loss(Batch(x, torch.arange(9)), player="model", step=0).loss for _ in range(30)])
    assert (losses[:, None] - each).abs().min(1).values.max() < 1e-12
    assert len(losses.detach().round(decimals=9).unique()) == 3  # one is missed with a chance of 3 (2/3)^30 = 2e-5


def test_every_step_has_a_new_order_if_any_is_to_be_learned() -> None:
    model = random_model(replace(SMALL, order="any"), BITS)
    assert len({tuple(model.training_chain().order.tolist()) for _ in range(20)}) > 10


def test_masks_do_not_depend_on_the_seed_of_the_run() -> None:
    torch.manual_seed(1)
    once = masks_of(replace(SMALL, order="random", masks=3), 7)
    torch.manual_seed(2)
    again = masks_of(replace(SMALL, order="random", masks=3), 7)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    orders, degrees = once
    assert orders.shape == (3, 7) and degrees.shape == (3, 2, 12) and not torch.equal(orders[0], orders[1])


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
    x = all_examples(space).repeat_interleave(counts, 0)
    p = counts / counts.sum()
    config = MADEConfig(width=16, optimizer=OptimizerConfig(lr=0.02, schedule="cosine"))
    model = MADE(config, space)
    fit(State(model, steps=250), Everything(x), log_every=250)
    kl = (p * (p.log() - model.log_prob(all_examples(space)).detach())).sum().item()
    assert -1e-9 < kl < 1e-3


@pytest.mark.parametrize(
    ("owner", "name", "before", "after"),
    [
        (MADE, "chain", "Degrees(order.argsort(), hidden)", "Degrees(order, hidden)"),
        (MADE, "conditionals", "self.order.argsort()", "self.order"),
        (MADE, "chains_after", "self.sites * ~known", "self.sites * known"),
        (MADE, "chains_after", "rank.argsort()", "rank"),
        (made, "masks_of", "range(config.masks)", "range(config.masks + 1)"),
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: Any, owner: Any, name: str, before: str, after: str) -> None:
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), before, after))
    monkeypatch.setitem(globals(), "masks_of", made.masks_of)
    with pytest.raises((AssertionError, ValueError)):
        test_an_order_is_applied_and_not_its_inverse()
        test_every_part_can_be_completed_by_a_model_of_any_order()
        test_masks_do_not_depend_on_the_seed_of_the_run()
        test_samplers_agree_in_a_random_order()


def test_samplers_agree_in_a_random_order() -> None:
    model = random_model(replace(SMALL, order="random"), BITS)
    drawn = model.drawn(20, noise=SampleNoise(0, 0, 20))
    torch.testing.assert_close(drawn.log_prob, model.log_prob(drawn.x).detach())
    p = (model.site_log_probs(model.chains()[0], all_examples(BITS), None)).sum(1).exp()
    torch.testing.assert_close(p, model.log_prob(all_examples(BITS)).exp())
    h = model.conditionals(all_examples(BITS), None)
    torch.testing.assert_close(model.chains()[0].conditionals(all_examples(BITS), None), h)


def test_samples_in_a_random_order_follow_the_probabilities() -> None:
    """50,000 samples of 2x3 bits in an order that is not its own inverse, against the enumeration."""
    model, x, n = random_model(replace(SMALL, order="random"), BITS), all_examples(BITS), 50_000
    drawn = model.sample(n, noise=SampleNoise(0, 0, n))
    index = (drawn.flatten(1) > 0).long() @ (2 ** torch.arange(5, -1, -1))
    counts, expected = torch.bincount(index, minlength=64), n * model.log_prob(x).exp().detach()
    common = expected > 5
    observed = [*counts[common].tolist(), int(counts[~common].sum())]
    awaited = [*expected[common].tolist(), expected[~common].sum().item()]
    assert stats.chisquare(observed, awaited, sum_check=False).pvalue > 1e-6  # false-alarm rate


def test_sampling_in_the_inverse_order_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    inverse = mutated(triangular.in_order, "task.chain.order.tolist()", "task.chain.order.argsort().tolist()")
    monkeypatch.setattr(triangular, "in_order", inverse)
    with pytest.raises(AssertionError):
        test_samples_in_a_random_order_follow_the_probabilities()


def test_presets_and_their_paper() -> None:
    assert set(FAMILY.presets) == {"made", "made-any-order"} and "88.40" in FAMILY.presets["made"].published
