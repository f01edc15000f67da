"""The random generators of a process: torch (processor and its own GPU), numpy, and Python."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Return the state of every random generator of this process."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), gauss),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned."""
    # Clones: set_rng_state reads a view from the start of its storage (torch 2.13).
    torch.set_rng_state(state["torch"].clone())
    if state["cuda"] and torch.cuda.is_available():
        # Earlier versions kept the states of all GPUs of the machine.
        own = torch.cuda.current_device() if len(state["cuda"]) > 1 else 0
        torch.cuda.set_rng_state(state["cuda"][min(own, len(state["cuda"]) - 1)].clone())
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))


def seed_start(seed: int, rank: int) -> None:
    """Seed every generator of a process at the start of a run; each process has numbers of its own.

    Args:
        seed: of the run.
        rank: of the process.
    """
    torch.manual_seed((seed * 1_000_003 + rank + 1) % 2**64)
    second, third = np.random.SeedSequence([seed, rank]).generate_state(2)
    np.random.seed(int(second))  # noqa: NPY002
    random.seed(int(third))


def seed_process(seed: int, rank: int, step: int) -> None:
    """Seed every generator of a process without saved state.

    Args:
        seed: of the run.
        rank: of the process.
        step: at which training continues, so that a run does not repeat its random numbers.
    """
    first, second, third = np.random.SeedSequence([seed, rank, step]).generate_state(3)
    torch.manual_seed(int(first))
    np.random.seed(int(second))  # noqa: NPY002
    random.seed(int(third))
