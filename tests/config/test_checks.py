"""The bounds of every check, at the bound itself."""

import dataclasses
import math
import typing

import pytest

from veridical.cli.options import arms
from veridical.config import DataConfig, TrainingConfig
from veridical.config.checks import at_least, divides, finite, interval, one_of, positive, seed, share
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.sampling import SamplingOptions


@pytest.mark.parametrize("value", [None, -1e18, 0, 1e18])
def test_numbers_of_either_sign_pass(value: float | None) -> None:
    finite("coupling", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.1e18, -1.1e18])
def test_numbers_without_meaning_do_not(value: float) -> None:
    with pytest.raises(ValueError, match=r"coupling is .*; expected a finite number between -1e\+18 and 1e\+18"):
        finite("coupling", value)


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


@pytest.mark.parametrize("value", [10**12 + 1, 10**400, 2**50_000], ids=["over", "float", "text"])
def test_whole_numbers_for_which_no_work_ends_are_refused(value: int) -> None:
    """Mutant: `math.isfinite` alone raises OverflowError for 10^400."""
    positive("steps", 10**12)
    with pytest.raises(ValueError, match=r"steps is .*; expected a whole number of at most 1,000,000,000,000"):
        positive("steps", value)
    with pytest.raises(ValueError, match="at most 7"):
        positive("steps", 8, most=7)


def test_whole_numbers_within_bounds() -> None:
    for value in (None, 2, 9):
        at_least("n", value, 2, 9)
    for value, words in ((1, "at least 2"), (10, "at most 9"), (2**50_000, "over 100 digits .* at most 9")):
        with pytest.raises(ValueError, match=words):
            at_least("n", value, 2, 9)


def test_seeds_have_63_bits() -> None:
    seed("seed", 0)
    seed("seed", 2**63 - 1)
    for value in (-1, 2**63, 10**400):
        with pytest.raises(ValueError, match=r"seed is .*; expected a whole number from 0 to"):
            seed("seed", value)


@pytest.mark.parametrize("value", [(1, 0), (0, 0), (0, math.inf), (-math.inf, 0), (math.nan, 1), (0, math.nan)])
def test_intervals_are_finite(value: tuple[float, float]) -> None:
    interval("value_range", None)
    interval("value_range", (0, 1))
    with pytest.raises(ValueError, match="expected two finite numbers, the smaller first"):
        interval("value_range", value)


def numbers(kind: type) -> list[tuple[type, str, type]]:
    """Return every numeric field of a dataclass, and of those in it."""
    found, hints = [], typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        kinds = arms(hints[field.name])
        inner = next((arm for arm in kinds if dataclasses.is_dataclass(arm)), None)
        if isinstance(inner, type):
            found += numbers(inner)
        found += [(kind, field.name, arm) for arm in (int, float) if arm in kinds]
    return found


SECTIONS: list[type] = [DataConfig, TrainingConfig, *(find_family(name).config for name in FAMILIES)]
SAMPLING: list[type[SamplingOptions]] = [find_family(name).sampling for name in FAMILIES]
NUMBERS = sorted({n for kind in (*SECTIONS, *SAMPLING) for n in numbers(kind)}, key=str)


SIGNED = ("DiffusionConfig.noise_mean", "NoiseLevelConfig.noise_mean", "CoarseToFineConfig.coupling")
"""Settings of either sign."""


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("value", ["huge", "nan", "inf", "negative", "beyond single precision"])
def test_every_numeric_setting_refuses_values_without_meaning(kind: type, value: str) -> None:
    """Mutant: a setting without a check; its name is then in the list."""
    given = {"huge": 10**400, "nan": math.nan, "inf": math.inf, "negative": -1}.get(value, 1e300)
    accepted = []
    for owner, name, of in NUMBERS:
        if (
            of is not kind
            or (kind is int and value in ("nan", "inf", "beyond single precision"))
            or (kind is float and value == "huge")
        ):
            continue
        try:
            owner(**{name: given})
        except ValueError as error:
            assert name in str(error) or owner not in SECTIONS, (owner, name, error)
        else:
            accepted.append(f"{owner.__name__}.{name}")
    assert sorted(accepted) == (sorted(SIGNED) if value == "negative" and kind is float else [])


def test_what_divides() -> None:
    divides("heads", 2, "width", 8)
    with pytest.raises(ValueError, match="width is 8 and heads 3; expected heads that divide the width"):
        divides("heads", 3, "width", 8)
