"""Shared by the commands: parsing the command line into dataclasses, and printing.

Options may come before or after positional words, as `--name value` or `--name=value`; underscores in a name count as
hyphens. Every mistake raises a `UsageError` (exit code 2) that names the closest valid word.
"""

from __future__ import annotations

import contextlib
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
    """Parse the command line into one dataclass; its docstring is the first paragraph of the help.

    Args:
        kind: the dataclass; its fields are the options.
        command: name of the command, for the usage line.
        arguments: the words after the command.
        default: default values; None: the defaults of the fields.

    Raises:
        UsageError: an option, a value or their number is wrong.
    """
    return parse_sections([Section("options", kind, default)], command, arguments, about=kind.__doc__ or "")[0]


def parse_sections(
    sections: Sequence[Section], command: str, arguments: Sequence[str], *, about: str = "", notes: Sequence[str] = ()
) -> list[Any]:
    """Parse one command line into several dataclasses.

    Args:
        sections: the dataclasses; a short name belongs to the first that has it.
        command: name of the command, for the help.
        arguments: the words after the command.
        about: description of the command.
        notes: lines of the help before the options.

    Returns:
        One value per section.

    Raises:
        UsageError: an option, a value or their number is wrong.
        SystemExit: the help was requested and has been printed.
    """
    options = vocabulary(sections)
    if asks_for_help(arguments):
        print(help_text(command, options, about, notes))
        raise SystemExit(0)
    given = assign(options, arguments, command)
    return [_build(section, options, given) for section in sections]


def asks_for_help(arguments: Iterable[str]) -> bool:
    """Return whether the arguments request help."""
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
        given[id(option.section), option.path] = texts if isinstance(texts, bool) else _value(option, texts, options)
    for option in options:
        if option.default is MISSING and (id(option.section), option.path) not in given:
            raise UsageError(f"{option.name} is missing: {option.help} See: veridical {command} --help")
    return given


def split(
    options: Sequence[Option], arguments: Sequence[str], command: str
) -> tuple[list[tuple[Option, list[str] | bool]], list[str]]:
    """Return the options with their words (or True and False), and the positional words.

    Raises:
        UsageError: an option does not exist, or its value is missing.
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
    """Split a command line before the family, and so the set of options, is known.

    Until then, the options of all families are accepted. An option that no family has is skipped with its value; it is
    reported later, when the family is known.
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
    """Remove the words of an option from the front of the rest and return them.

    Raises:
        UsageError: there are too few words.
    """
    count = next((i for i, word in enumerate(rest) if is_option(word)), len(rest))
    if option.values is not None:
        count = min(count, 1 if [word.lower() for word in rest[:1]] == ["none"] else option.values)
    if count < (option.values or 1) and rest[:1] != ["none"]:
        raise UsageError(f"{option.name} expects {option.metavar}: {option.help}")
    taken, rest[:count] = rest[:count], []
    return taken


def is_option(word: str) -> bool:
    """Return whether a word is an option; -1 and -0.5 are values.

    Examples:
        >>> is_option("--steps"), is_option("-n"), is_option("-0.5"), is_option("-")
        (True, True, False, False)
    """
    return len(word) > 1 and word.startswith("-") and not (word[1].isdigit() or word[1] == ".")


def zip_places(options: Sequence[Option], places: list[str], command: str) -> list[tuple[Option, list[str] | bool]]:
    """Assign the positional words to the positional options.

    Raises:
        UsageError: there are too many words.
    """
    found: list[tuple[Option, list[str] | bool]] = []
    places = list(places)
    for option in options:
        count = len(places) if option.values is None else option.values
        if places:
            found.append((option, places[:count]))
            places = places[count:]
    if places:
        raise UsageError(f"unexpected word {places[0]!r}. See: veridical {command} --help")
    return found


def _near_option(name: str, names: Iterable[str]) -> str:
    close = nearest(name, [flag for flag in names if flag.startswith("--") == name.startswith("--")])
    return f" Did you mean {close}?" if close else ""


def _value(option: Option, texts: list[str], options: Sequence[Option]) -> Any:
    try:
        return convert(option.hint, texts)
    except NotOfType as error:
        raise UsageError(f"{option.name} is {' '.join(texts)!r}; {error}{_namesake(option, texts, options)}") from error


def _namesake(option: Option, texts: list[str], options: Sequence[Option]) -> str:
    """Name the option of another section with the same short name, if the value is one of its own."""
    for other in options:
        if other is not option and other.path == option.path and other.flags:
            with contextlib.suppress(NotOfType):
                convert(other.hint, texts)
                return f" Did you mean {other.name} {' '.join(texts)}?"
    return ""


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
    """Run one of the verbs of a command, or print the usage if no verb is given.

    Args:
        command: name of the command.
        verbs: function of every verb; it takes the remaining words and returns the exit code.
        usage: printed if there is no verb, or -h or --help.
        arguments: the words after the command.

    Raises:
        UsageError: there is no such verb; the message names the closest one.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        say(usage)
        return 0
    if arguments[0] not in verbs:
        hint = did_you_mean(arguments[0], verbs)
        raise UsageError(f"there is no `veridical {command} {arguments[0]}`. {hint}")
    return verbs[arguments[0]](arguments[1:])


def say(line: str) -> None:
    """Print a line and flush the output."""
    print(line, flush=True)


def is_terminal() -> bool:
    """Return whether the output is a terminal."""
    return sys.stdout.isatty()
