"""Charts as live Plotly figures that lie exactly over the SVG.

A figure is a plain dict: building one through the library costs a thousand times as much. Colours
are the CSS variables of `site.css`, which `live.js` resolves, so that it follows the theme.

What is said of a mark stands in the SVG, as the titles of its marks, and `live.js` takes it from
there. What Plotly knows nothing of stands in ``meta``, for `live.js` and `save.js`. Of a figure:
``unit`` and the name of ``x``, ``series`` by name and hue, ``runs`` by id and date, the axes whose
ticks are to be ``free`` once a reader zooms. Of a trace, point by point: the places of its
``series`` and ``runs``, its ``group``, its interval and its doubt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sitegen.charts import colours, layout
from sitegen.charts.spec import (
    NOT_MEASURED,
    SQUARE,
    BarChart,
    Behind,
    Chart,
    Hue,
    LineChart,
    Mark,
    Point,
)

if TYPE_CHECKING:
    from plotly import graph_objects

#: JSON for Plotly: `data`, `layout`.
Figure = dict[str, Any]

#: Pixels around a figure that stands by itself, and above it for its title.
_AROUND: Final = 16
_HEAD: Final = 36
_INK: Final = "var(--ink)"
_INK2: Final = "var(--ink2)"
_INK3: Final = "var(--ink3)"
_GROUND: Final = "var(--bg)"
_CLEAR: Final = "rgba(0,0,0,0)"
_BOLD: Final = 650
_INSET: Final = "\N{NO-BREAK SPACE}"  # Plotly sets a text closer to its place than we do
_RULE: Final = {"color": _INK3, "width": 1}
_APART: Final = {"ticks": "outside", "ticklen": 2, "tickcolor": _CLEAR}
_BARE: Final = {"showgrid": False, "zeroline": False}
_ZERO: Final = {"zerolinecolor": _INK3, "zerolinewidth": 1}
_HOVER: Final = "%{customdata}<extra></extra>"
_DASHES: Final = ("solid", "6px,4px", "2px,3px")  # those of site.css
_LABEL: Final = {"align": "left", "bgcolor": _GROUND, "bordercolor": _INK3}
#: What every figure looks like, those that the compare page makes too.
LOOK: Final = {
    "paper_bgcolor": _GROUND,
    "plot_bgcolor": _GROUND,
    "font": {"size": 12, "color": _INK},
    "showlegend": False,
    "hovermode": "closest",
    "hoverlabel": {**_LABEL, "font": {"color": _INK, "size": 12}},
    "modebar": {"bgcolor": _CLEAR, "color": _INK3, "activecolor": _INK},
    "bargap": 0,
    "barmode": "overlay",
}
#: A text with its left end at its place, on the whole figure unless it is of an axis.
_TEXT: Final = {"showarrow": False, "xanchor": "left", "yanchor": "middle", "align": "left"}
_PAPER: Final = {"xref": "paper", "yref": "paper"}


def figure(spec: Chart) -> Figure:
    """Build the live figure of a chart."""
    return _bars(spec) if isinstance(spec, BarChart) else _lines(spec)


def graph(spec: Chart) -> graph_objects.Figure:
    """Return a chart as a figure of the library, whole by itself: with a title, and in colours."""
    from plotly import graph_objects

    live = _coloured(figure(spec), colours.light())
    for trace, told in zip(live["data"], _sentences(spec), strict=False):
        trace["customdata"] = [plain(text).replace("\n", "<br>") for text in told]
    for trace in live["data"]:
        trace.pop("meta", None)
    frame = live["layout"]
    frame.pop("meta", None)
    title = f"{plain(spec.title)}<br><sup>{plain(spec.subtitle)}</sup>"
    place = {"x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "yref": "container"}
    pad = {"t": _AROUND, "l": _AROUND}
    frame["title"] = {"text": title, "font": {"size": 15}, "pad": pad, **place}
    margin = frame["margin"]
    frame["margin"] = {side: size + _AROUND for side, size in margin.items() if side != "pad"}
    frame["margin"]["t"] += _HEAD
    frame["height"] += _HEAD + 2 * _AROUND
    frame["width"] = layout.WIDTH + 2 * _AROUND
    return graph_objects.Figure(live)


def _sentences(spec: Chart) -> Iterator[list[str]]:
    """Yield what is said of the marks of each trace, for those that have marks to point at."""
    if isinstance(spec, BarChart):
        rows = layout.bar_layout(spec).rows
        said = [(row, row.mark.sentence(row.heading, spec.unit)) for row in rows]
        yield [text for row, text in said if not row.mark.doubt]
        if any(row.mark.doubt for row in rows):
            yield [text for row, text in said if row.mark.doubt]
        return
    for series in layout.frame(spec).series:
        points = _with_gaps([point for _, _, point in series.points])
        yield [spec.sentence(series.line, point) for point in points]


def _coloured(value: Any, palette: Mapping[str, str]) -> Any:  # noqa: ANN401 - parts of JSON
    """Return a part of a figure with colours in the place of the style sheet's names."""
    if isinstance(value, dict):
        return {key: _coloured(each, palette) for key, each in value.items()}
    if isinstance(value, list):
        return [_coloured(each, palette) for each in value]
    if isinstance(value, str) and value.startswith("var(--") and value[6:-1] in palette:
        return palette[value[6:-1]]
    return value


def plain(text: str) -> str:
    """Make text from anywhere show as it is: Plotly reads tags and entities in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bars(spec: BarChart) -> Figure:
    bars = layout.bar_layout(spec)
    rows = bars.rows
    marks = [row.mark for row in rows]
    unit_px = bars.total / bars.span
    # Plotly gives bars of several colours no ground under their hatching, so doubt has a trace.
    sure = [row for row in rows if not row.mark.doubt]
    doubtful = [row for row in rows if row.mark.doubt]
    told = _Told([row.mark.behind for row in rows])
    series = {key: place for place, key in enumerate(dict.fromkeys(map(_series, marks)))}

    def of(rows: Sequence[layout.BarRow]) -> Figure:
        return {"series": [series[_series(row.mark)] for row in rows]}

    traces = [_bar_trace(sure, {"color": _hues(sure)}, told, of(sure))]
    if doubtful:
        pattern = {"shape": "/", "fgcolor": _hues(doubtful), "bgcolor": "var(--doubt)", "size": 6}
        line = {"color": "var(--doubt-line)", "width": 1}
        hatching = {"color": "var(--doubt)", "line": line, "pattern": pattern}
        traces.append(_bar_trace(doubtful, hatching, told, of(doubtful)))
    # Whiskers are a trace of their own: a bar without one would still get its caps.
    if wide := [row for row in rows if row.whisker]:
        errors = _errors([(row.value, row.whisker) for row in wide], _INK)
        unseen = {
            "marker": {"opacity": 0},
            "hoverinfo": "skip",
            "error_x": errors,
            "meta": of(wide),
        }
        traces.append(_scatter("markers", wide, [row.value for row in wide]) | unseen)
    texts = {
        **_scatter("text", rows, [row.end for row in rows]),
        "text": [_bar_text(mark, bars) for mark in marks],
        "textposition": "middle right",
        "hoverinfo": "skip",
        # Not <b>, which Plotly writes as a style attribute: the page's policy refuses those.
        "textfont": {
            "color": [_INK if mark.doubt else _INK2 for mark in marks],
            "weight": [_BOLD if mark.doubt else "normal" for mark in marks],
        },
        "cliponaxis": False,
        "meta": of(rows),
    }
    axis = {**_BARE, "fixedrange": True}
    ends = [(px - bars.zero) * unit_px for px in (bars.gutter, layout.WIDTH)]
    beside = rows if bars.gutter else ()
    ticks = _ticks([*zip(_centres(beside), [row.mark.label for row in beside], strict=True)])
    placed = {
        **_layout(bars.height, bars.gutter),
        "xaxis": {**axis, "showticklabels": False, "range": ends},
        "yaxis": {**axis, "range": [bars.height, 0], **ticks, **_APART, "ticklen": 4},
        "shapes": [
            {"type": "line", "x0": 0, "x1": 0, "y0": top, "y1": foot, "line": _RULE}
            for top, foot in bars.axes
        ],
        "annotations": _bar_annotations(bars),
        "meta": {"unit": spec.unit, "series": [*series], "runs": told.runs},
    }
    return {"data": [*traces, texts], "layout": placed}


def _series(mark: Mark) -> tuple[str, Hue]:
    return mark.label, mark.hue


class _Told:
    """The runs behind the values of a figure, each once, and where those of a value stand."""

    def __init__(self, behind: Iterable[Behind]) -> None:
        runs = dict.fromkeys(run for one in behind for run in one.runs)
        self.runs = [*runs]
        self._places = {run: place for place, run in enumerate(runs)}

    def of(self, values: Sequence[Mark | Point]) -> Figure:
        """Return what is told of the values of one trace, point by point."""
        told: Figure = {}
        if any(one.behind.runs for one in values):
            told["runs"] = [[self._places[run] for run in one.behind.runs] for one in values]
        if any(one.low is not None for one in values):
            for end in ("low", "high"):
                ends = [getattr(one, end) for one in values]
                told[end] = [_digits(value) if layout.drawable(value) else None for value in ends]
        if places := [getattr(one, "about", "") for one in values]:
            told |= {"at": places} if any(places) else {}
        if any(one.doubt for one in values):
            told["doubt"] = [one.doubt for one in values]
        return told


def _digits(number: float) -> float:
    """Return an interval's end with the digits that anyone reads: pages carry thousands."""
    return float(f"{number:.4g}")


def _places(value: float | None) -> float | None:
    """Return a value with digits that tell any two apart on an axis, and no noise."""
    return None if value is None else float(f"{value:.10g}")


def _bar_trace(rows: Sequence[layout.BarRow], marker: Figure, told: _Told, meta: Figure) -> Figure:
    meta = {**meta, **told.of([row.mark for row in rows])}
    if any(row.heading for row in rows):
        meta["group"] = [row.heading for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "x": [_places(row.value) for row in rows],
        "y": _centres(rows),
        "width": layout.BAR,
        "hovertemplate": _HOVER,
        "marker": marker,
        "meta": meta,
    }


def _scatter(mode: str, rows: Sequence[layout.BarRow], xs: Sequence[float | None]) -> Figure:
    return {"type": "scatter", "mode": mode, "x": [*map(_places, xs)], "y": _centres(rows)}


def _centres(rows: Sequence[layout.BarRow]) -> list[int]:
    return [row.top + layout.BAR // 2 for row in rows]


def _hues(rows: Sequence[layout.BarRow]) -> list[str]:
    return [f"var(--{row.mark.hue})" for row in rows]


def _bar_text(mark: Mark, bars: layout.BarLayout) -> str:
    reason = "" if bars.notes or mark.value is None else mark.doubt
    return plain(f"{_INSET}{mark.printed} {reason}".rstrip())


def _bar_annotations(bars: layout.BarLayout) -> list[Figure]:
    texts = [(name, y - 4, "ink") for name, y in bars.headings]
    if not bars.gutter:
        texts += [(row.mark.label, row.top - 8, "ink2") for row in bars.rows]
    if not bars.rows:
        texts.append((NOT_MEASURED, 10, "ink3"))
    first = bars.height - layout.NOTE_ROW * len(bars.notes) + 6
    texts += [
        (f"Hatched: {text}", first + layout.NOTE_ROW * index, "ink3")
        for index, (text, _) in enumerate(bars.notes)
    ]
    return [_annotation(text, role, y=y, yref="y", xshift=-bars.gutter) for text, y, role in texts]


def _lines(spec: LineChart) -> Figure:
    frame = layout.frame(spec)
    if not frame.series:
        hidden = {"visible": False}
        note = _annotation(NOT_MEASURED, "ink3", y=1)
        nothing = {"unit": spec.unit, "series": [], "runs": []}
        axes = {"xaxis": hidden, "yaxis": hidden, "annotations": [note], "meta": nothing}
        return {"data": [], "layout": {**_layout(frame.height), **axes}}
    at = frame.reference
    rule = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "line": _RULE}
    foot = frame.height - frame.bottom
    x, y = _axis(frame.x, log=spec.x_log), _axis(frame.y, log=spec.y_log)
    x |= {"tickfont": {"color": _INK2}, **_BARE}
    y |= {"tickfont": {"color": _INK3, "size": 11}, "gridcolor": "var(--grid)"}
    y |= {"zeroline": not spec.y_log, **_ZERO}
    told = _Told([point.behind for line in spec.lines for point in line.points])
    meta = {
        "unit": spec.unit,
        "x": spec.x_title,
        "series": [(one.line.label, one.line.hue) for one in frame.series],
        "runs": told.runs,
        "free": ["yaxis"] if spec.x_ticks else ["xaxis", "yaxis"],
    }
    placed = {
        **_layout(frame.height, frame.left, layout.WIDTH - frame.right, frame.top, foot),
        "xaxis": x,
        "yaxis": y,
        "shapes": [*([rule] if at is not None else []), *_levels(spec), *_events(spec, frame)],
        "annotations": _line_annotations(spec, frame),
        "meta": meta,
    }
    traces = [_trace(series, spec, frame, told) for series in frame.series]
    return {"data": traces, "layout": placed}


def _levels(spec: LineChart) -> list[Figure]:
    stroke = {"type": "line", "layer": "below", "opacity": 0.3}
    return [
        {**stroke, "x0": start, "x1": end, "y0": y, "y1": y}
        | {"line": {"color": f"var(--{hue})", "width": 7}}
        for hue, start, end, y in spec.levels
    ]


def _events(spec: LineChart, frame: layout.Frame) -> list[Figure]:
    rule = {"type": "line", "yref": "paper", "y0": 0, "line": {**_RULE, "dash": "3px,3px"}}
    high = frame.bottom - frame.top
    return [
        {**rule, "x0": event.x, "x1": event.x, "y1": 1 + (frame.top - placed.top + 8) / high}
        for event, placed in zip(sorted(spec.events), frame.events, strict=True)
    ]


def _trace(series: layout.PlacedLine, spec: LineChart, frame: layout.Frame, told: _Told) -> Figure:
    line, points = series.line, [*_with_gaps([point for _, _, point in series.points])]
    colour = f"var(--{line.hue})"
    width, shape = 2 if spec.kind != "series" else 1.25, "hv" if spec.kind == "step" else "linear"
    stroke = {"width": width, "dash": _DASHES[line.pattern], "shape": shape, "color": colour}
    trace: Figure = {
        "type": "scatter",
        "name": plain(line.label),
        "x": [_places(point.x) for point in points],
        "y": [None if math.isnan(point.y) else _places(point.y) for point in points],
        "mode": "lines+markers" if spec.kind == "line" else "lines",
        "line": stroke,
        "cliponaxis": False,
    }
    if meta := told.of(points):
        trace["meta"] = meta
    if spec.kind != "line":
        # A brace after a percent sign would be a place for a value.
        at, unit = (plain(text).replace("%{", "% {") for text in (spec.x_title, spec.unit))
        value = f"%{{y:,.4~r}} {unit}".rstrip()
        trace["hovertemplate"] = f"%{{fullData.name}}: {value}<br>{at}: %{{x}}<extra></extra>"
        return trace
    y = frame.y
    high = frame.bottom - frame.top
    least = 0.0 if spec.y_log else 2 * layout.MARKER * (y.high - y.low) / high
    trace["marker"] = {
        "symbol": "square" if line.hue == SQUARE else "circle",
        "size": 8,
        "color": [_GROUND if point.doubt else colour for point in points],
        "line": {"color": colour, "width": [1.75 if point.doubt else 0 for point in points]},
    }
    if any(point.label for point in points):
        trace |= {"mode": "lines+markers+text", "text": [plain(p.label) for p in points]}
        trace["textposition"] = "top center"
    trace["hovertemplate"] = _HOVER
    ends = [(point.y, layout.interval(point.low, point.high, least)) for point in points]
    return {**trace, "error_y": _errors(ends, colour)}


def _with_gaps(points: Sequence[Point]) -> Iterator[Point]:
    """Yield points, with an empty one before each that stands apart: no line leads over it."""
    for index, point in enumerate(points):
        if point.apart and index:
            yield point._replace(y=math.nan, low=None, high=None)
        yield point


def _errors(marks: Sequence[tuple[float | None, layout.Extent | None]], colour: str) -> Figure:
    reaches = [
        (0.0, 0.0)
        if value is None or ends is None
        else (_digits(value - ends[0]), _digits(ends[1] - value))
        for value, ends in marks
    ]
    return {
        "type": "data",
        "array": [above for _, above in reaches],
        "arrayminus": [below for below, _ in reaches],
        "thickness": 1.5,
        "width": 3,
        "color": colour,
        "visible": any(map(any, reaches)),
    }


def _line_annotations(spec: LineChart, frame: layout.Frame) -> list[Figure]:
    annotations = [_annotation(frame.caption, "ink3", yshift=-28)]
    for series in frame.series:
        _, px, point = series.points[-1]
        y = math.log10(point.y) if spec.y_log else point.y
        role = "ink2" if series.line.hue == "metal" else series.line.hue
        text = f"{series.label} {series.value}".rstrip()
        shift = px - series.end
        annotations.append(_annotation(text, role, y, 1, yref="y", xshift=8, yshift=shift))
    for event, placed in zip(sorted(spec.events), frame.events, strict=True):
        if placed.text:
            side = {"xanchor": "right", "xshift": -4} if placed.before else {"xshift": 4}
            up = frame.top - placed.top + 4
            annotations.append(
                _annotation(placed.text, "ink3", 1, yshift=up) | side | {"x": event.x, "xref": "x"}
            )
    for index, (note, hue) in enumerate(frame.notes):
        text = f"Hollow: {note}" if hue else note
        shift = -44 - layout.NOTE_ROW * index
        annotations.append(_annotation(text, "ink3", xshift=-frame.left, yshift=shift))
    return annotations


def _annotation(text: str, role: str, y: float = 0, x: int = 0, **more: str | float) -> Figure:
    size, weight = 11 if role == "ink3" else 12, _BOLD if role == "ink" else "normal"
    font = {"color": f"var(--{role})", "size": size, "weight": weight}
    place = {"borderpad": 0, "x": x, "y": y, **_PAPER, **more}
    return {"text": plain(text), "font": font, **_TEXT, **place}


def _axis(axis: layout.Axis, *, log: bool) -> Figure:
    low, high, ticks = axis.low, axis.high, axis.ticks
    if log:
        low, high = math.log10(low), math.log10(high)
    hair = (high - low) * 1e-6  # or rounding puts the outermost points off the axis
    ends = [low - hair, high + hair]
    return {"type": "log" if log else "linear", "range": ends, **_APART, **_ticks(ticks)}


def _ticks(ticks: Sequence[tuple[float, str]]) -> Figure:
    places, texts = [place for place, _ in ticks], [plain(text) for _, text in ticks]
    return {"tickmode": "array", "tickvals": places, "ticktext": texts}


def _layout(
    height: float, left: float = 0, right: float = 0, top: float = 0, foot: float = 0
) -> Figure:
    margin = {"l": left, "r": right, "t": top, "b": foot, "pad": 0}
    return {"height": height, "margin": margin, **LOOK}
