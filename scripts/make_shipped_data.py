"""Make the data sets inside the package, byte for byte the same each time.

    python scripts/make_shipped_data.py DIGITS.csv.gz FASHION_MNIST_FOLDER

DIGITS.csv.gz is `sklearn/datasets/data/digits.csv.gz` of any scikit-learn wheel; the folder holds the four gzipped idx
files of Fashion-MNIST (Debian package dataset-fashion-mnist). Prints the SHA-256 of every array, as
`veridical.data.dataset.digest_of` defines it; `veridical.data.named` holds the same and checks them at each load.
"""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from veridical.data.dataset import digest_of
from veridical.data.idx import read_idx

SHIPPED = Path(__file__).parents[1] / "src" / "veridical" / "data" / "shipped"
EPOCH = (1980, 1, 1, 0, 0, 0)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed npz without the time of day, and print the digest of each array."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
            print(path.name, name, array.shape, array.dtype, digest_of(array))
    print(path.name, f"{path.stat().st_size:,} bytes")


def digits(source: Path) -> dict[str, np.ndarray]:
    """All 1797 digits in the order of the file; the split is made when they are loaded."""
    with gzip.open(source, "rt") as file:
        table = np.loadtxt(file, delimiter=",").astype(np.uint8)
    return {"x": table[:, :-1].reshape(-1, 1, 8, 8), "y": table[:, -1]}


def fashion(folder: Path) -> dict[str, np.ndarray]:
    """The first 10,000 training and the first 2,000 test images."""
    arrays: dict[str, np.ndarray] = {}
    for split, stem, n in (("train", "train", 10_000), ("test", "t10k", 2_000)):
        arrays[f"x_{split}"] = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")[:n, None]
        arrays[f"y_{split}"] = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")[:n]
    return arrays


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    SHIPPED.mkdir(exist_ok=True)
    write_npz(SHIPPED / "digits.npz", digits(Path(sys.argv[1])))
    write_npz(SHIPPED / "fashion-mnist-10k.npz", fashion(Path(sys.argv[2])))
