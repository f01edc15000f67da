"""Make the gallery of the documentation: train short runs, draw, measure, and write `docs/gallery.md`.

    python scripts/gallery.py              # everything, a few minutes of one core
    python scripts/gallery.py vae refined  # some entries (and the runs they need) anew
    python scripts/gallery.py --page       # the page alone, from docs/logs/gallery.json

The commands on the page are the commands that are run, word for word, in an empty folder; the images are what they
wrote. What was measured stands in `docs/logs/gallery.json`, so that the page can be written again without training.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
LOG, PAGE, IMAGES = DOCS / "logs" / "gallery.json", DOCS / "gallery.md", DOCS / "assets" / "gallery"
LARGEST = 150_000
"""Bytes of an image at most."""

HEAD = """# Gallery

What the families draw after less than a minute of one processor core. Every run was trained for the steps that its
command says: the images show the beginning of a training, not what a family can do. The sentence under an image is the
first of `veridical evaluate`, whose table has the numbers, their 95 % intervals and the scores of a perfect model. The
page is made by `python scripts/gallery.py`, which runs these commands as they stand.
"""


@dataclass(frozen=True)
class Entry:
    """One image of the gallery, and how it is made."""

    name: str
    """Of the image, `name.png`, which the last command or the Python writes."""

    title: str
    about: str
    """What there is to see."""

    alt: str
    """What the image shows, for those who cannot see it."""

    commands: tuple[str, ...]
    """As typed in an empty folder."""

    python: str = ""
    """Run after the commands."""

    run: str = ""
    """Run directory that is measured; empty: none."""


ENTRIES = (
    Entry(
        "gan",
        "GAN",
        "The default recipe, relativistic pairing with R1 and R2, on narrow networks.",
        "Grid of generated images of clothes",
        (
            "veridical train gan --data fashion-mnist-10k --width 8 --batch-size 32 --steps 700 --threads 1 "
            "--out runs/gan",
            "veridical evaluate runs/gan -n 2000",
            "veridical sample runs/gan --out gan.png",
        ),
        run="runs/gan",
    ),
    Entry(
        "dcgan",
        "DCGAN",
        "The networks and the loss of the PyTorch example, with a quarter of its channels and larger steps.",
        "Grid of generated images of clothes",
        (
            "veridical train dcgan --data fashion-mnist-10k --width 16 --batch-size 32 --steps 1000 --ema 0.98 "
            "--lr-scale 4 --threads 1 --out runs/dcgan",
            "veridical evaluate runs/dcgan -n 2000",
            "veridical sample runs/dcgan --out dcgan.png",
        ),
        run="runs/dcgan",
    ),
    Entry(
        "vae",
        "Variational autoencoder",
        "The means of the decoder, without the noise of a draw: smooth shapes, with few details so far.",
        "Grid of smooth generated images of clothes",
        (
            "veridical train vae --data fashion-mnist-10k --steps 600 --threads 1 --out runs/vae",
            "veridical evaluate runs/vae -n 2000",
            "veridical sample runs/vae --output mean --out vae.png",
        ),
        run="runs/vae",
    ),
    Entry(
        "cgan",
        "Conditional GAN",
        "One class on request: `--label` takes its number, or its name where the data have names.",
        "Grid of generated images of the digit three",
        (
            "veridical train cgan --data digits --width 16 --steps 1200 --threads 1 --out runs/cgan",
            "veridical evaluate runs/cgan -n 2000",
            "veridical sample runs/cgan --label 3 --out cgan.png",
        ),
        run="runs/cgan",
    ),
    Entry(
        "infogan",
        "InfoGAN",
        "Every row has one value of the categorical code, every column one noise. The code was found without labels.",
        "Grid of generated digits, one value of the code per row",
        (
            "veridical train infogan --data digits --network mlp --width 128 --steps 2200 --threads 1 "
            "--out runs/infogan",
            "veridical evaluate runs/infogan -n 2000",
        ),
        python="""\
from pathlib import Path

import torch
import veridical as vd
from veridical.workflows import images

model = vd.load("runs/infogan")
torch.manual_seed(0)
with torch.no_grad():
    codes = model.split(model.prior(10).repeat(10, 1))  # ten noises, the same in every row
    category = torch.arange(10).repeat_interleave(10)
    x = model.decode(model.join(codes._replace(categorical=(category,))))
images.draw(x, model.space, Path("infogan.png"), columns=10)
""",
        run="runs/infogan",
    ),
    Entry(
        "ring",
        "Vectors: a ring of eight Gaussians",
        "The preset for vectors, stopped early.",
        "Generated points: eight clusters on a circle, with points between them",
        (
            "veridical train gan-2d --data ring --batch-size 128 --steps 4000 --threads 1 --out runs/ring",
            "veridical evaluate runs/ring -n 2000",
            "veridical sample runs/ring -n 2000 --out ring.png",
        ),
        run="runs/ring",
    ),
    Entry(
        "refined",
        "Refined samples",
        "The same run and the same seed: every sample was moved along the model's own discriminator, "
        "[as described here](sampling.md#along-the-discriminator).",
        "The same points, closer to the eight clusters",
        ("veridical sample runs/ring -n 2000 --refine kl --out refined.png",),
    ),
    Entry(
        "ising",
        "The Ising model at its critical point",
        "No training: the sampler is exact, and [its checks](ising.md) compare it with the exact solution.",
        "Eight critical configurations of spins on a square lattice",
        ("veridical ising sample 128 -n 8 --threads 1 -o spins.npz",),
        python="""\
import numpy as np
from PIL import Image

spins = np.load("spins.npz")["x"]  # (8, 128, 128), True for spin up
tiles = np.pad(np.uint8(255) * spins, ((0, 0), (2, 2), (2, 2)), constant_values=128)
rows = [np.hstack(list(half)) for half in (tiles[:4], tiles[4:])]
Image.fromarray(np.vstack(rows)).save("ising.png")
""",
    ),
)


def main() -> None:
    """Run the entries that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", choices=[[], *(entry.name for entry in ENTRIES)], help="entries to make anew"
    )
    parser.add_argument("--page", action="store_true", help="write the page from what was measured before")
    given = parser.parse_args()
    facts = json.loads(LOG.read_text()) if LOG.is_file() else {}
    if not given.page:
        with tempfile.TemporaryDirectory() as folder:
            for entry in needed(given.names):
                facts[entry.name] = make(entry, Path(folder))
                LOG.write_text(json.dumps(facts, indent=2) + "\n")
    PAGE.write_text(page(facts))


def needed(names: list[str]) -> list[Entry]:
    """Return the entries of these names (none: all), before each the entry that trains the run it draws from."""
    chosen = [entry for entry in ENTRIES if not names or entry.name in names]
    runs = {word for entry in chosen for command in entry.commands for word in shlex.split(command)}
    return [entry for entry in ENTRIES if entry in chosen or (entry.run and entry.run in runs)]


def make(entry: Entry, folder: Path) -> dict[str, float | str]:
    """Run an entry in a folder, keep its image, and return the processor seconds of its training and its headline."""
    facts: dict[str, float | str] = {}
    for command in entry.commands:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run([sys.executable, "-m", *shlex.split(command)], folder)
        if command.startswith("veridical train"):
            facts["seconds"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    if entry.python:
        run([sys.executable, "-c", entry.python], folder)
    if entry.run:
        facts["headline"] = json.loads((folder / entry.run / "evaluation.json").read_text())["summary"][0]
    image = folder / f"{entry.name}.png"
    if image.stat().st_size > LARGEST:
        raise SystemExit(f"{image.name} has {image.stat().st_size} bytes, expected at most {LARGEST}; draw fewer.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, IMAGES / image.name)
    return facts


def run(command: list[str], folder: Path) -> None:
    """Run one command on one thread, and stop with what it said if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


def page(facts: dict[str, dict[str, float | str]]) -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *(section(entry, facts.get(entry.name, {})) for entry in ENTRIES)])


def section(entry: Entry, facts: dict[str, float | str]) -> str:
    """Return one entry as Markdown: what it shows, how it is made, the image, what was measured."""
    lines = [
        f"## {entry.title}",
        "",
        entry.about,
        "",
        "```console",
        *(f"$ {line}" for line in entry.commands),
        "```",
        "",
    ]
    if entry.python:
        lines += ["```python", entry.python.rstrip(), "```", ""]
    lines += [f"![{entry.alt}](assets/gallery/{entry.name}.png)", ""]
    if "headline" in facts:
        lines += [f"Trained in {facts['seconds']} seconds of one processor core. {facts['headline']}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
