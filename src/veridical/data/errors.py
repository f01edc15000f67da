"""What a person can get wrong with data. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """The data cannot be used as they are; the message says what was got, what is expected and what to do."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return " Did you mean ...?" for the nearest choice, or nothing.

    Examples:
        >>> did_you_mean("fasion-mnist", ["digits", "fashion-mnist"])
        " Did you mean 'fashion-mnist'?"
        >>> did_you_mean("zzz", ["digits"])
        ''
    """
    near = difflib.get_close_matches(word.lower(), list(choices), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
