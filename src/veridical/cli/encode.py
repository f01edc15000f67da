"""`veridical encode`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from veridical.cli.options import Positional, Section
from veridical.cli.parse import parse_sections, say
from veridical.config.reading import Reading


@dataclass(frozen=True)
class Encode:
    """Write the codes of examples: of images and arrays from any place, or of the run's own data.

    For models with an encoder (vae, hierarchical-vae, autoencoder), flows, GANs that read their codes (infogan), and
    the training examples of models with a code for each (glo).
    """

    run: Positional[Path]
    """Run directory."""

    examples: Positional[tuple[str, ...]] = ()
    """Images, folders, files of arrays, named data; the run's own data if omitted."""

    split: Literal["train", "test"] = "train"
    """Part of the run's own data, and of data that have parts of their own."""

    out: Path | None = None
    """FILE.npz: arrays z (and std, or the codes by name), rows, files, and labels if there are any; codes.npz in the
    run directory if omitted."""

    which: Literal["newest", "best"] = "newest"
    """Checkpoint: the newest, or the best if the run was evaluated during training."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""


SECTIONS = (Section("options", Encode), Section("reading of the examples", Reading, Reading()))


def run(arguments: list[str]) -> None:
    """Encode and save."""
    options, reading = parse_sections(SECTIONS, "encode", arguments, about=Encode.__doc__ or "")
    from veridical.training.engine import choose_device
    from veridical.workflows import encode, sample

    out = options.out or sample.free_name(options.run / "codes.npz")
    encode.require_npz(out)
    device, why = choose_device(options.device)
    say(f"device {device} ({why})")
    found = encode.encode_run(
        options.run,
        options.examples,
        split=options.split,
        which=options.which,
        device=device,
        reading=reading,
        say=say,
    )
    encode.save(found, out)
    say(f"wrote {out}: {', '.join(f'{name} {tuple(codes.shape)}' for name, codes in found.items())}")
