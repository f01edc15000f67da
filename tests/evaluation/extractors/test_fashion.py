"""The shipped classifier of Fashion-MNIST: as accurate as its metadata state."""

import hashlib

import pytest
import torch

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.evaluation.extractors import (
    Fashion28,
)
from veridical.evaluation.extractors.fashion import WEIGHTS


def test_fashion_28_classifies_held_out_images() -> None:
    extractor = Fashion28()
    test = load(DataConfig(source="fashion-mnist-10k"), "test")
    batch = test.batch(torch.arange(len(test)))
    assert batch.c is not None
    with torch.no_grad():
        accuracy = float((extractor.logits(batch.x).argmax(1) == batch.c).double().mean())
    # The metadata state the accuracy on all 10,000 test images; on a part of 2,000 within four standard errors.
    stated = float(extractor.metadata["test_accuracy"])
    assert stated >= 0.91
    assert accuracy == pytest.approx(stated, abs=4 * (stated * (1 - stated) / len(test)) ** 0.5)


def test_fashion_28_is_small_and_says_what_it_is() -> None:
    extractor = Fashion28()
    assert WEIGHTS.stat().st_size < 1_000_000
    assert extractor.metadata["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert "60,000" in extractor.metadata["trained_on"]
    with pytest.raises(ValueError, match="fashion-28 sees"):
        extractor(torch.zeros(2, 1, 32, 32))
