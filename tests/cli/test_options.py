"""One option per field."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass

import pytest

from veridical.cli.options import Section, field_docs, negated, vocabulary
from veridical.config.data import DataConfig
from veridical.config.families.gan import GANConfig


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True)
class Outer:
    """A field of fields."""

    on: bool = False
    """Whether."""

    inner: Inner = field(default_factory=Inner)


def test_the_text_of_a_field_is_that_of_the_class_that_has_it_last() -> None:
    assert (
        field_docs(GANConfig)["pack"]
        == "Number of examples that the discriminator receives together as one input (PacGAN)."
    )
    assert field_docs(Outer) == {"on": "Whether."}


def test_a_class_without_source_has_no_texts() -> None:
    assert field_docs(make_dataclass("Typed", [("a", int, 3)])) == {}


def test_fields_of_fields_have_dotted_names_and_a_section_has_a_prefix() -> None:
    found = {o.path: o.flags for o in vocabulary([Section("x", Outer, prefix="x")])}
    assert found == {("on",): ("--on", "--x.on"), ("inner", "rate"): ("--inner.rate", "--x.inner.rate")}


def test_what_switches_off_is_a_name_too() -> None:
    @dataclass(frozen=True)
    class Clash:
        no_on: int = 3

    first, second = Section("a", Outer, prefix="a"), Section("b", Clash, Clash(), "b")
    assert negated("--on") in {n for o in vocabulary([first]) for n in o.negations}
    assert [o.flags for o in vocabulary([first, second])][-1] == ("--b.no-on",)


def test_a_name_that_is_free_nowhere_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="has no prefix"):
        vocabulary([Section("a", Outer), Section("b", Outer)])


def test_a_field_may_have_another_name_on_the_command_line() -> None:
    flags = {o.path: o.flags for o in vocabulary([Section("data", DataConfig, prefix="data")])}
    assert flags["source",] == ("--data", "--data.source")
