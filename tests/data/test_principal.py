"""Principal components against numpy, and the iteration against the exact ones."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.mutants import mutated

from veridical.data import principal
from veridical.data.dataset import ArrayData
from veridical.data.principal import principal_components


def data_of(n: int = 50, dim: int = 8) -> ArrayData:
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=random)).Q
    return ArrayData(torch.randn(n, dim, generator=random) * 0.6 ** torch.arange(dim) @ turn + 3.0)


def test_they_are_those_of_numpy() -> None:
    data = data_of()
    x = data.batch(torch.arange(50)).x.double().numpy()
    _, values, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
    found = principal_components(data, 3)
    np.testing.assert_allclose(found.variances, values[:3] ** 2 / 50, rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.axes.numpy() @ axes[:3].T), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.scores(data).abs().numpy(), np.abs((x - x.mean(0)) @ axes[:3].T), atol=1e-9)
    assert (found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_errors_are_distances_from_the_projections() -> None:
    data = data_of()
    x = data.batch(torch.arange(50)).x.double()
    found = principal_components(data, 4)
    errors = found.errors(data)
    for k in range(5):
        axes = found.axes[:k]
        projected = found.mean + (x - found.mean) @ axes.T @ axes
        torch.testing.assert_close(errors[:, k], (x - projected).square().sum(1))


def test_the_iteration_finds_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(60, 40)
    exact = principal_components(data, 3)
    monkeypatch.setattr(principal, "LARGEST", 10)
    found = principal_components(data, 3)
    torch.testing.assert_close(found.axes, exact.axes, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.variances, exact.variances)


def test_they_do_not_depend_on_how_the_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = principal_components(data_of(), 2)
    monkeypatch.setattr(principal, "_CHUNK", 7)
    torch.testing.assert_close(principal_components(data_of(), 2).axes, whole.axes)


@pytest.mark.parametrize("k", [0, 9])
def test_as_many_as_there_are_not_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match="at most 8"):
        principal_components(data_of(), k)


MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "about the origin": ("_exact", "(x - mean).T, x - mean", "x.T, x", test_they_are_those_of_numpy),
    "the smallest first": ("_exact", ".flip(1)", "", test_they_are_those_of_numpy),
    "a sum of squares": (
        "principal_components", ".clamp(min=0) / len(data)", ".clamp(min=0)",
        test_they_are_those_of_numpy,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after, test = MUTANTS[name]
    wrong = mutated(getattr(principal, function), before, after)
    monkeypatch.setattr(principal, function, wrong)
    if function in globals():
        monkeypatch.setitem(globals(), function, wrong)
    with pytest.raises(AssertionError):
        test()
