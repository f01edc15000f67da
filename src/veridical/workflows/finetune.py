"""Start a training from the weights of another run: fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from veridical.errors import RequestError
from veridical.run import Run
from veridical.training import checkpoint
from veridical.workflows.progress import Say

SHOWN = 5
"""Tensors named in a refusal."""


class OtherShapesError(ValueError, RequestError):
    """The weights of a run do not fit a model."""


def take_weights(model: nn.Module, start: Run | str | Path, say: Say) -> dict[str, Any]:
    """Load the weights of another run's newest checkpoint, averaged where it kept an average.

    Optimisers, step and random generators start anew. Every tensor of the model must be there with the same shape.

    Args:
        model: what receives the weights.
        start: the other run.
        say: called with a line on what was taken, and on damaged checkpoints that were passed over.

    Returns:
        What environment.json records: the run, the step, and the SHA-256 of the files.

    Raises:
        NotARunError: `start` is no run directory.
        CheckpointError: no checkpoint can be read.
        OtherShapesError: the tensors differ; they are named.
    """
    run = Run.open(start)
    found = checkpoint.newest(run.checkpoints, say)
    meta = checkpoint.read_meta(found)
    files = [name for name in (checkpoint.WEIGHTS, checkpoint.AVERAGE) if name in meta["files"]]
    tensors: dict[str, Tensor] = {}
    for name in files:
        tensors |= load_file(found / name)
    differences = mismatches(model.state_dict(), tensors)
    if differences:
        more = f", and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise OtherShapesError(
            f"the weights of {run.path} do not fit this model: {'; '.join(differences[:SHOWN])}{more}. "
            "Choose the same family, sizes and kind of data as that run: veridical config show "
            f"{run.path} prints them."
        )
    model.load_state_dict(tensors)
    say(f"weights    of {run.path}, step {meta['step']:,}{', averaged' if len(files) > 1 else ''}")
    digests = {name: meta["files"][name] for name in files}
    return {"run": str(run.path.resolve()), "step": meta["step"], "sha256": digests}


def mismatches(here: dict[str, Tensor], there: dict[str, Tensor]) -> list[str]:
    """Say which tensors differ in name or shape, in the order of the model.

    Args:
        here: of the model.
        there: of the other run.
    """
    found = []
    for name, tensor in here.items():
        if name not in there:
            found.append(f"{name} is missing there")
        elif tensor.shape != there[name].shape:
            found.append(f"{name} is {tuple(tensor.shape)} here, {tuple(there[name].shape)} there")
    return [*found, *(f"{name} is not in this model" for name in there if name not in here)]
