"""`veridical sample`: the options depend on the run's family, so the run is read before they are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from veridical.cli.options import Mark, Positional, Section
from veridical.cli.parse import parse_sections, say, split_before
from veridical.config import checks
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.sampling import SamplingOptions


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained model. Sample i depends on the seed only, not on the number of samples or the device.

    `veridical sample RUN --help` also shows the options of the run's family.
    """

    run: Positional[Path]
    """Run directory."""

    n: Annotated[int, Mark(alias="-n")] = 64
    """Number of samples."""

    out: Path | None = None
    """FILE.png (one grid), FILE.npz (an array x in data space), FILE.wav (sequences, one after the other) or a folder
    (one PNG or WAV each); a grid in the run directory if omitted."""

    seed: int = 0
    """Seed of the samples."""

    first: int = 0
    """Index of the first sample; --first 64 skips the first 64 samples of the seed."""

    which: Literal["newest", "best"] = "newest"
    """Checkpoint: the newest, or the best if the run was evaluated during training."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        checks.at_least("n", self.n, 1, checks.MOST_SAMPLES)
        checks.at_least("first", self.first, 0)
        checks.seed("seed", self.seed)


@dataclass(frozen=True)
class Labelled:
    """Options of models trained with labels."""

    label: str | None = None
    """Class to draw: its number, or its name if the data have class names; all classes if omitted, in a completion as
    probable as the known part makes them."""


@dataclass(frozen=True)
class Completion:
    """Options of models that can complete examples."""

    complete: Path | None = None
    """Draw the missing part of given examples instead of new ones. An array of examples in data space (.npz as --out
    writes it, .npy), NaN where something is missing; an image of the size of the data, transparent there; a recording
    (.wav), which is continued where it ends; or a folder of images or recordings. Sample i completes example i, after
    the last again the first."""

    keep: float | None = None
    """Share of each example of --complete that is kept, from the first site of the model's order; the rest is drawn. A
    model of the stored order, or of any order, keeps images from the top."""

    def __post_init__(self) -> None:
        if self.keep is not None:
            checks.share("keep", self.keep)
            if self.complete is None:
                raise ValueError(f"keep is {self.keep} without examples; give them with --complete FILE.")


def run(arguments: list[str]) -> None:
    """Draw samples and save them."""
    kind = family_options(run_in(arguments))
    command, sampling, *more = parse_sections(sections(kind), "sample", arguments, about=Sample.__doc__ or "")
    chosen = {type(section): section for section in more}
    labelled, completion = chosen.get(Labelled, Labelled()), chosen.get(Completion, Completion())
    from veridical.run import Run

    opened = Run.open(command.run)
    from veridical.sampling import draw_blocks
    from veridical.training.engine import choose_device
    from veridical.workflows import complete, sample
    from veridical.workflows.load import load

    out = command.out or sample.default_output(command.run, command.n, command.seed)
    sample.require_output(out)
    device, why = choose_device(command.device)
    model = load(command.run, which=command.which, say=say).to(device)
    say(f"device {device} ({why}), seed {command.seed}")
    blocks = draw_blocks(
        model,
        command.n,
        seed=command.seed,
        label=sample.label_of(opened, labelled.label),
        options=sampling,
        first=command.first,
        classifier=sample.classifier_for(model, sampling),
        given=None if completion.complete is None else complete.given_for(model, completion.complete, completion.keep),
    )
    say(f"wrote {sample.save(blocks, command.n, model, out, say)}")


def sections(kind: type[SamplingOptions]) -> list[Section]:
    """Return the options of the command, those of a family, and what else the family can: labels, completion."""
    own = [Section("options", Sample), Section("sampling (of the run's family)", kind, kind(), "sampling")]
    labels = [Section("labels", Labelled, Labelled())] if kind.labels else []
    return [*own, *labels, *([Section("completion", Completion, Completion())] if kind.completes else [])]


def run_in(arguments: list[str]) -> Path | None:
    """Return the run directory that the arguments name, before its family is known."""
    kinds = [SamplingOptions, *(find_family(name).sampling for name in FAMILIES)]
    _, places = split_before([sections(kind) for kind in kinds], arguments, "sample")
    return Path(places[0]) if places else None


def family_options(run: Path | None) -> type[SamplingOptions]:
    """Return the sampling options of a run's family; without a run, the empty options."""
    if run is None:
        return SamplingOptions
    from veridical.config.files import read
    from veridical.run import Run

    family = read(Run.open(run).config_file)[0].family
    return find_family(family).sampling if family in FAMILIES else SamplingOptions
