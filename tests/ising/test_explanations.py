"""The plainest cause is named: the file before the sampler. (What `check` says as a whole: test_check.py.)"""

import numpy as np

from veridical.ising import sample
from veridical.ising.comparisons import Order, compare, holm, solve
from veridical.ising.estimates import estimate_coupling
from veridical.ising.explanations import Evidence, explain, fits
from veridical.ising.files import Configurations, as_configurations
from veridical.ising.measurements import measure


def explained(x: Configurations, asked: float) -> str:
    m = measure(x, 1)
    failed = {t.name: t for t in holm(compare(m, solve(x.height, x.width, asked), Order(1))) if t.corrected < 0.01}
    return explain(Evidence(x, m, asked, estimate_coupling(m, Order(1)), Order(1), 0.01), failed)


def test_twice_and_half_the_coupling_are_called_so() -> None:
    x = as_configurations(sample(12, 1500, 0.5, seed=1, threads=1))
    assert "twice the expected coupling. Is every bond counted twice?" in explained(x, 0.25)
    assert explained(x, 0.25).startswith("they look like K = 0.") and "half of it." not in explained(x, 0.4)
    weak = as_configurations(sample(12, 1500, 0.2, seed=1, threads=1))
    assert explained(weak, 0.4).endswith("half of it.")
    assert fits(measure(x, 1), 0.5, Order(1), 0.01) and not fits(measure(x, 1), 0.3, Order(1), 0.01)


def test_bits_in_the_other_order_are_named() -> None:
    x = sample((6, 12), 2000, 0.4, seed=2, threads=1)
    packed = np.packbits(x.reshape(2000, -1), axis=1, bitorder="little")
    assert "bits of every byte in the other order, at K = 0.4" in explained(as_configurations(packed, (6, 12)), 0.4)


def test_what_has_no_plain_cause_lists_its_tests() -> None:
    x = sample(12, 1500, 0.4, seed=1, threads=1) ^ (np.random.default_rng(0).random((1500, 12, 12)) < 0.05)
    assert "they fit no coupling" in explained(as_configurations(x), 0.4)
