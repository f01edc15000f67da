"""Checkpoints: complete or absent, exact to the bit, and safe to open.

    checkpoints/step-00000500/
        weights.safetensors   the model's state_dict
        ema.safetensors       the averaged weights (if an average is kept)
        state.pt              optimisers, terms since the last line, callbacks, random generators of every process;
                              read with weights_only=True
        meta.json             step, SHA-256 of each file, versions and topology

A checkpoint is written beside its place, flushed to the disk and renamed; whenever the process is killed, what bears
the name `step-N` is complete. It is read only if its checksums hold, otherwise the one before is taken, and said.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from veridical.training.fit import Callback, State

WEIGHTS, AVERAGE, REST, META = "weights.safetensors", "ema.safetensors", "state.pt", "meta.json"


class CheckpointError(RuntimeError):
    """No checkpoint can be read, or it belongs to another model."""


def random_state() -> dict[str, Any]:
    """Return the state of every random generator of this process."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), gauss),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned."""
    # Clones: set_rng_state reads a view from the start of its storage (torch 2.13).
    torch.set_rng_state(state["torch"].clone())
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([s.clone() for s in state["cuda"]])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))


def of_this_process(state: State) -> dict[str, Any]:
    """Return what differs between processes: the terms since the last line, and the random generators.

    Raises:
        NonFiniteError: a term is not finite.
    """
    return {"terms": state.terms.state_dict(), "random": random_state()}


def named(step: int) -> str:
    """Folder of a checkpoint."""
    return f"step-{step:08d}"


def save(
    folder: Path, state: State, callbacks: dict[str, Callback], processes: list[dict[str, Any]], keep: int
) -> Path:
    """Write the checkpoint of `state.step` into the folder of checkpoints, and drop all but the newest `keep`.

    Args:
        folder: the run's folder of checkpoints.
        state: what is saved.
        callbacks: whose state is saved with it.
        processes: what `of_this_process` returned in each process, in order of rank.
        keep: how many checkpoints stay.

    Raises:
        NonFiniteError: a term or parameter is not finite; nothing is written.
    """
    model = state.module
    require_finite(state)
    place, beside = folder / named(state.step), folder / f".{named(state.step)}.{os.getpid()}.tmp"
    for stale in folder.glob(".step-*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    if place.exists():
        return place
    beside.mkdir()
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}, beside / WEIGHTS)
    if state.ema is not None:
        save_file({k: v.cpu().contiguous().clone() for k, v in state.ema.tensors().items()}, beside / AVERAGE)
    rest = {
        "optimizers": {name: player.optimizer.state_dict() for name, player in state.players.items()},
        "callbacks": {name: callback.state_dict() for name, callback in callbacks.items()},
        "processes": processes,
    }
    torch.save(rest, beside / REST)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(beside.iterdir())}
    meta = {
        "step": state.step,
        "steps": state.steps,
        "seconds": state.seconds,
        "ema_updates": state.ema.updates if state.ema else 0,
        "files": files,
        "topology": topology(len(processes), str(next(model.parameters()).device.type)),
    }
    (beside / META).write_text(json.dumps(meta, indent=2))
    _flush(beside)
    os.rename(beside, place)
    _flush_folder(folder)
    for old in complete(folder)[keep:]:
        shutil.rmtree(old)
    return place


def require_finite(state: State) -> None:
    """Refuse to save parameters that are not finite."""
    from veridical.training.terms import NonFiniteError

    for name, player in state.players.items():
        norm = torch.nn.utils.get_total_norm([p.detach() for p in player.parameters], foreach=True)
        if not torch.isfinite(norm):
            raise NonFiniteError(state.step, f"{name}/parameters", float(norm))


def topology(processes: int, device: str) -> dict[str, Any]:
    """What must be equal for a resumed run to be equal to the bit."""
    return {
        "processes": processes,
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def complete(folder: Path) -> list[Path]:
    """Checkpoints of a folder, newest first."""
    return sorted((path for path in folder.glob("step-*") if (path / META).is_file()), reverse=True)


def damage(checkpoint: Path) -> str | None:
    """Say what is wrong with a checkpoint, or None."""
    try:
        files = json.loads((checkpoint / META).read_text())["files"]
    except (OSError, ValueError, KeyError) as error:
        return f"{META} cannot be read ({error})"
    for name, digest in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return f"{name} does not match its checksum"
    return None


def newest(folder: Path, say: Callable[[str], None]) -> Path:
    """Return the newest undamaged checkpoint, saying which were passed over.

    Raises:
        CheckpointError: there is none.
    """
    found = complete(folder)
    for checkpoint in found:
        wrong = damage(checkpoint)
        if wrong is None:
            return checkpoint
        say(f"{checkpoint} is damaged: {wrong}. Falling back to the checkpoint before it.")
    what = "every checkpoint is damaged" if found else "no checkpoint was written yet"
    raise CheckpointError(f"{folder}: {what}; expected at least one folder step-N. Start a new run.")


def read_meta(checkpoint: Path) -> dict[str, Any]:
    """Read meta.json of a checkpoint."""
    return json.loads((checkpoint / META).read_text())


def load_weights(checkpoint: Path, model: nn.Module, *, average: bool = True) -> None:
    """Load a checkpoint's weights, averaged where there is an average, into a model."""
    tensors: dict[str, Tensor] = load_file(checkpoint / WEIGHTS)
    if average and (checkpoint / AVERAGE).is_file():
        tensors |= load_file(checkpoint / AVERAGE)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} does not fit the model built from config.yaml: {error}") from error


def load(checkpoint: Path, state: State, callbacks: dict[str, Callback], rank: int) -> dict[str, Any]:
    """Restore everything a checkpoint holds; return its meta data. Random generators are restored last."""
    meta = read_meta(checkpoint)
    load_weights(checkpoint, state.module, average=False)
    if state.ema is not None:
        state.ema.load(load_file(checkpoint / AVERAGE), meta["ema_updates"])
    rest = torch.load(checkpoint / REST, weights_only=True, map_location="cpu")
    for name, player in state.players.items():
        player.optimizer.load_state_dict(rest["optimizers"][name])
    for name, callback in callbacks.items():
        if name in rest["callbacks"]:
            callback.load_state_dict(rest["callbacks"][name])
    state.step, state.seconds = meta["step"], meta["seconds"]
    own = rest["processes"][min(rank, len(rest["processes"]) - 1)]
    state.terms.load_state_dict(own["terms"])
    set_random_state(own["random"])
    return meta
