"""Intervals of plug-in divergences: they cover, near 0 and far from it; known numbers; mutants do not cover."""

import numpy as np
import pytest
from scipy.spatial import distance

from tests.mutants import mutated
from veridical.evaluation import plug_in as page
from veridical.evaluation.plug_in import js_interval, kl_interval

LAW = np.full(25, 1 / 25)


def halved(law: np.ndarray, rare: float) -> np.ndarray:
    """The last fifth of the cells is rarer."""
    q = law * np.where(np.arange(len(law)) < 0.8 * len(law), 1.0, rare)
    return q / q.sum()


def covered(rare: float, repetitions: int = 1000, n: int = 1000) -> tuple[float, float]:
    """Shares of the intervals of KL and JS that contain the expected value."""
    rng, kl, js = np.random.default_rng(0), [], []
    for _ in range(repetitions):
        x, y = rng.multinomial(n, halved(LAW, rare)), rng.multinomial(2 * n, LAW)
        share = x / n
        value = float((share[x > 0] * np.log(share[x > 0] / LAW[x > 0])).sum())
        kl.append((value, *(page.kl_interval(x, LAW) or ())))
        js.append((distance.jensenshannon(share, y / y.sum()) ** 2, *page.js_interval(x, y)))
    found = []
    for numbers in (kl, js):
        values, low, high = np.array(numbers).T
        found.append(float(((low <= values.mean()) & (values.mean() <= high)).mean()))
    return found[0], found[1]


@pytest.mark.parametrize("rare", [1.0, 0.5, 0.25])
def test_they_cover(rare: float) -> None:
    """1,000 repetitions: four standard errors below .93 and above .97; resampling covered .99 at 1."""
    assert all(0.905 < share < 0.99 for share in covered(rare))


@pytest.mark.parametrize("after", ["null / 2", "0.25 * null"])
def test_a_variance_that_is_too_small_does_not(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_interval", mutated(page._interval, "null, slope)", f"{after}, slope / 2)"))
    assert max(covered(1.0, repetitions=300)) < 0.905


def test_the_first_order_is_that_of_the_delta_method() -> None:
    """Far from 0 the interval is the value with 1.96 standard errors of the mean log-ratio."""
    law, counts = np.array([0.9, 0.1]), np.array([5_000, 5_000])
    error = np.std([np.log(0.5 / 0.9)] * 5_000 + [np.log(0.5 / 0.1)] * 5_000) / 100
    low, high = kl_interval(counts, law) or (0.0, 0.0)
    assert (high - low) / 3.92 == pytest.approx(error, rel=0.03)


def test_both_samples_count() -> None:
    p, q = np.array([300, 700]), np.array([500, 500])
    wide, narrow = js_interval(p, q), js_interval(100 * p, 100 * q)
    assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / 10, rel=0.05)
    assert js_interval(p, q) == pytest.approx(js_interval(q, p), rel=1e-12)


def test_a_cell_of_no_probability_has_no_interval_and_empty_cells_do_no_harm() -> None:
    assert kl_interval(np.array([1, 9]), np.array([0.0, 1.0])) is None
    assert kl_interval(np.array([0, 5, 5]), np.array([0.2, 0.4, 0.4])) is not None
    assert np.isfinite(js_interval(np.array([0, 10, 0]), np.array([5, 5, 0]))).all()
