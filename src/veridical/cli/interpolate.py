"""`veridical interpolate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from veridical.cli.options import Positional, Section
from veridical.cli.parse import parse_sections, say
from veridical.config import checks
from veridical.config.reading import Reading


@dataclass(frozen=True)
class Interpolate:
    """Show examples on the way between the codes of others.

    A model with an encoder starts and ends at examples of its data, which are shown at both ends of a row; a model
    with a code for each training example at those; any other model with codes at its samples. Normal codes are joined
    by great circles, others by straight lines.
    """

    run: Positional[Path]
    """Run directory."""

    rows: tuple[int, ...] | None = None
    """Examples to pass through, by their rows in the data, or samples, by their numbers; the first five if omitted."""

    examples: tuple[str, ...] = ()
    """Pass through these instead of rows of the run's data: images, folders, files of arrays."""

    steps: int = 8
    """Points of each way, both ends included."""

    split: Literal["train", "test"] = "test"
    """Part of the data with the examples; a model with a code for each training example uses the training part."""

    out: Path | None = None
    """FILE.png (one row for each way) or FILE.npz (arrays x and ends in data space); interpolated.png in the run's
    samples if omitted."""

    seed: int = 0
    """Seed of samples."""

    which: Literal["newest", "best"] = "newest"
    """Checkpoint: the newest, or the best if the run was evaluated during training."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        checks.at_least("steps", self.steps, 2, checks.MOST_REPEATS)
        checks.seed("seed", self.seed)
        if self.rows is not None and len(self.rows) < 2:
            raise ValueError(f"rows are {list(self.rows)}; expected at least two, the ends of a way.")
        if self.rows is not None and self.examples:
            raise ValueError("--rows and --examples are both given; rows are those of the run's own data. Give one.")


SECTIONS = (Section("options", Interpolate), Section("reading of the examples", Reading, Reading()))


def run(arguments: list[str]) -> None:
    """Decode the ways and save them."""
    options, reading = parse_sections(SECTIONS, "interpolate", arguments, about=Interpolate.__doc__ or "")
    from veridical.training.engine import choose_device
    from veridical.workflows import interpolate, sample
    from veridical.workflows.load import load_run

    out = options.out or sample.free_name(options.run / "samples" / "interpolated.png")
    interpolate.require_output(out)
    opened, config, model, _ = load_run(options.run, which=options.which, say=say)
    device, why = choose_device(options.device)
    model = model.to(device)
    say(f"device {device} ({why}), seed {options.seed}")
    if options.examples:
        x = interpolate.given(options.examples, config.data, model, reading, say)
        decoded = interpolate.between_examples(model, x, options.steps)
    else:
        data = interpolate.own_examples(opened, config.data, model, options.split, reading)
        decoded, x = interpolate.ways(model, data, options.rows, options.steps, options.seed)
    interpolate.save(decoded, x, model, out)
    say(f"wrote {out}")
