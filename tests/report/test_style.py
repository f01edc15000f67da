"""The style sheet: text can be read on every ground, in light, dark and print."""

import re
from pathlib import Path

import pytest

from veridical.report.render import FOLDER

CSS = (FOLDER / "style.css").read_text(encoding="utf-8")
GROUNDS = ("paper", "card", "wash")
TEXTS = ("ink", "soft", "link", "good", "short", "suspicious", "bad", "open")
LINES = tuple(f"s{i}" for i in range(1, 9))
TEXT, GRAPHICS = 4.5, 3.0
"""Least ratios of WCAG 2.2, level AA."""


def palettes(css: str) -> list[dict[str, str]]:
    """The colours of light, dark and print, in this order."""
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{([^}]*)\}", css)]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2.

    Examples:
        >>> luminance("#fff"), luminance("#000000")
        (1.0, 0.0)
    """
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
        for x in (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def too_faint(css: str) -> list[tuple[str, str]]:
    """Pairs of a colour and its ground that cannot be told apart well enough."""
    wrong = []
    for palette in palettes(css):
        for names, least in ((TEXTS, TEXT), (LINES, GRAPHICS)):
            wrong += [(a, b) for a in names for b in GROUNDS if contrast(palette[a], palette[b]) < least]
    return wrong


def test_contrast_of_known_pairs() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21.0) and contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )


def test_text_and_lines_stand_out_in_light_dark_and_print() -> None:
    assert [set(palette) for palette in palettes(CSS)] == 3 * [{*GROUNDS, *TEXTS, *LINES, "rule"}]
    assert too_faint(CSS) == []


@pytest.mark.parametrize(
    ("before", "after", "pair"),
    [
        ("--soft: #62646a", "--soft: #82848a", ("soft", "paper")),
        ("--soft: #a2a4aa", "--soft: #62646a", ("soft", "card")),
        ("--s6: #3a93a8", "--s6: #7ac3d8", ("s6", "wash")),
    ],
)
def test_a_colour_that_is_too_faint_is_found(before: str, after: str, pair: tuple[str, str]) -> None:
    assert before in CSS and pair in too_faint(CSS.replace(before, after))


def test_the_focus_is_seen_and_nothing_hides_it() -> None:
    assert re.search(r":focus-visible \{ outline: 2px solid var\(--link\)", CSS)
    assert "outline: none" not in CSS and "outline: 0" not in CSS


def test_what_can_be_opened_is_reached_by_keyboard() -> None:
    """Links, summaries, scrolling tables: nothing waits for a mouse. Mutants: a `div` with `onclick`, tabindex=-1."""
    page = (Path(FOLDER) / "page.html.j2").read_text(encoding="utf-8")
    assert "<details><summary>" in page and "<details>" not in page.replace("<details><summary>", "")
    assert not re.search(r"\bon[a-z]+=|:hover \{ (display|visibility|opacity)", page + CSS)
    assert set(re.findall(r'tabindex="(-?\d+)"', page)) == {"0"}
    assert re.search(r'class="scroll" role="region" aria-label="[^"]+" tabindex="0"', page)
