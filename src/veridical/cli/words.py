"""Conversion of words on the command line to the types of fields."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from veridical.cli.options import arms, choices_of, sequence_of
from veridical.nearest import nearest

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class NotOfType(ValueError):
    """Words are not a value of the expected type; the message says what is expected."""


def convert(hint: Any, words: Sequence[str]) -> Any:
    """Convert words to a value of a type.

    Examples:
        >>> convert(int | None, ["3"]), convert(int | None, ["none"]), convert(tuple[float, float], ["0", "1e-3"])
        (3, None, (0.0, 0.001))

    Raises:
        NotOfType: the words are not a value of this type.
    """
    if types.NoneType in arms(hint) and [word.lower() for word in words] == ["none"]:
        return None
    if (sequence := sequence_of(hint)) is not None:
        return _sequence(sequence, words)
    for arm in arms(hint):
        try:
            return _scalar(arm, words[0])
        except ValueError:
            continue
    raise NotOfType(f"expected {describe(hint)}.{_hint(hint, words[0])}")


def _sequence(hint: Any, words: Sequence[str]) -> Any:
    args = get_args(hint)
    repeated = get_origin(hint) is list or Ellipsis in args
    kinds = [args[0]] * len(words) if repeated else list(args)
    if len(kinds) != len(words):
        raise NotOfType(f"expected {len(kinds)} values.")
    values = [convert(kind, [word]) for kind, word in zip(kinds, words, strict=True)]
    return values if get_origin(hint) is list else tuple(values)


def _scalar(kind: Any, word: str) -> Any:
    if kind in (str, Path, float):
        return kind(word)
    if kind is int:
        return _whole(word)
    if kind is bool and word.lower() in (*TRUE, *FALSE):
        return word.lower() in TRUE
    if get_origin(kind) is Literal and word in choices_of(kind):
        return next(choice for choice in get_args(kind) if str(choice) == word)
    if kind in (bool, types.NoneType) or get_origin(kind) is Literal:
        raise ValueError(word)
    return _structured(kind, word)


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        value = float(word)  # 1e5 is a whole number
        if value != value // 1:
            raise
        return int(value)


def _structured(kind: Any, word: str) -> Any:
    from pydantic import TypeAdapter

    from veridical.config.documents import load

    return TypeAdapter(kind).validate_python(load(word))


def _hint(hint: Any, word: str) -> str:
    close = nearest(word, choices_of(hint))
    return f" Did you mean {close}?" if close else ""


def describe(hint: Any) -> str:
    """Describe the values of a type.

    Examples:
        >>> describe(int | None), describe(Literal["a", "b"])
        ('a whole number or none', 'one of a, b')
    """
    if choices := choices_of(hint):
        return f"one of {', '.join([*choices, *(['none'] if types.NoneType in arms(hint) else [])])}"
    names = {int: "a whole number", float: "a number", str: "a text", Path: "a path", bool: "yes or no"}
    return " or ".join("none" if arm is types.NoneType else names.get(arm, "a value in YAML") for arm in arms(hint))
