"""What a person can get wrong with data. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """The data cannot be used as they are.

    Args:
        problem: what was got and what is expected.
        remedy: what to do.

    Examples:
        >>> str(DataError("holdout is 2; expected a share.", "Pass 0.1."))
        'holdout is 2; expected a share. Pass 0.1.'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem, self.remedy = problem, remedy


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "Did you mean ...?" for the nearest choice, or nothing.

    Examples:
        >>> did_you_mean("fasion-mnist", ["digits", "fashion-mnist"])
        "Did you mean 'fashion-mnist'?"
        >>> did_you_mean("zzz", ["digits"])
        ''
    """
    near = difflib.get_close_matches(word.lower(), list(choices), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
