"""One offline HTML page about one or more runs, with its JSON twin. Imports no torch."""

from veridical.report.build import build

__all__ = ["build"]
