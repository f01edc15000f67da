"""A batch: examples, their rows, and labels where there are some."""

import torch

from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData


def test_a_batch_holds_the_rows_it_names() -> None:
    data = ArrayData(torch.arange(10.0).reshape(5, 2), torch.tensor([0, 1, 0, 1, 1]))
    batch = data.batch(torch.tensor([4, 1]))
    assert isinstance(batch, Batch)
    assert batch.x.tolist() == [[8.0, 9.0], [2.0, 3.0]] and batch.index.tolist() == [4, 1]
    assert batch.c is not None and batch.c.tolist() == [1, 1]


def test_labels_may_be_missing() -> None:
    x, index = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    assert Batch(x, index).c is None and len(Batch(x, index)) == 3
