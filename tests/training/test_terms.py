"""Terms between two lines of the log: their means, the first that is not finite, what a resumed run writes."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from veridical.training import terms
from veridical.training.terms import NonFiniteError, TermLog

STATE: Any = SimpleNamespace(
    step=3, seconds=1.23456, players={"model": SimpleNamespace(schedule=SimpleNamespace(lr=0.25))}
)


def filled(values: list[float]) -> TermLog:
    log = TermLog()
    for step, value in enumerate(values):
        log.add(step, {"model/loss": torch.tensor(value)})
    return log


def test_a_line_holds_means_over_the_steps_that_had_the_term() -> None:
    log = filled([1.0, 2.0, 6.0])
    log.append("model/penalty", 1, torch.tensor(4.0))
    row = log.flush(STATE, lambda means: means)
    assert row == {"step": 3, "seconds": 1.235, "model/loss": 3.0, "model/penalty": 4.0, "model/lr": 0.25}
    log.add(3, {"model/loss": torch.tensor(7.0)})
    assert log.flush(STATE, lambda means: means)["model/loss"] == 7.0  # what was flushed is forgotten


def test_means_are_averaged_over_processes() -> None:
    assert filled([1.0, 3.0]).flush(STATE, lambda means: [10 * mean for mean in means])["model/loss"] == 20.0


def test_the_earliest_step_and_there_the_first_term_is_named() -> None:
    log = filled([1.0, 2.0, float("nan")])
    log.append("model/late", 1, torch.tensor(float("inf")))
    log.append("model/later", 1, torch.tensor(float("nan")))
    with pytest.raises(NonFiniteError, match="late of player model is inf at step 1") as caught:
        log.read()
    assert (caught.value.step, caught.value.name) == (1, "model/late")


def test_a_restored_log_writes_the_same_line() -> None:
    log, restored = filled([1.0, 2.0]), TermLog()
    restored.load_state_dict(log.state_dict())
    for each in (log, restored):
        each.add(2, {"model/loss": torch.tensor(4.5)})
    assert log.flush(STATE, list) == restored.flush(STATE, list)


def test_on_a_processor_terms_keep_neither_the_graph_nor_a_tensor() -> None:
    log, x = TermLog(), torch.tensor(2.0, requires_grad=True)
    log.add(0, {"model/loss": x * x})
    assert log.values["model/loss"] == [4.0]
    assert type(log.values["model/loss"][0]) is float


def test_on_a_device_terms_stay_there_without_the_graph() -> None:
    log, x = TermLog(), torch.tensor(2.0, requires_grad=True, device="meta")
    log.add(0, {"model/loss": x * x})
    (kept,) = log.values["model/loss"]
    assert isinstance(kept, torch.Tensor)
    assert not kept.requires_grad


def test_many_steps_between_two_lines_become_numbers_without_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: without it, every step keeps a tensor of each term, five hundred bytes."""
    values = [0.1 * k for k in range(25)]
    kept = filled(values).flush(STATE, lambda means: means)
    monkeypatch.setattr(terms, "_COMPACT", 10)
    monkeypatch.setattr(terms, "at_hand", lambda value: False)  # as on a device
    log = filled(values)
    assert sum(isinstance(value, torch.Tensor) for value in log.values["model/loss"]) == 5
    assert log.flush(STATE, lambda means: means) == kept
