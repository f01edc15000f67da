"""The content of a checkpoint in memory; reading it never runs code from the file."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

ALL = WEIGHTS, AVERAGE, REST = "weights.safetensors", "ema.safetensors", "state.pt"


class CheckpointError(RuntimeError):
    """No checkpoint can be read, or it belongs to another model."""


@dataclass(frozen=True)
class Content:
    """What a checkpoint contains, read once and checked."""

    path: Path
    """Its folder, which may have been removed since."""

    meta: Mapping[str, Any]
    """Its metadata."""

    files: dict[str, bytes]
    """The content of the files that were requested."""

    @property
    def step(self) -> int:
        """Step of the checkpoint."""
        return self.meta["step"]

    def tensors(self, *, average: bool) -> dict[str, Tensor]:
        """Return the weights, averaged where there is an average and it is requested.

        Raises:
            CheckpointError: a file is not one of safetensors.
        """
        names = [name for name in (WEIGHTS, AVERAGE)[: 1 + average] if name in self.files]
        found: dict[str, Tensor] = {}
        for name in names:
            found |= self.tensors_of(name)
        return found

    def tensors_of(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of one file.

        Raises:
            CheckpointError: the file is not one of safetensors.
        """
        try:
            return safetensors.load(self.files[name])
        except SafetensorError as error:
            raise CheckpointError(f"{self.path / name} cannot be read ({error}).") from error

    def rest(self) -> dict[str, Any]:
        """Return optimisers, callbacks and processes; nothing but tensors and plain values is read.

        Raises:
            CheckpointError: the file is of another kind, or contains other objects.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of a pickle that torch itself would not write
                held = torch.load(io.BytesIO(self.files[REST]), weights_only=True, map_location="cpu")
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
            raise CheckpointError(
                f"{self.path / REST} is not the state of a training: it contains objects that are not read because "
                "reading them could run code, or it was not written by veridical."
            ) from error
        if not isinstance(held, dict) or not {"optimizers", "callbacks", "processes"} <= held.keys():
            raise CheckpointError(
                f"{self.path / REST} is not the state of a training; it was not written by veridical."
            )
        return held
