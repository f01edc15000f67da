"""`veridical data`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from veridical.cli import UsageError
from veridical.cli.parse import parse, say
from veridical.config import DataConfig


@dataclass(frozen=True)
class Get:
    """Fetch a named set; the only command that uses the network."""

    name: tyro.conf.Positional[str]
    """Name, as in `veridical data list`."""

    to: Path | None = None
    """Folder to keep it in; the user's cache if left out."""


def run(arguments: list[str]) -> int:
    """List, get or check."""
    verbs = {"list": list_sets, "get": get_set, "check": check_data}
    if not arguments or arguments[0] in ("-h", "--help"):
        say("usage: veridical data list\n       veridical data get NAME [--to FOLDER]")
        say("       veridical data check NAME|FOLDER|FILE [options of `train` for data]")
        return 0
    if arguments[0] not in verbs:
        raise UsageError(f"expected list, get or check, got {arguments[0]!r}.")
    return verbs[arguments[0]](arguments[1:])


def list_sets(arguments: list[str]) -> int:
    """Print every named set."""
    from veridical.data.sources import names

    for name, about in names().items():
        say(f"{name:<18} {about}")
    return 0


def get_set(arguments: list[str]) -> int:
    """Fetch one set."""
    options = parse(Get, "data get", arguments)
    from veridical.data.cache import cache_folder
    from veridical.data.sources import get

    say(f"{options.name} is at {get(options.name, options.to or cache_folder())}")
    return 0


def check_data(arguments: list[str]) -> int:
    """Look for everything that would stop a training; 1 if something does."""
    if arguments and not arguments[0].startswith("-"):
        arguments = ["--data", *arguments]
    flat: Any = Annotated[DataConfig, tyro.conf.arg(name="")]
    config = parse(flat, "data check", arguments)
    if not config.source:
        raise UsageError("which data? Name a set, a folder or a file.")
    from veridical.data.check import check

    report = check(config)
    say(report.summary)
    for finding in report.findings:
        say(f"{finding.severity}: {finding.message} {finding.remedy}".rstrip())
    return 0 if report.ok else 1
