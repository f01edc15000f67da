"""Tables of numbers: CSV files, one example per row."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from veridical.data.errors import DataError

_LABELS = ("y", "label", "labels", "class", "target")


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Read the rows of a table as vectors; a column named label (y, class, target) holds the labels.

    A column with fractions is not a label column; neither is the y of a column pair x, y, which is a coordinate. The
    separator is a comma, semicolon or tab; a first row that is not all numbers names the columns.

    Returns:
        (N, d) values, int64 if all are integers; (N,) labels or None; notes.

    Raises:
        DataError: no rows, rows of different lengths, or text where a number is expected.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({error}).", "Expected a CSV table of numbers.") from error
    head = text.partition("\n")[0]
    rows = [row for row in csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count)) if row]
    names = None if not rows or all(_is_number(cell) for cell in rows[0]) else [name.strip() for name in rows[0]]
    first = 1 if names else 0
    if not rows[first:]:
        raise DataError(f"{path} contains no rows of numbers.", "Expected one example per row.")
    width = len(rows[0])
    odd = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if odd is not None:
        raise DataError(f"row {odd + 1} of {path} has {len(rows[odd])} columns, the first has {width}.")
    label = _label_of(names or [], rows[first:])
    columns = [i for i in range(width) if i != label]
    x = _numbers(rows[first:], columns, names, first, path)
    note = f"the column {names[label]!r} was taken as labels" if names and label is not None else ""
    return x, None if label is None else _label_column(rows[first:], label), (note,) if note else ()


def _label_of(names: list[str], rows: list[list[str]]) -> int | None:
    """Return the column of labels, or None; a column y after x is a coordinate, and fractions are not labels."""
    folded = [name.lower() for name in names]
    for i, name in enumerate(folded):
        coordinate = name == "y" and "x" in folded
        fractions = any(_is_number(row[i]) and not float(row[i]).is_integer() for row in rows)
        if name in _LABELS and len(names) > 1 and not coordinate and not fractions:
            return i
    return None


def _numbers(rows: list[list[str]], columns: list[int], names: list[str] | None, first: int, path: Path) -> np.ndarray:
    try:
        x = np.array([[float(row[i]) for i in columns] for row in rows])
    except ValueError:
        i, j = next((i, j) for i, row in enumerate(rows) for j in columns if not _is_number(row[j]))
        where = f"column {names[j]!r}" if names else f"column {j + 1}"
        raise DataError(
            f"{path} holds {rows[i][j]!r} in row {i + first + 1}, {where}; expected a number.",
            "Remove the column or row, or name the column label if it holds labels.",
        ) from None
    return x.astype(np.int64) if (np.isfinite(x).all() and (x == np.rint(x)).all()) else x


def _label_column(rows: list[list[str]], column: int) -> np.ndarray:
    words = [row[column].strip() for row in rows]
    return np.array([int(word) for word in words]) if all(word.isdecimal() for word in words) else np.array(words)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
