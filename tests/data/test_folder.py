import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import DataConfig
from veridical.data.cache import available_memory
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.folder import list_images
from veridical.data.sources import load
from veridical.data.split import held_out

RNG = np.random.default_rng(0)


def image(path: Path, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    """Save an image of noise; lossless."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def images(folder: Path, n: int, **options) -> Path:
    for i in range(n):
        image(folder / f"{i:03d}.png", **options)
    return folder


def config(folder: Path, **options) -> DataConfig:
    choices: dict[str, Any] = {"holdout": 0.0} | options
    return DataConfig(source=str(folder), **choices)


def every(data: ArrayData) -> np.ndarray:
    return ((data.batch(torch.arange(len(data))).x + 1) * 127.5).round().numpy().astype(np.uint8)


def on_file(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file))[None] for file in sorted(folder.rglob("*.png"))])


class TestReading:
    def test_images_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 5)
        data = load(config(folder))
        assert (data.space.shape, data.space.classes, data.name) == ((1, 8, 8), None, "in")
        assert (every(data) == on_file(folder)).all()
        assert data.notes == ()

    def test_sub_folders_are_classes(self, tmp_path: Path) -> None:
        images(tmp_path / "in" / "dogs", 2)
        images(tmp_path / "in" / "cats", 3)
        data = load(config(tmp_path / "in"))
        assert data.labels is not None and data.labels.tolist() == [0, 0, 0, 1, 1]
        assert load(config(tmp_path / "in", labels=False)).labels is None

    def test_one_sub_folder_makes_no_labels(self, tmp_path: Path) -> None:
        images(tmp_path / "in" / "only", 2)
        data = load(config(tmp_path / "in"))
        assert data.labels is None and "no labels" in data.notes[0]

    def test_other_files_and_deeper_folders_are_said(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 2)
        (folder / "readme.txt").write_text("hello")
        (folder / ".DS_Store").write_text("hidden files are not worth a word")
        image(folder / "a" / "b" / "deep.png")
        image(folder / "a" / "shallow.png")
        notes = load(config(folder, labels=False)).notes
        assert notes[0] == "1 other files left out (1 .txt)"
        assert "1 folders deeper than one level" in notes[1]

    def test_grey_and_colour_together_become_colour(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 2)
        image(folder / "z.png", mode="RGB")
        data = load(config(folder))
        assert data.space.shape == (3, 8, 8)
        assert data.notes == ("2 of 3 images: grey made colour by repeating the channel",)
        grey = load(config(folder, channels="grey"))
        assert grey.space.shape == (1, 8, 8)
        assert grey.notes == ("1 of 3 images: colour made grey (ITU-R 601 luma)",)

    def test_conversions_are_counted(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 3, mode="RGB")
        image(folder / "y.png", mode="RGBA")
        image(folder / "z.png", mode="RGBA")
        assert load(config(folder)).notes == ("2 of 5 images: transparency composited on black",)

    def test_jpegs_are_counted(self, tmp_path: Path) -> None:
        for i in range(6):
            picture = Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16), dtype=np.uint8))
            picture.save(tmp_path / (f"{i}.jpg" if i < 4 else f"{i}.png"))
        assert "4 of 6 images: stored as JPEG, with loss" in load(DataConfig(source=str(tmp_path))).notes

    def test_images_that_are_not_square_are_taken_as_they_are(self, tmp_path: Path) -> None:
        assert load(config(images(tmp_path / "in", 3, size=(10, 6)))).space.shape == (1, 6, 10)

    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    def test_sizes_are_brought_together(self, fit, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 2, size=(16, 16))
        image(folder / "y.png", size=(40, 20))
        image(folder / "z.png", size=(20, 31))
        data = load(config(folder, size=16, fit=fit))
        assert data.space.shape == (1, 16, 16)
        assert data.notes[0].startswith("2 of 4 images: resized to 16x16")
        assert (every(data)[0, 0] == np.asarray(Image.open(folder / "000.png"))).all()

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 2)
        os.rename(folder / "000.png", os.fsencode(str(folder)) + b"/\xff\xfe.png")
        assert len(load(config(folder), memory_limit=0)) == 2


class TestRefusals:
    def refused(self, folder: Path, words: str, **options) -> str:
        with pytest.raises(DataError, match=words) as caught:
            load(config(folder, **options))
        return str(caught.value)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        self.refused(tmp_path / "in", "is empty")

    def test_no_images(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("hello")
        self.refused(tmp_path, r"no images; other files: 1 \.txt")

    def test_images_too_deep(self, tmp_path: Path) -> None:
        image(tmp_path / "a" / "b" / "c.png")
        self.refused(tmp_path, "deeper than one level")

    def test_empty_sub_folders(self, tmp_path: Path) -> None:
        (tmp_path / "in" / "a").mkdir(parents=True)
        self.refused(tmp_path / "in", "sub-folders are empty")

    def test_images_beside_classes(self, tmp_path: Path) -> None:
        image(tmp_path / "in" / "a.png")
        image(tmp_path / "in" / "x" / "b.png")
        self.refused(tmp_path / "in", "would have no label.*--no-labels")

    def test_mixed_sizes_with_the_histogram_and_the_flags(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 6, size=(80, 100))
        image(folder / "y.png", size=(64, 64))
        image(folder / "z.png", size=(500, 64))
        message = self.refused(folder, "have 3 sizes")
        assert "80 x 100" in message and "#" in message
        assert "--size 64 --fit crop" in message

    def test_not_square_with_a_size(self, tmp_path: Path) -> None:
        message = self.refused(images(tmp_path / "in", 2, size=(10, 6)), "not square", size=8)
        assert "10 x 6" in message and "--fit crop" in message

    def test_all_bad_files_are_counted_and_named(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 4, size=(64, 64))
        (folder / "000.png").write_bytes(b"no image")  # found by its header
        content = (folder / "002.png").read_bytes()
        (folder / "002.png").write_bytes(content[: len(content) // 2])  # found by decoding alone
        message = self.refused(folder, "2 of 4 images")
        assert "000.png: " in message and "002.png: " in message
        assert "--on-bad skip" in message

    def test_only_bad_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"no image")
        self.refused(tmp_path, "1 of 1 images of .* cannot be read", on_bad="skip")

    def test_bad_files_can_be_left_out_and_that_is_said(self, tmp_path: Path) -> None:
        images(tmp_path / "in" / "a", 3)
        images(tmp_path / "in" / "b", 2)
        (tmp_path / "in" / "a" / "001.png").write_bytes(b"no image")
        data = load(config(tmp_path / "in", on_bad="skip"))
        assert data.labels is not None and data.labels.tolist() == [0, 0, 1, 1]
        assert data.notes == ("1 images left out because they cannot be read: 001.png",)


class TestSplits:
    def test_a_share_is_held_out(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 20)
        train, test = (load(config(folder, holdout=0.25), split) for split in ("train", "test"))
        files = on_file(folder)
        chosen = held_out(20, 0.25)
        assert chosen.sum() == 5
        assert (every(test) == files[chosen]).all() and (every(train) == files[~chosen]).all()
        assert train.space == test.space

    def test_nothing_held_out(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 5)
        assert len(load(config(folder, holdout=0.1))) == 5
        with pytest.raises(DataError, match="no test split"):
            load(config(folder, holdout=0.1), "test")

    @pytest.mark.parametrize("name", ["test", "val"])
    def test_folders_train_and_test_are_splits_and_no_classes(self, name: str, tmp_path: Path) -> None:
        for split, n in (("train", 4), (name, 2)):
            for label in ("a", "b"):
                images(tmp_path / "in" / split / label, n)
        train, test = (load(config(tmp_path / "in"), split) for split in ("train", "test"))
        assert (len(train), len(test)) == (8, 4)
        assert test.labels is not None and test.labels.tolist() == [0, 0, 1, 1]
        assert train.space == test.space
        assert (every(test) == on_file(tmp_path / "in" / name)).all()

    def test_classes_of_the_test_folder_must_be_those_of_the_training_folder(self, tmp_path: Path) -> None:
        for place in ("train/a", "train/b", "test/a", "test/c"):
            images(tmp_path / "in" / place, 2)
        with pytest.raises(DataError, match="the classes of"):
            load(config(tmp_path / "in"), "test")

    def test_a_grey_test_folder_follows_a_colour_training_folder(self, tmp_path: Path) -> None:
        images(tmp_path / "in" / "train", 3, mode="RGB")
        images(tmp_path / "in" / "test", 2)
        assert load(config(tmp_path / "in"), "test").batch(torch.arange(2)).x.shape == (2, 3, 8, 8)


class TestCache:
    def test_the_same_data_as_in_memory_outside_the_folder(self, tmp_path: Path, own_cache: Path) -> None:
        folder = images(tmp_path / "in", 12)
        before = sorted(tmp_path.joinpath("in").iterdir())
        mapped = load(config(folder, holdout=0.25), memory_limit=0)
        inside = load(config(folder, holdout=0.25), memory_limit=None)
        assert sorted(folder.iterdir()) == before
        assert mapped.digest == load(config(tmp_path / "in", holdout=0.25)).digest == inside.digest
        assert (every(mapped) == on_file(folder)[~held_out(12, 0.25)]).all()
        assert "used again next time" in mapped.notes[0]
        files = sorted(path.suffix for path in (own_cache / "folders").iterdir())
        assert files == [".json", ".npy"]

    def test_memory_is_used_when_it_is_enough(self, tmp_path: Path, own_cache: Path) -> None:
        load(config(images(tmp_path / "in", 3)), memory_limit=3 * 64)
        assert not own_cache.exists()
        load(config(tmp_path / "in"), memory_limit=3 * 64 - 1)
        assert own_cache.exists()

    def test_it_is_used_again(self, tmp_path: Path, own_cache: Path) -> None:
        folder = images(tmp_path / "in", 3)
        first = load(config(folder), memory_limit=0)
        (npy,) = (own_cache / "folders").glob("*.npy")
        with open(npy, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 0xFF]))  # a mark, to see that the file itself is read
        again = load(config(folder), memory_limit=0)
        assert int(every(again)[-1, 0, -1, -1]) == last ^ 0xFF
        assert again.notes == first.notes

    @pytest.mark.parametrize("change", ["content", "name", "options"])
    def test_what_changes_the_images_changes_the_cache(self, change: str, tmp_path: Path, own_cache: Path) -> None:
        folder = images(tmp_path / "in", 3)
        load(config(folder), memory_limit=0)
        size = None
        if change == "content":
            image(folder / "001.png")
            os.utime(folder / "001.png", ns=(1, 1))
        elif change == "name":
            (folder / "001.png").rename(folder / "009.png")
        else:
            size = 4
        data = load(config(folder, size=size), memory_limit=0)
        assert len(list((own_cache / "folders").glob("*.npy"))) == 2
        if size is None:
            assert (every(data) == on_file(folder)).all()

    def test_bad_files_left_out_shorten_it(self, tmp_path: Path) -> None:
        folder = images(tmp_path / "in", 5, size=(64, 64))
        content = (folder / "002.png").read_bytes()
        (folder / "002.png").write_bytes(content[: len(content) // 2])
        inside = load(config(folder, on_bad="skip"))
        mapped = load(config(folder, on_bad="skip"), memory_limit=0)
        assert len(mapped) == 4
        assert mapped.digest == inside.digest
        assert load(config(folder, on_bad="skip"), memory_limit=0).digest == inside.digest

    def test_a_failed_decoding_leaves_nothing(self, tmp_path: Path, own_cache: Path) -> None:
        folder = images(tmp_path / "in", 3, size=(64, 64))
        content = (folder / "002.png").read_bytes()
        (folder / "002.png").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="1 of 3"):
            load(config(folder), memory_limit=0)
        assert list((own_cache / "folders").iterdir()) == []

    def test_a_file_without_its_second_half_is_not_used(self, tmp_path: Path, own_cache: Path) -> None:
        folder = images(tmp_path / "in", 3)
        load(config(folder), memory_limit=0)
        (npy,) = (own_cache / "folders").glob("*.npy")
        npy.write_bytes(b"half")
        npy.with_suffix(".json").unlink()
        assert (every(load(config(folder), memory_limit=0)) == on_file(folder)).all()


def test_available_memory_is_positive() -> None:
    assert available_memory() > 0


class TestOneImage:
    def test_is_data_of_one_example(self, tmp_path: Path) -> None:
        pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        data = load(DataConfig(source=str(tmp_path / "a.png")))
        assert len(data) == 1 and data.space.shape == (3, 6, 8)
        x = pixels.transpose(2, 0, 1) / 127.5 - 1
        assert data.space.mean == pytest.approx(x.mean(), abs=1e-6)
        assert data.space.std == pytest.approx(x.std(), abs=1e-6)
        torch.testing.assert_close(data.batch(torch.tensor([0])).x[0], torch.from_numpy(x).float())

    def test_has_no_test_split(self, tmp_path: Path) -> None:
        source = str(image(tmp_path / "a.png"))
        with pytest.raises(DataError, match="one single example"):
            load(DataConfig(source=source), "test")

    def test_size_and_fit_apply(self, tmp_path: Path) -> None:
        Image.fromarray(RNG.integers(0, 256, (8, 16), dtype=np.uint8)).save(tmp_path / "a.png")
        assert load(DataConfig(source=str(tmp_path / "a.png"), size=8, fit="crop")).space.shape == (1, 8, 8)


class TestClasses:
    """Structure and names taken for meaning: the cases class_order and shards_as_classes, and their kind."""

    def test_folders_named_by_numbers_are_in_the_order_of_the_numbers(self, tmp_path: Path) -> None:
        for name in range(12):
            image(tmp_path / "in" / str(name) / "a.png")
        data = load(DataConfig(source=str(tmp_path / "in"), holdout=0.0))
        assert data.class_names == tuple(str(name) for name in range(12))
        assert data.labels is not None and data.class_names is not None
        listing = list_images(tmp_path / "in", labels=True)
        assert [data.class_names[int(c)] for c in data.labels] == [file.parent.name for file in listing.files]

    @pytest.mark.parametrize("names", [("00000", "01000", "02000"), ("0000", "0001"), ("part1", "part2", "part10")])
    def test_numbered_parts_are_no_classes(self, names: tuple[str, ...], tmp_path: Path) -> None:
        for name in names:
            image(tmp_path / "in" / name / "a.png")
        listing = list_images(tmp_path / "in", labels=True)
        assert listing.classes is None and "not classes" in listing.notes[0]

    @pytest.mark.parametrize("names", [("2019", "2020"), ("0", "1"), ("00", "01"), ("n01440764", "n01443537")])
    def test_other_numbers_are(self, names: tuple[str, ...], tmp_path: Path) -> None:
        for name in names:
            image(tmp_path / "in" / name / "a.png")
        assert list_images(tmp_path / "in", labels=True).classes == list(names)

    def test_labels_of_a_file_count_before_folders(self, tmp_path: Path) -> None:
        files = [image(tmp_path / "in" / f"{i // 3:05d}" / f"{i}.png") for i in range(6)]
        stated = [[str(file.relative_to(tmp_path / "in")), i % 3] for i, file in enumerate(files)]
        (tmp_path / "in" / "dataset.json").write_text(json.dumps({"labels": stated}))
        data = load(DataConfig(source=str(tmp_path / "in"), holdout=0.0))
        assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 0, 1, 2]
        assert any("dataset.json" in note for note in data.notes)
        assert load(DataConfig(source=str(tmp_path / "in"), labels=False)).labels is None

    @pytest.mark.parametrize("text", ["no json", '{"labels": [["a.png", 0]]}', '{"labels": 3}', "{}"])
    def test_labels_that_cannot_be_read_are_refused(self, text: str, tmp_path: Path) -> None:
        image(tmp_path / "in" / "b.png")
        image(tmp_path / "in" / "c.png")
        (tmp_path / "in" / "dataset.json").write_text(text)
        with pytest.raises(DataError, match="--no-labels"):
            list_images(tmp_path / "in", labels=True)


class TestRanges:
    """Values that use a sliver of their range: the cases twelve_bit and ink_on_transparent, and their kind."""

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_scans_of_few_bits(self, bits: int, tmp_path: Path) -> None:
        top = (1 << bits) - 1
        scans = RNG.integers(0, top + 1, (4, 5, 5)).astype(np.uint16)
        scans[:, 0, :2] = 0, top
        (tmp_path / "in").mkdir()
        for i, scan in enumerate(scans):
            Image.fromarray(scan).save(tmp_path / "in" / f"{i}.png")
        data = load(DataConfig(source=str(tmp_path / "in"), holdout=0.0))
        assert any(f"--levels {top + 1}" in note for note in data.notes)
        data = load(DataConfig(source=str(tmp_path / "in"), holdout=0.0, levels=top + 1))
        expected = np.rint(255.0 * scans[3] / top) / 127.5 - 1
        torch.testing.assert_close(data.batch(torch.tensor([3])).x[0, 0], torch.from_numpy(expected).float())
        assert not any("--levels" in note for note in data.notes)
        with pytest.raises(DataError, match="above 511"):
            load(DataConfig(source=str(tmp_path / "in"), levels=512))

    def test_8_bit_images_of_few_levels(self, tmp_path: Path) -> None:
        for i in range(4):
            image(tmp_path / "in" / f"{i}.png").unlink()
            Image.fromarray(RNG.integers(0, 17, (20, 20), dtype=np.uint8)).save(tmp_path / "in" / f"{i}.png")
        notes = load(DataConfig(source=str(tmp_path / "in"), holdout=0.0)).notes
        assert sum("--levels 17" in note for note in notes) == 1
        assert load(DataConfig(source=str(tmp_path / "in"), levels=17)).space.levels == 17

    def test_ink_on_transparency_is_put_on_white_when_asked(self, tmp_path: Path) -> None:
        folder = tmp_path / "ink"
        folder.mkdir()
        for i in range(4):
            drawing = np.zeros((6, 6, 4), np.uint8)
            drawing[i, :, 3] = 255  # black where opaque
            Image.fromarray(drawing).save(folder / f"{i}.png")
        with pytest.raises(DataError, match="--background white"):
            load(DataConfig(source=str(folder)))
        x = load(DataConfig(source=str(folder), holdout=0.0, background="white")).batch(torch.arange(4)).x
        assert all((x[i, :, i] == -1).all() and x[i].mean() > 0.5 for i in range(4))


class TestNames:
    """A folder and a named set of one name: the case name_shadow."""

    def test_both_readings_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image(tmp_path / "digits" / "a.png")
        image(tmp_path / "digits" / "b.png")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=r"\./digits for the folder or set:digits for the named set"):
            load(DataConfig(source="digits"))
        assert len(load(DataConfig(source="./digits", holdout=0.0))) == 2
        assert len(load(DataConfig(source="set:digits"))) == 1438

    def test_a_set_that_does_not_exist(self) -> None:
        with pytest.raises(DataError, match="Did you mean digits"):
            load(DataConfig(source="set:digit"))


def test_a_stray_image_is_named_and_the_size_of_all_others_proposed(tmp_path: Path) -> None:
    images(tmp_path, 30)
    image(tmp_path / "grid.png", (70, 70))
    with pytest.raises(DataError, match=r"Does .*grid\.png belong here\?.*--size 8 --fit crop"):
        load(config(tmp_path))
