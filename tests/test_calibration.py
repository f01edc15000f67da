"""Tables of verdicts on a perfect model are at most 5 % alarms: the benchmark of calibration at a small size."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from veridical.evaluation import multiple

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = ("ring, 2-D", "heavy-tailed, 8-D", "spins, 4 x 4")
TABLES = 16


@pytest.fixture(scope="module")
def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("calibration", ROOT / "benchmarks" / "calibration.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


def alarms(benchmark: Any) -> int:
    tables = [benchmark.perfect(name, seed) for seed in range(1000, 1000 + TABLES) for name in DISTRIBUTIONS]
    return sum(any(m.verdict in benchmark.FAULTS for m in table) for table in tables)


@pytest.mark.slow
def test_false_alarms_of_tables(benchmark: Any) -> None:
    """48 tables at no more than .05: more than 8 alarms with probability 5e-4."""
    assert alarms(benchmark) <= 8


@pytest.mark.slow
def test_without_adjustment_there_are_more(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: twelve tests at 5 % each, a third of all tables; 8 or fewer of 48 with probability 3e-2 at .3."""
    monkeypatch.setattr(multiple, "adjusted_p_values", lambda tests: [test.p_value for test in tests])
    assert alarms(benchmark) > 8


def test_planted_faults_are_found(benchmark: Any) -> None:
    """The power of the counted mode is .81: none of five is found with probability 2e-4."""
    found = [benchmark.halved_of_25("", seed) for seed in range(5)]
    assert any(m.verdict in benchmark.FAULTS for table in found for m in table)
