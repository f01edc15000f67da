"""Exporting on the command line: wrong requests are seen before anything is loaded."""

from pathlib import Path

import pytest

from veridical.cli import run
from veridical.cli.export import Export


def test_a_call_draws_at_least_one_example(tmp_path: Path) -> None:
    assert Export(tmp_path, n=1).n == 1
    with pytest.raises(ValueError, match="n is 0"):
        Export(tmp_path, n=0)


def test_what_is_no_run_is_a_wrong_request(tmp_path: Path) -> None:
    assert run(["export", str(tmp_path)]) == 2
    assert run(["export", str(tmp_path), "--which", "worst"]) == 2
