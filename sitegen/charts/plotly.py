"""Charts as live Plotly figures that lie exactly over the SVG.

A figure is a plain dict of data and layout: building one through the library costs a thousand
times as much, so only `validate` imports it. No colour is resolved here. Traces carry their hue
in ``meta``, annotations and shapes the name of their role, and `site.js` paints them from the
CSS variables that the SVG uses too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sitegen.charts.spec import (
    NOT_MEASURED,
    BarChart,
    mark_sentence,
    point_sentence,
    x_place,
)
from sitegen.charts.svg import WIDTH, axis_caption, bar_layout, drawable, end_label, frame

if TYPE_CHECKING:
    from sitegen.charts.spec import Chart, Line, LineChart, Mark, Point
    from sitegen.charts.svg import BarLayout, Frame

#: JSON for Plotly: `data`, `layout`.
Figure = dict[str, Any]

_BAR: Final = 14
_NOTE_ROW: Final = 16
_CLEAR: Final = "rgba(0,0,0,0)"
_HOVER: Final = "%{customdata}<extra></extra>"
_DASHES: Final = ("solid", "dash", "dot")


def figure(spec: Chart) -> Figure:
    """Build the live figure of a chart."""
    return _bars(spec) if isinstance(spec, BarChart) else _lines(spec)


def validate(figure: Figure) -> None:
    """Raise ValueError when Plotly does not know a key or value of a figure."""
    import plotly.graph_objects as go

    go.Figure(figure)


def plain(text: str) -> str:
    """Make text from anywhere show as it is: Plotly reads tags and entities in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bars(spec: BarChart) -> Figure:
    layout = bar_layout(spec)
    rows = layout.rows
    marks = [row.mark for row in rows]
    centres = [row.top + _BAR // 2 for row in rows]
    unit_px = layout.total / layout.span
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [mark.value if drawable(mark.value) else None for mark in marks],
        "y": centres,
        "width": _BAR,
        "customdata": [plain(mark_sentence(row.mark, row.group, spec.unit)) for row in rows],
        "hovertemplate": _HOVER,
        "marker": {"pattern": {"shape": ["/" if mark.doubt else "" for mark in marks], "size": 6}},
        "error_x": _errors(marks, 2.0 * unit_px),
        "meta": {"hues": [mark.hue for mark in marks]},
    }
    texts = {
        "type": "scatter",
        "mode": "text",
        "x": [_text_place(mark, unit_px) for mark in marks],
        "y": centres,
        "text": [_bar_text(mark, layout) for mark in marks],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "cliponaxis": False,
        "meta": {"role": "ink2"},
    }
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True}
    return {
        "data": [bars, texts],
        "layout": {
            **_layout(layout.height, layout.gutter, 0, 0, 0),
            "xaxis": {
                **axis,
                "showticklabels": False,
                "range": [
                    (layout.gutter - layout.zero) * unit_px,
                    (WIDTH - layout.zero) * unit_px,
                ],
            },
            "yaxis": {
                **axis,
                "range": [layout.height, 0],
                "tickmode": "array",
                "tickvals": [] if layout.stacked else centres,
                "ticktext": [] if layout.stacked else [plain(mark.label) for mark in marks],
                "ticks": "outside",
                "ticklen": 4,
                "tickcolor": _CLEAR,
            },
            "shapes": [
                {"type": "line", "x0": 0, "x1": 0, "y0": top, "y1": foot, "name": "ink3"}
                for top, foot in layout.axes
            ],
            "annotations": _bar_annotations(layout),
        },
    }


def _text_place(mark: Mark, unit_px: float) -> float:
    """Return where a bar's text begins: after its bar and the whisker that is drawn."""
    if mark.value is None or not drawable(mark.value):
        return 0.0
    ends = [0.0, mark.value]
    if mark.low is not None and mark.high is not None and mark.high - mark.low > 2 * unit_px:
        ends.append(mark.high)
    return max(ends)


def _bar_text(mark: Mark, layout: BarLayout) -> str:
    if mark.value is None:
        return NOT_MEASURED
    if not mark.doubt:
        return plain(mark.text)
    reason = "" if layout.notes else f" {plain(mark.doubt)}"
    return f"<b>{plain(mark.text)}</b>{reason}"


def _bar_annotations(layout: BarLayout) -> list[Figure]:
    texts = [(f"<b>{plain(name)}</b>", y - 4, "ink") for name, y in layout.headings]
    if layout.stacked:
        texts += [(plain(row.mark.label), row.top - 8, "ink2") for row in layout.rows]
    first = layout.height - _NOTE_ROW * len(layout.notes) + 6
    texts += [
        (f"Hatched: {plain(note)}", first + _NOTE_ROW * index, "ink3")
        for index, note in enumerate(layout.notes)
    ]
    return [
        _annotation(text, role, x=0, y=y, xref="paper", yref="y", xshift=-layout.gutter)
        for text, y, role in texts
    ]


def _lines(spec: LineChart) -> Figure:
    layout = frame(spec)
    if not any(layout.points):
        note = _annotation(NOT_MEASURED, "ink3", x=0, y=1, xref="paper", yref="paper")
        hidden = {"visible": False}
        return {
            "data": [],
            "layout": {
                **_layout(24, 0, 0, 0, 0),
                "xaxis": hidden,
                "yaxis": hidden,
                "annotations": [note],
            },
        }
    shapes = []
    if spec.reference is not None and layout.y.low <= spec.reference <= layout.y.high:
        at = spec.reference
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "name": "ink3"}
        )
    foot = layout.height - layout.bottom
    return {
        "data": [
            _trace(line, spec, layout, [place[2] for place in places])
            for line, places in zip(spec.lines, layout.points, strict=True)
            if places
        ],
        "layout": {
            **_layout(layout.height, layout.left, WIDTH - layout.right, layout.top, foot),
            "xaxis": {
                **_ends(layout.x.low, layout.x.high, log=spec.x_log),
                **_ticks(layout.x.ticks),
                "showgrid": False,
                "zeroline": False,
            },
            "yaxis": {
                **_ends(layout.y.low, layout.y.high, log=spec.y_log),
                **_ticks(layout.y.ticks),
                "zeroline": not spec.y_log,
            },
            "shapes": shapes,
            "annotations": _line_annotations(spec, layout),
        },
    }


def _trace(line: Line, spec: LineChart, layout: Frame, points: list[Point]) -> Figure:
    trace: Figure = {
        "type": "scatter",
        "name": plain(line.label),
        "x": [point.x for point in points],
        "y": [point.y for point in points],
        "mode": "lines+markers" if spec.kind == "line" else "lines",
        "line": {
            "width": 2 if spec.kind != "series" else 1.25,
            "dash": _DASHES[line.pattern],
            "shape": "hv" if spec.kind == "step" else "linear",
        },
        "cliponaxis": False,
        "meta": {"hue": line.hue},
    }
    if spec.kind != "line":
        trace["customdata"] = [plain(f"{point.text} {spec.unit}".rstrip()) for point in points]
        trace["hovertemplate"] = "%{fullData.name}, %{x}: %{customdata}<extra></extra>"
        return trace
    shape = "square" if line.hue == "gpu-tee" else "circle"
    trace["marker"] = {
        "symbol": [f"{shape}-open" if point.doubt else shape for point in points],
        "size": 8,
    }
    trace["customdata"] = [
        plain(point_sentence(line.label, x_place(spec, point.x), point, spec.unit))
        for point in points
    ]
    trace["hovertemplate"] = _HOVER
    least = 0.0 if spec.y_log else 8 * (layout.y.high - layout.y.low) / (layout.bottom - layout.top)
    trace["error_y"] = _errors(points, least)
    return trace


def _errors(marks: list[Mark] | list[Point], least: float) -> Figure:
    """Word the whiskers, of which those not wider than ``least`` are left out."""
    above: list[float] = []
    below: list[float] = []
    for mark in marks:
        value = mark.y if not hasattr(mark, "value") else mark.value
        low, high = mark.low, mark.high
        wide = low is not None and high is not None and high - low > least
        above.append(high - value if wide and high is not None and value is not None else 0.0)
        below.append(value - low if wide and low is not None and value is not None else 0.0)
    return {
        "type": "data",
        "array": above,
        "arrayminus": below,
        "thickness": 1.5,
        "width": 3,
        "visible": any(above) or any(below),
    }


def _line_annotations(spec: LineChart, layout: Frame) -> list[Figure]:
    annotations = [
        _annotation(
            plain(axis_caption(spec)), "ink3", x=0, y=0, xref="paper", yref="paper", yshift=-28
        )
    ]
    for line, places, end in zip(spec.lines, layout.points, layout.ends, strict=True):
        if end is None:
            continue
        label, last = end_label(line, spec)
        text = f"{plain(label)} <b>{plain(last)}</b>" if last else plain(label)
        _, y, point = places[-1]
        at = math.log10(point.y) if spec.y_log else point.y
        annotations.append(
            _annotation(text, line.hue, x=1, y=at, xref="paper", yref="y", xshift=8, yshift=y - end)
        )
    for index, note in enumerate(layout.notes):
        text = f"Hollow: {plain(note.text)}" if note.hue else plain(note.text)
        shift = -44 - _NOTE_ROW * index
        annotations.append(
            _annotation(
                text,
                "ink3",
                x=0,
                y=0,
                xref="paper",
                yref="paper",
                xshift=-layout.left,
                yshift=shift,
            )
        )
    return annotations


def _annotation(text: str, role: str, **place: object) -> Figure:
    return {
        "text": text,
        "name": role,
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "middle",
        "align": "left",
        "borderpad": 0,
        **place,
    }


def _ends(low: float, high: float, *, log: bool) -> Figure:
    if log:
        return {"type": "log", "range": [math.log10(low), math.log10(high)]}
    return {"type": "linear", "range": [low, high]}


def _ticks(ticks: tuple[tuple[float, str], ...]) -> Figure:
    return {
        "tickmode": "array",
        "tickvals": [at for at, _ in ticks],
        "ticktext": [plain(text) for _, text in ticks],
    }


def _layout(height: float, left: float, right: float, top: float, foot: float) -> Figure:
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": foot, "pad": 0},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"size": 12},
        "showlegend": False,
        "hovermode": "closest",
        "bargap": 0,
    }
