"""`veridical evaluate`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from veridical.cli import UsageError
from veridical.cli.options import Mark, Positional, Section
from veridical.cli.parse import parse_sections, say
from veridical.config import checks
from veridical.config.reading import Reading

if TYPE_CHECKING:
    from veridical.evaluation import Evaluation


@dataclass(frozen=True)
class Evaluate:
    """Measure a run, or a folder of images from any program, against real data.

    Every value is compared with the score of a perfect model.
    """

    what: Positional[Path]
    """Run directory; or a folder of images, npy or npz (then --against is required)."""

    against: str | None = None
    """Data set, folder or file to compare with; the run's own data if omitted."""

    n: Annotated[int, Mark(alias="-n")] = 10_000
    """Number of samples to draw; of a folder or file, the largest number to use, chosen at random by the seed."""

    seed: int = 0
    """Seed of the samples and of the random numbers in the metrics."""

    extractor: str | None = None
    """Features to compare images by; chosen by the kind of data if omitted."""

    metrics: tuple[str, ...] = ()
    """Only these metrics, also those that are not measured by default; docs/evaluation.md names them."""

    which: Literal["newest", "best"] = "newest"
    """Checkpoint: the newest, or the best if the run was evaluated during training."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    json: bool = False
    """Print JSON instead of the table."""

    def __post_init__(self) -> None:
        checks.at_least("n", self.n, 2, checks.MOST_SAMPLES)
        checks.seed("seed", self.seed)


SECTIONS = (
    Section("options", Evaluate),
    Section("reading of samples and data", Reading, Reading()),
    Section("reading of the data alone, where it differs", Reading, Reading(), "data"),
)


def run(arguments: list[str]) -> int:
    """Measure and print; return 1 if nothing could be measured."""
    options, reading, data_reading = parse_sections(SECTIONS, "evaluate", arguments, about=Evaluate.__doc__ or "")
    is_run = (options.what / "config.yaml").is_file()
    if not options.what.exists():
        raise UsageError(f"{options.what} does not exist; expected a run directory, or a folder or file of images.")
    if not is_run and options.against is None:
        raise UsageError(f"{options.what} is not a run directory; to measure images, add --against DATA.")
    from veridical.training.engine import choose_device
    from veridical.workflows.evaluate import evaluate_files, evaluate_run

    show_progress = (lambda line: None) if options.json else say
    device, why = choose_device(options.device)
    show_progress(f"device {device} ({why}), seed {options.seed}")
    shared = {"n": options.n, "seed": options.seed, "extractor": options.extractor, "say": show_progress}
    shared |= {"metrics": options.metrics or None}
    if is_run:
        found = evaluate_run(
            options.what,
            against=options.against,
            which=options.which,
            device=device,
            reading=data_reading.over(reading),
            **shared,  # type: ignore[arg-type]
        )
    else:
        found = evaluate_files(
            options.what,
            str(options.against),
            reading=reading,
            data_reading=data_reading,
            **shared,  # type: ignore[arg-type]
        )
    if options.json:
        print(json.dumps({**found.to_json(), "summary": found.summary()}, indent=2))
    else:
        show(found)
        if is_run:
            say(f"Wrote {options.what / 'evaluation.json'}. Next: veridical report {options.what}")
    if not found.measurements:
        print("veridical evaluate: nothing could be measured; the table gives the reasons.", file=sys.stderr)
        return 1
    return 0


def show(found: Evaluation) -> None:
    """Print the table and the summary."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.n:,} samples against {found.data}", title_justify="left")
    for column in ("metric", "value", "95 % interval", "a perfect model", "verdict", "s"):
        table.add_column(column, justify="left" if column in ("metric", "verdict") else "right")
    for m in found.measurements:
        between = "" if m.interval is None else f"{number(m.interval[0])} to {number(m.interval[1])}"
        perfect = "" if m.reference is None else f"{number(m.reference)} ({m.reference_kind})"
        unit = f" {m.unit}" if m.unit not in ("", "1") else ""
        table.add_row(m.name, number(m.value) + unit, between, perfect, m.verdict, f"{m.seconds:.1f}")
    by_reason: dict[str, list[str]] = {}
    for name, reason in not_measured(found).items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        table.add_row("\n".join(names), "not measured", "", "", reason, "")
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(table)
    for sentence in [*found.summary(), *_other(found)]:
        say(f"• {sentence}")


def not_measured(found: Evaluation) -> dict[str, str]:
    """Return the metrics that belong to the table but could not be measured, with the reason.

    They are those that more examples would make measurable and those that changed data make invalid; where there is
    nothing else to show, all that were left out.
    """
    from veridical.evaluation.metrics import METRICS

    if not (found.measurements or found.too_few):
        return dict(found.skipped)
    return {name: reason for name, reason in found.skipped.items() if name in found.too_few or name not in METRICS}


def _other(found: Evaluation) -> list[str]:
    """Name the metrics of other models and data, which do not apply."""
    shown = not_measured(found)
    other = [name for name in found.skipped if name not in shown]
    return [f"Of other models or data (reasons: --json): {', '.join(other)}."] if other else []


def number(value: float) -> str:
    """Format a number with four significant digits.

    Examples:
        >>> number(0.98889), number(25.0), number(1234.5678)
        ('0.9889', '25', '1235')
    """
    return f"{value:.4g}"
