"""A preset of each family trains and resumes to the bit in two processes; started by test_presets.py."""

import shutil
import sys
from pathlib import Path

import torch
import torch.distributed

from tests.workflows.test_presets import DATA, ONE_OF_EACH, narrow, quiet
from veridical.run import Run
from veridical.workflows.load import load
from veridical.workflows.resume import resume
from veridical.workflows.start import train


def go(preset: str, root: Path) -> None:
    """Train, go on from the middle, compare."""
    whole = train(narrow(preset, DATA.get(preset, "digits")), out=root / "whole", say=quiet)
    first = torch.distributed.get_rank() == 0
    if first:
        shutil.copytree(whole.path, root / "half")
        shutil.rmtree(max(Run.open(root / "half").checkpoints.iterdir()))  # as if killed after the second step
    torch.distributed.barrier()
    resume(root / "half", say=quiet)
    torch.distributed.barrier()
    if first:
        weights = [load(root / name, say=quiet).state_dict() for name in ("whole", "half")]
        same = all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
        print(preset, "resumed to the bit" if same else "differs", flush=True)


if __name__ == "__main__":
    for name in ONE_OF_EACH:
        go(name, Path(sys.argv[1]) / name)
