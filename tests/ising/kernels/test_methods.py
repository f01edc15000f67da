"""Every method of a plan has its chains."""

from dataclasses import replace
from typing import get_args

import pytest

from veridical.ising import Method, plan
from veridical.ising.kernels.methods import block


def test_every_method_has_its_block() -> None:
    kinds = {}
    for method in get_args(Method):
        if method != "auto":
            kinds[method] = type(block(plan(4, method=method, burn_in=1, thinning=1), 0, 0)).__name__
    assert kinds["cluster"] == kinds["wolff"] == "ClusterBlock"
    assert len(set(kinds.values())) == len(kinds) - 1


def test_a_plan_without_a_method_is_refused() -> None:
    with pytest.raises(ValueError, match="plan"):
        block(replace(plan(4), method="auto"), 0, 0)
