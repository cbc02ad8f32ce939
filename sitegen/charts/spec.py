"""What a chart says, before anyone draws it: as SVG, as a live Plotly figure, as a table.

Values are in display units and texts are formatted, so the three cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

#: Colour says the role of an environment; see `sitegen.config.Role`.
Hue = Literal["metal", "vm", "cpu-tee", "gpu-tee", "gpu-tee-2"]

#: The role whose points are squares, so that hue is not the only sign.
SQUARE: Final = "gpu-tee"
#: What stands where there is no value. Never 0, never a blank.
NOT_MEASURED: Final = "not measured"
#: The multiplication sign after a factor.
TIMES: Final = "\u00d7"
#: The narrowest extent of an axis of factors, and beyond what a factor is off it.
_LEAST: Final = (0.97, 1.06)
_MOST: Final = (0.01, 100.0)
_PAD: Final = 0.05
_STEPS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MOST_TICKS: Final = 4
_FACTOR_FORMS: Final = ((0.1, ".2g"), (10.0, ".2f"), (1e6, ",.0f"))


class Behind(NamedTuple):
    """What a value stands on, in words, and its ``runs`` as (id, when), the newest last."""

    words: str = ""
    runs: tuple[tuple[str, str], ...] = ()


#: Where nothing is told of what a value stands on.
UNTOLD: Final = Behind()


class Mark(NamedTuple):
    """One value on a chart, with its interval; hatched or hollow where a ``doubt`` says why."""

    label: str
    value: float | None
    text: str
    hue: Hue
    low: float | None = None
    high: float | None = None
    doubt: str = ""
    behind: Behind = UNTOLD

    @property
    def printed(self) -> str:
        """What stands at the mark."""
        return NOT_MEASURED if self.value is None else self.text

    def sentence(self, heading: str, unit: str) -> str:
        """Tell a reader who points at a bar what it shows, in every drawing alike."""
        name = f"{self.label}, {heading}" if heading else self.label
        if self.value is None:
            return f"{name}: {NOT_MEASURED}"
        return _sentence(name, f"{self.text} {unit}".rstrip(), self.doubt, self.behind)


class Group(NamedTuple):
    """Bars that stand together under one small heading; without a name, under the one before."""

    name: str
    marks: tuple[Mark, ...]


class BarChart(NamedTuple):
    """Horizontal bars from zero; ``subtitle`` is unit, formula and arrow."""

    id: str
    title: str
    subtitle: str
    unit: str
    groups: tuple[Group, ...]
    summary: str


class Point(NamedTuple):
    """One point of a line: ``text`` is its value as printed, ``label`` what stands beside it.

    ``href`` is where it leads, ``about`` what stands for its x in words. No line joins one that is
    ``apart`` to the point before it.
    """

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None
    doubt: str = ""
    behind: Behind = UNTOLD
    apart: bool = False
    href: str = ""
    about: str = ""
    label: str = ""


class Line(NamedTuple):
    """One series of a line chart, labelled at its end. ``pattern`` 0 solid, 1 dashed, 2 dotted.

    After the label stands its ``value``, else that of its last point; of a step nothing else.
    """

    label: str
    hue: Hue
    points: tuple[Point, ...]
    pattern: int = 0
    value: str = ""


class Event(NamedTuple):
    """What happened at a place of the horizontal axis: a thin vertical line with a short text."""

    x: float
    text: str


class Level(NamedTuple):
    """What a line keeps to for a while: a broad horizontal stroke behind it."""

    hue: Hue
    start: float
    end: float
    y: float


class LineChart(NamedTuple):
    """Lines over a numeric axis, ``reference`` a horizontal one.

    A ``line`` joins points with markers, a ``series`` many points without; a ``step`` draws a
    cumulative distribution. Without ``x_ticks``, which name places, ticks are at the points' own
    places where these are few, else at round numbers.
    """

    id: str
    title: str
    subtitle: str
    x_title: str
    unit: str
    lines: tuple[Line, ...]
    summary: str
    kind: Literal["line", "step", "series"] = "line"
    x_log: bool = False
    y_log: bool = False
    y_zero: bool = True
    reference: float | None = None
    x_ticks: tuple[tuple[float, str], ...] = ()
    events: tuple[Event, ...] = ()
    levels: tuple[Level, ...] = ()

    def sentence(self, line: Line, point: Point) -> str:
        """Tell a reader who points at a point what it shows: where in words, or its x by number."""
        at = point.about or next((text for x, text in self.x_ticks if x == point.x), "")
        at = at or f"{self.x_title} {point.x:g}".lstrip()
        name = f"{line.label}, {at}" if line.label else at
        return _sentence(name, f"{point.text} {self.unit}".rstrip(), point.doubt, point.behind)


Chart = BarChart | LineChart


class FactorPoint(NamedTuple):
    """What one run costs; hollow where it is in no mean."""

    factor: float
    about: str
    hollow: bool = False


class FactorMark(NamedTuple):
    """One cost factor on the shared log axis of slowdowns; hollow when it is doubtful.

    ``points`` are what its runs cost one by one.
    """

    label: str
    factor: float
    hue: Hue
    low: float | None = None
    high: float | None = None
    doubt: str = ""
    points: tuple[FactorPoint, ...] = ()

    @property
    def printed(self) -> str:
        """The factor with its sign, at two or three digits."""
        return factor_text(self.factor)

    @property
    def sentence(self) -> str:
        """Tell a reader who points at a cost factor what it is."""
        return _sentence(self.label or "Cost factor", self.printed, self.doubt)


def factor_text(factor: float) -> str:
    """Return a factor with its sign, at two or three digits."""
    form = next((form for ceiling, form in _FACTOR_FORMS if factor < ceiling), "g")
    return f"{factor:{form}}{TIMES}"


class FactorAxis(NamedTuple):
    """A log axis that all rows of a table share, with ``ticks`` at few round factors."""

    low: float
    high: float
    ticks: tuple[float, ...]
    width: int = 208

    @classmethod
    def of(cls, marks: Iterable[FactorMark], width: int = 208) -> FactorAxis:
        """Return the axis that fits these marks, 1 among them; none is narrower than `_LEAST`."""
        ends = [_LEAST[0], _LEAST[1]]
        for mark in marks:
            whisker = (end for end in (mark.low, mark.high) if end is not None)
            points = (point.factor for point in mark.points)
            ends += (end for end in (mark.factor, *whisker, *points) if _MOST[0] < end < _MOST[1])
        pad = (max(ends) / min(ends)) ** _PAD
        low, high = min(ends) / pad, max(ends) * pad
        return cls(low, high, _ticks(low, high), width)

    def holds(self, factor: float) -> bool:
        """Say whether a factor has its place on the axis."""
        return self.low <= factor <= self.high


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Return few round factors of a range, 1 among them."""
    for step in _STEPS:
        first, last = math.ceil(low / step), math.floor(high / step)
        ticks = tuple(round(step * n, 3) for n in range(first, last + 1))
        if len(ticks) <= _MOST_TICKS and 1.0 in ticks:
            return ticks
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1,)):
        places = (digit * 10.0**power for power in powers for digit in digits)
        ticks = tuple(place for place in places if low <= place <= high)
        if len(ticks) <= _MOST_TICKS + 1:
            return ticks
    return ticks


class Ridge(NamedTuple):
    """How one series is distributed: ``heights`` over the axis, and its median with its text."""

    label: str
    hue: Hue
    heights: tuple[float, ...]
    median: float
    text: str


class RidgeChart(NamedTuple):
    """Distributions below each other on one log axis, drawn from ``low`` to ``high``.

    The axis goes from the first of its ``ticks`` to the last; all are above zero.
    """

    id: str
    title: str
    subtitle: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    ridges: tuple[Ridge, ...]
    summary: str


def _sentence(name: str, value: str, doubt: str, behind: Behind = UNTOLD) -> str:
    said = f"{name}: {value}{doubt and f' ({doubt})'}"
    return f"{said}\n{behind.words}" if behind.words else said
