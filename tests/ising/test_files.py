"""Files of configurations: every way of writing spins is read as the same spins, and nothing is guessed."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from veridical import budget
from veridical.ising.files import ConfigurationsError, Writer, as_configurations, read

SPINS = np.random.default_rng(0).choice([-1, 1], size=(7, 3, 5))
UP = SPINS > 0


def all_rows(x):
    return np.concatenate(list(x.blocks(most=40)))


WRITINGS = {
    "int64 -1/1": SPINS,
    "int8 -1/1": SPINS.astype(np.int8),
    "float32 -1/1": SPINS.astype(np.float32),
    "big-endian float64": SPINS.astype(">f8"),
    "uint8 0/1": UP.astype(np.uint8),
    "bool": UP,
    "float 0/1": UP.astype(float),
    "uint8 0/255": 255 * UP.astype(np.uint8),
    "with a channel": SPINS[:, None],
    "channel last": SPINS[..., None],
    "not contiguous": np.asfortranarray(SPINS),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("how", ["array", "npy", "npz"])
def test_every_writing_gives_the_same_spins(writing, how, tmp_path):
    array = WRITINGS[writing]
    if how == "npy":
        np.save(tmp_path / "x.npy", array)
        x = read(tmp_path / "x.npy")
    elif how == "npz":
        np.savez(tmp_path / "x.npz", array)
        x = read(tmp_path / "x.npz")
    else:
        x = as_configurations(array)
    assert (len(x), x.height, x.width, x.metadata) == (7, 3, 5, {})
    assert (all_rows(x) == UP).all()


def test_flat_rows_and_packed_bits_need_a_size():
    flat, bits = SPINS.reshape(7, -1), np.packbits(UP.reshape(7, -1), axis=1)
    for array in (flat, bits):
        assert (all_rows(as_configurations(array, (3, 5))) == UP).all()
        with pytest.raises(ConfigurationsError, match="--size HxW"):
            as_configurations(array)
        with pytest.raises(ConfigurationsError, match="16 spins, or of 2 bytes"):
            as_configurations(array[:, :1], (4, 4))


@pytest.mark.parametrize("value", [0, 1, -1, 255])
def test_lattices_of_one_value_are_read(value):
    x = as_configurations(np.full((2, 4, 4), value))
    assert (x.rows(0, 2) == (value > 0)).all()


BAD = {
    "nothing": (np.empty((0, 4, 4)), "is empty"),
    "three values": (np.arange(32).reshape(2, 4, 4) % 3 - 1, r"two spin states: -1, 0, 1 \(from -1 to 1\)"),
    "grey values": (np.random.default_rng(0).random((2, 4, 4)), "grey values"),
    "unsigned": (np.array([[[1, 255], [255, 1]]], np.uint8), r"view\(numpy.int8\)"),
    "other two values": (np.array([[[2, 3], [3, 2]]]), "two spin states: 2, 3"),
    "not a number": (np.array([[[np.nan, 1], [1, 1]]]), "two spin states"),
    "complex": (np.ones((1, 2, 2), complex), "complex128"),
    "text": (np.full((1, 2, 2), "up"), "<U2"),
    "one lattice": (np.ones((4, 4)), "One configuration alone"),
    "one number": (np.ones(()), "empty"),
    "a cube": (np.ones((2, 4, 4, 4)), "one lattice per row"),
    "a line": (np.ones((2, 1, 4)), "sides of at least 2"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_configuration_is_refused_with_a_reason(bad):
    array, words = BAD[bad]
    with pytest.raises(ConfigurationsError, match=words):
        as_configurations(array)


def test_a_third_value_is_found_wherever_it_hides():
    x = np.ones((5000, 32, 32), np.int8)  # more than one chunk
    x[0, 0, 0] = -1
    x[-1, -1, -1] = 0
    with pytest.raises(ConfigurationsError, match="two spin states"):
        as_configurations(x)


def test_a_size_that_contradicts_the_shape():
    with pytest.raises(ConfigurationsError, match="3 x 5, not 5 x 3"):
        as_configurations(SPINS, (5, 3))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "empty.npz").touch()
    (tmp_path / "noise.npz").write_bytes(b"noise")
    (tmp_path / "noise.npy").write_bytes(b"noise")
    (tmp_path / "x.txt").write_text("1 -1")
    np.save(tmp_path / "none.npy", np.empty((0, 4, 4)))
    np.savez(tmp_path / "two.npz", a=SPINS, b=SPINS)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    whole = io.BytesIO()
    np.savez(whole, x=SPINS)
    (tmp_path / "cut.npz").write_bytes(whole.getvalue()[:-30])
    for name, words in {
        "empty.npz": "0 bytes",
        "noise.npz": "cannot be read",
        "noise.npy": "not an npy array",
        "cut.npz": "cannot be read",
        "x.txt": "expected .npz or .npy",
        "none.npy": "empty",
        "two.npz": "holds a, b",
        "objects.npy": "pickled Python objects",
        "absent.npz": "does not exist",
        "": "is a folder",
    }.items():
        with pytest.raises(ConfigurationsError, match=words):
            read(tmp_path / name)


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_written_is_read_with_all_that_is_known(packed, tmp_path):
    path, bits = tmp_path / "new" / "x.npz", np.packbits(UP.reshape(7, -1), axis=1)
    with Writer(path, 7, (3, 5), {"coupling": 0.4, "seed": 3}, packed) as writer:
        writer.write(bits[:4])
        assert not path.exists()
        writer.write(bits[4:])
    x = read(path)
    assert x.packed == packed and (all_rows(x) == UP).all()
    assert x.metadata == {"coupling": 0.4, "seed": 3, "n": 7, "height": 3, "width": 5}
    with np.load(path, allow_pickle=False) as archive:  # by anyone, without us
        if packed:
            assert (archive["packed"] == bits).all() and archive["size"].tolist() == [3, 5]
        else:
            assert archive["x"].dtype == np.bool_ and (archive["x"] == UP).all()
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"]


def test_the_same_configurations_make_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        with Writer(tmp_path / name, 7, (3, 5), {}, True) as writer:
            writer.write(np.packbits(UP.reshape(7, -1), axis=1))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_file_leaves_nothing(error, tmp_path):
    with pytest.raises(error), Writer(tmp_path / "x.npz", 7, (3, 5), {}, True) as writer:
        writer.write(np.packbits(UP.reshape(7, -1), axis=1)[:3])
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_is_interrupted_while_it_begins_leaves_nothing(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(writer: Writer, name: str, array: np.ndarray) -> None:
        assert list(tmp_path.iterdir())
        raise error

    monkeypatch.setattr(Writer, "_save", stop)
    with pytest.raises(error), Writer(tmp_path / "x.npz", 7, (3, 5), {}, True):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_of_too_few_or_too_many_is_not_kept(tmp_path):
    bits = np.packbits(UP.reshape(7, -1), axis=1)
    for n, words in ((8, "7 configurations were written to a file of 8"), (6, "7 configurations for a file of 6")):
        with pytest.raises(ValueError, match=words), Writer(tmp_path / "x.npz", n, (3, 5), {}, True) as writer:
            writer.write(bits)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "x.npz").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        Writer(tmp_path / "x.npz", 1, (3, 5), {}, True)
    with pytest.raises(ValueError, match="ends in"):
        Writer(tmp_path / "x.dat", 1, (3, 5), {}, True)
    assert (tmp_path / "x.npz").read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    with (
        pytest.raises(FileExistsError),
        Writer(tmp_path / "x.npz", 7, (3, 5), {}, True) as writer,
    ):
        writer.write(np.packbits(UP.reshape(7, -1), axis=1))
        (tmp_path / "x.npz").write_text("mine")
    assert (tmp_path / "x.npz").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_text_in_a_foreign_file_is_no_metadata(tmp_path):
    """Mutant: JSON that is nested too deep raises another error than JSON that is none."""
    for i, text in enumerate(("not json", "[1]", "[" * 200_000)):
        np.savez(tmp_path / f"{i}.npz", x=SPINS, metadata=np.array(text))
        assert read(tmp_path / f"{i}.npz").metadata == {}
    np.savez(tmp_path / "x.npz", x=SPINS)
    assert zipfile.is_zipfile(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "members",
    [
        {"x": b"bytes"},
        {"x.npy": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535},
        {"x.npy": b"\x93NUMPY\x01\x00\x10\x00" + b"\xff" * 16},
        {"packed.npy": b"", "size.npy": b""},
    ],
)
def test_damaged_members_are_refused_by_name(members: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ConfigurationsError, match=r"a\.npz"):
        read(tmp_path / "a.npz")


def test_arrays_that_decode_to_more_than_the_bound_are_refused_until_it_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: a bound of the file's own, which the variable of the message does not raise."""
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(64_000).reshape(1_000, 8, 8) % 2 == 0)
    monkeypatch.setenv(budget.VARIABLE, "0.00001")
    with pytest.raises(ConfigurationsError, match=rf"x of .*a\.npz needs 64,000 bytes .* {budget.VARIABLE}=1"):
        read(tmp_path / "a.npz")
    monkeypatch.setenv(budget.VARIABLE, "1")
    assert len(read(tmp_path / "a.npz")) == 1_000
