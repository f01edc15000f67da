"""The table of families."""

from __future__ import annotations

from pathlib import Path

import pytest

import veridical.config
from veridical.config import OwnModel
from veridical.config.families.table import FAMILIES, find_family, module_name, name_of, public_names


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_found_by_its_name_and_by_its_configuration(name: str) -> None:
    family = find_family(name)
    assert name_of(family.smallest) == name_of(family.config()) == name
    assert getattr(veridical.config, f"{FAMILIES[name]}Config") is family.config


def test_what_is_in_no_table_has_no_name() -> None:
    impostor = type("VAEConfig", (), {})()
    assert name_of(OwnModel("mine.Model")) is None and name_of(None) is None and name_of(impostor) is None


def test_a_misspelt_family_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no family 'VEA'\. Did you mean vae\?"):
        find_family("VEA")


def test_every_family_has_two_public_names() -> None:
    assert public_names()["VAE"] == "veridical.families.vae"
    assert public_names()["VAEConfig"] == "veridical.config.families.vae"
    assert len(public_names()) == 2 * len(FAMILIES)
    with pytest.raises(AttributeError):
        _ = veridical.config.VAE


def test_every_family_that_declares_itself_has_its_line() -> None:
    folder = Path(veridical.config.__file__).parent / "families"
    declared = {path.stem for path in folder.glob("*.py") if "\nFAMILY = " in path.read_text()}
    assert declared == {module_name(name) for name in FAMILIES}
