import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from veridical.data.dataset import ArrayData, digest_of
from veridical.data.errors import DataError
from veridical.data.space import Space

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (20, 3, 5, 4), dtype=np.uint8)
CONTINUOUS = Space((2,), "vector", None, None)


def mapped(path: Path, x: np.ndarray) -> np.ndarray:
    np.save(path, x)
    return np.load(path, mmap_mode="r")


class TestSpace:
    def test_8_bit_pictures(self) -> None:
        space = ArrayData(PICTURES).space
        x = PICTURES / 127.5 - 1
        assert (space.shape, space.kind, space.support, space.levels) == ((3, 5, 4), "image", (-1.0, 1.0), 256)
        assert space.mean == pytest.approx(x.mean(), abs=1e-6)
        assert space.std == pytest.approx(x.std(), abs=1e-6)

    def test_grey_pictures_get_a_channel(self) -> None:
        assert ArrayData(PICTURES[:, 0]).space.shape == (1, 5, 4)

    def test_17_levels(self) -> None:
        data = ArrayData(PICTURES % 17, levels=17)
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
        assert ArrayData(PICTURES, space=space).space == space

    def test_doubles_are_rounded_and_that_is_said(self) -> None:
        data = ArrayData(RNG.normal(size=(5, 2)))
        assert data.batch(torch.arange(5)).x.dtype is torch.float32
        assert "float32" in data.notes[0]

    def test_dark_pictures_are_remarked(self) -> None:
        assert "levels=17" in ArrayData(PICTURES % 17).notes[0]

    @pytest.mark.parametrize("dtype", [np.uint16, np.int64, ">f4", "<f2", ">i2"])
    def test_other_number_types_of_vectors_become_float32(self, dtype: str) -> None:
        data = ArrayData(np.array([[1, 2], [3, 5]], dtype=dtype))
        assert data.batch(torch.arange(2)).x.tolist() == [[1.0, 2.0], [3.0, 5.0]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("x", "words"),
        [
            (np.zeros((0, 3, 2, 2), np.uint8), "shape"),
            (np.zeros(5, np.uint8), "shape"),
            (np.zeros((3, 0), np.float32), "shape"),
            (np.full((3, 1, 2, 2), 7, np.uint8), "nothing to learn"),
            (np.array([["a", "b"]]), "expected numbers"),
            (RNG.normal(0, 9, (3, 1, 2, 2)).astype(np.float32), "pass a Space"),
            (np.arange(12).reshape(3, 1, 2, 2), "pass a Space"),
            (np.arange(3 * 2**4).reshape(3, 2, 2, 2, 2), "pass a Space"),
            (np.array([[1.0, 2.0], [np.nan, 0.0], [np.inf, 0.0]]), "2 of 3 examples.*row 1"),
            (RNG.integers(0, 255, (4, 8, 8, 3), dtype=np.uint8), "channels last"),
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
            (PICTURES, Space((3, 4, 5)), r"\(3, 5, 4\)"),
            (PICTURES, Space((3, 5, 4), levels=17), "17 levels"),
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
            (np.full(20, -1), "down to -1"),
            (np.zeros((20, 2), int), "shape"),
            (np.full(20, np.nan), "not finite"),
        ],
    )
    def test_labels(self, labels: np.ndarray, words: str) -> None:
        with pytest.raises(DataError, match=words):
            ArrayData(PICTURES, labels)

    def test_more_classes_than_the_space_has(self) -> None:
        with pytest.raises(DataError, match="label 19"):
            ArrayData(PICTURES, np.arange(20), space=Space((3, 5, 4), classes=10))


class TestBatch:
    def test_rows_labels_and_values(self) -> None:
        index = torch.tensor([7, 0, 7])
        batch = ArrayData(PICTURES, np.arange(20) % 4).batch(index)
        assert torch.equal(batch.index, index)
        assert batch.c is not None and batch.c.tolist() == [3, 0, 3] and batch.c.dtype is torch.int64
        torch.testing.assert_close(batch.x, torch.from_numpy(PICTURES[[7, 0, 7]]).float() / 127.5 - 1)

    def test_labels_count_the_classes(self) -> None:
        assert ArrayData(PICTURES, np.arange(20) % 4).space.classes == 4
        assert ArrayData(PICTURES, np.arange(20).reshape(20, 1) % 4).space.classes == 4

    def test_conditioning_that_is_no_label(self) -> None:
        data = ArrayData(PICTURES, np.linspace(0, 1, 20))
        c = data.batch(torch.tensor([19])).c
        assert c is not None and c.tolist() == [[1.0]]
        assert data.space.classes is None

    def test_a_mapped_file_gives_the_same_as_memory(self, tmp_path: Path) -> None:
        inside, outside = ArrayData(PICTURES), ArrayData(mapped(tmp_path / "x.npy", PICTURES))
        index = torch.tensor([3, 19, 3])
        assert inside.space == outside.space
        assert inside.digest == outside.digest
        assert torch.equal(inside.batch(index).x, outside.batch(index).x)
        assert outside.to("cpu") is outside

    def test_a_fortran_ordered_array_gives_the_same(self) -> None:
        other = ArrayData(np.asfortranarray(PICTURES))
        assert other.digest == ArrayData(PICTURES).digest
        assert torch.equal(other.batch(torch.tensor([5])).x, ArrayData(PICTURES).batch(torch.tensor([5])).x)

    def test_batch_does_not_change_the_data(self) -> None:
        x = torch.rand(4, 1, 2, 2)
        before = x.clone()
        data = ArrayData(x)
        data.batch(torch.arange(4)).x.fill_(9.0)
        assert torch.equal(x, before)


class TestDigest:
    def test_is_the_hash_of_type_shape_and_bytes(self) -> None:
        expected = hashlib.sha256(b"uint8 20x3x5x4\n" + PICTURES.tobytes()).hexdigest()
        assert ArrayData(PICTURES).digest == ArrayData(torch.from_numpy(PICTURES)).digest == digest_of(PICTURES)
        assert digest_of(PICTURES) == expected

    def test_one_changed_value_changes_it(self) -> None:
        other = PICTURES.copy()
        other[19, 2, 4, 3] ^= 1
        assert ArrayData(other).digest != ArrayData(PICTURES).digest


class TestSubset:
    @pytest.mark.parametrize("on_disk", [False, True])
    def test_rows_of_rows(self, on_disk: bool, tmp_path: Path) -> None:
        data = ArrayData(mapped(tmp_path / "x.npy", PICTURES) if on_disk else PICTURES, np.arange(20))
        part = data.subset(torch.arange(1, 20, 2)).subset(torch.tensor([2, 0]))
        assert len(part) == 2
        assert part.labels is not None and part.labels.tolist() == [5, 1]
        assert torch.equal(part.batch(torch.tensor([0])).x, data.batch(torch.tensor([5])).x)
        assert part.digest == digest_of(PICTURES[[5, 1]])
        assert part.space == data.space
