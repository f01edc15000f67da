"""A measurement by exchange: its reference is the value less the difference, and logarithms scale to first order."""

import pytest
import torch

from tests.evaluation.sets import sets
from veridical.evaluation.compared import compared, scaled
from veridical.evaluation.exchange import exchange_test, mean_differences


def test_the_reference_is_what_the_difference_is_counted_from() -> None:
    x = torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    three = sets(x[:40] + 1.0, x[40:80], x[80:])
    test = exchange_test(mean_differences(three.pool[:, 0].double(), three.exchange), three.exchange)
    value = float(three.pool[: three.exchange.n, 0].mean())
    found = compared(
        three, "mean", value, "1", test,
        higher_is_better=True, interval=None, method="", began=0.0, detail={"k": 3}, share=2,
    )  # fmt: skip
    assert found.reference == pytest.approx(value - test.difference)
    assert found.n == three.exchange.n and found.detail["n_null"] == three.exchange.m and found.detail["k"] == 3
    assert found.verdict == "suspicious"
    assert compared(
        three, "mean", value, "1", test, higher_is_better=True, interval=None, method="", began=0.0, detail={},
        reference=0.25,
    ).reference == 0.25  # fmt: skip


def test_the_test_of_a_logarithm_becomes_that_of_the_value() -> None:
    x = torch.cat([torch.ones(20), torch.zeros(20)]).double()
    three = sets(torch.zeros(20, 1), torch.zeros(20, 1), torch.zeros(20, 1))
    test = exchange_test(mean_differences(x, three.exchange), three.exchange)
    found = scaled(test, 10.0)
    assert found.difference == pytest.approx(10 * test.difference) and found.p_value == test.p_value
    assert test.interval is not None and test.detectable is not None
    assert found.interval == pytest.approx([10 * side for side in test.interval])
    assert found.detectable == pytest.approx(10 * test.detectable)
