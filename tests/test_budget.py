"""One bound on what is decoded: sizes from headers, said in the error, raised by a variable."""

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.test_files import idx
from veridical import budget
from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.errors import DataError

MB = 10**6


def png(path: Path, side: int) -> None:
    Image.new("L", (side, side)).save(path)


def npz(path: Path, n: int) -> None:
    np.savez_compressed(path, x=np.zeros((n, 8), np.uint8))


def idx_gz(path: Path, n: int) -> None:
    import gzip

    path.write_bytes(gzip.compress(idx(np.zeros((n, 8), np.uint8))))


def archive(path: Path, n: int) -> None:
    import io
    import tarfile

    with tarfile.open(path, "w:gz") as tar:
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            info = tarfile.TarInfo(name)
            info.size = 8 * n
            tar.addfile(info, io.BytesIO(bytes(8 * n)))


def pt(path: Path, n: int) -> None:
    import torch

    torch.save(torch.zeros(1).expand(n, 8), path)  # states more values than it stores


BOMBS: list[tuple[str, Callable[[Path, int], None], int]] = [
    ("a.png", png, 4_000),
    ("a.npz", npz, 4 * MB),
    ("a.idx.gz", idx_gz, 4 * MB),
    ("a.tgz", archive, 4 * MB),
    ("a.pt", pt, 400 * MB),
]


@pytest.mark.parametrize(("name", "write", "size"), BOMBS)
def test_what_decodes_to_more_than_the_bound_is_refused_before_it_is_decoded(
    name: str, write: Callable[[Path, int], None], size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: `require` that returns at once decodes all of them (32 MB and more)."""
    write(tmp_path / name, size)
    assert (tmp_path / name).stat().st_size < MB
    monkeypatch.setenv(budget.VARIABLE, "0.01")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"at most 10 MB are decoded at a time.* {budget.VARIABLE}="):
            load(DataConfig(source=str(tmp_path / name)))
        assert tracemalloc.get_traced_memory()[1] < 20 * MB
    finally:
        tracemalloc.stop()


def test_the_bound_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((100_000, 8), np.uint8)
    x[0] = 9
    np.savez_compressed(tmp_path / "a.npz", x=x)
    monkeypatch.setenv(budget.VARIABLE, "0.0001")
    with pytest.raises(DataError, match=f"needs 800,000 bytes .* {budget.VARIABLE}=1"):
        load(DataConfig(source=str(tmp_path / "a.npz"), holdout=0.0))
    monkeypatch.setenv(budget.VARIABLE, "1")
    assert len(load(DataConfig(source=str(tmp_path / "a.npz"), holdout=0.0))) == 100_000


def test_files_that_do_not_grow_are_read_whatever_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(8_000, dtype=np.uint8).reshape(1_000, 8))
    monkeypatch.setenv(budget.VARIABLE, "0.000001")
    assert len(load(DataConfig(source=str(tmp_path / "a.npz"), holdout=0.0))) == 1_000


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf"])
def test_a_bound_that_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(budget.VARIABLE, text)
    with pytest.raises(DataError, match="number of gigabytes above 0"):
        budget.limit()


def test_threads_share_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: `reserve` without waiting has all eight inside together."""
    monkeypatch.setenv(budget.VARIABLE, "0.000001")  # 1,000 bytes
    inside, most, lock = [0], [0], threading.Lock()
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        with budget.reserve(400, "it"):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            pause.wait(0.01)
            with lock:
                inside[0] -= 1

    pause = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 2 and inside[0] == 0
    with pytest.raises(DataError), budget.reserve(1_001, "it"):
        pass
