"""From words to values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from veridical.cli.words import NotOfType, convert


@pytest.mark.parametrize(
    ("hint", "words", "value"),
    [
        (int, ["12"], 12),
        (int, ["1e5"], 100_000),
        (float, ["-1e-3"], -0.001),
        (int | None, ["none"], None),
        (float | None, ["None"], None),
        (str | None, ["none"], None),
        (str, ["none"], "none"),
        (bool | None, ["yes"], True),
        (bool | None, ["off"], False),
        (Path, ["a/b"], Path("a/b")),
        (Literal["a", "b"], ["b"], "b"),
        (Literal[1, 2], ["2"], 2),
        (Literal["a"] | None, ["none"], None),
        (tuple[int, ...], [], ()),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (tuple[float, float], ["0", "0.9"], (0.0, 0.9)),
        (tuple[float, ...] | None, ["none"], None),
        (list[str], ["x"], ["x"]),
        (int | float, ["0.5"], 0.5),
        (dict[str, int], ["{a: 3}"], {"a": 3}),
    ],
)
def test_values(hint: Any, words: list[str], value: Any) -> None:
    found = convert(hint, words)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("hint", "words", "message"),
    [
        (int, ["2.5"], "a whole number"),
        (int | None, ["x"], "a whole number or none"),
        (Literal["hinge", "minimax"], ["hinj"], "one of hinge, minimax. Did you mean hinge?"),
        (tuple[float, float], ["1"], "2 values"),
        (tuple[int, ...], ["1", "x"], "a whole number"),
        (bool | None, ["maybe"], "yes or no or none"),
        (dict[str, int], ["{a: b}"], "a value in YAML"),
    ],
)
def test_what_is_no_value_is_refused(hint: Any, words: list[str], message: str) -> None:
    with pytest.raises(NotOfType) as caught:
        convert(hint, words)
    assert message in str(caught.value)
