"""Checks of values, shared by the configuration dataclasses; each raises a ValueError with the expected values."""

from __future__ import annotations

import math
from typing import TypeGuard

MOST = 10**12
"""Largest whole number: a billion steps a second take a quarter of an hour for as many."""

LARGEST = 1e18
"""Largest number that is not whole: the product of two has a value in single precision."""

MOST_SAMPLES, MOST_BATCH = 10**8, 10**6
MOST_UNITS, MOST_LAYERS, MOST_TURNS, MOST_REPEATS = 16_384, 1_000, 1_000, 100_000
"""Width of a network, its depth, updates of a player in one step, and what is repeated for one sample."""

MOST_OCTAVES = 60
"""Doublings of the frequency in Fourier features."""


def positive(name: str, value: float | None, *, zero: bool = False, most: float = MOST) -> None:
    """Require a finite number above zero.

    Args:
        name: of the setting, for the message.
        value: the number; None is accepted.
        zero: whether zero is accepted too.
        most: largest whole number.

    Raises:
        ValueError: another value.
    """
    if value is None:
        return
    if isinstance(value, int) and value > most:
        raise ValueError(f"{name} is {_written(value)}; expected a whole number of at most {most:,}.")
    if LARGEST < value < math.inf and not isinstance(value, int):
        raise ValueError(f"{name} is {value}; expected a number of at most {LARGEST:g}.")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} is {_written(value)}; expected a finite number {'at least' if zero else 'above'} 0.")


def finite(name: str, value: float | None) -> None:
    """Require a finite number of either sign; None is accepted.

    Raises:
        ValueError: another value.
    """
    if value is not None and not (math.isfinite(value) and abs(value) <= LARGEST):
        raise ValueError(f"{name} is {value}; expected a finite number between {-LARGEST:g} and {LARGEST:g}.")


def at_least(name: str, value: int | None, least: int, most: float = MOST) -> None:
    """Require a whole number within bounds.

    Args:
        name: of the setting, for the message.
        value: the number; None is accepted.
        least: smallest accepted number.
        most: largest accepted number.

    Raises:
        ValueError: another value.
    """
    if value is not None and not least <= value <= most:
        bound = f"at least {least}" if value < least else f"at most {most:,}"
        raise ValueError(f"{name} is {_written(value)}; expected {bound}.")


def seed(name: str, value: int) -> None:
    """Require the seed of a 64-bit generator, from 0 to 2^63 - 1."""
    if not 0 <= value < 2**63:
        raise ValueError(f"{name} is {_written(value)}; expected a whole number from 0 to {2**63 - 1:,}.")


def interval(name: str, value: tuple[float, float] | None) -> None:
    """Require two finite numbers, the smaller first; None is accepted."""
    if value is not None and not (value[0] < value[1] and math.isfinite(value[0]) and math.isfinite(value[1])):
        raise ValueError(f"{name} is {value}; expected two finite numbers, the smaller first.")


def _written(value: float) -> str:
    """Write a number; Python writes no integer of more than 4,300 digits."""
    return f"a number of over 100 digits ({value.bit_length()} bits)" if _is_long(value) else f"{value}"


def _is_long(value: float) -> TypeGuard[int]:
    return isinstance(value, int) and value.bit_length() > 340


def share(name: str, value: float) -> None:
    """Require a number in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected a number in [0, 1).")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Require one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")


def divides(name: str, value: int, of: str, whole: int) -> None:
    """Require a whole number that divides another.

    Args:
        name: of the setting, for the message.
        value: the number.
        of: name of the number that is divided.
        whole: the number that is divided.

    Raises:
        ValueError: it does not divide it.
    """
    if whole % value:
        raise ValueError(f"{of} is {whole} and {name} {value}; expected {name} that divide the {of}.")
