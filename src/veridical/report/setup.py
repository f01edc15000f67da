"""Settings of a run and commands to repeat it: configuration, environment, commands."""

from __future__ import annotations

import re
import shlex
from typing import Any

from veridical.report.compare import written
from veridical.report.numbers import duration, figures, number_of
from veridical.report.record import Record


def data_name(record: Record) -> str:
    """Return the name of the training data; empty if it is not recorded."""
    data = record.environment.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    return str(name or record.config.get("data.source") or "")


def about(record: Record) -> list[str]:
    """Return a short description of a run: family, data, step, state, time and seed."""
    of = f" of {record.steps:,}" if record.steps else ""
    seconds = number_of(record.rows[-1].get("seconds")) if record.rows else None
    words = [record.family, data_name(record), f"step {record.step:,}{of}", record.state]
    words += [f"{duration(seconds)} of training"] if seconds else []
    seed = record.config.get("training.seed")
    return [word for word in [*words, "" if seed is None else f"seed {seed}"] if word]


def evaluated(record: Record) -> str:
    """Describe the evaluation: samples, data, features and seed."""
    evaluation = record.evaluation
    n, data, extractor = evaluation.get("n"), evaluation.get("data"), evaluation.get("extractor")
    text = f"{figures(n)} samples" if n else "Samples"
    text += f" against {data}" if data else ""
    text += f", compared by the features “{extractor}”" if extractor else ""
    text += f", seed {evaluation['seed']}" if evaluation.get("seed") is not None else ""
    text += f", of the model after step {evaluation['step']:,}" if isinstance(evaluation.get("step"), int) else ""
    return f"{text}."


def class_names(record: Record) -> list[str]:
    """Return the names of the classes of the data, in the order of the labels; empty if they have none."""
    data = record.environment.get("data")
    names = data.get("class_names") if isinstance(data, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


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


def next_step(record: Record, level: str) -> tuple[str, str]:
    """Return the recommended next command, and the reason.

    Args:
        record: the run.
        level: level of the verdict.
    """
    run, own = shlex.quote(str(record.path)), _own_modules(record)
    if record.state in ("failed", "killed", "interrupted", "unknown"):
        if not record.checkpoints:
            return _again(record), "Training stopped before its first checkpoint. Start it again in a new directory."
        return _resume(record), _where(record)
    if record.state == "running":
        return f"veridical report {run}", "Training is still running. Write this report again later."
    if not record.evaluation.get("measurements"):
        return _evaluate(record), "The model has not been measured yet. Measure it."
    if record.findings and level != "good":
        return _remedied(record)
    if level in ("caution", "bad"):
        return _resume(record, twice=True), "Train it for twice as many steps, then measure it again."
    sample = _python(record, "load") if own else f"veridical sample {run} -n 64"
    return sample, "No fault was found. Draw samples."


def _remedied(record: Record) -> tuple[str, str]:
    """Return the first command of the gravest finding's remedy, or a training with its first option."""
    first = min(record.findings, key=lambda finding: (finding.severity != "error", finding.step))
    why = f"Follow a remedy of {first.name} (under “Health of the training”), then measure the model again."
    if _own_modules(record):
        return "veridical.train(model=model, data=data)", why
    found = re.search(
        r"`veridical (resume RUN --steps|data check)|\((--[^();,]+)|(--[a-z-]+ [0-9.]*[0-9])", first.remedy
    )
    if found is None:
        return _again(record), why
    if found[1] == "data check":
        return f"veridical data check {shlex.quote(str(record.config.get('data.source') or 'DATA'))}", why
    return _resume(record, twice=True) if found[1] else f"{_again(record)} {found[2] or found[3]}", why


def commands(record: Record) -> list[tuple[str, str]]:
    """Return the commands that repeat, continue and use a run; Python code if it was trained on your own modules."""
    run, own = shlex.quote(str(record.path)), _own_modules(record)
    found = [] if own else [(_again(record), "train it again, in a new directory")]
    if record.state == "finished":
        found += [(_resume(record, twice=True), "train it for twice as many steps")]
    else:
        found += [(_resume(record), _where(record))]
    return [
        *found,
        (_evaluate(record), "measure it again" if record.evaluation else "measure it"),
        (_python(record, "load") if own else f"veridical sample {run} -n 64", "draw samples"),
        (f"veridical report {run}", "write this report again"),
    ]


def _own_modules(record: Record) -> bool:
    """Return whether the model is made of modules that the run directory does not hold."""
    return bool(record.environment.get("own_modules"))


def _python(record: Record, call: str, more: str = "") -> str:
    run = repr(str(record.path))
    if call == "load":
        return f"veridical.draw(veridical.load({run}, model=model), 64)"
    return f"veridical.resume({', '.join([run, 'model=model', *([more] if more else [])])})"


def _again(record: Record) -> str:
    return f"veridical train --config {shlex.quote(str(record.path / 'config.yaml'))}"


def _resume(record: Record, twice: bool = False) -> str:
    steps = 2 * (record.steps or record.step)
    if _own_modules(record):
        return _python(record, "resume", f"steps={steps}" if twice else "")
    return f"veridical resume {shlex.quote(str(record.path))}" + (f" --steps {steps}" if twice else "")


def _evaluate(record: Record) -> str:
    if _own_modules(record):
        return f"veridical.evaluate(veridical.load({str(record.path)!r}, model=model), train, test)"
    return f"veridical evaluate {shlex.quote(str(record.path))}"


def _where(record: Record) -> str:
    if not record.checkpoints:
        return "continue it (this needs a checkpoint; there is none)"
    return f"continue it from the newest checkpoint (step {record.checkpoints[-1]:,})"
