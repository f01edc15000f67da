"""Checks of values, shared by the configuration dataclasses; each raises a ValueError with the expected values."""

from __future__ import annotations

import math


def positive(name: str, value: float | None, *, zero: bool = False) -> None:
    """Require a finite number above zero (or at least zero); None is accepted."""
    if value is None:
        return
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} is {value}; expected a finite number {'at least' if zero else 'above'} 0.")


def share(name: str, value: float) -> None:
    """Require a number in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; expected a number in [0, 1).")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Require one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")
