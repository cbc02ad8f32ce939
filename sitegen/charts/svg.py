"""Charts as SVG, drawn when the site is built: plain f-strings, because a build draws thousands.

Every colour and weight is a class of `site.css`, so dark mode and print need no second file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from string import ascii_lowercase
from typing import Final

from sitegen.charts import layout, spec

_LEADER: Final = 6.0
_MOST_SERIES_POINTS: Final = 2 * layout.WIDTH

# The strips of tables, in px.
_STRIP_ROW: Final = 18
_STRIP_STEP: Final = 10
_STRIP_POINTS: Final = 9
_STRIP_HEIGHT: Final = 22
_STRIP_MARGIN: Final = 16
_LABEL_GAP: Final = 4
_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 22

# Distributions, in px: a row has its label above its shape.
_RIDGE_ROW: Final = 48
_RIDGE_HEIGHT: Final = 24

_NOTHING: Final = f'<text class="na" y="14">{spec.NOT_MEASURED}</text>'

# Markup, and the characters that HTML does not allow.
_UNSAFE: Final = re.compile("[&<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def chart(drawn: spec.Chart) -> str:
    """Draw a chart as one `<svg>` element."""
    return _bars(drawn) if isinstance(drawn, spec.BarChart) else _lines(drawn)


def escape(text: str) -> str:
    """Make text from anywhere safe in markup, quoted attributes included."""
    if not _UNSAFE.search(text):
        return text
    return _UNSAFE.sub(lambda match: _ENTITIES.get(match[0], "\N{REPLACEMENT CHARACTER}"), text)


def _bars(chart: spec.BarChart) -> str:
    bars = layout.bar_layout(chart)
    parts = [f'<text class="k" y="{y}">{escape(name)}</text>' for name, y in bars.headings]
    parts += [_bar(row, bars, chart.unit) for row in bars.rows] or [_NOTHING]
    parts += [f'<path class="ax" d="M{bars.zero:.1f} {top}V{foot}"/>' for top, foot in bars.axes]
    parts += _notes(bars.notes, bars.height, hollow=False)
    return _svg(layout.WIDTH, bars.height, chart.summary, parts)


def _bar(row: layout.BarRow, bars: layout.BarLayout, unit: str) -> str:
    mark, top, zero = row.mark, row.top, bars.zero
    if not bars.gutter:
        label = f'<text y="{top - 4}">{escape(layout.clip(mark.label, layout.WIDTH))}</text>'
    else:
        label = f'<text class="e" x="{bars.gutter - 8}" y="{top + 11}">{escape(mark.label)}</text>'
    bar = whisker = ""
    px = bars.span / bars.total
    if row.value is not None:
        end = zero + row.value * px
        paint = f'hatch" fill="url(#p-{mark.hue})' if mark.doubt else f"bar c-{mark.hue}"
        bar = (
            f'<rect class="{paint}" x="{min(zero, end):.1f}" y="{top}"'
            f' width="{abs(end - zero):.1f}" height="{layout.BAR}"/>'
        )
        if row.whisker:
            low, high = (zero + value * px for value in row.whisker)
            whisker = (
                f'<path class="w" d="M{low:.1f} {top + 7}H{high:.1f}'
                f'M{low:.1f} {top + 4}v6M{high:.1f} {top + 4}v6"/>'
            )
    text, absent = escape(mark.printed), ""
    if mark.value is None:
        absent = ' class="na"'
    elif mark.doubt:
        # Where several reasons stand at the foot, a letter says which is this bar's.
        reasons = [reason for reason, _ in bars.notes]
        said = mark.doubt if not reasons else _letter(reasons, mark.doubt)
        text += f' <tspan class="y">{escape(said)}</tspan>' if said else ""
    return (
        f"<g><title>{escape(mark.sentence(row.heading, unit))}</title>{label}{bar}{whisker}"
        f'<text{absent} x="{zero + row.end * px + 6:.1f}" y="{top + 11}">{text}</text></g>'
    )


def _letter(reasons: Sequence[str], reason: str) -> str:
    """Return the letter of one of several reasons; one alone needs none."""
    return ascii_lowercase[reasons.index(reason) % 26] if len(reasons) > 1 else ""


def _notes(notes: Sequence[layout.Note], height: float, *, hollow: bool) -> list[str]:
    """Draw the lines at the foot of a chart, each after the sign that it explains."""
    parts = []
    for index, (text, hue) in enumerate(notes):
        y = height - layout.NOTE_ROW * (len(notes) - index) + 10
        x = 18 if hue else 0
        if hue and hollow:
            parts.append(_marker(hue, 5.0, y - 4, hollow=True))
        elif hue:
            box = f'y="{y - 9}" width="12" height="9" fill="url(#p-{hue})"'
            parts.append(f'<rect class="hatch" {box}/>')
        letter = "" if hollow or not hue else _letter([reason for reason, _ in notes], text)
        shown = escape(layout.clip(f"{letter} {text}".lstrip(), layout.WIDTH - x))
        parts.append(f'<text class="y" x="{x}" y="{y}">{shown}</text>')
    return parts


def _lines(chart: spec.LineChart) -> str:
    frame = layout.frame(chart)
    if not frame.series:
        return _svg(layout.WIDTH, frame.height, chart.summary, [_NOTHING])
    left, right, bottom = frame.left, frame.right, frame.bottom
    x_axis, y_axis = frame.x, frame.y
    to_x, to_y = x_axis.to_px, y_axis.to_px
    rules = "".join([f"M{left:.1f} {to_y(y):.1f}H{right:.1f}" for y, _ in y_axis.ticks])
    parts = [f'<path class="gr" d="{rules}"/>']
    parts += [
        f'<text class="y e" x="{left - 7:.1f}" y="{to_y(y) + 4:.1f}">{text}</text>'
        for y, text in y_axis.ticks
    ]
    parts += [
        f'<text class="mid" x="{to_x(x):.1f}" y="{bottom + 17:.1f}">{escape(text)}</text>'
        for x, text in x_axis.ticks
    ]
    caption = escape(layout.clip(frame.caption, layout.WIDTH - left))
    parts.append(f'<text class="y" x="{left:.1f}" y="{bottom + 32:.1f}">{caption}</text>')
    zero = None if chart.y_log or not y_axis.low <= 0 <= y_axis.high else 0.0
    parts += [
        f'<path class="ax" d="M{left:.1f} {to_y(y):.1f}H{right:.1f}"/>'
        for y in (zero, frame.reference)
        if y is not None
    ]
    parts += [
        f'<path class="st c-{hue}" d="M{to_x(start):.1f} {to_y(y):.1f}H{to_x(end):.1f}"/>'
        for hue, start, end, y in chart.levels
    ]
    # In the order of the layout, which is that of the axis.
    told = [event.text for event in sorted(chart.events)]
    parts += [_event(*pair, bottom) for pair in zip(frame.events, map(escape, told), strict=True)]
    parts += [_line(series, chart, frame) for series in frame.series]
    parts += _notes(frame.notes, float(frame.height), hollow=True)
    # What holds links is no picture: its parts are read one by one.
    linked = any(point.href for line in chart.lines for point in line.points)
    role = "group" if linked else "img"
    return _svg(layout.WIDTH, frame.height, chart.summary, parts, role)


def _event(event: layout.PlacedEvent, told: str, bottom: float) -> str:
    x, top, shown, before = event
    place = f'class="y e" x="{x - 4:.1f}"' if before else f'class="y" x="{x + 4:.1f}"'
    text = f'<text {place} y="{top:.1f}">{escape(shown)}</text>' if shown else ""
    line = f'<path class="ev" d="M{x:.1f} {top - 8:.1f}V{bottom:.1f}"/>'
    return f'<g class="event"><title>{told}</title>{line}{text}</g>'


def _line(series: layout.PlacedLine, chart: spec.LineChart, frame: layout.Frame) -> str:
    line, points, end = series.line, series.points, series.end
    marked = chart.kind == "line"
    parts = [f'<path class="ln c-{line.hue} d{line.pattern}" d="{_path(points, chart.kind)}"']
    if marked:
        parts.append("/>")
        parts += [_point(line, chart, frame, place) for place in points]
    else:
        title = escape(chart.sentence(line, points[-1][2]))
        parts.append(f"><title>{title}</title></path>")
    x, y = points[-1][:2]
    if frame.right - x > _LEADER or abs(end - y) > _LEADER:
        start = x + (layout.MARKER + 2 if marked else 1)
        parts.append(f'<path class="ld" d="M{start:.1f} {y:.1f}L{frame.right + 5:.1f} {end:.1f}"/>')
    value = f' <tspan class="k">{escape(series.value)}</tspan>' if series.value else ""
    parts.append(
        f'<text class="c-{line.hue}" x="{frame.right + 8:.1f}" y="{end + 4:.1f}">'
        f"{escape(series.label)}{value}</text>"
    )
    return "".join(parts)


def _path(points: Sequence[layout.Placed], kind: str) -> str:
    x, y, _ = points[0]
    start = f"M{x:.1f} {y:.1f}"
    if kind == "step":
        return start + "".join([f"H{x:.1f}V{y:.1f}" for x, y, _ in points[1:]])
    if len(points) > _MOST_SERIES_POINTS:
        points = _per_column(points)
    return start + "".join(
        [f"{'M' if point.apart else 'L'}{x:.1f} {y:.1f}" for x, y, point in points[1:]]
    )


def _per_column(points: Sequence[layout.Placed]) -> list[layout.Placed]:
    """Keep the first, least, greatest and last point of each px, which draw the same line."""
    columns: dict[int, list[layout.Placed]] = {}
    for place in points:
        columns.setdefault(int(place[0]), []).append(place)
    kept: list[layout.Placed] = []
    for column in columns.values():
        ys = [y for _, y, _ in column]
        ends = {0, ys.index(min(ys)), ys.index(max(ys)), len(column) - 1}
        kept += [column[index] for index in sorted(ends)]
    return kept


def _point(line: spec.Line, chart: spec.LineChart, frame: layout.Frame, at: layout.Placed) -> str:
    (x, y, point), to_y = at, frame.y.to_px
    whisker = ""
    if ends := layout.interval(point.low, point.high):
        low, high = ends
        foot = frame.bottom if low <= 0 and chart.y_log else to_y(low)
        head = to_y(high) if high > 0 or not chart.y_log else y
        if foot - head > 2 * layout.MARKER:
            whisker = (
                f'<path class="w c-{line.hue}" d="M{x:.1f} {head:.1f}V{foot:.1f}'
                f'M{x - 3:.1f} {head:.1f}h6M{x - 3:.1f} {foot:.1f}h6"/>'
            )
    title = escape(chart.sentence(line, point))
    mark = _marker(line.hue, x, y, hollow=bool(point.doubt), title=title)
    if point.href:
        # The keyboard finds the same runs in the list of those behind the page.
        mark = f'<a href="{escape(point.href)}" tabindex="-1">{mark}</a>'
    if point.label:
        mark += f'<text class="y mid" x="{x:.1f}" y="{y - 7:.1f}">{escape(point.label)}</text>'
    return whisker + mark


def _marker(hue: spec.Hue, x: float, y: float, *, hollow: bool, title: str = "") -> str:
    """Draw a point's mark; a square for a GPU TEE, so that hue is not the only sign."""
    if hue == spec.SQUARE:
        tag, place = "rect", f'x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6"'
    else:
        tag, place = "circle", f'cx="{x:.1f}" cy="{y:.1f}" r="4"'
    end = f"><title>{title}</title></{tag}>" if title else "/>"
    return f'<{tag} class="{"ho " * hollow}c-{hue}" {place}{end}'


# Strips in tables


def factor_strip(marks: Sequence[spec.FactorMark], *, axis: spec.FactorAxis) -> str:
    """Draw cost factors on a table row's part of the shared axis.

    A factor off the axis is an arrow at its end with the value. Of one mark what its runs cost
    stands above it. Marks that would meet take rows of their own, named ones rows in which their
    names have room. A factor that is not positive has no place on the axis.
    """
    to_x = layout.scale(axis.low, axis.high, 0.0, axis.width, log=True)
    rows: list[tuple[float, list[tuple[float, float]]]] = []
    parts: list[str] = []
    points = [point for mark in marks for point in mark.points]
    height = _STRIP_POINTS if points else 0.0
    for mark in sorted(marks, key=lambda mark: not mark.label):
        if not layout.drawable(mark.factor, log=True):
            continue
        x_from, x_to, shape = _factor_mark(mark, axis.width, to_x)
        free = (row for row in rows if all(x_to < a - 1 or x_from > b + 1 for a, b in row[1]))
        y, taken = next(free, (0.0, None))
        if taken is None:
            step = _STRIP_ROW if mark.label else _STRIP_STEP
            y, taken = height + step / 2, []
            rows.append((y, taken))
            height += step
        taken.append((x_from, x_to))
        parts.append(f'<g transform="translate(0 {y + 2:.0f})">{shape}</g>')
    parts += [
        _factor_point(point, marks[0].hue, to_x) for point in points if axis.holds(point.factor)
    ]
    tall = max(math.ceil(height) + 4, _STRIP_HEIGHT)
    grid = "".join(f"M{to_x(tick):.1f} 0V{tall}" for tick in axis.ticks if tick != 1)
    lines = f'<path class="gr" d="{grid}"/><path class="ax" d="M{to_x(1.0):.1f} 0V{tall}"/>'
    summary = "; ".join(mark.sentence for mark in marks)
    return _svg(axis.width, tall, summary, [lines, *parts])


def _factor_point(point: spec.FactorPoint, hue: spec.Hue, to_x: Callable[[float], float]) -> str:
    title = escape(f"{point.about}: {spec.factor_text(point.factor)}")
    sign = "ho " * point.hollow
    return (
        f'<circle class="{sign}c-{hue}" cx="{to_x(point.factor):.1f}" cy="5" r="2.5">'
        f"<title>{title}</title></circle>"
    )


def _factor_mark(
    mark: spec.FactorMark, width: float, to_x: Callable[[float], float]
) -> tuple[float, float, str]:
    """Return a factor's leftmost and rightmost px and its drawing around y = 0."""
    hue, hollow = mark.hue, bool(mark.doubt)
    title, x = escape(mark.sentence), to_x(mark.factor)
    if not 0 <= x <= width:
        text = f"{mark.label} {mark.printed}".lstrip()
        if x > width:
            arrow, at = f"M{width - 9:.1f} -5l9 5-9 5Z", f'class="e c-{hue}" x="{width - 14:.1f}"'
            x_from, x_to = width - 14 - layout.text_width(text), float(width)
        else:
            arrow, at = "M9 -5l-9 5 9 5Z", f'class="c-{hue}" x="14"'
            x_from, x_to = 0.0, 14 + layout.text_width(text)
        shape = f'<title>{title}</title><path class="{"ho " * hollow}c-{hue}" d="{arrow}"/>'
        return x_from, x_to, f'{shape}<text {at} y="4">{escape(text)}</text>'
    x_from, x_to, shape = x - 5, x + 5, ""
    ends = layout.interval(mark.low, mark.high)
    if ends and ends[0] > 0:
        low, high = (min(max(to_x(end), 0.0), width) for end in ends)
        if high - low > 2 * layout.MARKER:
            shape = f'<path class="w c-{hue}" d="M{low:.1f} 0H{high:.1f}"/>'
            x_from, x_to = min(x_from, low), max(x_to, high)
    shape += _marker(hue, x, 0.0, hollow=hollow, title=title)
    if mark.label:
        reach = layout.text_width(mark.label) + _LABEL_GAP
        after = x_to + reach <= width + _STRIP_MARGIN or x_from - reach < 0
        place, anchor = (x_to + _LABEL_GAP, "") if after else (x_from - _LABEL_GAP, "e ")
        shape += f'<text class="{anchor}c-{hue}" x="{place:.1f}" y="4">{escape(mark.label)}</text>'
        if after:
            x_to += reach + _LABEL_GAP
        else:
            x_from -= reach + _LABEL_GAP
    return x_from, x_to, shape


def factor_axis(axis: spec.FactorAxis) -> str:
    """Draw the tick labels that stand in the head of a strip's column."""
    to_x = layout.scale(axis.low, axis.high, 0.0, axis.width, log=True)
    ticks = []
    for tick in axis.ticks:
        x, text = to_x(tick), f"{tick:g}{spec.TIMES}"
        half = layout.text_width(text) / 2
        # A label at an end of the axis stays within it.
        x = min(max(x, half), axis.width - half)
        ticks.append(f'<text class="mid{" k" * (tick == 1)}" x="{x:.1f}" y="12">{text}</text>')
    return _svg(axis.width, 16, "Slowdown factor, logarithmic axis", ticks)


def sparkline(line: spec.Line) -> str:
    """Draw a line in a table's row, from zero to its greatest value."""
    points = line.points
    most = max([point.y for point in points], default=0.0)
    start, end = points[0].x, points[-1].x
    if not (most > layout.LEAST and end > start and layout.drawable(most)):
        return ""
    to_x = _SPARK_WIDTH / (end - start)
    to_y = (_SPARK_HEIGHT - 2) / most
    placed = [
        ((point.x - start) * to_x, _SPARK_HEIGHT - 1 - max(point.y, 0.0) * to_y, point)
        for point in points
        if layout.drawable(point.y)
    ]
    if len(placed) > _SPARK_WIDTH:
        placed = _per_column(placed)
    path = "M" + "L".join([f"{x:.0f} {y:.1f}" for x, y, _ in placed])
    parts = (
        f'<path class="gr" d="M0 {_SPARK_HEIGHT - 0.5}H{_SPARK_WIDTH}"/>',
        f'<path class="ln thin c-{line.hue}" d="{path}"/>',
    )
    return _svg(_SPARK_WIDTH, _SPARK_HEIGHT, line.label, parts)


def ridges(chart: spec.RidgeChart) -> str:
    """Draw distributions below each other, each with its name, and its median with a mark."""
    width = float(layout.WIDTH)
    (first, _), (last, _) = chart.ticks[0], chart.ticks[-1]
    to_x = layout.scale(first, last, 0.0, width, log=True)
    foot = 4 + _RIDGE_ROW * len(chart.ridges)
    grid = "".join([f"M{to_x(place):.1f} 4V{foot}" for place, _ in chart.ticks])
    parts = [f'<path class="gr" d="{grid}"/>']
    ends = (to_x(chart.low), to_x(chart.high))
    for row, ridge in enumerate(chart.ridges):
        base = 4 + _RIDGE_ROW * (row + 1)
        step = (ends[1] - ends[0]) / max(len(ridge.heights), 1)
        shape = "".join(
            [f"V{base - height * _RIDGE_HEIGHT:.1f}h{step:.2f}" for height in ridge.heights]
        )
        x = min(max(to_x(ridge.median), 0.0), width)
        beyond = x + 4 + layout.text_width(ridge.text) > width
        anchor, at = ("e ", x - 4) if beyond else ("", x + 4)
        label = escape(layout.clip(ridge.label, layout.WIDTH - 8.0))
        parts.append(
            f'<path class="rg c-{ridge.hue}" d="M{ends[0]:.1f} {base}{shape}V{base}Z"/>'
            f'<path class="ax" d="M0 {base}H{layout.WIDTH}"/>'
            f'<path class="md" d="M{x:.1f} {base}v-{_RIDGE_HEIGHT + 3}"/>'
            f'<text y="{base - _RIDGE_HEIGHT - 8}">{label}</text>'
            f'<text class="{anchor}k" x="{at:.1f}" y="{base - _RIDGE_HEIGHT + 5}">'
            f"{escape(ridge.text)}</text>"
        )
    free = -1.0
    for place, text in chart.ticks:
        half, x = layout.text_width(text) / 2, to_x(place)
        # No text leaves the chart.
        middle = min(max(x, half), width - half)
        if middle - half >= free:
            parts.append(
                f'<text class="mid" x="{middle:.1f}" y="{foot + 15}">{escape(text)}</text>'
            )
            free = middle + half + 8
    return _svg(layout.WIDTH, foot + 20, chart.summary, parts)


def pattern_defs(hues: Iterable[spec.Hue]) -> str:
    """Define the hatching of doubtful bars, once a page."""
    patterns = [
        f'<pattern id="p-{hue}" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="pb" width="6" height="6"/>'
        f'<rect class="bar c-{hue}" width="2.2" height="6"/></pattern>'
        for hue in hues
    ]
    start = '<svg class="defs" width="0" height="0" aria-hidden="true"><defs>'
    return f"{start}{''.join(patterns)}</defs></svg>"


def _svg(width: int, height: int, summary: str, parts: Iterable[str], role: str = "img") -> str:
    return (
        f'<svg class="ch" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="{role}" aria-label="{escape(summary)}">{"".join(parts)}</svg>'
    )
