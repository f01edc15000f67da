"""Kernel distance: the definition by loops, no bias, standard errors that are those of repetition."""

import numpy as np
import pytest
import torch

from veridical.evaluation import kernel
from veridical.evaluation.kernel import KernelDistance, KernelSample, kernel_distance


def distance(x: torch.Tensor, y: torch.Tensor) -> KernelDistance:
    return kernel_distance(KernelSample(x), KernelSample(y))


def test_it_is_the_definition() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 3, generator=g).double(), torch.randn(5, 3, generator=g).double() + 0.5

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 3 + 1) ** 3)

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert distance(x, y).value == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(50, 4, generator=g), torch.randn(33, 4, generator=g)
    whole = distance(x, y)
    monkeypatch.setattr(kernel, "_BLOCK_VALUES", 7)
    assert distance(x, y) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(("shift", "n", "m"), [(0.0, 200, 200), (0.0, 300, 100), (0.15, 200, 300)])
def test_the_standard_error_is_that_of_repetition(shift: float, n: int, m: int) -> None:
    # 250 repetitions: the spread is known to 5 %, and its estimate may be up to a third too large near equal laws.
    # Coverage of 95 % measured below 89 %: probability 1e-4.
    g, results = torch.Generator().manual_seed(2), []
    for _ in range(250):
        x, y = torch.randn(n, 8, generator=g).relu(), (torch.randn(m, 8, generator=g) + shift).relu()
        results.append(distance(x, y))
    values = np.array([r.value for r in results])
    errors = np.array([r.standard_error for r in results])
    spread = values.std()
    assert 0.85 * spread <= np.sqrt((errors**2).mean()) <= 1.35 * spread
    assert np.mean(abs(values - values.mean()) <= 1.96 * errors) >= 0.89
    if shift == 0.0:
        assert abs(values.mean()) <= 4 * spread / 250**0.5  # unbiased
        nulls = np.mean([r.null_error for r in results])
        assert 0.8 * spread <= nulls <= 1.25 * spread


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="one extractor"):
        distance(torch.rand(5, 3), torch.rand(5, 4))
    with pytest.raises(ValueError, match="at least four"):
        KernelSample(torch.rand(3, 3))
