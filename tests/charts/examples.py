"""Charts of every kind, and strategies that make more of them."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

from hypothesis import strategies as st

from sitegen.charts.spec import (
    BarChart,
    Behind,
    Event,
    Group,
    Hue,
    Level,
    Line,
    LineChart,
    Mark,
    Point,
)

HUES: Final[tuple[Hue, ...]] = ("metal", "vm", "cpu-tee", "gpu-tee", "gpu-tee-2")
HOSTILE: Final = "<script>alert(1)</script> & \"quoted\" 'name' </svg><b>%{x}</b>\x00\x1b"


def mark(label: str, value: float | None, hue: Hue = "vm", **more: Any) -> Mark:  # noqa: ANN401 - what a spec may have
    return Mark(label, value, "" if value is None else f"{value:,g}", hue, **more)


def point(x: float, y: float, **more: Any) -> Point:  # noqa: ANN401 - what a spec may have
    return Point(x, y, f"{y:,g}", **more)


def bars(*groups: Group) -> BarChart:
    return BarChart("c-bars", "Random, 4 KiB", "IOPS, higher is better", "k/s", groups, "A summary")


def lines(*drawn: Line, **more: Any) -> LineChart:  # noqa: ANN401 - what a spec may have
    return LineChart("c-lines", "Rating", "MIPS", "threads", "MIPS", drawn, "A summary", **more)


_THREADS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_METAL: Final = (4544.0, 7935.0, 14689.0, 27279.0, 56853.0, 97853.0)
_TDX: Final = (2803.0, 7889.0, 13100.0, 25821.0, 42322.0, 71665.0)


def _line(label: str, hue: Hue, xs: tuple[float, ...], ys: tuple[float, ...]) -> Line:
    return Line(label, hue, tuple(point(x, y) for x, y in zip(xs, ys, strict=True)))


EXAMPLES: Final[dict[str, BarChart | LineChart]] = {
    "groups, one of them without a name": bars(
        Group("Read", (mark("H200 host", 259.0, "metal"), mark("H200 CVM", 33.0, "gpu-tee"))),
        Group("", (mark("Lab VM", 72.0), mark("Lab CVM", 43.0, "cpu-tee", low=40.0, high=46.0))),
        Group("Write", (mark("Lab VM", 75.0, doubt="page cache suspected"),)),
    ),
    "what values stand on": bars(
        Group(
            "",
            (
                mark(
                    "Lab VM",
                    72.0,
                    low=70.0,
                    high=74.0,
                    behind=Behind(
                        "70 to 74 at 95 %, 1 run of 3",
                        (("20261116t103517z-fio-aaaaaaaa", "2026-11-16 10:35"),),
                    ),
                ),
                mark(
                    "Lab CVM",
                    60.0,
                    "cpu-tee",
                    doubt="=1+1",
                    behind=Behind(
                        "2 runs of 6",
                        (
                            ("20261115t103517z-fio-cccccccc", ""),
                            ("20261116t103517z-fio-bbbbbbbb", "2026-11-16 10:35"),
                        ),
                    ),
                ),
            ),
        ),
    ),
    "doubts that are shared": bars(
        Group("", tuple(mark(f"VM {i}", 10.0 + i, doubt="page cache suspected") for i in range(3)))
    ),
    "negative and zero": bars(
        Group("", (mark("a", -23.1, low=-26.0, high=-20.0), mark("b", 0.0), mark("c", 49.7)))
    ),
    "all negative": bars(Group("", (mark("a", -3.0), mark("b", -1.0)))),
    "all zero": bars(Group("", (mark("a", 0.0), mark("b", 0.0)))),
    "nothing measured": bars(Group("Read", (mark("a", None), mark("b", None, "metal")))),
    "no bars": bars(),
    "long and hostile names": bars(
        Group(HOSTILE, (mark(HOSTILE, 3.0, doubt=HOSTILE), mark("m" * 200, 1.0)))
    ),
    "huge and tiny bars": bars(
        Group("", (mark("a", 1e299), mark("b", 5e-324), mark("c", 1.0), mark("d", math.inf)))
    ),
    "tiny bars": bars(Group("", (mark("a", 1e-12), mark("b", 2e-12, low=0.0, high=4e-12)))),
    "a whisker longer than its bar": bars(Group("", (mark("a", 1.0, low=-5.0, high=90.0),))),
    "scaling": lines(
        _line("bare metal", "metal", _THREADS, _METAL),
        _line("TDX VM", "cpu-tee", _THREADS, _TDX),
        x_log=True,
        y_log=True,
    ),
    "a reference and a doubtful point": lines(
        _line("TDX VM", "gpu-tee", _THREADS, (100.0, 140.7, 116.8, 115.1, 94.4, 79.9)),
        Line("VM", "vm", (point(2.0, 125.0, low=117.0, high=134.0, doubt="another build"),)),
        x_log=True,
        reference=100.0,
    ),
    "zeros on log axes": lines(
        _line("a", "vm", (0.0, 1.0, 10.0), (0.0, 5.0, 0.0)),
        Line("b", "metal", (point(5.0, 4.0, low=0.0, high=9.0), point(-1.0, 4.0))),
        x_log=True,
        y_log=True,
    ),
    "nothing drawable": lines(_line("a", "vm", (0.0,), (0.0,)), x_log=True),
    "no lines": lines(),
    "a line without points": lines(Line("a", "vm", ()), _line("b", "metal", (1.0,), (2.0,))),
    "one point at zero": lines(_line("a", "vm", (0.0,), (0.0,))),
    "huge and tiny points": lines(_line("a", "vm", (1e-300, 1e299), (-1e299, 5e-324))),
    "many decades": lines(_line("a", "vm", (1.0, 2.0), (1e-9, 1e12)), y_log=True),
    "close together": lines(_line("a", "vm", (1.0, 2.0), (1e9, 1e9 + 1)), y_zero=False),
    "a series": lines(
        _line("a", "vm", tuple(map(float, range(2000))), tuple(i % 7 + 1.0 for i in range(2000))),
        kind="series",
    ),
    "a distribution": lines(
        _line("http", "vm", (20.0, 40.0, 90.0), (33.0, 67.0, 100.0)),
        _line("https", "vm", (90.0, 200.0, 791.0), (33.0, 67.0, 100.0)),
        kind="step",
        x_log=True,
    ),
    "named places": lines(
        _line("H100", "gpu-tee-2", (8.0, 14.0, 70.0), (6.8, 4.6, 0.0)),
        x_log=True,
        x_ticks=((8.0, "8B"), (14.0, HOSTILE), (70.0, "70B")),
    ),
    "over time": lines(
        Line(
            "a",
            "vm",
            tuple(
                point(1.0 + n, y, apart=n == 2, href=f"../runs/{n}/", about=f"day {n}")
                for n, y in enumerate((5.0, 5.1, 7.0, 6.9))
            ),
        ),
        events=tuple(
            Event(x, f"{HOSTILE} kernel 6.{n}") for n, x in enumerate((3.8, 1.1, 2.5, 2.6))
        ),
        levels=(Level("vm", 1.0, 2.0, 5.0), Level("vm", 3.0, 4.0, 7.0)),
    ),
    "hostile lines": lines(
        Line(HOSTILE, "vm", (point(1.0, 1.0, doubt=HOSTILE), point(2.0, 2.0))), reference=1.5
    ),
    "many lines that end together": lines(
        *(_line(f"line {i}", HUES[i % 5], (1.0, 2.0), (1.0, 5.0)) for i in range(20))
    ),
}

_KINDS: Final[tuple[Literal["line", "step", "series"], ...]] = ("line", "step", "series")
_texts = st.text(max_size=40)
_values = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.floats(-1e4, 1e4)
_hues = st.sampled_from(HUES)
_ends = st.tuples(_values, _values).map(lambda ends: {"low": min(ends), "high": max(ends)})
_spreads = st.builds(
    lambda ends, doubt: {**ends, "doubt": doubt}, st.just({}) | _ends, st.just("") | _texts
)


@st.composite
def _marks(draw: st.DrawFn) -> Mark:
    return mark(draw(_texts), draw(st.none() | _values), draw(_hues), **draw(_spreads))


@st.composite
def bar_charts(draw: st.DrawFn) -> BarChart:
    """Bar charts with any texts and finite values."""
    groups = st.builds(Group, _texts, st.lists(_marks(), max_size=5).map(tuple))
    return bars(*draw(st.lists(groups, max_size=4)))


@st.composite
def _points(draw: st.DrawFn) -> Point:
    return point(draw(_values), draw(_values), **draw(_spreads))


@st.composite
def line_charts(draw: st.DrawFn) -> LineChart:
    """Line charts of every kind with any texts and finite values."""
    drawn = st.builds(
        Line, _texts, _hues, st.lists(_points(), max_size=6).map(tuple), st.integers(0, 2)
    )
    return lines(
        *draw(st.lists(drawn, max_size=4)),
        kind=draw(st.sampled_from(_KINDS)),
        x_log=draw(st.booleans()),
        y_log=draw(st.booleans()),
        y_zero=draw(st.booleans()),
        reference=draw(st.none() | _values),
    )
