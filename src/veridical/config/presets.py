"""Presets of all families: `veridical train PRESET --data D`. Each is a complete `RunConfig`."""

from __future__ import annotations

from veridical.config.families.family import PURPOSES, Preset
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.run import RunConfig
from veridical.nearest import did_you_mean

PRESETS: dict[str, Preset] = {name: p for family in FAMILIES for name, p in find_family(family).presets.items()}
"""Every preset, in the order of the families."""


def find_preset(name: str) -> RunConfig:
    """Return the configuration of a preset, or the defaults of a family.

    Raises:
        ValueError: there is no preset or family of that name; the message names the closest one.
    """
    if name in PRESETS:
        return RunConfig(model=PRESETS[name].model, training=PRESETS[name].training)
    if name in FAMILIES:
        return RunConfig(model=find_family(name).config())
    raise ValueError(f"there is no preset {name!r}. {did_you_mean(name, [*PRESETS, *FAMILIES])}")


def by_purpose() -> dict[str, dict[str, Preset]]:
    """Return the presets by purpose; the keys describe the purpose."""
    groups: dict[str, dict[str, Preset]] = {purpose: {} for purpose in PURPOSES}
    for family in FAMILIES:
        declared = find_family(family)
        for name, preset in declared.presets.items():
            groups.setdefault(preset.purpose or declared.purpose, {})[name] = preset
    return {PURPOSES.get(purpose, purpose): presets for purpose, presets in groups.items() if presets}
