"""Arrays whose headers lie: every one is refused by name, whatever numpy would raise."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from veridical.errors import DataError
from veridical.npy import open_npz, read_npy

RNG = np.random.default_rng(0)
NEVER = 1 << 60


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(text: str, values: bytes = bytes(64), *, version: int = 1) -> bytes:
    """Write an npy file of any header, from the description of the format."""
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + values


@pytest.mark.parametrize(
    "array",
    [
        RNG.integers(0, 255, (3, 4, 5), np.uint8),
        np.asfortranarray(RNG.normal(size=(3, 4))),
        RNG.normal(size=(3, 4)).astype(">f4"),
        np.array(7.0),
        np.zeros((0, 3)),
        np.array(["a", "bc"]),
        np.array([b"a", b"bc"]),
    ],
)
def test_arrays_are_read_as_numpy_reads_them(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", x=array)
    with open_npz(tmp_path / "a.npz") as held:
        assert held.names == ["x"]
        found = [read_npy(tmp_path / "a.npy", NEVER), held["x"]]
    for x in found:
        assert x.dtype == array.dtype and x.shape == array.shape and (x == array).all()


def test_large_arrays_are_memory_mapped(tmp_path: Path) -> None:
    x = np.asfortranarray(RNG.normal(size=(30, 4)))
    np.save(tmp_path / "a.npy", x)
    mapped = read_npy(tmp_path / "a.npy", map_above=100)
    assert isinstance(mapped, np.memmap) and (mapped == x).all()


DESCRIPTION = "{'descr': %s, 'fortran_order': False, 'shape': %s, }\n"
DAMAGED = {
    "empty": b"",
    "no array": b"hello world, this is text",
    "cut header": npy(np.zeros(3))[:40],
    "cut values": npy(np.zeros(3))[:-1],
    "terabytes": with_header(DESCRIPTION % ("'<f8'", "(1000000000000,)")),
    "overflow": with_header(DESCRIPTION % ("'<f8'", "(9223372036854775807, 9223372036854775807)")),
    "negative": with_header(DESCRIPTION % ("'<f8'", "(-1, -8)")),
    "nested": with_header("(" * 5_000 + ")" * 5_000),
    "nested lists": with_header(DESCRIPTION % ("[" * 300 + "]" * 300, "(1,)")),
    "no such type": with_header(DESCRIPTION % ("'<q9'", "(1,)")),
    "objects": with_header(DESCRIPTION % ("'|O'", "(1,)")),
    "records": with_header(DESCRIPTION % ("[('a', '<f8')]", "(1,)")),
    "nothing, often": with_header(DESCRIPTION % ("'|S0'", "(1000000000000,)")),
    "text as shape": with_header(DESCRIPTION % ("'<f8'", "'many'")),
    "long header": with_header(" " * 60_000),
    "header of gigabytes": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(64),
    "unknown version": with_header(DESCRIPTION % ("'<f8'", "(1,)"), version=9)[:30],
    "no text": b"\x93NUMPY\x01\x00\x10\x00" + bytes([255] * 16),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_headers_are_refused_by_name(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(DAMAGED[what])
    with pytest.raises(DataError, match=r"a\.npy"):
        read_npy(path, NEVER)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", DAMAGED[what])
    with pytest.raises(DataError, match=r"array x of .*a\.npz"), open_npz(tmp_path / "a.npz") as held:
        held["x"]


def test_a_thousand_random_damages_raise_nothing_else(tmp_path: Path) -> None:
    whole = bytearray(npy(np.arange(6.0)))
    for _ in range(1_000):
        damaged = bytearray(whole)
        for place in RNG.integers(0, len(whole), 1 + RNG.integers(4)):
            damaged[place] = RNG.integers(256)
        (tmp_path / "a.npy").write_bytes(damaged)
        try:
            read_npy(tmp_path / "a.npy", NEVER)
        except DataError as error:
            assert "a.npy" in str(error)


def test_members_that_are_no_arrays_or_packed_in_other_ways_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"bytes")
        archive.writestr("y.npy", npy(np.zeros(3)), zipfile.ZIP_BZIP2)
    for name, words in (("x", "no npy array|not an npy array"), ("y", "compressed in a way"), ("z", "no array z")):
        with pytest.raises(DataError, match=words), open_npz(path) as held:
            held[name]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 100])
def test_what_is_no_npz_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz cannot be read"), open_npz(tmp_path / "a.npz"):
        pass
