"""Fine-tuning: start a training from the weights of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from veridical.errors import RequestError
from veridical.run import Run
from veridical.training import checkpoint
from veridical.workflows.progress import Say

SHOWN = 5
"""Number of tensors that an error message names."""


class OtherShapesError(ValueError, RequestError):
    """The weights of a run do not fit a model."""


def take_weights(model: nn.Module, start: Run | str | Path, say: Say) -> dict[str, Any]:
    """Load the weights of another run's newest checkpoint, averaged if the run kept an average.

    Optimisers, step and random generators are new. The other run must contain every tensor of the model with the same
    shape.

    Args:
        model: the model that receives the weights.
        start: the other run.
        say: called with messages about the loaded weights and about damaged checkpoints.

    Returns:
        Record for environment.json: the run, the step, and the SHA-256 of the files.

    Raises:
        NotARunError: `start` is not a run directory.
        CheckpointError: no checkpoint can be read.
        OtherShapesError: the tensors differ; the message names them.
    """
    run = Run.open(start)
    found = checkpoint.read_newest(run.checkpoints, say)
    meta, files, tensors = found.meta, list(found.files), found.tensors(average=True)
    differences = mismatches(model.state_dict(), tensors)
    if differences:
        more = f", and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise OtherShapesError(
            f"the weights of {run.path} do not fit this model: {'; '.join(differences[:SHOWN])}{more}. "
            "Use the same family, sizes and kind of data as that run; to print them: veridical config show "
            f"{run.path}"
        )
    model.load_state_dict(tensors)
    say(f"weights    of {run.path}, step {meta['step']:,}{', averaged' if len(files) > 1 else ''}")
    digests = {name: meta["files"][name] for name in files}
    return {"run": str(run.path.resolve()), "step": meta["step"], "sha256": digests}


def mismatches(here: dict[str, Tensor], there: dict[str, Tensor]) -> list[str]:
    """Return messages about tensors that differ in name or shape, in the order of the model.

    Args:
        here: tensors of the model.
        there: tensors of the other run.
    """
    found = []
    for name, tensor in here.items():
        if name not in there:
            found.append(f"{name} is missing there")
        elif tensor.shape != there[name].shape:
            found.append(f"{name} is {tuple(tensor.shape)} here, {tuple(there[name].shape)} there")
    return [*found, *(f"{name} is not in this model" for name in there if name not in here)]
