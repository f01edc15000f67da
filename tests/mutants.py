"""Mutants: functions and methods with a mistake planted in their source, which a test must find."""

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any


def mutated(function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
    """Return a function with a part of its source replaced, among the names of its module.

    Examples:
        >>> from veridical.verdict import far_short
        >>> mutated(far_short, "<", ">")(1.0, None, 1.0)
        True
    """
    source = textwrap.dedent(inspect.getsource(function))
    assert before in source
    namespace = dict(vars(sys.modules[function.__module__]))
    exec(source.replace(before, after), namespace)
    return namespace[function.__name__]
