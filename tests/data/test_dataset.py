import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from veridical.data.dataset import ArrayData, digest_of
from veridical.data.errors import DataError
from veridical.data.space import Space

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 3, 5, 4), dtype=np.uint8)
CONTINUOUS = Space((2,), "vector", None, None)


def mapped(path: Path, x: np.ndarray) -> np.ndarray:
    np.save(path, x)
    return np.load(path, mmap_mode="r")


class TestSpace:
    def test_8_bit_images(self) -> None:
        space = ArrayData(IMAGES).space
        x = IMAGES / 127.5 - 1
        assert (space.shape, space.kind, space.support, space.levels) == ((3, 5, 4), "image", (-1.0, 1.0), 256)
        assert space.mean == pytest.approx(x.mean(), abs=1e-6)
        assert space.std == pytest.approx(x.std(), abs=1e-6)

    def test_grey_images_get_a_channel(self) -> None:
        assert ArrayData(IMAGES[:, 0]).space.shape == (1, 5, 4)

    def test_17_levels(self) -> None:
        data = ArrayData(IMAGES % 17, levels=17)
        assert data.space.levels == 17
        assert data.batch(torch.arange(20)).x.aminmax() == (-1.0, 1.0)

    def test_vectors_keep_their_units(self) -> None:
        x = RNG.normal(3.0, 2.0, (50, 7)).astype(np.float32)
        data = ArrayData(x)
        assert (data.space.kind, data.space.support, data.space.levels) == ("vector", None, None)
        assert data.space.mean == pytest.approx(x.astype(float).mean(), rel=1e-6)
        assert data.space.std == pytest.approx(x.astype(float).std(), rel=1e-6)
        assert torch.equal(data.batch(torch.tensor([4])).x[0], torch.from_numpy(x[4]))
        assert data.notes == ()

    def test_floats_in_the_unit_interval_are_moved_and_that_is_said(self) -> None:
        x = RNG.random((6, 1, 2, 2)).astype(np.float32)
        data = ArrayData(x)
        torch.testing.assert_close(data.batch(torch.arange(6)).x, torch.from_numpy(2 * x - 1))
        assert data.space.mean == pytest.approx((2 * x - 1).mean(), abs=1e-6)
        assert data.space.std == pytest.approx((2 * x - 1).std(), abs=1e-6)
        assert data.space.levels is None
        assert "moved to [-1, 1]" in data.notes[0]

    def test_floats_that_go_below_zero_are_left_alone_and_that_is_said(self) -> None:
        x = torch.linspace(-1, 1, 24).reshape(2, 3, 2, 2)
        data = ArrayData(x)
        assert torch.equal(data.batch(torch.arange(2)).x, x)
        assert "unchanged" in data.notes[0]

    def test_booleans_have_two_levels(self) -> None:
        data = ArrayData(np.array([[True, False], [True, True]]))
        assert (data.space.kind, data.space.levels) == ("vector", 2)
        assert data.batch(torch.arange(2)).x.tolist() == [[1.0, -1.0], [1.0, 1.0]]

    def test_spins_in_a_given_space_are_taken_as_they_are(self) -> None:
        spins = np.array([[[1, -1], [-1, 1]]] * 3, dtype=np.int8)
        data = ArrayData(spins, space=Space((1, 2, 2), "lattice", (-1.0, 1.0), 2))
        assert data.batch(torch.tensor([0])).x.tolist() == [[[[1.0, -1.0], [-1.0, 1.0]]]]

    def test_a_given_space_is_kept_with_its_moments(self) -> None:
        space = Space((3, 5, 4), mean=0.25, std=3.0)
        assert ArrayData(IMAGES, space=space).space == space

    def test_doubles_are_rounded_and_that_is_said(self) -> None:
        data = ArrayData(RNG.normal(size=(5, 2)))
        assert data.batch(torch.arange(5)).x.dtype is torch.float32
        assert "float32" in data.notes[0]

    def test_dark_images_are_remarked(self) -> None:
        assert "levels=17" in ArrayData(IMAGES % 17).notes[0]

    @pytest.mark.parametrize("dtype", [np.uint16, np.int64, ">f4", "<f2", ">i2"])
    def test_other_number_types_of_vectors_become_float32(self, dtype: str) -> None:
        data = ArrayData(np.array([[1, 2], [3, 5]], dtype=dtype))
        assert data.batch(torch.arange(2)).x.tolist() == [[1.0, 2.0], [3.0, 5.0]]


def axes_and_values(x: np.ndarray | torch.Tensor, **how) -> tuple:
    space = ArrayData(x, **how).space
    return space.kind, space.shape, space.support, space.levels


class TestAxes:
    @pytest.mark.parametrize("as_torch", [False, True])
    def test_channels_last_are_made_first_and_that_is_said(self, as_torch: bool) -> None:
        last = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))
        data = ArrayData(torch.from_numpy(last) if as_torch else last)
        assert data.space == ArrayData(IMAGES).space and data.digest == ArrayData(IMAGES).digest
        assert "channels first" in data.notes[0]

    def test_channels_last_fit_a_given_space_too(self) -> None:
        data = ArrayData(IMAGES.transpose(0, 2, 3, 1), space=Space((3, 5, 4)))
        assert torch.equal(data.batch(torch.arange(20)).x, ArrayData(IMAGES).batch(torch.arange(20)).x)

    @pytest.mark.parametrize(
        ("shape", "kind", "event"),
        [
            ((5, 9), "auto", (9,)),
            ((5, 9), "sequence", (1, 9)),
            ((5, 9), "lattice", (1, 9)),
            ((5, 4, 4), "auto", (1, 4, 4)),
            ((5, 4, 4), "lattice", (1, 4, 4)),
            ((5, 2, 50), "sequence", (2, 50)),
            ((5, 50, 2), "sequence", (2, 50)),
            ((5, 2, 3, 4), "vector", (24,)),
        ],
    )
    def test_kinds(self, shape: tuple[int, ...], kind, event: tuple[int, ...]) -> None:
        space = ArrayData(RNG.random(shape).astype(np.float32), kind=kind).space
        assert space.shape == event and space.kind == ("image" if kind == "auto" and len(shape) > 2 else space.kind)

    def test_a_sequence_keeps_its_rate(self) -> None:
        x = RNG.integers(-32768, 32767, (3, 100), dtype=np.int16)
        data = ArrayData(x, kind="sequence", sample_rate=8000.0)
        assert data.space.sample_rate == 8000.0 and data.space.support == (-1.0, 1.0)
        torch.testing.assert_close(data.batch(torch.arange(3)).x[:, 0], torch.from_numpy(x).float() / 32768)


class TestTwoValues:
    """Spins and bits, in whatever numbers they come: the case spins_to_train and its kind."""

    SPINS = RNG.choice([-1, 1], (30, 4, 4))

    @pytest.mark.parametrize("dtype", ["int8", "int64", "float32", "float64", "int16"])
    @pytest.mark.parametrize("flat", [False, True])
    def test_spins(self, dtype: str, flat: bool) -> None:
        x = self.SPINS.astype(dtype).reshape(30, -1) if flat else self.SPINS.astype(dtype)
        data = ArrayData(x)
        assert (data.space.support, data.space.levels) == ((-1.0, 1.0), 2)
        assert (data.batch(torch.arange(30)).x.flatten(1).numpy() == self.SPINS.reshape(30, -1)).all()
        assert any("-1 and 1" in note for note in data.notes)

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
    @pytest.mark.parametrize("flat", [False, True])
    def test_bits_become_minus_one_and_one(self, dtype: str, flat: bool) -> None:
        x = (self.SPINS > 0).astype(dtype)
        data = ArrayData(x.reshape(30, -1) if flat else x)
        assert (data.space.support, data.space.levels) == ((-1.0, 1.0), 2)
        assert (data.batch(torch.arange(30)).x.flatten(1).numpy() == self.SPINS.reshape(30, -1)).all()
        assert data.space.mean == pytest.approx(self.SPINS.mean(), abs=1e-6)
        assert any("-1 and 1" in note for note in data.notes)

    def test_spins_that_went_through_unsigned_bytes_are_refused(self) -> None:
        with pytest.raises(DataError, match="int8"):
            ArrayData(self.SPINS.astype("uint8"))

    def test_a_third_value_makes_the_difference(self) -> None:
        x = self.SPINS.astype(np.float32)
        x[0, 0, 0] = 0.5
        assert ArrayData(x).space.levels is None
        assert axes_and_values(x.reshape(30, -1)) == ("vector", (16,), None, None)
        bits = (self.SPINS > 0).astype(np.uint8)
        bits[0, 0, 0] = 2
        assert ArrayData(bits).space.levels == 256


class TestRange:
    """Values that use part of their range: the cases float_range and twelve_bit and their kind."""

    LIGHT = RNG.integers(128, 256, (40, 1, 6, 6))

    def test_light_images_in_minus_one_to_one_are_known_by_their_grid(self) -> None:
        x = (self.LIGHT / 127.5 - 1).astype(np.float32)
        assert x.min() >= 0
        data = ArrayData(x)
        assert torch.equal(data.batch(torch.arange(40)).x, torch.from_numpy(x))
        assert "2v/255 - 1" in data.notes[0]

    def test_the_same_values_in_the_unit_interval_are_moved(self) -> None:
        x = (self.LIGHT / 255).astype(np.float32)
        data = ArrayData(x)
        torch.testing.assert_close(data.batch(torch.arange(40)).x, torch.from_numpy(2 * x - 1))
        assert "--value-range -1 1" in data.notes[0]  # the remedy if they are not

    def test_a_stated_range_counts(self) -> None:
        x = RNG.uniform(-1.01, 1.01, (9, 1, 3, 3)).astype(np.float32)
        x[0, 0, 0, :2] = -1.005, 1.005
        with pytest.raises(DataError, match=r"--value-range -1\.\d+ 1\.\d+"):
            ArrayData(x)
        data = ArrayData(x, value_range=(-1.01, 1.01))
        torch.testing.assert_close(data.batch(torch.arange(9)).x, torch.from_numpy(x / 1.01))
        light = RNG.uniform(0.3, 1.0, (9, 1, 3, 3)).astype(np.float32)
        assert torch.equal(ArrayData(light, value_range=(-1, 1)).batch(torch.arange(9)).x, torch.from_numpy(light))
        with pytest.raises(DataError, match="not within"):
            ArrayData(x, value_range=(0.0, 1.0))

    @pytest.mark.parametrize("dtype", ["uint16", "int64"])
    def test_twelve_bits(self, dtype: str) -> None:
        x = RNG.integers(0, 4096, (30, 1, 5, 5)).astype(dtype)
        x[0, 0, 0, 0] = 4095
        with pytest.raises(DataError, match="--levels 4096"):
            ArrayData(x)
        data = ArrayData(x, levels=4096)
        assert data.space.levels == 4096
        got = data.batch(torch.arange(30)).x
        torch.testing.assert_close(got, torch.from_numpy(x.astype(np.float32)) * (2 / 4095) - 1)

    @pytest.mark.parametrize("dtype", ["int64", "int16", "uint16"])
    def test_integers_within_a_byte_are_taken_as_8_bit(self, dtype: str) -> None:
        data = ArrayData(IMAGES.astype(dtype))
        assert data.space == ArrayData(IMAGES).space and data.digest == ArrayData(IMAGES).digest
        assert "8-bit" in data.notes[0]

    def test_levels_that_the_values_do_not_have(self) -> None:
        with pytest.raises(DataError, match=r"17 levels are the integers 0\.\.16"):
            ArrayData(IMAGES, levels=17)


class TestClassNames:
    """Labels that are text: the case label_strings and its kind."""

    @pytest.mark.parametrize("dtype", ["U", "S", "O"])
    def test_text_is_mapped_in_natural_order(self, dtype: str) -> None:
        words = np.array([str(i % 12) for i in range(20)], dtype=dtype)
        data = ArrayData(IMAGES, words)
        assert data.class_names == tuple(str(i) for i in range(12)) and data.space.classes == 12
        assert data.labels is not None and data.labels.tolist() == [i % 12 for i in range(20)]
        assert data.subset(torch.arange(3)).class_names == data.class_names

    def test_names_may_be_given(self) -> None:
        data = ArrayData(IMAGES, np.arange(20) % 2, class_names=["cat", "dog", "cow"])
        assert data.class_names == ("cat", "dog", "cow") and data.space.classes == 3
        with pytest.raises(DataError, match="label 19 and 2 class names"):
            ArrayData(IMAGES, np.arange(20), class_names=["cat", "dog"])

    def test_one_value_for_all_is_refused(self) -> None:
        with pytest.raises(DataError, match="single value"):
            ArrayData(IMAGES, np.array(3))


class TestRefusals:
    @pytest.mark.parametrize(
        ("x", "words"),
        [
            (np.zeros((0, 3, 2, 2), np.uint8), "shape"),
            (np.zeros(5, np.uint8), "shape"),
            (np.zeros((3, 0), np.float32), "shape"),
            (np.full((3, 1, 2, 2), 7, np.uint8), "a model cannot learn"),
            (np.array([["a", "b"]]), "expected numbers"),
            (RNG.normal(0, 9, (3, 1, 2, 2)).astype(np.float32), "pass a Space"),
            (np.arange(12).reshape(3, 1, 2, 2) * 99, r"--levels 2048 .*pass a Space"),
            (np.arange(-6, 6).reshape(3, 1, 2, 2), "--value-range -6 5"),
            (np.arange(3 * 2**4).reshape(3, 2, 2, 2, 2), "pass a Space"),
            (np.array([[1.0, 2.0], [np.nan, 0.0], [np.inf, 0.0]]), "2 of 3 examples.*row 1"),
        ],
    )
    def test_arrays(self, x: np.ndarray, words: str) -> None:
        with pytest.raises(DataError, match=words):
            ArrayData(x)

    def test_values_that_are_not_finite_in_a_mapped_file(self, tmp_path: Path) -> None:
        x = np.ones((4, 2), np.float32)
        x[2, 1] = np.nan
        with pytest.raises(DataError, match="row 2"):
            ArrayData(mapped(tmp_path / "x.npy", x))

    @pytest.mark.parametrize(
        ("x", "space", "words"),
        [
            (IMAGES, Space((3, 4, 5)), r"\(3, 5, 4\)"),
            (IMAGES, Space((3, 5, 4), levels=17), "17 levels"),
            (np.full((2, 2), 3.0, np.float32), Space((2,), "vector", (-1.0, 1.0), None), "support"),
        ],
    )
    def test_arrays_outside_their_space(self, x: np.ndarray, space: Space, words: str) -> None:
        with pytest.raises(DataError, match=words):
            ArrayData(x, space=space)

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            (np.zeros(19, int), "20 examples and 19 labels"),
            (np.full(20, -1), "smallest label of array is -1"),
            (np.zeros((20, 2), int), "shape"),
            (np.full(20, np.nan), "not finite"),
        ],
    )
    def test_labels(self, labels: np.ndarray, words: str) -> None:
        with pytest.raises(DataError, match=words):
            ArrayData(IMAGES, labels)

    def test_more_classes_than_the_space_has(self) -> None:
        with pytest.raises(DataError, match="label 19"):
            ArrayData(IMAGES, np.arange(20), space=Space((3, 5, 4), classes=10))


class TestBatch:
    def test_rows_labels_and_values(self) -> None:
        index = torch.tensor([7, 0, 7])
        batch = ArrayData(IMAGES, np.arange(20) % 4).batch(index)
        assert torch.equal(batch.index, index)
        assert batch.c is not None and batch.c.tolist() == [3, 0, 3] and batch.c.dtype is torch.int64
        torch.testing.assert_close(batch.x, torch.from_numpy(IMAGES[[7, 0, 7]]).float() / 127.5 - 1)

    def test_labels_count_the_classes(self) -> None:
        assert ArrayData(IMAGES, np.arange(20) % 4).space.classes == 4
        assert ArrayData(IMAGES, np.arange(20).reshape(20, 1) % 4).space.classes == 4

    def test_conditioning_that_is_no_label(self) -> None:
        data = ArrayData(IMAGES, np.linspace(0, 1, 20))
        c = data.batch(torch.tensor([19])).c
        assert c is not None and c.tolist() == [[1.0]]
        assert data.space.classes is None

    def test_a_mapped_file_gives_the_same_as_memory(self, tmp_path: Path) -> None:
        inside, outside = ArrayData(IMAGES), ArrayData(mapped(tmp_path / "x.npy", IMAGES))
        index = torch.tensor([3, 19, 3])
        assert inside.space == outside.space
        assert inside.digest == outside.digest
        assert torch.equal(inside.batch(index).x, outside.batch(index).x)
        assert outside.to("cpu") is outside

    def test_a_fortran_ordered_array_gives_the_same(self) -> None:
        other = ArrayData(np.asfortranarray(IMAGES))
        assert other.digest == ArrayData(IMAGES).digest
        assert torch.equal(other.batch(torch.tensor([5])).x, ArrayData(IMAGES).batch(torch.tensor([5])).x)

    def test_batch_does_not_change_the_data(self) -> None:
        x = torch.rand(4, 1, 2, 2)
        before = x.clone()
        data = ArrayData(x)
        data.batch(torch.arange(4)).x.fill_(9.0)
        assert torch.equal(x, before)


class TestDigest:
    def test_is_the_hash_of_type_shape_and_bytes(self) -> None:
        expected = hashlib.sha256(b"uint8 20x3x5x4\n" + IMAGES.tobytes()).hexdigest()
        assert ArrayData(IMAGES).digest == ArrayData(torch.from_numpy(IMAGES)).digest == digest_of(IMAGES)
        assert digest_of(IMAGES) == expected

    def test_one_changed_value_changes_it(self) -> None:
        other = IMAGES.copy()
        other[19, 2, 4, 3] ^= 1
        assert ArrayData(other).digest != ArrayData(IMAGES).digest


class TestSubset:
    @pytest.mark.parametrize("on_disk", [False, True])
    def test_rows_of_rows(self, on_disk: bool, tmp_path: Path) -> None:
        data = ArrayData(mapped(tmp_path / "x.npy", IMAGES) if on_disk else IMAGES, np.arange(20))
        part = data.subset(torch.arange(1, 20, 2)).subset(torch.tensor([2, 0]))
        assert len(part) == 2
        assert part.labels is not None and part.labels.tolist() == [5, 1]
        assert torch.equal(part.batch(torch.tensor([0])).x, data.batch(torch.tensor([5])).x)
        assert part.digest == digest_of(IMAGES[[5, 1]])
        assert part.space == data.space


def test_one_large_example_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments of a megabyte in pieces of 64 kB; counted in one piece they take 8 MB of int64."""
    monkeypatch.setattr("veridical.data.dataset._CHUNK_BYTES", 1 << 16)
    x = RNG.integers(0, 256, (1, 1, 1024, 1024), dtype=np.uint8)
    tracemalloc.start()
    space = ArrayData(x).space
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6
    assert space.mean == pytest.approx((x / 127.5 - 1).mean(), abs=1e-6)
