"""`veridical data`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional, Section
from veridical.cli.parse import parse, parse_sections, run_verb, say
from veridical.config import DataConfig


@dataclass(frozen=True)
class Get:
    """Download a named data set; no other command uses the network."""

    name: Positional[str]
    """Name, as in `veridical data list`."""

    to: Path | None = None
    """Target folder; the user's cache folder if omitted."""


USAGE = """usage: veridical data list
       veridical data get NAME [--to FOLDER]
       veridical data check NAME|FOLDER|FILE [options of `train` for data]"""


@dataclass(frozen=True)
class List:
    """List every named data set, and whether it is on this machine."""


@dataclass(frozen=True)
class Check:
    """Look for problems that would prevent training on these data; the exit code is 1 if there is one."""

    what: Positional[str] = ""
    """Name, folder or file."""


def run(arguments: list[str]) -> int:
    """List, download or check data."""
    return run_verb("data", {"list": list_sets, "get": get_set, "check": check_data}, USAGE, arguments)


def list_sets(arguments: list[str]) -> int:
    """Print every named data set."""
    parse(List, "data list", arguments)
    from veridical.data.sources import names

    for name, about in names().items():
        say(f"{name:<18} {about}")
    return 0


def get_set(arguments: list[str]) -> int:
    """Download one data set."""
    options = parse(Get, "data get", arguments)
    from veridical.data.cache import cache_folder
    from veridical.data.sources import get

    say(f"{options.name} is at {get(options.name, options.to or cache_folder())}")
    return 0


def check_data(arguments: list[str]) -> int:
    """Print problems that would prevent training; return 1 if there is one."""
    sections = [Section("what", Check), Section("data", DataConfig, DataConfig(), "data")]
    options, config = parse_sections(sections, "data check", arguments, about=Check.__doc__ or "")
    if options.what and config.source:
        raise UsageError(f"both {options.what} and --data {config.source} are given; choose one.")
    config = replace(config, source=options.what or config.source)
    if not config.source:
        raise UsageError("no data are given. Add the name of a data set, a folder or a file.")
    from veridical.data.check import check
    from veridical.data.sources import find_path, set_name

    if set_name(config.source) is None:
        find_path(config.source)  # a path that does not exist is wrong usage, not a problem in the data
    report = check(config)
    say(report.summary)
    for finding in report.findings:
        say(f"{finding.severity}: {finding.message} {finding.remedy}".rstrip())
    return 0 if report.ok else 1
