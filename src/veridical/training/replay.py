"""Steps that are recorded once and replayed: on a GPU, CUDA graphs.

The step of a small network consists of hundreds of kernels that take longer to start from Python than to run. A CUDA
graph starts them all at once. It repeats the kernels of one recorded step on the same memory, so it is right only where
a step is a function of tensors: the `pattern` of a model states which decisions of a step are made in Python
(`model.Replayable`), and smoothly changing values are read from tensors that the loop sets before the step
(`veridical.clock`).

There is one recording for every pattern, shape of the batch and layout of the optimisers' memory. The first steps of
each run from Python (on the stream of the recording, where they prepare memory and kernels). A recording executes
nothing, so nothing has to be undone. Random numbers continue torch's generator, as without recordings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import NamedTuple

import torch
from torch import Tensor

from veridical.data.batch import Batch
from veridical.model import Replayable, Trainable

Terms = dict[str, Tensor]
"""() each, by "<player>/<term>"."""

Play = Callable[[int, Batch], Terms]
"""(number of the step, batch) → what is logged, after all moves and the average of the step."""

WARM_UP = 3
"""Steps of a pattern that run from Python before it is recorded."""

MOST = 16
"""Number of recordings that are kept; each holds the memory of a step."""


class Replay(ABC):
    """Runs the steps of a training."""

    @abstractmethod
    def run(self, step: int, batch: Batch, play: Play, layout: Hashable) -> Terms:
        """Do a step.

        Args:
            step: its number.
            batch: its examples.
            play: does it from Python.
            layout: changes when a tensor that training changes has moved in memory.

        Returns:
            What is logged.
        """


class Eager(Replay):
    """Does every step from Python."""

    def run(self, step: int, batch: Batch, play: Play, layout: Hashable) -> Terms:
        """Do a step."""
        return play(step, batch)


class Recording(NamedTuple):
    """One recorded step."""

    batch: Batch
    """Where the examples of a replay are copied to."""

    replay: Callable[[], Terms]
    """Repeats the step on that batch; what it returns is not overwritten by the next replay."""


class Recorder(Replay):
    """Records the steps of a model, and replays them.

    Args:
        model: which names the pattern of a step.
    """

    def __init__(self, model: Replayable) -> None:
        self.model = model
        self.recordings: dict[Hashable, Recording] = {}
        self.counts: dict[Hashable, int] = {}
        self.problem: str | None = None
        """Why recording was given up."""

    def run(self, step: int, batch: Batch, play: Play, layout: Hashable) -> Terms:
        """Do a step: from Python while its pattern is new, then by replaying a recording."""
        pattern = self.model.pattern(step)
        if pattern is None:
            return self.warm(lambda: play(step, batch))
        key = (pattern, signature(batch), layout)
        if key not in self.recordings:
            self.counts[key] = self.counts.get(key, 0) + 1
            if self.counts[key] <= WARM_UP or self.problem is not None or len(self.recordings) >= MOST:
                return self.warm(lambda: play(step, batch))
            try:
                self.recordings[key] = self.record(step, static(batch), play)
            except RuntimeError as error:
                self.recordings.clear()
                self.problem = f"a step could not be recorded ({str(error).splitlines()[0]})"
                return play(step, batch)
        recording = self.recordings[key]
        for kept, new in zip(recording.batch, batch, strict=True):
            if kept is not None and new is not None:
                kept.copy_(new, non_blocking=True)
        return recording.replay()

    @abstractmethod
    def warm(self, step: Callable[[], Terms]) -> Terms:
        """Run a step from Python, as preparation for a recording of its pattern."""

    @abstractmethod
    def record(self, step: int, batch: Batch, play: Play) -> Recording:
        """Record a step without executing it.

        Raises:
            RuntimeError: the step contains an operation that cannot be recorded.
        """


class CudaGraphs(Recorder):
    """Records CUDA graphs, which share their memory: they are replayed one after the other.

    Args:
        model: which names the pattern of a step.
        device: the GPU.
    """

    def __init__(self, model: Replayable, device: torch.device) -> None:
        super().__init__(model)
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()

    def warm(self, step: Callable[[], Terms]) -> Terms:
        """Do a step on the stream of the recordings."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            terms = step()
        torch.cuda.current_stream().wait_stream(self.stream)
        return terms

    def record(self, step: int, batch: Batch, play: Play) -> Recording:
        """Capture a step."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            terms = play(step, batch)
            stacked = torch.stack([term.detach().float() for term in terms.values()])
        names = tuple(terms)

        def replay() -> Terms:
            graph.replay()
            return dict(zip(names, stacked.clone().unbind(), strict=True))

        return Recording(batch, replay)


def choose(model: Trainable, device: torch.device, processes: int, *, rows: bool = False) -> tuple[Replay, str]:
    """Return how steps are done, and why, in words that follow "steps".

    Args:
        model: to be trained.
        device: where.
        processes: number of processes.
        rows: whether an optimiser moves single rows of tables, as many as a batch happens to touch.
    """
    if device.type != "cuda":
        return Eager(), "are started one by one: graphs need a CUDA device"
    if not isinstance(model, Replayable):
        return (
            Eager(),
            f"are started one by one: {type(model).__name__} is not Replayable, so its steps cannot be recorded",
        )
    if processes > 1:
        return Eager(), f"are started one by one: gradients are averaged over {processes} processes"
    if rows:
        return Eager(), "are started one by one: the rows that move differ from step to step"
    return CudaGraphs(model, device), "are replayed as CUDA graphs, one for every pattern of turns and terms"


def signature(batch: Batch) -> Hashable:
    """Return the shapes, types and layouts of a batch."""
    return tuple(None if t is None else (t.shape, t.dtype, t.stride()) for t in batch)


def static(batch: Batch) -> Batch:
    """Return a copy of a batch, whose memory later batches are copied to."""
    return Batch(*(None if t is None else t.clone() for t in batch))  # type: ignore[arg-type]
