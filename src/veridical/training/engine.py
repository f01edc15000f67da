"""Device, arithmetic and processes of training; the only module that uses Lightning Fabric.

Fabric finds the device, starts the processes (its own launcher, torchrun or SLURM) and casts. Gradients are averaged by
one flat all-reduce per move instead of wrapping the model for distributed data parallelism: players are frozen and
thawed at every move and penalties differentiate twice, which the hooks of that wrapper do not support.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed
from torch import nn

from veridical.data.batch import Batch
from veridical.errors import RequestError
from veridical.training.arithmetic import Arithmetic, choose_arithmetic
from veridical.training.launcher import end_with_launcher


class DeviceError(RuntimeError, RequestError):
    """The requested device is not available."""


def choose_device(name: str) -> tuple[str, str]:
    """Resolve "auto" and check the rest; return the device and why.

    Raises:
        DeviceError: the device is not available.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = name.partition(":")[0]
    if name == "auto":
        found = next(device for device in ("cuda", "mps", "cpu") if there[device])
        return found, "the fastest found" if found != "cpu" else "no GPU was found"
    if not there.get(kind, False):
        usable = ", ".join(device for device, usable in there.items() if usable)
        raise DeviceError(f"device is {name!r}, which is not available here; expected auto or one of: {usable}.")
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]{1,4})?", name):
        remedy = " The processor is one device, without a number: write cpu." if name.startswith("cpu") else ""
        raise DeviceError(f"device is {name!r}; expected auto, cpu, cuda, cuda:N or mps.{remedy}")
    if kind == "cuda" and ":" in name and int(name.partition(":")[2]) >= torch.cuda.device_count():
        raise DeviceError(f"device is {name!r}; this machine has {torch.cuda.device_count()} CUDA device(s).")
    return name, "as requested"


class LostProcessError(RuntimeError):
    """Another process of the training has ended, so that this one cannot go on."""


def is_lost_connection(error: BaseException) -> bool:
    """Return whether an error says that another process can no longer be reached."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)


LOST = ("gloo", "Gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""Parts of the messages of torch.distributed about a lost connection."""


class Engine:
    """Device, arithmetic and processes of one training."""

    def __init__(self, device: str = "auto", processes: int = 1, arithmetic: Arithmetic | None = None) -> None:
        from lightning_fabric import Fabric

        name, self.reason = choose_device(device)
        kind, _, number = name.partition(":")
        nodes = int(os.environ.get("GROUP_WORLD_SIZE", os.environ.get("SLURM_NNODES", 1)))
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        many = processes * nodes > 1
        devices: Any = [int(number)] if number and not many else processes
        self.fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy="ddp" if many else "auto")
        self.arithmetic = arithmetic or Arithmetic()

    @classmethod
    def plain(cls) -> Engine:
        """One process on the processor in fp32."""
        return cls("cpu")

    def launch(self) -> None:
        """Start the other processes; each runs the program from its beginning up to this call."""
        end_with_launcher()
        self.fabric.launch()

    @property
    def device(self) -> torch.device:
        """Device of this process."""
        return self.fabric.device

    @property
    def rank(self) -> int:
        """Number of this process, over all machines."""
        return self.fabric.global_rank

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return self.fabric.world_size

    def place(self, model: nn.Module) -> None:
        """Move a model to the device, in the chosen layout."""
        model.to(self.device)
        if self.arithmetic.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def prepare(self, batch: Batch) -> Batch:
        """Put a batch into the chosen layout."""
        if self.arithmetic.channels_last and batch.x.dim() == 4:
            return batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
        return batch

    def autocast(self) -> AbstractContextManager[Any]:
        """Cast matrix products and convolutions to the chosen precision."""
        if self.arithmetic.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @torch.no_grad()
    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Average a player's gradient over the processes, in one message.

        Parameters without a gradient, for example of inactive layers, stay without: a zero would decay the optimiser's
        moments. They are the same in every process, since all build the same graph.
        """
        learning = [p for p in parameters if p.grad is not None]
        if self.world_size == 1 or not learning:
            return
        flat = torch.cat([p.grad.reshape(-1) for p in learning])  # type: ignore[union-attr]
        torch.distributed.all_reduce(flat)
        flat /= self.world_size
        for parameter, piece in zip(learning, flat.split([p.numel() for p in learning]), strict=True):
            parameter.grad = piece.view(parameter.shape)

    def mean(self, numbers: list[float]) -> list[float]:
        """Average numbers over the processes."""
        if self.world_size == 1:
            return numbers
        tensor = torch.tensor(numbers, dtype=torch.float32, device=self.device)
        torch.distributed.all_reduce(tensor)
        return (tensor / self.world_size).tolist()

    def gather(self, value: Any) -> list[Any]:
        """Return every process's value, in order of rank, on every process."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(values, value)
        return values

    def explain(self, say: Callable[[str], None]) -> None:
        """Report how the processes started by this one have ended; without it only a lost connection is visible."""
        for sentence in self.ended():
            say(sentence)

    def ended(self) -> list[str]:
        """Return how the processes started by this one have ended, a sentence each."""
        found = []
        for process in getattr(self.fabric.strategy.launcher, "procs", []):
            code = process.poll()
            if code:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                found.append(f"Process {process.pid} ended with {how}.")
        return found

    def barrier(self) -> None:
        """Wait for every process."""
        self.fabric.barrier()

    def choose_arithmetic(
        self, network: nn.Module, shape: torch.Size | tuple[int, ...], precision: str = "auto"
    ) -> tuple[Arithmetic, str]:
        """Choose the arithmetic of a network for batches of a shape by a fixed rule; the first process decides for all.

        Returns:
            The arithmetic, and the reason as a sentence.
        """
        return self.gather(choose_arithmetic(self.device, network, shape, precision))[0]
