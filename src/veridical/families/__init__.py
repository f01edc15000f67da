"""The models of the table of families, imported when first used. A family does not depend on any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from veridical.config.families import table
from veridical.config.families.family import FEW_LEVELS, Need
from veridical.model import Facts

__all__ = ["FAMILIES", "NEEDS", "unmet"]

NEEDS: dict[Need, Callable[[Facts], bool]] = {
    "labels": lambda facts: facts.space.classes is not None,
    "image": lambda facts: len(facts.space.shape) == 3,
    "levels": lambda facts: facts.space.levels is not None,
    "few-levels": lambda facts: facts.space.levels is not None and facts.space.levels <= FEW_LEVELS,
    "few-levels-or-continuous": lambda facts: facts.space.levels is None or facts.space.levels <= FEW_LEVELS,
    "number": lambda facts: facts.n is not None,
}
"""What a family may need from the data, and whether the data have it."""


class _Families(Mapping[str, Any]):
    """Name to class; a class is imported when it is first used."""

    def __getitem__(self, name: str) -> Any:
        return getattr(import_module(f"veridical.families.{table.module_name(name)}"), table.FAMILIES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(table.FAMILIES)

    def __len__(self) -> int:
        return len(table.FAMILIES)


FAMILIES: Mapping[str, Any] = _Families()
"""Name, as in config.yaml, to class: `FAMILIES[name](config, facts)`."""


def unmet(family: str, facts: Facts) -> list[Need]:
    """Return the needs of a family that the data do not fulfil."""
    return [need for need in table.find_family(family).needs if not NEEDS[need](facts)]
