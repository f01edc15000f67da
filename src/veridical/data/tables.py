"""Tables of numbers: CSV files, one example per row."""

from __future__ import annotations

import csv
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from veridical import budget
from veridical.data.errors import DataError

_LABELS = ("y", "label", "labels", "class", "target")
_ROWS = 10_000  # between checks of the memory
_WHOLE = 2.0**53  # up to here doubles are exact integers
_DIGITS = 18


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
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            table = _read(csv.reader(file, delimiter=max(",;\t", key=head.count)), path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as text ({error}).", "Expected a CSV table of numbers.") from error
    if not table.n:
        raise DataError(f"{path} contains no rows of numbers.", "Expected one example per row.")
    label = next((i for i in table.candidates if not _fractions(table.words[i])), None)
    x = table.values(label, path)
    if label is None or table.names is None:
        return x, None, ()
    return x, _label_column(table.words[label], path), (f"the column {table.names[label]!r} was taken as labels",)


@dataclass
class _Table:
    """The cells of a table, read row by row, so that they need 8 bytes each."""

    names: list[str] | None
    width: int
    candidates: tuple[int, ...]
    """Columns whose name is that of labels."""

    first: int
    """Number of the first row of values."""

    n: int = 0
    cells: array[float] = field(default_factory=lambda: array("d"))
    """Values of all columns that are no candidates, row by row."""

    words: dict[int, list[str]] = field(default_factory=dict)
    """Text of the candidates."""

    def add(self, row: list[str], number: int, path: Path) -> None:
        """Add a row, the `number`-th of the file."""
        if len(row) != self.width:
            raise DataError(f"row {number} of {path} has {len(row)} columns, the first has {self.width}.")
        self.n += 1
        for i, cell in enumerate(row):
            if i in self.candidates:
                self.words.setdefault(i, []).append(sys.intern(cell))
            else:
                self.cells.append(_number(cell, number, self._column(i), path))

    def values(self, label: int | None, path: Path) -> np.ndarray:
        """Return (N, d) values of all columns but that of the labels, int64 if all are integers."""
        x = np.array(self.cells).reshape(self.n, self.width - len(self.candidates))
        for i in self.candidates:
            if i != label:
                column = [_number(cell, self.first + j, self._column(i), path) for j, cell in enumerate(self.words[i])]
                x = np.insert(x, i - sum(c < i for c in self.candidates if c == label), column, axis=1)
        whole = bool((np.abs(x) < _WHOLE).all() and (x == np.rint(x)).all())
        return x.astype(np.int64) if whole else x

    def _column(self, i: int) -> str:
        return f"column {self.names[i]!r}" if self.names else f"column {i + 1}"


def _read(rows: Iterator[list[str]], path: Path) -> _Table:
    """Read all rows; the first names the columns if it is not all numbers."""
    table = _Table(None, 0, (), 1)
    for number, row in enumerate((row for row in rows if row), 1):
        if number == 1:
            names = None if all(_is_number(cell) for cell in row) else [name.strip() for name in row]
            table = _Table(names, len(row), _candidates(names or []), 2 if names else 1)
            if names:
                continue
        table.add(row, number, path)
        if number % _ROWS == 0:
            budget.require(3 * 8 * len(table.cells), str(path), path.stat().st_size)
    return table


def _candidates(names: list[str]) -> tuple[int, ...]:
    """Return the columns that may hold labels; a column y after x is a coordinate."""
    folded = [name.lower() for name in names]
    named = (i for i, name in enumerate(folded) if name in _LABELS and not (name == "y" and "x" in folded))
    return tuple(named) if len(names) > 1 else ()


def _fractions(words: list[str]) -> bool:
    """Return whether some of the words are numbers that are not whole, which no label is."""
    return any(_is_number(word) and not float(word).is_integer() for word in set(words))


def _label_column(words: list[str], path: Path) -> np.ndarray:
    """Return labels as numbers if all are, otherwise as text."""
    words = [word.strip() for word in words]
    if not all(word.isdecimal() for word in words):
        return np.array(words)
    if max(map(len, words)) > _DIGITS:
        raise DataError(f"{path} holds a label of {max(map(len, words))} digits; expected integers from 0, or text.")
    return np.array([int(word) for word in words])


def _number(cell: str, row: int, column: str, path: Path) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DataError(
            f"{path} holds {cell[:40]!r} in row {row}, {column}; expected a number.",
            "Remove the column or row, or name the column label if it holds labels.",
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
