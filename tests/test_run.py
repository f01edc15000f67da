"""The run directory as an object: a path, and what a notebook shows."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from veridical.run import Run, append_lines


def test_a_run_is_a_path(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    assert Path(run) == run.path and os.fspath(run) == str(run.path)
    assert repr(run) == f"Run({str(run.path)!r})"


def test_a_notebook_shows_state_losses_and_samples(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "<run>")
    assert "unknown" in run._repr_html_()
    run.set_status("failed", 40, "js is <nan>")
    append_lines(run.metrics_file, [{"step": 40, "seconds": 1.0, "model/loss": 0.5, "model/grad_norm": 2.0}])
    Image.new("L", (4, 4)).save(run.samples / "step-00000040.png")
    shown = run._repr_html_()
    assert "failed, step 40" in shown and "model/loss 0.5" in shown and "data:image/png;base64," in shown
    assert "<nan>" not in shown and "<run>" not in shown and "grad_norm" not in shown
