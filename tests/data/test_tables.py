import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from veridical.config import DataConfig
from veridical.data.errors import DataError
from veridical.data.sources import load
from veridical.data.tables import read_csv


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_rows_are_vectors(separator: str, header: bool, tmp_path: Path) -> None:
    x = np.array([[1.5, -2.0], [0.25, 3e-4], [7, 8]])
    lines = [separator.join(map(str, row)) for row in x]
    path = written(tmp_path / "a.csv", "\n".join([separator.join("ab"), *lines] if header else lines))
    got, labels, notes = read_csv(path)
    assert (got == x).all() and labels is None and notes == ()
    data = load(DataConfig(source=str(path), holdout=0.0))
    assert data.space.kind == "vector" and data.space.shape == (2,)
    assert (data.batch(torch.arange(3)).x.numpy() == x.astype(np.float32)).all()


@pytest.mark.parametrize(("cells", "names"), [("012", None), (("cat", "dog", "cat"), ("cat", "dog"))])
def test_a_column_of_labels(cells, names, tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{cell},{i * i}" for i, cell in enumerate(cells))
    data = load(DataConfig(source=str(written(tmp_path / "a.csv", f"a,Label,b\n{rows}\n")), holdout=0.0))
    assert data.space.shape == (2,) and data.class_names == names
    assert data.labels is not None and data.labels.tolist() == ([0, 1, 2] if names is None else [0, 1, 0])
    assert "'Label'" in data.notes[0]


def test_tables_of_bits_have_two_levels(tmp_path: Path) -> None:
    data = load(DataConfig(source=str(written(tmp_path / "a.csv", "0,1\n1,1\n1,0")), holdout=0.0))
    assert data.space.levels == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("a,b\n", "no rows"),
        ("1,2\n3\n", "row 2 .* has 1 columns"),
        ("a,b\n1,x\n", "'x' in row 2, column 'b'; expected a number"),
        ("1,2\n3,x\n", "'x' in row 2, column 2"),
    ],
)
def test_refusals(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        read_csv(written(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    "text", ["x,y\n1.5,2.5\n3,4\n", "x,y\n1,2\n3,4\n", "a,target\n1,2.5\n3,4\n", "height,Y\n1,0.5\n3,4\n"]
)
def test_coordinates_and_fractions_are_no_labels(text: str, tmp_path: Path) -> None:
    x, labels, notes = read_csv(written(tmp_path / "a.csv", text))
    assert x.shape == (2, 2) and labels is None and notes == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1," + b"2" * 200_000, "cannot be read as text"),  # longer than a cell may be
        (b"a,label\n1,2\n3," + b"4" * 200, "a label of 200 digits"),
        (b"1,2\n3,\xff", "cannot be read as text"),
    ],
)
def test_cells_that_no_table_holds_are_refused_by_name(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.csv .*{words}"):
        read_csv(tmp_path / "a.csv")


def test_whole_numbers_too_large_for_integers_stay_doubles(tmp_path: Path) -> None:
    """Mutant: a conversion to int64 turns 1e300 into -2^63."""
    x, _, _ = read_csv(written(tmp_path / "a.csv", "1,1e300\n2,3\n"))
    assert x.dtype == np.float64 and x.tolist() == [[1.0, 1e300], [2.0, 3.0]]


def test_columns_that_could_be_labels_and_are_not_keep_their_places(tmp_path: Path) -> None:
    x, y, _ = read_csv(written(tmp_path / "a.csv", "class,a,target,b\n0.5,1,7,2\n1.5,3,8,4\n"))
    assert y is not None and y.tolist() == [7, 8] and x.tolist() == [[0.5, 1, 2], [1.5, 3, 4]]
    x, y, _ = read_csv(written(tmp_path / "b.csv", "a,y,b,label\n1,7,2,0\n3,8,4,1\n"))
    assert y is not None and y.tolist() == [7, 8] and x.tolist() == [[1, 2, 0], [3, 4, 1]]


def test_a_table_needs_little_more_memory_than_its_numbers(tmp_path: Path) -> None:
    """Mutant: rows of texts need sixty bytes for each cell."""
    path = written(tmp_path / "a.csv", "1.5,2.5,3.5,4.5\n" * 50_000)
    tracemalloc.start()
    try:
        read_csv(path)
        assert tracemalloc.get_traced_memory()[1] < 200_000 * 32
    finally:
        tracemalloc.stop()
