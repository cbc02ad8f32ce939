"""Charts as SVG, drawn when the site is built.

Plain f-strings, because a full build draws thousands. Every colour and weight is a class of
`site.css`, so dark mode and print need no second file and no `style` attribute is written. Charts
are `WIDTH` px wide and shown 1:1, so that type has one size on every screen.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from sitegen.charts.spec import (
    NOT_MEASURED,
    TIMES,
    BarChart,
    factor_sentence,
    mark_sentence,
    point_sentence,
    x_place,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sitegen.charts.spec import (
        Chart,
        Dot,
        FactorAxis,
        FactorMark,
        Hue,
        Line,
        LineChart,
        Mark,
        Point,
    )

#: Width of every chart in px: what a phone can show.
WIDTH: Final = 352

# A bar chart's rows, in px.
_BAR: Final = 14
_ROW: Final = 19
_LABEL_ROW: Final = 15
_GAP: Final = 4
_HEADING: Final = 20
_HEADING_GAP: Final = 12
_NOTE_ROW: Final = 16
_WIDEST_LABEL: Final = 124.0
_SHORTEST_SPAN: Final = 120.0
_BAR_WHISKER: Final = 2.0

# A line chart's frame, in px.
_FRAME_HEIGHT: Final = 208
_FRAME_TOP: Final = 10
_FRAME_FOOT: Final = 38
_END_ROW: Final = 14
_WIDEST_END: Final = 150.0
_MARKER: Final = 4.0
_FEW_PLACES: Final = 9
_MOST_SERIES_POINTS: Final = 2 * WIDTH

# The strips of tables, in px.
_STRIP_ROW: Final = 17
_STRIP_HEIGHT: Final = 22
_DOTS_WIDTH: Final = 280

#: Beyond this a value is text only: sums of such values leave the range of a float.
_LIMIT: Final = 1e300

_UNSAFE: Final = re.compile("[&<>\"'\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}

# Advances of common sans-serif faces at 12 px, by class: enough to keep labels apart.
_ADVANCES: Final[dict[str, float]] = {
    character: advance
    for advance, characters in (
        (2.9, "ijl'|"),
        (3.7, " !,./:;I[]ft\N{MIDDLE DOT}"),
        (4.3, "()-r`{}\""),
        (6.4, "ckJsvxyz"),
        (8.6, "ABEKPSVXY&"),
        (9.2, "CDHNRUGOQw"),
        (10.8, "mMW%@"),
    )
    for character in characters
}
_USUAL_ADVANCE: Final = 7.0
_WIDE_ADVANCE: Final = 12.0


class BarRow(NamedTuple):
    """A mark with the heading it stands under and the top of its bar."""

    mark: Mark
    group: str
    top: float


class BarLayout(NamedTuple):
    """Where the parts of a bar chart stand, in px; shared by both drawings.

    A value lies at ``zero + value / total * span``. ``stacked`` puts labels above their bars,
    for names too long to stand beside them. ``notes`` are reasons of doubt that stand below
    the chart because they are shared, or too long to follow their values.
    """

    rows: tuple[BarRow, ...]
    headings: tuple[tuple[str, float], ...]
    axes: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    stacked: bool
    gutter: float
    zero: float
    total: float
    span: float
    height: float


class Frame(NamedTuple):
    """Where the parts of a line chart stand, in px; shared by both drawings.

    ``x_low`` to ``y_high`` are the axes' ends in the chart's units. ``ends`` are the y places of
    the lines' labels, None for a line without a drawable point. ``left_out`` counts the points
    that a log axis cannot show.
    """

    left: float
    right: float
    top: float
    bottom: float
    height: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    points: tuple[tuple[tuple[float, float, Point], ...], ...]
    ends: tuple[float | None, ...]
    left_out: int


def chart(spec: Chart) -> str:
    """Draw a chart as one `<svg>` element."""
    return _bars(spec) if isinstance(spec, BarChart) else _lines(spec)


def escape(text: str) -> str:
    """Make text from anywhere safe in markup, quoted attributes included."""
    return _UNSAFE.sub(_entity, text) if _UNSAFE.search(text) else text


def text_width(text: str) -> float:
    """Estimate the width of a text at 12 px, in px."""
    width = 0.0
    for character in text:
        advance = _ADVANCES.get(character)
        if advance is None:
            advance = _USUAL_ADVANCE if character < "\u1100" else _WIDE_ADVANCE
        width += advance
    return width


def clip(text: str, width: float) -> str:
    """Shorten a text to a width in px, with an ellipsis."""
    if len(text) * _WIDE_ADVANCE <= width or text_width(text) <= width:
        return text
    room = width - _WIDE_ADVANCE
    for index, character in enumerate(text):
        room -= text_width(character)
        if room < 0:
            return text[:index].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return text


def drawable(value: float | None) -> bool:
    """Whether a value has a place on an axis."""
    return value is not None and -_LIMIT < value < _LIMIT


# Bars


def bar_layout(spec: BarChart) -> BarLayout:
    """Place the bars of a chart so that every value fits after its own bar."""
    marks = [mark for group in spec.groups for mark in group.marks]
    widest = max([text_width(mark.label) for mark in marks], default=0.0)
    stacked = widest > _WIDEST_LABEL
    gutter = 0.0 if stacked else math.ceil(widest) + 8.0
    below, total = _bar_extent(marks)
    notes = _shared_doubts(marks)
    span = _bar_span(marks, gutter, below, total, inline=not notes)
    if not notes and span < _SHORTEST_SPAN:
        notes = tuple(dict.fromkeys(mark.doubt for mark in marks if mark.doubt))
        span = _bar_span(marks, gutter, below, total, inline=False)
    rows: list[BarRow] = []
    headings: list[tuple[str, float]] = []
    axes: list[tuple[float, float]] = []
    y, start, heading = 3.0, 0.0, ""
    for index, group in enumerate(spec.groups):
        if group.name:
            if axes:
                y += _HEADING_GAP
            headings.append((group.name, y + 9))
            y += _HEADING - 3
            heading = group.name
        elif index:
            y += _GAP
        if group.name or not index:
            start = y - 3
            axes.append((start, start))
        for mark in group.marks:
            if stacked:
                y += _LABEL_ROW
            rows.append(BarRow(mark, heading, y))
            y += _ROW
        axes[-1] = (start, y - 2)
    return BarLayout(
        rows=tuple(rows),
        headings=tuple(headings),
        axes=tuple(axes),
        notes=notes,
        stacked=stacked,
        gutter=gutter,
        zero=gutter + below / total * span,
        total=total,
        span=span,
        height=y + _NOTE_ROW * len(notes) + (4 if notes else 0),
    )


def _bar_extent(marks: Iterable[Mark]) -> tuple[float, float]:
    """Return how far bars and whiskers reach below zero, and their whole extent."""
    below = above = 0.0
    for mark in marks:
        for end in (mark.value, mark.low, mark.high):
            if end is not None and -_LIMIT < end < _LIMIT:
                if end > above:
                    above = end
                elif -end > below:
                    below = -end
    total = below + above
    return (below, total) if total > 1 / _LIMIT else (0.0, 1.0)


def _bar_span(
    marks: Iterable[Mark], gutter: float, below: float, total: float, *, inline: bool
) -> float:
    """Return the px that the extent may take, each text having room after its bar."""
    room = WIDTH - gutter
    span = room
    for mark in marks:
        text = NOT_MEASURED if mark.value is None else mark.text
        width = text_width(text) + 8.0
        if mark.doubt:
            width *= 1.08  # bold
            if inline:
                width += text_width(mark.doubt) + 4.0
        end = below + _bar_end(mark)
        if end > 0.0:
            span = min(span, max(room - width, 24.0) * (total / end))
    return span


def _bar_end(mark: Mark) -> float:
    """Return where the text of a bar begins: after the bar and its whisker, never before zero."""
    end = 0.0
    for value in (mark.value, mark.high):
        if value is not None and end < value < _LIMIT:
            end = value
    return end


def _shared_doubts(marks: Iterable[Mark]) -> tuple[str, ...]:
    """Return the reasons that several marks share: said once, below, rather than at each."""
    doubts = [mark.doubt for mark in marks if mark.doubt]
    distinct = tuple(dict.fromkeys(doubts))
    return distinct if len(distinct) < len(doubts) else ()


def _bars(spec: BarChart) -> str:
    layout = bar_layout(spec)
    scale = layout.span / layout.total
    if not drawable(scale):
        scale = 0.0
    parts = [_open(WIDTH, layout.height, spec.summary)]
    parts += [f'<text class="k" y="{y:.1f}">{escape(name)}</text>' for name, y in layout.headings]
    parts += [_bar(row, layout, scale, spec.unit) for row in layout.rows]
    zero = layout.zero
    parts += [f'<path class="ax" d="M{zero:.1f} {top:.1f}V{foot:.1f}"/>' for top, foot in layout.axes]
    if layout.notes:
        hue = next(row.mark.hue for row in layout.rows if row.mark.doubt)
        y = layout.height - _NOTE_ROW * len(layout.notes)
        for note in layout.notes:
            parts.append(
                f'<rect class="hatch" y="{y + 1:.1f}" width="12" height="9" fill="url(#p-{hue})"/>'
                f'<text class="y" x="18" y="{y + 10:.1f}">{escape(clip(note, WIDTH - 18))}</text>'
            )
            y += _NOTE_ROW
    parts.append("</svg>")
    return "".join(parts)


def _bar(row: BarRow, layout: BarLayout, scale: float, unit: str) -> str:
    mark, top, zero = row.mark, row.top, layout.zero
    title = escape(mark_sentence(mark, row.group, unit))
    if layout.stacked:
        label = f'<text y="{top - 4:.1f}">{escape(clip(mark.label, WIDTH))}</text>'
    else:
        label = (
            f'<text class="e" x="{layout.gutter - 8:.1f}" y="{top + 11:.1f}">'
            f"{escape(mark.label)}</text>"
        )
    value = mark.value
    if value is None:
        return (
            f"<g><title>{title}</title>{label}"
            f'<text class="na" x="{zero + 6:.1f}" y="{top + 11:.1f}">{NOT_MEASURED}</text></g>'
        )
    bar = whisker = ""
    after = zero
    if -_LIMIT < value < _LIMIT:
        end = zero + value * scale
        left, width = (zero, end - zero) if end >= zero else (end, zero - end)
        paint = f'hatch" fill="url(#p-{mark.hue})' if mark.doubt else f"bar c-{mark.hue}"
        bar = f'<rect class="{paint}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="14"/>'
        if end > after:
            after = end
        low, high = mark.low, mark.high
        if low is not None and high is not None and drawable(low) and drawable(high):
            x_low, x_high = zero + low * scale, zero + high * scale
            if x_high - x_low > _BAR_WHISKER:
                after = max(after, x_high)
                whisker = (
                    f'<path class="w" d="M{x_low:.1f} {top + 7:.1f}H{x_high:.1f}'
                    f"M{x_low:.1f} {top + 4:.1f}v6M{x_high:.1f} {top + 4:.1f}v6"
                    '"/>'
                )
    text = escape(mark.text)
    if mark.doubt:
        text = f'<tspan class="k">{text}</tspan>'
        if not layout.notes:
            text += f' <tspan class="y">{escape(mark.doubt)}</tspan>'
    return (
        f"<g><title>{title}</title>{label}{bar}{whisker}"
        f'<text x="{after + 6:.1f}" y="{top + 11:.1f}">{text}</text></g>'
    )


# Lines


def frame(spec: LineChart) -> Frame:
    """Place the axes, points and end labels of a line chart."""
    kept: list[list[Point]] = []
    left_out = 0
    for line in spec.lines:
        points = [point for point in line.points if _on_axes(point, spec)]
        left_out += len(line.points) - len(points)
        kept.append(points)
    xs, ys = _extents(kept, spec)
    height = max(_FRAME_HEIGHT, _END_ROW * len(spec.lines) + _FRAME_FOOT + _FRAME_TOP)
    bottom = float(height - _FRAME_FOOT)
    y_low, y_high, y_ticks = _axis(*ys, log=spec.y_log, count=4, zero=spec.y_zero)
    left = math.ceil(max([text_width(text) for _, text in y_ticks], default=0.0)) + 7.0
    right = WIDTH - 8.0 - max(
        [min(_WIDEST_END, _end_width(line, spec)) for line in spec.lines], default=8.0
    )
    x_low, x_high, x_ticks = _x_axis(spec, kept, xs, right - left)
    to_x = _scale(x_low, x_high, left, right, log=spec.x_log)
    to_y = _scale(y_low, y_high, bottom, float(_FRAME_TOP), log=spec.y_log)
    points = tuple(
        tuple((to_x(point.x), to_y(point.y), point) for point in line) for line in kept
    )
    return Frame(
        left=left,
        right=right,
        top=float(_FRAME_TOP),
        bottom=bottom,
        height=float(height),
        x_low=x_low,
        x_high=x_high,
        y_low=y_low,
        y_high=y_high,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        points=points,
        ends=_spread([line[-1][1] if line else None for line in points], bottom),
        left_out=left_out,
    )


def end_label(line: Line, spec: LineChart) -> tuple[str, str]:
    """Return the label at a line's end and the last value after it (not on a step's)."""
    last = line.points[-1].text if line.points and spec.kind != "step" else ""
    return clip(line.label, _WIDEST_END - text_width(last) - 4), last
