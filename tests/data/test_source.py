import numpy as np
import pytest
import torch

from veridical.config import DataConfig, TrainingConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.loader import Loader
from veridical.data.source import BatchSource, EnergySource, batch_size, batches, count, examples, notes
from veridical.data.space import Space

PLANE = Space((2,), "vector", None, None)


class Counting:
    """Examples that tell the step and their place; stands for a source of one's own."""

    space, n, name, digest = PLANE, None, "counting", "counting 1"

    def __init__(self, size: int = 12, shape: tuple[int, ...] = (2,)) -> None:
        self.size, self.shape = size, shape

    def batch(self, step: int) -> Batch:
        index = torch.arange(self.size) + step * self.size
        return Batch(index.float().reshape(-1, *[1] * len(self.shape)).expand(-1, *self.shape), index, index % 3)


def points(n: int) -> ArrayData:
    return ArrayData(np.arange(2.0 * n, dtype=np.float32).reshape(n, 2) + 5, np.arange(n))


@pytest.mark.parametrize("source", [Loader(points(9), 3), EnergySource(PLANE), Counting()])
def test_a_loader_an_energy_and_a_class_of_ones_own_are_sources(source: BatchSource) -> None:
    assert isinstance(source, BatchSource)
    assert source.space.shape == (2,) and source.name and source.digest
    assert source.n in (9, None)


def test_a_data_set_is_no_source_because_its_batches_are_asked_for_by_rows() -> None:
    assert not isinstance(points(9), BatchSource)


def test_batches_of_a_data_set_are_those_of_its_loader() -> None:
    data = points(20)
    made = batches(data, DataConfig(order="iid"), TrainingConfig(batch_size=6, seed=3))
    for step in range(5):
        assert torch.equal(made.batch(step).x, Loader(data, 6, order="iid", seed=3).batch(step).x)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_parts_of_the_processes_tile_the_batch_of_a_source(world_size: int) -> None:
    source = Counting(12)
    parts = [
        batches(source, DataConfig(), TrainingConfig(), rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    for step in range(3):
        whole, got = source.batch(step), [part.batch(step) for part in parts]
        assert torch.equal(torch.cat([part.x for part in got]), whole.x)
        assert torch.equal(torch.cat([part.index for part in got]), whole.index)
        assert whole.c is not None
        assert torch.equal(torch.cat([part.c for part in got if part.c is not None]), whole.c)


def test_batches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"12 examples for 5 processes"):
        batches(Counting(12), DataConfig(), TrainingConfig(), world_size=5).batch(0)
    with pytest.raises(DataError, match=r"shape \(12, 3\).*\(B, 2\)"):
        batches(Counting(shape=(3,)), DataConfig(), TrainingConfig()).batch(0)
    with pytest.raises(DataError, match="rank is 2"):
        batches(Counting(), DataConfig(), TrainingConfig(), rank=2, world_size=2)


def test_the_batches_of_an_energy_have_a_shape_and_no_values() -> None:
    source = EnergySource(Space((1, 4, 4)), 7)
    batch = source.batch(3)
    assert batch.x.shape == (7, 1, 4, 4) and batch.x.isnan().all() and batch.c is None
    assert batch.index.tolist() == list(range(7))
    with pytest.raises(DataError, match="at least 1"):
        EnergySource(PLANE, 0)


def test_the_digest_of_an_energy_tells_space_and_name_apart() -> None:
    digests = {
        EnergySource(space, name=name).digest for space in (PLANE, Space((3,), "vector", None, None)) for name in "ab"
    }
    assert len(digests) == 4
    assert EnergySource(PLANE, 3).digest == EnergySource(PLANE, 4).digest


def test_examples_for_a_image() -> None:
    shown = examples(points(9), 4)
    assert shown is not None and len(shown.unique(dim=0)) == 4
    again = examples(points(9), 4)
    assert again is not None and torch.equal(shown, again)
    shown = examples(Counting(), 5)
    assert shown is not None and torch.equal(shown[:, 0], torch.arange(5.0))
    assert examples(EnergySource(PLANE), 5) is None


def test_count_and_notes() -> None:
    assert (count(points(9)), count(Counting()), count(EnergySource(PLANE))) == (9, None, None)
    assert notes(points(1000)) == () and notes(points(1)) == () and "batch size" in notes(Counting())[0]
    assert "9 examples are few" in notes(points(9))[0]


@pytest.mark.parametrize(
    ("n", "order", "world_size", "size"),
    [
        (100, "epoch", 1, 64),
        (64, "epoch", 1, 64),
        (40, "epoch", 1, 40),
        (41, "epoch", 2, 40),
        (40, "iid", 1, 64),
        (1, "epoch", 1, 64),
        (1, "epoch", 2, 64),
    ],
)
def test_a_batch_is_as_large_as_the_data_allow(n: int, order, world_size: int, size: int) -> None:
    got = batch_size(points(n), DataConfig(order=order), 64, world_size)
    assert got == size
    part = batches(points(n), DataConfig(order=order), TrainingConfig(batch_size=got), world_size=world_size)
    assert len(part.batch(3).x) == size // world_size
    assert batch_size(Counting(12), DataConfig(), 64) == 12


def test_one_example_fills_every_batch() -> None:
    data = points(1)
    batch = batches(data, DataConfig(), TrainingConfig(batch_size=5)).batch(7)
    assert batch.index.tolist() == [0] * 5 and (batch.x == torch.tensor([5.0, 6.0])).all()
