"""The content of a checkpoint is read without running anything that it contains."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from veridical.training.content import REST, WEIGHTS, CheckpointError, Content


class Touches:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def holding(**files: bytes) -> Content:
    return Content(Path("run/checkpoints/step-00000004"), {"step": 4}, files)


def of_torch(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def disguised(pickled: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("wrap", [disguised, bytes])
def test_a_pickle_that_calls_is_refused_and_does_not_run(tmp_path: Path, protocol: int, wrap: Any) -> None:
    body = wrap(pickle.dumps(Touches(tmp_path / "canary"), protocol=protocol))
    with pytest.raises(CheckpointError, match=r"step-00000004/state.pt is not the state of a training"):
        holding(**{REST: body}).rest()
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("value", [torch.zeros(2), {"optimizers": {}}, [], 3])
def test_something_else_that_torch_wrote_is_refused(value: Any) -> None:
    with pytest.raises(CheckpointError, match="not the state of a training"):
        holding(**{REST: of_torch(value)}).rest()


def test_the_state_of_a_training_is_read() -> None:
    state = {"optimizers": {}, "callbacks": {}, "processes": [{"terms": {}}]}
    assert holding(**{REST: of_torch(state)}).rest() == state


def test_weights_that_are_no_safetensors_are_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"step-00000004/weights.safetensors cannot be read"):
        holding(**{WEIGHTS: of_torch({})}).tensors(average=False)
