"""Kill trainings at random moments and at every file operation, and see whether anything is lost.

    OMP_NUM_THREADS=1 python benchmarks/reliability/kills.py --kills 1000

A training of the 2-D MLP GAN is killed by SIGKILL at a random moment; one in three resumptions is killed too. After
every kill: the newest checkpoint must load, the state of the run must read "killed" (or "finished", if it was), no
process may survive. After the last kill of a run it is resumed to its end, and must equal the run that nobody killed:
weights, averages, metrics, spectra and sample grids to the bit, the same set of files, no temporary file.
Beside one training in three another command works on the same run (`evaluate`, `sample`, `report`, or a second
`resume`, which must be refused): it must succeed as soon as there is a checkpoint.

Two processes: `torchrun` stands for two copies of this process with the variables that torchrun sets, `launcher` for
the program's own way of starting the second process; the killed one is the first, the second, or both.

Then the death at the k-th file operation (opening for writing, renaming, removing, making folders, flushing), for every
k, of one training and of one resumption.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import commands
import numpy as np

STEPS, EVERY = 40, 10
TRAIN = ["train", "gan-2d", "--steps", str(STEPS), "--batch-size", "16", "--width", "8", "--depth", "1"]
TRAIN += ["--checkpoint-every", str(EVERY), "--log-every", "5", "--sample-every", "20", "--spectrum-every", "10"]
TRAIN += ["--no-relativistic", "--r1", "0", "--r2", "0", "--threads", "1", "--device", "cpu"]
BESIDE = ("evaluate", "sample", "report", "resume")
MAY_APPEAR = {"evaluation.json", "evaluations.jsonl", "report.html", "report.json"}
"""Files that the commands beside the training write."""

TIMES = ("seconds", "per_second", "examples_per_second", "steps_per_second", "gb")
"""Parts of the names of logged numbers that measure time or memory and so differ between equal runs."""


@dataclass(frozen=True)
class Kind:
    """How a training is started."""

    how: str
    """one, torchrun or launcher."""

    keep: int
    """Checkpoints kept."""


@dataclass
class Tally:
    """What was counted."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def fail(self, case: str, what: str) -> None:
        """Note a failure and print it."""
        self.counts["failures"] += 1
        self.failures.append(f"{case}: {what}")
        print(f"FAILED {case}: {what}", flush=True)


class Laboratory:
    """A folder with the data and the runs that nobody kills."""

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.folder, self.tally = folder, tally
        self.data = folder / "ring.npy"
        angle = np.random.default_rng(0).integers(0, 8, 300) * np.pi / 4
        np.save(self.data, np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))
        self.references: dict[Kind, dict[str, Any]] = {}
        self.seconds: dict[str, float] = {}

    def arguments(self, run: Path, kind: Kind) -> list[str]:
        """Return the words of a training."""
        many = ["--processes", "2"] if kind.how == "launcher" else []
        return [*TRAIN, "--data", str(self.data), "--keep", str(kind.keep), "--out", str(run), *many]

    def start(
        self, arguments: list[str], kind: Kind, output: Path, first: Callable[[], None] | None = None
    ) -> list[int]:
        """Start a training or a resumption and return its processes, the first first."""
        if kind.how != "torchrun":
            return [commands.start(arguments, output, folder=self.folder, first=first)]
        port = str(free_port())
        found = []
        for rank in ("0", "1"):
            variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "NODE_RANK": "0"}
            variables |= {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            variables |= {"TORCHELASTIC_RUN_ID": "kills"}
            text = output if rank == "0" else output.with_suffix(".second")
            found.append(commands.start(arguments, text, folder=self.folder, environment=variables))
        return found

    def reference(self, kind: Kind) -> dict[str, Any]:
        """Return the content of the run of this kind that nobody killed."""
        if kind not in self.references:
            run = self.folder / f"reference-{kind.how}-{kind.keep}"
            started = time.monotonic()
            ended = finish(
                self.start(self.arguments(run, kind), kind, run.with_suffix(".txt")), run.with_suffix(".txt")
            )
            if ended.outcome != "ok":
                raise SystemExit(f"the undisturbed run of {kind} did not end:\n{ended.output}")
            self.seconds[kind.how] = time.monotonic() - started
            self.references[kind] = content(run)
        return self.references[kind]


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def finish(processes: list[int], output: Path, limit: float = 60.0) -> commands.Ended:
    """Wait for all processes of a command; return how the first ended."""
    ended = [commands.wait(process, output, limit) for process in processes]
    return ended[0]


def content(run: Path) -> dict[str, Any]:
    """Return what two equal runs share: files, weights, logged numbers."""
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    last = sorted((run / "checkpoints").glob("step-*"))[-1:]
    weights = {path.name: digest(path) for folder in last for path in folder.glob("*.safetensors")}
    lines = {name: rows(run / name) for name in ("metrics.jsonl", "spectra.jsonl", "health.jsonl")}
    grids = {path.name: digest(path) for path in (run / "samples").glob("*.png")}
    return {"files": files, "weights": weights, "grids": grids, **lines}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a jsonl file without times."""
    if not path.is_file():
        return []
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if not any(t in key for t in TIMES)} for row in found]


def difference(run: Path, reference: dict[str, Any]) -> str:
    """Say in what a run differs from the reference; empty: in nothing."""
    here = content(run)
    for part in ("weights", "metrics.jsonl", "spectra.jsonl", "health.jsonl", "grids"):
        if here[part] != reference[part]:
            return f"{part} differ"
    extra = set(here["files"]) - set(reference["files"]) - MAY_APPEAR
    missing = set(reference["files"]) - set(here["files"])
    if extra or missing:
        return f"files left over: {sorted(extra)}, files missing: {sorted(missing)}"
    return ""


def look(run: Path) -> dict[str, Any]:
    """Return the state of a run and the step of the checkpoint that loads; in a copy of the process."""
    from veridical.run import Run
    from veridical.training import checkpoint
    from veridical.workflows.load import load_run

    said: list[str] = []
    found = {"state": Run(run).outcome().state, "step": None, "said": said}
    if checkpoint.complete(run / "checkpoints"):
        found["step"] = load_run(run, say=said.append).step
    return found


def dismiss(processes: list[int]) -> None:
    """Do what torchrun does to the others when one has died: SIGTERM, and SIGKILL two seconds later (there: thirty)."""
    time.sleep(0.05)
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 0.0)):
        for process in processes:
            os.kill(process, number)
        until = time.monotonic() + patience
        while time.monotonic() < until and any(commands.session(process) for process in processes):
            time.sleep(0.02)


def has_checkpoint(run: Path) -> bool:
    return any(path.is_file() for path in run.glob("checkpoints/step-*/meta.json"))


class Case:
    """One run that is killed, perhaps more than once, and resumed."""

    def __init__(self, laboratory: Laboratory, name: str, kind: Kind, luck: random.Random) -> None:
        self.lab, self.name, self.kind, self.luck = laboratory, name, kind, luck
        self.folder = laboratory.folder / name
        self.folder.mkdir()
        self.run = self.folder / "run"
        self.reference = laboratory.reference(kind)
        self.failed = False

    def fail(self, what: str) -> None:
        """Note a failure; the folder is kept."""
        self.failed = True
        self.lab.tally.fail(self.name, what)

    def attack(self) -> int:
        """Kill the training and perhaps its resumptions, then resume to the end; return the number of kills."""
        count = self.counts
        kills, arguments = 0, self.lab.arguments(self.run, self.kind)
        while True:
            kills += self.kill(arguments)
            if not (self.run / "config.yaml").is_file() or not self.examine():
                break
            if self.luck.random() > 1 / 3:
                break
            arguments = ["resume", str(self.run)]
            count["of resumptions"] += 1
        self.conclude()
        if not self.failed:
            shutil.rmtree(self.folder)
        return kills

    @property
    def counts(self) -> Counter[str]:
        """What the laboratory counts."""
        return self.lab.tally.counts

    def kill(self, arguments: list[str]) -> int:
        """Start, kill at a random moment, and see what is left of the processes; return 1 if it was killed."""
        text = self.folder / f"{arguments[0]}.txt"
        length = self.lab.seconds[self.kind.how]
        began = time.monotonic()
        processes = self.lab.start(arguments, self.kind, text)
        if self.kind.how == "launcher" and self.luck.random() < 0.8:  # its start takes longer than the training
            while not has_checkpoint(self.run) and time.monotonic() - began < 30:
                time.sleep(0.01)
            length = 0.4
            began = time.monotonic()
        moment = self.luck.uniform(0, length)
        beside = self.beside(moment) if self.luck.random() < 1 / 3 else None
        time.sleep(max(0.0, moment - (time.monotonic() - began)))
        self.shoot(processes)
        if self.kind.how == "torchrun":  # when a process dies, torchrun ends the others
            dismiss(processes)
        ended = [commands.wait(process, text, 20.0) for process in processes]
        if any(end.outcome == "hang" for end in ended):
            self.fail("a process outlived its partner by a minute")
        self.bury(processes)
        if beside is not None:
            self.judge(*beside)
        killed = any(end.outcome == "killed" for end in ended)
        self.counts["kills" if killed else "ended before the kill"] += 1
        self.counts[f"kills, {self.kind.how}"] += killed
        return int(killed)

    def shoot(self, processes: list[int]) -> None:
        """Send SIGKILL to the first process, the second, or both."""
        targets = list(processes)
        if self.kind.how == "launcher":
            targets += [p for p in commands.session(processes[0]) if p != processes[0]]
        if len(targets) > 1:
            targets = self.luck.choice([targets[:1], targets[1:2], targets])
        for target in targets:
            try:
                os.kill(target, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def bury(self, processes: list[int]) -> None:
        """See that nothing survives; a second process may take up to half a minute to notice."""
        until = time.monotonic() + 30
        while left := [p for leader in processes for p in commands.session(leader)]:
            if time.monotonic() > until:
                self.fail(f"{len(left)} orphans")
                for leader in processes:
                    commands.end_session(leader)
                return
            time.sleep(0.02)

    def beside(self, moment: float) -> tuple[str, int, Path, bool, bool]:
        """Start another command on the same run at a random moment before the kill."""
        time.sleep(self.luck.uniform(0, moment))
        what = self.luck.choice(BESIDE[:3] if self.kind.how == "torchrun" else BESIDE)  # one process cannot resume two
        words = {
            "evaluate": ["evaluate", str(self.run), "-n", "50"],
            "sample": ["sample", str(self.run), "-n", "4", "--out", str(self.folder / f"{self.luck.random()}.npz")],
            "report": ["report", str(self.run)],
            "resume": ["resume", str(self.run)],
        }[what]
        text = self.folder / f"beside-{self.luck.random()}.txt"
        config, saved = (self.run / "config.yaml").is_file(), has_checkpoint(self.run)
        return what, commands.start(words, text, folder=self.lab.folder), text, config, saved

    def judge(self, what: str, process: int, text: Path, config: bool, saved: bool) -> None:
        """See whether the command beside the training did its work."""
        ended = commands.wait(process, text, 20.0)
        self.counts[f"beside: {what}"] += 1
        enough = config if what == "report" else saved
        expected = ("ok", "refused") if what == "resume" or not enough else ("ok",)
        if ended.outcome not in expected:
            self.fail(f"{what} beside the training: {ended.outcome}: {ended.output[-300:]!r}")

    def examine(self) -> bool:
        """Load the newest checkpoint and read the state after a kill; return whether the run can be resumed."""
        found = commands.call(lambda: look(self.run), self.folder / "look.txt")
        if isinstance(found, str):
            self.fail(f"the newest checkpoint does not load: {found[-500:]!r}")
            return False
        if found["said"]:
            self.fail(f"a checkpoint was damaged by the kill: {found['said']}")
        allowed = ("killed", "finished") if self.kind.how == "one" else ("killed", "finished", "failed", "interrupted")
        if found["state"] not in allowed:
            self.fail(f"the state is {found['state']}, expected one of {allowed}")
        return found["step"] is not None

    def conclude(self) -> None:
        """Resume to the end and compare with the undisturbed run."""
        saved = has_checkpoint(self.run)
        text = self.folder / "resume.txt"
        ended = finish(self.lab.start(["resume", str(self.run)], self.kind, text), text)
        if ended.outcome == "refused" and not saved:
            self.counts["before the first checkpoint"] += 1
            return
        if ended.outcome != "ok":
            self.fail(f"resume: {ended.outcome}: {ended.output[-500:]!r}")
            return
        if what := difference(self.run, self.reference):
            self.fail(f"not equal to the undisturbed run: {what}")
        status = json.loads((self.run / "status.json").read_text())
        if (status["state"], status["step"]) != ("finished", STEPS):
            self.fail(f"the status after resuming is {status}")
        self.counts["resumed and compared"] += 1


WRITING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}


def die_at(number: int, place: Path, count_file: Path | None = None) -> Callable[[], None]:
    """Return a function that lets this process die before its `number`-th file operation inside a folder."""

    def install() -> None:
        done = 0

        def operation(path: object) -> None:
            nonlocal done
            if not inside(path):
                return
            done += 1
            if count_file is not None:
                with os.fdopen(raw_open(count_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
                    file.write(str(done))
            if done == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def inside(path: object) -> bool:
            return isinstance(path, str | bytes | os.PathLike) and str(place) in os.fsdecode(path)

        def hook(event: str, details: tuple[Any, ...]) -> None:
            writes = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event in WRITING:
                operation(details[0])

        raw_open, flush = os.open, os.fsync

        def fsync(descriptor: Any) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            operation(os.readlink(f"/proc/self/fd/{number}"))
            flush(descriptor)

        os.fsync = fsync
        sys.addaudithook(hook)

    return install


def exhaust(lab: Laboratory, what: str, every: int) -> None:
    """Let a training, or a resumption of a killed one, die at every file operation in turn."""
    kind = Kind("one", 1)
    lab.reference(kind)
    start = prepare_resumption(lab, kind) if what == "resumption" else None

    def attempt(case: Case, number: int, count: Path | None = None) -> commands.Ended:
        words = ["resume", str(case.run)] if start else lab.arguments(case.run, kind)
        if start:
            shutil.copytree(start, case.run)
        text = case.folder / "died.txt"
        return finish(lab.start(words, kind, text, die_at(number, case.run, count)), text)

    counting = Case(lab, f"{what}-count", kind, random.Random(0))
    attempt(counting, 0, lab.folder / "operations")
    total = int((lab.folder / "operations").read_text())
    for number in range(1, total + 1, every):
        case = Case(lab, f"{what}-operation-{number}", kind, random.Random(number))
        ended = attempt(case, number)
        lab.tally.counts[f"deaths at an operation of a {what} (of {total})"] += ended.outcome == "killed"
        if (case.run / "config.yaml").is_file():
            case.examine()
            case.conclude()
        if not case.failed:
            shutil.rmtree(case.folder)


def prepare_resumption(lab: Laboratory, kind: Kind) -> Path:
    """Return a run that died between its second and its third checkpoint."""
    case = Case(lab, "resumption-start", kind, random.Random(0))
    text = case.folder / "train.txt"
    process = lab.start(lab.arguments(case.run, kind), kind, text)[0]
    wanted = case.run / "checkpoints" / f"step-{2 * EVERY:08d}"
    while not wanted.is_dir():
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    commands.wait(process, text, 10)
    return case.run


def main(arguments: list[str] | None = None) -> int:
    """Attack, print the table, return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--torchrun", type=float, default=0.08, help="share of two processes started as by torchrun")
    parser.add_argument("--launcher", type=float, default=0.04, help="share of two processes started by the program")
    parser.add_argument("--operations", type=int, default=1, help="every how many file operations; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder that keeps what failed")
    options = parser.parse_args(arguments)
    commands.warm()
    folder = options.out or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    lab = Laboratory(folder.resolve(), tally)
    kills, number = 0, 0
    while kills < options.kills and number < 3 * options.kills:
        luck = random.Random(f"{options.seed}/{number}")
        draw = luck.random()
        how = (
            "launcher"
            if draw < options.launcher
            else "torchrun"
            if draw < options.launcher + options.torchrun
            else "one"
        )
        kills += Case(lab, f"case-{number}", Kind(how, luck.choice((1, 1, 2))), luck).attack()
        number += 1
        if number % 50 == 0:
            print(f"{kills} kills, {tally.counts['failures']} failures", flush=True)
    if options.operations:
        exhaust(lab, "training", options.operations)
        exhaust(lab, "resumption", options.operations)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tally.counts["CPU seconds"] = round(used.ru_utime + used.ru_stime)
    for name, count in sorted(tally.counts.items()):
        print(f"{name:<52} {count:>7,}")
    (folder / "kills.json").write_text(json.dumps({"counts": tally.counts, "failures": tally.failures}, indent=1))
    if not tally.failures:
        print("0 lost, 0 unequal.")
        shutil.rmtree(folder) if options.out is None else None
    return int(bool(tally.failures))


if __name__ == "__main__":
    sys.exit(main())
