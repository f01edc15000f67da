"""Whether a repeated run gives bit-identical numbers, and the switches of torch for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable for deterministic matrix products on CUDA: it fixes the size of the workspace."""


def is_deterministic(device: torch.device, wanted: bool | None) -> bool:
    """Return whether training on a device is deterministic; None: if the device supports it."""
    return device.type == "cpu" or (device.type == "cuda" and wanted is not False)


def repeatability(device: torch.device, wanted: bool | None) -> str:
    """Return the end of the sentence "a run with the same seed ..."."""
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"repeats to the bit on this processor with {threads} thread{'s' if threads > 1 else ''}"
    if device.type != "cuda":
        return f"is not known to repeat to the bit on {device.type}"
    if wanted is False:
        return "does not repeat to the bit: deterministic is off, and convolutions on CUDA add in an order that varies"
    return "repeats to the bit on this kind of GPU with these versions; a warning names any operation that does not"


@contextmanager
def deterministic(device: torch.device, wanted: bool | None) -> Iterator[None]:
    """Make operations inside the block deterministic, and restore the switches afterwards.

    Args:
        device: where the training runs; on devices other than CPU and CUDA nothing is switched.
        wanted: True: a non-deterministic operation is an error; None: it is a warning; False: nothing is switched.
    """
    if wanted is False or device.type not in ("cpu", "cuda"):
        yield
        return
    kept = _switches()
    workspace = os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, ":4096:8")
    _switch(True, wanted is None, True, False, False)
    try:
        yield
    finally:
        _switch(*kept)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def _switches() -> tuple[bool, bool, bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )


def _switch(algorithms: bool, warn_only: bool, cudnn: bool, benchmark: bool, fill: bool) -> None:
    torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn, benchmark
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
