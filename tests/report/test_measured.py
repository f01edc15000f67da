import re

import pytest

from veridical.report.measured import Measured, draw_bar, read_measured, restored_examples


def measured(value: object, interval: object = None, higher: bool = True, **more: object) -> Measured:
    row = {"name": "m", "value": value, "interval": interval, "higher_is_better": higher, **more}
    found = read_measured(row)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "interval", "higher", "verdict"),
    [
        (0.80, [0.78, 0.82], True, "short of perfect"),
        (0.89, [0.87, 0.92], True, "as good as perfect"),
        (0.97, [0.96, 0.98], True, "suspicious"),
        (0.97, [0.96, 0.98], False, "short of perfect"),
        (0.80, None, False, "suspicious"),
        (0.91, None, False, "as good as perfect"),
        ("nan", None, True, "no reference"),
    ],
)
def test_a_row_without_a_verdict_is_judged_by_its_intervals(
    value: object, interval: object, higher: bool, verdict: str
) -> None:
    assert measured(value, interval, higher, reference=0.9, reference_interval=[0.88, 0.92]).verdict == verdict


def test_verdict_of_the_file_goes_first() -> None:
    assert measured(0.5, reference=0.9, verdict="as good as perfect").verdict == "as good as perfect"
    assert measured(0.5, reference=0.9, verdict="made up").verdict == "short of perfect"


def test_rows_of_other_shapes() -> None:
    assert read_measured(None) is None and read_measured({"value": 1}) is None
    found = read_measured({"name": "x", "interval": ["inf", 1], "reference": "inf", "detail": "text"})
    assert found is not None and found.interval is None and found.reference is None and found.detail == {"note": "text"}
    assert draw_bar(found) == ""


def places(svg: str) -> dict[str, float]:
    return {
        "value": float(re.findall(r'class="value" cx="([\d.]+)"', svg)[0]),
        "tick": float(re.findall(r'class="tick" x1="([\d.]+)"', svg)[0]),
    }


def test_bar_shows_value_and_reference_in_order() -> None:
    below, above = measured(0.5, reference=0.9), measured(0.9, reference=0.5)
    assert places(draw_bar(below)) == {"value": 8.0, "tick": 192.0}
    assert places(draw_bar(above)) == {"value": 192.0, "tick": 8.0}
    assert places(draw_bar(measured(0.5, reference=0.5))) == {"value": 100.0, "tick": 100.0}
    assert places(draw_bar(below, (0.1, 1.3)))["value"] == pytest.approx(8 + 184 / 3, abs=0.06)


def test_bar_is_spoken() -> None:
    svg = draw_bar(measured(0.5, [0.4, 0.6], reference=0.9, reference_interval=[0.8, 1.0]))
    assert 'aria-label="m: 0.5 (0.4 to 0.6); a perfect model 0.9 (0.8 to 1)"' in svg


def test_a_test_is_told_in_words() -> None:
    test = {"difference": -0.3, "interval": [-0.4, -0.2], "p_value": 0.0001, "adjusted": 0.0004, "detectable": 0.05}
    found = read_measured({"name": "recall", "value": 0.5, "reference": 0.8, "higher_is_better": True, "test": test})
    assert found is not None and found.p == 0.0004 and found.clarity == pytest.approx(6.0)
    assert "p < .001 after allowing for the whole table. From 0.05 on" in found.compared_in_words
    untested = read_measured({"name": "recall", "value": 0.5})
    assert untested is not None and untested.compared_in_words == ""


def test_undecided_says_why() -> None:
    row = {"name": "kl", "value": 0.5, "reference": 0.8, "higher_is_better": True, "verdict": "undecided"}
    for test, words in (
        (None, "undecided"),
        ({"p_value": 0.4}, "no difference shown"),
        ({"p_value": 0.001}, "not decided by a bound"),
    ):
        found = read_measured(row | {"test": test})
        assert found is not None and found.words == words


def restored(listed: object, value: object = 0.5) -> Measured:
    detail = {"limit_dB": 35.0, "row_and_dB_from_the_worst": listed}
    return measured(value, name="restored", n=4, detail=detail)


def test_every_restored_example_is_stated_from_the_worst() -> None:
    found = restored_examples([measured(1.0), restored([[2, 21.5], [0, 30.0], [3, 40.0], [1, 150.0]])])
    assert found is not None and found.each == [(2, 21.5), (0, 30.0), (3, 40.0), (1, 150.0)]
    assert (found.limit, found.enough, found.n) == (35.0, 2, 4)


@pytest.mark.parametrize("listed", [None, [], "x", [[1]], [["a", "b"]], [[0, float("nan")]]])
def test_damaged_lists_of_restored_examples_are_left_out(listed: object) -> None:
    assert restored_examples([restored(listed)]) is None
    assert restored_examples([restored([[0, 1.0]], value="many")]) is None and restored_examples([]) is None
