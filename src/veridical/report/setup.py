"""What a run was made of and how to make it again: configuration, environment, commands."""

from __future__ import annotations

import shlex
from typing import Any

from veridical.report.compare import written
from veridical.report.numbers import duration, figures, number_of
from veridical.report.record import Record


def data_name(record: Record) -> str:
    """Return the name of the data a run learned from; empty if it is not recorded."""
    data = record.environment.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    return str(name or record.config.get("data.source") or "")


def about(record: Record) -> list[str]:
    """Return the few words that say what a run is."""
    of = f" of {record.steps:,}" if record.steps else ""
    seconds = number_of(record.rows[-1].get("seconds")) if record.rows else None
    words = [record.family, data_name(record), f"step {record.step:,}{of}", record.state]
    words += [f"{duration(seconds)} of training"] if seconds else []
    seed = record.config.get("training.seed")
    return [word for word in [*words, "" if seed is None else f"seed {seed}"] if word]


def evaluated(record: Record) -> str:
    """Say what was measured against what."""
    evaluation = record.evaluation
    n, data, extractor = evaluation.get("n"), evaluation.get("data"), evaluation.get("extractor")
    text = f"{figures(n)} samples" if n else "Samples"
    text += f" against {data}" if data else ""
    text += f", compared by {extractor}" if extractor else ""
    text += f", seed {evaluation['seed']}" if evaluation.get("seed") is not None else ""
    return f"{text}."


def config_rows(record: Record) -> list[tuple[str, str, str]]:
    """Return key, value and origin of every value of the configuration."""
    return [(key, written(value), record.origins.get(key, "")) for key, value in record.config.items()]


def environment_rows(environment: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the environment flattened to dotted keys."""
    rows: list[tuple[str, str]] = []
    for key, value in environment.items():
        if isinstance(value, dict):
            rows += environment_rows(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", written(value)))
    return rows


def commands(record: Record) -> list[tuple[str, str]]:
    """Return the commands that repeat, continue and use a run."""
    run = shlex.quote(str(record.path))
    config = shlex.quote(str(record.path / "config.yaml"))
    found = [(f"veridical train --config {config}", "train it again, in a new directory")]
    if record.state == "finished":
        more = (record.steps or record.step) * 2
        found += [(f"veridical resume {run} --steps {more}", "train it further")]
    else:
        found += [(f"veridical resume {run}", _where(record))]
    return [
        *found,
        (f"veridical evaluate {run}", "measure it again" if record.evaluation else "measure it"),
        (f"veridical sample {run} -n 64", "draw from it"),
        (f"veridical report {run}", "write this page anew"),
    ]


def _where(record: Record) -> str:
    if not record.checkpoints:
        return "continue it (this needs a checkpoint; there is none)"
    return f"continue it from the newest checkpoint (step {record.checkpoints[-1]:,})"
