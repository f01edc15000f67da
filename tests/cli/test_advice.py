"""Advice can be followed: every command and every option that a text of this package names is a real one.

Texts are the string literals of the sources, read by `ast`, and the console lines of README and docs. The options are
those of the real parsers.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflows.runs import VAE, silent
from veridical.cli import COMMANDS, parse, run
from veridical.cli.options import Option, Section, vocabulary
from veridical.config.families.table import FAMILIES, find_family
from veridical.workflows.start import train

ROOT = Path(__file__).parents[2]
SUBCOMMANDS = {"data": ("list", "get", "check"), "config": ("show", "validate"), "ising": ("sample", "exact", "check")}
COMMAND = re.compile(r"\bveridical (?!import\b)([a-z]+(?:-[a-z]+)*)(?: ([a-z]+)\b)?")
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9_-]*(?:\.[a-z0-9-]+)*)(?!\.[A-Z])\b")
PROSE = {"does", "or", "is"}
"""Words that follow the name of the package in a sentence."""

OTHERS = {
    "debug": "any command",
    "version": "the program",
    "help": "any command",
    "name": "stands for any",
    "logdir": "tensorboard",
    "ignore-scripts": "npm",
    "pack-destination": "npm",
    "error-unmatch": "git",
    "porcelain": "git",
    "untracked-files": "git",
    "verson": "an example of a mistyped one",
}
"""Options of the whole program, or of other programs."""


def options_of(*arguments: str) -> set[str]:
    """Return the options that a command's parser knows, without dashes."""
    found: set[str] = set()

    def catch(sections: Sequence[Section]) -> list[Option]:
        options = vocabulary(sections)
        found.update(flag.lstrip("-") for option in options for flag in (*option.flags, *option.negations))
        return options

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(parse, "vocabulary", catch)
        run([*arguments, "--help"])
    assert found or arguments in (("cite",), ("doctor",), ("config", "show"), ("config", "validate")), arguments
    return found


@cache
def options(command: str) -> frozenset[str]:
    """Return the options of a command, over all families and subcommands."""
    if command == "train":
        return frozenset().union(*(options_of("train", family) for family in FAMILIES))
    if command == "sample":
        families = {name for f in FAMILIES for name in find_family(f).sampling.__dataclass_fields__}
        return frozenset(options_of("sample") | {"label"} | {name.replace("_", "-") for name in families})
    if command == "data":
        return frozenset(options_of("data", "get") | options_of("data", "check"))
    if command in SUBCOMMANDS:
        return frozenset().union(*(options_of(command, sub) for sub in SUBCOMMANDS[command]))
    return frozenset(options_of(command))


def literals(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string of a source; what is filled in at run time becomes {}."""
    return literals_of(ast.parse(file.read_text(encoding="utf-8")))


def literals_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string below a node."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def console_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page that show a command."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if re.search(r"(\$ |`|\| `)veridical [a-z]", line):
            yield number, line


def texts() -> list[tuple[str, str]]:
    sources = sorted((ROOT / "src").rglob("*.py"))
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [(f"{file.relative_to(ROOT)}:{line}", text) for file in sources for line, text in literals(file)]
    return found + [(f"{file.relative_to(ROOT)}:{line}", text) for file in pages for line, text in console_lines(file)]


def wrong_commands(text: str) -> list[str]:
    """Return the commands in a text that do not exist."""
    wrong = []
    for command, sub in COMMAND.findall(text):
        if command in PROSE:
            continue
        if command not in COMMANDS or (sub and command in SUBCOMMANDS and sub not in SUBCOMMANDS[command]):
            wrong.append(f"veridical {command} {sub}".strip())
    return wrong


def wrong_flags(text: str) -> list[str]:
    """Return the options in a text that the command named before them, or no command at all, has."""
    wrong = []
    for match in FLAG.finditer(text):
        flag = match[1].replace("_", "-")
        named = [c for c, _ in COMMAND.findall(text[: match.start()]) if c in COMMANDS]
        sentence = re.split(r"[.;:|(]\s|`", text[: match.start()])[-1]
        near = [c for c, _ in COMMAND.findall(sentence) if c in COMMANDS]
        where = near[-1:] if near else list(COMMANDS)
        if flag not in OTHERS and not any(flag in options(command) for command in where):
            wrong.append(f"--{flag} of {where[0] if near else named or 'any command'}")
    return wrong


def test_every_command_that_a_text_names_exists() -> None:
    assert {place: wrong for place, text in texts() if (wrong := wrong_commands(text))} == {}


def test_every_option_that_a_text_names_exists() -> None:
    assert {place: wrong for place, text in texts() if (wrong := wrong_flags(text))} == {}


def test_options_that_reading_names_exist_wherever_data_are_read() -> None:
    """A remedy for data is met in train, data check and evaluate alike, so each of them has the option."""
    others = {"flip", "order", "repeats", "sample-rate", "data", "batch-size", "packed"}  # train, ising sample
    readers = sorted((ROOT / "src" / "veridical" / "data").glob("*.py"))
    named = {m[1].replace("_", "-") for file in readers for _, text in literals(file) for m in FLAG.finditer(text)}
    named -= {*OTHERS, *others}
    assert len(named) >= 9
    for command in ("train", "data", "evaluate"):
        assert named <= options(command), command


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Go on with: veridical resum RUN", ["veridical resum"]),
        ("see veridical data lst", ["veridical data lst"]),
        ("veridical data check FOLDER, veridical train", []),
        ("This may be a defect of veridical; see", []),
    ],
)
def test_a_wrong_command_is_seen(text: str, wrong: list[str]) -> None:
    assert wrong_commands(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("continue with `veridical resume {} --lr-scale 0.3`", []),
        ("continue with: veridical resume {} --size 3", ["--size of resume"]),
        ("Set --trust none.", ["--trust of any command"]),
        ("Take --lr-scal 3", ["--lr-scal of any command"]),
        ("Set --generator-optimizer.lr 1e-3, or --no-labels", []),
    ],
)
def test_a_wrong_option_is_seen(text: str, wrong: list[str]) -> None:
    assert [w.replace("[]", "any command") for w in wrong_flags(text)] == wrong


NAMED = re.compile(r"veridical (?:[a-z]+)\b(?:[^`;,()\n.:?]|\.(?=\w))*")


def commands_of_messages() -> dict[str, str]:
    """Every command that a message of the package names, and a place that names it; docstrings and usages left out."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = [part for part in node.body if not is_docstring(part)]
        for line, text in literals_of(tree):
            for match in NAMED.finditer(text):
                command = match[0].split()[1]
                if command in COMMANDS and text[match.end() :][:1] != ":" and "VERB" not in match[0]:
                    found[match[0].strip()] = f"{file.name}:{line}"
    return {name: place for name, place in found.items() if not re.search(r"\[|\||VERB", name)}


def is_docstring(part: ast.stmt) -> bool:
    """Return whether a statement is a string alone."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


SHORT = {
    "train": ["--dry-run", "--steps", "2", "--device", "cpu"],
    "evaluate": ["-n", "30", "--metrics", "codes"],
    "sample": ["-n", "2"],
}
"""Options that make a command short, unless it says otherwise."""


def as_run(template: str, run: Path) -> list[str]:
    """Return the words of a command with everything filled in that it leaves open; files lie next to the run."""
    words = template.split()[1:]
    command = words[0]
    fills = {"train": "vae", "config": "vae", "data": "digits", "experiment": "critical-lattice"}
    gap = {**fills, "ising": str(run.parent / "spins.npz")}.get(command, str(run))
    gap = str(run / "config.yaml") if "--config" in words else gap
    places = {"RUN": run, "DATA": "digits", "PRESET": "vae", "NAME": "digits", "N": 6, "FILE": run / "config.yaml"}
    places |= {"FILE": run.parent / "image.png"} if command in ("encode", "interpolate") else {}
    places |= {"{}": gap, "64": 8, "100000": 200, "runs/0000-gan-fashion-mnist-10k": run}
    words = [str(run.parent / word) if word.endswith(".npz") else str(places.get(word, word)) for word in words]
    if command == "experiment" or words[:2] == ["data", "get"]:
        return [*words, "--help"]  # minutes, or a download
    if command == "train" and not {"--config", "--data", "--help"} & {*words}:
        words += ["--data", "digits"]
    words += [str(run)] if words == ["resume"] else []
    short = SHORT.get(command, [])
    return words if "--help" in words or {*short[:1]} & {*words} else words + short


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of four steps, an image, and files of spins."""
    folder = tmp_path_factory.mktemp("place")
    train(replace(VAE, training=replace(VAE.training, steps=4)), out=folder / "run", say=silent)
    np.savez(folder / "spins.npz", x=np.random.default_rng(0).random((50, 8, 8)) < 0.5)
    shutil.copy(folder / "spins.npz", folder / "tc64.npz")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(folder / "image.png")
    return folder


@pytest.mark.parametrize("template", sorted(commands_of_messages()))
def test_every_command_that_a_message_names_runs(template: str, place: Path, tmp_path: Path) -> None:
    """Random spins do not follow the law of the critical lattice, so that `ising check` ends with 1."""
    shutil.copytree(place, tmp_path / "place")
    if template.startswith("veridical ising sample"):
        (tmp_path / "place" / "tc64.npz").unlink()
    words = as_run(template, tmp_path / "place" / "run")
    assert run(words) == (1 if words[:2] == ["ising", "check"] else 0), words


def test_commands_of_messages_are_found() -> None:
    found = commands_of_messages()
    assert {
        "veridical resume RUN --steps N",
        "veridical resume {} --data DATA",
        "veridical data check {}",
    } <= found.keys()
    assert len(found) >= 25


@pytest.mark.parametrize(
    "words", [["resume", "RUN", "--sise", "3"], ["train", "--data", "digit"], ["evaluate", "nothing"]]
)
def test_a_command_that_fails_would_be_seen(words: list[str], place: Path) -> None:
    assert run([str(place / "run") if word == "RUN" else word for word in words]) != 0
