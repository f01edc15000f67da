"""Sampling options of the autoregressive families; `families/autoregressive.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from veridical.config import checks
from veridical.config.sampling import SamplingOptions

Method = Literal["auto", "cached", "naive", "jacobi"]
METHODS: tuple[Method, ...] = get_args(Method)
"""Ways to solve a triangular system of equations, of sites or of tokens."""


@dataclass(frozen=True)
class AutoregressiveSampling(SamplingOptions):
    """Sampling site by site."""

    labels: ClassVar[bool] = True
    completes: ClassVar[bool] = True

    method: Method = "auto"
    """How the same sample is computed. cached: site by site, keeping what does not change; naive: site by site, with
    the whole network each time; jacobi: all sites at once, repeated until nothing changes. auto: cached if the family
    can, otherwise jacobi."""

    def __post_init__(self) -> None:
        checks.one_of("method", self.method, METHODS)
