"""Give the command line ten thousand odd inputs, and see that none hangs, swells, overwrites or blames the program.

    OMP_NUM_THREADS=1 python benchmarks/reliability/fuzz.py --inputs 10000

Five kinds in equal parts: images, arrays, configurations in YAML, run directories with a damaged file, arguments whose
values reach the work. Every input is given to the real command line in a copy of this process that may use 4 GB more
than its parent and 10 seconds. What may happen: it works, or it is refused with a sentence. What may not:

    traceback     Python's, or the process ends by a signal
    defect        the message that this may be a bug of the program
    hang          more than 10 seconds of processor time, or a minute
    memory        more than 4 GB, or a failed allocation
    overwritten   a file that was there before has changed or is gone, and the command had no leave to write it

Input number i of a kind depends on the seed, the kind and i only; `--only images/17` repeats one. Those that fail are
kept with their command in the folder of `--out`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import commands
from inputs import KINDS, Attack, workshop

MEMORY, SECONDS = 4 * commands.GIGABYTE, 10.0
OUTCOMES = ("ok", "refused", "traceback", "defect", "hang", "memory", "killed", "overwritten")


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return size, time and content (of small files) of everything in a folder."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            about = os.lstat(path)
            content = b""
            if not os.path.islink(path) and os.path.isfile(path) and about.st_size < 1_000_000:
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, folder)] = (about.st_size, about.st_mtime_ns if not content else 0, content)
    return found


def overwritten(before: dict[str, tuple[int, int, bytes]], folder: Path, attack: Attack) -> list[str]:
    """Return the files that changed or vanished though the command had no leave to write them."""
    after = snapshot(folder)
    changed = [name for name, value in before.items() if after.get(name) != value]
    return [name for name in changed if not any(name.startswith(free) for free in attack.may_write)]


def attempt(
    kind: str, number: int, seed: int, folder: Path, base: Path
) -> tuple[str, commands.Ended, Attack, list[str]]:
    """Prepare one input in a folder, run its command and return the outcome."""
    luck = random.Random(f"{seed}/{kind}/{number}")
    place = folder / f"{kind}-{number}"
    place.mkdir()
    attack = KINDS[kind](place, luck, base)
    before = snapshot(place)
    output = folder / f"{kind}-{number}.txt"
    ended = commands.execute(attack.words, output, folder=place, memory=MEMORY, limit=SECONDS)
    gone = overwritten(before, place, attack)
    outcome = "overwritten" if gone else "memory" if ended.peak > MEMORY else ended.outcome
    return outcome, ended, attack, gone


def nameless(kind: str, ended: commands.Ended, place: Path) -> bool:
    """Return whether a refusal of a file names no file or option: what should the user look at?"""
    if ended.outcome != "refused" or kind == "arguments":
        return False
    last = ended.output.strip()
    names = [name for entry in place.rglob("*") for name in (entry.name,) if len(name) > 2]
    return not any(name in last for name in names)


def main(arguments: list[str] | None = None) -> int:
    """Attack, print the table, return 1 if an input did what none may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--only", help="one input, such as images/17; its output is printed")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of every kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder that keeps what failed")
    options = parser.parse_args(arguments)
    with workshop("fuzz", options.out) as (folder, base, kept):
        if options.only:
            kind, _, number = options.only.partition("/")
            outcome, ended, attack, gone = attempt(kind, int(number), options.seed, folder, base)
            print(f"veridical {' '.join(map(repr, attack.words))}\n{ended.output}\n{outcome} {gone or ''}")
            shutil.copytree(folder / f"{kind}-{number}", kept / f"{kind}-{number}", dirs_exist_ok=True, symlinks=True)
            print(f"the input is in {kept}")
            return 0
        each = max(1, options.inputs // len(options.kinds))
        pairs = [(kind, options.first + i) for kind in options.kinds for i in range(each)]
        return run_all(pairs, options.seed, folder, base, kept)


def run_all(pairs: list[tuple[str, int]], seed: int, folder: Path, base: Path, kept: Path) -> int:
    """Run all inputs, keep those that fail, print the table."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    slowest, largest, started = (0.0, ""), (0, ""), time.monotonic()
    for done, (kind, number) in enumerate(pairs):
        outcome, ended, attack, gone = attempt(kind, number, seed, folder, base)
        if outcome == "hang":  # the machine may have been busy: only what is slow twice counts
            remove(folder / f"{kind}-{number}")
            outcome, ended, attack, gone = attempt(kind, number, seed, folder, base)
        name, place = f"{kind}-{number}", folder / f"{kind}-{number}"
        table[kind][outcome] += 1
        slowest, largest = max(slowest, (ended.seconds, name)), max(largest, (ended.peak, name))
        if nameless(kind, ended, place):
            table[kind]["nameless"] += 1
            note(kept, name, "nameless", attack, ended, gone)
        if outcome not in ("ok", "refused"):
            note(kept, name, outcome, attack, ended, gone)
            shutil.copytree(place, kept / name, symlinks=True, dirs_exist_ok=True, copy_function=_copy_small)
        remove(place, folder / f"{name}.txt")
        if done % 500 == 499:
            print(f"{done + 1} inputs, {time.monotonic() - started:.0f} s", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    show(table, slowest, largest, used.ru_utime + used.ru_stime)
    (kept / "fuzz.json").write_text(json.dumps(table, indent=1))
    return int(any(count[name] for count in table.values() for name in OUTCOMES[2:]))


def _copy_small(source: str, target: str) -> None:
    if os.path.isfile(source) and os.path.getsize(source) < 5_000_000:
        shutil.copy2(source, target)


def remove(*places: Path) -> None:
    """Remove files and folders."""
    for place in places:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)


def note(kept: Path, name: str, outcome: str, attack: Attack, ended: commands.Ended, gone: list[str]) -> None:
    """Append a failure to the list, with its command and the end of what it printed."""
    line = {"input": name, "outcome": outcome, "words": attack.words, "end": ended.output[-400:], "overwritten": gone}
    with open(kept / "failures.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"seconds": ended.seconds}) + "\n")


def show(table: dict[str, Counter[str]], slowest: tuple[float, str], largest: tuple[int, str], cpu: float) -> None:
    """Print the table."""
    columns = [*OUTCOMES, "nameless"]
    print(f"{'':<12}{'inputs':>8}" + "".join(f"{name:>12}" for name in columns))
    for kind, counts in [*table.items(), ("all", sum(table.values(), Counter[str]()))]:
        total = sum(counts[name] for name in OUTCOMES)
        print(f"{kind:<12}{total:>8,}" + "".join(f"{counts[name]:>12,}" for name in columns))
    print(
        f"longest {slowest[0]:.1f} s ({slowest[1]}), largest {largest[0] / 1e9:.2f} GB ({largest[1]}), CPU {cpu:.0f} s"
    )


Prepared = Callable[[Path, random.Random, Path], Attack]

if __name__ == "__main__":
    sys.exit(main())
