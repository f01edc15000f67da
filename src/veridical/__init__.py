"""Generative models, measured against the truth."""

__version__ = "0.1.0"
