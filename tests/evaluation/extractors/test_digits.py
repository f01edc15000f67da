"""The shipped classifier of digits on digits that it was not trained on: those of UCI, enlarged from 8x8."""

import pytest
import torch
import torch.nn.functional as F

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.evaluation.extractors.digits import CHANNELS, WEIGHTS, classify_digits, digits_network
from veridical.evaluation.extractors.digits import load as load_classifier


def test_digits_of_another_set_are_recognised() -> None:
    test = load(DataConfig(source="digits"), "test")
    batch = test.batch(torch.arange(len(test)))
    assert batch.c is not None
    large = F.interpolate(batch.x, (16, 16), mode="bilinear", antialias=True)
    found = classify_digits(F.pad(large, (6, 6, 6, 6), value=-1.0))
    # Other strokes than those of MNIST, on which it is right in 99 % of cases; chance would be 10 %.
    assert float((found == batch.c).double().mean()) > 0.5


def test_the_network_is_the_one_that_its_file_states() -> None:
    network, metadata = load_classifier()
    assert WEIGHTS.stat().st_size < 1_000_000 and float(metadata["test_accuracy"]) > 0.98
    assert network.head.in_features == CHANNELS[-1]
    assert [p.shape for p in network.parameters()] == [p.shape for p in digits_network().parameters()]


def test_other_sizes_are_refused_and_nothing_is_nothing() -> None:
    assert classify_digits(torch.empty(0, 1, 28, 28)).shape == (0,)
    with pytest.raises(ValueError, match="sees"):
        classify_digits(torch.zeros(2, 3, 28, 28))
