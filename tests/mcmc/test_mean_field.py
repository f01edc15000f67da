"""Two layers summed out: the sum by enumeration, the bound below it, never falling, and where it is tight; mutants."""

from collections.abc import Callable

import pytest
import torch
from tests.mutants import is_noticed
from torch import Tensor

from veridical.mcmc import mean_field as module
from veridical.mcmc.mean_field import log_sum, mean_field
from veridical.mcmc.units import Binary, Layer, Spin, Units

pytestmark = pytest.mark.usefixtures("double_precision")

KINDS: list[tuple[Units, Units]] = [(Binary(), Binary()), (Spin(), Spin()), (Binary(), Spin())]


Given = tuple[Tensor, Layer, Layer, Tensor]
"""Weights, layers and fields."""


def layers(first: Units, second: Units, scale: float = 1.0, sites: tuple[int, int] = (3, 2)) -> Given:
    random = torch.Generator().manual_seed(3)
    shapes = (sites, sites[:1], sites[1:], (5, sites[0]))
    W, c, d, field = (scale * torch.randn(shape, generator=random) for shape in shapes)
    return W, Layer(first, c), Layer(second, d), field


def brute(W: Tensor, first: Layer, second: Layer, field: Tensor) -> Tensor:
    h, g = first.states(), second.states()
    nats = (field @ h.T)[:, :, None] + (h @ W @ g.T) + g @ second.bias
    return nats.flatten(1).logsumexp(1)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("sites", [(3, 2), (2, 3), (2, 2)])
def test_the_sum_lists_the_smaller_layer(
    kinds: tuple[Units, Units], sites: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = layers(*kinds, sites=sites)
    for chunk in (1, 1 << 22):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        torch.testing.assert_close(log_sum(*given), brute(*given))


def check_the_bound(kinds: tuple[Units, Units]) -> None:
    """Below the sum, never falling with the updates, and the value of sum q log(e^... / q) at the means."""
    W, first, second, field = given = layers(*kinds, scale=1.5)
    exact, before = brute(*given), torch.full((5,), -torch.inf)
    for updates in (1, 2, 5, 200):
        found = mean_field(*given, updates)
        assert (found.bound <= exact + 1e-12).all() and (found.bound >= before - 1e-12).all()
        before = found.bound
    assert (exact - before).max() > 1e-3 and found.change < 1e-9
    short = mean_field(*given, 2)
    assert short.change > 1e-3
    torch.testing.assert_close(short.bound, written_out(W, first, second, field, short))


def written_out(W: Tensor, first: Layer, second: Layer, field: Tensor, found: module.MeanField) -> Tensor:
    """Sum over all states of q log(e^... / q)."""
    h, g = first.states(), second.states()
    q_h = torch.softmax(found.field @ h.T, 1)
    beta = field.new_tensor(0) + second.units.field(found.second, None)
    q_g = torch.softmax(beta @ g.T, 1)
    nats = (field @ h.T)[:, :, None] + (h @ W @ g.T) + g @ second.bias
    q = q_h[:, :, None] * q_g[:, None]
    return (q * (nats - q.log())).sum((1, 2))


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_the_bound_is_one(kinds: tuple[Units, Units]) -> None:
    check_the_bound(kinds)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_it_is_tight_without_coupling(kinds: tuple[Units, Units]) -> None:
    W, first, second, field = layers(*kinds)
    torch.testing.assert_close(mean_field(0 * W, first, second, field, 1).bound, brute(0 * W, first, second, field))


def test_rows_do_not_know_of_each_other() -> None:
    W, first, second, field = layers(Binary(), Binary())
    whole, alone = (mean_field(W, first, second, part, 3).bound for part in (field, field[2:3]))
    torch.testing.assert_close(whole[2:3], alone)


MUTANTS: list[tuple[str, str, str, Callable[[], None]]] = [
    ("mean_field", "- ((other", "+ ((other", lambda: check_the_bound(KINDS[0])),
    ("mean_field", "field + nu", "whole + nu", lambda: check_the_bound(KINDS[0])),
    ("mean_field", "(other - second.bias)", "other", lambda: check_the_bound(KINDS[0])),
    ("mean_field", "(mu - before)", "(mu - mu)", lambda: check_the_bound(KINDS[0])),
    ("log_sum", "+ some @ second.bias", "", lambda: check_the_bound_of_the_sum()),
    ("log_sum", "second.bias + h @", "h @", lambda: check_the_bound_of_the_sum()),
]


def check_the_bound_of_the_sum() -> None:
    for sites in ((3, 2), (2, 3)):
        given = layers(*KINDS[0], sites=sites)
        assert torch.allclose(log_sum(*given), brute(*given))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[0]}: {m[1]}")
def test_mutants_are_found(mutant: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, check = mutant
    monkeypatch.setitem(globals(), planted[0], getattr(module, planted[0]))
    is_noticed(check, monkeypatch, module, *planted)
