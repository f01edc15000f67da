"""Format of numbers on the page."""

from __future__ import annotations

import math
from typing import Any

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def figures(value: Any) -> str:
    """Format a number with four significant figures; other values are unchanged.

    Examples:
        >>> [figures(v) for v in (0.98889, 25, 1234567, 1.5e-7, 12345.678, None, "n/a", float("nan"))]
        ['0.9889', '25', '1,234,567', '1.5×10⁻⁷', '12,346', '–', 'n/a', 'not a number']
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "−")
        return f"{mantissa}×{power_of_ten(int(exponent))}"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", "−")


def power_of_ten(exponent: int) -> str:
    """Format a power of ten.

    Examples:
        >>> power_of_ten(-3), power_of_ten(0)
        ('10⁻³', '1')
    """
    return f"10{str(exponent).translate(SUPERSCRIPT)}" if exponent else "1"


def duration(seconds: float | None) -> str:
    """Format a time.

    Examples:
        >>> [duration(s) for s in (None, 3.24, 75, 7265, 200_000)]
        ['–', '3.2 s', '1 min 15 s', '2 h 01 min', '2 d 7 h']
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole:02d} s"


def interval(bounds: Any) -> str:
    """Format an interval; empty if there is none.

    Examples:
        >>> interval([0.25, 0.5]), interval(None)
        ('0.25 to 0.5', '')
    """
    pair = bounds_of(bounds)
    return "" if pair is None else f"{figures(pair[0])} to {figures(pair[1])}"


def bounds_of(value: Any) -> tuple[float, float] | None:
    """Return an interval as two numbers in order; None if the value is not an interval."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = number_of(value[0]), number_of(value[1])
    return None if low is None or high is None else (min(low, high), max(low, high))


def number_of(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
