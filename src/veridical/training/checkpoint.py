"""Checkpoints: complete or absent, exact to the bit, and safe to open.

    checkpoints/step-00000500/
        weights.safetensors   the model's state_dict
        ema.safetensors       the averaged weights (if an average is kept)
        state.pt              optimisers, callbacks, and of every process its terms since the last line, its random
                              generators and its own buffers; read with weights_only=True
        meta.json             step, SHA-256 of each file, versions and topology

A checkpoint is written under a temporary name, flushed to the disk and renamed, so that every folder `step-N` is
complete even if the process is killed. It is read only if its checksums are correct; otherwise the checkpoint before it
is taken, with a message.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole, buffer_roles
from veridical.training.fit import Callback, State
from veridical.training.generators import random_state, seed_process, set_random_state

WEIGHTS, AVERAGE, REST, META = "weights.safetensors", "ema.safetensors", "state.pt", "meta.json"


class CheckpointError(RuntimeError):
    """No checkpoint can be read, or it belongs to another model."""


def of_this_process(state: State, rank: int = 0) -> dict[str, Any]:
    """Return the state that differs between processes: terms since the last line, random generators, own buffers.

    The buffers of the first process are saved with the weights. Running statistics count as a process's own too, since
    each sees its own share of every batch.

    Raises:
        NonFiniteError: a term is not finite.
    """
    kept = {"terms": state.terms.state_dict(), "random": random_state()}
    if rank == 0:
        return kept
    own = own_buffers(state.module)
    average = {name: t for name, t in state.ema.tensors().items() if name in own} if state.ema is not None else {}
    return {**kept, "buffers": copied(own), "average": copied(average)}


def own_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that differ between processes, by name."""
    named = dict(model.named_buffers(remove_duplicate=False))
    return {name: named[name] for name, role in buffer_roles(model).items() if role is not BufferRole.LIVE}


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous copies on the CPU."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def named(step: int) -> str:
    """Folder of a checkpoint."""
    return f"step-{step:08d}"


def save(
    folder: Path, state: State, callbacks: dict[str, Callback], processes: list[dict[str, Any]], keep: int
) -> Path:
    """Write the checkpoint of `state.step` into the folder of checkpoints, and drop all but the newest `keep`.

    Args:
        folder: the run's folder of checkpoints.
        state: of the training.
        callbacks: their state is saved too.
        processes: what `of_this_process` returned in each process, in order of rank.
        keep: how many checkpoints stay.

    Raises:
        NonFiniteError: a term or parameter is not finite; nothing is written.
    """
    model = state.module
    require_finite(state)
    place, temporary = folder / named(state.step), folder / f".{named(state.step)}.{os.getpid()}.tmp"
    for stale in folder.glob(".step-*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    if place.exists():
        return place
    temporary.mkdir()
    save_file(copied(model.state_dict()), temporary / WEIGHTS)
    if state.ema is not None:
        save_file(copied(state.ema.tensors()), temporary / AVERAGE)
    rest = {
        "optimizers": {name: player.optimizer.state_dict() for name, player in state.players.items()},
        "callbacks": {name: callback.state_dict() for name, callback in callbacks.items()},
        "processes": processes,
    }
    torch.save(rest, temporary / REST)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(temporary.iterdir())}
    meta = {
        "step": state.step,
        "steps": state.steps,
        "seconds": state.seconds,
        "ema_updates": state.ema.updates if state.ema else 0,
        "files": files,
        "topology": topology(len(processes), str(next(model.parameters()).device.type)),
    }
    (temporary / META).write_text(json.dumps(meta, indent=2))
    _flush(temporary)
    os.rename(temporary, place)
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
    """Return the conditions that must be equal for a resumed run to be bit-identical."""
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
    """Return the damage of a checkpoint; None: it is intact."""
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
    """Return the newest undamaged checkpoint; damaged ones are reported.

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


def load(
    checkpoint: Path, state: State, callbacks: dict[str, Callback], rank: int = 0, *, seed: int = 0
) -> dict[str, Any]:
    """Restore a checkpoint and return its metadata. Random generators are restored last.

    If the checkpoint was written by n processes, a process of higher rank starts from the buffers and terms of process
    `rank % n` and from random numbers that follow from seed, rank and step. If the kind of device differs, the random
    numbers of every process follow from seed, rank and step.

    Args:
        checkpoint: its folder.
        state: to be restored.
        callbacks: their state is restored too.
        rank: of this process.
        seed: of the run.
    """
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
    there = rest["processes"]
    own = there[rank % len(there)]
    state.terms.load_state_dict(own["terms"])
    _load_buffers(state, own)
    device = next(state.module.parameters()).device.type
    if rank < len(there) and device == meta["topology"]["device"]:
        set_random_state(own["random"])
    else:
        seed_process(seed, rank, state.step)
    return meta


@torch.no_grad()
def _load_buffers(state: State, own: dict[str, Any]) -> None:
    """Restore the buffers of a process that is not the first."""
    named = own_buffers(state.module)
    for name, tensor in own.get("buffers", {}).items():
        named[name].copy_(tensor)
    if state.ema is not None:
        averages = state.ema.tensors()
        for name, tensor in own.get("average", {}).items():
            averages[name].copy_(tensor)


def differences(topology: dict[str, Any], here: dict[str, Any], step: int, seed: int) -> list[str]:
    """Return the differences between the topology of a checkpoint and the present one, and their consequences.

    Args:
        topology: of the checkpoint.
        here: `topology` of this process.
        step: of the checkpoint.
        seed: of the run.
    """
    changed = [name for name in here if topology.get(name) != here[name]]
    changes = [f"{name} was {topology.get(name)}, is {here[name]}" for name in changed]
    before, now = topology["processes"], here["processes"]
    for rank in range(before, now):
        changes.append(
            f"process {rank} starts from the buffers of process {rank % before}, with random numbers that follow from "
            f"seed {seed}, its rank and step {step}"
        )
    if now < before:
        changes.append(f"the buffers and random numbers of processes {now} and up are dropped")
    if "device" in changed:
        changes.append(f"random numbers follow from seed {seed}, rank and step {step}")
    return changes
