"""The double-exponential rule against integrals that are known."""

import math

import numpy as np
import pytest

from veridical.ising.exact.quadrature import double_exponential


def test_quadrature_of_end_point_singularities() -> None:
    t, rest, weight = double_exponential()
    for power in (-0.5, 0.0, 0.5, 40.5):
        assert weight @ (t**power / np.sqrt(rest)) == pytest.approx(
            math.exp(math.lgamma(power + 1) + math.lgamma(0.5) - math.lgamma(power + 1.5)), rel=1e-13
        )


def test_nodes_and_their_complements_are_mirror_images() -> None:
    rule = double_exponential()
    assert np.array_equal(rule.t, rule.one_minus_t[::-1])
    assert rule.one_minus_t[-1] < 1e-37  # 1 - t itself would be 0


def test_finer_steps_do_not_change_a_smooth_integral() -> None:
    for step in (0.08, 0.04, 0.02):
        t, _, weight = double_exponential(step)
        assert weight @ np.exp(t) == pytest.approx(math.e - 1, rel=1e-14)
