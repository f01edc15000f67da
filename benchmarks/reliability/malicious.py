"""Give the program files that try to run code, and reports that try to run scripts.

    OMP_NUM_THREADS=1 python benchmarks/reliability/malicious.py

Every attack tries to create one file, the canary, or to put markup into a report: pickles of many forms in checkpoints
(with correct checksums, as an attacker would write them), in weights, in tensors and arrays; tags of YAML in
configurations and on the command line; class names as families; names of archive members that leave the folder; markup
in every text that a report shows. None may run; the command may refuse or do its work.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import pickle
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands
import numpy as np
from inputs import prepare

MARKUP = ("<script>canary()</script>", '"><img src=x onerror=canary()>', "</script><script>canary()</script>")
MARKUP += ("'><svg onload=canary()>", "</title><script>canary()</script>", "<!--<script>canary()", "{{7*7}}canary")


class Calls:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def pickles(canary: Path) -> dict[str, bytes]:
    """Return pickles that create the canary when they are read, by name."""
    import os
    import runpy
    import subprocess

    touch = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    found = {f"system, protocol {p}": pickle.dumps(Calls(os.system, touch), protocol=p) for p in range(6)}
    found["exec"] = pickle.dumps(Calls(exec, code))
    found["eval"] = pickle.dumps(Calls(eval, f"open({str(canary)!r}, 'w')"))
    found["open"] = pickle.dumps(Calls(open, str(canary), "w"))
    found["subprocess"] = pickle.dumps(Calls(subprocess.call, ["touch", str(canary)]))
    found["runpy"] = pickle.dumps(Calls(runpy.run_path, str(canary.with_name("payload.py"))))
    found["within tensors"] = pickle.dumps({"x": [Calls(os.system, touch)], "optimizers": {}})
    found["opcode global"] = f"cos\nsystem\n(S'{touch}'\ntR.".encode()
    found["opcode inst"] = f"(S'{touch}'\nios\nsystem\n.".encode()
    found["opcode obj"] = f"(cos\nsystem\nS'{touch}'\no.".encode()
    found["torch's own names"] = f"ctorch.serialization\nos.system\n(S'{touch}'\ntR.".encode()
    found["builtins getattr"] = f"cbuiltins\ngetattr\n(cos\n__dict__\nS'system'\ntR(S'{touch}'\ntR.".encode()
    return found


def torch_file(body: bytes) -> bytes:
    """Wrap a pickle as torch.save does."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
    return content.getvalue()


def npy_of(body: bytes) -> bytes:
    """Wrap a pickle as numpy does an array of objects."""
    head = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body


def put(run: Path, name: str, content: bytes) -> None:
    """Replace a file of the newest checkpoint, with correct checksums."""
    import hashlib

    from veridical.seal import sealed

    checkpoint = max(run.glob("checkpoints/step-*"))
    (checkpoint / name).write_bytes(content)
    meta = json.loads((checkpoint / "meta.json").read_text())
    meta["files"][name] = hashlib.sha256(content).hexdigest()
    (checkpoint / "meta.json").write_text(json.dumps(sealed(meta) if "checksum" in meta else meta))


Attack = tuple[str, Callable[[Path], object], list[str]]
"""Name, what prepares the folder (with `run` and `ring.npy` in it), and the command."""


def of_pickles(canary: Path) -> Iterator[Attack]:
    """Yield pickles in every place from which something is read."""
    for name, body in pickles(canary).items():
        yield (
            f"state.pt: {name}",
            lambda f, b=body: put(f / "run", "state.pt", torch_file(b)),
            ["resume", "run", "--steps", "22"],
        )
        yield (
            f"legacy state.pt: {name}",
            lambda f, b=body: put(f / "run", "state.pt", b),
            ["resume", "run", "--steps", "22"],
        )
        yield f"tensors: {name}", lambda f, b=body: write(f / "a.pt", torch_file(b)), ["data", "check", "a.pt"]
        yield f"array: {name}", lambda f, b=body: write(f / "a.npy", npy_of(b)), ["data", "check", "a.npy"]
    body = pickles(canary)["system, protocol 2"]
    for name in ("weights.safetensors", "ema.safetensors"):
        yield (
            name,
            lambda f, n=name: put(f / "run", n, torch_file(body)),
            ["sample", "run", "-n", "2", "--out", "s.npz"],
        )
    for name in ("a.pth", "a.pkl", "a.csv", "a.idx", "a.gz"):
        yield name, lambda f, n=name: write(f / n, body), ["data", "check", name]
    yield "npz", lambda f: zipped(f / "a.npz", {"x.npy": npy_of(body)}), ["data", "check", "a.npz"]
    yield "labels", lambda f: zipped(f / "a.npz", {"x.npy": plain(), "y.npy": npy_of(body)}), ["data", "check", "a.npz"]
    yield (
        "classes",
        lambda f: zipped(f / "a.npz", {"x.npy": plain(), "classes.npy": npy_of(body)}),
        ["data", "check", "a.npz"],
    )
    yield "lattice", lambda f: zipped(f / "a.npz", {"x.npy": npy_of(body)}), ["ising", "check", "a.npz"]
    yield "samples", lambda f: write(f / "a.npy", npy_of(body)), ["evaluate", "a.npy", "--against", "ring.npy"]
    yield "gz", lambda f: write(f / "a.idx.gz", gzip.compress(body)), ["data", "check", "a.idx.gz"]


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def plain() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros((4, 2), np.float32))
    return content.getvalue()


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def of_yaml(canary: Path) -> Iterator[Attack]:
    """Yield tags that construct Python objects, in files and on the command line."""
    touch = f"touch {canary}"
    values = [f"!!python/object/apply:os.system ['{touch}']", f"!!python/object/new:os.system ['{touch}']"]
    values += [f"!!python/object/apply:subprocess.call [[touch, '{canary}']]", "!!python/name:os.system ''"]
    values += [
        f"!!python/object/new:type {{args: [x, !!python/tuple [], {{x: !!python/object/apply:os.system ['{touch}']}}]}}"
    ]
    values += [f"!!python/module:os ''\n# {touch}", f"!<tag:yaml.org,2002:python/object/apply:os.system> ['{touch}']"]
    for i, value in enumerate(values):
        text = f"family: gan\ntraining:\n  seed: {value}\n".encode()
        yield f"validate: tag {i}", lambda f, t=text: write(f / "a.yaml", t), ["config", "validate", "a.yaml"]
        yield f"train: tag {i}", lambda f, t=text: write(f / "a.yaml", t), ["train", "--config", "a.yaml", "--dry-run"]
        yield f"run: tag {i}", lambda f, t=text: write(f / "run" / "config.yaml", t), ["report", "run"]
        one = value.split("\n")[0]
        yield (
            f"word: tag {i}",
            lambda f: None,
            ["train", "gan-2d", "--data", "ring.npy", "--dry-run", "--value-range", one, one],
        )
    for family in ("os.system", "subprocess.Popen", "builtins.exec", "veridical.cli.run"):
        text = f"family: {family}\nmodel:\n  command: {touch}\n  args: [{touch}]\n".encode()
        yield f"family {family}", lambda f, t=text: write(f / "run" / "config.yaml", t), ["sample", "run"]
        yield (
            f"train {family}",
            lambda f, t=text: write(f / "a.yaml", t),
            ["train", "--config", "a.yaml", "--data", "ring.npy"],
        )


def of_archives(canary: Path) -> Iterator[Attack]:
    """Yield archives whose members would be written outside the folder."""

    def tar(folder: Path) -> None:
        with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
            for name in (str(canary), "../" * 8 + str(canary)[1:], f"x/../../{canary.name}"):
                info = tarfile.TarInfo(name)
                archive.addfile(info, io.BytesIO(b""))

    yield "tar", tar, ["data", "check", "a.tar.gz"]
    names = {str(canary): b"", "../" * 8 + str(canary)[1:]: b"", "x.npy": plain()}
    yield "zip", lambda f: zipped(f / "a.npz", names), ["data", "check", "a.npz"]
    yield "zip as state", lambda f: put(f / "run", "state.pt", zip_bytes(names)), ["resume", "run", "--steps", "22"]


def zip_bytes(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return content.getvalue()


def of_markup() -> Iterator[Attack]:
    """Yield runs in which every text is markup."""
    for i, markup in enumerate(MARKUP):

        def everywhere(folder: Path, markup: str = markup) -> None:
            run = folder / "run"
            for name in ("status.json", "environment.json", "evaluation.json"):
                (run / name).write_text(json.dumps(poisoned(json.loads((run / name).read_text()), markup)))
            row = {
                "step": 3,
                "name": markup,
                "severity": "warning",
                "message": markup,
                "cause": markup,
                "remedy": markup,
            }
            (run / "health.jsonl").write_text(json.dumps(row) + "\n")
            with open(run / "metrics.jsonl", "a") as file:
                file.write(json.dumps({"step": 21, "seconds": 9.0, f"generator/{markup}": 1.0, markup: 2.0}) + "\n")

        yield f"texts {i}", everywhere, ["report", "run"]
        place = markup.replace("/", "∕")
        yield f"name {i}", lambda f, p=place: shutil.move(f / "run", f / p), ["report", place, "--out", "run.html"]
        text = f"family: gan\ndata:\n  source: {json.dumps(markup)}\n".encode()
        yield f"configuration {i}", lambda f, t=text: write(f / "run" / "config.yaml", t), ["report", "run"]


def poisoned(value: Any, markup: str, key: str = "") -> Any:
    """Return JSON with markup in place of every text that is shown."""
    if isinstance(value, dict):
        return {k: poisoned(v, markup, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(item, markup, key) for item in value]
    return markup if isinstance(value, str) and key not in ("state", "verdict", "kind") else value


def attack(work: Path, base: Path, canary: Path, one: Attack) -> str:
    """Carry out one attack and return what came of it."""
    name, arrange, words = one
    folder = work / "attack"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(base / "finished", folder / "run")
    shutil.copy2(base / "ring.npy", folder / "ring.npy")
    (folder / "run" / "report.html").unlink(missing_ok=True)
    arrange(folder)
    ended = commands.execute(words, work / "output.txt", folder=folder, limit=20)
    if canary.exists():
        canary.unlink()
        return "RAN"
    for page in folder.rglob("*.html"):
        if any(markup in page.read_text(errors="replace") for markup in MARKUP[:-1]) or "49canary" in page.read_text():
            return "MARKUP"
    if ended.outcome in commands.BAD:
        print(f"{name}: {ended.outcome}: {ended.output[-300:]}")
    return ended.outcome


def main(arguments: list[str] | None = None) -> int:
    """Attack, print the table, return 1 if anything ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="carry out every so manieth attack only")
    options = parser.parse_args(arguments)
    commands.warm()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="malicious-") as name:
        work = Path(name)
        base, canary = work / "base", work / "canary"
        base.mkdir()
        prepare(base)
        (work / "payload.py").write_text(f"open({str(canary)!r}, 'w').close()")
        every: list[Attack] = [*of_pickles(canary), *of_yaml(canary), *of_archives(canary), *of_markup()]
        for one in every[:: options.every]:
            what = attack(work, base, canary, one)
            counts[what] += 1
            if what in ("RAN", "MARKUP"):
                print(f"FAILED {one[0]}: {what}", flush=True)
    print(f"{sum(counts.values())} attacks: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return int(any(counts[name] for name in ("RAN", "MARKUP", *commands.BAD)))


if __name__ == "__main__":
    sys.exit(main())
