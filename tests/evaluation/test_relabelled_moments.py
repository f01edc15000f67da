"""Fréchet and kernel distances under every labelling are those of the labelled rows, computed from scratch."""

import pytest
import torch

from veridical.evaluation import relabelled_moments as page
from veridical.evaluation.exchange import exchange, exchange_test
from veridical.evaluation.frechet import frechet_distance
from veridical.evaluation.kernel import KernelSample, kernel_distance
from veridical.evaluation.relabelled_moments import relabelled_frechet, relabelled_kernel, variance_of_kernel

N, M = 50, 30


def drawn(d: int, offset: float) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.1, 2.0, d, dtype=torch.float64)
    return tuple(torch.randn(n, d, generator=g, dtype=torch.float64) * scale + offset for n in (200, N + M))  # type: ignore[return-value]


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("d", [1, 6])
def test_frechet_distances_are_those_of_the_rows(d: int, offset: float) -> None:
    (reference, pool), e = drawn(d, offset), exchange(N, M, 0, draws=10)
    expected = [frechet_distance(reference, pool[row]) - frechet_distance(reference, pool[~row]) for row in e.labels]
    assert relabelled_frechet(reference, pool, e).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("whole", [True, False])
def test_kernel_distances_are_those_of_the_rows(whole: bool, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "WHOLE", 10_000 if whole else 0)
    (reference, pool), e = drawn(3, offset), exchange(N, M, 0, draws=10)
    x = KernelSample(reference)
    expected = [
        kernel_distance(x, KernelSample(pool[row])).value - kernel_distance(x, KernelSample(pool[~row])).value
        for row in e.labels
    ]
    if not whole:
        monkeypatch.setattr(page, "WHOLE", 200)  # the reference is embedded whole
        found = page._embedded(pool, reference, reference, page.cubic_kernel(reference, reference), e)
    else:
        found = relabelled_kernel(reference, pool, e)
    size = max(abs(v) for v in expected)
    assert found.tolist() == pytest.approx(expected, abs=1e-4 * size)


def test_beyond_the_leading_components_differences_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, pool = drawn(6, 0.0)
    pool[:N, 5] += 3.0  # in the component of the largest variance
    e = exchange(N, M, 0, draws=99)
    seen = exchange_test(relabelled_frechet(reference, pool, e), e).p_value
    monkeypatch.setattr(page, "COMPONENTS", 1)
    assert seen == exchange_test(relabelled_frechet(reference, pool, e), e).p_value == pytest.approx(0.01)
    pool[:N, 5] -= 3.0
    pool[:N, 0] += 3.0
    assert exchange_test(relabelled_frechet(reference, pool, e), e).p_value > 0.05


def test_the_variance_of_a_nearly_linear_kernel_is_that_of_the_data() -> None:
    """(x.y/d + 1)^3 = 1 + 3 x.y/d + ... for small x: 3 times the variance per feature."""
    x = 1e-3 * torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert variance_of_kernel(x) == pytest.approx(3 * float(x.var(dim=0, correction=0).mean()), rel=1e-3)
