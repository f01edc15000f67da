"""The Python of the documentation runs."""

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def code_of(page: str) -> str:
    """Return all Python blocks of a page as one program."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL))


def test_a_model_of_ones_own_as_documented(tmp_path: Path) -> None:
    code = code_of("own-model.md").replace("steps=2000", "steps=300").replace("steps=2200", "steps=310")
    check = """
covariance = trained.factor @ trained.factor.T
torch.testing.assert_close(covariance, torch.cov(x.T), rtol=0.1, atol=0.05)
assert "Gaussian" in open("runs/ellipse/config.yaml").read()
assert found["nats_train"].value > -2.8
assert torch.equal(vd.draw(trained, 5), vd.draw(trained, 8)[:5])
"""
    done = subprocess.run([sys.executable, "-c", code + check], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
