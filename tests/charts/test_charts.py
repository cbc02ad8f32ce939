"""The spec, the SVG and the live figure of a chart say the same."""

from __future__ import annotations

import html
import json
import math
import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from sitegen.charts import plotly, svg
from sitegen.charts.spec import (
    NOT_MEASURED,
    BarChart,
    Group,
    Line,
    LineChart,
    mark_sentence,
    point_sentence,
    x_place,
)
from tests.charts.examples import (
    EXAMPLES,
    HOSTILE,
    bar_charts,
    bars,
    line_charts,
    lines,
    mark,
    point,
)
from tests.charts.markup import check_markup

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

    from sitegen.charts.spec import Mark, Point

_many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _shown(text: str) -> str:
    """Word a text as a browser shows it: forbidden characters replaced, white space folded."""
    kept = ["\N{REPLACEMENT CHARACTER}" if _forbidden(c) else c for c in text]
    return " ".join("".join(kept).split())


def _forbidden(character: str) -> bool:
    control = unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\n"
    return control or character in "\ufffe\uffff"


def _titles(root: ET.Element) -> list[str]:
    return [_shown(title.text or "") for title in root.iter("title")]


def _live_text(text: str) -> str:
    return _shown(html.unescape(text))


def check_bars(chart: BarChart) -> None:
    root = check_markup(svg.chart(chart))
    figure = plotly.figure(chart)
    json.dumps(figure, allow_nan=False)
    rows = [(mark, heading) for heading, mark in _under_headings(chart)]
    sentences = [_shown(mark_sentence(mark, heading, chart.unit)) for mark, heading in rows]
    assert _titles(root) == sentences

    *drawn, texts = figure["data"]
    live = sorted(
        (y, x, _live_text(told))
        for trace in drawn
        if trace["type"] == "bar"
        for y, x, told in zip(trace["y"], trace["x"], trace["customdata"], strict=True)
    )
    values = [mark.value if svg.drawable(mark.value) else None for mark, _ in rows]
    assert [x for _, x, _ in live] == values
    assert [told for _, _, told in live] == sentences
    for text, (shown, _) in zip(texts["text"], rows, strict=True):
        expected = NOT_MEASURED if shown.value is None else shown.text
        assert _live_text(text).startswith(_shown(expected))

    groups = [g for g in root.iter("g") if g.find("title") is not None]
    start, end = figure["layout"]["xaxis"]["range"]
    for group, (shown, _), value in zip(groups, rows, values, strict=True):
        printed = _shown(
            "".join(text for node in group.findall("text") for text in node.itertext())
        )
        assert (NOT_MEASURED if shown.value is None else _shown(shown.text)) in printed
        rect = group.find("rect")
        assert (rect is not None) == (value is not None)
        if rect is None or value is None:
            continue
        assert ("hatch" in str(rect.get("class"))) == bool(shown.doubt)
        gutter = figure["layout"]["margin"]["l"]
        px = (svg.WIDTH - gutter) * (abs(value) / (end - start))
        assert float(rect.get("width", "nan")) == pytest.approx(px, abs=0.06)


def _under_headings(chart: BarChart) -> list[tuple[str, Mark]]:
    heading = ""
    rows: list[tuple[str, Mark]] = []
    for group in chart.groups:
        heading = group.name or heading
        rows += [(heading, shown) for shown in group.marks]
    return rows


def check_lines(chart: LineChart) -> None:
    root = check_markup(svg.chart(chart))
    figure = plotly.figure(chart)
    json.dumps(figure, allow_nan=False)
    kept = [
        (line, [place for place in line.points if _has_place(place, chart)]) for line in chart.lines
    ]
    kept = [(line, points) for line, points in kept if points]
    assert [trace["x"] for trace in figure["data"]] == [[p.x for p in ps] for _, ps in kept]
    assert [trace["y"] for trace in figure["data"]] == [[p.y for p in ps] for _, ps in kept]
    told = [[_live_text(text) for text in trace["customdata"]] for trace in figure["data"]]
    if chart.kind == "line":
        sentences = [
            [_shown(point_sentence(ln.label, x_place(chart, p.x), p, chart.unit)) for p in points]
            for ln, points in kept
        ]
        assert told == sentences
        assert _titles(root) == [sentence for line in sentences for sentence in line]
    else:
        assert told == [[_shown(f"{p.text} {chart.unit}") for p in points] for _, points in kept]
        last = [(line, points[-1]) for line, points in kept]
        assert _titles(root) == [
            _shown(point_sentence(line.label, x_place(chart, p.x), p, chart.unit))
            for line, p in last
        ]
    if chart.kind == "line" and kept:
        _check_places(root, figure)


def _has_place(place: Point, chart: LineChart) -> bool:
    return (
        all(abs(value) < 1e300 for value in (place.x, place.y))
        and (place.x > 0 or not chart.x_log)
        and (place.y > 0 or not chart.y_log)
    )


def _check_places(root: ET.Element, figure: plotly.Figure) -> None:
    """Hold the px of the SVG's marks to where the live axes put the same values."""
    layout = figure["layout"]
    margin = layout["margin"]
    wide = svg.WIDTH - margin["l"] - margin["r"]
    high = layout["height"] - margin["t"] - margin["b"]
    marks = [node for node in root if node.find("title") is not None]
    places = [
        (x, y) for trace in figure["data"] for x, y in zip(trace["x"], trace["y"], strict=True)
    ]
    for node, (x, y) in zip(marks, places, strict=True):
        size = float(node.get("width", "0")) / 2
        at_x = float(node.get("cx") or node.get("x") or "nan") + size
        at_y = float(node.get("cy") or node.get("y") or "nan") + size
        assert at_x == pytest.approx(margin["l"] + wide * _share(layout["xaxis"], x), abs=0.15)
        assert at_y == pytest.approx(
            margin["t"] + high * (1 - _share(layout["yaxis"], y)), abs=0.15
        )


def _share(axis: dict[str, Any], value: float) -> float:
    start, end = axis["range"]
    at = math.log10(value) if axis["type"] == "log" else value
    return float((at - start) / (end - start))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_says_the_same_in_both_drawings(name: str) -> None:
    chart = EXAMPLES[name]
    if isinstance(chart, BarChart):
        check_bars(chart)
    else:
        check_lines(chart)


@given(bar_charts())
@_many
def test_bars_say_the_same_in_both_drawings(chart: BarChart) -> None:
    check_bars(chart)


@given(line_charts())
@_many
def test_lines_say_the_same_in_both_drawings(chart: LineChart) -> None:
    check_lines(chart)


@pytest.mark.parametrize("name", EXAMPLES)
def test_plotly_knows_every_key_and_value(name: str) -> None:
    plotly.validate(plotly.figure(EXAMPLES[name]))


def test_validate_refuses_what_plotly_does_not_know() -> None:
    figure = plotly.figure(EXAMPLES["scaling"])
    figure["data"][0]["markers"] = {}
    with pytest.raises(ValueError, match="markers"):
        plotly.validate(figure)


def test_live_texts_are_not_read_as_tags() -> None:
    for name in ("long and hostile names", "hostile lines"):
        told = json.dumps(plotly.figure(EXAMPLES[name]))
        assert "<script" not in told
        assert "<b" not in told


def test_text_fits_on_the_chart_after_every_bar() -> None:
    root = check_markup(svg.chart(EXAMPLES["groups, one of them without a name"]))
    for node in root.iter("text"):
        if node.get("class") != "e":
            text = "".join(node.itertext())
            assert float(node.get("x", "0")) + svg.text_width(text) <= svg.WIDTH + 2


def test_a_doubt_that_marks_share_is_said_once() -> None:
    markup = svg.chart(EXAMPLES["doubts that are shared"])
    assert len(re.findall("<text[^>]*>[^<]*page cache suspected", markup)) == 1
    assert len(re.findall(r"\(page cache suspected\)</title>", markup)) == 3


def test_labels_at_line_ends_stand_apart() -> None:
    layout = svg.frame(lines(*(Line(f"{i}", "vm", (point(1.0, 1.0),)) for i in range(20))))
    ends = sorted(end for end in layout.ends if end is not None)
    assert len(ends) == 20
    assert min(b - a for a, b in pairwise(ends)) == pytest.approx(14)
    assert ends[0] >= layout.top
    assert ends[-1] <= layout.bottom + 1e-9


def test_points_without_a_place_on_a_log_axis_are_counted() -> None:
    markup = svg.chart(EXAMPLES["zeros on log axes"])
    assert "3 values have no place on this axis" in markup


def test_whisker_is_drawn_only_where_it_is_wider_than_the_mark() -> None:
    narrow = bars(Group("", (mark("a", 100.0, low=99.9, high=100.1),)))
    wide = bars(Group("", (mark("a", 100.0, low=90.0, high=110.0),)))
    assert 'class="w"' not in svg.chart(narrow)
    assert 'class="w"' in svg.chart(wide)
    assert not any("error_x" in trace for trace in plotly.figure(narrow)["data"])
    reach = [trace["error_x"] for trace in plotly.figure(wide)["data"] if "error_x" in trace]
    assert [(error["arrayminus"], error["array"]) for error in reach] == [([10.0], [10.0])]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 97.0, ["0", "50", "100"]),
        (0.0, 3.2, ["0", "1", "2", "3", "4"]),
        (0.0, 0.31, ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        (0.0, 71_665.0, ["0", "20k", "40k", "60k", "80k"]),
        (0.0, 4_100.0, ["0", "2,000", "4,000", "6,000"]),
        (-30.0, 10.0, ["\N{MINUS SIGN}30", "\N{MINUS SIGN}20", "\N{MINUS SIGN}10", "0", "10"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    chart = lines(Line("a", "vm", (point(1.0, low), point(2.0, high))))
    shown = [text for _, text in svg.frame(chart).y.ticks]
    assert [text.removesuffix(".0") for text in shown] == [t.removesuffix(".0") for t in texts]


def _line_example(name: str) -> LineChart:
    chart = EXAMPLES[name]
    assert isinstance(chart, LineChart)
    return chart


def test_log_ticks_are_one_two_five_or_powers_of_ten() -> None:
    fine = svg.frame(_line_example("scaling"))
    assert [text for _, text in fine.y.ticks] == ["2k", "5k", "10k", "20k", "50k", "100k"]
    coarse = svg.frame(_line_example("many decades"))
    exponents = [math.log10(place) for place, _ in coarse.y.ticks]
    assert exponents == pytest.approx([round(exponent) for exponent in exponents])
    assert len(exponents) <= 8


def test_a_long_series_is_thinned_without_losing_its_extremes() -> None:
    ys = [1.0] * 3000
    ys[1234], ys[2345] = 90.0, -40.0
    chart = lines(
        Line("a", "vm", tuple(point(float(x), y) for x, y in enumerate(ys))), kind="series"
    )
    path = next(
        node for node in check_markup(svg.chart(chart)) if "ln" in str(node.get("class")).split()
    )
    drawn = [float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", path.get("d", ""))]
    to_y = svg.frame(chart).to_y
    assert len(drawn) < 2 * svg.WIDTH
    assert min(drawn) == pytest.approx(to_y(90.0), abs=0.06)
    assert max(drawn) == pytest.approx(to_y(-40.0), abs=0.06)


def test_text_is_escaped() -> None:
    shown = svg.escape(HOSTILE)
    assert "<" not in shown
    assert '"' not in shown
    assert "\x00" not in shown
    assert html.unescape(shown).startswith('<script>alert(1)</script> & "quoted"')
