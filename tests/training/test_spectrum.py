import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training import toys
from veridical.nn.spectral import normalize_spectrum
from veridical.run import Run, read_lines
from veridical.training import checkpoint
from veridical.training.fit import Callback, State, fit
from veridical.training.spectrum import SPECTRA, SingularValues
from veridical.training.terms import Row


class Rows(Callback):
    """Keeps the lines that would be logged."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def on_log(self, state: State, row: Row) -> None:
        self.rows.append(row)


class Save(Callback):
    """Writes one checkpoint."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.step = folder, step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            checkpoint.save(self.folder, state, {}, [checkpoint.of_this_process(state)], keep=1)


def largest(module: nn.Module) -> float:
    """By a decomposition that the code under test does not use."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    return max(float(torch.linalg.matrix_norm(m.weight.detach(), ord=2)) for m in layers)


def test_lines_and_terms_are_the_singular_values(tmp_path: Path) -> None:
    state, rows = toys.state(4), Rows()
    normalize_spectrum(state.model.generator)  # type: ignore[attr-defined]
    state = State(state.module, steps=4, ema=0.9)  # type: ignore[arg-type]
    at_start = largest(state.module.discriminator)  # type: ignore[arg-type]
    fit(state, toys.loader(), log_every=2, callbacks=[SingularValues(Run(tmp_path), every=2, k=2), rows])
    lines = list(read_lines(tmp_path / SPECTRA))
    assert [line["step"] for line in lines] == [0, 2, 4]
    layers = lines[-1]["layers"]
    linear = {name for name, m in state.module.named_modules() if isinstance(m, nn.Linear)}
    assert layers.keys() == linear and all(1 <= len(top) <= 2 for top in layers.values())
    of_d = max(top[0] for name, top in layers.items() if name.startswith("discriminator"))
    assert of_d == pytest.approx(largest(state.module.discriminator), rel=1e-4)  # type: ignore[arg-type]
    assert rows.rows[0]["discriminator/sigma_max"] == pytest.approx(at_start, rel=1e-5)
    assert rows.rows[1]["generator/sigma_max"] == pytest.approx(1.0, abs=1e-4)


def test_watching_changes_nothing() -> None:
    plain = toys.everything(fit(toys.state(6), toys.loader()))
    watched = toys.everything(fit(toys.state(6), toys.loader(), callbacks=[SingularValues(None, every=1)]))
    toys.assert_equal(plain, watched)


def test_a_resumed_run_writes_the_same_file_and_rows(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    rows, again = Rows(), Rows()
    callbacks = [SingularValues(Run(whole), every=2), Save(whole, 4), rows]
    fit(toys.state(8), toys.loader(), log_every=3, callbacks=callbacks)
    text = (whole / SPECTRA).read_text()
    (parts / SPECTRA).write_text(text + '{"step": 9, "lay')
    resumed = toys.state(8, seed=1)
    checkpoint.load(whole / "step-00000004", resumed, {}, rank=0)
    fit(resumed, toys.loader(), log_every=3, callbacks=[SingularValues(Run(parts), every=2), again])
    assert (parts / SPECTRA).read_text() == text
    assert [json.loads(line)["step"] for line in text.splitlines()] == [0, 2, 4, 6, 8]

    def timeless(found: list[Row]) -> list[Row]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in found]

    assert timeless(again.rows) == timeless(copy.deepcopy(rows.rows[1:]))


def test_a_run_resumed_before_its_first_step_measures_that_step_once(tmp_path: Path) -> None:
    """Killed after the checkpoint of step 0, which contains the terms of step 0."""
    started, rows, again = toys.state(3), Rows(), Rows()
    first = [SingularValues(Run(tmp_path), every=2), rows]
    first[0].on_start(started)
    saved = checkpoint.save(tmp_path, started, {}, [checkpoint.of_this_process(started)], keep=1)
    resumed = toys.state(3, seed=1)
    checkpoint.load(saved, resumed, {}, rank=0)
    fit(resumed, toys.loader(), log_every=3, callbacks=[SingularValues(Run(tmp_path), every=2), again])
    assert [line["step"] for line in read_lines(tmp_path / SPECTRA)] == [0, 2]
    fit(toys.state(3), toys.loader(), log_every=3, callbacks=[SingularValues(None, every=2), rows])
    name = "generator/sigma_max"  # the mean of steps 0 and 2
    assert again.rows[0][name] == rows.rows[0][name]


def test_numbers_of_steps_are_positive() -> None:
    with pytest.raises(ValueError, match="every is 0"):
        SingularValues(None, every=0)
