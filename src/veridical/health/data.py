"""Findings about the data of a run, which would otherwise be mistaken for faults of the training."""

from __future__ import annotations

from veridical.health.finding import Finding
from veridical.health.monitor import Episode, Monitor, Row


class Outlier(Monitor):
    """An example is so far from all others that it decides the scale of the data.

    Args:
        distance: largest distance of an example from the median of all, over the median distance.
        most: largest one that is not reported.
    """

    def __init__(self, distance: float, most: float = 100.0) -> None:
        super().__init__(Episode(rows=1))
        self.distance, self.most = distance, most

    def observe(self, row: Row) -> Finding | None:
        """Report once, at the first row."""
        if not self.episode.update(int(row["step"]), bad=self.distance > self.most, clear=False):
            return None
        return Finding(
            int(row["step"]),
            "outlier",
            "error",
            f"An example is {self.distance:,.3g} times as far from the centre of the data as the typical one.",
            "A missing value coded as a number, a wrong unit, or a broken file. It decides the standard deviation by "
            "which everything is scaled, and the gradient of every batch that holds it.",
            "Remove the example or correct it, and train on the corrected file.",
            "Huber & Ronchetti, Robust Statistics (2009), Sec. 1.2.",
        )


class RepeatedData(Monitor):
    """Most examples are copies of others.

    Args:
        distinct: share of the examples that differ from all before them.
        least: smallest share that is not reported.
    """

    def __init__(self, distinct: float, least: float = 0.1) -> None:
        super().__init__(Episode(rows=1))
        self.distinct, self.least = distinct, least

    def observe(self, row: Row) -> Finding | None:
        """Report once, at the first row."""
        if not self.episode.update(int(row["step"]), bad=self.distinct < self.least, clear=False):
            return None
        return Finding(
            int(row["step"]),
            "repeated-data",
            "warning",
            f"Only {self.distinct:.2%} of the examples differ from the others.",
            "The examples are copies of a few: constant images, a wrong column, or a file that was read again and "
            "again. "
            "A model can only learn the copies.",
            "Check the data (`veridical data check DATA`), and train on distinct examples.",
            "",
        )
