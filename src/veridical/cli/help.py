"""Help text of a command: a description, then all options by section."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any

from veridical.cli.options import Option

COLUMN = 28
"""Column in which the explanations start."""


def help_text(command: str, options: Sequence[Option], about: str, notes: Sequence[str] = ()) -> str:
    """Return the help text of a command.

    Args:
        command: name of the command.
        options: all options of the command.
        about: description of the command.
        notes: lines between the description and the options.
    """
    width = line_width()
    places = [option for option in options if option.positional]
    usage = " ".join(["usage: veridical", command, *map(_place, places), "[options]"])
    paragraphs = [textwrap.fill(" ".join(part.split()), width) for part in about.split("\n\n") if part.strip()]
    lines = [usage, "", "\n\n".join(paragraphs), *(["", *notes] if notes else [])]
    for title in dict.fromkeys(option.section.title for option in options):
        lines += ["", f"{title}:"]
        lines += [line for o in options if o.section.title == title for line in _lines(o, width)]
    lines += entry("-h, --help", "Show this text.", width) if options else []
    return "\n".join(lines)


def line_width() -> int:
    """Return the width of a line of help: the width of the terminal, but between 60 and 110."""
    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))


def entry(name: str, text: str, width: int, column: int = COLUMN) -> list[str]:
    """Return a name with its explanation to the right, or below it if the name is long.

    Args:
        name: the option or command with its arguments.
        text: its explanation.
        width: columns of the whole line.
        column: where the explanation starts, counted from 0.
    """
    body = textwrap.wrap(text, width - column, break_on_hyphens=False) or [""]
    if len(name) + 4 > column:
        return [f"  {name}", *(f"{'':<{column}}{line}" for line in body)]
    return [f"  {name:<{column - 2}}{body[0]}", *(f"{'':<{column}}{line}" for line in body[1:])]


def _place(option: Option) -> str:
    several = "..." if option.values is None else ""
    return f"{option.metavar}{several}" if option.default is MISSING else f"[{option.metavar}{several}]"


def _lines(option: Option, width: int) -> list[str]:
    if option.positional:
        return entry(_place(option).strip("[]"), _explained(option), width)
    plain = sorted((flag for flag in option.flags if "." not in flag), key=len)
    name = ", ".join(plain) if plain and not option.path[1:] else option.flags[0]
    if option.negations:
        return entry(f"{name}, {option.negations[0]}" if option.default else name, _explained(option), width)
    choices = "|" in option.metavar and len(option.metavar) > 40
    text = f"{_explained(option)} One of {option.metavar.replace('|', ', ')}." if choices else _explained(option)
    return entry(name if choices else f"{name} {option.metavar}", text, width)


def _explained(option: Option) -> str:
    shown = _shown(option.default)
    return f"{option.help} (default: {shown})" if shown else option.help


def _shown(value: Any) -> str:
    if value is MISSING or value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
