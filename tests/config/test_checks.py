"""The bounds of every check, at the bound itself."""

import math

import pytest

from veridical.config.checks import one_of, positive, share


@pytest.mark.parametrize("value", [None, 1e-300, 5])
def test_positive_numbers_pass(value: float | None) -> None:
    positive("lr", value)


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_other_numbers_do_not(value: float) -> None:
    with pytest.raises(ValueError, match=f"lr is {value}; expected a finite number above 0"):
        positive("lr", value)


def test_zero_passes_where_it_may() -> None:
    positive("weight_decay", 0.0, zero=True)
    with pytest.raises(ValueError, match="at least 0"):
        positive("weight_decay", -1e-9, zero=True)


def test_shares_lie_in_zero_to_below_one() -> None:
    share("ema", 0.0)
    share("ema", 0.9999)
    for value in (1.0, -0.01, math.nan):
        with pytest.raises(ValueError, match=r"ema is .*; expected a number in \[0, 1\)"):
            share("ema", value)


def test_choices_are_listed() -> None:
    one_of("fit", "crop", ("crop", "pad"))
    with pytest.raises(ValueError, match="fit is 'crp'; expected one of crop, pad"):
        one_of("fit", "crp", ("crop", "pad"))
