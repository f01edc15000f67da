"""Run by test_engine in two processes: trains, stops, resumes, and writes what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from tests.training import toys
from veridical.config import TrainingConfig
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer, MetricsFile
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit


class StopAt(Callback):
    def on_step(self, state: State) -> None:
        if state.step == 10:
            state.stop = "asked to"


def train(engine: Engine, run: Run, *callbacks: Callback, make: Callable[[int], State] = toys.state) -> State:
    state = make(20)
    torch.manual_seed(100 + engine.rank)
    saver = Checkpointer(run, engine, TrainingConfig(), {})
    if checkpoint.complete(run.checkpoints):
        checkpoint.load(checkpoint.newest(run.checkpoints, print), state, {}, engine.rank)
        saver.saved = state.step
    engine.barrier()
    loader = toys.loader(rank=engine.rank, world_size=engine.world_size)
    metrics = [MetricsFile(run)] if engine.rank == 0 else []
    return fit(state, loader, engine, log_every=7, callbacks=[*metrics, saver, *callbacks])


def main() -> None:
    out = Path(sys.argv[1])
    engine = Engine("cpu", processes=2)
    engine.launch()
    assert engine.world_size == 2
    whole, parts = Run(out / "whole"), Run(out / "parts")
    uninterrupted = toys.everything(train(engine, whole))
    train(engine, parts, StopAt())
    resumed = toys.everything(train(engine, parts))
    chains = []
    for name, callbacks in (("chains-whole", []), ("chains", [StopAt()]), ("chains", [])):
        chains.append(toys.everything(train(engine, Run(out / name), *callbacks, make=toys.chained)))
    # The gradient of the mean over both shares is the mean of the gradients.
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    (parameter * (engine.rank + 1)).sum().backward()
    engine.average_gradients([parameter])
    torch.save(
        {
            "uninterrupted": uninterrupted,
            "resumed": resumed,
            "chains": (chains[0], chains[2]),
            "gradient": parameter.grad,
            "mean": engine.mean([float(engine.rank), 4.0]),
            "index": toys.loader(rank=engine.rank, world_size=2).batch(3).index,
        },
        out / f"rank-{engine.rank}.pt",
    )


if __name__ == "__main__":
    main()
