"""Invertible layers against autograd: the log-determinant, the inverse on fresh inputs, the statistics of data."""

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.mutants import mutated
from veridical.nn import coupling, dequantisation, invertible, multiscale
from veridical.nn.coupling import MaskedCoupling, SplitCoupling, alternating, checkerboard
from veridical.nn.dequantisation import Logit, Standardise
from veridical.nn.invertible import (
    LOG_SCALE,
    ActNorm,
    Chain,
    ChannelMixing,
    Invertible,
    Reshape,
    Scale,
    Squeeze,
    statistics_from_data,
)
from veridical.nn.multiscale import FactorOut, MultiScale
from veridical.training.average import EMA

pytestmark = pytest.mark.usefixtures("double_precision")


class Rough(nn.Module):
    """A conditioner with a kink, so that both sides of it are met."""

    def __init__(self, inputs: int, outputs: int, image: bool = False) -> None:
        super().__init__()
        self.map = nn.Conv2d(inputs, outputs, 3, padding=1) if image else nn.Linear(inputs, outputs)
        nn.init.normal_(self.map.weight, std=0.7)

    def forward(self, h: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu(self.map(h), 0.2)


def scattered(layer: Invertible) -> Invertible:
    """The layer with random parameters and statistics of data."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
        for module in layer.modules():
            if isinstance(module, ActNorm):
                module.centre.normal_()
                module.spread.uniform_(0.3, 2.0)
    return layer


def multiscale_flow() -> MultiScale:
    first, second = Squeeze((1, 2, 4)), Squeeze((2, 1, 2))
    scales = [
        Chain([first, ActNorm(4), ChannelMixing(4), SplitCoupling(4, Rough(2, 4, image=True), "affine")]),
        Chain([second, ActNorm(4), ChannelMixing(4), SplitCoupling(4, Rough(2, 4, image=True), "affine", flip=True)]),
    ]
    return MultiScale(scales, [FactorOut(4)], [first.shape, second.shape])


LAYERS: dict[str, tuple[Callable[[], Invertible], tuple[int, ...]]] = {
    "act norm": (lambda: ActNorm(3), (3,)),
    "act norm of sites": (lambda: ActNorm(2), (2, 2, 1)),
    "scale": (lambda: Scale(3), (3,)),
    "mixing": (lambda: ChannelMixing(5), (5,)),
    "mixing of sites": (lambda: ChannelMixing(3), (3, 1, 2)),
    "split additive": (lambda: SplitCoupling(3, Rough(1, 2), "additive"), (3,)),
    "split affine": (lambda: SplitCoupling(3, Rough(1, 4), "affine"), (3,)),
    "split affine, flipped": (lambda: SplitCoupling(3, Rough(2, 2), "affine", flip=True), (3,)),
    "masked affine": (lambda: MaskedCoupling(alternating(5, odd=False), Rough(5, 10), "affine"), (5,)),
    "chessboard": (lambda: MaskedCoupling(checkerboard(2, 3, odd=True), Rough(1, 2, image=True), "affine"), (1, 2, 3)),
    "squeeze": (lambda: Squeeze((1, 2, 3)), (1, 2, 3)),
    "reshape": (lambda: Reshape((2, 1, 2), (4,)), (2, 1, 2)),
    "standardise": (lambda: Standardise(3.0, 0.5), (3,)),
    "logit": (lambda: Logit(-1.0, 2.0, 0.05), (3,)),
    "two affine maps": (lambda: Chain([ActNorm(3), Scale(3), ActNorm(3)]), (3,)),
    "several scales": (multiscale_flow, (1, 2, 4)),
}
MOVES_ONLY = ("split additive", "squeeze", "reshape")


def check_jacobian(name: str) -> None:
    """On six inputs, both sides of every kink among them: log-determinants of autograd, and the inverse."""
    build, shape = LAYERS[name]
    layer = scattered(build())
    x = 0.3 * torch.randn(6, *shape) if name == "logit" else torch.randn(6, *shape)
    z, log_det = layer(x)
    jacobians = [torch.autograd.functional.jacobian(lambda y: layer(y[None])[0][0], row) for row in x]
    d = math.prod(shape)
    exact = torch.stack([torch.linalg.slogdet(j.reshape(d, d)).logabsdet for j in jacobians])  # type: ignore[union-attr]
    assert log_det.shape == (6,)
    torch.testing.assert_close(log_det, exact, rtol=0, atol=1e-8)
    back, log_det_back = layer.inverse(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=1e-8)
    fresh = 0.3 * torch.randn_like(z)  # never the image of anything
    again, forth = layer(layer.inverse(fresh)[0])[0], layer(layer.inverse(fresh)[0])[1]
    torch.testing.assert_close(again, fresh, rtol=0, atol=1e-8)
    torch.testing.assert_close(forth, -layer.inverse(fresh)[1], rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", LAYERS)
def test_log_determinants_are_those_of_autograd(name: str) -> None:
    check_jacobian(name)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in MOVES_ONLY])
def test_the_log_determinant_is_not_zero(name: str) -> None:
    """A test on a map that keeps volumes could not see a wrong sign."""
    torch.manual_seed(2)
    build, shape = LAYERS[name]
    layer = scattered(build())
    log_det = layer(0.3 * torch.randn(6, *shape))[1].abs()
    assert (log_det > 0.01).all() and log_det.max() > 0.05


MUTANTS: dict[str, tuple[Any, str, str, str, str]] = {
    "sign of the inverse": (ActNorm, "inverse", "-log_det", "log_det", "act norm"),
    "one site only": (ActNorm, "_scale", "sites_of(x) * ", "", "act norm of sites"),
    "sign of the scales": (Scale, "inverse", "-(sites_of(z)", "(sites_of(z)", "scale"),
    "sum over the batch": (SplitCoupling, "_moved", "log_scale.flatten(1).sum(1)", "log_scale.sum()", "split affine"),
    "the kept half moves": (
        SplitCoupling,
        "_moved",
        "(second, first) if self.flip",
        "(first, second) if self.flip",
        "split affine, flipped",
    ),
    "what is kept counts": (MaskedCoupling, "_moved", "(changed * log_scale)", "log_scale", "masked affine"),
    "the network sees what it moves": (MaskedCoupling, "_moved", "self.mask * x, context", "x, context", "chessboard"),
    "one site of a mixing": (ChannelMixing, "forward", "sites_of(x) * ", "", "mixing of sites"),
    "no permutation": (ChannelMixing, "forward", "[self.permutation]", "", "mixing"),
    "the permutation is not inverted": (
        ChannelMixing,
        "inverse",
        "[self.permutation].T",
        "[self.permutation]",
        "mixing",
    ),
    "blocks in another order": (Squeeze, "inverse", "(0, 1, 4, 2, 5, 3)", "(0, 1, 4, 3, 5, 2)", "squeeze"),
    "the margin is forgotten": (Logit, "inverse", "(torch.sigmoid(z) - self.margin)", "torch.sigmoid(z)", "logit"),
    "the width is forgotten": (Logit, "_constant", "/ self.width", "", "logit"),
    "the components are forgotten": (Standardise, "_log_det", " * math.prod(x.shape[1:])", "", "standardise"),
    "the split is free": (
        FactorOut,
        "split",
        "log_scale.flatten(1).sum(1)",
        "0 * log_scale.flatten(1).sum(1)",
        "several scales",
    ),
    "only the last layer counts": (Chain, "forward", "total + log_det", "log_det", "two affine maps"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, method, before, after, layer = MUTANTS[name]
    monkeypatch.setattr(kind, method, mutated(getattr(kind, method), before, after))
    with pytest.raises((AssertionError, RuntimeError)):
        check_jacobian(layer)


def test_every_layer_has_a_case() -> None:
    modules = (invertible, coupling, multiscale, dequantisation)
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Invertible) and kind is not Invertible
    }
    met = {type(layer) for build, _ in LAYERS.values() for layer in build().modules() if isinstance(layer, Invertible)}
    assert kinds == met


def test_two_affine_maps_by_hand() -> None:
    """The density of the base is taken at the last code: N(0, 1) behind x -> 2 (3 x + 1)."""
    first, second = ActNorm(1), ActNorm(1)
    with torch.no_grad():
        first.log_scale.fill_(LOG_SCALE * math.atanh(math.log(3) / LOG_SCALE))
        first.shift.fill_(1.0)
        second.log_scale.fill_(LOG_SCALE * math.atanh(math.log(2) / LOG_SCALE))
    z, log_det = Chain([first, second])(torch.tensor([[0.5]]))
    assert z.item() == pytest.approx(2 * (3 * 0.5 + 1)) and log_det.item() == pytest.approx(math.log(6))


def test_a_thousand_small_scales_do_not_underflow() -> None:
    layer = Scale(1000)
    with torch.no_grad():
        layer.log_scale.fill_(LOG_SCALE * math.atanh(-2 / LOG_SCALE))
    assert layer(torch.ones(1, 1000))[1].item() == pytest.approx(-2000)


def test_scales_stay_within_bounds() -> None:
    for build in (lambda: Scale(1), lambda: ActNorm(1)):
        layer = build()
        for h in (-1e6, 1e6):
            with torch.no_grad():
                layer.log_scale.fill_(h)
            z, log_det = layer(torch.ones(1, 1))
            assert 0 < z.item() < math.inf and abs(log_det.item()) <= LOG_SCALE + 1e-9


def test_examples_do_not_depend_on_their_batch() -> None:
    flow, x = scattered(multiscale_flow()), torch.randn(5, 1, 2, 4)
    z, log_det = flow(x)
    for i, j in itertools.product(range(5), (1, 3)):
        some = x.roll(-i, 0)[:j]
        torch.testing.assert_close(flow(some)[0], z.roll(-i, 0)[:j], rtol=0, atol=1e-12)
        torch.testing.assert_close(flow(some)[1], log_det.roll(-i, 0)[:j], rtol=0, atol=1e-12)


def test_the_first_data_are_standardised_and_no_others() -> None:
    layer, data = ActNorm(2), 3 + 5 * torch.randn(1000, 2, 3)
    layer(data)
    layer.inverse(data)
    assert not layer.ready and layer.centre.abs().sum() == 0  # neither a score nor a sample sets it
    with statistics_from_data(layer):
        z = layer(data)[0]
        assert layer.ready
        centre = layer.centre.clone()
        layer(7 * data)
    assert z.mean((0, 2)).abs().max() < 1e-12 and (z.var((0, 2), correction=0) - 1).abs().max() < 1e-12
    assert torch.equal(layer.centre, centre)  # a second batch changes nothing
    assert layer.ready.dtype == torch.bool


def test_a_second_batch_that_counts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = "torch.where(self.ready, self.centre, moments[0])"
    monkeypatch.setattr(ActNorm, "_collect", mutated(ActNorm._collect, before, "moments[0]"))
    with pytest.raises(AssertionError):
        test_the_first_data_are_standardised_and_no_others()


def test_statistics_survive_saving_and_averaging() -> None:
    layer = ActNorm(2)
    average = EMA(layer, 0.9)
    with statistics_from_data(layer):
        layer(5 + torch.randn(100, 2))
    average.advance()
    average.apply()
    other = ActNorm(2)
    other.load_state_dict(layer.state_dict())
    with statistics_from_data(other):
        other(torch.randn(100, 2) - 100)
    assert torch.equal(other.centre, layer.centre) and bool(other.ready)
    centre = layer.centre.clone()
    average.swap()
    assert bool(layer.ready) and torch.equal(layer.centre, centre)


def share_statistics(rank: int, address: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    layer, x = ActNorm(1), torch.tensor([[0.0], [2.0], [10.0], [20.0]])
    with statistics_from_data(layer):
        layer(x[2 * rank : 2 * rank + 2])
    assert torch.equal(layer.centre, x.mean(0)), rank
    torch.testing.assert_close(layer.spread, x.std(0, correction=0))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_take_the_statistics_of_all_examples(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(share_statistics, args=(f"file://{tmp_path}/meet",), nprocs=2)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    layer = ActNorm(1)
    with statistics_from_data(layer):
        z, log_det = layer(torch.full((4, 1), 3.0))
    assert z.abs().max() == 0 and log_det.isfinite().all()


def test_a_mixing_starts_as_a_rotation() -> None:
    torch.manual_seed(3)
    layer = ChannelMixing(4)
    W = layer(torch.eye(4))[0].T
    torch.testing.assert_close(W @ W.T, torch.eye(4), rtol=0, atol=1e-9)


def test_a_copy_has_its_own_statistics() -> None:
    layer = ActNorm(1)
    twin = copy.deepcopy(layer)
    with statistics_from_data(layer):
        layer(torch.randn(8, 1))
    assert not twin.ready
