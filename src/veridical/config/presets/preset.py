"""What a preset is, and the pieces that presets are composed of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veridical.config.run import RunConfig
from veridical.config.training import OptimizerConfig


@dataclass(frozen=True)
class Preset:
    """A configuration, and what is known of it."""

    summary: str
    """What it is for, in one sentence."""

    config: RunConfig

    paper: str = ""
    """Where it comes from."""

    published: str = ""
    """What the paper, or a known reproduction of it, reports; on other data and with other budgets than ours."""

    measured: str = ""
    """What it reached here: on what, in how many seconds, on which hardware (docs/presets.md)."""


PLAIN: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}
"""A game without pairing and penalties, as it was before 2018."""


def both(optimizer: OptimizerConfig) -> dict[str, Any]:
    """Give both players the same optimiser."""
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}
