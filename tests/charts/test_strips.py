"""The drawings of tables: cost factors on a shared axis, small lines from zero, distributions."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.charts import svg
from sitegen.charts.layout import log_axis, text_width
from sitegen.charts.spec import (
    FactorAxis,
    FactorMark,
    FactorPoint,
    Line,
    Point,
    Ridge,
    RidgeChart,
)
from tests.charts.examples import HOSTILE, HUES
from tests.charts.markup import check_markup

WIDE = FactorAxis(0.4, 12.0, (0.5, 1.0, 2.0, 5.0, 10.0))


def _place(axis: FactorAxis, factor: float) -> float:
    return axis.width * math.log(factor / axis.low) / math.log(axis.high / axis.low)


def test_factor_stands_at_its_place_on_the_log_axis() -> None:
    root = check_markup(svg.factor_strip([FactorMark("TDX", 1.67, "cpu-tee")], axis=WIDE))
    circle = next(root.iter("circle"))
    assert float(circle.get("cx", "nan")) == pytest.approx(_place(WIDE, 1.67), abs=0.06)
    assert "TDX: 1.67\N{MULTIPLICATION SIGN}" in ET.tostring(root, encoding="unicode")


def test_factor_off_the_axis_is_an_arrow_with_its_value() -> None:
    marks = [FactorMark("TDX", 31.02, "cpu-tee", doubt="page cache"), FactorMark("", 0.1, "vm")]
    root = check_markup(svg.factor_strip(marks, axis=WIDE))
    texts = ["".join(node.itertext()) for node in root.iter("text")]
    assert texts == ["TDX 31\N{MULTIPLICATION SIGN}", "0.10\N{MULTIPLICATION SIGN}"]
    assert not list(root.iter("circle"))


def test_doubtful_factor_is_hollow_and_says_why() -> None:
    markup = svg.factor_strip([FactorMark("a", 2.0, "gpu-tee", doubt="another proof")], axis=WIDE)
    assert 'class="ho c-gpu-tee"' in markup
    assert "(another proof)</title>" in markup


@given(
    st.lists(
        st.builds(
            FactorMark,
            st.text(max_size=20),
            st.floats(0, 1e3) | st.floats(0.5, 3),
            st.sampled_from(HUES),
            st.none() | st.floats(0, 10),
            st.none() | st.floats(0, 10),
            st.text(max_size=9),
        ),
        max_size=8,
    )
)
def test_any_factors_make_whole_markup(marks: list[FactorMark]) -> None:
    check = svg.factor_strip(marks, axis=WIDE)
    root = ET.fromstring(check)  # noqa: S314
    drawn = len(list(root.iter("title")))
    points = sum(WIDE.holds(point.factor) for mark in marks for point in mark.points)
    assert drawn == sum(mark.factor > 0 for mark in marks) + points
    assert "nan" not in re.sub("<title>.*?</title>|<text.*?</text>|aria-label=.*?>", "", check)


def test_labels_of_one_row_stand_apart() -> None:
    marks = [FactorMark(f"name {i}", 1.0 + i / 20, "vm") for i in range(6)]
    root = check_markup(svg.factor_strip(marks, axis=WIDE))
    rows: dict[str, list[tuple[float, float]]] = {}
    for group in root.iter("g"):
        x = float(next(group.iter("circle")).get("cx", "nan"))
        text = next(group.iter("text"))
        width = text_width("".join(text.itertext()))
        at = float(text.get("x", "nan"))
        extent = (
            (at - width, x + 4) if "e" in str(text.get("class")).split() else (x - 4, at + width)
        )
        rows.setdefault(group.get("transform", ""), []).append(extent)
    for extents in rows.values():
        ordered = sorted(extents)
        assert all(a[1] < b[0] for a, b in pairwise(ordered))


@pytest.mark.parametrize(
    ("factors", "ticks"),
    [
        ([1.05, 1.11], (1.0, 1.05, 1.1)),
        ([1.15, 1.2], (1.0, 1.1, 1.2)),
        ([0.5, 2.9], (1.0, 2.0, 3.0)),
        ([0.05, 60.0], (0.1, 1.0, 10.0)),
        ([1.001], (1.0, 1.05)),
        ([], (1.0, 1.05)),
    ],
)
def test_an_axis_fits_its_marks_and_has_few_round_ticks(
    factors: list[float], ticks: tuple[float, ...]
) -> None:
    axis = FactorAxis.of(FactorMark("", factor, "vm") for factor in factors)
    assert all(map(axis.holds, factors))
    assert axis.ticks == ticks


@given(st.lists(st.floats(1e-3, 1e3), max_size=9))
def test_any_factors_have_an_axis(factors: list[float]) -> None:
    axis = FactorAxis.of(FactorMark("", factor, "vm") for factor in factors)
    assert 0 < axis.low < 1 < axis.high
    assert all(map(axis.holds, axis.ticks))


def test_what_each_run_costs_stands_above_hollow_where_it_is_set_aside() -> None:
    points = (FactorPoint(1.1, "1 May"), FactorPoint(1.4, "2 May", hollow=True))
    mark = FactorMark("", 1.1, "cpu-tee", points=points)
    root = check_markup(svg.factor_strip([mark], axis=FactorAxis.of([mark])))
    small = [circle for circle in root.iter("circle") if circle.get("r") == "2.5"]
    assert [circle.get("class") for circle in small] == ["c-cpu-tee", "ho c-cpu-tee"]
    assert "2 May: 1.40\N{MULTIPLICATION SIGN}" in ET.tostring(root, encoding="unicode")


def test_marks_that_would_meet_stand_under_one_another() -> None:
    marks = [FactorMark("", 1.02, "vm"), FactorMark("", 1.02, "vm"), FactorMark("", 1.9, "vm")]
    root = check_markup(svg.factor_strip(marks, axis=WIDE))
    rows = [group.get("transform") for group in root.iter("g")]
    assert rows[0] == rows[2] != rows[1]


def test_axis_labels_follow_its_width() -> None:
    small = WIDE._replace(low=0.3, high=15.0, width=152)
    root = check_markup(svg.factor_axis(small))
    places = [float(node.get("x", "nan")) for node in root.iter("text")]
    assert places == pytest.approx([_place(small, tick) for tick in small.ticks], abs=0.06)


def test_a_small_line_stands_from_zero_over_its_whole_width() -> None:
    points = tuple(Point(float(x), y, "") for x, y in ((2, 50.0), (4, 100.0), (7, 0.0)))
    root = check_markup(svg.sparkline(Line("kIOPS by the second", "vm", points)))
    line = next(node for node in root if "ln" in node.get("class", ""))
    assert line.get("d") == "M0 11.0L48 1.0L120 21.0"
    assert root.get("aria-label") == "kIOPS by the second"


@pytest.mark.parametrize("ys", [(0.0, 0.0), (math.inf, 1.0)])
def test_a_small_line_without_an_extent_is_not_drawn(ys: tuple[float, ...]) -> None:
    points = tuple(Point(float(x), y, "") for x, y in enumerate(ys))
    assert svg.sparkline(Line("", "vm", points)) == ""


def test_a_long_small_line_keeps_its_extremes() -> None:
    points = tuple(Point(float(x), 1.0 + 9 * (x == 5000), "") for x in range(10_000))
    root = check_markup(svg.sparkline(Line(HOSTILE, "vm", points)))
    drawn = next(node for node in root if "ln" in node.get("class", "")).get("d", "")
    assert drawn.count("L") < 500
    assert "60 1.0" in drawn


def test_ridges_have_their_medians_on_one_axis_and_no_text_leaves_the_chart() -> None:
    ticks = ((1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"))
    rows = (
        Ridge(HOSTILE, "vm", (0.0, 1.0, 0.5), 10.0, "10.0 ms"),
        Ridge("slow", "vm", (0.0, 0.0, 1.0), 100.0, "100 ms"),
    )
    chart = RidgeChart("d", "Latency", "", 2.0, 90.0, ticks, rows, f"Latency {HOSTILE}")
    root = check_markup(svg.ridges(chart))
    marks = [node.get("d", "").split()[0] for node in root if node.get("class") == "md"]
    assert marks == ["M176.0", "M352.0"]
    texts = ["".join(node.itertext()) for node in root.iter("text")]
    assert texts[1::2][:2] == ["10.0 ms", "100 ms"]
    assert texts[-3:] == ["1 ms", "10 ms", "100 ms"]
    for node in root.iter("text"):
        width, at = text_width("".join(node.itertext())), float(node.get("x", "0"))
        start = {"mid": at - width / 2, "e k": at - width}.get(node.get("class", ""), at)
        assert start >= -0.1
        assert start + width <= 352.1


@pytest.mark.parametrize("extent", [(1.0, 1.0), (0.9, 1.1), (1e-6, 1e3), (130.0, 190.0)])
def test_a_log_axis_has_three_ticks_at_the_least(extent: tuple[float, float]) -> None:
    axis = log_axis(*extent, (0.0, 352.0))
    assert len(axis.ticks) >= 3
    assert axis.low <= extent[0] <= extent[1] <= axis.high
