"""Errors in data. Imports nothing heavy."""

from __future__ import annotations

from veridical.errors import DataError, RequestError


class NoSuchDataError(DataError, RequestError):
    """There is no data set, file or folder of that name."""


class NoTestSplitError(DataError):
    """No examples are held out from training, for example if there is only one."""
