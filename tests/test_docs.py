"""The Python of the documentation runs."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import veridical

ROOT = Path(__file__).parents[1]


def code_of(page: str) -> str:
    """Return all Python blocks of a page as one program."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL))


def output_of(code: str, folder: Path) -> str:
    """Run a program in an empty folder, and return what it printed."""
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_readme_prints_the_same_numbers_every_time(tmp_path: Path) -> None:
    code = code_of("README.md")
    assert len(code.strip().splitlines()) <= 12
    quick = code.replace("steps=2000", 'steps=20, device="cpu"').replace("n=2000", "n=200")
    first, second = (output_of(quick, tmp_path / name) for name in "ab")
    assert first[first.index("tensor(") :] == second[second.index("tensor(") :]
    assert "measurements" in first
    assert (tmp_path / "a" / "runs" / "mine" / "config.yaml").is_file()


def test_a_model_of_ones_own_as_documented(tmp_path: Path) -> None:
    code = code_of("docs/own-model.md").replace("steps=2000", "steps=300").replace("steps=2200", "steps=310")
    code = code.replace("steps=200,", "steps=20,")
    check = """
covariance = trained.factor @ trained.factor.T
torch.testing.assert_close(covariance, torch.cov(x.T), rtol=0.1, atol=0.05)
assert "Gaussian" in open("runs/ellipse/config.yaml").read()
assert found["nats_train"].value > -2.8
assert torch.equal(vd.draw(trained, 5), vd.draw(trained, 8)[:5])
"""
    output_of(code + check, tmp_path / "own")


def calls_of(page: str) -> list[tuple[str, int, list[str]]]:
    """Return the calls `vd.name(...)` in the Python of a page: the name, positional arguments, keywords."""
    calls = [node for node in ast.walk(ast.parse(code_of(page))) if isinstance(node, ast.Call)]
    return [
        (call.func.attr, len(call.args), [keyword.arg for keyword in call.keywords if keyword.arg])
        for call in calls
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "vd"
    ]


PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", [page for page in PAGES if "vd." in code_of(page)])
def test_what_a_page_calls_takes_these_arguments(page: str) -> None:
    for name, count, keywords in calls_of(page):
        inspect.signature(getattr(veridical, name)).bind_partial(*[None] * count, **dict.fromkeys(keywords))


COMPLETE = [page for page in PAGES if page.startswith("docs/families/") and "vd.load_data" in code_of(page)]


@pytest.mark.parametrize("page", ["docs/autoregressive.md", *COMPLETE])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        exec(re.sub(r"steps=\d+", "steps=2", code_of(page)), {"__name__": page})
