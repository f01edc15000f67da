"""From facts to HTML: whatever is in them is escaped, and a missing one is an error."""

import jinja2
import pytest

from veridical.report.render import flags, render


def test_options_are_set_as_code_and_all_else_is_escaped() -> None:
    assert flags("a < b --lr-scale 0.3.") == "a &lt; b <code>--lr-scale 0.3</code>."
    assert flags("(`veridical resume RUN --steps N`)") == "(<code>veridical resume RUN --steps N</code>)"
    assert flags("Use it (--r1 1 --r2 1; or --x.y 0 0.9).") == (
        "Use it (<code>--r1 1 --r2 1</code>; or <code>--x.y 0 0.9</code>)."
    )
    assert flags("<code>") == "&lt;code&gt;" and flags("-x --") == "-x --"


def test_a_missing_fact_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render({})
