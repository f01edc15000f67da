"""What the commands share: filling dataclasses from the command line, and speaking to a person.

Options stand before or after the words that have their place, `--name value` or `--name=value`; underscores in a name
count as hyphens. Every mistake is a `UsageError`, which exits with 2 and names the nearest valid word.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from typing import Any, TypeVar

from veridical.cli import UsageError
from veridical.cli.help import help_text
from veridical.cli.options import Option, Section, vocabulary
from veridical.cli.words import NotOfType, convert
from veridical.nearest import did_you_mean, nearest

T = TypeVar("T")


def parse(kind: type[T], command: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Fill one dataclass from the command line; its docstring is the help's first paragraph.

    Args:
        kind: the dataclass; its fields are the options.
        command: what was typed before the arguments, for the usage line.
        arguments: the words after the command.
        default: values of options that are not given; None: the defaults of the fields.

    Raises:
        UsageError: an option, a value or their number is wrong.
    """
    return parse_sections([Section("options", kind, default)], command, arguments, about=kind.__doc__ or "")[0]


def parse_sections(
    sections: Sequence[Section], command: str, arguments: Sequence[str], *, about: str = "", notes: Sequence[str] = ()
) -> list[Any]:
    """Fill several dataclasses from one command line.

    Args:
        sections: the dataclasses; a name belongs to the first that has it.
        command: as it is typed, for the help.
        arguments: the words after the command.
        about: what the command does.
        notes: lines of the help before the options.

    Returns:
        One value per section.

    Raises:
        UsageError: an option, a value or their number is wrong.
        SystemExit: help was asked for, and is printed.
    """
    options = vocabulary(sections)
    if asks_for_help(arguments):
        print(help_text(command, options, about, notes))
        raise SystemExit(0)
    given = assign(options, arguments, command)
    return [_build(section, options, given) for section in sections]


def asks_for_help(arguments: Iterable[str]) -> bool:
    """Tell whether help is asked for, anywhere on the line."""
    return any(argument in ("-h", "--help") for argument in arguments)


def assign(options: Sequence[Option], arguments: Sequence[str], command: str) -> dict[tuple[int, tuple[str, ...]], Any]:
    """Return the value of every option that is given.

    Raises:
        UsageError: an option, a value or their number is wrong.
    """
    words, places = split(options, arguments, command)
    words += zip_places([option for option in options if option.positional], places, command)
    given: dict[tuple[int, tuple[str, ...]], Any] = {}
    for option, texts in words:
        given[id(option.section), option.path] = texts if isinstance(texts, bool) else _value(option, texts)
    for option in options:
        if option.default is MISSING and (id(option.section), option.path) not in given:
            raise UsageError(f"{option.name} is missing: {option.help} See: veridical {command} --help")
    return given


def split(
    options: Sequence[Option], arguments: Sequence[str], command: str
) -> tuple[list[tuple[Option, list[str] | bool]], list[str]]:
    """Return the options with their words (or on and off), and the words that have their place.

    Raises:
        UsageError: there is no such option, or words are missing after it.
    """
    names = {flag: (option, True) for option in options for flag in option.flags}
    names |= {flag: (option, False) for option in options for flag in option.negations if flag not in names}
    found: list[tuple[Option, list[str] | bool]] = []
    places: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, places + rest
        if not is_option(word):
            places.append(word)
            continue
        name, (_, equals, value) = name_of(word), word.partition("=")
        if name not in names:
            raise UsageError(f"there is no option {name}.{_near_option(name, names)} See: veridical {command} --help")
        option, on = names[name]
        if option.values == 0:
            found.append((option, convert(bool, [value]) if equals else on))
            continue
        texts = [value] if equals and option.values == 1 else value.split(",") if equals else take(option, rest)
        found.append((option, texts))
    return found, places


def split_before(
    alternatives: Sequence[Sequence[Section]], arguments: Sequence[str], command: str
) -> tuple[list[tuple[Option, list[str] | bool]], list[str]]:
    """Split a line before it is known which of several sets of sections counts.

    Which words belong to an option depends on the family; until it is known, the options of all families count. What
    no family has is left out with its value: it is reported once the family is known.
    """
    options = [option for sections in alternatives for option in vocabulary(sections)]
    known = {flag for option in options for flag in (*option.flags, *option.negations)}
    kept: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not is_option(word) or name_of(word) in known:
            kept.append(word)
        elif rest and not is_option(rest[0]) and "=" not in word and word not in ("-h", "--help"):
            rest.pop(0)
    return split(options, kept, command)


def name_of(word: str) -> str:
    """Return the name in `--name=value`; underscores count as hyphens.

    Examples:
        >>> name_of("--batch_size=3")
        '--batch-size'
    """
    return word.partition("=")[0].replace("_", "-")


def take(option: Option, rest: list[str]) -> list[str]:
    """Take the words of an option off the front of the rest.

    Raises:
        UsageError: there are too few.
    """
    count = next((i for i, word in enumerate(rest) if is_option(word)), len(rest))
    if option.values is not None:
        count = min(count, 1 if [word.lower() for word in rest[:1]] == ["none"] else option.values)
    if count < (option.values or 1) and rest[:1] != ["none"]:
        raise UsageError(f"{option.name} expects {option.metavar}: {option.help}")
    taken, rest[:count] = rest[:count], []
    return taken


def is_option(word: str) -> bool:
    """Tell options from values: -1 and -0.5 are values.

    Examples:
        >>> is_option("--steps"), is_option("-n"), is_option("-0.5"), is_option("-")
        (True, True, False, False)
    """
    return len(word) > 1 and word.startswith("-") and not (word[1].isdigit() or word[1] == ".")


def zip_places(options: Sequence[Option], places: list[str], command: str) -> list[tuple[Option, list[str] | bool]]:
    """Give every word without a name to the option whose place it has.

    Raises:
        UsageError: there are more words than places.
    """
    found: list[tuple[Option, list[str] | bool]] = []
    places = list(places)
    for option in options:
        count = len(places) if option.values is None else option.values
        if places:
            found.append((option, places[:count]))
            places = places[count:]
    if places:
        raise UsageError(f"{places[0]!r} is one word too many. See: veridical {command} --help")
    return found


def _near_option(name: str, names: Iterable[str]) -> str:
    close = nearest(name, [flag for flag in names if flag.startswith("--") == name.startswith("--")])
    return f" Did you mean {close}?" if close else ""


def _value(option: Option, texts: list[str]) -> Any:
    try:
        return convert(option.hint, texts)
    except NotOfType as error:
        raise UsageError(f"{option.name} is {' '.join(texts)!r}; {error}") from error


def _build(section: Section, options: Sequence[Option], given: Mapping[tuple[int, tuple[str, ...]], Any]) -> Any:
    own = [o.path for o in options if o.section is section and (id(section), o.path) in given]
    try:
        return _fill(section.kind, section.default, {path: given[id(section), path] for path in own})
    except ValueError as error:  # a dataclass refused a value
        raise UsageError(str(error)) from error


def _fill(kind: type[Any], default: Any, values: Mapping[tuple[str, ...], Any]) -> Any:
    base = default
    if base is None:
        own = {path[0]: value for path, value in values.items() if len(path) == 1}
        if all(len(path) == 1 for path in values):
            return kind(**own)
        base = kind()
    changes: dict[str, Any] = {path[0]: value for path, value in values.items() if len(path) == 1}
    for name in dict.fromkeys(path[0] for path in values if len(path) > 1):
        inner = getattr(base, name)
        assert is_dataclass(inner)
        deeper = {path[1:]: value for path, value in values.items() if len(path) > 1 and path[0] == name}
        changes[name] = _fill(type(inner), inner, deeper)
    return dataclasses.replace(base, **changes)


def run_verb(command: str, verbs: Mapping[str, Callable[[list[str]], int]], usage: str, arguments: list[str]) -> int:
    """Run one of the verbs of a command, or print its usage if none is given.

    Args:
        command: name of the command.
        verbs: function of every verb; it takes the remaining words and returns the exit code.
        usage: printed if there is no verb, or -h or --help.
        arguments: the words after the command.

    Raises:
        UsageError: there is no such verb; the nearest is said.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        say(usage)
        return 0
    if arguments[0] not in verbs:
        hint = did_you_mean(arguments[0], verbs)
        raise UsageError(f"there is no `veridical {command} {arguments[0]}`. {hint}")
    return verbs[arguments[0]](arguments[1:])


def say(line: str) -> None:
    """Print a line at once, so that a log shows it when it happens."""
    print(line, flush=True)


def is_terminal() -> bool:
    """Tell whether somebody watches."""
    return sys.stdout.isatty()
