from collections.abc import Callable

import pytest
import scipy.stats
import torch
from torch import Tensor

from veridical.config.families.adversarial import AugmentationName
from veridical.objectives import augmentation
from veridical.objectives.augmentation import augment, cut_out, recolour, translate

FALSE_ALARM = 1e-4  # of every statistical test below; seeds are fixed
ALL: tuple[AugmentationName, ...] = ("colour", "translation", "cutout")
KINDS = [("colour",), ("translation",), ("cutout",), ALL]


def images(n: int = 6, side: int = 16, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, side, side, generator=generator, dtype=torch.float64) * 2 - 1


def shifts(n: int) -> tuple[Tensor, Tensor]:
    return torch.arange(n) % 5 - 2, torch.arange(n) * 3 % 5 - 2


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_no_strength_changes_nothing(kinds: tuple[AugmentationName, ...]) -> None:
    x = images()
    torch.testing.assert_close(augment(x, kinds, 0.0), x)
    assert torch.equal(augment(x, ()), x)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_every_image_is_changed_in_its_own_way(kinds: tuple[AugmentationName, ...]) -> None:
    torch.manual_seed(0)
    x = images()[:1].expand(200, -1, -1, -1)
    changed = augment(x, kinds)
    assert changed.shape == x.shape
    assert len(changed.unique(dim=0)) >= 25  # all shifts of at most 2, and more of the others
    assert not torch.equal(augment(x, kinds), changed)


def test_translation_moves_pixels() -> None:
    x = images()
    down, right = shifts(len(x))
    got = translate(x, down, right)
    for i in range(len(x)):
        dy, dx = int(down[i]), int(right[i])
        rolled = x[i].roll((dy, dx), (1, 2))
        inner = (slice(None), slice(2, -2), slice(2, -2))
        assert torch.equal(got[i][inner], rolled[inner])
        assert dy <= 0 or (got[i][:, :dy] == 0).all()
        assert dx >= 0 or (got[i][:, :, dx:] == 0).all()


def test_recolouring_in_words() -> None:
    x = images()
    one, zero = torch.ones(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype)
    torch.testing.assert_close(recolour(x, zero, one, one), x)
    torch.testing.assert_close(recolour(x, 0.25 * one, one, one), x + 0.25)
    grey = recolour(x, zero, zero, one)
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand_as(x))
    flat = recolour(x, zero, one, zero)
    torch.testing.assert_close(flat, x.mean((1, 2, 3), keepdim=True).expand_as(x))


def test_a_cut_out_covers_what_it_says() -> None:
    x = torch.ones(3, 1, 8, 8)
    got = cut_out(x, torch.tensor([2, -2, 6]), torch.tensor([1, 0, -9]), (4, 4))
    assert [int(64 - image.sum()) for image in got] == [16, 8, 0]
    assert (got[0, 0, 2:6, 1:5] == 0).all() and (got[1, 0, :2, :4] == 0).all()


def reach(transform: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a transformation adds to its value at 0: its linear part."""
    return transform(x) - transform(torch.zeros_like(x))


@pytest.mark.parametrize("kind", ALL)
def test_gradients_are_those_of_the_same_transformation(kind: str) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩, where Aᵀ y is what autograd returns."""
    x, y = images(), images().flip(0).flip(-1)
    down, right = shifts(len(x))
    amount = torch.linspace(0.5, 1.5, len(x), dtype=x.dtype)
    transform = {
        "translation": lambda v: translate(v, down, right),
        "cutout": lambda v: cut_out(v, down, right, (8, 8)),
        "colour": lambda v: recolour(v, amount - 1, amount, 2 - amount),
    }[kind]
    leaf = x.clone().requires_grad_()
    (transform(leaf) * y).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close((reach(transform, x) * y).sum(), (x * leaf.grad).sum())
    assert torch.autograd.gradcheck(transform, (images(side=2).requires_grad_(),))


def adjoint_holds() -> None:
    x, y = images(), images().flip(0).flip(-1)
    down, right = shifts(len(x))
    left_side, right_side = (translate(x, down, right) * y).sum(), (x * translate(y, -down, -right)).sum()
    torch.testing.assert_close(left_side, right_side)


def test_the_adjoint_of_a_shift_is_the_opposite_shift() -> None:
    adjoint_holds()


def wrapping(x: Tensor, by: Tensor, axis: int) -> Tensor:
    """Mutant: what leaves on one side comes in on the other for half of the images."""
    return torch.stack([row.roll(int(k), axis - 1) if k > 0 else row for row, k in zip(x, by, strict=True)])


def repeating(x: Tensor, by: Tensor, axis: int) -> Tensor:
    """Mutant: the border is repeated, as if the mask were forgotten."""
    source = (torch.arange(x.shape[axis]) - by[:, None]).clamp(0, x.shape[axis] - 1)
    shape = [len(x), 1, 1, 1]
    shape[axis] = x.shape[axis]
    return x.gather(axis, source.reshape(shape).expand_as(x))


@pytest.mark.parametrize("mutant", [wrapping, repeating])
def test_other_borders_break_the_adjoint(mutant: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "_shift", mutant)
    with pytest.raises(AssertionError):
        adjoint_holds()


def test_colours_and_shifts_commute_with_a_shift() -> None:
    """Covariance: shifting first or last is the same, for recolouring of a shifted image that lost nothing."""
    x = torch.zeros(4, 3, 16, 16, dtype=torch.float64)
    x[:, :, 4:12, 4:12] = images(4, 8)
    down, right = shifts(4)
    one = torch.ones(4, dtype=x.dtype)
    first = recolour(translate(x, down, right), 0 * one, 1.5 * one, 0.7 * one)
    then = recolour(x, 0 * one, 1.5 * one, 0.7 * one)
    for i in range(4):
        torch.testing.assert_close(first[i], then[i].roll((int(down[i]), int(right[i])), (1, 2)))
    both = translate(translate(x, down, right), right, down)
    torch.testing.assert_close(both, translate(x, down + right, right + down))


def test_shifts_and_places_are_uniform() -> None:
    torch.manual_seed(0)
    x = torch.zeros(20_000, 1, 8, 8)
    x[:, 0, 4, 4] = 1.0
    moved = augment(x, ("translation",)).flatten(1).argmax(1)
    counts = torch.bincount(moved, minlength=64).reshape(8, 8)[3:6, 3:6].flatten()
    assert counts.sum() == len(x) and scipy.stats.chisquare(counts.numpy()).pvalue > FALSE_ALARM
    holes = 1 - augment(torch.ones(20_000, 1, 8, 8), ("cutout",))[:, 0]
    share = holes.mean((1, 2))
    assert share.max() == 0.25 and 0.0 < share.min() < 0.25
    top = holes[:, 0].amax(1).double().mean().item()  # rows -2..6 begin a hole of 4 rows; 3 of 9 cover row 0
    assert scipy.stats.binomtest(round(top * 20_000), 20_000, 3 / 9).pvalue > FALSE_ALARM


def test_a_mean_over_many_is_near_the_image() -> None:
    """Recolouring is fair: brightness, saturation and contrast change to either side alike."""
    torch.manual_seed(0)
    x = images(1).expand(20_000, -1, -1, -1)
    mean = augment(x, ("colour",)).mean(0)
    assert (mean - x[0]).abs().max() < 6 * 0.9 / 20_000**0.5  # 768 values, each of a spread below 0.9


def test_recolouring_is_as_strong_as_in_the_paper() -> None:
    """Saturation in [0, 2] and contrast in [1/2, 3/2] scale colours; the mean moves by brightness in [-1/2, 1/2]."""
    torch.manual_seed(0)
    x = torch.tensor([0.5, -0.5])[None, :, None, None].expand(20_000, 2, 2, 2)
    changed = augment(x, ("colour",))[..., 0, 0]
    moved, scale = changed.mean(1), changed[:, 0] - changed[:, 1]
    assert scipy.stats.kstest(moved.numpy(), "uniform", (-0.5, 1)).pvalue > FALSE_ALARM
    assert 0 <= scale.min() < 0.01 and 2.7 < scale.max() <= 3
    square = scale.square()
    z = (square.mean() - (1 + 1 / 3) * (1 + 1 / 12)) / (square.std() / 20_000**0.5)
    assert 2 * scipy.stats.norm.sf(abs(float(z))) > FALSE_ALARM
