"""The strips of tables: cost factors on a shared axis, repetitions from zero."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.charts import svg
from sitegen.charts.layout import text_width
from sitegen.charts.spec import Dot, FactorAxis, FactorMark, FactorPoint
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


def test_dots_stand_from_zero_with_a_tick_at_their_median() -> None:
    dots = [Dot(value, str(value), suspect=value == 50) for value in (50, 100, 90, 95)]
    root = check_markup(svg.dot_strip(dots, "vm", 100.0, median=92.5))
    circles = list(root.iter("circle"))
    assert [float(c.get("cx", "nan")) for c in circles] == [137.0, 274.0, 246.6, 260.3]
    assert [c.get("class") for c in circles] == ["dt", "c-vm", "c-vm", "c-vm"]
    tick = next(node for node in root if node.get("class") == "md")
    assert tick.get("d") == f"M{274 * 0.925:.1f} 1V17"


def test_dots_of_hostile_text_make_whole_markup() -> None:
    check_markup(svg.dot_strip([Dot(1.0, HOSTILE)], "vm", 0.0, median=1.0))
