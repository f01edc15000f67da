"""What a person may type, and what is said of what they may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from veridical.cli import UsageError, run
from veridical.cli.options import Mark, Positional, Section, vocabulary
from veridical.cli.parse import parse, parse_sections
from veridical.config import OptimizerConfig
from veridical.config.data import DataConfig
from veridical.config.training import TrainingConfig


@dataclass(frozen=True)
class Toy:
    """A family whose choices have the names of everybody else's."""

    steps: int = 3
    """Steps inside."""

    size: float = 0.5
    labels: bool = False
    channels: tuple[int, ...] = (8, 16)
    fit: Literal["tight", "loose"] = "tight"
    out: str = "sigmoid"
    seed: int | None = None
    own: str = "mine"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


SECTIONS = [
    Section("data", DataConfig, DataConfig(), "data"),
    Section("training", TrainingConfig, TrainingConfig(), "training"),
    Section("model", Toy, Toy(), "model"),
]


def read(*words: str) -> tuple[DataConfig, TrainingConfig, Toy]:
    return tuple(parse_sections(SECTIONS, "toy", words))  # type: ignore[return-value]


def test_short_names_belong_to_the_first_section_and_the_models_own_can_always_be_written() -> None:
    words = ["--steps", "10", "--model.steps", "7", "--size", "32", "--model.size", "0.25", "--seed", "5"]
    data, training, model = read(*words, "--model.seed", "none", "--model.labels", "--no-labels", "--own", "x")
    assert (training.steps, model.steps, data.size, model.size) == (10, 7, 32, 0.25)
    assert (training.seed, model.seed, model.labels, data.labels, model.own) == (5, None, True, False, "x")


def test_every_option_has_the_name_of_its_key_in_the_file() -> None:
    data, training, model = read("--data.size", "8", "--training.batch-size=16", "--model.own", "y", "--data", "digits")
    assert (data.size, training.batch_size, model.own, data.source) == (8, 16, "y", "digits")


def test_names_are_nobodys_twice() -> None:
    names = [name for option in vocabulary(SECTIONS) for name in (*option.flags, *option.negations)]
    assert len(names) == len(set(names))
    assert all(any(flag.startswith("--model.") for flag in o.flags) for o in vocabulary(SECTIONS)[-8:])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model.channels", "1", "2", "3"], Toy(channels=(1, 2, 3))),
        (["--model.channels=4,5"], Toy(channels=(4, 5))),
        (["--model.fit", "loose"], Toy(fit="loose")),
        (["--optimizer.lr", "1e-2"], Toy(optimizer=OptimizerConfig(lr=0.01))),
        (["--optimizer.betas", "0", "0.9"], Toy(optimizer=OptimizerConfig(betas=(0.0, 0.9)))),
        (["--model.steps", "1e3"], Toy(steps=1000)),
        (["--model.size=-1.5"], Toy(size=-1.5)),
        (["--model.size", "-1.5"], Toy(size=-1.5)),
        (["--model.own=--x"], Toy(own="--x")),
    ],
)
def test_values(words: list[str], expected: Toy) -> None:
    assert read(*words)[2] == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stepps", "3"], "Did you mean --steps?"),
        (["--model.stepps", "3"], "Did you mean --model.steps?"),
        (["--onw", "3"], "Did you mean --own?"),
        (["--batch_sise", "3"], "Did you mean --batch-size?"),
        (["--fit", "strech"], "--fit is 'strech'; expected one of error, crop, pad, stretch. Did you mean stretch?"),
        (["--model.fit", "losse"], "Did you mean loose?"),
        (["--steps", "many"], "--steps is 'many'; expected a whole number."),
        (["--steps", "2.5"], "--steps is '2.5'; expected a whole number."),
        (["--steps"], "--steps expects N"),
        (["--steps", "--seed", "3"], "--steps expects N"),
        (["--optimizer.betas", "0.5"], "--optimizer.betas expects X X"),
        (["--steps", "0"], "steps is 0; expected"),
        (["digits"], "unexpected word 'digits'"),
    ],
)
def test_mistakes_are_named_with_the_nearest(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert message in str(caught.value)


@dataclass(frozen=True)
class Places:
    """Words that have their place."""

    run: Positional[Path]
    """Where."""

    n: Annotated[int, Mark(alias="-n")] = 4
    """How many."""

    deep: bool = True


@pytest.mark.parametrize("words", [["r", "-n", "7"], ["-n", "7", "r"], ["--n", "7", "r"], ["--n=7", "--", "r"]])
def test_options_stand_before_or_after(words: list[str]) -> None:
    assert parse(Places, "places", words) == Places(Path("r"), 7)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match=r"RUN is missing: Where\."):
        parse(Places, "places", ["-n", "3"])


def test_help_shows_every_option_with_its_text_and_stops(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_sections(SECTIONS, "toy", ["--steps", "--help"], about="What it does.")
    said = capsys.readouterr().out
    for part in (
        "What it does.",
        "--model.steps N",
        "Steps inside. (default: 3)",
        "--no-labels",
        "--own TEXT",
        "model:",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--verson", "Did you mean --version?"),
        ("train VAE", "Did you mean vae?"),
        ("train --data digits gan vae", "unexpected word 'vae'"),
        ("train gan --steps 3 --epochs 2 --data digits", "choose one"),
        ("train vae --r1 3 --data digits", "vae has no option --r1"),
        ("train --objective hinj --data digits", "Did you mean hinge?"),
        ("data lst", "Did you mean list?"),
        ("data list --n", "there is no option --n"),
        ("config shw gan", "Did you mean show?"),
        ("config show VAE", "Did you mean vae?"),
        ("ising exat", "Did you mean exact?"),
        ("sample", "RUN is missing"),
        ("evaluate nowhere -m 3", "there is no option -m"),
        ("evaluate nowhere", "does not exist"),
        ("resume nowhere", "does not exist"),
        ("report nowhere", "does not exist"),
        ("experiment informtion-ladder", "Did you mean information-ladder?"),
    ],
)
def test_the_same_kind_of_mistake_has_the_same_code(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    said = capsys.readouterr().err
    assert hint in said and "Traceback" not in said


@pytest.mark.parametrize("line", ["data list --help", "data check --help", "train vae --help", "sample -h", "ising -h"])
def test_help_is_about_the_command(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: veridical") and "annotated type" not in said
