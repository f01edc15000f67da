"""No circles of imports, not even inside functions or for types alone: every file can be read after those it names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """Modules among the known ones that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in whole}
    return found & known


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle, as the modules in order; empty if there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := visit(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def graph() -> dict[str, set[str]]:
    paths = {name_of(path): path for path in ROOT.rglob("*.py")}
    return {name: imported(ast.parse(path.read_text()), set(paths)) - {name} for name, path in paths.items()}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle(graph()) == []


@pytest.mark.parametrize(
    "mutant",
    [
        {"veridical.ising.methods": {"veridical.ising.sampling"}},
        {"veridical.config": {"veridical.training.fit"}},
    ],
    ids=["within a package", "between packages"],
)
def test_a_circle_is_found(mutant: dict[str, set[str]]) -> None:
    edges = graph()
    found = circle({name: edges[name] | mutant.get(name, set()) for name in edges})
    assert set(mutant) & set(found) and len(found) > 1


def test_imports_in_functions_and_for_types_count() -> None:
    lazy = "def f():\n    from b import c\n"
    typed = "if TYPE_CHECKING:\n    import b\nelse:\n    import d\n"
    assert imported(ast.parse(lazy), {"b", "d"}) == {"b"}
    assert imported(ast.parse(typed), {"b", "d"}) == {"b", "d"}
