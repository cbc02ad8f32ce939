"""Charts as SVG, drawn when the site is built.

Plain f-strings, because a full build draws thousands. Every colour and weight is a class of
`site.css`, so dark mode and print need no second file and no `style` attribute is written. Charts
are `WIDTH` px wide and shown 1:1, so that type has one size on every screen.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
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
    from collections.abc import Callable, Iterable, Sequence

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

    #: A point with its x and y in px.
    Placed = tuple[float, float, Point]

#: Width of every chart in px: what a phone can show.
WIDTH: Final = 352

# A bar chart's rows, in px.
_BAR: Final = 14
_ROW: Final = 19
_LABEL_ROW: Final = 18
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
_LEADER: Final = 6.0
_FINE_DECADES: Final = 3
_MOST_SERIES_POINTS: Final = 2 * WIDTH
_SQUARE: Final = "gpu-tee"

# Axis numbers.
_MINUS: Final = "\N{MINUS SIGN}"
_SUFFIXES: Final = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_LEAST_SUFFIXED: Final = 1e4
_MOST_SUFFIXED: Final = 1e15
_LEAST_PLAIN: Final = 1e-4

# The strips of tables, in px.
_STRIP_ROW: Final = 17
_STRIP_HEIGHT: Final = 22
_STRIP_MARGIN: Final = 16
_DOTS_WIDTH: Final = 280

#: Beyond this a value is text only: sums of such values leave the range of a float.
_LEAST = 1e-300  # on a logarithmic axis: what lies below has no power of ten beside it
_LIMIT: Final = 1e300

_EMPTY_HEIGHT: Final = 24
_NOTHING: Final = f'<text class="na" y="14">{NOT_MEASURED}</text>'

# Markup, and the characters that HTML does not allow.
_UNSAFE: Final = re.compile("[&<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}

# Advances of common sans-serif faces at 12 px, by class: enough to keep labels apart.
_ADVANCES: Final[dict[str, float]] = {
    character: advance
    for advance, characters in (
        (2.9, "ijl'|"),
        (3.7, " !,./:;I[]ft\N{MIDDLE DOT}"),
        (4.3, '()-r`{}"'),
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
    top: int


class BarLayout(NamedTuple):
    """Where the parts of a bar chart stand, in px; shared by both drawings.

    A value lies at ``zero + value / total * span``. ``stacked`` puts labels above their bars,
    for names too long to stand beside them. ``notes`` are reasons of doubt that stand below
    the chart because they are shared, or too long to follow their values.
    """

    rows: tuple[BarRow, ...]
    headings: tuple[tuple[str, int], ...]
    axes: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    stacked: bool
    gutter: int
    zero: float
    total: float
    span: float
    height: int


class Axis(NamedTuple):
    """An axis's ends and ticks, in the chart's units."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


class Note(NamedTuple):
    """A line below a chart; with a hue, what its hollow mark means."""

    text: str
    hue: Hue | None


class Frame(NamedTuple):
    """Where the parts of a line chart stand, in px; shared by both drawings.

    ``points`` are those that have a place, line by line. ``ends`` are the y places of the
    lines' labels, None for a line without a point.
    """

    left: float
    right: float
    top: float
    bottom: float
    height: float
    x: Axis
    y: Axis
    to_y: Callable[[float], float]
    points: tuple[tuple[Placed, ...], ...]
    ends: tuple[float | None, ...]
    notes: tuple[Note, ...]


def chart(spec: Chart) -> str:
    """Draw a chart as one `<svg>` element."""
    return _bars(spec) if isinstance(spec, BarChart) else _lines(spec)


def escape(text: str) -> str:
    """Make text from anywhere safe in markup, quoted attributes included."""
    return _UNSAFE.sub(_entity, text) if _UNSAFE.search(text) else text


@lru_cache(maxsize=4096)  # the labels of environments stand in nearly every chart
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
    gutter = 0 if stacked else math.ceil(widest) + 8
    below, total = _bar_extent(marks)
    notes = _shared_doubts(marks)
    span = _bar_span(marks, gutter, below, total, inline=not notes)
    if not notes and span < _SHORTEST_SPAN:
        notes = tuple(dict.fromkeys(mark.doubt for mark in marks if mark.doubt))
        span = _bar_span(marks, gutter, below, total, inline=False)
    rows: list[BarRow] = []
    headings: list[tuple[str, int]] = []
    axes: list[tuple[int, int]] = []
    y, start, heading = 3, 0, ""
    for index, group in enumerate(spec.groups):
        if group.name:
            if rows:
                y += _HEADING_GAP
            headings.append((group.name, y + 9))
            y += _HEADING - 3
            heading = group.name
        elif index:
            y += _GAP
        if not stacked and (group.name or not index):
            start = y - 3
            axes.append((start, start))
        for mark in group.marks:
            if stacked:
                y += _LABEL_ROW
                axes.append((y - 1, y + _BAR + 1))
            rows.append(BarRow(mark, heading, y))
            y += _ROW
        if not stacked:
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
        height=max(y + _NOTE_ROW * len(notes) + (4 if notes else 0), _EMPTY_HEIGHT),
    )


def _bar_extent(marks: Iterable[Mark]) -> tuple[float, float]:
    """Return how far bars and whiskers reach below zero, and their whole extent."""
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if end is not None]
    ends = [end for end in ends if -_LIMIT < end < _LIMIT]
    below, above = max(0.0, -min(ends, default=0.0)), max(0.0, *ends, 0.0)
    total = below + above
    return (below, total) if total > 1 / _LIMIT else (0.0, 1.0)


def _bar_span(
    marks: Iterable[Mark], gutter: int, below: float, total: float, *, inline: bool
) -> float:
    """Return the px that the extent may take, each text having room after its bar."""
    room = float(WIDTH - gutter)
    span = room
    for mark in marks:
        text = NOT_MEASURED if mark.value is None else mark.text
        width = len(text) * _USUAL_ADVANCE + 8.0
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
    parts = [_open(WIDTH, layout.height, spec.summary)]
    parts += [f'<text class="k" y="{y}">{escape(name)}</text>' for name, y in layout.headings]
    parts += [_bar(row, layout, scale, spec.unit) for row in layout.rows]
    if not layout.rows:
        parts.append(_NOTHING)
    zero = layout.zero
    parts += [f'<path class="ax" d="M{zero:.1f} {top}V{foot}"/>' for top, foot in layout.axes]
    if layout.notes:
        hue = next(row.mark.hue for row in layout.rows if row.mark.doubt)
        y = layout.height - _NOTE_ROW * len(layout.notes)
        for note in layout.notes:
            parts.append(
                f'<rect class="hatch" y="{y + 1}" width="12" height="9" fill="url(#p-{hue})"/>'
                f'<text class="y" x="18" y="{y + 10}">{escape(clip(note, WIDTH - 18))}</text>'
            )
            y += _NOTE_ROW
    parts.append("</svg>")
    return "".join(parts)


def _bar(row: BarRow, layout: BarLayout, scale: float, unit: str) -> str:
    mark, top, zero = row.mark, row.top, layout.zero
    title = escape(mark_sentence(mark, row.group, unit))
    if layout.stacked:
        label = f'<text y="{top - 4}">{escape(clip(mark.label, WIDTH))}</text>'
    else:
        label = (
            f'<text class="e" x="{layout.gutter - 8}" y="{top + 11}">{escape(mark.label)}</text>'
        )
    value = mark.value
    if value is None:
        return (
            f"<g><title>{title}</title>{label}"
            f'<text class="na" x="{zero + 6:.1f}" y="{top + 11}">{NOT_MEASURED}</text></g>'
        )
    bar = whisker = ""
    after = zero
    if -_LIMIT < value < _LIMIT:
        end = zero + value * scale
        left, width = (zero, end - zero) if end >= zero else (end, zero - end)
        paint = f'hatch" fill="url(#p-{mark.hue})' if mark.doubt else f"bar c-{mark.hue}"
        bar = f'<rect class="{paint}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="14"/>'
        after = max(after, end)
        low, high = mark.low, mark.high
        if low is not None and high is not None and drawable(low) and drawable(high):
            x_low, x_high = zero + low * scale, zero + high * scale
            if x_high - x_low > _BAR_WHISKER:
                after = max(after, x_high)
                whisker = (
                    f'<path class="w" d="M{x_low:.1f} {top + 7}H{x_high:.1f}'
                    f"M{x_low:.1f} {top + 4}v6M{x_high:.1f} {top + 4}v6"
                    '"/>'
                )
    text = escape(mark.text)
    if mark.doubt:
        text = f'<tspan class="k">{text}</tspan>'
        if not layout.notes:
            text += f' <tspan class="y">{escape(mark.doubt)}</tspan>'
    return (
        f"<g><title>{title}</title>{label}{bar}{whisker}"
        f'<text x="{after + 6:.1f}" y="{top + 11}">{text}</text></g>'
    )


# Lines


def frame(spec: LineChart) -> Frame:
    """Place the axes, points and end labels of a line chart."""
    kept = [[point for point in line.points if _on_axes(point, spec)] for line in spec.lines]
    notes = _line_notes(spec, kept)
    (x_from, x_to), (y_from, y_to) = _extents(spec, kept)
    height = max(_FRAME_HEIGHT, _END_ROW * len(spec.lines) + _FRAME_FOOT + _FRAME_TOP)
    bottom = float(height - _FRAME_FOOT)
    if spec.y_zero and not spec.y_log:
        y_from, y_to = min(y_from, 0.0), max(y_to, 0.0)
    y_axis = _axis(y_from, y_to, 4, log=spec.y_log)
    left = math.ceil(max([text_width(text) for _, text in y_axis.ticks], default=0.0)) + 7.0
    ends = [_end_width(line, spec) for line in spec.lines if line.points]
    right = WIDTH - 8.0 - max(ends, default=0.0)
    x_axis = _x_axis(spec, kept, (x_from, x_to), right - left)
    to_x = _scale(x_axis, left, right, log=spec.x_log)
    to_y = _scale(y_axis, bottom, float(_FRAME_TOP), log=spec.y_log)
    points = tuple(tuple((to_x(point.x), to_y(point.y), point) for point in line) for line in kept)
    return Frame(
        left=left,
        right=right,
        top=float(_FRAME_TOP),
        bottom=bottom,
        height=height + _NOTE_ROW * len(notes),
        x=x_axis,
        y=y_axis,
        to_y=to_y,
        points=points,
        ends=_spread([line[-1][:2] if line else None for line in points], bottom),
        notes=notes,
    )


def end_label(line: Line, spec: LineChart) -> tuple[str, str]:
    """Return the label at a line's end and the last value after it (a step has none)."""
    last = line.points[-1].text if line.points and spec.kind != "step" else ""
    room = _WIDEST_END - (text_width(last) + 4.0 if last else 0.0)
    return clip(line.label, room), last


def axis_caption(spec: LineChart) -> str:
    """Name the x axis, and say which axes are logarithmic."""
    if spec.x_log:
        scale = "both axes log" if spec.y_log else "log scale"
    else:
        scale = "vertical axis log" if spec.y_log else ""
    return ", ".join(filter(None, (spec.x_title, scale)))


def _end_width(line: Line, spec: LineChart) -> float:
    label, last = end_label(line, spec)
    return text_width(label) + (text_width(last) * 1.08 + 4.0 if last else 0.0) + 2.0


def _on_axes(point: Point, spec: LineChart) -> bool:
    return (
        drawable(point.x)
        and drawable(point.y)
        and (point.x > 0 or not spec.x_log)
        and (point.y > 0 or not spec.y_log)
    )


def _line_notes(spec: LineChart, kept: list[list[Point]]) -> tuple[Note, ...]:
    """Say below the chart what its lines cannot show: doubt, absence, a log axis's limit."""
    doubts: dict[str, Hue] = {}
    notes: list[Note] = []
    for line, points in zip(spec.lines, kept, strict=True):
        for point in points:
            if point.doubt and point.doubt not in doubts:
                doubts[point.doubt] = line.hue
        if not line.points:
            notes.append(Note(f"{line.label}: {NOT_MEASURED}", None))
    missing = sum(len(line.points) for line in spec.lines) - sum(map(len, kept))
    if missing:
        values = "1 value has" if missing == 1 else f"{missing} values have"
        notes.append(Note(f"{values} no place on this axis, see the table", None))
    return (*(Note(doubt, hue) for doubt, hue in doubts.items()), *notes)


def _extents(
    spec: LineChart, kept: list[list[Point]]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the least and greatest x and y, whiskers and the reference included."""
    xs = [point.x for line in kept for point in line]
    ys = [point.y for line in kept for point in line]
    if not xs:
        return (1.0, 2.0), (1.0, 2.0)
    floor = 0.0 if spec.y_log else -_LIMIT
    for line in kept:
        for point in line:
            if point.low is not None and floor < point.low < _LIMIT:
                ys.append(point.low)
            if point.high is not None and floor < point.high < _LIMIT:
                ys.append(point.high)
    if spec.reference is not None and floor < spec.reference < _LIMIT:
        ys.append(spec.reference)
    return (min(xs), max(xs)), (min(ys), max(ys))


def _axis(low: float, high: float, count: int, *, log: bool) -> Axis:
    """Widen an extent to round numbers and mark these."""
    if log:
        low, high = _apart(low, high, log=True)
        places = _log_places(low, high)
        suffixed = places[-1] >= _LEAST_SUFFIXED
        ticks = tuple((place, _tick(place, place, place * suffixed)) for place in places)
        return Axis(places[0], places[-1], ticks)
    low, high = _apart(low, high, log=False)
    step = _round_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = [index * step for index in range(first, last + 1)]
    greatest = max(-places[0], places[-1])
    decisive = greatest if greatest >= _LEAST_SUFFIXED else 0.0
    ticks = tuple((place, _tick(place, step, decisive)) for place in places)
    return Axis(places[0], places[-1], ticks)


def _x_axis(
    spec: LineChart, kept: list[list[Point]], extent: tuple[float, float], width: float
) -> Axis:
    """Mark named places, else the points' own places where they are few, else round numbers."""
    low, high = _apart(*extent, log=spec.x_log)
    ticks: list[tuple[float, str]]
    if spec.x_ticks:
        ticks = [tick for tick in spec.x_ticks if low <= tick[0] <= high]
    else:
        places = {point.x for line in kept for point in line} if spec.kind == "line" else set()
        if 0 < len(places) <= _FEW_PLACES:
            ticks = [(place, _number(place)) for place in sorted(places)]
        else:
            around = _axis(low, high, 5, log=spec.x_log)
            ticks = [tick for tick in around.ticks if low <= tick[0] <= high]
    to_x = _scale(Axis(low, high, ()), 0.0, width, log=spec.x_log)
    apart: list[tuple[float, str]] = []
    free = -_LIMIT
    for place, text in ticks:
        half, at = text_width(text) / 2, to_x(place)
        if at - half >= free:
            apart.append((place, text))
            free = at + half + 8.0
    return Axis(low, high, tuple(apart))


def _apart(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """Open an extent that is too narrow to divide."""
    if log:
        return (low, high) if high > low * 1.0001 else (low / 1.5, high * 1.5)
    reach = max(abs(low), abs(high))
    if high - low > reach * 1e-9 and high - low > 1 / _LIMIT:
        return low, high
    pad = reach / 2 if reach > 1 / _LIMIT else 1.0
    return low - pad, high + pad


def _round_step(step: float) -> float:
    """Return the least 1, 2 or 5 times a power of ten that is not less than ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1.0, 2.0, 5.0):
        if step <= factor * power * (1 + 1e-9):
            return factor * power
    return 10.0 * power


def _log_places(low: float, high: float) -> list[float]:
    """Return 1-2-5 places, or powers of ten over a wide range, that enclose an extent."""
    low, high = max(low, _LEAST), max(high, _LEAST)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first <= _FINE_DECADES:
        places = [
            factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)
        ]
        start = max(i for i, place in enumerate(places) if place <= low * (1 + 1e-9))
        end = min(i for i, place in enumerate(places) if place >= high * (1 - 1e-9))
        if end > start:
            return places[start : end + 1]
    stride = max(1, math.ceil((last - first) / 6))
    steps = max(1, math.ceil((last - first) / stride))
    return [10.0 ** (first + stride * index) for index in range(steps + 1)]


def _tick(place: float, step: float, decisive: float) -> str:
    """Word a tick briefly; ``decisive`` is the number whose size picks the suffix."""
    size = abs(place)
    if size < step * 1e-6:
        return "0"
    if size >= _MOST_SUFFIXED or step < _LEAST_PLAIN:
        text = f"{size:.3g}"
    else:
        suffix, unit = next((pair for pair in _SUFFIXES if decisive >= pair[1]), ("", 1.0))
        decimals = max(0, math.ceil(-math.log10(step / unit) - 1e-9))
        text = f"{size / unit:,.{decimals}f}{suffix}"
    return f"{_MINUS}{text}" if place < 0 else text


def _number(place: float) -> str:
    """Word a point's own place on the x axis in full."""
    text = f"{abs(place):,.6g}"
    return f"{_MINUS}{text}" if place < 0 else text


def _scale(axis: Axis, start: float, end: float, *, log: bool) -> Callable[[float], float]:
    """Return the function from a value to its px between ``start`` and ``end``."""
    if log:
        origin = math.log10(axis.low)
        factor = (end - start) / (math.log10(axis.high) - origin)
        return lambda value: start + (math.log10(value) - origin) * factor
    low, extent, width = axis.low, axis.high - axis.low, end - start
    return lambda value: start + (value - low) / extent * width


def _spread(
    places: Sequence[tuple[float, float] | None], bottom: float
) -> tuple[float | None, ...]:
    """Move labels apart by `_END_ROW`, each as little as possible (pooled neighbours).

    Of lines that end at one height the rightmost comes first, so that leaders do not cross.
    """
    order = sorted((place[1], -place[0], index) for index, place in enumerate(places) if place)
    pools: list[tuple[float, int]] = []
    for rank, (y, _, _) in enumerate(order):
        mean, size = y - rank * _END_ROW, 1
        while pools and pools[-1][0] > mean:
            above, count = pools.pop()
            mean, size = (mean * size + above * count) / (size + count), size + count
        pools.append((mean, size))
    lowest = bottom - (len(order) - 1) * _END_ROW
    spread = [
        min(max(mean, float(_FRAME_TOP)), lowest) for mean, size in pools for _ in range(size)
    ]
    ends: list[float | None] = [None] * len(places)
    for rank, (_, _, index) in enumerate(order):
        ends[index] = spread[rank] + rank * _END_ROW
    return tuple(ends)


def _lines(spec: LineChart) -> str:
    layout = frame(spec)
    if not any(layout.points):
        return f"{_open(WIDTH, _EMPTY_HEIGHT, spec.summary)}{_NOTHING}</svg>"
    left, right, bottom, to_y = layout.left, layout.right, layout.bottom, layout.to_y
    to_x = _scale(layout.x, left, right, log=spec.x_log)
    rules = "".join([f"M{left:.1f} {to_y(y):.1f}H{right:.1f}" for y, _ in layout.y.ticks])
    parts = [_open(WIDTH, layout.height, spec.summary), f'<path class="gr" d="{rules}"/>']
    parts += [
        f'<text class="y e" x="{left - 7:.1f}" y="{to_y(y) + 4:.1f}">{text}</text>'
        for y, text in layout.y.ticks
    ]
    parts += [
        f'<text class="mid" x="{to_x(x):.1f}" y="{bottom + 17:.1f}">{escape(text)}</text>'
        for x, text in layout.x.ticks
    ]
    caption = escape(clip(axis_caption(spec), WIDTH - left))
    parts.append(f'<text class="y" x="{left:.1f}" y="{bottom + 32:.1f}">{caption}</text>')
    if not spec.y_log and layout.y.low <= 0 <= layout.y.high:
        parts.append(f'<path class="ax" d="M{left:.1f} {to_y(0.0):.1f}H{right:.1f}"/>')
    reference = spec.reference
    if reference is not None and layout.y.low <= reference <= layout.y.high:
        parts.append(f'<path class="ax" d="M{left:.1f} {to_y(reference):.1f}H{right:.1f}"/>')
    for index, line in enumerate(spec.lines):
        parts.append(_line(line, spec, layout, index))
    y = layout.height - _NOTE_ROW * len(layout.notes) + 10
    for note in layout.notes:
        x = 0
        if note.hue:
            parts.append(_marker(note.hue, 5.0, y - 4, hollow=True) + "/>")
            x = 18
        text = escape(clip(note.text, WIDTH - x))
        parts.append(f'<text class="y" x="{x}" y="{y:.1f}">{text}</text>')
        y += _NOTE_ROW
    parts.append("</svg>")
    return "".join(parts)


def _line(line: Line, spec: LineChart, layout: Frame, index: int) -> str:
    points, end, hue = layout.points[index], layout.ends[index], line.hue
    if not points or end is None:
        return ""
    parts = [f'<path class="ln c-{hue} d{line.pattern}" d="{_path(points, spec.kind)}"']
    if spec.kind == "line":
        parts.append("/>")
        parts += [_point(line, spec, layout, place) for place in points]
    else:
        last = points[-1][2]
        title = point_sentence(line.label, x_place(spec, last.x), last, spec.unit)
        parts.append(f"><title>{escape(title)}</title></path>")
    x, y = points[-1][:2]
    if layout.right - x > _LEADER or abs(end - y) > _LEADER:
        start = x + (_MARKER + 2 if spec.kind == "line" else 1)
        parts.append(
            f'<path class="ld" d="M{start:.1f} {y:.1f}L{layout.right + 5:.1f} {end:.1f}"/>'
        )
    label, last_text = end_label(line, spec)
    value = f' <tspan class="k">{escape(last_text)}</tspan>' if last_text else ""
    parts.append(
        f'<text class="c-{hue}" x="{layout.right + 8:.1f}" y="{end + 4:.1f}">'
        f"{escape(label)}{value}</text>"
    )
    return "".join(parts)


def _path(points: Sequence[Placed], kind: str) -> str:
    x, y, _ = points[0]
    if kind == "step":
        return f"M{x:.1f} {y:.1f}" + "".join([f"H{x:.1f}V{y:.1f}" for x, y, _ in points[1:]])
    if len(points) > _MOST_SERIES_POINTS:
        points = _per_column(points)
    return f"M{x:.1f} {y:.1f}" + "".join([f"L{x:.1f} {y:.1f}" for x, y, _ in points[1:]])


def _per_column(points: Sequence[Placed]) -> list[Placed]:
    """Keep the first, least, greatest and last point of each px, which draw the same line."""
    columns: dict[int, list[Placed]] = {}
    for place in points:
        columns.setdefault(int(place[0]), []).append(place)
    kept: list[Placed] = []
    for column in columns.values():
        least = min(range(len(column)), key=lambda i: column[i][1])
        greatest = max(range(len(column)), key=lambda i: column[i][1])
        kept += [column[i] for i in sorted({0, least, greatest, len(column) - 1})]
    return kept


def _point(line: Line, spec: LineChart, layout: Frame, place: Placed) -> str:
    x, y, point = place
    title = escape(point_sentence(line.label, x_place(spec, point.x), point, spec.unit))
    whisker = ""
    low, high = point.low, point.high
    if low is not None and high is not None and drawable(low) and drawable(high):
        foot = layout.bottom if low <= 0 and spec.y_log else layout.to_y(low)
        head = layout.to_y(high) if high > 0 or not spec.y_log else y
        if foot - head > 2 * _MARKER:
            whisker = (
                f'<path class="w c-{line.hue}" d="M{x:.1f} {head:.1f}V{foot:.1f}'
                f'M{x - 3:.1f} {head:.1f}h6M{x - 3:.1f} {foot:.1f}h6"/>'
            )
    mark = _marker(line.hue, x, y, hollow=bool(point.doubt))
    tag = "rect" if line.hue == _SQUARE else "circle"
    return f"{whisker}{mark}><title>{title}</title></{tag}>"


def _marker(hue: Hue, x: float, y: float, *, hollow: bool) -> str:
    """Open a point's mark; a square for a GPU TEE, so that hue is not the only sign."""
    paint = f"ho c-{hue}" if hollow else f"c-{hue}"
    if hue == _SQUARE:
        return f'<rect class="{paint}" x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6"'
    return f'<circle class="{paint}" cx="{x:.1f}" cy="{y:.1f}" r="4"'


# Strips in tables


def factor_strip(marks: Sequence[FactorMark], *, axis: FactorAxis) -> str:
    """Draw cost factors on a table row's part of the shared axis; `site.css` draws its lines.

    A factor off the axis is an arrow at its end with the value. Labels never meet: a mark that
    finds no room takes another row. A factor that is not positive has no place on the axis.
    """
    origin = math.log(axis.low)
    scale = axis.width / (math.log(axis.high) - origin)
    placed: list[tuple[int, str]] = []
    rows: list[list[tuple[float, float]]] = []
    for mark in marks:
        if not 0 < mark.factor < _LIMIT:
            continue
        x = (math.log(mark.factor) - origin) * scale
        x_from, x_to, shape = _factor_mark(mark, x, axis, origin, scale)
        row = next((row for row, taken in enumerate(rows) if _free(taken, x_from, x_to)), len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append((x_from, x_to))
        placed.append((row, shape))
    height = _STRIP_HEIGHT + _STRIP_ROW * (max(len(rows), 1) - 1)
    summary = "; ".join([factor_sentence(mark) for mark in marks])
    parts = [_open(axis.width, height, summary)]
    for row, shape in placed:
        parts.append(f'<g transform="translate(0 {11 + _STRIP_ROW * row})">{shape}</g>')
    parts.append("</svg>")
    return "".join(parts)


def _free(taken: list[tuple[float, float]], x_from: float, x_to: float) -> bool:
    return all(x_from > end + 1 or x_to < start - 1 for start, end in taken)


def _factor_mark(
    mark: FactorMark, x: float, axis: FactorAxis, origin: float, scale: float
) -> tuple[float, float, str]:
    """Return a factor's leftmost and rightmost px and its drawing around y = 0."""
    label, hue, hollow, width = mark.label, mark.hue, bool(mark.doubt), float(axis.width)
    title = f"<title>{escape(factor_sentence(mark))}</title>"
    paint = f"ho c-{hue}" if hollow else f"c-{hue}"
    if not 0 <= x <= width:
        text = f"{label} {mark.printed}".lstrip()
        reach = 14 + text_width(text)
        if x > width:
            shape = f'{title}<path class="{paint}" d="M{width - 9:.1f} -5l9 5-9 5Z"/>'
            at, edge = f'class="e c-{hue}" x="{width - 14:.1f}"', (width - reach, width)
        else:
            shape = f'{title}<path class="{paint}" d="M9 -5l-9 5 9 5Z"/>'
            at, edge = f'class="c-{hue}" x="14"', (0.0, reach)
        return *edge, f'{shape}<text {at} y="4">{escape(text)}</text>'
    x_from, x_to, whisker = x - 5, x + 5, ""
    if mark.low is not None and mark.high is not None and 0 < mark.low <= mark.high < _LIMIT:
        low = min(max((math.log(mark.low) - origin) * scale, 0.0), width)
        high = min(max((math.log(mark.high) - origin) * scale, 0.0), width)
        if high - low > 2 * _MARKER:
            whisker = f'<path class="w c-{hue}" d="M{low:.1f} 0H{high:.1f}"/>'
            x_from, x_to = min(x_from, low), max(x_to, high)
    tag = "rect" if hue == _SQUARE else "circle"
    shape = f"{whisker}{_marker(hue, x, 0.0, hollow=hollow)}>{title}</{tag}>"
    if label:
        reach = text_width(label) + 4
        if x_to + reach <= width + _STRIP_MARGIN or x_from - reach < 0:
            shape += f'<text class="c-{hue}" x="{x_to + 4:.1f}" y="4">{escape(label)}</text>'
            x_to += reach + _GAP
        else:
            shape += f'<text class="e c-{hue}" x="{x_from - 4:.1f}" y="4">{escape(label)}</text>'
            x_from -= reach + _GAP
    return x_from, x_to, shape


def factor_axis(axis: FactorAxis) -> str:
    """Draw the tick labels that stand in the head of a strip's column."""
    origin = math.log(axis.low)
    scale = axis.width / (math.log(axis.high) - origin)
    parts = [_open(axis.width, 16, "Cost factor, logarithmic axis")]
    parts += [
        f'<text class="mid{" k" * (tick == 1)}" x="{(math.log(tick) - origin) * scale:.1f}"'
        f' y="12">{tick:g}{TIMES}</text>'
        for tick in axis.ticks
    ]
    parts.append("</svg>")
    return "".join(parts)


def dot_strip(dots: Sequence[Dot], hue: Hue, maximum: float, *, median: float | None = None) -> str:
    """Draw repetitions as dots from zero to ``maximum``, with a tick at their median.

    The median is that of all dots unless given. A value outside stands at the strip's end.
    """
    scale = (_DOTS_WIDTH - 6) / maximum if maximum > 1 / _LIMIT else 0.0
    parts = []
    for dot in dots:
        x = min(max(dot.value * scale, 0.0), _DOTS_WIDTH)
        paint = "dt" if dot.suspect else f"c-{hue}"
        text = dot.text if _UNSAFE.search(dot.text) is None else escape(dot.text)
        parts.append(
            f'<circle class="{paint}" cx="{x:.1f}" cy="9" r="4"><title>{text}</title></circle>'
        )
    if median is None and dots:
        values = sorted([dot.value for dot in dots])
        middle = len(values) // 2
        median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    tick = ""
    if median is not None:
        tick = f"M{min(max(median * scale, 0.0), _DOTS_WIDTH):.1f} 1V17"
    return (
        f'<svg class="ch" viewBox="0 0 {_DOTS_WIDTH} 18" width="{_DOTS_WIDTH}" height="18"'
        f' role="img" aria-label="{len(dots)} repetitions">'
        f'<path class="gr" d="M0 9H{_DOTS_WIDTH}"/>'
        f'<path class="ax" d="M.5 3V15"/>{"".join(parts)}<path class="md" d="{tick}"/></svg>'
    )


def pattern_defs(hues: Iterable[Hue]) -> str:
    """Define the hatching of doubtful bars, once a page."""
    patterns = "".join(
        [
            f'<pattern id="p-{hue}" width="6" height="6" patternUnits="userSpaceOnUse"'
            ' patternTransform="rotate(45)"><rect class="pb" width="6" height="6"/>'
            f'<rect class="bar c-{hue}" width="2.2" height="6"/></pattern>'
            for hue in hues
        ]
    )
    return (
        f'<svg class="defs" width="0" height="0" aria-hidden="true"><defs>{patterns}</defs></svg>'
    )


def _open(width: float, height: float, summary: str) -> str:
    return (
        f'<svg class="ch" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="{escape(summary)}">'
    )


def _entity(match: re.Match[str]) -> str:
    return _ENTITIES.get(match[0], "\N{REPLACEMENT CHARACTER}")
