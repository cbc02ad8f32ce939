"""Where the parts of a chart stand, in px: computed once, then drawn as SVG and by Plotly.

Charts are `WIDTH` px wide and shown 1:1, so that type has one size on every screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeGuard

from sitegen.charts.spec import NOT_MEASURED, BarChart, Hue, Line, LineChart, Mark, Point

#: A point with its x and y in px.
Placed = tuple[float, float, Point]
Extent = tuple[float, float]
#: A line below a chart; with a hue, what its hatched or hollow mark means.
Note = tuple[str, Hue | None]

#: Width of every chart in px: what a phone can show.
WIDTH: Final = 352
_EMPTY_HEIGHT: Final = 24
NOTE_ROW: Final = 16
#: Half of a point's mark: a whisker within it is not drawn.
MARKER: Final = 4.0
#: Beyond this a value is text only: sums of such values leave the range of a float.
_LIMIT: Final = 1e300
#: Below this there is no extent to divide, and no power of ten beside it.
LEAST: Final = 1e-300

# A bar chart's rows, in px.
BAR: Final = 14
_ROW: Final = 19
_LABEL_ROW: Final = 18
_GAP: Final = 4
_HEADING: Final = 17
_HEADING_GAP: Final = 12
_WIDEST_LABEL: Final = 124.0
_SHORTEST_SPAN: Final = 120.0
_BAR_WHISKER: Final = 2.0

# A line chart's frame, in px.
_FRAME_HEIGHT: Final = 208
FRAME_TOP: Final = 10.0
_EVENT_ROW: Final = 14
_EVENT_GAP: Final = 4.0
_SMALLER: Final = 12 / 11  # so much more of its text has room
_MOST_NAMED: Final = 3
_FRAME_FOOT: Final = 38
_END_ROW: Final = 14
_WIDEST_END: Final = 150.0
_FEW_PLACES: Final = 9
_FINE_DECADES: Final = 3
_FEWEST_TICKS: Final = 3
_BOLD: Final = 1.08  # how much wider bold type is
_LOG_AXES: Final = (("", "vertical axis log"), ("log scale", "both axes log"))  # x, then y

# Axis numbers.
_MINUS: Final = "\N{MINUS SIGN}"
_SUFFIXES: Final = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_LEAST_SUFFIXED: Final = 1e4
_MOST_SUFFIXED: Final = 1e15
_LEAST_PLAIN: Final = 1e-4

# Advances of common sans-serif faces at 12 px, by class: enough to keep labels apart.
_CLASSES: Final = {
    2.9: "ijl'|",
    3.7: " !,./:;I[]ft\N{MIDDLE DOT}",
    4.3: '()-r`{}"',
    6.4: "ckJsvxyz",
    8.6: "ABEKPSVXY&",
    9.2: "CDHNRUGOQw",
    10.8: "mMW%@",
}
_ADVANCES: Final = {letter: width for width, letters in _CLASSES.items() for letter in letters}
_USUAL_ADVANCE: Final = 7.0
_WIDE_ADVANCE: Final = 12.0


class BarRow(NamedTuple):
    """A mark, with the top of its bar and the ends of its whisker; its text begins at ``end``."""

    mark: Mark
    heading: str
    top: int
    value: float | None
    whisker: Extent | None
    end: float


class BarLayout(NamedTuple):
    """Where the parts of a bar chart stand.

    A value lies at ``zero + value / total * span``. Without a ``gutter`` labels stand above their
    bars: names too long to stand beside them. ``notes`` are reasons of doubt that stand below
    the chart because they are shared, or too long to follow their values.
    """

    rows: tuple[BarRow, ...]
    headings: tuple[tuple[str, int], ...]
    axes: tuple[tuple[int, int], ...]
    notes: tuple[Note, ...]
    gutter: int
    zero: float
    total: float
    span: float
    height: int


class Axis(NamedTuple):
    """An axis's ends and ticks in the chart's units, and the way from there to px."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    to_px: Callable[[float], float]


class PlacedLine(NamedTuple):
    """A line's points that have a place; at its end, ``end`` px down, its label and last value."""

    line: Line
    points: tuple[Placed, ...]
    label: str
    value: str
    end: float


class PlacedEvent(NamedTuple):
    """An event ``x`` px across: its line from ``top`` down, and its text beside that."""

    x: float
    top: float
    text: str
    before: bool  # the text ends at the line


class Frame(NamedTuple):
    """Where the parts of a line chart stand; ``series`` are the lines that can be drawn."""

    left: float
    right: float
    top: float
    bottom: float
    height: int
    x: Axis
    y: Axis
    series: tuple[PlacedLine, ...]
    caption: str
    reference: float | None
    notes: tuple[Note, ...]
    events: tuple[PlacedEvent, ...]


def drawable(value: float | None, *, log: bool = False) -> TypeGuard[float]:
    """Whether a value has a place on an axis."""
    return value is not None and (0.0 if log else -_LIMIT) < value < _LIMIT


def interval(low: float | None, high: float | None, least: float = 0.0) -> Extent | None:
    """Return the ends of a whisker; None without two, or where it is no wider than ``least``."""
    return (low, high) if drawable(low) and drawable(high) and high - low > least else None


def scale(
    low: float, high: float, start: float, end: float, *, log: bool
) -> Callable[[float], float]:
    """Return the function from a value to its px between ``start`` and ``end``."""
    if log:
        origin = math.log10(low)
        factor = (end - start) / (math.log10(high) - origin)
        return lambda value: start + (math.log10(value) - origin) * factor
    extent, width = high - low, end - start
    return lambda value: start + (value - low) / extent * width


@lru_cache(maxsize=4096)  # the labels of environments stand in nearly every chart
def text_width(text: str) -> float:
    """Estimate the width of a text at 12 px, in px."""
    width = 0.0
    for character in text:
        usual = _USUAL_ADVANCE if character < "\u1100" else _WIDE_ADVANCE
        width += _ADVANCES.get(character, usual)
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


# Bars


def bar_layout(spec: BarChart) -> BarLayout:
    """Place the bars of a chart so that every value fits after its own bar."""
    marks = [mark for group in spec.groups for mark in group.marks]
    widest = max([text_width(mark.label) for mark in marks], default=0.0)
    gutter = math.ceil(widest) + 8 if widest <= _WIDEST_LABEL else 0
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if drawable(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    below, total = (-low, high - low) if high - low > LEAST else (0.0, 1.0)
    doubts = [mark for mark in marks if mark.doubt]
    reasons = dict.fromkeys(mark.doubt for mark in doubts)
    span = _bar_span(marks, gutter, below, total, inline=True)
    # What marks share is said once, below.
    inline = len(reasons) == len(doubts) and span >= _SHORTEST_SPAN
    if not inline:
        span = _bar_span(marks, gutter, below, total, inline=False)
    notes = () if inline else tuple((reason, doubts[0].hue) for reason in reasons)
    rows: list[BarRow] = []
    headings: list[tuple[str, int]] = []
    axes: dict[int, int] = {}
    y, start, heading = 3, 0, ""
    for index, group in enumerate(spec.groups):
        if group.name:
            heading = group.name
            y += _HEADING_GAP if rows else 0
            headings.append((heading, y + 9))
            y += _HEADING
        elif index:
            y += _GAP
        if group.name or not index:
            start = y - 3
        for mark in group.marks:
            if not gutter:
                y += _LABEL_ROW
                axes[y - 1] = y + BAR + 1
            value = mark.value if drawable(mark.value) else None
            whisker = (
                interval(mark.low, mark.high, _BAR_WHISKER * (total / span))
                if value is not None
                else None
            )
            end = max(0.0, value or 0.0, whisker[1] if whisker else 0.0)
            rows.append(BarRow(mark, heading, y, value, whisker, end))
            y += _ROW
        if gutter:
            axes[start] = y - 2
    return BarLayout(
        rows=tuple(rows),
        headings=tuple(headings),
        axes=tuple(axes.items()),
        notes=notes,
        gutter=gutter,
        zero=gutter + below / total * span,
        total=total,
        span=span,
        height=max(y + NOTE_ROW * len(notes) + (4 if notes else 0), _EMPTY_HEIGHT),
    )


def _bar_span(
    marks: Sequence[Mark], gutter: int, below: float, total: float, *, inline: bool
) -> float:
    """Return the px that the extent may take, each text having room after bar and whisker."""
    span = room = float(WIDTH - gutter)
    for mark in marks:
        width = (len(mark.printed) * _USUAL_ADVANCE + 8.0) * (_BOLD if mark.doubt else 1.0)
        if mark.doubt and inline:
            width += text_width(mark.doubt) + 4.0
        end = below + max([0.0, *filter(drawable, (mark.value, mark.high))])
        if end > 0.0:
            span = min(span, max(room - width, 24.0) * (total / end))
    return span


# Lines


def frame(spec: LineChart) -> Frame:
    """Place the axes, points and end labels of a line chart."""
    visible = [
        [p for p in line.points if drawable(p.x, log=spec.x_log) and drawable(p.y, log=spec.y_log)]
        for line in spec.lines
    ]
    notes = _line_notes(spec, visible)
    above = _EVENT_ROW * min(len(spec.events), _MOST_NAMED)
    height = max(_FRAME_HEIGHT, _END_ROW * len(spec.lines) + _FRAME_FOOT + int(FRAME_TOP)) + above
    top, bottom = FRAME_TOP + above, float(height - _FRAME_FOOT)
    y_extent = _y_extent(spec, [point for points in visible for point in points])
    y_axis = _axis(y_extent, 4, (bottom, top), log=spec.y_log)
    left = math.ceil(max([text_width(text) for _, text in y_axis.ticks], default=0.0)) + 7.0
    labels = [_end_label(line, spec) for line in spec.lines]
    widths = [width for line, (*_, width) in zip(spec.lines, labels, strict=True) if line.points]
    right = WIDTH - 8.0 - max(widths, default=0.0)
    x_axis = _x_axis(spec, [point.x for points in visible for point in points], (left, right))
    to_x, to_y = x_axis.to_px, y_axis.to_px
    drawn = [
        (line, tuple((to_x(point.x), to_y(point.y), point) for point in points), label, value)
        for line, points, (label, value, _) in zip(spec.lines, visible, labels, strict=True)
        if points
    ]
    ends = _spread([points[-1][:2] for _, points, *_ in drawn], top, bottom)
    at = spec.reference
    return Frame(
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        height=height + NOTE_ROW * len(notes) if drawn else _EMPTY_HEIGHT,
        x=x_axis,
        y=y_axis,
        series=tuple(PlacedLine(*parts, end) for parts, end in zip(drawn, ends, strict=True)),
        caption=", ".join(filter(None, (spec.x_title, _LOG_AXES[spec.x_log][spec.y_log]))),
        reference=at if at is not None and y_axis.low <= at <= y_axis.high else None,
        notes=notes,
        events=_placed_events(spec, x_axis) if drawn else (),
    )


def _placed_events(spec: LineChart, axis: Axis) -> tuple[PlacedEvent, ...]:
    """Give the newest events a row each above the plot, the oldest of them the highest."""
    placed = []
    named = len(spec.events) - _MOST_NAMED
    for index, (at, text) in enumerate(sorted(spec.events)):
        x, row = axis.to_px(at), index - max(named, 0)
        after, before = ((room - _EVENT_GAP) * _SMALLER for room in (WIDTH - x, x))
        ends_here = text_width(text) > after and before > after
        shown = clip(text, before if ends_here else after) if row >= 0 else ""
        placed.append(PlacedEvent(x, FRAME_TOP + _EVENT_ROW * max(row, 0), shown, ends_here))
    return tuple(placed)


def _end_label(line: Line, spec: LineChart) -> tuple[str, str, float]:
    """Return the label at a line's end, the value after it, and their width."""
    last = line.value or (line.points[-1].text if line.points and spec.kind != "step" else "")
    width = text_width(last) if last else 0.0
    label = clip(line.label, _WIDEST_END - (width + 4.0 if last else 0.0))
    return label, last, text_width(label) + (width * _BOLD + 4.0 if last else 0.0) + 2.0


def _line_notes(spec: LineChart, visible: Sequence[Sequence[Point]]) -> tuple[Note, ...]:
    """Say below the chart what its lines cannot show: doubt, absence, a log axis's limit."""
    doubts: dict[str, Hue] = {}
    for line, points in zip(spec.lines, visible, strict=True):
        for point in points:
            if point.doubt:
                doubts.setdefault(point.doubt, line.hue)
    notes: list[Note] = [*doubts.items()]
    notes += [(f"{line.label}: {NOT_MEASURED}", None) for line in spec.lines if not line.points]
    missing = sum(len(line.points) for line in spec.lines) - sum(map(len, visible))
    if missing:
        values = "1 value has" if missing == 1 else f"{missing} values have"
        notes.append((f"{values} no place on this axis, see the table", None))
    return tuple(notes)


def _y_extent(spec: LineChart, points: Sequence[Point]) -> Extent:
    """Return the least and greatest y: points, whiskers, the reference, and zero if wanted."""
    values = [y for point in points for y in (point.y, point.low, point.high)]
    ys = [y for y in (*values, spec.reference) if drawable(y, log=spec.y_log)]
    ys = ys if points else [1.0, 2.0]
    if spec.y_zero and not spec.y_log:
        ys.append(0.0)
    return min(ys), max(ys)


def _axis(extent: Extent, count: int, px: Extent, *, log: bool) -> Axis:
    """Widen an extent to round numbers and mark these."""
    low, high = _apart(*extent, log=log)
    if log:
        places = steps = _log_places(low, high)
    else:
        step = _round_step((high - low) / count)
        numbers = range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)
        places = [number * step for number in numbers]
        steps = [step] * len(places)
    first, last = places[0], places[-1]
    greatest = max(-first, last)
    suffixed = greatest >= _LEAST_SUFFIXED
    ticks = tuple(
        (place, _tick(place, step, (place if log else greatest) * suffixed))
        for place, step in zip(places, steps, strict=True)
    )
    return Axis(first, last, ticks, scale(first, last, *px, log=log))


def log_axis(low: float, high: float, px: Extent) -> Axis:
    """Return a log axis of round numbers around an extent, with three ticks at the least."""
    axis = _axis((low, high), 5, px, log=True)
    while len(axis.ticks) < _FEWEST_TICKS:
        low, high = low / 2, high * 2
        axis = _axis((low, high), 5, px, log=True)
    return axis


def _x_axis(spec: LineChart, xs: Sequence[float], px: Extent) -> Axis:
    """Mark named places, else the points' own places where they are few, else round numbers."""
    low, high = _apart(min(xs, default=1.0), max(xs, default=2.0), log=spec.x_log)
    ticks: Sequence[tuple[float, str]] = spec.x_ticks
    if not ticks:
        places = sorted({*xs}) if spec.kind == "line" else []
        short = all(place == round(place, 0) or place == float(f"{place:.3g}") for place in places)
        if short and 0 < len(places) <= _FEW_PLACES:
            ticks = [(place, _signed(place, f"{abs(place):,.6g}")) for place in places]
        else:
            ticks = _axis((low, high), 5, px, log=spec.x_log).ticks
            if spec.x_log and sum(low <= place <= high for place, _ in ticks) < _FEWEST_TICKS:
                ticks = _axis((low, high), 4, px, log=False).ticks
    to_x = scale(low, high, *px, log=spec.x_log)
    apart: list[tuple[float, str]] = []
    free = -_LIMIT
    for place, text in ticks:
        if not low <= place <= high:
            continue
        half, at = text_width(text) / 2, to_x(place)
        if at - half >= free:
            apart.append((place, text))
            free = at + half + 8.0
    return Axis(low, high, tuple(apart), to_x)


def _apart(low: float, high: float, *, log: bool) -> Extent:
    """Open an extent that is too narrow to divide."""
    if log:
        return (low, high) if high > low * 1.0001 else (low / 1.5, high * 1.5)
    reach = max(abs(low), abs(high))
    if high - low > reach * 1e-9 and high - low > LEAST:
        return low, high
    pad = reach / 2 if reach > LEAST else 1.0
    return low - pad, high + pad


def _round_step(step: float) -> float:
    """Return the least 1, 2 or 5 times a power of ten that is not less than ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    factors = (1.0, 2.0, 5.0)
    return next((f * power for f in factors if step <= f * power * (1 + 1e-9)), 10.0 * power)


def _log_places(low: float, high: float) -> list[float]:
    """Return 1-2-5 places, or powers of ten over a wide range, that enclose an extent."""
    low, high = max(low, LEAST), max(high, LEAST)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first <= _FINE_DECADES:
        places = [f * 10.0**power for power in range(first - 1, last + 1) for f in (1, 2, 5)]
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
        return _signed(place, f"{size:.3g}")
    suffix, unit = next((pair for pair in _SUFFIXES if decisive >= pair[1]), ("", 1.0))
    decimals = max(0, math.ceil(-math.log10(step / unit) - 1e-9))
    return _signed(place, f"{size / unit:,.{decimals}f}{suffix}")


def _signed(place: float, text: str) -> str:
    return f"{_MINUS}{text}" if place < 0 else text


def _spread(places: Sequence[Extent], top: float, bottom: float) -> list[float]:
    """Move labels apart, as little as can be; of those at one height the rightmost comes first."""
    order = sorted((y, -x, index) for index, (x, y) in enumerate(places))
    pools: list[tuple[float, int]] = []
    for rank, (y, _, _) in enumerate(order):
        mean, size = y - rank * _END_ROW, 1
        while pools and pools[-1][0] > mean:
            above, count = pools.pop()
            mean, size = (mean * size + above * count) / (size + count), size + count
        pools.append((mean, size))
    lowest = bottom - (len(order) - 1) * _END_ROW
    firsts = [min(max(mean, top), lowest) for mean, size in pools for _ in range(size)]
    ends = [0.0] * len(places)
    for rank, (first, (_, _, index)) in enumerate(zip(firsts, order, strict=True)):
        ends[index] = first + rank * _END_ROW
    return ends
