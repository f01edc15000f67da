"""The five kinds of fuzzed inputs: a folder with files, and the command that reads them."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_origin

import bytes_and_files as files
import commands
import numpy as np

SMALL = [
    "--steps",
    "20",
    "--batch-size",
    "8",
    "--width",
    "8",
    "--depth",
    "1",
    "--checkpoint-every",
    "10",
    "--log-every",
    "5",
]
SMALL += ["--sample-every", "10", "--threads", "1"]


@dataclass(frozen=True)
class Attack:
    """One input."""

    words: list[str]
    """The command line after `veridical`."""

    may_write: tuple[str, ...] = ()
    """Starts of the names of files that the command may change, relative to the folder."""


def prepare(base: Path) -> None:
    """Make what the inputs start from: data, a finished and an interrupted run, evaluated and reported.

    The runs name the folder in which they were trained; it stays until this process ends.
    """
    shutil.copytree(original(), base, dirs_exist_ok=True)


@contextmanager
def workshop(name: str, out: Path | None = None) -> Iterator[tuple[Path, Path, Path]]:
    """Yield a folder to work in, what the inputs start from inside it, and the folder that keeps what failed."""
    commands.warm()
    kept = (out or Path(tempfile.mkdtemp(prefix=f"{name}-"))).resolve()
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-work-") as work:
        base = Path(work) / "base"
        base.mkdir()
        prepare(base)
        yield Path(work), base, kept


@cache
def original() -> Path:
    """Train and evaluate once for all attacks of this process."""
    base = Path(tempfile.mkdtemp(prefix="attacked-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    angle = np.random.default_rng(0).integers(0, 8, 400) * np.pi / 4
    np.save(base / "ring.npy", np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32))
    rng = np.random.default_rng(1)
    np.savez(base / "images.npz", x=rng.integers(0, 256, (60, 8, 8), np.uint8), y=np.arange(60) % 3)
    (base / "lattice.npz").touch()
    np.savez(base / "lattice.npz", x=rng.random((40, 4, 4)) < 0.5)
    train = ["train", "gan-2d", "--data", "ring.npy", "--out", "finished", *SMALL]
    for words in (train, ["evaluate", "finished", "-n", "30"], ["report", "finished"], ["cite", "finished"]):
        ended = commands.execute(words, base / "output.txt", folder=base)
        if ended.code:
            raise SystemExit(f"{words}: {ended.output}")
    interrupt(base)
    return base


def interrupt(base: Path) -> None:
    """Leave a run that was killed between two checkpoints."""
    train = ["train", "gan-2d", "--data", "ring.npy", "--out", "killed", *SMALL]
    run = base / "killed"
    process = commands.start(train, base / "output.txt", folder=base)
    while not (run / "checkpoints" / "step-00000010").is_dir():
        time.sleep(0.002)
    commands.end_session(process)
    commands.wait(process, base / "output.txt", 5)


# --- images ---------------------------------------------------------------------------------------------------------


def images(folder: Path, luck: random.Random, base: Path) -> Attack:
    """A folder of images, some of them damaged, of odd formats, sizes and names."""
    place = folder / "set"
    place.mkdir()
    inside = place / luck.choice(("", "", "cats", "train", "train/cats", ".hidden"))
    inside.mkdir(parents=True, exist_ok=True)
    good = [content for ending, content in files.images() if ending == "png"]
    for i in range(luck.randint(0, 3)):
        (inside / f"good{i}.png").write_bytes(luck.choice(good))
    for i in range(luck.randint(1, 3)):
        (inside / f"{odd_name(luck)}{i}.{image_ending(luck)}").write_bytes(image(luck))
    if luck.random() < 0.1:
        odd_entry(inside, luck)
    sizes = luck.choice(
        ([], ["--size", "8", "--fit", luck.choice(("crop", "pad", "stretch"))], ["--size", "4", "--fit", "crop"])
    )
    more = luck.choice(
        ([], [], ["--on-bad", "skip"], ["--channels", "grey"], ["--background", "white"], ["--levels", "4096"])
    )
    draw = luck.random()
    target = (
        str(place) if luck.random() < 0.8 else str(luck.choice([p for p in place.rglob("*") if p.is_file()] or [place]))
    )
    if draw < 0.8:
        return Attack(["data", "check", target, *sizes, *more])
    if draw < 0.9:
        return Attack(["evaluate", target, "--against", str(base / "images.npz"), "-n", "20", *sizes])
    return Attack(["train", "gan", "--data", target, *sizes, *more, "--dry-run", *TINY])


TINY = ["--steps", "1", "--batch-size", "4", "--width", "4", "--threads", "1"]


def image(luck: random.Random) -> bytes:
    """One image: damaged bytes, two formats spliced, or a header with absurd sizes."""
    content = luck.choice(files.images())[1]
    draw = luck.random()
    if draw < 0.08:
        return content
    if draw < 0.75:
        return files.damage(content, luck)
    if draw < 0.83:
        other = luck.choice(files.images())[1]
        return content[: luck.randrange(len(content))] + other[luck.randrange(len(other)) :]
    if draw < 0.985:
        sides = (0, 1, 3, 13_300, 40_000, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
        return files.png_of(luck.choice(sides), luck.choice(sides), luck.choice((0, 2, 3, 4, 6, 1)), content[40:])
    return files.bomb("png")


def image_ending(luck: random.Random) -> str:
    """The ending of an image, now and then the wrong one."""
    return luck.choice(
        ("png", "png", "jpg", "webp", "gif", "tif", "bmp", "PNG", "ico", "tga", "jp2", "psd", "eps", "txt", "svg")
    )


def odd_name(luck: random.Random) -> str:
    """A file name; now and then an odd one."""
    if luck.random() < 0.85:
        return "image"
    return luck.choice(
        ("new\nline", "\x1b[31mred", "é" * 60, "a b", "-rf", "<b>&", "'quote\"", "a" * 200, os.fsdecode(b"\xff\xfe"))
    )


def odd_entry(inside: Path, luck: random.Random) -> None:
    """Something that is no file: a folder with an image's name, a loop, a dangling link, a pipe, an empty file."""
    place = inside / "entry.png"
    match luck.randrange(5):
        case 0:
            place.mkdir()
        case 1:
            place.symlink_to(inside)
        case 2:
            place.symlink_to(inside / "nothing.png")
        case 3:
            os.mkfifo(place)
        case 4:
            place.touch()


# --- arrays ---------------------------------------------------------------------------------------------------------


def arrays(folder: Path, luck: random.Random, base: Path) -> Attack:
    """One file of numbers in any format that is read, or one that is not."""
    makers: dict[str, Callable[[random.Random], bytes]] = {
        "npy": files.npy,
        "npz": files.npz,
        "csv": files.csv,
        "idx": files.idx,
        "pt": files.tensors,
        "tar.gz": files.archive,
        "mat": lambda luck: b"MATLAB 5.0 MAT-file" + luck.randbytes(200),
    }
    ending = luck.choice(("npy",) * 5 + ("npz",) * 6 + ("csv",) * 4 + ("idx",) * 3 + ("pt",) * 2 + ("tar.gz", "mat"))
    content = makers[ending](luck)
    name = {
        "idx": luck.choice(("train-images-idx3-ubyte", "a.idx", "x-idx3-ubyte.gz")),
        "csv": luck.choice(("a.csv", "a.tsv")),
    }
    name = name.get(ending, f"a.{ending}")
    if luck.random() < 0.02:
        name = luck.choice(("a.npy", "a.npz", "a.csv", "a.idx.gz", "a.pt", "a.tgz"))
    if luck.random() < 0.01:
        kind = luck.choice(("idx.gz", "npz"))
        content, name = files.bomb(kind), f"a.{kind}"
    path = folder / name
    path.write_bytes(content)
    if ending == "idx" and luck.random() < 0.3:
        (folder / name.replace("images", "labels").replace("idx3", "idx1")).write_bytes(files.idx(luck))
    kind = luck.choice(([], [], [], ["--kind", luck.choice(("image", "vector", "lattice", "sequence"))]))
    more = luck.choice(
        ([], [], ["--levels", "17"], ["--size", "4", "--fit", "crop"], ["--value-range", "0", "1"], ["--no-labels"])
    )
    draw = luck.random()
    if draw < 0.7:
        return Attack(["data", "check", str(path), *kind, *more])
    if draw < 0.8:
        return Attack(["train", "gan-2d", "--data", str(path), *kind, *more, "--dry-run", *TINY])
    if draw < 0.9:
        return Attack(
            ["evaluate", str(path), "--against", str(base / luck.choice(("ring.npy", "images.npz"))), "-n", "20"]
        )
    return Attack(["ising", "check", str(path), *luck.choice(([], [], ["--size", "4"], ["--size", "2x6"]))])


# --- configurations -------------------------------------------------------------------------------------------------

DOCUMENTS = (
    "",
    "\0",
    "\x07: 1",
    "- a\n- b",
    "3",
    "null",
    "&a [*a]",
    "&a {a: *a}",
    "family: &a [*a]",
    "model: &a\n  width: *a",
    "<<: *b",
    "<<: 3",
    "? [a]\n: 1",
    "? {a: 1}\n: 2",
    "family: gan\n? [1, 2]\n: 3",
    "training: {? [1]: 2}",
    "a: !!timestamp 2020-99-99",
    "seed: !!timestamp x",
    "training:\n  seed: 2020-02-30",
    "training:\n  steps: 2001-12-14t21:59:43.10-05:00",
    "training:\n  steps: !!int x",
    "training:\n  steps: !!float y",
    "training:\n  steps: !!bool perhaps",
    "data:\n  source: !!binary '%%%'",
    "data:\n  source: !!python/object/apply:os.system ['true']",
    "data: !!set {a, b}",
    "data: !!omap [a: 1]",
    "data: !!pairs [a: 1]",
    "data: !x 3",
    "training:\n  steps: 1:30:00",
    "training:\n  steps: 0b1010_1",
    "training:\n  steps: 0o777",
    "training:\n  steps: " + "9" * 5000,
    "training:\n  steps: .nan",
    "training:\n  seed: 1e400",
    "preset: [gan]",
    "preset: gan\nfamily: vae",
    "preset: &a\n  b: *a",
    "family: {gan: 1}",
    "%YAML 9.9\n---\nfamily: gan",
    "---\nfamily: gan\n---\nfamily: vae",
    "family: gan\n...\nrubbish: [",
    "\t family: gan",
    "family: 'gan",
    "key: |\n" + " x" * 3,
    "[" * 3000,
    "{a: " * 2000,
    "- " * 3000,
    "family: gan\nmodel:\n" + "".join(f"{' ' * (i + 1)}a{i}:\n" for i in range(900)),
    "family: torch.nn.Linear",
    "family: os.system\nmodel:\n  command: x",
    "family: my.Model\nmodel:\n  a: {b: {c: [1, {d: 2}]}}",
    "origin: 3",
    "origin: [a]",
    "origin:\n  training.steps: {a: b}",
    "\ufefffamily: gan",
    "family: \ud7ff\ue000",
    "x" * 100_000,
)


def alias_bomb(luck: random.Random) -> str:
    """A document whose aliases stand for a billion values, at a place that is read."""
    depth, width = luck.choice(((9, 9), (20, 3), (30, 2), (5, 5)))
    lines = ["b0: &b0 [x, x]"] + [f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * width)}]" for i in range(1, depth)]
    last = f"*b{depth - 1}"
    use = luck.choice(
        ("family: {}", "model: {}", "data: {{source: {}}}", "training: {{steps: {}}}", "origin: {{a: {}}}", "? {}\n: 1")
    )
    inner = "\n".join(lines)
    if luck.random() < 0.3:
        pairs = [f"b{i}: &b{i} {{<<: [*b{i - 1}, *b{i - 1}], k{i}: *b{i - 1}}}" for i in range(1, depth)]
        inner = "b0: &b0 {a: 1}\n" + "\n".join(pairs)
    if luck.random() < 0.5:
        return "origin:\n" + "\n".join("  " + line for line in inner.split("\n")) + "\n" + use.format(last) + "\n"
    return inner + "\n" + use.format(last) + "\n"


@cache
def complete(preset: str) -> str:
    """The complete configuration of a preset."""
    from veridical.config.files import preset_origins, to_yaml
    from veridical.config.presets import find_preset

    return to_yaml(find_preset(preset), preset_origins(preset))


WORDS = (
    "null",
    "~",
    "yes",
    "-1",
    "0",
    "1",
    "0.5",
    "1e-3",
    "1e308",
    ".inf",
    "-.inf",
    ".nan",
    "''",
    "[]",
    "{}",
    "[1, 2]",
    "[a]",
)
WORDS += (
    "{a: 1}",
    "2147483648",
    "9223372036854775808",
    "1" * 400,
    "abc",
    "&x 1",
    "*x",
    "!!str 1",
    "!!python/name:os.x ''",
    "'\\0'",
)
WORDS += (
    '"\\0"',
    '"\\ud800"',
    "2020-01-01",
    "|\n    text",
    ">",
    "gan",
    "adam",
    "auto",
    "- 1",
    "0.1e",
    "0x7fffffffffffffff",
    "1_000",
)


def configurations(folder: Path, luck: random.Random, base: Path) -> Attack:
    """A YAML file: a complete one with odd values, or one that attacks the parser."""
    draw = luck.random()
    if draw < 0.2:
        content = luck.choice(DOCUMENTS).encode("utf-8", "surrogatepass")
    elif draw < 0.28:
        content = alias_bomb(luck).encode()
    else:
        text = edit_yaml(complete(luck.choice(presets())), luck)
        content = text.encode("utf-8", "surrogatepass")
        if luck.random() < 0.3:
            content = files.damage(content, luck)
    if luck.random() < 0.03:
        content = content.decode("utf-8", "replace").encode("utf-16")
    path = folder / "a.yaml"
    path.write_bytes(content)
    how = luck.random()
    if how < 0.6:
        return Attack(["config", "validate", str(path)])
    if how < 0.8:
        return Attack(["config", "show", str(path)])
    data = str(base / luck.choice(("ring.npy", "images.npz")))
    return Attack(["train", "--config", str(path), "--data", data, "--dry-run", "--steps", "1", "--batch-size", "4"])


@cache
def presets() -> tuple[str, ...]:
    """Names of presets of several families that are small."""
    from veridical.config.presets import PRESETS

    return tuple(PRESETS)


def edit_yaml(text: str, luck: random.Random) -> str:
    """Change, remove, repeat, indent or insert some lines."""
    lines = text.split("\n")
    for _ in range(luck.randint(1, 3)):
        at = luck.randrange(len(lines))
        key, colon, _ = lines[at].partition(":")
        match luck.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at] = luck.choice(("  ", "\t", "-", "#", "?")) + lines[at]
            case 3:
                lines.insert(at, luck.choice(DOCUMENTS[:40]))
            case 4:
                lines[at] = f"{key}x{colon} 1"
            case _:
                lines[at] = f"{key}{colon} {luck.choice(WORDS)}"
    return "\n".join(lines)


# --- run directories ------------------------------------------------------------------------------------------------

OF_A_RUN = (
    "run/evaluation",
    "run/report",
    "run/samples/",
    "run/status",
    "run/config",
    "run/environment",
    "run/metrics",
    "run/lines",
)
OF_A_RUN += ("run/spectra", "run/health", "run/checkpoints/", "run/lock", "run/.")


def runs(folder: Path, luck: random.Random, base: Path) -> Attack:
    """A run with one damaged, edited, missing or strange file, and a command that reads it."""
    run = folder / "run"
    shutil.copytree(base / luck.choice(("finished", "killed")), run)
    for _ in range(luck.choice((1, 1, 1, 2))):
        damage_run(run, luck)
    words = luck.choice(
        (
            ["report", "run"],
            ["report", "run", "--out", "page.html"],
            ["sample", "run", "-n", "4", "--out", "s.npz"],
            ["evaluate", "run", "-n", "30"],
            ["resume", "run"],
            ["resume", "run", "--steps", "22"],
            ["runs", "."],
            ["cite", "run"],
            ["config", "show", "run"],
        )
    )
    if words[0] == "resume":
        (folder / "ring.npy").write_bytes((base / "ring.npy").read_bytes())
    return Attack(words, OF_A_RUN if words[0] in ("resume", "evaluate", "report") else ("run/.",))


def is_text(content: bytes) -> bool:
    """Return whether a file can be edited as text; the first of two damages may have ended that."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def damage_run(run: Path, luck: random.Random) -> None:
    """Damage one file of a run."""
    places = sorted(path for path in run.rglob("*") if path.is_file())
    texts = [path for path in places if path.suffix in (".json", ".jsonl", ".yaml") and is_text(path.read_bytes())]
    path = luck.choice(places if luck.random() < 0.4 or not texts else texts)
    draw = luck.random()
    content = path.read_bytes()
    if draw < 0.08:
        path.unlink()
    elif draw < 0.12:
        path.unlink()
        path.mkdir()
    elif draw < 0.15:
        path.unlink()
        path.symlink_to(path)
    elif draw < 0.18:
        path.write_bytes(b"")
    elif draw < 0.22:
        path.write_bytes(luck.randbytes(200))
    elif draw < 0.24:
        shutil.rmtree(path.parent) if path.parent != run else path.unlink()
    elif draw < 0.7 and path in texts and path.suffix == ".json":
        path.write_text(files.edit_json(content.decode(), luck), encoding="utf-8", errors="surrogatepass")
    elif draw < 0.7 and path in texts and path.suffix == ".jsonl":
        lines = content.decode().splitlines()
        if lines:
            at = luck.randrange(len(lines))
            lines[at] = luck.choice(
                (files.edit_json(lines[at], luck), "", "{", "[]", "null", '"x"', lines[at] + lines[at])
            )
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
    elif draw < 0.7 and path in texts and path.suffix == ".yaml":
        path.write_text(edit_yaml(content.decode(), luck), encoding="utf-8", errors="surrogatepass")
    else:
        path.write_bytes(files.damage(content, luck))


# --- arguments ------------------------------------------------------------------------------------------------------

WHOLE = ("-1", "0", "1", "2", "3", "7", "1e1", "2.5", "nan", "inf", "-inf", "2147483648", "1e15", "9223372036854775807")
WHOLE += ("9223372036854775808", "1e30", "20000000000000000", "", "x", "none", "0x10", "1_0", "٣")
REAL = (
    "-1",
    "-0.0",
    "0",
    "1e-300",
    "1e-6",
    "0.5",
    "0.999999",
    "1",
    "1.5",
    "100",
    "1e38",
    "1e300",
    "inf",
    "-inf",
    "nan",
    "",
    "x",
    "none",
)
TEXT = (
    "",
    "x",
    "none",
    "auto",
    "cpu:3",
    "cuda:9",
    "mps:-1",
    "cpu:x",
    "meta",
    "cuda:",
    "a b",
    "../..",
    "/dev/null",
    "/dev/zero",
    ".",
)
TEXT += (
    "notes.txt",
    "page.html",
    "table.csv",
    "folder",
    "new",
    "new.npz",
    "new.png",
    "a/b/c.npz",
    "é",
    "\x1b[0m",
    "x" * 300,
    "~",
    "-",
)
TEXT += (
    "/proc/1/mem",
    "run",
    "new.onnx",
    "new.pt2",
    "table.json",
    "new.jpg",
    "0",
    "99",
    "set:ring",
    "ising:4",
    "ring",
    "digits",
)


def arguments(folder: Path, luck: random.Random, base: Path) -> Attack:
    """A command whose values are extreme but reach the work, beside files that must not be overwritten."""
    for name in ("notes.txt", "page.html", "page.json", "table.csv", "table.json", "new.txt", "table.npz", "notes.png"):
        (folder / name).write_text(f"precious {name}")
    (folder / "folder").mkdir()
    (folder / "folder" / "precious.txt").write_text("precious")
    shutil.copytree(base / "finished", folder / "run")
    words = luck.choice(
        (train, train, train, sample, sample, evaluate, evaluate, report, ising, data, export, resume, listing)
    )(luck, base)
    return Attack(words, OF_A_RUN)


def value_of(hint: Any, luck: random.Random) -> str:
    """A word for an option of a type, often an extreme one."""
    from veridical.cli.options import arms, choices_of

    kinds = arms(hint)
    if luck.random() < 0.05:
        return luck.choice((*WHOLE, *REAL, *TEXT))
    if choices := choices_of(hint):
        return luck.choice([*choices, "x"]) if luck.random() < 0.9 else ""
    if int in kinds and float not in kinds:
        return luck.choice(WHOLE)
    return luck.choice(REAL if float in kinds else TEXT)


def chosen(options: list[Any], luck: random.Random, most: int) -> list[str]:
    """Up to `most` options with values."""
    words: list[str] = []
    named = [option for option in options if option.flags and option.flags[-1] not in ("--processes", "--dry-run")]
    for option in luck.sample(named, luck.randint(1, most)):
        flag = luck.choice(option.flags)
        count = option.values if option.values is not None else luck.randint(1, 3)
        if count == 0:
            words.append(luck.choice([flag, *option.negations]))
            continue
        hint = option.hint
        values = [value_of(inner(hint, i), luck) for i in range(count)]
        words += (
            [flag, *values] if luck.random() < 0.8 and not values[0].startswith("-") else [f"{flag}={','.join(values)}"]
        )
    return words


def inner(hint: Any, i: int) -> Any:
    """The type of the i-th value of an option with several."""
    from typing import get_args

    from veridical.cli.options import sequence_of

    sequence = sequence_of(hint)
    if sequence is None or get_origin(sequence) is Literal:
        return hint
    inside = [kind for kind in get_args(sequence) if kind is not Ellipsis]
    return inside[min(i, len(inside) - 1)] if inside else str


@cache
def family_options(family: str) -> list[Any]:
    """All options of `train` for a family."""
    from veridical.cli.options import Section, vocabulary
    from veridical.cli.train import shared_sections
    from veridical.config import RunConfig
    from veridical.config.families.table import find_family

    kind = find_family(family).config
    return vocabulary([*shared_sections(RunConfig()), Section("model", kind, kind(), "model")])


def train(luck: random.Random, base: Path) -> list[str]:
    """Training for a step or two, with some extreme settings."""
    from veridical.config.families.table import FAMILIES

    family = luck.choice(tuple(FAMILIES))
    small = {"--steps": "1", "--batch-size": "4", "--width": "4"}
    known = {flag for option in family_options(family) for flag in option.flags}
    words = chosen(family_options(family), luck, 3)
    given = {word.partition("=")[0] for word in words}
    small_words = [w for name, value in small.items() if name in known and name not in given for w in (name, value)]
    name = "ring.npy" if luck.random() < 0.3 else "images.npz"
    source = [] if "--data" in given else ["--data", str(base / name)]
    dry = ["--dry-run"] if luck.random() < 0.7 or any(len(word) > 6 for word in words if word.isdigit()) else []
    return ["train", family, *source, *small_words, *words, *dry]


@cache
def command_options(command: str) -> list[Any]:
    """The options of a command other than `train`."""
    import importlib

    from veridical.cli.options import Section, vocabulary

    name = {"sample": "Sample", "evaluate": "Evaluate", "report": "Report", "export": "Export", "resume": "Resume"}[
        command
    ]
    return vocabulary([Section("options", getattr(importlib.import_module(f"veridical.cli.{command}"), name))])


def sample(luck: random.Random, base: Path) -> list[str]:
    """Drawing from a run, with all options of its family."""
    from veridical.cli.options import Section, vocabulary
    from veridical.config.families.table import find_family

    kind = find_family("gan").sampling
    options = [*command_options("sample"), *vocabulary([Section("sampling", kind, kind(), "sampling")])]
    words = chosen(options, luck, 3)
    return ["sample", "run", *([] if "-n" in words or "--n" in words else ["-n", "4"]), *words]


def evaluate(luck: random.Random, base: Path) -> list[str]:
    """Measuring a run or a file."""
    what = luck.choice((["run"], ["run"], [str(base / "images.npz"), "--against", str(base / "images.npz")]))
    words = chosen(command_options("evaluate"), luck, 3)
    return ["evaluate", *what, *([] if "-n" in words or "--n" in words else ["-n", "30"]), *words]


def report(luck: random.Random, base: Path) -> list[str]:
    """A report of the run, to a place that may be taken."""
    out = luck.choice(
        (
            "page.html",
            "table.html",
            "notes.txt",
            "new.html",
            "folder",
            "new",
            "table.csv",
            "run/report.html",
            "page",
            *TEXT,
        )
    )
    return [
        "report",
        *luck.choice((["run"], ["run", "run"], ["run", "nothing"], ["folder"], ["notes.txt"])),
        "--out",
        out,
    ]


def export(luck: random.Random, base: Path) -> list[str]:
    """An export to a place that may be taken; only one in ten is carried out, since it takes a second."""
    return ["export", "run", *chosen(command_options("export"), luck, 2)]


def resume(luck: random.Random, base: Path) -> list[str]:
    """A resumption with other settings."""
    words = chosen(command_options("resume"), luck, 2)
    return ["resume", "run", *([] if "--steps" in words else ["--steps", "21"]), *words]


def data(luck: random.Random, base: Path) -> list[str]:
    """A check of data with odd options."""
    from veridical.cli.options import Section, vocabulary
    from veridical.config import DataConfig

    options = vocabulary([Section("data", DataConfig, DataConfig(), "data")])
    words = [word for word in chosen(options, luck, 3)]
    return [
        "data",
        "check",
        *([] if "--data" in " ".join(words) else [str(base / luck.choice(("ring.npy", "images.npz")))]),
        *words,
    ]


def ising(luck: random.Random, base: Path) -> list[str]:
    """Exact values and checks of small lattices at extreme couplings."""
    coupling = luck.choice(([], ["--coupling", luck.choice(REAL)], ["--temperature", luck.choice(REAL)]))
    size = luck.choice(
        ("1", "2", "4", "3x5", "0", "-2", "4x", "x4", "4x4x4", "nan", "1e3", "64", "2x1000", "99999999999", "1000000x2")
    )
    if luck.random() < 0.5:
        return ["ising", "exact", size, *coupling, *luck.choice(([], ["--json"]))]
    level = luck.choice(([], ["--level", luck.choice(REAL)]))
    shape = luck.choice(([], ["--size", size]))
    return ["ising", "check", str(base / "lattice.npz"), *coupling, *level, *shape, *luck.choice(([], ["--json"]))]


def listing(luck: random.Random, base: Path) -> list[str]:
    """Commands that list and show, on odd places."""
    place = luck.choice(TEXT)
    return luck.choice(
        (["runs", place], ["cite", place], ["config", "show", place], ["config", "validate", place], ["report", place])
    )


KINDS: dict[str, Callable[[Path, random.Random, Path], Attack]] = {
    "images": images,
    "arrays": arrays,
    "yaml": configurations,
    "runs": runs,
    "arguments": arguments,
}
