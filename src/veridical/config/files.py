"""Configurations as YAML: values with their origins; all errors are reported at once, with line numbers."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from veridical.config.documents import YamlError, compose, construct, read_text
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.presets import PRESETS, find_preset
from veridical.config.run import OwnModel, RunConfig, plain
from veridical.errors import RequestError
from veridical.nearest import did_you_mean

Origins = dict[str, str]
"""Dotted key -> default | preset NAME | file PATH | command line."""


@dataclass(frozen=True)
class Problem:
    """One error in a configuration file."""

    line: int
    key: str
    message: str


class ConfigError(ValueError, RequestError):
    """A configuration cannot be used; the message lists all errors."""

    def __init__(self, path: Path | str, problems: list[Problem]) -> None:
        """List the problems in order of line."""
        self.problems = sorted(problems, key=lambda p: p.line)
        lines = [
            f"{path}:{f'{p.line}:' if p.line else ''} {p.key + ': ' if p.key else ''}{p.message}" for p in self.problems
        ]
        super().__init__("\n".join(lines))


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return dotted key -> value for every leaf of a configuration.

    Examples:
        >>> flatten(RunConfig())["training.batch_size"]
        64
    """
    leaves: dict[str, Any] = {}
    for name, value in entries(config).items():
        leaves |= flatten(value, f"{prefix}{name}.") if is_section(value) else {f"{prefix}{name}": value}
    return leaves


def entries(section: Any) -> Mapping[str, Any]:
    """Return the entries of a section: the fields of a dataclass, or the settings of a user's own model."""
    if isinstance(section, OwnModel):
        return section.settings
    if isinstance(section, Mapping):
        return section
    return {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}


def is_section(value: Any) -> bool:
    """Return whether a value is written as a separate section."""
    return is_dataclass(value) or (isinstance(value, Mapping) and bool(value))


def origins_of(config: RunConfig, base: RunConfig, base_origins: Origins, source: str) -> Origins:
    """Origin of every value: `source` where it differs from the base, else the base's own origin.

    Args:
        config: the final values.
        base: the values before they were changed, such as those of a preset.
        base_origins: origins of the base values; "default" if a key is missing.
        source: origin of the changes, such as "command line".
    """
    before = flatten(base)
    return {
        key: base_origins.get(key, "default") if key in before and before[key] == value else source
        for key, value in flatten(config).items()
    }


def preset_origins(name: str) -> Origins:
    """Origins of a preset's values: the preset where it differs from its family's defaults."""
    config = find_preset(name)
    return origins_of(config, RunConfig(model=type(config.model)()), {}, f"preset {name}")


def preset_of(origins: Origins) -> str | None:
    """Return the preset that values come from; None if there is none, or several."""
    names = {origin.removeprefix("preset ") for origin in origins.values() if origin.startswith("preset ")}
    return names.pop() if len(names) == 1 else None


def on_vectors(config: RunConfig, origins: Origins, preset: str) -> tuple[RunConfig, Origins]:
    """Take the values of a preset for vectors, except for those that a file or the command line set.

    Args:
        config: that began as the preset.
        origins: of its values.
        preset: names in `vectors` the preset that is taken; if it names none, nothing changes.
    """
    other = PRESETS[preset].vectors if preset in PRESETS else ""
    if not other or type(config.model) is not type(PRESETS[other].model):
        return config, origins
    values = flatten(find_preset(other))
    free = {key for key, origin in origins.items() if origin in ("default", f"preset {preset}")}
    own = {key: value for key, value in flatten(config).items() if not key.startswith("data.")}
    changes = {key: values[key] for key, value in own.items() if key in free and values[key] != value}
    for key, value in changes.items():
        config = with_value(config, key.split("."), value)
    return config, origins | dict.fromkeys(changes, f"preset {other}")


def with_value(section: Any, path: list[str], value: Any) -> Any:
    """Return a configuration with another value, at a path of names.

    Examples:
        >>> with_value(RunConfig(), ["training", "steps"], 7).training.steps
        7
    """
    name, *rest = path
    return dataclasses.replace(section, **{name: with_value(getattr(section, name), rest, value) if rest else value})


def to_yaml(config: RunConfig, origins: Origins) -> str:
    """Write a complete configuration, the origin of each value as a comment and again under `origin`."""
    lines = [f"family: {config.family}"]
    for section in ("model", "data", "training"):
        written = _section(getattr(config, section), f"{section}.", origins, "  ")
        lines += ["", f"{section}:" if written else f"{section}: {{}}", *written]
    changed = {key: origin for key, origin in origins.items() if origin != "default"}
    lines += ["", "# Where the values that are not defaults come from.", "origin:" if changed else "origin: {}"]
    lines += [f"  {key}: {_scalar(origin)}" for key, origin in changed.items()]
    return "\n".join(lines) + "\n"


def _section(config: Any, prefix: str, origins: Origins, indent: str) -> list[str]:
    lines = []
    for name, value in entries(config).items():
        key = f"{prefix}{name}"
        if is_section(value):
            lines += [f"{indent}{_scalar(name)}:", *_section(value, f"{key}.", origins, indent + "  ")]
        else:
            lines.append(f"{indent}{_scalar(name)}: {_scalar(value)}  # {origins.get(key, 'default')}")
    return lines


def _scalar(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    if isinstance(value, str) and not value.isprintable():
        return json.dumps(value)  # escapes, on one line
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def read(path: Path | str) -> tuple[RunConfig, Origins]:
    """Read a configuration file; keys left out keep the value of its preset or of the family's defaults.

    Raises:
        ConfigError: the file has errors; the message lists all of them.
    """
    path = Path(path)
    try:
        root = compose(read_text(path))
    except YamlError as error:
        raise ConfigError(path, [Problem(error.line, "", error.problem)]) from error
    except (OSError, ValueError) as error:  # a ValueError: a zero character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(path, [Problem(0, "", f"cannot be read: {reason}")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(path, [Problem(1, "", "expected sections model, data, training")])
    return _Reader(path).run(root)


class _Reader:
    """Reads the nodes of one file into dataclasses and collects the errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def run(self, root: yaml.MappingNode) -> tuple[RunConfig, Origins]:
        nodes = self._keys(root, "", ("family", "preset", "model", "data", "training", "origin"))
        base, origins = self._base(nodes)
        sections: dict[str, Any] = {"model": base.model, "data": base.data, "training": base.training}
        for name in sections:
            if name in nodes and isinstance(sections[name], OwnModel):
                sections[name] = self._own(sections[name], nodes[name])
            elif name in nodes:
                sections[name] = self._fill(sections[name], nodes[name], f"{name}.")
        origin = construct(nodes["origin"]) if "origin" in nodes else {}
        if not isinstance(origin, dict):
            self._problem(nodes["origin"], "origin", "expected keys and values")
        if self.problems:
            raise ConfigError(self.path, self.problems)
        config = RunConfig(**sections)
        found = origins_of(config, base, origins, f"file {self.path}")
        if isinstance(origin, dict) and "origin" in nodes:
            found = {key: str(origin.get(key, "default")) for key in found}
        return config, found

    def _base(self, nodes: dict[str, yaml.Node]) -> tuple[RunConfig, Origins]:
        preset = self._name(nodes, "preset")
        if preset is not None and preset not in PRESETS:
            self._problem(
                nodes["preset"], "preset", f"there is no preset {preset!r}. {did_you_mean(str(preset), PRESETS)}"
            )
            preset = None
        family = self._name(nodes, "family")
        if family is not None and family not in FAMILIES and not is_own(family):
            message = f"there is no family {family!r}. {did_you_mean(str(family), FAMILIES)}"
            self._problem(nodes["family"], "family", message)
            family = None
            nodes.pop("model", None)  # its keys cannot be checked
        if preset is not None:
            base = find_preset(preset)
            if family is not None and base.family != family:
                self._problem(nodes["family"], "family", f"preset {preset} is of family {base.family}, not {family}")
            return base, preset_origins(preset)
        if is_own(family):
            return RunConfig(model=OwnModel(str(family))), {}
        return RunConfig(model=find_family(family or "gan").config()), {}

    def _name(self, nodes: dict[str, yaml.Node], key: str) -> str | None:
        """Return a name; anything else than one value is a problem."""
        node = nodes.get(key)
        value = None if node is None else construct(node)
        if node is not None and isinstance(value, list | dict):
            self._problem(node, key, f"is a {type(value).__name__}; expected a name")
            nodes.pop("model", None)  # its keys cannot be checked
            return None
        return None if value is None else str(value)

    def _own(self, base: OwnModel, node: yaml.Node) -> OwnModel:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, "model", "expected keys and values")
            return base
        return OwnModel(base.name, plain(construct(node)))

    def _fill(self, base: Any, node: yaml.Node, prefix: str) -> Any:
        from pydantic import TypeAdapter, ValidationError

        if not isinstance(node, yaml.MappingNode):
            self._problem(node, prefix.rstrip("."), "expected keys and values")
            return base
        hints = typing.get_type_hints(type(base))
        nodes = self._keys(node, prefix, tuple(hints))
        values: dict[str, Any] = {}
        for name, child in nodes.items():
            if is_dataclass(hints[name]):
                values[name] = self._fill(getattr(base, name), child, f"{prefix}{name}.")
                continue
            try:
                values[name] = TypeAdapter(hints[name]).validate_python(construct(child))
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                got = _shortened(repr(construct(child)))
                self._problem(child, f"{prefix}{name}", f"is {got}; {message[0].lower()}{message[1:]}")
        while True:  # a dataclass reports only its first error: remove that value and look for the next error
            try:
                return dataclasses.replace(base, **values)
            except ValueError as error:
                name = str(error).split(" ", 1)[0]
                self._problem(nodes.get(name, node), f"{prefix}{name}", str(error).removeprefix(f"{name} "))
                if values.pop(name, None) is None:
                    return base

    def _keys(self, node: yaml.MappingNode, prefix: str, valid: tuple[str, ...]) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        for key_node, child in node.value:
            key = str(construct(key_node))
            if key not in valid:
                self._problem(key_node, f"{prefix}{key}", f"there is no such key. {did_you_mean(key, valid)}")
            elif key in found:
                self._problem(key_node, f"{prefix}{key}", "is given twice")
            else:
                found[key] = child
        return found

    def _problem(self, node: yaml.Node, key: str, message: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, key, message))


def is_own(family: object) -> bool:
    """Return whether the name of a family is a class outside the table."""
    return isinstance(family, str) and "." in family


def _shortened(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
