"""Steps of every preset are functions of tensors: nothing is read back, and a recorded step stands for all alike.

The guard sees every operation of a step on the CPU and refuses those that would stop a CUDA graph, or be frozen in it.
`Rehearsal` replays the Python of a recorded step at later steps: were a step to depend on its number in a way that the
pattern of the model does not name, the numbers would part from those of a plain run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import veridical as vd
from tests.training import toys
from veridical.config.presets import PRESETS, find_preset
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load as load_data
from veridical.model import Facts, GenerativeModel, Replayable
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit, play
from veridical.training.replay import WARM_UP, Eager, Play, Recorder, Recording, Terms, choose
from veridical.workflows.load import build_model

REFUSED = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "item",
    "lift",
    "lift_fresh",
    "lift_fresh_copy",
    "masked_select",
    "nonzero",
    "scalar_tensor",
    "unique_dim",
    "_unique2",
    "_linalg_eigh",
    "_linalg_svd",
}
"""Operations that read back, or make a tensor of a number; decompositions check their success on the processor."""


class Rehearsal(Recorder):
    """Works like `CudaGraphs` on any device, but repeats the Python code of the recorded step, its number included.

    This reveals, without a GPU, a model whose steps of one pattern differ in more than tensors.
    """

    def warm(self, step: Callable[[], Terms]) -> Terms:
        """Do a step."""
        return step()

    def record(self, step: int, batch: Batch, play: Play) -> Recording:
        """Note a step."""
        return Recording(batch, lambda: play(step, batch))


class Guard(TorchDispatchMode):
    """Refuses what a step must not do."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in REFUSED, f"the step calls {func}"
        if name in ("index", "index_put", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, "the step takes what a mask happens to choose"
        return func(*args, **(kwargs or {}))


def data_of(name: str) -> ArrayData:
    family = type(PRESETS[name].model).__name__
    source = "categorical-bits" if family.startswith("Discrete") else "digits"
    data = load_data(vd.DataConfig(source="grid" if name in ("gan-2d", "pacgan-2d", "unrolled") else source), "train")
    assert isinstance(data, ArrayData)
    return data


def loader_of(name: str) -> Loader:
    return Loader(data_of(name), 128 if name == "semisupervised" else 16)  # enough for an example of every class


def state_of(name: str, steps: int) -> State:
    config = find_preset(name)
    model = config.model
    small = {"width": 8, "stage_steps": 4, "labelled": 10}
    small = {field.name: small[field.name] for field in dataclasses.fields(model) if field.name in small}
    config = dataclasses.replace(config, model=dataclasses.replace(model, **small))  # type: ignore[type-var, arg-type]
    torch.manual_seed(0)
    data = data_of(name)
    built = build_model(config, Facts(data.space, len(data)))
    return State(built, steps=steps, ema=config.training.ema)


def has_rows(state: State) -> bool:
    """Whether rows of a table have optimiser states of their own."""
    return any(group.rows for player in state.players.values() for group in player.optimizer.groups)


@pytest.mark.parametrize("name", PRESETS)
def test_the_step_of_every_preset_reads_nothing_back(name: str) -> None:
    state, loader = state_of(name, 100), loader_of(name)
    engine, guards = Engine.plain(), 0
    for step in range(12):  # all turns, all statistics, stages of growth
        state.step = step
        batch = loader.batch(step)
        state.set_time()
        assert isinstance(state.model, Replayable)
        guarded = step >= 2 and state.model.pattern(step) is not None
        guards += guarded
        with Guard() if guarded else nullcontext():
            if has_rows(state):  # its updates are done one by one
                state.model.loss(batch, player=state.model.turns(step)[0], step=step)
            else:
                play(state, step, batch, engine, None)
    assert guards >= 8


MUTANTS: dict[str, Callable[[Tensor], Any]] = {
    "a number read back": lambda x: x.sum().item(),
    "a decision by value": lambda x: bool(x.sum() > 0),
    "a number made a tensor": lambda x: x.new_tensor(2.0),
    "a list made a tensor": lambda x: torch.tensor([1.0, 2.0]),
    "places": lambda x: x.nonzero(),
    "a mask": lambda x: x[x > 0],
    "one hot": lambda x: torch.nn.functional.one_hot(x.long(), 3),
    "equality": lambda x: torch.equal(x, x),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_guard_refuses(mutant: str) -> None:
    x = torch.ones(3)
    with pytest.raises(AssertionError, match="the step"), Guard():
        MUTANTS[mutant](x)


@pytest.mark.parametrize("name", PRESETS)
def test_replayed_steps_are_those_of_a_plain_run(name: str) -> None:
    ends, rows = [], []
    for recorded in (False, True):
        state = state_of(name, 14)
        assert isinstance(state.model, Replayable)
        torch.manual_seed(1)
        kept: list[dict[str, Any]] = []
        replay = Rehearsal(state.model) if recorded else Eager()
        fit(state, loader_of(name), log_every=7, callbacks=[Keep(kept)], replay=replay)
        ends.append({k: v.clone() for k, v in state.module.state_dict().items()})
        rows.append(kept)
        if isinstance(replay, Recorder):
            assert replay.recordings and replay.problem is None
    assert ends[0].keys() == ends[1].keys()
    assert not [k for k in ends[0] if not torch.equal(ends[0][k], ends[1][k])]
    for a, b in zip(*rows, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}


class Keep(Callback):
    """Keeps the lines of the log."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def on_log(self, state: State, row: dict[str, Any]) -> None:
        self.rows.append(row)


@pytest.mark.parametrize("name", ["gan", "cgan", "wgan", "gan-2014", "progressive", "vae"])
def test_memory_stays_where_it_is_once_steps_are_recorded(name: str) -> None:
    state, engine, loader = state_of(name, 100), Engine.plain(), Loader(data_of(name), 16)

    def places() -> dict[str, int]:
        found = {name: t.data_ptr() for name, t in state.module.state_dict(keep_vars=True).items()}
        for player in state.players.values():
            for i, memory in enumerate(player.optimizer.memory.values()):
                found |= {f"{player.name}.{i}.{key}": t.data_ptr() for key, t in memory.items()}
        return found

    seen: dict[Any, dict[str, int]] = {}
    for step in range(16):
        state.step = step
        state.set_time()
        play(state, step, loader.batch(step), engine, None)
        if step >= 5:
            assert seen.setdefault(state.layout, places()) == places()


class Drifting(toys.GAN):
    """A mutant: its loss depends on the number of the step, which its pattern does not name."""

    def loss(self, batch: Any, *, player: str, step: int) -> Any:
        loss, terms = super().loss(batch, player=player, step=step)
        return type(super().loss(batch, player=player, step=step))(loss * (1 + int(step)), terms)


def test_a_step_that_depends_on_its_number_shows() -> None:
    ends = []
    for recorded in (False, True):
        torch.manual_seed(0)
        state = State(Drifting(toys.CONFIG, toys.data().space), steps=10)
        torch.manual_seed(1)
        replay = Rehearsal(state.model) if recorded and isinstance(state.model, Replayable) else Eager()
        fit(state, toys.loader(), replay=replay)
        ends.append(nn.utils.parameters_to_vector(state.module.parameters()).detach())
    assert not torch.equal(*ends)


def test_a_pattern_is_recorded_after_its_first_steps_and_apart_from_others() -> None:
    state = toys.state(steps=20)
    assert isinstance(state.model, Replayable)
    replay = Rehearsal(state.model)
    fit(state, toys.loader(), replay=replay)
    # Statistics are due at steps 0, 8, 16, which is too seldom for a recording; all others are alike.
    assert len(replay.recordings) == 1 and sorted(replay.counts.values()) == [3, WARM_UP + 1]


def test_a_recording_is_not_replayed_once_memory_has_moved() -> None:
    state = toys.state(steps=20)
    assert isinstance(state.model, Replayable)
    replay, batch, done = Rehearsal(state.model), toys.loader().batch(1), []

    def note(step: int, batch: Any) -> dict[str, Tensor]:
        done.append(step)
        return {}

    for step, layout in enumerate(["here"] * (WARM_UP + 2) + ["there"] * 2, start=1):
        replay.run(1, batch, lambda _, batch, step=step: note(step, batch), layout)
    recorded = WARM_UP + 1
    assert done == [*range(1, recorded), recorded, recorded, recorded + 2, recorded + 3]


class Unrecordable(Rehearsal):
    """A device that refuses to record."""

    def record(self, step: int, batch: Any, play: Any) -> Any:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_what_cannot_be_recorded_is_done_as_ever() -> None:
    plain, refused = toys.state(steps=12), toys.state(steps=12)
    assert isinstance(refused.model, Replayable)
    replay = Unrecordable(refused.model)
    torch.manual_seed(2)
    fit(plain, toys.loader(), replay=Eager())
    torch.manual_seed(2)
    fit(refused, toys.loader(), replay=replay)
    toys.assert_equal(toys.everything(plain), toys.everything(refused))
    assert replay.problem == "a step could not be recorded (operation not permitted)"


def test_the_choice_says_why() -> None:
    model, cuda = toys.model(), torch.device("cuda")
    assert isinstance(model, GenerativeModel)
    for device, processes, rows, words in (
        (torch.device("cpu"), 1, False, "need a CUDA device"),
        (cuda, 2, False, "2 processes"),
        (cuda, 1, True, "rows that move"),
    ):
        replay, why = choose(model, device, processes, rows=rows)
        assert isinstance(replay, Eager) and words in why
