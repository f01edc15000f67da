from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from veridical.config import DataConfig
from veridical.data import stacked
from veridical.data.check import check
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.loader import Loader
from veridical.data.sources import load, names
from veridical.data.stacked import STACKED, draw_triples, mode_of

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 1, 5, 4), dtype=np.uint8)
ROWS = torch.tensor([[0, 1, 2], [19, 19, 3], [7, 0, 11], [4, 5, 6]])
DIGITS = {
    split: (RNG.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8), RNG.integers(0, 10, n).astype(np.uint8))
    for split, n in (("train", 40), ("test", 30))
}


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand a few images of noise in for mnist, which does not ship."""
    monkeypatch.setattr(stacked, "find", lambda name: Path(name))
    monkeypatch.setattr(stacked, "read_named", lambda name, split: DIGITS[split])


def stacks(labels: torch.Tensor | None = None) -> ArrayData:
    return ArrayData(IMAGES).stack(ROWS, labels, name="stacks")


class TestStack:
    def test_channels_are_the_rows(self) -> None:
        data = stacks()
        x = data.batch(torch.tensor([2, 0])).x
        expected = IMAGES[ROWS[[2, 0]]].reshape(2, 3, 5, 4) / 127.5 - 1
        np.testing.assert_allclose(x, expected, atol=1e-6)
        assert (len(data), data.space.shape, data.space.levels) == (4, (3, 5, 4), 256)

    def test_storage_stays_that_of_the_images(self) -> None:
        assert stacks().nbytes == IMAGES.nbytes

    def test_memory_mapped(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", IMAGES)
        data = ArrayData(np.load(tmp_path / "x.npy", mmap_mode="r")).stack(ROWS, None, name="stacks")
        assert torch.equal(data.batch(torch.arange(4)).x, stacks().batch(torch.arange(4)).x)
        assert data.digest == stacks().digest

    def test_subset_and_labels(self) -> None:
        part = stacks(torch.tensor([5, 6, 7, 8])).subset(torch.tensor([3, 1]))
        assert part.space.classes == 9
        batch = part.batch(torch.tensor([1]))
        assert batch.c is not None and batch.c.tolist() == [6]
        assert torch.equal(batch.x[0], stacks().batch(torch.tensor([1])).x[0])

    def test_digest_is_that_of_the_stacks_as_an_array(self) -> None:
        assert stacks().digest == ArrayData(IMAGES[ROWS].reshape(4, 3, 5, 4)).digest

    def test_stacks_are_not_stacked_again(self) -> None:
        with pytest.raises(DataError, match="cannot be stacked"):
            stacks().stack(ROWS, None, name="again")


class TestTriples:
    def test_are_a_function_of_the_index(self) -> None:
        assert torch.equal(draw_triples(1000, 60_000, 0)[:10], draw_triples(10, 60_000, 0))
        assert not torch.equal(draw_triples(10, 60_000, 0), draw_triples(10, 60_000, 1))

    def test_are_pinned(self) -> None:
        """Stacks of another release must be the same stacks: published numbers refer to them."""
        assert draw_triples(2, 60_000, 0).tolist() == PINNED

    def test_are_uniform(self) -> None:
        """Chi-squared over the digits of the rows, 99 degrees of freedom: false alarm 1e-4 at 160.1."""
        counts = torch.bincount(draw_triples(20_000, 100, 0).flatten(), minlength=100).double()
        assert float(((counts - 600) ** 2 / 600).sum()) < 160.1

    def test_modes(self) -> None:
        assert mode_of(torch.tensor([[9, 9, 9], [0, 1, 0], [5, 0, 2]])).tolist() == [999, 10, 502]


class TestSource:
    def test_is_listed(self) -> None:
        assert "mnist" in names()[STACKED]

    def test_without_mnist(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stacked, "find", lambda name: None)
        with pytest.raises(DataError, match="made of mnist, which is not on this machine"):
            load(DataConfig(source=STACKED))
        assert not check(DataConfig(source=STACKED)).ok

    def test_refuses_another_size(self) -> None:
        with pytest.raises(DataError, match="three channels of 28x28"):
            load(DataConfig(source=STACKED, size=32))

    @pytest.mark.usefixtures("mnist")
    @pytest.mark.parametrize(("split", "n", "key"), [("train", 128_000, 0), ("test", 26_000, 1)])
    def test_a_stack_is_three_digits(self, split: Literal["train", "test"], n: int, key: int) -> None:
        data, (x, y) = load(DataConfig(source=STACKED), split), DIGITS[split]
        assert (len(data), data.space.classes, data.name) == (n, 1000, STACKED)
        index = torch.tensor([0, 5, n - 1])
        batch, rows = data.batch(index), draw_triples(n, len(x), key)[index].numpy()
        assert batch.c is not None
        np.testing.assert_allclose(batch.x, x[rows][:, :, 0] / 127.5 - 1, atol=1e-6)
        assert batch.c.tolist() == [100 * a + 10 * b + c for a, b, c in y[rows].tolist()]

    @pytest.mark.usefixtures("mnist")
    def test_both_splits_live_in_one_space(self) -> None:
        train, test = (load(DataConfig(source=STACKED), split) for split in ("train", "test"))
        assert train.space == test.space
        assert train.space.mean == pytest.approx((DIGITS["train"][0] / 127.5 - 1).mean(), abs=1e-6)

    @pytest.mark.usefixtures("mnist")
    def test_batches_load_without_labels(self) -> None:
        batch = Loader(load(DataConfig(source=STACKED, labels=False)), 8).batch(3)
        assert batch.x.shape == (8, 3, 28, 28)
        assert batch.c is None


PINNED = [[2084, 692, 36717], [14492, 21928, 6685]]
