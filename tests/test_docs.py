"""The Python of the documentation runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    check = """
covariance = trained.factor @ trained.factor.T
torch.testing.assert_close(covariance, torch.cov(x.T), rtol=0.1, atol=0.05)
assert "Gaussian" in open("runs/ellipse/config.yaml").read()
assert found["nats_train"].value > -2.8
assert torch.equal(vd.draw(trained, 5), vd.draw(trained, 8)[:5])
"""
    output_of(code + check, tmp_path / "own")
