"""Coupling from the past where it cannot end."""

import pytest

from veridical.ising.kernels.perfect import PerfectBlock
from veridical.ising.law import Law


def test_perfect_sampling_says_when_it_cannot_end():
    with pytest.raises(RuntimeError, match="cluster"):
        PerfectBlock(Law(32, 32, 0.7, 0.7), 0, 0, patience=50)
