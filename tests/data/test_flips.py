import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from veridical.data import flips
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.flips import Flip, mirrored
from veridical.data.loader import Loader

FALSE_ALARM = 1e-4  # of every statistical test below; seeds are fixed
ARROWS = torch.tensor([[0.0, 1], [2, 3]]).expand(4000, 1, 2, 2)
ROWS = torch.arange(4000)


def chosen(step: int, seed: int = 0, rows: Tensor = ROWS, axis: Flip = "horizontal") -> np.ndarray:
    """Which images were mirrored."""
    first = mirrored(ARROWS[: len(rows)], rows, step, seed, axis)[:, 0, 0, 0].numpy()
    return first > 0


def test_none_is_the_identity_and_each_axis_is_its_own() -> None:
    assert torch.equal(mirrored(ARROWS, ROWS, 3, 0, "none"), ARROWS)
    kinds: tuple[Flip, ...] = ("none", "horizontal", "vertical", "both")
    corners = {kind: set(mirrored(ARROWS, ROWS, 3, 0, kind)[:, 0, 0, 0].tolist()) for kind in kinds}
    assert corners == {"none": {0.0}, "horizontal": {0.0, 1.0}, "vertical": {0.0, 2.0}, "both": {0.0, 1.0, 2.0, 3.0}}


def test_an_image_is_whole_or_mirrored_whole() -> None:
    x = torch.rand(50, 3, 4, 5)
    got = mirrored(x, ROWS[:50], 7, 1, "horizontal")
    for before, after in zip(x, got, strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(-1))


def pairs(one: np.ndarray, two: np.ndarray) -> float:
    """p-value of independence and fairness of two rows of bits."""
    return float(scipy.stats.chisquare(np.bincount(2 * one + two, minlength=4)).pvalue)


def mutants() -> dict:
    """Three hashes that forget one of the numbers."""
    right = flips._hash
    return {
        "step": lambda rows, step, seed: right(rows, step & 1, seed),
        "seed": lambda rows, step, seed: right(rows, step, 0),
        "row": lambda rows, step, seed: right(torch.zeros_like(rows), step, seed),
    }


def judge() -> None:
    """Every bit is fair, and independent of those of other steps, seeds, rows and axes."""
    for step in (0, 1, 10**6):
        one = chosen(step).astype(int)
        assert pairs(one, chosen(step + 1).astype(int)) > FALSE_ALARM
        assert pairs(one, chosen(step, seed=1).astype(int)) > FALSE_ALARM
        assert pairs(one[::2], one[1::2]) > FALSE_ALARM
        both = mirrored(ARROWS, ROWS, step, 0, "both")[:, 0, 0, 0].int().numpy()
        assert scipy.stats.chisquare(np.bincount(both, minlength=4)).pvalue > FALSE_ALARM


def test_flips_are_fair_and_independent() -> None:
    judge()


@pytest.mark.parametrize("forgotten", ["step", "seed", "row"])
def test_a_hash_that_forgets_a_number_is_found(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flips, "_hash", mutants()[forgotten])
    with pytest.raises(AssertionError):
        judge()


def images(n: int = 20) -> ArrayData:
    return ArrayData(np.random.default_rng(0).integers(0, 256, (n, 1, 4, 4), dtype=np.uint8))


@pytest.mark.parametrize("world_size", [2, 3])
def test_any_number_of_processes_sees_the_same(world_size: int) -> None:
    whole = Loader(images(), 12, seed=3, flip="both")
    parts = [Loader(images(), 12, seed=3, flip="both", rank=rank, world_size=world_size) for rank in range(world_size)]
    plain = Loader(images(), 12, seed=3)
    for step in range(6):
        x = whole.batch(step).x
        assert torch.equal(torch.cat([part.batch(step).x for part in parts]), x)
        assert torch.equal(whole.batch(step).index, plain.batch(step).index)
        assert not torch.equal(x, plain.batch(step).x)


def test_other_seeds_mirror_other_images() -> None:
    for seed in (0, 3):
        batch, plain = (Loader(images(), 12, seed=seed, flip=flip).batch(5) for flip in ("both", "none"))
        assert torch.equal(batch.x, mirrored(plain.x, plain.index, 5, seed, "both"))


def test_repeated_batches_stay_the_same() -> None:
    loader = Loader(images(), 8, order="repeated", repeats=3, flip="horizontal")
    assert torch.equal(loader.batch(3).x, loader.batch(5).x)


def test_vectors_are_not_mirrored() -> None:
    with pytest.raises(DataError, match="only images"):
        Loader(ArrayData(np.random.default_rng(0).normal(size=(9, 2))), 3, flip="horizontal")
