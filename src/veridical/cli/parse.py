"""What the commands share: parsing a dataclass, and speaking to a person."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

import tyro

T = TypeVar("T")


def parse(kind: type[T], command: str, arguments: list[str], default: T | None = None) -> T:
    """Fill a dataclass from the command line; wrong usage exits with code 2 and the nearest option."""
    from veridical.cli import UsageError

    try:
        parsed: Any = tyro.cli(
            kind,
            prog=f"veridical {command}",
            description=(kind.__doc__ or "").strip(),
            args=[f"--source{a[6:]}" if a == "--data" or a.startswith("--data=") else a for a in arguments],
            default=default,
            config=(tyro.conf.AvoidSubcommands,),
        )
        return parsed
    except ValueError as error:  # a dataclass refused a value
        raise UsageError(str(error)) from error


def say(line: str) -> None:
    """Print a line at once, so that a log shows it when it happens."""
    print(line, flush=True)


def is_terminal() -> bool:
    """Tell whether somebody watches."""
    return sys.stdout.isatty()
