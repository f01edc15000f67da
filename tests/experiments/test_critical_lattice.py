"""The verdict on the lattice: yes only where every check is consistent."""

from typing import Any

from veridical.experiments.critical_lattice import EXPERIMENT, _verdict


def found(outcome: str, p: float) -> dict[str, Any]:
    return {"outcome": outcome, "tests": [{"corrected": p}, {"corrected": 0.9}], "effective": 812.7}


def test_one_failure_decides() -> None:
    yes = _verdict({"a": found("consistent", 0.04), "b": found("consistent", 0.3)})
    assert yes.startswith("Yes: all 4 tests") and "0.04" in yes and "812" in yes
    assert _verdict({"a": found("consistent", 0.4), "b": found("different", 1e-9)}).startswith("No: ")
    assert EXPERIMENT.command == "veridical experiment critical-lattice"
