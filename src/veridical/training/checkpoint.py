"""Checkpoints: complete or absent, exact to the bit, and safe to open.

    checkpoints/step-00000500/
        weights.safetensors   the model's state_dict
        ema.safetensors       the averaged weights (if an average is kept)
        state.pt              optimisers, callbacks, and of every process its terms since the last line, its random
                              generators and its own buffers; read with weights_only=True
        meta.json             step, SHA-256 of each file, digests of the run's lines, versions, topology, and a checksum
                              of all this

A checkpoint is written under a temporary name, flushed to the disk and renamed, so that every folder `step-N` is
complete even if the process is killed; an old one is renamed before it is removed. It is read only if its checksums are
correct; otherwise the checkpoint before it is taken, with a message, and training replaces the damaged one when it
reaches that step again. Readers need no lock: a checkpoint that is removed while it is read is no error, since a newer
one is there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import torch as safetensors
from torch import Tensor, nn

from veridical.atomic import remove_left_over, temporary_for
from veridical.nn.buffers import BufferRole, buffer_roles
from veridical.run import CHECKPOINT_META as META
from veridical.seal import digest, is_intact, sealed
from veridical.training.content import ALL, AVERAGE, REST, WEIGHTS, CheckpointError, Content
from veridical.training.fit import Callback, State
from veridical.training.generators import random_state, seed_process, set_random_state

ATTEMPTS = 100
"""How often a reader looks for the newest checkpoint, where training removes each before it is read."""


class _Damaged(Exception):
    """A checkpoint is damaged; the message says how."""


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
    folder: Path,
    state: State,
    callbacks: dict[str, Callback],
    processes: list[dict[str, Any]],
    keep: int,
    lines: Mapping[str, Any] | None = None,
) -> Path:
    """Write the checkpoint of `state.step` into the folder of checkpoints, and drop all but the newest `keep`.

    A checkpoint of this step that is there already stays if it is intact, and is replaced if it is damaged.

    Args:
        folder: the run's folder of checkpoints.
        state: of the training.
        callbacks: their state is saved too.
        processes: what `of_this_process` returned in each process, in order of rank.
        keep: how many checkpoints stay.
        lines: digests of the run's files of lines, by name.

    Raises:
        NonFiniteError: a term or parameter is not finite; nothing is written.
    """
    require_finite(state)
    place = folder / named(state.step)
    temporary = temporary_for(place)
    remove_left_over(folder)
    if place.exists() and damage(place) is None:
        return place
    temporary.mkdir()
    try:
        _write(temporary, state, callbacks, processes, lines or {})
        if place.exists():
            _remove(place)
        os.rename(temporary, place)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # a full disk gets its space back
        raise
    _flush(folder)
    prune(place, keep)
    return place


def prune(newest: Path, keep: int) -> None:
    """Remove the checkpoints before the newest one, but for `keep - 1`; later ones can only be damaged."""
    earlier = [old for old in complete(newest.parent) if old.name < newest.name]
    for old in earlier[keep - 1 :]:
        _remove(old)


def _write(
    folder: Path,
    state: State,
    callbacks: dict[str, Callback],
    processes: list[dict[str, Any]],
    lines: Mapping[str, Any],
) -> None:
    """Write the files of a checkpoint and flush them to the disk."""
    rest = {
        "optimizers": {name: player.optimizer.state_dict() for name, player in state.players.items()},
        "callbacks": {name: callback.state_dict() for name, callback in callbacks.items()},
        "processes": processes,
    }
    files = {WEIGHTS: _write_file(folder / WEIGHTS, safetensors.save(copied(state.module.state_dict())))}
    if state.ema is not None:
        files[AVERAGE] = _write_file(folder / AVERAGE, safetensors.save(copied(state.ema.tensors())))
    files[REST] = _write_file(folder / REST, _pickled(rest))
    meta = {
        "step": state.step,
        "steps": state.steps,
        "seconds": state.seconds,
        "ema_updates": state.ema.updates if state.ema else 0,
        "files": files,
        "lines": dict(lines),
        "topology": topology(len(processes), str(next(state.module.parameters()).device.type)),
    }
    write_meta(folder, meta)
    _flush(folder)


def _write_file(path: Path, content: bytes | memoryview) -> str:
    """Write a file, flush it to the disk and return its SHA-256; what is hashed is what was to be written."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return digest(content)


def _pickled(value: Any) -> memoryview:
    """Return what `torch.save` would write; on a full disk it would hide the reason."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getbuffer()


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write the metadata of a checkpoint, with a checksum."""
    _write_file(folder / META, json.dumps(sealed(meta), indent=2).encode())


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint; it is renamed first, so that it is never there in part."""
    aside = temporary_for(checkpoint).with_suffix(".old")
    with contextlib.suppress(FileNotFoundError):
        os.rename(checkpoint, aside)
        shutil.rmtree(aside, ignore_errors=True)


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
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def complete(folder: Path) -> list[Path]:
    """Checkpoints of a folder, newest first."""
    return sorted((path for path in folder.glob("step-*") if (path / META).is_file()), reverse=True)


def _every(folder: Path) -> list[Path]:
    """Checkpoints of a folder, newest first, damaged ones included: each is renamed into place when it is complete."""
    return sorted((path for path in folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name)), reverse=True)


def damage(checkpoint: Path) -> str | None:
    """Return the damage of a checkpoint; None: it is intact."""
    try:
        read(checkpoint)
    except (_Damaged, FileNotFoundError) as error:
        return str(error)
    return None


def read(checkpoint: Path, names: tuple[str, ...] = ()) -> Content:
    """Read a checkpoint, check all of its files, and return the content of those requested.

    Args:
        checkpoint: its folder.
        names: files whose content is returned, if the checkpoint has them.

    Raises:
        FileNotFoundError: the checkpoint is not there (any more).
        _Damaged: it is damaged.
    """
    meta = _checked_meta(checkpoint)
    files = {}
    for name, expected in meta["files"].items():
        content = _content(checkpoint, name)
        if digest(content) != expected:
            raise _Damaged(f"{name} does not match its checksum")
        if name in names:
            files[name] = content
    return Content(checkpoint, meta, files)


def _content(checkpoint: Path, name: str) -> bytes:
    """Return the content of a file of a checkpoint."""
    try:
        return (checkpoint / name).read_bytes()
    except FileNotFoundError as error:
        if not checkpoint.exists():
            raise
        raise _Damaged(f"{name} is missing") from error
    except OSError as error:
        raise _Damaged(f"{name} cannot be read ({error.strerror})") from error


def _checked_meta(checkpoint: Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint; those of earlier versions have no checksum."""
    try:
        meta = json.loads(_content(checkpoint, META))
    except ValueError as error:
        raise _Damaged(f"{META} cannot be read ({error})") from error
    if not isinstance(meta, dict) or is_intact(meta) is False:
        raise _Damaged(f"{META} does not match its checksum")
    wanted = {"step": int, "steps": int, "seconds": (int, float), "ema_updates": int, "files": dict, "topology": dict}
    wrong = [name for name, kind in wanted.items() if not isinstance(meta.get(name), kind)]
    wrong += [name for name in (WEIGHTS, REST) if not wrong and name not in meta["files"]]
    known = {} if wrong else {"processes": int, "device": str}
    wrong += [name for name, kind in known.items() if not isinstance(meta["topology"].get(name), kind)]
    if wrong:
        raise _Damaged(f"{META} has no {', '.join(wrong)}")
    if any(Path(name).name != name for name in meta["files"]):
        raise _Damaged(f"{META} lists files of other folders")
    if re.fullmatch(r"step-\d+", checkpoint.name) and checkpoint.name != named(meta["step"]):
        raise _Damaged(f"{META} is of step {meta['step']}, not of the step of its folder")
    return meta


def newest(folder: Path, say: Callable[[str], None]) -> Path:
    """Return the newest undamaged checkpoint; damaged ones are reported.

    Raises:
        CheckpointError: there is none.
    """
    return read_newest(folder, say, ()).path


def read_newest(folder: Path, say: Callable[[str], None], names: tuple[str, ...] = (WEIGHTS, AVERAGE)) -> Content:
    """Read the newest undamaged checkpoint, also while training writes new ones and removes old ones.

    Args:
        folder: folder of checkpoints.
        say: called with a message about every damaged checkpoint.
        names: files whose content is returned.

    Raises:
        CheckpointError: there is none.
    """
    reported: set[str] = set()
    for _ in range(ATTEMPTS):
        try:
            found = next(_intact(folder, say, names, reported), None)
        except FileNotFoundError:  # removed while it was read: a newer one is there
            continue
        if found is not None:
            return found
        break
    run, every = folder.parent, _every(folder)
    what = "every checkpoint is damaged" if every else "no checkpoint was written yet"
    if not folder.is_dir():
        what = "the folder is missing"
    raise CheckpointError(
        f"{folder}: {what}; expected at least one folder step-N. Restore one from a copy, or start a new run: "
        f"veridical train --config {run / 'config.yaml'}"
    )


def _intact(folder: Path, say: Callable[[str], None], names: tuple[str, ...], reported: set[str]) -> Iterator[Content]:
    """Yield the undamaged checkpoints, newest first; report each damaged one once."""
    for checkpoint in _every(folder):
        try:
            yield read(checkpoint, names)
        except _Damaged as error:
            message = f"{checkpoint} is damaged: {error}. Falling back to the checkpoint before it."
            if message not in reported:
                say(message)
            reported.add(message)


def describe_newest(folder: Path) -> str:
    """Return a sentence about the newest undamaged checkpoint, after reading it; for messages about failures."""
    try:
        return f"The checkpoint of step {read_newest(folder, lambda line: None, ()).step} is undamaged."
    except (CheckpointError, OSError):
        return "There is no undamaged checkpoint."


def load_weights(checkpoint: Path | Content, model: nn.Module, *, average: bool = True) -> None:
    """Load a checkpoint's weights, averaged where there is an average, into a model.

    Raises:
        CheckpointError: the checkpoint is damaged, or does not fit the model.
    """
    content = checkpoint if isinstance(checkpoint, Content) else _read(checkpoint)
    try:
        model.load_state_dict(content.tensors(average=average))
    except RuntimeError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{content.path} does not fit the model built from config.yaml: {error}") from error


def _read(checkpoint: Path) -> Content:
    try:
        return read(checkpoint, ALL)
    except _Damaged as error:
        raise CheckpointError(f"{checkpoint} is damaged: {error}.") from error


def load(
    checkpoint: Path | Content, state: State, callbacks: dict[str, Callback], rank: int = 0, *, seed: int = 0
) -> dict[str, Any]:
    """Restore a checkpoint and return its metadata. Random generators are restored last.

    If the checkpoint was written by n processes, a process of higher rank starts from the buffers and terms of process
    `rank % n` and from random numbers that follow from seed, rank and step. If the kind of device differs, the random
    numbers of every process follow from seed, rank and step.

    Args:
        checkpoint: its folder; or what was read (`read_newest` with `ALL`), which is emptied once it is restored.
        state: to be restored.
        callbacks: their state is restored too.
        rank: of this process.
        seed: of the run.

    Raises:
        CheckpointError: the checkpoint is damaged, or does not fit the model.
    """
    content = checkpoint if isinstance(checkpoint, Content) else _read(checkpoint)
    meta = dict(content.meta)
    load_weights(content, state.module, average=False)
    if state.ema is not None and AVERAGE not in content.files:
        raise CheckpointError(
            f"{content.path} contains no averaged weights, but the run keeps an average (training.ema)."
        )
    if state.ema is not None:
        state.ema.load(content.tensors_of(AVERAGE), meta["ema_updates"])
    rest = content.rest()
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
    content.files.clear()  # a training should not keep a second copy of its state
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
