"""HTML report about one or more runs, and a JSON file with the same content. Does not import torch."""

from veridical.report.build import build

__all__ = ["build"]
