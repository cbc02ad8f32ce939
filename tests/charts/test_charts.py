"""The spec, the SVG and the live figure of a chart say the same."""

from __future__ import annotations

import html
import json
import math
import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given, settings

from sitegen.charts import plotly, svg
from sitegen.charts.layout import FRAME_TOP, WIDTH, drawable, frame, text_width
from sitegen.charts.spec import BarChart, Group, Line, LineChart
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

    from sitegen.charts.spec import Mark

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


def _live(texts: list[str]) -> list[str]:
    return [_shown(html.unescape(text)) for text in texts]


def _near(found: list[float | None], expected: list[float | None]) -> bool:
    return all(
        one is other if one is None or other is None else math.isclose(one, other, rel_tol=1e-9)
        for one, other in zip(found, expected, strict=True)
    )


def check_bars(chart: BarChart) -> None:
    root = check_markup(svg.chart(chart))
    figure = plotly.figure(chart)
    json.dumps(figure, allow_nan=False)
    heading = ""
    marks: list[Mark] = []
    sentences: list[str] = []
    for group in chart.groups:
        heading = group.name or heading
        marks += group.marks
        sentences += [_shown(one.sentence(heading, chart.unit)) for one in group.marks]
    assert _titles(root) == sentences

    *drawn, texts = figure["data"]
    live = sorted(
        (y, x)
        for trace in drawn
        if trace["type"] == "bar"
        for y, x in zip(trace["y"], trace["x"], strict=True)
    )
    values = [one.value if drawable(one.value) else None for one in marks]
    assert _near([x for _, x in live], values)
    for text, one in zip(_live(texts["text"]), marks, strict=True):
        assert text.startswith(_shown(one.printed))

    groups = [g for g in root.iter("g") if g.find("title") is not None]
    start, end = figure["layout"]["xaxis"]["range"]
    px = (WIDTH - figure["layout"]["margin"]["l"]) / (end - start)
    for drawing, one, value in zip(groups, marks, values, strict=True):
        printed = "".join(part for text in drawing.findall("text") for part in text.itertext())
        assert _shown(one.printed) in _shown(printed)
        rect = drawing.find("rect")
        assert (rect is not None) == (value is not None)
        if rect is not None and value is not None:
            assert ("hatch" in str(rect.get("class"))) == bool(one.doubt)
            assert float(rect.get("width", "nan")) == pytest.approx(abs(value) * px, abs=0.06)


def check_lines(chart: LineChart) -> None:
    root = check_markup(svg.chart(chart))
    figure = plotly.figure(chart)
    json.dumps(figure, allow_nan=False)
    x_log, y_log = chart.x_log, chart.y_log
    points = {
        line: [p for p in line.points if drawable(p.x, log=x_log) and drawable(p.y, log=y_log)]
        for line in chart.lines
    }
    kept = [(line, points[line]) for line in chart.lines if points[line]]
    for trace in figure["data"]:
        _without_gaps(trace)
    for axis in ("x", "y"):
        for trace, (_, ps) in zip(figure["data"], kept, strict=True):
            assert _near(trace[axis], [getattr(p, axis) for p in ps])
    sentences = [[_shown(chart.sentence(line, p)) for p in ps] for line, ps in kept]
    if chart.kind == "line":
        told = [_shown(event.text) for event in sorted(chart.events)] if kept else []
        assert _titles(root) == told + [sentence for line in sentences for sentence in line]
        _check_places(root, figure)
    else:
        assert _titles(root) == [line[-1] for line in sentences]


def _without_gaps(trace: dict[str, Any]) -> None:
    """Leave out the places at which a live line is broken."""
    there = [y is not None for y in trace["y"]]
    for name in ("x", "y"):
        trace[name] = [
            value for value, is_there in zip(trace[name], there, strict=True) if is_there
        ]


def _check_places(root: ET.Element, figure: plotly.Figure) -> None:
    """Hold the px of the SVG's marks to where the live axes put the same values."""
    layout = figure["layout"]
    margin = layout["margin"]
    wide = WIDTH - margin["l"] - margin["r"]
    high = layout["height"] - margin["t"] - margin["b"]
    marks = [node for node in root.iter() if node.tag in ("circle", "rect")]
    marks = [node for node in marks if node.find("title") is not None]
    places = [
        (x, y) for trace in figure["data"] for x, y in zip(trace["x"], trace["y"], strict=True)
    ]
    for node, (x, y) in zip(marks, places, strict=True):
        size = float(node.get("width", "0")) / 2
        at_x = float(node.get("cx") or node.get("x") or "nan") + size
        at_y = float(node.get("cy") or node.get("y") or "nan") + size
        across, down = _share(layout["xaxis"], x), 1 - _share(layout["yaxis"], y)
        assert at_x == pytest.approx(margin["l"] + wide * across, abs=0.15)
        assert at_y == pytest.approx(margin["t"] + high * down, abs=0.15)


def _share(axis: dict[str, Any], value: float) -> float:
    start, end = axis["range"]
    at = math.log10(value) if axis["type"] == "log" else value
    return float((at - start) / (end - start))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_says_the_same_in_both_drawings_and_plotly_knows_every_key(name: str) -> None:
    chart = EXAMPLES[name]
    if isinstance(chart, BarChart):
        check_bars(chart)
    else:
        check_lines(chart)
    go.Figure(plotly.figure(chart))


@given(bar_charts())
@_many
def test_bars_say_the_same_in_both_drawings(chart: BarChart) -> None:
    check_bars(chart)


@given(line_charts())
@_many
def test_lines_say_the_same_in_both_drawings(chart: LineChart) -> None:
    check_lines(chart)


@pytest.mark.parametrize("name", ["long and hostile names", "hostile lines"])
def test_live_texts_are_not_read_as_tags(name: str) -> None:
    drawn = plotly.figure(EXAMPLES[name])
    for part in (drawn["layout"], *drawn["data"]):
        part.pop("meta", None)  # names for the page's own script, which writes texts only
    figure = json.dumps(drawn)
    assert "<script" not in figure
    assert "<b" not in figure


def test_text_fits_on_the_chart_after_every_bar() -> None:
    root = check_markup(svg.chart(EXAMPLES["groups, one of them without a name"]))
    for node in root.iter("text"):
        if node.get("class") != "e":
            text = "".join(node.itertext())
            assert float(node.get("x", "0")) + text_width(text) <= WIDTH + 2


def test_a_line_is_broken_where_points_stand_apart_in_both_drawings() -> None:
    chart = EXAMPLES["over time"]
    [path] = [n for n in check_markup(svg.chart(chart)).iter("path") if "ln" in str(n.get("class"))]
    assert re.findall("[ML]", path.get("d", "")) == ["M", "L", "M", "L"]
    [trace] = plotly.figure(chart)["data"]
    assert [y is None for y in trace["y"]] == [False, False, True, False, False]


def test_a_point_leads_to_its_place_and_the_drawing_is_a_group_then() -> None:
    root = check_markup(svg.chart(EXAMPLES["over time"]))
    assert [a.get("href") for a in root.iter("a")] == [f"../runs/{n}/" for n in range(4)]
    assert all(a.find("circle") is not None for a in root.iter("a"))
    assert root.get("role") == "group"


def test_events_and_levels_stand_at_the_same_places_in_both_drawings() -> None:
    chart = EXAMPLES["over time"]
    assert isinstance(chart, LineChart)
    root, figure = check_markup(svg.chart(chart)), plotly.figure(chart)
    at = frame(chart)
    shapes = figure["layout"]["shapes"]
    levels, events = shapes[:2], shapes[2:]
    assert [(s["x0"], s["x1"], s["y0"]) for s in levels] == [(1.0, 2.0, 5.0), (3.0, 4.0, 7.0)]
    assert [s["x0"] for s in events] == [event.x for event in sorted(chart.events)]
    drawn = [n.get("d", "") for n in root.iter("path") if n.get("class") == "ev"]
    assert [float(d[1:].split()[0]) for d in drawn] == [
        pytest.approx(at.x.to_px(event.x), abs=0.06) for event in sorted(chart.events)
    ]
    bands = [n.get("d", "") for n in root.iter("path") if str(n.get("class")).startswith("st ")]
    assert bands == [
        f"M{at.x.to_px(x):.1f} {at.y.to_px(y):.1f}H{at.x.to_px(end):.1f}"
        for _, x, end, y in chart.levels
    ]


def test_the_newest_events_are_named_above_the_plot_each_in_a_row_and_on_the_chart() -> None:
    chart = EXAMPLES["over time"]
    assert isinstance(chart, LineChart)
    *older, first, second, last = frame(chart).events
    assert [bool(event.text) for event in older] == [False]
    assert first.top < second.top < last.top < frame(chart).top
    for event in (first, second, last):
        wide = text_width(event.text) * 11 / 12
        ends = (event.x - 4 - wide, event.x) if event.before else (event.x, event.x + 4 + wide)
        assert ends[0] >= -1
        assert ends[1] <= WIDTH + 1


def test_a_doubt_that_marks_share_is_said_once() -> None:
    markup = svg.chart(EXAMPLES["doubts that are shared"])
    assert len(re.findall("<text[^>]*>[^<]*page cache suspected", markup)) == 1
    assert len(re.findall(r"\(page cache suspected\)</title>", markup)) == 3


def test_labels_at_line_ends_stand_apart() -> None:
    layout = frame(lines(*(Line(f"{i}", "vm", (point(1.0, 1.0),)) for i in range(20))))
    ends = sorted(series.end for series in layout.series)
    assert len(ends) == 20
    assert min(b - a for a, b in pairwise(ends)) == pytest.approx(14)
    assert ends[0] >= FRAME_TOP
    assert ends[-1] <= layout.bottom + 1e-9


def test_points_without_a_place_on_a_log_axis_are_counted() -> None:
    markup = svg.chart(EXAMPLES["zeros on log axes"])
    assert "3 values have no place on this axis" in markup


@pytest.mark.parametrize(
    ("low", "high", "reaches"), [(99.9, 100.1, []), (90.0, 110.0, [([10.0], [10.0])])]
)
def test_whisker_is_drawn_only_where_it_is_wider_than_the_mark(
    low: float, high: float, reaches: list[tuple[list[float], list[float]]]
) -> None:
    chart = bars(Group("", (mark("a", 100.0, low=low, high=high),)))
    assert ('class="w"' in svg.chart(chart)) == bool(reaches)
    errors = [trace["error_x"] for trace in plotly.figure(chart)["data"] if "error_x" in trace]
    assert [(error["arrayminus"], error["array"]) for error in errors] == reaches


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 97.0, ["0", "50", "100"]),
        (0.0, 3.2, ["0", "1", "2", "3", "4"]),
        (0.0, 0.31, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (0.0, 71_665.0, ["0", "20k", "40k", "60k", "80k"]),
        (0.0, 4_100.0, ["0", "2,000", "4,000", "6,000"]),
        (-30.0, 10.0, ["\N{MINUS SIGN}30", "\N{MINUS SIGN}20", "\N{MINUS SIGN}10", "0", "10"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    chart = lines(Line("a", "vm", (point(1.0, low), point(2.0, high))))
    assert [text for _, text in frame(chart).y.ticks] == texts


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("scaling", ["2k", "5k", "10k", "20k", "50k", "100k"]),
        ("many decades", ["1e-09", "1e-05", "0.1", "1k", "10M", "100G", "1e+15"]),
    ],
)
def test_log_ticks_are_one_two_five_or_powers_of_ten(name: str, texts: list[str]) -> None:
    chart = EXAMPLES[name]
    assert isinstance(chart, LineChart)
    assert [text for _, text in frame(chart).y.ticks] == texts


def test_a_long_series_is_thinned_without_losing_its_extremes() -> None:
    ys = [1.0] * 3000
    ys[1234], ys[2345] = 90.0, -40.0
    points = tuple(point(float(x), y) for x, y in enumerate(ys))
    chart = lines(Line("a", "vm", points), kind="series")
    path = next(
        node for node in check_markup(svg.chart(chart)) if "ln" in str(node.get("class")).split()
    )
    drawn = [float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", path.get("d", ""))]
    to_y = frame(chart).y.to_px
    assert len(drawn) < 2 * WIDTH
    assert min(drawn) == pytest.approx(to_y(90.0), abs=0.06)
    assert max(drawn) == pytest.approx(to_y(-40.0), abs=0.06)


def test_text_is_escaped() -> None:
    shown = svg.escape(HOSTILE)
    assert not set(shown) & set('<"\x00')
    assert html.unescape(shown).startswith('<script>alert(1)</script> & "quoted"')
