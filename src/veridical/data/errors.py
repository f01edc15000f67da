"""Errors in data. Imports nothing heavy."""

from __future__ import annotations

from veridical.errors import RequestError


class DataError(ValueError):
    """The data cannot be used as they are.

    Args:
        problem: what was found and what is expected.
        remedy: what to do.

    Examples:
        >>> str(DataError("holdout is 2; expected a share.", "Pass 0.1."))
        'holdout is 2; expected a share. Pass 0.1.'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem, self.remedy = problem, remedy


class NoSuchDataError(DataError, RequestError):
    """There is no data set, file or folder of that name."""


class NoTestSplitError(DataError):
    """No examples are held out from training, for example if there is only one."""
