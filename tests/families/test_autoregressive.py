"""The base of the autoregressive families, on a model small enough to be summed over all examples."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from scipy import stats
from tests.families.proofs import all_examples
from tests.mutants import mutated
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.autoregressive import AutoregressiveSampling, Method
from veridical.families import autoregressive
from veridical.families.autoregressive import Autoregressive, Cached, log_mean_exp
from veridical.model import Batch, Space
from veridical.nn import triangular
from veridical.nn.heads import Bernoulli, Categorical, GaussianMixture, Grid, Head, LogisticMixture
from veridical.nn.triangular import Chain, Steps, from_sites, to_sites
from veridical.noise import SampleNoise

pytestmark = pytest.mark.usefixtures("double_precision")

BITS = Space((2, 3), kind="sequence", levels=2, classes=3)
LEVELS = Space((1, 2, 2), levels=5)
COLOUR = Space((3, 1, 2), levels=4)
PLANE = Space((3,), kind="vector", support=None, levels=None, mean=30.0, std=5.0)
METHODS: tuple[Method, ...] = ("auto", "cached", "naive", "jacobi")
N = 40


class Linear(Autoregressive, Cached):
    """The numbers of a site are an affine function of the sites before it, and of the label."""

    papers = ("Frey, Graphical Models for Machine Learning and Digital Communication (1998), doi:none",)

    def __init__(self, space: Space, head: Head, seed: int = 0, twice: bool = False, **choices: Any) -> None:
        super().__init__(space, head=head, **choices)
        random = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(
            torch.randn(self.sites, head.size, self.sites, head.parameters, generator=random) / space.std
        )
        self.bias = nn.Parameter(torch.randn(max(1, self.classes), self.sites, head.parameters, generator=random))
        self.twice = twice

    def optimizer(self, player: str) -> OptimizerConfig:
        return OptimizerConfig()

    def affine(self, order: Tensor, sites: Tensor, c: Tensor | None) -> Tensor:
        rank = order.argsort()
        weight = self.weight * (rank[:, None] < rank)[:, None, :, None]
        bias = self.bias[0] if c is None else self.bias[c]
        return bias + torch.einsum("bik,ikjp->bjp", sites - self.space.mean, weight)

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        return self.affine(self.order, self.to_sites(x), c)

    def steps(self, n: int, c: Tensor | None) -> Steps:
        h = (self.bias[0] if c is None else self.bias[c]).expand(n, -1, -1).clone()
        for place in self.order.tolist():
            x = yield h[:, place]
            h += torch.einsum("bk,kjp->bjp", x - self.space.mean, self.weight[place])

    def chains(self) -> Sequence[Chain]:
        order = torch.cat([self.order[:2].flip(0), self.order[2:].flip(0)])
        other = Chain(order, lambda x, c: self.affine(order, self.to_sites(x), c))
        return [*super().chains(), other] if self.twice else super().chains()


def heads() -> dict[str, tuple[Space, Head]]:
    return {
        "bits": (BITS, Bernoulli(Grid(-1.0, 2.0, 2))),
        "levels": (LEVELS, Categorical(Grid(-1.0, 0.5, 5))),
        "colour": (COLOUR, LogisticMixture(Grid(-1.0, 2 / 3, 4), components=2, size=3)),
        "plane": (PLANE, GaussianMixture(30.0, 5.0, components=2)),
    }


def build(name: str, **choices: Any) -> Linear:
    space, head = heads()[name]
    sites = space.dim // head.size
    order = torch.randperm(sites, generator=torch.Generator().manual_seed(sites)) if sites > 2 else torch.tensor([1, 0])
    return Linear(space, head, order=order, **choices)


def probabilities(model: Linear, x: Tensor, c: Tensor | None = None) -> Tensor:
    unit = 0.0 if model.space.levels == 2 else model.space.dim * math.log(model.space.bin_width or 1.0)
    return (model.log_prob(x, c) + unit).exp().detach()


def seeded(n: int = N, first: int = 0) -> SampleNoise:
    return SampleNoise(3, first, n)


MIXTURES: list[dict[str, Any]] = [{}, {"twice": True}, {"labels": True}, {"twice": True, "labels": True}]


@pytest.mark.parametrize("name", ["bits", "levels", "colour"])
@pytest.mark.parametrize("mixture", MIXTURES[:2])
def test_probabilities_sum_to_one(name: str, mixture: dict[str, Any]) -> None:
    model = build(name, **mixture)
    assert probabilities(model, all_examples(model.space)).sum().item() == pytest.approx(1, abs=1e-9)


def test_without_a_label_the_classes_are_averaged() -> None:
    model, x = build("bits", labels=True), all_examples(BITS)
    each = [probabilities(model, x, torch.full((len(x),), label)) for label in range(3)]
    assert all(p.sum().item() == pytest.approx(1, abs=1e-9) for p in each)
    torch.testing.assert_close(probabilities(model, x), torch.stack(each).mean(0))
    assert not torch.allclose(each[0], each[1])


def test_an_ensemble_is_at_least_its_mean() -> None:
    model, x = build("bits", twice=True), all_examples(BITS)
    each = torch.stack([model.site_log_probs(chain, x, None).sum(1) for chain in model.chains()])
    assert (model.log_prob(x) >= each.mean(0)).all()
    torch.testing.assert_close(model.log_prob(x).exp(), each.exp().mean(0))
    # What the mean of logits would be: its sum falls short of 1, so the test above finds it.
    assert each.mean(0).exp().sum() < 0.99


@pytest.mark.parametrize("name", heads())
@pytest.mark.parametrize("mixture", MIXTURES[:2])
def test_all_methods_draw_the_same(name: str, mixture: dict[str, Any]) -> None:
    model = build(name, **mixture)
    for mask in (prefix(model, 0), prefix(model, 2 if model.sites > 2 else 1 - len(mixture))):
        x = model.sample(N, noise=SampleNoise(9, 0, N))
        naive, cached, jacobi, again = (
            model.completed(x, mask, noise=seeded(), options=AutoregressiveSampling(method=method))
            for method in ("naive", "auto" if mixture else "cached", "jacobi", "auto")
        )
        for drawn in (cached, jacobi, again):
            torch.testing.assert_close(drawn.x, naive.x)
            torch.testing.assert_close(drawn.log_prob, naive.log_prob, rtol=1e-8, atol=1e-8)
        assert jacobi.evaluations <= model.sites * len(model.chains())
        assert torch.equal(naive.x[:, mask], x[:, mask]) and not torch.equal(naive.x, x)


def prefix(model: Linear, known: int) -> Tensor:
    sites = torch.zeros(1, model.sites, model.head.size, dtype=torch.bool)
    sites[:, model.order[:known]] = True
    return from_sites(sites, model.space.shape)[0]


@pytest.mark.parametrize("name", heads())
def test_the_running_sum_is_the_log_prob(name: str) -> None:
    model = build(name)
    for method in METHODS:
        drawn = model.drawn(N, noise=seeded(), options=AutoregressiveSampling(method=method))
        torch.testing.assert_close(drawn.log_prob, model.log_prob(drawn.x).detach(), rtol=1e-8, atol=1e-8)
        known = prefix(model, 1)
        rest = model.completed(drawn.x, known, noise=seeded(), options=AutoregressiveSampling(method=method))
        torch.testing.assert_close(rest.log_prob, model.log_prob_missing(rest.x, known), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", ["auto", "naive", "jacobi"])
def test_a_row_depends_on_its_own_noise_alone(method: Method) -> None:
    model, options = build("bits", labels=True, twice=True), AutoregressiveSampling(method=method)
    together = model.sample(5, noise=seeded(5), options=options)
    for i in range(5):
        torch.testing.assert_close(model.sample(1, noise=seeded(1, i), options=options)[0], together[i])


@pytest.mark.parametrize("mixture", MIXTURES)
def test_samples_follow_the_probabilities(mixture: dict[str, Any]) -> None:
    n, model, x = 10_000, build("bits", **mixture), all_examples(BITS)
    assert fit_of(model, model.sample(n, noise=seeded(n)), probabilities(model, x)) > 1e-6  # false-alarm rate


def fit_of(model: Linear, drawn: Tensor, p: Tensor) -> float:
    index = (drawn.flatten(1) > 0).long() @ (2 ** torch.arange(5, -1, -1))
    counts, expected = torch.bincount(index, minlength=64), len(drawn) * p
    rare = expected < 5
    counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    keep = expected > 0
    return float(stats.chisquare(counts[keep], expected[keep] * counts[keep].sum() / expected[keep].sum()).pvalue)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_completions_follow_the_conditional_distribution(mixture: dict[str, Any]) -> None:
    model, x, n = build("bits", **mixture), all_examples(BITS), 10_000
    known = prefix(model, 2).flatten()
    same = (x.flatten(1)[:, known] == x[21].flatten()[known]).all(1)
    p = probabilities(model, x) * same
    drawn = model.complete(x[21].expand(n, *BITS.shape), known.reshape(BITS.shape), noise=seeded(n))
    assert torch.equal(drawn.flatten(1)[:, known], x[21].flatten()[known].expand(n, -1))
    assert fit_of(model, drawn, p / p.sum()) > 1e-6  # false-alarm rate
    nats = model.log_prob_missing(x[same], known.reshape(BITS.shape))
    torch.testing.assert_close(nats.exp(), (p / p.sum())[same])


def test_missing_sites_may_hold_anything() -> None:
    model = build("plane", twice=True)
    known = prefix(model, 2)
    x = model.sample(4, noise=seeded(4))
    holes = x.masked_fill(~known, math.nan)
    torch.testing.assert_close(model.complete(holes, known, noise=seeded(4)), model.complete(x, known, noise=seeded(4)))


def test_nats_are_those_of_data_space() -> None:
    model, x = build("levels"), all_examples(LEVELS)[::37]
    probability = sum(
        Categorical(Grid(-1.0, 0.5, 5)).log_prob(model.conditionals(x, None)[:, i], to_sites(x, 1)[:, i])
        for i in range(4)
    )
    torch.testing.assert_close(model.log_prob(x), probability - 4 * math.log(0.5))


def test_a_mean_over_the_batch_is_the_loss() -> None:
    model, x = build("bits", labels=True), all_examples(BITS)[:7]
    c = torch.arange(7) % 3
    loss = model.loss(Batch(x, torch.arange(7), c), player="model", step=0).loss
    torch.testing.assert_close(loss, -model.log_prob(x, c).mean())


def test_labels_are_not_left_out_of_training() -> None:
    batch = Batch(all_examples(BITS)[:3], torch.arange(3))
    with pytest.raises(ValueError, match="the batch has no labels, and this model learns"):
        build("bits", labels=True).loss(batch, player="model", step=0)


def test_log_mean_exp_is_stable() -> None:
    assert log_mean_exp(torch.tensor([-2000.0, -2000.0])).item() == pytest.approx(-2000)


def same_draws(name: str) -> Callable[[], None]:
    return lambda: test_all_methods_draw_the_same(name, {})


def running_sum() -> None:
    test_the_running_sum_is_the_log_prob("levels")


def own_noise() -> None:
    test_a_row_depends_on_its_own_noise_alone("auto")


def conditional() -> None:
    test_completions_follow_the_conditional_distribution({"labels": True})


MUTANTS = [
    (autoregressive, "log_mean_exp", "- math.log(len(nats))", "", test_without_a_label_the_classes_are_averaged),
    (autoregressive, "log_mean_exp", "nats.logsumexp(0)", "nats.mean(0)", test_an_ensemble_is_at_least_its_mean),
    (Autoregressive, "site_log_probs", "- self.head.size * self.log_bin", "", test_nats_are_those_of_data_space),
    (Autoregressive, "site_log_probs", "- self.head.size", "+ self.head.size", test_nats_are_those_of_data_space),
    (Autoregressive, "completed", "log_p - missing * self.log_bin", "log_p", running_sum),
    (Autoregressive, "completed", "u[rows]", "u[: len(rows)]", own_noise),
    (Autoregressive, "_chosen", "weights = torch.stack(nats, dim=1)", "pass", conditional),
    (triangular, "in_order", "task.chain.order.tolist()", "task.chain.order.argsort().tolist()", running_sum),
    (triangular, "in_order", "if not known[place]:", "if True:", same_draws("levels")),
    (triangular, "jacobi", "torch.equal(drawn, sites)", "sweeps == 2", same_draws("bits")),
    (triangular, "jacobi", "torch.where(missing,", "torch.where(missing | True,", same_draws("levels")),
    (triangular, "jacobi", "nats.masked_fill(task.known, 0.0)", "nats", running_sum),
]


@pytest.mark.parametrize(("owner", "name", "before", "after", "test"), MUTANTS)
def test_a_planted_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, before: str, after: str, test: Callable[[], None]
) -> None:
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), before, after))
    with pytest.raises(AssertionError):
        test()


# Refusals.


def test_what_does_not_fit_is_refused() -> None:
    space, head = heads()["bits"]
    with pytest.raises(ValueError, match=r"order is \[0, 0, 1, 2, 3, 4\]; expected every number from 0 to 5 once"):
        Linear(space, head, order=[0, 0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="sites of 3 components; expected 1 or 1"):
        Linear(LEVELS, heads()["colour"][1])
    with pytest.raises(ValueError, match="labels is True, but the data have no labels"):
        Linear(LEVELS, heads()["levels"][1], labels=True)


def test_what_cannot_be_scored_is_refused() -> None:
    model = build("levels")
    with pytest.raises(ValueError, match=r"x holds 0\.3; this model has probabilities of the 5 levels"):
        model.log_prob(torch.full((1, 1, 2, 2), 0.3))
    with pytest.raises(ValueError, match="was built for"):
        model.log_prob(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="trained without labels"):
        model.log_prob(torch.zeros(1, 1, 2, 2), torch.zeros(1))
    with pytest.raises(ValueError, match="expected 2 labels from 0 to 2"):
        build("bits", labels=True).sample(2, torch.tensor([0, 3]))
    loss = model.loss(Batch(torch.full((1, 1, 2, 2), 0.3), torch.arange(1)), player="model", step=0).loss
    assert loss.isnan()


def test_what_cannot_be_completed_is_refused() -> None:
    model, x = build("colour"), torch.full((1, 3, 1, 2), -1.0)
    known = torch.zeros(3, 1, 2, dtype=torch.bool)
    known[0, 0, 1] = True
    with pytest.raises(ValueError, match="some channels of a pixel"):
        model.complete(x, known)
    known[:, 0, 0], known[:, 0, 1] = True, False
    with pytest.raises(ValueError, match="1 of 2 sites are known, but they do not come first"):
        model.complete(x, known)
    with pytest.raises(ValueError, match=r"known is torch.float64 of \(2,\); expected bool"):
        model.complete(x, torch.zeros(2))
    backwards = build("bits", twice=True)
    with pytest.raises(ValueError, match="method is 'cached', and this family keeps no cache"):
        backwards.sample(9, options=AutoregressiveSampling(method="cached"))
