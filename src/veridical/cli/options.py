"""Options of the command line: one per field of the dataclasses that define a command.

A command is a list of sections; each section is a dataclass. A field `batch_size` of the section `training` is written
`--training.batch-size`, and also `--batch-size` if no earlier section has that name. A family can therefore choose the
names of its fields freely. Nested fields have dotted names, `--generator-optimizer.lr`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


@dataclass(frozen=True)
class Mark:
    """How a field is written on the command line, if not by its name alone."""

    positional: bool = False
    """The value is given by its position, without a name."""

    alias: str = ""
    """A second, shorter name, such as "-n"."""


Positional = Annotated[T, Mark(positional=True)]
"""A field whose value is given by its position."""


@dataclass(frozen=True)
class Section:
    """A dataclass whose fields are options of a command."""

    title: str
    """Heading in the help."""

    kind: type[Any]
    """The dataclass."""

    default: Any = None
    """Default values; None: the defaults of the class, and fields without a default are required."""

    prefix: str = ""
    """Name of the section, written before the name of an option, with a dot; empty: no prefix."""


@dataclass(frozen=True)
class Option:
    """One field of a section."""

    section: Section
    path: tuple[str, ...]
    """Names of the nested fields, outermost first."""

    flags: tuple[str, ...]
    """Names on the command line, short ones first; empty if the option is positional."""

    hint: Any
    """Type of the value."""

    default: Any
    """Default value; `MISSING`: the option is required."""

    help: str
    """Explanation in the help."""

    metavar: str
    """Placeholder of the value in the help."""

    positional: bool = False

    @property
    def name(self) -> str:
        """Name of the option in messages."""
        return self.metavar if self.positional else self.flags[0]

    @property
    def values(self) -> int | None:
        """Number of words after the name of the option; None: any number."""
        if self.hint is bool:
            return 0
        sequence = sequence_of(self.hint)
        if sequence is None:
            return 1
        args = get_args(sequence)
        return None if not args or Ellipsis in args or get_origin(sequence) is list else len(args)

    @property
    def negations(self) -> tuple[str, ...]:
        """Names that switch a boolean option off."""
        return tuple(negated(flag) for flag in self.flags if flag.startswith("--")) if self.hint is bool else ()


def vocabulary(sections: Sequence[Section]) -> list[Option]:
    """Return every option of the sections; a short name belongs to the first section that has it."""
    taken: set[str] = {"--help", "-h"}
    options = []
    for section in sections:
        for option in _options(section, section.kind, section.default, (), taken):
            taken.update(option.flags, option.negations)
            options.append(option)
    return options


def _options(
    section: Section, kind: type[Any], default: Any, path: tuple[str, ...], taken: set[str]
) -> Iterator[Option]:
    hints, docs = typing.get_type_hints(kind, include_extras=True), field_docs(kind)
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        value = _default(field) if default is None else getattr(default, field.name)
        hint, mark = _unmarked(hints[field.name])
        here = (*path, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _options(section, type(value), value, here, taken)
            continue
        metavar = field.metadata.get("metavar") or (field.name.upper() if mark.positional else metavar_of(hint))
        flags = () if mark.positional else _flags(section, here, field.metadata.get("flag"), mark.alias, hint, taken)
        yield Option(section, here, flags, hint, value, docs.get(field.name, ""), metavar, mark.positional)


def _flags(
    section: Section, path: tuple[str, ...], renamed: str | None, alias: str, hint: Any, taken: set[str]
) -> tuple[str, ...]:
    dotted = ".".join(path).replace("_", "-")
    short = f"--{renamed or dotted}"
    clashes = short in taken or (hint is bool and negated(short) in taken)
    flags = [] if clashes else [short, *([alias] if alias and alias not in taken else [])]
    if section.prefix:
        flags.append(f"--{section.prefix}.{dotted}")
    if not flags:
        raise TypeError(f"{short} is an option of two sections, and {section.title!r} has no prefix.")
    return tuple(flags)


def negated(flag: str) -> str:
    """Return the name that switches an option off.

    Examples:
        >>> negated("--labels"), negated("--data.labels")
        ('--no-labels', '--data.no-labels')
    """
    head, dot, last = flag.removeprefix("--").rpartition(".")
    return f"--{head}{dot}no-{last}"


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _unmarked(hint: Any) -> tuple[Any, Mark]:
    mark = Mark()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        mark = next((extra for extra in extras if isinstance(extra, Mark)), mark)
    return hint, mark


def arms(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def sequence_of(hint: Any) -> Any | None:
    """Return the tuple or list type in a type; None if it contains none."""
    return next((arm for arm in arms(hint) if (get_origin(arm) or arm) in (tuple, list)), None)


def choices_of(hint: Any) -> tuple[str, ...]:
    """Return the values of the literals in a type."""
    return tuple(str(choice) for arm in arms(hint) if get_origin(arm) is Literal for choice in get_args(arm))


def metavar_of(hint: Any) -> str:
    """Return the placeholder for a value of a type.

    Examples:
        >>> metavar_of(int | None), metavar_of(tuple[float, float]), metavar_of(Literal["a", "b"])
        ('N', 'X X', 'a|b')
    """
    if hint is bool:
        return ""
    if choices := choices_of(hint):
        return "|".join(choices)
    if sequence := sequence_of(hint):
        args = get_args(sequence)
        return f"{metavar_of(args[0])}..." if Ellipsis in args or len(args) == 1 else " ".join(map(metavar_of, args))
    kinds = {int: "N", float: "X", str: "TEXT", Path: "PATH", bool: "yes|no"}
    return next((kinds[arm] for arm in arms(hint) if arm in kinds), "VALUE")


@cache
def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return the docstring of each field of a dataclass and of its base classes, each on one line."""
    docs: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if is_dataclass(parent):
            docs |= dict(_own_docs(parent))
    return docs


def _own_docs(kind: type[Any]) -> Iterable[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):  # a class from an interactive session has no source
        return
    body = next((node.body for node in tree.body if isinstance(node, ast.ClassDef)), [])
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                yield field.target.id, " ".join(text.value.value.split())
