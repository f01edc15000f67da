"""The order of a chain, and the correction for many tests."""

import math

import numpy as np
import pytest

from veridical.ising.comparisons import Comparison, Order, holm, solve


def test_order_thins_and_batches():
    rng, x = np.random.default_rng(1), np.zeros(60_000)
    for t in range(1, len(x)):
        x[t] = 0.8 * x[t - 1] + rng.normal()
    order = Order(1)
    thinned = order.thin(x)
    assert len(thinned) == math.ceil(len(x) / round(2 * order.tau(x)))
    means = order.batches(x[:, None])
    assert means.var(ddof=1) / len(means) == pytest.approx(x.var() * 2 * order.tau(x) / len(x), rel=0.2)
    noise = rng.normal(size=1000)
    assert order.thin(noise) is noise and len(order.batches(noise[:, None])) == 1000


def test_holm_by_hand():
    p = [0.01, 0.04, 0.03, 0.5]
    corrected = [t.corrected for t in holm([Comparison(str(i), "", v) for i, v in enumerate(p)])]
    assert corrected == pytest.approx([0.04, 0.09, 0.09, 0.5])


def test_a_law_is_solved_once():
    """A check that fails asks for the law at the estimated coupling twice: seconds each on 128 x 128."""
    assert solve(4, 6, 0.4) is solve(4, 6, 0.4) and solve(4, 6, 0.4) is not solve(6, 4, 0.4)
