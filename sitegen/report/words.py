"""Names for people: parameters, series, environments, dates and counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sitegen.analysis.compare import Cell
from sitegen.analysis.replicates import Level
from sitegen.analysis.stats import Interval, Summary
from sitegen.catalogue.families import family, matching_headline
from sitegen.catalogue.metrics import Metric
from sitegen.catalogue.parameters import ORDER, PARAMETERS, kind
from sitegen.catalogue.tool import Kind, Miss
from sitegen.catalogue.units import DisplayUnit, printed_number
from sitegen.charts.spec import Hue
from sitegen.config import ROLE_WORDS, TEE_WORDS, Config
from sitegen.errors import many
from sitegen.model import AnyRun, Params, Series

ARROWS = {"higher": "↑ higher is better", "lower": "↓ lower is better", "none": ""}
_STATISTICS = {"value": "", "mean": "mean", "total": "total",
               "min": "minimum", "max": "maximum", "stddev": "standard deviation"}  # fmt: skip
_KIB = 1024


def param(key: str, value: str) -> str:
    """Return one parameter in words: "4 KiB", "depth 64", "8 threads"."""
    parameter = PARAMETERS.get(key)
    if parameter is None or not (parameter.words or parameter.values or parameter.several):
        return f"{key.replace('_', ' ')} {_binary(value) if kind(key) == Kind.SIZE else value}"
    if parameter.values:
        return parameter.values.get(value, value)
    if parameter.several:
        return (parameter.words if value == "1" else parameter.several).format(value)
    if parameter.kind == Kind.SHARE and is_number(value):
        value = f"{float(value) * 100:.0f}"
    elif parameter.kind == Kind.SIZE:
        value = _binary(value)
    elif value.isdecimal() and parameter.words != "{}":
        value = f"{int(value):,}"
    return parameter.words.format(value)


def value(key: str, text: str) -> str:
    """Return the value of a parameter without its name: "4 KiB", "8"."""
    return _binary(text) if kind(key) == Kind.SIZE else text


def at(miss: Miss) -> str:
    """Return where a series stands that is not quite what its headline asks for."""
    return f"at {miss.key.replace('_', ' ')} {value(miss.key, miss.has)}"


def params(pairs: Params, skip: frozenset[str] = frozenset()) -> str:
    """Return parameters in words, in a fixed order, without those in ``skip``."""
    shown = [
        (key, value)
        for key, value in pairs
        if key not in skip
        and (key, value) != ("numjobs", "1")
        and not (key in PARAMETERS and PARAMETERS[key].hidden)
    ]
    shown.sort(key=lambda pair: (ORDER.get(pair[0], len(ORDER)), pair[0]))
    # A proof system that has one mode is named once.
    return ", ".join(dict.fromkeys(param(key, value) for key, value in shown))


@lru_cache(maxsize=65536)
def title(series: Series, skip: frozenset[str] = frozenset()) -> str:
    """Return what a series is of, for a table row: a headline's title or its parameters."""
    headline = matching_headline(series)
    if headline and headline.whole:
        return headline.title
    words = params(series.params, skip)
    if not words:
        return workload(series)
    model = dict(series.params).get("model")
    # A name is written as it is.
    return words if model and words.startswith(model) else upper_first(words)


def workload(series: Series) -> str:
    """Return the workload of a series in words."""
    return series.workload.replace("-", " ").replace("_", " ")


def background(benchmark: str, rows: Iterable[Series]) -> dict[str, Params]:
    """Return the parameters that titles leave out, by workload: those that all of it share."""
    keys = family(benchmark).background
    by_workload: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        values = by_workload.setdefault(row.workload, {})
        for key, value in row.params:
            if key in keys:
                values.setdefault(key, set()).add(value)
    return {
        workload: tuple(sorted((k, next(iter(v))) for k, v in values.items() if len(v) == 1))
        for workload, values in by_workload.items()
    }


def short(series: Series, common: Mapping[str, Params]) -> str:
    """Return what a series is of, without what its whole workload shares."""
    return title(series, frozenset(key for key, _ in common.get(series.workload, ())))


def upper_first(text: str) -> str:
    """Return ``text`` with its first letter large."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """Return ``text`` with its first letter small, unless it is an acronym: I/O, CPU."""
    return text if text[:2].isupper() or text[1:2] == "/" else text[:1].lower() + text[1:]


def statistic(name: str) -> str:
    """Return a statistic in words; a percentile is called by its name, p99."""
    return _STATISTICS.get(name, name)


class Platform(NamedTuple):
    """An environment as pages show it; ``tee`` is the name of its TEE, as TDX, or nothing."""

    label: str
    name: str
    hue: Hue
    role: str
    tee: str = ""

    @property
    def is_tee(self) -> bool:
        """Whether it is a TEE."""
        return self.hue in ("cpu-tee", "gpu-tee")

    @property
    def kind(self) -> str:
        """The name of its TEE where its own name does not say it."""
        return "" if self.tee.lower() in self.name.lower() else self.tee


def platform(config: Config, label: str) -> Platform:
    """Return how the environment ``label`` is shown: its colour is that of its role."""
    declared = config.environment(label)
    role = ROLE_WORDS.get(declared.role or "", "platform not stated")
    tee = TEE_WORDS.get(declared.tee, "")
    return Platform(label, declared.title or declared.label, declared.role or "metal", role, tee)


def metric_line(metric: Metric, unit: DisplayUnit, statistic_name: str = "value") -> str:
    """Return the line under a chart's title: statistic, unit, arrow."""
    return joined(statistic(statistic_name), unit.text, ARROWS[metric.better], by=" · ")


def number(cell: Cell, unit: DisplayUnit) -> str:
    """Return a cell's value in ``unit``: the printed digits where the source used that unit."""
    if cell.summary is None:
        return "not measured"
    return figure(cell.summary.value, cell.printed, unit)


def figure(value: float, printed: str | None, unit: DisplayUnit) -> str:
    """Return a value in ``unit``: the digits that were printed, where they are of that unit."""
    parsed = printed_number(printed) if printed else None
    if parsed and abs(parsed[0] * unit.factor - value) <= 1e-9 * abs(value):
        decimals = round(-math.log10(2 * parsed[1]))
        return f"{parsed[0]:,.{decimals}f}".replace("-", "−")
    return unit.number(value)


def counted(summary: Summary) -> str:
    """Return how many runs and repetitions a value stands on, and what it counts above them."""
    if not summary.runs:
        return "n unknown"
    runs = f"{count(summary.runs, 'run')} of {sum(summary.repetitions)}"
    if summary.level == Level.RUN:
        return runs
    return f"{count(len(summary.values), summary.level)}, {runs}"


def between(interval: Interval | None, unit: DisplayUnit) -> str:
    """Return both ends of an interval in ``unit``; nothing where they print alike."""
    if interval is None:
        return ""
    return unit.span(interval.low, interval.high)


#: Counts in pages are those in messages.
count = many


def size(count: int) -> str:
    """Return a size in bytes in words: "2.5 MB"."""
    for factor, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def when(run: AnyRun) -> str:
    """Return a run's date as precise as it is known."""
    return "undated" if run.undated else day(run.started_at)


def day(started_at: str) -> str:
    """Return a run's date as precise as it is known: 2026-11-21 07:40 or 2025."""
    return started_at if "T" not in started_at else f"{started_at[:10]} {started_at[11:16]}"


def enumerate_words(parts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return joined(", ".join(parts[:-1]), *parts[-1:], by=" and ")


def joined(*parts: str, by: str = ", ") -> str:
    """Return the parts that say something, joined."""
    return by.join(part for part in parts if part)


def arrow(metric: Metric) -> str:
    """Return the arrow of a metric's better direction, or nothing."""
    return ARROWS[metric.better][:1]


def _binary(value: str) -> str:
    """Return a size in the unit that divides it, of 1024 unless those of 1000 divide it further."""
    if not value.isdecimal():
        return value
    size = int(value)
    base, units = _KIB, ("B", "KiB", "MiB", "GiB", "TiB")
    for power in (4, 3, 2, 1):
        if size % _KIB**power == 0:
            break
        if size % 1000**power == 0:  # 2 GB is also 1953125 KiB
            base, units = 1000, ("B", "kB", "MB", "GB", "TB")
            break
    for unit in units[:-1]:
        if size < base or size % base:
            return f"{size} {unit}"
        size //= base
    return f"{size} {units[-1]}"


def is_number(text: str) -> bool:
    """Say whether a text is a number and nothing else."""
    try:
        float(text)
    except ValueError:
        return False
    return True
