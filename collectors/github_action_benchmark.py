"""The history that github-action-benchmark keeps of a project's benchmarks: its ``data.js``.

Keys as its src/extract.ts and src/write.ts write them: ``window.BENCHMARK_DATA = {...}``, by suite
a list of entries with commit, date, tool and benches. It is code and no table: a file holds many
runs, units are whatever a tool printed, and tool and unit together tell the direction of a figure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec

from sitegen.collect import (
    MOST_RUNS,
    Reader,
    Reading,
    Recorder,
    Settings,
    decode,
    printed_unit,
    timestamp,
)
from sitegen.collect.settings import Count, described
from sitegen.collect.text import one_line
from sitegen.errors import SitegenError
from sitegen.model import (
    LONGEST_UNIT,
    Comparability,
    Doubt,
    MetricDefinition,
    ToolIdentity,
    params,
)

BENCHMARK = "github-action-benchmark"
#: Whether more is better of what these tools give, as its src/write.ts has it.
_BIGGER = {"benchmarkjs": True, "pytest": True, "customBiggerIsBetter": True}
_OWN_WORD = ("customBiggerIsBetter", "customSmallerIsBetter")
#: Whose ``±`` is a standard deviation in the unit of the value.
_DEVIATE = ("catch2", "benchmarkdotnet")
#: What tools write, in the spelling that units have here.
_SPELLED = {
    **dict.fromkeys(("nsec", "nanoseconds"), "ns"),
    **dict.fromkeys(("usec", "microseconds"), "us"),
    **dict.fromkeys(("msec", "milliseconds"), "ms"),
    "KB": "kB",
    "Bytes": "bytes",
}
#: Of what a figure is: one call, one iteration.
_ONCE = ("op", "iter", "iteration", "call", "run", "ops", "iters")
_SECOND = ("s", "sec", "second")
_SLUG = re.compile(r"[^a-z0-9]+")
#: A comma stands between thousands: of one that stands elsewhere nobody knows what it is.
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,30})(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?"
#: A further figure of a benchmark of Go, after the first.
_FURTHER = re.compile(rf"\s*({_NUMBER})\s+(\S.{{0,{LONGEST_UNIT}}}?)\s*")
_RANGE = re.compile(rf"(?:±|\+/-|\+-)\s*({_NUMBER})\s*")
_PROCESSES = re.compile(r"(?:^|\n)(\d{1,6}) procs(?:\n|$)|(?:^|\n)threads: (\d{1,6})(?:\n|$)")
_BEGIN = re.compile(rb"\s*(?:window\.)?BENCHMARK_DATA\s*=\s*")
#: How far into what else a benchmark says its number of threads is looked for.
_MOST_EXTRA = 10_000

_Suite = Annotated[str, msgspec.Meta(max_length=10_000)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


class Asks(Settings, frozen=True):
    """How much of a history is taken."""

    latest: Annotated[
        Count | None, described("how many entries of each suite are taken, the latest ones")
    ] = None


class _Commit(msgspec.Struct, frozen=True):
    id: str = ""


class _Bench(msgspec.Struct, frozen=True):
    name: _Name
    value: float | str
    unit: str | None = None
    range: str | float | None = None
    extra: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    date: Annotated[float, msgspec.Meta(ge=0, le=4e12)]
    tool: Annotated[str, msgspec.Meta(max_length=80)]
    benches: list[_Bench]
    commit: _Commit | None = None


class _History(msgspec.Struct, frozen=True):
    entries: dict[_Suite, list[_Entry]]


class _Unit(NamedTuple):
    """A unit as it is printed: in base units, and which of two values is better."""

    base: str
    factor: float = 1.0
    better: str = ""


class _Figure(NamedTuple):
    """A figure as it is printed, and the benchmark with its threads."""

    value: float
    printed: str
    name: str
    processes: str | None
    spread: str


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run for every entry; raises SitegenError for more than `MOST_RUNS`."""
    begin = _BEGIN.match(data)
    text = data[begin.end() :].rstrip().rstrip(b";") if begin else data
    history = decode.document(text, _History)
    taken = [
        (suite, entry)
        for suite, entries in history.entries.items()
        for entry in sorted(entries, key=lambda entry: entry.date)[-(asks.latest or 0) :]
        if entry.benches
    ]
    if len(taken) > MOST_RUNS:
        message = f"holds {len(taken):,} entries, and {MOST_RUNS:,} at most are read"
        raise SitegenError(message, fix="take the latest of each suite: --set latest=100")
    return tuple(_run(suite, entry) for suite, entry in taken)


def _run(suite: str, entry: _Entry) -> Reading:
    figures = [(figure, *_measured(entry.tool, figure.printed)) for figure in _figures(entry)]
    definitions = {metric.id: metric for _, _, metric, _ in figures}
    recorder = Recorder(ToolIdentity(BENCHMARK, ""), tuple(definitions.values()))
    recorder.started_at = timestamp(datetime.fromtimestamp(entry.date / 1000, UTC))
    recorder.parameter("tool", entry.tool, Comparability.IGNORED)
    if entry.commit and entry.commit.id:
        recorder.parameter("commit", entry.commit.id[:64], Comparability.CAVEAT)
    workload, title = _workload(suite), one_line(suite, 200)
    for figure, factor, metric, doubted in figures:
        about = params(suite=title, name=figure.name, processes=figure.processes)
        series = recorder.series(workload, about)
        shown = f"{figure.value:.12g} {one_line(figure.printed, LONGEST_UNIT)}".strip()
        series.add(metric.id, "value", figure.value * factor, shown)
        spread = _RANGE.fullmatch(figure.spread) if entry.tool in _DEVIATE else None
        series.add(metric.id, "stddev", spread and _number(spread[1]) * factor)
        if doubted:
            recorder.doubt(Doubt.INCONSISTENT, doubted, series.workload)
    recorder.note("The file does not name the machine that measured.")
    return recorder.reading()


def _figures(entry: _Entry) -> Iterator[_Figure]:
    """Yield the figures of an entry: those that Go prints on one line are several.

    Newer versions write each of them a second time, by itself.
    """
    lines = {bench.name for bench in entry.benches if "\t" in (bench.unit or "")}
    for bench in entry.benches:
        unit = (bench.unit or "").strip()
        whole = bench.name.removesuffix(f" - {unit}") if unit else bench.name
        if whole != bench.name and whole in lines:
            continue
        first, *others = unit.split("\t")
        threads = _PROCESSES.search(bench.extra or "", 0, _MOST_EXTRA)
        processes = threads and (threads[1] or threads[2])
        about = (one_line(bench.name, 400), processes, str(bench.range))
        yield _Figure(_number(bench.value), first.strip(), *about)
        for text in others:
            if match := _FURTHER.fullmatch(text):
                yield _Figure(_number(match[1]), match[2], *about)


def _number(value: float | str) -> float:
    """Return a value, also one that somebody's own script wrote as a text."""
    text = str(value)
    if not re.fullmatch(_NUMBER, text):
        raise SitegenError(f"{text[:40]!r} is no number", where="value")
    return float(text.replace(",", ""))


def _measured(tool: str, printed: str) -> tuple[float, MetricDefinition, str]:
    """Return what one of a printed unit is in its base unit, the metric, and what is doubted."""
    unit = _unit(printed)
    better, doubted = _better(tool, unit)
    return unit.factor, _metric(unit, better), doubted


def _unit(printed: str) -> _Unit:
    """Return what a printed unit is; of one that is not known the unit itself."""
    word, _, per = printed.strip().partition("/")
    base, factor = printed_unit(_SPELLED.get(word, word)) or ("", 1.0)
    if per in _SECOND:
        return _Unit("B/s", factor, "higher") if base == "B" else _rate(word)
    if per and per not in _ONCE:
        return _Unit(one_line(printed, LONGEST_UNIT))
    if base == "s":
        return _Unit("s", factor, "lower")
    if base == "B":
        return _Unit("B", factor, "lower" if per else "")
    if word == "allocs":
        return _Unit("count", 1.0, "lower")
    return _Unit(one_line(printed, LONGEST_UNIT) or "count")


def _rate(word: str) -> _Unit:
    prefix = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
    scaled = re.fullmatch(r"([kKMG])?(?:ops?|iters?|req|requests?|queries|calls?|runs?)", word)
    if scaled:
        return _Unit("1/s", prefix.get(scaled[1] or "", 1.0), "higher")
    return _Unit(f"{one_line(word, LONGEST_UNIT - 2)}/s", 1.0, "higher")


def _better(tool: str, unit: _Unit) -> tuple[str, str]:
    """Return which way is better, and what is wrong where the tool and the unit do not agree."""
    said = "higher" if _BIGGER.get(tool, False) else "lower"
    if tool in _OWN_WORD and unit.better and unit.better != said:
        return "none", f"{tool} is said of figures in {unit.base}, of which the other is better"
    return (unit.better if tool not in _OWN_WORD and unit.better else said), ""


def _metric(unit: _Unit, better: str) -> MetricDefinition:
    known = {"s": "time", "1/s": "rate", "B/s": "bandwidth", "B": "size", "count": "count"}
    slug = known.get(unit.base) or _SLUG.sub("-", unit.base.lower()).strip("-")
    if unit.base not in (*known, slug):  # mW and MW are two
        slug = f"{slug}-{hashlib.sha256(unit.base.encode()).hexdigest()[:8]}".lstrip("-")
    title = known[unit.base].capitalize() if unit.base in known else unit.base
    words = "As the benchmark's tool printed it, in one figure an entry."
    return MetricDefinition(f"{BENCHMARK}.{slug}.{better}", title, unit.base, better, words)


def _workload(suite: str) -> str:
    return _SLUG.sub("-", suite.lower()).strip("-")[:64].strip("-") or "suite"


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of such a history."""
    keys = (b'"entries"', b'"benches"', b'"tool"', b'"lastUpdate"')
    return all(key in data for key in keys)


_TITLE = "github-action-benchmark's data.js"
READERS: tuple[Reader, ...] = (Reader(BENCHMARK, _TITLE, knows, read, Asks),)
