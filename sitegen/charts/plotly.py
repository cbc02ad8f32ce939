"""Charts as live Plotly figures that lie exactly over the SVG.

A figure is a plain dict of data and layout: building one through the library costs a thousand
times as much, so only `validate` imports it. Colours are the CSS variables of `site.css`, by
name; `site.js` resolves them, so a live chart follows the page's theme.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sitegen.charts.spec import NOT_MEASURED, BarChart, mark_sentence, point_sentence, x_place
from sitegen.charts.svg import WIDTH, axis_caption, bar_layout, drawable, end_label, frame

if TYPE_CHECKING:
    from sitegen.charts.spec import Chart, Line, LineChart, Mark, Point
    from sitegen.charts.svg import BarLayout, BarRow, Frame

#: JSON for Plotly: `data`, `layout`.
Figure = dict[str, Any]

_BAR: Final = 14
_NOTE_ROW: Final = 16
_INK: Final = "var(--ink)"
_INK2: Final = "var(--ink2)"
_INK3: Final = "var(--ink3)"
_GROUND: Final = "var(--bg)"
_CLEAR: Final = "rgba(0,0,0,0)"
_BOLD: Final = 650
_INSET: Final = "\N{NO-BREAK SPACE}"  # Plotly sets a text closer to its place than we do
_RULE: Final = {"color": _INK3, "width": 1}
_HOVER: Final = "%{customdata}<extra></extra>"
_DASHES: Final = ("solid", "6px,4px", "2px,3px")  # those of site.css


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
    marks = [row.mark for row in layout.rows]
    centres = [row.top + _BAR // 2 for row in layout.rows]
    unit_px = layout.total / layout.span
    # Plotly gives bars of several colours no ground under their hatching, so doubt has a trace.
    sure = [row for row in layout.rows if not row.mark.doubt]
    doubtful = [row for row in layout.rows if row.mark.doubt]
    traces = [_bar_trace(sure, spec)]
    traces[0]["marker"] = {"color": [f"var(--{row.mark.hue})" for row in sure]}
    if doubtful:
        traces.append(_bar_trace(doubtful, spec))
        traces[1]["marker"] = {
            "color": "var(--doubt)",
            "line": {"color": "var(--doubt-line)", "width": 1},
            "pattern": {
                "shape": "/",
                "fgcolor": [f"var(--{row.mark.hue})" for row in doubtful],
                "bgcolor": "var(--doubt)",
                "size": 6,
            },
        }
    texts = {
        "type": "scatter",
        "mode": "text",
        "x": [_text_place(mark, unit_px) for mark in marks],
        "y": centres,
        "text": [_bar_text(mark, layout) for mark in marks],
        "textposition": "middle right",
        "hoverinfo": "skip",
        # Not <b>, which Plotly writes as a style attribute: the page's policy refuses those.
        "textfont": {
            "color": [_INK if mark.doubt else _INK2 for mark in marks],
            "weight": [_BOLD if mark.doubt else "normal" for mark in marks],
        },
        "cliponaxis": False,
    }
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True}
    return {
        "data": [*traces, *_bar_whiskers(layout.rows, 2.0 * unit_px), texts],
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
                {"type": "line", "x0": 0, "x1": 0, "y0": top, "y1": foot, "line": _RULE}
                for top, foot in layout.axes
            ],
            "annotations": _bar_annotations(layout),
        },
    }


def _bar_trace(rows: list[BarRow], spec: BarChart) -> Figure:
    marks = [row.mark for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "x": [mark.value if drawable(mark.value) else None for mark in marks],
        "y": [row.top + _BAR // 2 for row in rows],
        "width": _BAR,
        "customdata": [plain(mark_sentence(row.mark, row.group, spec.unit)) for row in rows],
        "hovertemplate": _HOVER,
    }


def _bar_whiskers(rows: tuple[BarRow, ...], least: float) -> list[Figure]:
    """Draw whiskers as a trace of their own: a bar without one would still get its caps."""
    wide = [row for row in rows if _reach(row.mark.value, row.mark.low, row.mark.high, least)]
    if not wide:
        return []
    values = [(row.mark.value, row.mark.low, row.mark.high) for row in wide]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [row.mark.value for row in wide],
            "y": [row.top + _BAR // 2 for row in wide],
            "marker": {"opacity": 0},
            "hoverinfo": "skip",
            "error_x": _errors(values, least, _INK),
        }
    ]


def _text_place(mark: Mark, unit_px: float) -> float:
    """Return where a bar's text begins: after its bar and the whisker that is drawn."""
    if mark.value is None or not drawable(mark.value):
        return 0.0
    reach = _reach(mark.value, mark.low, mark.high, 2.0 * unit_px)
    return max(0.0, mark.value, mark.value + reach[1] if reach else 0.0)


def _bar_text(mark: Mark, layout: BarLayout) -> str:
    if mark.value is None:
        return f"{_INSET}{NOT_MEASURED}"
    reason = "" if layout.notes else mark.doubt
    return plain(f"{_INSET}{mark.text} {reason}".rstrip())


def _bar_annotations(layout: BarLayout) -> list[Figure]:
    texts = [(plain(name), y - 4, "ink") for name, y in layout.headings]
    if layout.stacked:
        texts += [(plain(row.mark.label), row.top - 8, "ink2") for row in layout.rows]
    first = layout.height - _NOTE_ROW * len(layout.notes) + 6
    if not layout.rows:
        texts.append((NOT_MEASURED, 10, "ink3"))
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
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "line": _RULE}
        )
    foot = layout.height - layout.bottom
    zoomable = spec.kind != "line"  # many points are worth a closer look
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
                **_ticks(layout.x.ticks, zoomable=zoomable and not (spec.x_log or spec.x_ticks)),
                "tickfont": {"color": _INK2},
                "showgrid": False,
                "zeroline": False,
                "fixedrange": not zoomable,
            },
            "yaxis": {
                **_ends(layout.y.low, layout.y.high, log=spec.y_log),
                **_ticks(layout.y.ticks, zoomable=zoomable and not spec.y_log),
                "tickfont": {"color": _INK3, "size": 11},
                "gridcolor": "var(--grid)",
                "zeroline": not spec.y_log,
                "zerolinecolor": _INK3,
                "zerolinewidth": 1,
                "fixedrange": not zoomable,
            },
            "shapes": shapes,
            "annotations": _line_annotations(spec, layout),
        },
    }


def _trace(line: Line, spec: LineChart, layout: Frame, points: list[Point]) -> Figure:
    colour = f"var(--{line.hue})"
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
            "color": colour,
        },
        "cliponaxis": False,
    }
    if spec.kind != "line":
        trace["customdata"] = [plain(f"{point.text} {spec.unit}".rstrip()) for point in points]
        trace["hovertemplate"] = "%{fullData.name}, %{x}: %{customdata}<extra></extra>"
        return trace
    trace["marker"] = {
        "symbol": "square" if line.hue == "gpu-tee" else "circle",
        "size": 8,
        "color": [_GROUND if point.doubt else colour for point in points],
        "line": {"color": colour, "width": [1.75 if point.doubt else 0 for point in points]},
    }
    trace["customdata"] = [
        plain(point_sentence(line.label, x_place(spec, point.x), point, spec.unit))
        for point in points
    ]
    trace["hovertemplate"] = _HOVER
    least = 0.0 if spec.y_log else 8 * (layout.y.high - layout.y.low) / (layout.bottom - layout.top)
    trace["error_y"] = _errors(
        [(point.y, point.low, point.high) for point in points], least, colour
    )
    return trace


def _reach(
    value: float | None, low: float | None, high: float | None, least: float
) -> tuple[float, float] | None:
    """Return how far a whisker reaches down and up; None where it is no wider than ``least``."""
    if value is None or low is None or high is None or not (drawable(low) and drawable(high)):
        return None
    return (value - low, high - value) if high - low > least else None


def _errors(
    values: list[tuple[float | None, float | None, float | None]], least: float, colour: str
) -> Figure:
    reaches = [_reach(*value, least) or (0.0, 0.0) for value in values]
    return {
        "type": "data",
        "array": [above for _, above in reaches],
        "arrayminus": [below for below, _ in reaches],
        "thickness": 1.5,
        "width": 3,
        "color": colour,
        "visible": any(map(any, reaches)),
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
        text = plain(f"{label} {last}".rstrip())
        _, y, point = places[-1]
        at = math.log10(point.y) if spec.y_log else point.y
        role = "ink2" if line.hue == "metal" else line.hue
        annotations.append(
            _annotation(text, role, x=1, y=at, xref="paper", yref="y", xshift=8, yshift=y - end)
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
        "font": {
            "color": f"var(--{role})",
            "size": 11 if role == "ink3" else 12,
            "weight": _BOLD if role == "ink" else "normal",
        },
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "middle",
        "align": "left",
        "borderpad": 0,
        **place,
    }


def _ends(low: float, high: float, *, log: bool) -> Figure:
    if log:
        low, high = math.log10(low), math.log10(high)
    hair = (high - low) * 1e-6  # or rounding puts the outermost points off the axis
    return {"type": "log" if log else "linear", "range": [low - hair, high + hair]}


def _ticks(ticks: tuple[tuple[float, str], ...], *, zoomable: bool) -> Figure:
    apart = {"ticks": "outside", "ticklen": 2, "tickcolor": _CLEAR}
    if zoomable:  # only ticks that Plotly chooses follow a zoom; these begin as ours
        return {**apart, "tickmode": "auto", "nticks": len(ticks) + 1}
    return {
        **apart,
        "tickmode": "array",
        "tickvals": [at for at, _ in ticks],
        "ticktext": [plain(text) for _, text in ticks],
    }


def _layout(height: float, left: float, right: float, top: float, foot: float) -> Figure:
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": foot, "pad": 0},
        "paper_bgcolor": _GROUND,
        "plot_bgcolor": _GROUND,
        "font": {"size": 12, "color": _INK},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "align": "left",
            "bgcolor": _GROUND,
            "bordercolor": _INK3,
            "font": {"color": _INK, "size": 12},
        },
        "modebar": {"bgcolor": _CLEAR, "color": _INK3, "activecolor": _INK},
        "bargap": 0,
        "barmode": "overlay",
    }
