import gzip
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import DataConfig
from veridical.data.archives import read_split
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.idx import read_idx
from veridical.data.sources import load
from veridical.data.split import held_out

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 1, 6, 6), dtype=np.uint8)
LABELS = (np.arange(10) % 3).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    """Encode an idx file, from the description of the format."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def config(path: Path, **options) -> DataConfig:
    choices: dict[str, Any] = {"holdout": 0.0} | options
    return DataConfig(source=str(path), **choices)


def every(data: ArrayData) -> np.ndarray:
    return ((data.batch(torch.arange(len(data))).x + 1) * 127.5).round().numpy().astype(np.uint8)


def saved(path: Path, *arrays: np.ndarray, **named: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, arrays[0], allow_pickle=True)
    else:
        np.savez(path, **named)  # type: ignore[arg-type]
    return path


def refused(path: Path, words: str, **options) -> None:
    with pytest.raises(DataError, match=words):
        load(config(path, **options))


class TestNumpy:
    def test_npy(self, tmp_path: Path) -> None:
        data = load(config(saved(tmp_path / "a.npy", IMAGES)))
        assert (every(data) == IMAGES).all()
        assert (data.name, data.labels) == ("a.npy", None)

    @pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels"), ("data", "y"), ("X", "Y")])
    def test_npz_by_the_usual_keys(self, x: str, y: str, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.npz", **{x: IMAGES, y: LABELS})
        data = load(config(path))
        assert (every(data) == IMAGES).all()
        assert data.labels is not None and data.labels.tolist() == LABELS.tolist()
        assert load(config(path, labels=False)).space.classes is None

    def test_npz_with_splits_of_its_own(self, tmp_path: Path) -> None:
        parts = {"x_train": IMAGES[:7], "y_train": LABELS[:7], "x_test": IMAGES[7:], "y_test": LABELS[7:]}
        path = saved(tmp_path / "a.npz", **parts)
        train, test = load(config(path)), load(config(path), "test")
        assert (every(train) == IMAGES[:7]).all() and (every(test) == IMAGES[7:]).all()
        assert test.labels is not None and test.labels.tolist() == LABELS[7:].tolist()

    def test_vectors_hold_out_a_share(self, tmp_path: Path) -> None:
        x = RNG.normal(size=(40, 3)).astype(np.float32)
        path = saved(tmp_path / "a.npy", x)
        test = load(config(path, holdout=0.1), "test")
        assert torch.equal(test.batch(torch.arange(4)).x, torch.from_numpy(x[held_out(40, 0.1)]))
        assert len(load(config(path, holdout=0.1))) == 36

    def test_unused_arrays_are_said(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.npz", x=IMAGES, weights=LABELS)
        assert "not used: weights" in load(config(path)).notes[0]

    def test_channels_last_are_turned_and_that_is_said(self, tmp_path: Path) -> None:
        colour = RNG.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
        data = load(config(saved(tmp_path / "a.npy", colour)))
        assert (every(data) == colour.transpose(0, 3, 1, 2)).all()
        assert "channels first" in data.notes[0]

    def test_other_keys_are_named(self, tmp_path: Path) -> None:
        refused(saved(tmp_path / "a.npz", pics=IMAGES, tags=LABELS), r"pics, tags.*x, images, data")

    def test_pickled_objects_are_not_read(self, tmp_path: Path) -> None:
        refused(saved(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object)), "pickled")
        np.savez(tmp_path / "b.npz", x=np.array([{"a": 1}], dtype=object))
        refused(tmp_path / "b.npz", "pickled")

    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.idx", "a.idx.gz", "a.tgz"])
    @pytest.mark.parametrize("content", [b"", b"hello, this is no array", b"\x1f\x8bxx", b"PK\x03\x04xxxx"])
    def test_other_content(self, name: str, content: bytes, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, name)

    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    def test_files_cut_short(self, name: str, tmp_path: Path) -> None:
        path = saved(tmp_path / name, IMAGES, x=IMAGES)
        path.write_bytes(path.read_bytes()[:-30])
        refused(path, "cut short|cannot be read")

    def test_an_unknown_format(self, tmp_path: Path) -> None:
        (tmp_path / "a.mat").write_text("1,2")
        refused(tmp_path / "a.mat", "of no format")

    def test_labels_that_do_not_match(self, tmp_path: Path) -> None:
        refused(saved(tmp_path / "a.npz", x=IMAGES, y=LABELS[:9]), "10 examples and 9 labels")


class TestShaping:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_size(self, dtype, tmp_path: Path) -> None:
        x = IMAGES.astype(dtype) if dtype == np.uint8 else (IMAGES / 255).astype(dtype)
        data = load(config(saved(tmp_path / "a.npy", x), size=3))
        assert data.space.shape == (1, 3, 3)
        assert data.notes[0] == "resized from 6x6 to 3x3"

    def test_size_of_what_is_not_square(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.npy", IMAGES[..., :4])
        refused(path, r"4 x 6 \(width x height\).*--fit crop", size=4)
        data = load(config(path, size=4, fit="crop"))
        assert (every(data) == IMAGES[:, :, 1:5, :4]).all()

    @pytest.mark.parametrize(("channels", "shape"), [("grey", (1, 6, 6)), ("colour", (3, 6, 6))])
    @pytest.mark.parametrize("stored", [1, 3])
    def test_channels(self, channels, shape, stored: int, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.npy", IMAGES.repeat(stored, axis=1))
        data = load(config(path, channels=channels))
        assert data.space.shape == shape
        assert (every(data) == IMAGES).all()  # equal channels have their value as luma
        assert len(data.notes) == (shape[0] != stored)

    def test_choices_that_do_not_apply(self, tmp_path: Path) -> None:
        refused(saved(tmp_path / "a.npy", RNG.normal(size=(5, 2))), "apply to images", size=8)
        refused(saved(tmp_path / "a.npy", IMAGES > 7), "only uint8 and float", size=8)
        refused(saved(tmp_path / "a.npy", IMAGES.repeat(2, axis=1)), "2 channels", channels="grey")
        refused(Path("ring"), "points, not images", size=8)


class TestIdx:
    @pytest.mark.parametrize("packed", [False, True])
    def test_images_and_the_labels_beside_them(self, packed: bool, tmp_path: Path) -> None:
        ending, pack = (".gz", gzip.compress) if packed else ("", bytes)
        (tmp_path / f"my-labels-idx1-ubyte{ending}").write_bytes(pack(idx(LABELS)))
        path = tmp_path / f"my-images-idx3-ubyte{ending}"
        path.write_bytes(pack(idx(IMAGES[:, 0])))
        data = load(config(path))
        assert (every(data) == IMAGES).all()
        assert data.labels is not None and data.labels.tolist() == LABELS.tolist()

    @pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (1, 2, 3, 4)])
    def test_any_number_of_axes_round_trips(self, shape: tuple[int, ...], tmp_path: Path) -> None:
        array = RNG.integers(0, 256, shape, dtype=np.uint8)
        (tmp_path / "a.idx").write_bytes(idx(array))
        assert (read_idx(tmp_path / "a.idx") == array).all()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", r"\(none\)"),
            (b"\x00\x00\x0d\x03" + bytes(12), "00 00 0d 03"),
            (b"\x01\x00\x08\x03" + bytes(12), "01 00 08 03"),
            (bytes([0, 0, 8, 3, 0, 0]), "within its header"),
            (idx(IMAGES[:, 0])[:-1], "cut short"),
            (idx(IMAGES[:, 0]) + b"!", "cut short or damaged"),
        ],
    )
    def test_refusals(self, content: bytes, words: str, tmp_path: Path) -> None:
        (tmp_path / "a.idx").write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_idx(tmp_path / "a.idx")

    def test_labels_in_place_of_images(self, tmp_path: Path) -> None:
        (tmp_path / "a-labels-idx1-ubyte").write_bytes(idx(LABELS))
        refused(tmp_path / "a-labels-idx1-ubyte", "labels, not images")

    def test_gzip_cut_short(self, tmp_path: Path) -> None:
        (tmp_path / "a.idx.gz").write_bytes(gzip.compress(idx(IMAGES[:, 0]))[:-20])
        refused(tmp_path / "a.idx.gz", "cannot be read")


def mnist_files() -> dict[str, bytes]:
    parts = {"train": slice(0, 7), "t10k": slice(7, 10)}
    files = {f"{stem}-images-idx3-ubyte": idx(IMAGES[rows, 0]) for stem, rows in parts.items()}
    return files | {f"{stem}-labels-idx1-ubyte": idx(LABELS[rows]) for stem, rows in parts.items()}


def cifar_files(n: int) -> tuple[dict[str, bytes], np.ndarray]:
    """Six batches of n images, each one PNG: a row per image, a column per pixel."""
    x = RNG.integers(0, 256, (6, n, 32, 32, 3), dtype=np.uint8)
    files = {}
    for name, batch in zip([*(f"data_batch_{i}.png" for i in range(1, 6)), "test_batch.png"], x, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(batch.reshape(n, 1024, 3)).save(buffer, format="PNG")
        files[name] = buffer.getvalue()
    files["train_lables.json"] = str([i % 10 for i in range(5 * n)]).encode()
    files["test_lables.json"] = str([i % 10 for i in range(n)]).encode()
    return files, x


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def as_archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/data/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


class TestArchives:
    @pytest.mark.parametrize("make", [as_folder, as_archive])
    def test_the_four_files_of_mnist(self, make, tmp_path: Path) -> None:
        path = make(tmp_path / "a.tgz", mnist_files())
        train, test = load(config(path)), load(config(path), "test")
        assert (every(train) == IMAGES[:7]).all() and (every(test) == IMAGES[7:]).all()
        assert test.labels is not None and test.labels.tolist() == LABELS[7:].tolist()

    def test_packed_files(self, tmp_path: Path) -> None:
        packed = {f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()}
        x, y = read_split(as_folder(tmp_path / "a", packed), "test")
        assert (x == IMAGES[7:]).all() and (y == LABELS[7:]).all()

    @pytest.mark.parametrize("make", [as_folder, as_archive])
    def test_the_images_of_cifar(self, make, tmp_path: Path) -> None:
        files, x = cifar_files(2)
        path = make(tmp_path / "a.tgz", files)
        train, labels = read_split(path, "train")
        assert (train == x[:5].reshape(10, 32, 32, 3).transpose(0, 3, 1, 2)).all()
        assert labels.tolist() == list(range(10))
        assert (read_split(path, "test")[0] == x[5].transpose(0, 3, 1, 2)).all()

    @pytest.mark.parametrize("absent", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
    def test_a_missing_file_is_named(self, absent: str, tmp_path: Path) -> None:
        files = mnist_files()
        del files[absent]
        refused(as_folder(tmp_path / "a", files), absent)

    @pytest.mark.parametrize("absent", ["data_batch_3.png", "train_lables.json"])
    def test_a_missing_part_of_cifar_is_named(self, absent: str, tmp_path: Path) -> None:
        files, _ = cifar_files(1)
        del files[absent]
        refused(as_folder(tmp_path / "a", files), absent)


class TestTorchFiles:
    @pytest.mark.parametrize("name", ["a.pt", "a.pth"])
    def test_tensors_pairs_and_dicts(self, name: str, tmp_path: Path) -> None:
        x, y = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
        for held in (x, (x, y), [x, y], {"x": x, "y": y}, {"images": x, "labels": y}):
            torch.save(held, tmp_path / name)
            data = load(config(tmp_path / name))
            assert (every(data) == IMAGES).all()
            assert data.labels is None or data.labels.tolist() == LABELS.tolist()
            assert (data.labels is None) == (held is x)

    def test_channels_last_and_bfloat16(self, tmp_path: Path) -> None:
        x = torch.rand(9, 6, 6, 3).bfloat16()
        torch.save(x, tmp_path / "a.pt")
        data = load(config(tmp_path / "a.pt"))
        assert data.space.shape == (3, 6, 6) and "channels first" in data.notes[0]

    def test_other_objects_are_refused_and_never_run(self, tmp_path: Path) -> None:
        torch.save({"weights": torch.ones(2)}, tmp_path / "a.pt")
        refused(tmp_path / "a.pt", "a dict of weights; expected a tensor")
        torch.save(torch.nn.Linear(1, 1), tmp_path / "b.pt")
        refused(tmp_path / "b.pt", "cannot be read as tensors")
        (tmp_path / "c.pt").write_bytes(b"no file of torch")
        refused(tmp_path / "c.pt", "cannot be read as tensors")


class TestPackedLattices:
    def test_the_files_of_the_ising_sampler(self, tmp_path: Path) -> None:
        spins = RNG.random((7, 3, 5)) > 0.5
        packed = np.packbits(spins.reshape(7, -1), axis=1)
        path = saved(tmp_path / "a.npz", packed=packed, size=np.array([3, 5]), metadata=np.array("{}"))
        data = load(config(path))
        assert (data.space.kind, data.space.shape, data.space.levels) == ("lattice", (1, 3, 5), 2)
        assert (data.batch(torch.arange(7)).x[:, 0].numpy() == np.where(spins, 1, -1)).all()


class TestDataOptions:
    """The options that state what values and axes mean reach arrays of files."""

    def test_lattices_sequences_ranges_and_levels(self, tmp_path: Path) -> None:
        spins = saved(tmp_path / "spins.npy", RNG.choice([-1, 1], (9, 4, 4)))
        assert load(config(spins)).space.kind == "image"
        assert load(config(spins, kind="lattice")).space.kind == "lattice"
        waves = saved(tmp_path / "waves.npy", RNG.uniform(-1, 1, (9, 40)))
        space = load(config(waves, kind="sequence", sample_rate=100.0)).space
        assert (space.kind, space.shape, space.sample_rate) == ("sequence", (1, 40), 100.0)
        light = saved(tmp_path / "light.npy", RNG.uniform(0.5, 1, (9, 4, 4)))
        assert load(config(light, value_range=(-1.0, 1.0))).batch(torch.arange(9)).x.min() >= 0.5
        few = saved(tmp_path / "few.npy", RNG.integers(0, 5, (9, 8, 8)))
        assert load(config(few, levels=5)).space.levels == 5


class TestClassNames:
    def test_labels_that_are_text(self, tmp_path: Path) -> None:
        for kind in ("U", "S"):
            data = load(config(saved(tmp_path / f"{kind}.npz", x=IMAGES, y=np.array(list("badbadbadb")).astype(kind))))
            assert data.class_names == ("a", "b", "d") and data.labels is not None
            assert data.labels.tolist() == [1, 0, 2, 1, 0, 2, 1, 0, 2, 1]
        refused(saved(tmp_path / "zero_d.npz", x=IMAGES, y=np.array(3)), "single value")

    def test_names_in_the_file(self, tmp_path: Path) -> None:
        names = np.array([f"class {i}" for i in range(10)])
        data = load(config(saved(tmp_path / "a.npz", x=IMAGES, y=LABELS, class_names=names)))
        assert data.class_names == tuple(names)

    @pytest.mark.parametrize("name", ["digits", "fashion-mnist-10k", "shapes"])
    def test_named_sets_have_them(self, name: str) -> None:
        data = load(DataConfig(source=name))
        assert data.class_names is not None and len(data.class_names) == data.space.classes
        assert load(DataConfig(source=name, labels=False)).class_names is None


def test_what_torch_does_not_load_is_refused_in_one_plain_sentence(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    (tmp_path / "bad.pt").write_text("no tensors")
    for name in ("module.pt", "bad.pt"):
        with pytest.raises(DataError, match="other objects, which are not loaded") as caught:
            load(config(tmp_path / name))
        assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
