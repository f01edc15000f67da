"""The only reader of YAML: plain values within bounds, and every error with the line that it is in.

PyYAML's safe loader runs no code, but it expands aliases to any size, recurses as deep as a text says, and raises
errors of many kinds. Here a text is first parsed to events, which costs no more than its length, and refused if it is
longer, deeper or larger than any configuration; then only numbers, texts, lists and mappings with plain keys pass. A
date is text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LONGEST = 1_000_000
"""Bytes of a text."""

DEEPEST = 50
"""Levels of nesting."""

MOST_NODES = 20_000
"""Values and keys of a text, those that aliases repeat counted as often."""

_LONGEST_NUMBER = 400  # characters
_PREFIX = "tag:yaml.org,2002:"
_PLAIN: dict[type[yaml.Node], tuple[str, ...]] = {
    yaml.ScalarNode: ("str", "int", "float", "bool", "null"),
    yaml.SequenceNode: ("seq",),
    yaml.MappingNode: ("map",),
}


class YamlError(ValueError):
    """A text is not YAML, or not of the plain kind that is read here.

    Args:
        line: where, from 1; 0 if it is the whole text.
        problem: what was found.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line, self.problem = line, problem


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars to numbers, booleans, null and text; dates, merge keys and the key `=` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.removeprefix(_PREFIX) in _PLAIN[yaml.ScalarNode]]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, no longer than `LONGEST`.

    Raises:
        YamlError: longer, or not UTF-8.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise YamlError(0, f"longer than {LONGEST:,} bytes; a configuration is shorter. Is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(0, "not a text file in UTF-8") from error


def compose(text: str) -> yaml.Node | None:
    """Return the checked nodes of a text; None if it is empty.

    Raises:
        YamlError: not YAML, or not plain.
    """
    try:
        _check_events(text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, f"the character {ord(text[error.position]):#04x} is not allowed in YAML") from error
    except (yaml.YAMLError, ValueError, LookupError, ArithmeticError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(0, f"not YAML: {error}") from error
    if root is not None:
        _check_nodes(root)
    return root


def construct(node: yaml.Node) -> Any:
    """Return the value of a checked node."""
    constructor = _Loader("")
    try:
        return constructor.construct_document(node)
    finally:
        constructor.dispose()


def load(text: str) -> Any:
    """Return the value of a text; None if it is empty.

    Raises:
        YamlError: not YAML, or not plain.

    Examples:
        >>> load("a: [1, 2.5, yes, 2026-01-01]")
        {'a': [1, 2.5, True, '2026-01-01']}
    """
    node = compose(text)
    return None if node is None else construct(node)


def _check_events(text: str) -> None:
    """Refuse depth and size from the events, before any value is made."""
    open_anchors: list[str | None] = []
    before: list[int] = []
    sizes: dict[str, int] = {}
    nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_anchors.append(event.anchor)
            before.append(nodes)
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = open_anchors.pop(), before.pop()
            sizes |= {anchor: nodes - start} if anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in open_anchors:
                raise YamlError(line, f"*{event.anchor} is inside of what it stands for")
            nodes += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
        if len(before) > DEEPEST:
            raise YamlError(line, f"nested deeper than {DEEPEST} levels")
        if nodes > MOST_NODES:
            raise YamlError(line, f"more than {MOST_NODES:,} values, with those that aliases repeat")


def _check_nodes(root: yaml.Node) -> None:
    """Refuse values that are no plain ones, and mappings whose keys are."""
    seen: set[int] = set()
    rest: list[yaml.Node] = [root]
    while rest:
        node = rest.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        _check_value(node)
        if isinstance(node, yaml.SequenceNode):
            rest += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise YamlError(key.start_mark.line + 1, "a list or a mapping is no key; expected a name")
                rest += [key, value]


def _check_value(node: yaml.Node) -> None:
    line, kind = node.start_mark.line + 1, node.tag.removeprefix(_PREFIX)
    if kind not in _PLAIN[type(node)]:
        raise YamlError(line, f"a value of the type {node.tag[:60]} is not read; expected a number, text or list")
    if not isinstance(node, yaml.ScalarNode) or kind == "str":
        return
    try:
        if len(node.value) > _LONGEST_NUMBER:
            raise ValueError(node.value)
        construct(node)
    except (ValueError, LookupError, ArithmeticError) as error:
        raise YamlError(line, f"{node.value[:40]!r} is no {kind} that can be read") from error
