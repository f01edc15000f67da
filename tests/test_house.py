"""What holds for the whole project: its public names, its dependencies, its READMEs, its rules."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Container, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import veridical
from veridical.config.families.table import FAMILIES

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

Found = tuple[ast.ClassDef | None, ast.FunctionDef, list[str]]
"""The class of a method, or None; a public function; the names of its arguments."""

PUBLIC = {
    "ArrayData",
    "Batch",
    "BatchSource",
    "DataConfig",
    "EnergySource",
    "GenerativeModel",
    "Loader",
    "Loss",
    "OptimizerConfig",
    "RunConfig",
    "Space",
    "State",
    "TrainingConfig",
    "OwnModel",
    "Facts",
    "preset",
    "__version__",
    "build_report",
    "callbacks",
    "draw",
    "encode",
    "evaluate",
    "evaluate_samples",
    "fit",
    "load",
    "load_data",
    "resume",
    "train",
}


def test_public_names_are_these_and_all_can_be_had() -> None:
    families = {name for kind in FAMILIES.values() for name in (kind, f"{kind}Config")}
    assert set(veridical.__all__) == PUBLIC | families
    assert all(getattr(veridical, name) is not None for name in veridical.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = veridical.nonsense


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, veridical; print([n for n in ('torch', 'numpy', 'tyro', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == veridical.__version__
    assert f"version: {veridical.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_nothing_depends_on_torchvision() -> None:
    """It has no CPU build beside CPU torch: importing it fails."""
    assert "torchvision" not in (ROOT / "requirements.lock").read_text()
    assert "torchvision" not in (ROOT / "requirements-dev.lock").read_text()
    for source in SOURCES:
        imported = {
            name
            for node in ast.walk(ast.parse(source.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not {name for name in imported if name.split(".")[0] == "torchvision"}, source


def test_torch_is_pinned_so_that_no_other_build_is_pulled() -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert "torch==2.13.0" in lock
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[^ ]+", line) for line in lock if line and not line.startswith("#"))


def test_the_lowest_versions_are_those_that_the_project_admits() -> None:
    lock = dict(
        line.split("==") for line in (ROOT / "requirements-lowest.lock").read_text().split("\n") if "==" in line
    )
    locked = {name.lower(): version for name, version in lock.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name, lowest = requirement.lower().split(">=")
        if name != "torch":  # 2.11 has no build for the processor alone
            assert re.fullmatch(rf"{re.escape(lowest)}(\.0)*", locked[name]), requirement


WITHOUT_A_TEST_OF_THEIR_OWN: dict[str, str] = {}
"""Modules without a mirrored test, each with its reason."""


def mirror(source: Path) -> Path:
    """The test of src/veridical/x/y.py is tests/x/test_y.py."""
    place = source.relative_to(ROOT / "src" / "veridical")
    return ROOT / "tests" / place.parent / f"test_{place.stem.strip('_')}.py"


def test_every_module_has_its_mirrored_test() -> None:
    modules = {str(s.relative_to(ROOT / "src" / "veridical")): s for s in SOURCES if s.name != "__init__.py"}
    bare = {name for name, source in modules.items() if not mirror(source).is_file()}
    assert bare == WITHOUT_A_TEST_OF_THEIR_OWN.keys(), "write its test, or state here why it has none"
    empty = {name for name in modules.keys() - bare if "def test_" not in mirror(modules[name]).read_text()}
    assert not empty


def public_functions(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[Found]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            yield owner, node, [name for name in arguments if name not in ("self", "cls")]


def undocumented(tree: ast.Module, inherited: Container[str] = ()) -> list[str]:
    """Names of public functions of four or more arguments whose docstrings do not describe each of them.

    A method may leave it to an abstract one of the same name and arguments that does (`inherited`, as signatures).
    """
    return [
        node.name
        for owner, node, arguments in public_functions(tree.body)
        if len(arguments) >= 4
        and not describes(node, arguments)
        and not (owner is not None and owner.bases and signature(node, arguments) in inherited)
    ]


def describes(node: ast.FunctionDef, arguments: list[str]) -> bool:
    _, _, section = (ast.get_docstring(node) or "").partition("Args:\n")
    return all(re.search(rf"^    {name}: \S", section, flags=re.MULTILINE) for name in arguments)


def signature(node: ast.FunctionDef, arguments: list[str]) -> str:
    return f"{node.name}({', '.join(arguments)})"


def described_by_abstract_methods() -> set[str]:
    return {
        signature(node, arguments)
        for source in SOURCES
        for owner, node, arguments in public_functions(ast.parse(source.read_text()).body)
        if owner is not None
        and any(isinstance(d, ast.Name) and d.id == "abstractmethod" for d in node.decorator_list)
        and describes(node, arguments)
    }


def test_arguments_are_described_where_there_are_four_or_more() -> None:
    inherited = described_by_abstract_methods()
    found = [
        f"{source.relative_to(ROOT / 'src')}: {name}"
        for source in SOURCES
        if not source.stem.startswith("_") or source.stem == "__init__"
        for name in undocumented(ast.parse(source.read_text()), inherited)
    ]
    assert not found, f"no Args section that describes every argument: {found}"


def test_arguments_that_are_not_described_are_found() -> None:
    silent = 'def f(a, b, c, d):\n    """Do."""'
    partial = (
        'def f(a, b, c, d):\n    """Do.\n\n    Args:\n        a: one.\n        b: two.\n        c: three.\n    """'
    )
    method = 'class A(B):\n    def f(self, a, b, c, d):\n        """Do."""'
    assert undocumented(ast.parse(silent)) == undocumented(ast.parse(partial)) == ["f"]
    assert undocumented(ast.parse(partial.replace("c: three.", "c: three.\n        d: four."))) == []
    assert undocumented(ast.parse(silent), {"f(a, b, c, d)"}) == ["f"]
    assert undocumented(ast.parse(method), {"f(a, b, c, d)"}) == []
    assert undocumented(ast.parse(method), {"f(a, b, c)"}) == ["f"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_stay_short_and_nothing_is_unpickled(source: Path) -> None:
    text = source.read_text()
    assert len(text.splitlines()) <= 500
    assert not re.search(r"\bpickle\.loads?\(|allow_pickle=True|weights_only=False|yaml\.load\(", text)
    assert source.stem not in ("utils", "helpers", "misc", "manager")


CALLED_LAWS = ("evaluation", "ising", "targets", "statistics.py")
"""Folders and modules whose texts may say law: of what `targets` calls so. Everywhere else it is a distribution."""

BANNED = (
    *("upon", "hence", "whoever", "sickness", "sicknesses", "riddle", "HANDICAP", "handicap", "no few", "as told"),
    *("tell whether", "say whether", "left out if", "nothing to say", "with reserve", "must be able to"),
    *("the nearest is said", "nearest name is said", "asked for", "written over", "somebody", "no run directory"),
    *("in no table", "of your own making", "is no image", "is no folder", "is no report"),
    *("beside", "twin", "said", "told", "led", "telling", "answering", "sick", "judged anew"),
)
"""Words and phrases with a plainer equivalent: say what was found, what it means and what to do, subject first."""


def prose_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string, docstring and comment of a Python file; single words are keys."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "COMMENT" or (kind in ("STRING", "FSTRING_MIDDLE") and " " in token.string):
            yield token.start[0], " ".join(token.string.split())


def names_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and words of every name in a Python file."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string.replace("_", " ")


def banned_in(source: str, law: bool = False) -> list[str]:
    """Line and text of every banned word or phrase; "law" in a text only if it is not allowed there, never "μ-law"."""
    banned = "|".join(map(re.escape, BANNED))
    return [
        f"{line}: {found}"
        for texts, pattern in (
            (prose_of(source), banned if law else f"{banned}|(?<!-)laws?"),
            (names_of(source), banned),
        )
        for line, text in texts
        for found in re.findall(rf"\b({pattern})\b", text)
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_words_are_plain(source: Path) -> None:
    law = source.relative_to(ROOT / "src" / "veridical").parts[0] in CALLED_LAWS
    found = banned_in(source.read_text(), law)
    assert not found, f"{source.relative_to(ROOT)} has words with a plainer equivalent: {', '.join(found)}"


def test_banned_words_are_found_in_every_place() -> None:
    assert banned_in('"""Hold it upon a law."""') == ["1: upon", "1: law"]
    assert banned_in("x = 1  # whoever\nbeside = f'{x} as told'") == ["1: whoever", "2: as told", "2: beside"]
    assert banned_in("write_beside = chosen.law") == ["1: beside"]
    assert banned_in("'a law'", law=True) == []
    assert banned_in("x = {'said': 'a lawful sledge', 'coded': 'by the μ-law'}") == []


def test_benchmarks_import_what_the_package_has() -> None:
    """The type checker does not read them, and most run for minutes or hours."""
    missing = [
        f"{path.name}: {node.module}.{alias.name}"
        for path in sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "veridical"
        for alias in node.names
        if not exists(str(node.module), alias.name)
    ]
    assert not missing
    assert exists("veridical.evaluation", "stacked") and not exists("veridical.evaluation.stacked", "no_such_name")


def exists(module: str, name: str) -> bool:
    """Return whether a module has a name, or a module inside it."""
    found = import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None)
