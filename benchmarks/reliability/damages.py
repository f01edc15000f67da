"""Damage a file of a run, and see that it is said, refused, or without consequence.

    OMP_NUM_THREADS=1 python benchmarks/reliability/damages.py --damages 500

One file of a finished or of a killed run is damaged: a bit flipped, the end cut off, bytes overwritten, the file
removed, or a number or word edited so that the file still parses (grids of samples are not removed: the program itself
thins the old ones). Then three commands read the run: `sample` (newest
weights), `report`, and `resume` with a following comparison of weights and logged numbers. Compared with the same
commands on the undamaged run, every damage must be one of

    said       a command prints, or the report contains, a sentence about it
    refused    a command ends with an error that names the file
    harmless   all results are equal

A damage that changes a result in silence is a failure; its run is kept in the folder of `--out`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import resource
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import bytes_and_files as files
import commands
import numpy as np
from inputs import edit_yaml, workshop
from kills import content

SAID = re.compile(
    r"damage|checksum|does not match|do not match|was edited|were edited|edited|unreadable|cannot be read|not readable|"
    r"incomplete|missing|ignored|not a readable|left out|changed since|differ|no longer|seal",
    re.IGNORECASE,
)
"""Words by which a sentence about a damage is recognised, where the undamaged run says nothing of the kind."""

NOT_RESULTS = ("path", "seconds", "quiet_for", "created", "written", "age", "time", "date", "host", "process")
"""Keys of the report that differ between equal runs."""


def results(run: Path, resumed: bool, scratch: Path) -> dict[str, Any]:
    """Run the three commands and return their results, texts and exit codes; the run is changed by the last."""
    found: dict[str, Any] = {"texts": {}, "codes": {}, "outcomes": {}}
    samples = scratch / "samples.npz"
    page = scratch / "page.html"
    words = {
        "sample": ["sample", str(run), "-n", "4", "--out", str(samples)],
        "report": ["report", str(run), "--out", str(page)],
    }
    words["resume"] = ["resume", str(run), *([] if resumed else ["--steps", "22"])]
    for name, arguments in words.items():
        ended = commands.execute(arguments, scratch / f"{name}.txt", folder=run.parent, limit=30)
        text = ended.output.replace(str(run.parent), "").replace(str(scratch), "")
        found["texts"][name] = text
        found["codes"][name] = ended.code
        found["outcomes"][name] = ended.outcome
    found["samples"] = arrays_of(samples)
    found["report"], found["texts"]["page"] = report_of(page)
    found["run"] = run_of(run)
    return found


def arrays_of(path: Path) -> str:
    """Return the digest of the arrays in an npz file."""
    if not path.is_file():
        return ""
    with np.load(path) as archive:
        return hashlib.sha256(
            b"".join(np.ascontiguousarray(archive[key]).tobytes() for key in sorted(archive))
        ).hexdigest()


def report_of(page: Path) -> tuple[Any, str]:
    """Return the content of the report without times, and the words of its page."""
    if not page.is_file():
        return None, ""
    data = page.with_suffix(".json")
    value = timeless(json.loads(data.read_text())) if data.is_file() else None
    html = page.read_text(errors="replace")
    pictures = hashlib.sha256("".join(re.findall(r'src="data:image/[^"]*"', html)).encode()).hexdigest()
    words = re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script|svg)\b.*?</\1>", " ", html))
    return [value, pictures], words


def timeless(value: Any) -> Any:
    """Return JSON without the entries that hold times, places and processes."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not any(word in k.lower() for word in NOT_RESULTS)}
    if isinstance(value, str):
        return re.sub(r"(\b\d+(\.\d+)? ?(s|min|h|d|m\d+s|h\d+m)\b ?)+", "T", value)
    return [timeless(item) for item in value] if isinstance(value, list) else value


def run_of(run: Path) -> Any:
    """Return weights and logged numbers after the resumption."""
    try:
        found = content(run)
    except (OSError, ValueError) as error:
        return type(error).__name__
    return {name: found[name] for name in ("weights", "metrics.jsonl", "spectra.jsonl", "health.jsonl")}


def verdict(undamaged: dict[str, Any], damaged: dict[str, Any]) -> str:
    """Return what became of a damage."""
    if any(outcome in commands.BAD for outcome in damaged["outcomes"].values()):
        return "blamed"
    if any(damaged["codes"][name] and not undamaged["codes"][name] for name in damaged["codes"]):
        return "refused"
    if any(new_words(undamaged["texts"][name], damaged["texts"][name]) for name in damaged["texts"]):
        return "said"
    equal = all(undamaged[name] == damaged[name] for name in ("samples", "report", "run"))
    return "harmless" if equal else "SILENT"


def new_words(before: str, after: str) -> list[str]:
    """Return the sentences about a damage that the undamaged run does not say."""
    known = set(sentences(before))
    return [line for line in sentences(after) if line not in known and SAID.search(line)]


def sentences(text: str) -> list[str]:
    return [re.sub(r"\s+", " ", line).strip() for line in re.split(r"(?<=[.!?])\s|\n", text)]


def injure(run: Path, luck: random.Random) -> tuple[str, str]:
    """Damage one file of a run; return its name and how."""
    places = sorted(path for path in run.rglob("*") if path.is_file() and not path.name.startswith("report"))
    kinds = sorted({kind_of(path, run) for path in places})
    kind = luck.choice(kinds)
    path = luck.choice([place for place in places if kind_of(place, run) == kind])
    content, name = path.read_bytes(), str(path.relative_to(run))
    how = luck.choice(("bit", "cut", "bytes", "edit", "edit", "bit" if path.suffix == ".png" else "removed"))
    if how == "edit" and path.suffix in (".json", ".jsonl", ".yaml", ".csv"):
        edit(path, content.decode(), luck)
    elif how == "cut":
        path.write_bytes(content[: luck.randrange(len(content))] if content else b"x")
    elif how == "removed":
        path.unlink()
    elif how == "bytes":
        path.write_bytes(files.damage(content, luck))
    else:
        how = "bit"
        flipped = bytearray(content or b"x")
        flipped[luck.randrange(len(flipped))] ^= 1 << luck.randrange(8)
        path.write_bytes(flipped)
    return name, how


def kind_of(path: Path, run: Path) -> str:
    return re.sub(r"step-\d+", "step-N", str(path.relative_to(run)))


def edit(path: Path, text: str, luck: random.Random) -> None:
    """Edit a text file so that it still parses: a digit changed, a line removed or repeated, a key or value changed."""
    lines = text.splitlines()
    how = luck.randrange(4)
    if how == 0:
        digits = [match.start() for match in re.finditer(r"\d", text)]
        at = luck.choice(digits)
        text = text[:at] + luck.choice([d for d in "123456789" if d != text[at]]) + text[at + 1 :]
    elif how == 1 and path.suffix != ".json":
        at = luck.randrange(len(lines))
        lines[at : at + 1] = luck.choice(([], [lines[at], lines[at]]))
        text = "\n".join(lines) + "\n"
    elif path.suffix == ".json":
        text = files.edit_json(text, luck)
    elif path.suffix == ".jsonl":
        at = luck.randrange(len(lines))
        lines[at] = files.edit_json(lines[at], luck)
        text = "\n".join(lines) + "\n"
    else:
        text = edit_yaml(text, luck)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def main(arguments: list[str] | None = None) -> int:
    """Damage, print the table, return 1 if a damage was silent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damages", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder that keeps what failed")
    options = parser.parse_args(arguments)
    with workshop("damages", options.out) as (work, base, kept):
        numbers = range(options.first, options.first + options.damages)
        return attack(numbers, options.seed, work, base, kept)


def attack(numbers: range, seed: int, work: Path, base: Path, kept: Path) -> int:
    """Try every damage."""
    undamaged = {name: trial(work, base, name, None)[0] for name in ("finished", "killed")}
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for number in numbers:
        luck = random.Random(f"{seed}/{number}")
        source = luck.choice(("finished", "killed"))
        found, name, how = trial(work, base, source, luck)
        what = verdict(undamaged[source], found)
        table[kind_of(Path("run") / name, Path("run"))][what] += 1
        if what in ("SILENT", "blamed"):
            keep(kept, work, f"{number}: {source}/{name} ({how}): {what}", found, undamaged[source])
    show(table)
    (kept / "damages.json").write_text(json.dumps(table, indent=1))
    return int(any(count["SILENT"] + count["blamed"] for count in table.values()))


def trial(work: Path, base: Path, source: str, luck: random.Random | None) -> tuple[dict[str, Any], str, str]:
    """Copy a run, damage it (with luck), and return the results."""
    place, scratch = work / "trial", work / "scratch"
    for folder in (place, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    shutil.copytree(base / source, place / "run")
    shutil.copy2(base / "ring.npy", place / "ring.npy")
    name, how = injure(place / "run", luck) if luck is not None else ("", "")
    shutil.rmtree(work / "injured", ignore_errors=True)
    shutil.copytree(place / "run", work / "injured")
    return results(place / "run", source == "killed", scratch), name, how


def keep(kept: Path, work: Path, line: str, found: dict[str, Any], undamaged: dict[str, Any]) -> None:
    """Keep a failed damage: the run as it was when it was read, and what was printed."""
    different = [name for name in ("samples", "report", "run") if found[name] != undamaged[name]]
    bad = {name: found["texts"][name][-300:] for name, outcome in found["outcomes"].items() if outcome in commands.BAD}
    print(f"FAILED {line}; differ: {different} {bad or ''}", flush=True)
    shutil.copytree(work / "injured", kept / line.partition(":")[0], dirs_exist_ok=True)


def show(table: dict[str, Counter[str]]) -> None:
    """Print the table."""
    columns = ("said", "refused", "harmless", "blamed", "SILENT")
    print(f"{'file':<44}{'damages':>8}" + "".join(f"{name:>10}" for name in columns))
    for kind, counts in [*sorted(table.items()), ("all", sum(table.values(), Counter[str]()))]:
        print(f"{kind:<44}{sum(counts.values()):>8,}" + "".join(f"{counts[name]:>10,}" for name in columns))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU {used.ru_utime + used.ru_stime:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
