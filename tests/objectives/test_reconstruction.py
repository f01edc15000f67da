"""Losses of reconstruction against their definition, their invariances and autograd."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tests.mutants import mutated
from torch import Tensor, nn

from veridical.evaluation.extractors import Fashion28
from veridical.objectives import reconstruction
from veridical.objectives.reconstruction import (
    absolute_error,
    default_levels,
    down,
    kept_detail,
    laplacian_l1,
    laplacian_pyramid,
    perceptual,
    psnr,
    rebuild,
    squared_error,
    up,
)

SIZES = [(28, 28), (7, 9), (5, 16), (1, 3), (2, 2), (13, 1)]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def in_numpy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blur by the formula, pixel by pixel, and interpolate: (coarse, interpolated), independent of torch."""
    kernel, (height, width) = np.array([1, 4, 6, 4, 1]) / 16, x.shape
    padded = np.pad(x, 2, mode="edge")
    coarse = np.array(
        [
            [kernel @ padded[i : i + 5, j : j + 5] @ kernel for j in range(0, width, 2)]  # centred at (i, j)
            for i in range(0, height, 2)
        ]
    )
    rows = np.apply_along_axis(_interpolate, 0, coarse, height)
    return coarse, np.apply_along_axis(_interpolate, 1, rows, width)


def _interpolate(line: np.ndarray, size: int) -> np.ndarray:
    before, after = np.append(line[:1], line[:-1]), np.append(line[1:], line[-1:])
    fine = np.empty(2 * len(line))
    fine[0::2], fine[1::2] = (before + 6 * line + after) / 8, (line + after) / 2
    return fine[:size]


@pytest.mark.parametrize("size", SIZES)
def test_the_pyramid_rebuilds_the_image(size: tuple[int, int]) -> None:
    x = randn(2, 3, *size).float()
    for levels in (None, 1, 2, 4):
        torch.testing.assert_close(rebuild(laplacian_pyramid(x, levels)), x, rtol=0, atol=1e-6)


def test_its_sizes_are_halved_and_rounded_up() -> None:
    shapes = [tuple(level.shape[2:]) for level in laplacian_pyramid(randn(1, 1, 28, 13))]
    assert shapes == [(28, 13), (14, 7), (7, 4)] and default_levels(28, 13) == 3


@pytest.mark.parametrize("size", SIZES)
def test_it_is_that_of_burt_and_adelson(size: tuple[int, int]) -> None:
    x = randn(1, 1, *size)
    coarse, fine = in_numpy(x[0, 0].numpy())
    np.testing.assert_allclose(down(x)[0, 0], coarse, atol=1e-12)
    np.testing.assert_allclose(up(down(x), *size)[0, 0], fine, atol=1e-12)
    np.testing.assert_allclose(laplacian_pyramid(x, 2)[0][0, 0], x[0, 0].numpy() - fine, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_a_constant_changes_the_coarsest_level_alone(size: tuple[int, int]) -> None:
    x, c = randn(2, 1, *size), -0.7
    changes = [a - b for a, b in zip(laplacian_pyramid(x + c, 3), laplacian_pyramid(x, 3), strict=True)]
    for change, expected in zip(changes, (0.0, 0.0, c), strict=True):
        torch.testing.assert_close(change, torch.full_like(change, expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(laplacian_l1(x, x + c), torch.full((2,), abs(c), dtype=x.dtype))


def test_lap1_has_the_weights_of_the_paper() -> None:
    x, y = randn(3, 2, 16, 32), randn(3, 2, 16, 32, seed=1)
    levels = zip(laplacian_pyramid(x, 4), laplacian_pyramid(y, 4), strict=True)
    paper = sum(4**j * (a - b).abs().flatten(1).sum(1) for j, (a, b) in enumerate(levels))
    torch.testing.assert_close(laplacian_l1(x, y, 4), paper / (2 * 16 * 32))


def test_invariances() -> None:
    x, y = randn(2, 1, 9, 13), randn(2, 1, 9, 13, seed=1)
    order = torch.randperm(9 * 13, generator=torch.Generator().manual_seed(0))
    for loss in (squared_error, absolute_error):
        shuffled = [v.flatten(1)[:, order] for v in (x, y)]
        torch.testing.assert_close(loss(*shuffled), loss(x, y))
        torch.testing.assert_close(loss(y, x), loss(x, y))
    for change in (lambda v: v.mT, lambda v: v.flip(-1), lambda v: v.flip(-2), lambda v: 5.0 - v):
        torch.testing.assert_close(laplacian_l1(change(x), change(y)), laplacian_l1(x, y))


def test_units() -> None:
    x, y, a = randn(2, 1, 9, 8), randn(2, 1, 9, 8, seed=1), 3.0
    torch.testing.assert_close(squared_error(a * x, a * y), a**2 * squared_error(x, y))
    for loss in (absolute_error, laplacian_l1):
        torch.testing.assert_close(loss(a * x, a * y), a * loss(x, y))
    torch.testing.assert_close(psnr(a * x, a * y, a * 2.0), psnr(x, y, 2.0))


def test_the_number_of_copies_does_not_matter() -> None:
    x, y = randn(1, 1, 8, 8), randn(1, 1, 8, 8, seed=1)
    for loss in (squared_error, absolute_error, laplacian_l1):
        torch.testing.assert_close(loss(x.expand(1, 5, 8, 8), y.expand(1, 5, 8, 8)), loss(x, y))


def gradient(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    y = y.clone().requires_grad_()
    return torch.autograd.grad(loss(x, y).sum(), y)[0]


def test_gradients_in_closed_form() -> None:
    x, y = randn(2, 3, 5), randn(2, 3, 5, seed=1)
    torch.testing.assert_close(gradient(squared_error, x, y), 2 * (y - x) / 15)
    torch.testing.assert_close(gradient(absolute_error, x, y), (y - x).sign() / 15)


def test_the_gradient_of_lap1_is_that_of_finite_differences() -> None:
    x, y, direction = randn(1, 1, 7, 6), randn(1, 1, 7, 6, seed=1), randn(1, 1, 7, 6, seed=2)
    step = 1e-7
    slope = (laplacian_l1(x, y + step * direction) - laplacian_l1(x, y - step * direction)) / (2 * step)
    assert (gradient(laplacian_l1, x, y) * direction).sum().item() == pytest.approx(slope.item(), rel=1e-6)


def test_perceptual_of_the_image_itself_is_the_squared_error() -> None:
    x, y = randn(4, 1, 6, 6), randn(4, 1, 6, 6, seed=1)
    torch.testing.assert_close(perceptual(x, y, lambda v: v), squared_error(x, y))
    both = perceptual(x, y, lambda v: [v, 2 * v.mean((2, 3))])
    torch.testing.assert_close(both, squared_error(x, y) + 4 * (x - y).mean((1, 2, 3)).square())


def test_perceptual_ignores_what_the_features_ignore() -> None:
    x, y = randn(2, 1, 6, 6), randn(2, 1, 6, 6, seed=1)
    pooled = perceptual(x, y, lambda v: v.mean((2, 3)))
    torch.testing.assert_close(perceptual(x, y.roll(2, -1), lambda v: v.mean((2, 3))), pooled)


def test_its_gradient_is_that_of_the_chain_rule() -> None:
    x, y, network = randn(2, 4), randn(2, 4, seed=1), nn.Linear(4, 3).double()
    W = network.weight.detach()
    found = gradient(lambda a, b: perceptual(a, b, network), x, y)
    torch.testing.assert_close(found, 2 * (y - x) @ W.T @ W / 3)
    assert network.weight.grad is None


def test_perceptual_takes_a_shipped_extractor() -> None:
    x, extractor = torch.zeros(2, 1, 28, 28), Fashion28()
    slope = gradient(lambda a, b: perceptual(a, b, extractor), x, x + 0.3)
    assert slope.shape == x.shape and slope.abs().sum() > 0


def test_features_without_a_gradient_are_refused() -> None:
    x = torch.zeros(1, 3)
    with pytest.raises(ValueError, match="no gradient"):
        perceptual(x, x.clone().requires_grad_(), torch.no_grad()(lambda v: 2 * v))
    assert perceptual(x, x, torch.no_grad()(lambda v: 2 * v)) == 0


def test_psnr_of_a_known_error() -> None:
    x = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    restored = torch.stack([x[0] + 0.2, x[1]])
    assert psnr(x, restored, span=2.0).tolist() == pytest.approx([20.0, math.inf])


def test_blur_loses_detail_and_noise_adds_none() -> None:
    x = randn(200, 1, 16, 16)

    def share(restored: Tensor) -> float:
        kept, own = kept_detail(x, restored)
        return float(kept.sum() / own.sum())

    assert share(x) == pytest.approx(1) and share(0.5 * x + 3) == pytest.approx(0.5)
    assert share(torch.full_like(x, 0.3)) == pytest.approx(0, abs=1e-12)
    assert 0 < share(up(down(x), 16, 16)) < 0.3
    # Noise of the same size: 200 x 256 products of mean 0, neighbours of which correlate; false alarm below 1e-6.
    assert abs(share(randn(200, 1, 16, 16, seed=1))) < 0.05


@pytest.mark.parametrize(("shape", "levels", "words"), [((2, 3, 4), None, "B, C, H, W"), ((1, 1, 4, 4), 0, "levels")])
def test_what_is_no_pyramid_is_refused(shape: tuple[int, ...], levels: int | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        laplacian_pyramid(torch.zeros(shape), levels)


class Mutant(NamedTuple):
    """A wrong line of a function, and the test that notices it."""

    function: str
    before: str
    after: str
    test: Callable[..., None]
    arguments: tuple[tuple[int, int], ...] = ()


MUTANTS = {
    "a kernel of sum 1 on inserted zeros": Mutant(
        "up", "/ 64", "/ 256", test_a_constant_changes_the_coarsest_level_alone, ((7, 9),)
    ),
    "interpolation half a pixel off": Mutant(
        "up", "4 : 4 + height", "3 : 3 + height", test_it_is_that_of_burt_and_adelson, ((7, 9),)
    ),
    "zeros beyond the border": Mutant(
        "down", 'mode="replicate"', 'mode="constant"', test_a_constant_changes_the_coarsest_level_alone, ((7, 9),)
    ),
    "the wrong border to interpolate": Mutant(
        "up", 'mode="replicate"', 'mode="constant"', test_a_constant_changes_the_coarsest_level_alone, ((7, 9),)
    ),
    "levels are not interpolated to their own size": Mutant(
        "rebuild", "x = band + up(", "x = band - up(", test_the_pyramid_rebuilds_the_image, ((7, 9),)
    ),
    "sums over pixels of every level": Mutant(
        "laplacian_l1", ".mean(1) for", ".sum(1) for", test_lap1_has_the_weights_of_the_paper
    ),
    "squares instead of absolute values": Mutant(
        "laplacian_l1", ".abs()", ".square()", test_lap1_has_the_weights_of_the_paper
    ),
    "a sum of squares": Mutant("squared_error", ".mean(1)", ".sum(1)", test_gradients_in_closed_form),
    "the span is not squared": Mutant("decibels", "span**2", "span", test_psnr_of_a_known_error),
    "natural logarithms": Mutant("decibels", "torch.log10", "torch.log", test_psnr_of_a_known_error),
    "the goal has a gradient, the restored image none": Mutant(
        "perceptual", "zip(goals, found,", "zip(goals, [f.detach() for f in found],",
        test_its_gradient_is_that_of_the_chain_rule,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    wrong = mutated(getattr(reconstruction, mutant.function), mutant.before, mutant.after)
    monkeypatch.setattr(reconstruction, mutant.function, wrong)
    monkeypatch.setitem(globals(), mutant.function, wrong)
    with pytest.raises((AssertionError, RuntimeError)):
        mutant.test(*mutant.arguments)
