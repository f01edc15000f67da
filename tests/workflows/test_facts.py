"""What is known of a run before its first step."""

import math

import numpy as np
import pytest
import torch

from veridical.data.dataset import ArrayData
from veridical.workflows.facts import constant_nats, health_facts


def test_the_constant_model_of_continuous_data_is_one_gaussian() -> None:
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * 2 + 5
    facts = health_facts(ArrayData(x), 100)
    exact = -float(torch.distributions.Normal(5.0, 2.0).log_prob(x.double()).sum(1).mean())
    assert facts["constant_nats"] == pytest.approx(exact, abs=0.01)
    assert facts["steps"] == 100 and facts["continued"] == 0 and facts["distinct"] == 1.0


def test_the_constant_model_of_bits_is_their_entropy() -> None:
    x = np.array([[0, 1], [1, 1], [0, 1], [1, 1]] * 50, dtype=bool)
    facts = health_facts(ArrayData(x), 100)
    assert facts["constant_nats"] == pytest.approx(math.log(2))
    assert "distinct" not in facts  # four outcomes of two bits are no copies


def test_equal_examples_have_no_constant_model() -> None:
    x = torch.randn(1, 3).repeat(50, 1)
    facts = health_facts(ArrayData(x), 100)
    assert "constant_nats" not in facts and facts["distinct"] == 0.02
    assert constant_nats(x.double(), ArrayData(x).space) is None


def test_an_outlier_is_found_wherever_it_is() -> None:
    x = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0))
    assert health_facts(ArrayData(x), 1)["outlier"] < 10
    x[7_777] *= 1e5  # not among the examples of which the median is taken
    assert health_facts(ArrayData(x), 1)["outlier"] > 1e3


def test_images_have_no_outlier() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    assert "outlier" not in health_facts(ArrayData(images), 1)
