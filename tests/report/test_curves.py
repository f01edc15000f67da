import math
import re

import pytest

from veridical.report.curves import HEIGHT, POINTS, WIDTH, Axis, Level, Line, draw, logarithmic, padded, span, ticks

NAN = math.nan


def line(values: list[float], series: int = 1) -> Line:
    return Line("run", [50 * i for i in range(1, len(values) + 1)], values, series)


def paths(svg: str) -> list[list[tuple[float, float]]]:
    """Points of every line in the image."""
    found = re.findall(r'<path class="line[^>]*d="M([^"]*)"', svg)
    return [[(float(x), float(y)) for x, y in (p.split() for p in d.split("L"))] for d in found]


def test_axis_maps_ends_to_ends() -> None:
    assert [Axis(2, 6, 10, 110)(v) for v in (2, 4, 6)] == [10, 60, 110]
    assert [Axis(0.01, 100, 0, 4, log=True)(v) for v in (0.01, 1, 100)] == pytest.approx([0, 2, 4])


def test_points_lie_where_the_axes_say() -> None:
    ((first, *_, last),) = paths(draw([line([1.0, 2.0, 3.0, 4.0])]).svg)
    axis = padded(1.0, 4.0, log=False)
    assert first[1] == pytest.approx(axis(1.0), abs=0.06) and last[1] == pytest.approx(axis(4.0), abs=0.06)
    assert last[0] == WIDTH - 10 and first[0] < last[0] and last[1] < first[1]


def test_everything_stays_inside_the_image() -> None:
    for values in (
        [1.0] * 5,
        [0.0, 0.0],
        [-3.0],
        [1e-9, 1e9],
        [-1e12, 1e12],
        [5e-324, 1.0],
        [1e-308, 1e308],
        [-1e308, 1e308],
    ):
        for x, y in (p for path in paths(draw([line(values)]).svg) for p in path):
            assert 0 <= x <= WIDTH and 0 <= y <= HEIGHT


def test_a_line_breaks_where_a_value_is_missing() -> None:
    svg = draw([line([1.0, 2.0, NAN, 3.0, 4.0, NAN, 5.0])]).svg
    assert [len(path) for path in paths(svg)] == [2, 2]
    assert svg.count('class="dot') == 1 and "nan" not in svg.lower()


def test_long_lines_are_binned_to_mean_and_range() -> None:
    values = [float(i % 2) for i in range(10 * POINTS)]
    chart = draw([line(values)])
    (path,) = paths(chart.svg)
    middle = padded(0.0, 1.0, log=False)(0.5)
    assert len(path) == POINTS and all(y == pytest.approx(middle, abs=0.06) for _, y in path)
    assert 'class="band' in chart.svg and "mean and range of bins" in chart.notes


def test_logarithmic_only_for_positive_values_over_a_wide_range() -> None:
    assert logarithmic([0.01, 1.0]) and not logarithmic([0.0, 100.0]) and not logarithmic([1.0, 40.0])
    assert "logarithmic axis" in draw([line([0.01, 1.0])]).notes


def test_extremes_that_would_flatten_the_rest_are_cut_and_said() -> None:
    calm = [math.sin(i) for i in range(200)]
    assert span([*calm, 1000.0], log=False)[2] and not span(calm, log=False)[2]
    chart = draw([line([*calm, 1000.0])])
    assert any("cut; extremes" in note and "1,000" in note for note in chart.notes)


def test_levels_widen_the_axis_to_be_seen() -> None:
    svg = draw([line([0.1, 0.2])], levels=[Level(math.log(2), "log 2")]).svg
    (at,) = re.findall(r'<line class="level"[^>]*y1="([\d.]+)"', svg)
    assert 10 <= float(at) <= 30 and ">log 2<" in svg


def test_marks_outside_the_curve_are_left_out() -> None:
    svg = draw([line([1.0, 2.0])], marks=[(75, "<found>"), (9999, "later")]).svg
    assert svg.count('class="mark"') == 1 and "&lt;found&gt;" in svg


def test_no_finite_value_draws_nothing() -> None:
    assert draw([line([NAN, NAN])]).svg == "" and draw([line([NAN])]).notes == ("no finite value",)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.123, 0.124), (1e-7, 3e-7), (-5e9, 2e10), (99.5, 100.5)])
def test_ticks_are_round_distinct_and_inside(low: float, high: float) -> None:
    found = ticks(Axis(low, high, 0, 1))
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high) for value, _ in found)
    assert len({text for _, text in found}) == len(found)


def test_words_for_those_who_cannot_see() -> None:
    assert 'aria-label="run: 1 at step 50, 2.5 at step 100"' in draw([line([1.0, 2.5])]).svg
