"""The verdict at the top of the report, from the state of the run, its health and its measurements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from veridical.report.measured import Measured
from veridical.report.numbers import duration
from veridical.report.record import Record
from veridical.report.setup import data_name

Level = Literal["good", "caution", "bad", "unknown"]
WORDS: dict[Level, str] = {
    "good": "no fault found",
    "caution": "use with care",
    "bad": "do not trust",
    "unknown": "not judged",
}
"""The level in words; the page does not rely on colour alone."""


NAMED = 4
"""Measurements that are named one by one; of more the clearest three are."""


@dataclass(frozen=True)
class Verdict:
    """What the model is and whether it can be trusted, with the sentences that support it."""

    level: Level
    what: str
    """What the model is, in one sentence."""

    headline: str
    """Whether it can be trusted, and why not."""

    sentences: tuple[str, ...]
    """Everything that was found."""

    @property
    def word(self) -> str:
        """The level in words."""
        return WORDS[self.level]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "level": self.level,
            "word": self.word,
            "what": self.what,
            "headline": self.headline,
            "sentences": list(self.sentences),
        }


def judge(record: Record, measured: list[Measured]) -> Verdict:
    """Return the verdict on a run: that of its worst result; "not judged" without measurements."""
    level, headline = _headline(record, measured)
    sentences = [_state(record), *_health(record), *_measurements(record, measured)]
    return Verdict(level, _what(record), headline, tuple(sentence for sentence in sentences if sentence))


def _what(record: Record) -> str:
    """Say what the model is: family, data, steps and state."""
    data, of = data_name(record), f" of {record.steps:,}" if record.steps and record.steps != record.step else ""
    model = f"A model of the family {record.family}" if record.family else "A model"
    trained = f"trained on {data} for" if data else "trained for"
    state = "" if record.state == "finished" else f"; its training is {record.state}"
    return f"{model}, {trained} {record.step:,}{of} steps{state}."


def _headline(record: Record, measured: list[Measured]) -> tuple[Level, str]:
    errors = [finding for finding in record.findings if finding.severity == "error"]
    short = [m for m in measured if m.tone == "short"]
    suspicious = [m for m in measured if m.tone == "suspicious"]
    compared = sum(m.compared for m in measured)
    of = f"{compared} measurements" if compared == len(measured) else f"the {compared} measurements with a reference"
    undecided = [m for m in measured if m.verdict == "undecided"]
    if record.state == "failed":
        return "bad", "Training failed, so the model is incomplete."
    if errors and not measured:
        return "bad", f"The health monitors found an error in this training: {_listed([f.name for f in errors])}."
    if not measured:
        return (
            "unknown",
            "This model has not been measured yet, so the quality of its samples is not known.",
        )
    if not compared:
        return "unknown", "No measurement has a reference to be compared with, so there is no verdict."
    if far := [m for m in short if m.far]:
        names, clearest = _clearest(far), ""
        if len(far) > NAMED:
            names, clearest = f"{len(far)} of them", f": {names}"
        reach = f"{'reaches' if len(far) == 1 else 'reach'} less than half of its score"
        return "bad", f"{_counted(len(short), of)} short of a perfect model; {names} {reach}{clearest}."
    if suspicious:
        return "caution", (
            f"{_counted(len(suspicious), of)} better than possible for a perfect model: check "
            f"{_clearest(suspicious)} before you use the samples."
        )
    if short:
        return "caution", f"{_counted(len(short), of)} short of a perfect model: {_clearest(short)}."
    if errors:
        return "caution", f"The measurements show no fault, but the training does: {_listed([f.name for f in errors])}."
    if undecided:
        return "caution", (
            f"No fault is shown, but {_counted(len(undecided), of)} undecided, because there are too few examples: "
            f"{_clearest(undecided)}."
        )
    if missing := _too_few(record):
        counted = "one measurement" if compared == 1 else f"{compared} measurements"
        return (
            "caution",
            f"The {counted} with a reference show no fault, but there are too few examples for {_listed(missing)}.",
        )
    if compared == 1:
        return "unknown", "Only one measurement has a reference; it shows no fault, but that is too little to judge by."
    if compared < len(measured):
        return "good", f"All {compared} measurements with a reference are as good as a perfect model's."
    return "good", f"All {compared} measurements are as good as a perfect model's."


def _too_few(record: Record) -> list[str]:
    """Return the metrics that were left out for lack of examples."""
    names = record.evaluation.get("too_few")
    return [str(name) for name in names] if isinstance(names, list) else []


def _clearest(measured: list[Measured]) -> str:
    """Return the titles, those whose difference is clearest first; of more than `NAMED` only three."""
    ordered = sorted(measured, key=lambda m: -m.clarity)
    if len(ordered) <= NAMED:
        return _listed([m.title for m in ordered])
    return f"most clearly {_listed([m.title for m in ordered[:3]])}"


def _counted(hits: int, of: str) -> str:
    return f"{hits} of {of} {'is' if hits == 1 else 'are'}"


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _state(record: Record) -> str:
    """Describe the state of the training."""
    of = f" of {record.steps:,}" if record.steps else ""
    message = str(record.status.get("message") or "").strip()
    reason = f" {message}{'' if message.endswith('.') else '.'}" if message else ""
    quiet = duration(record.quiet_for)
    match record.state:
        case "finished":
            return f"Training finished after {record.step:,} steps."
        case "interrupted":
            return f"Training was interrupted at step {record.step:,}{of} and can be resumed."
        case "failed":
            return f"Training failed at step {record.step:,}{of}.{reason}"
        case "killed":
            kept = f" at step {record.checkpoints[-1]:,}" if record.checkpoints else ", if any, in checkpoints/"
            return (
                f"Training stopped at step {record.step:,}{of} without a message: its state is still “running”, but it "
                f"wrote nothing for {quiet}. Its process was probably killed; the newest checkpoint{kept} is "
                "complete."
            )
        case "running":
            return f"Training is running at step {record.step:,}{of} (last update {quiet} ago)."
    return f"How the training ended is not recorded; the last logged step is {record.step:,}."


def _health(record: Record) -> list[str]:
    """Summarise the findings of the health monitors."""
    if not record.findings:
        return ["The health monitors found no problem."] if record.rows else []
    errors = sum(finding.severity == "error" for finding in record.findings)
    warnings = len(record.findings) - errors
    counts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    first = min(record.findings, key=lambda finding: (finding.severity != "error", finding.step))
    return [f"The health monitors found {' and '.join(counts)}; the first, at step {first.step:,}: {first.message}"]


def _measurements(record: Record, measured: list[Measured]) -> list[str]:
    """Return the summary of the evaluation, or a hint on how to get one."""
    if not measured:
        return ["The command that measures it is at the end of this page."]
    summary = record.evaluation.get("summary")
    sentences = (
        [str(sentence) for sentence in summary] if isinstance(summary, list) else [str(summary)] if summary else []
    )
    # The state of the run is described above; the headline counts the same measurements as the evaluation's own.
    passed_over = r"This run (is|was|failed|has) |(Of|All) \d+ measurements|Only one measurement"
    return [sentence for sentence in sentences if not re.match(passed_over, sentence)]
