"""What a chart says, before anyone draws it: as SVG, as a live Plotly figure, as a table.

Values are in display units and texts are formatted, so the three cannot disagree.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

#: Colour says the role of an environment; see `sitegen.config.Role`.
Hue = Literal["metal", "vm", "cpu-tee", "gpu-tee", "gpu-tee-2"]

#: The role whose points are squares, so that hue is not the only sign.
SQUARE: Final = "gpu-tee"
#: What stands where there is no value. Never 0, never a blank.
NOT_MEASURED: Final = "not measured"
#: The multiplication sign after a factor.
TIMES: Final = "\u00d7"
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
    """One point of a line: ``text`` is its value as printed."""

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None
    doubt: str = ""
    behind: Behind = UNTOLD


class Line(NamedTuple):
    """One series of a line chart, labelled at its end. ``pattern`` 0 solid, 1 dashed, 2 dotted."""

    label: str
    hue: Hue
    points: tuple[Point, ...]
    pattern: int = 0


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

    def sentence(self, line: Line, point: Point) -> str:
        """Tell a reader who points at a point what it shows: its named tick, or its x by number."""
        at = f"{self.x_title} {point.x:g}".lstrip()
        at = next((text for x, text in self.x_ticks if x == point.x), at)
        name = f"{line.label}, {at}" if line.label else at
        return _sentence(name, f"{point.text} {self.unit}".rstrip(), point.doubt, point.behind)


Chart = BarChart | LineChart


class FactorMark(NamedTuple):
    """One cost factor on the shared log axis of slowdowns; hollow when it is doubtful."""

    label: str
    factor: float
    hue: Hue
    low: float | None = None
    high: float | None = None
    doubt: str = ""

    @property
    def printed(self) -> str:
        """The factor with its sign, at two or three digits."""
        form = next((form for ceiling, form in _FACTOR_FORMS if self.factor < ceiling), "g")
        return f"{self.factor:{form}}{TIMES}"

    @property
    def sentence(self) -> str:
        """Tell a reader who points at a cost factor what it is."""
        return _sentence(self.label or "Cost factor", self.printed, self.doubt)


class FactorAxis(NamedTuple):
    """A log axis that all rows of a table share; `site.css` knows it by its ``name``."""

    name: Literal["narrow", "wide", "broad"]
    low: float
    high: float
    ticks: tuple[float, ...]
    width: int = 264


#: From a few per cent to a doubling.
NARROW: Final = FactorAxis("narrow", 0.8, 2.2, (1.0, 1.2, 1.5, 2.0))
#: The overview's axis: half to ten times.
WIDE: Final = FactorAxis("wide", 0.4, 12.0, (0.5, 1.0, 2.0, 5.0, 10.0))
#: Orders of magnitude.
BROAD: Final = FactorAxis("broad", 0.05, 200.0, (0.1, 1.0, 10.0, 100.0))


class Dot(NamedTuple):
    """One repetition on a run page's strip; outlined when it is suspect."""

    value: float
    text: str
    suspect: bool = False


def _sentence(name: str, value: str, doubt: str, behind: Behind = UNTOLD) -> str:
    said = f"{name}: {value}{doubt and f' ({doubt})'}"
    return f"{said}\n{behind.words}" if behind.words else said
