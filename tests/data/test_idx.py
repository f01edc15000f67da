"""The idx format, written by hand from its description."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from veridical.data.errors import DataError
from veridical.data.idx import read_idx

X = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 4) + bytes(range(24))


def test_bytes_are_read_in_the_order_of_their_axes(tmp_path: Path) -> None:
    for name, content in (("x.idx", CONTENT), ("x.idx.gz", gzip.compress(CONTENT))):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_idx(tmp_path / name), X)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"\(none\)"),
        (b"\0\0\x0d\x01" + CONTENT[4:], "00 00 0d 01"),  # floats
        (CONTENT[:10], "within its header"),
        (CONTENT[:-1], r"has 39 bytes; its header \(2 x 3 x 4\) asks for 40"),
        (CONTENT + b"\0", "41 bytes"),
    ],
)
def test_damaged_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.idx").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_idx(tmp_path / "x.idx")


def test_a_packed_file_is_decoded_as_far_as_its_header_says(tmp_path: Path) -> None:
    """Mutant: decompressing all of it first needs the 64 MB that follow."""
    (tmp_path / "x.idx.gz").write_bytes(gzip.compress(CONTENT + bytes(64_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"bytes or more; its header \(2 x 3 x 4\) asks for 40"):
            read_idx(tmp_path / "x.idx.gz")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("damage", [slice(0, 30), slice(0, 12), slice(0, 2)])
def test_a_packed_file_cut_short_is_refused_by_name(damage: slice, tmp_path: Path) -> None:
    (tmp_path / "x.idx.gz").write_bytes(gzip.compress(CONTENT)[damage])
    with pytest.raises(DataError, match=r"x\.idx\.gz"):
        read_idx(tmp_path / "x.idx.gz")
