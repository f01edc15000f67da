"""The files of the named sets, in the three forms in which they come, hold the same arrays."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.data.archives import holds_split, read_split
from veridical.data.errors import DataError

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.integers(0, 256, (5, 1, 4, 6), dtype=np.uint8), np.array([3, 1, 4, 1, 5], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


FILES = {"t10k-images-idx3-ubyte.gz": gzip.compress(idx(X[:, 0])), "t10k-labels-idx1-ubyte": idx(Y)}


def written(folder: Path, form: str) -> Path:
    if form == "npz":
        np.savez(folder / "set.npz", x_test=X[:, 0], y_test=Y)
        return folder / "set.npz"
    if form == "folder":
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        return folder
    with tarfile.open(folder / "set.tgz", "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "set.tgz"


@pytest.mark.parametrize("form", ["npz", "folder", "tgz"])
def test_a_split_is_the_same_in_every_form(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    x, y = read_split(path, "test")
    assert np.array_equal(x, X) and np.array_equal(y, Y)
    with pytest.raises(DataError, match=r"x_train|no train-images"):
        read_split(path, "train")


def test_the_rows_of_cifar_are_images_and_their_columns_pixels(tmp_path: Path) -> None:
    x = RANDOM.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    rows = x.transpose(0, 2, 3, 1).reshape(3, 1024, 3)
    Image.fromarray(rows).save(tmp_path / "test_batch.png")
    with pytest.raises(DataError, match=r"no test_lables\.json"):
        read_split(tmp_path, "test")
    (tmp_path / "test_lables.json").write_text(json.dumps([7, 0, 9]))
    found, labels = read_split(tmp_path, "test")
    assert np.array_equal(found, x) and labels.tolist() == [7, 0, 9]


def test_a_folder_of_a_set_is_known_by_its_files(tmp_path: Path) -> None:
    assert not holds_split(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").touch()
    assert holds_split(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.tgz").write_bytes(written(tmp_path, "tgz").read_bytes()[:100])
    with pytest.raises(DataError, match="download it again"):
        read_split(tmp_path / "set.tgz", "test")
