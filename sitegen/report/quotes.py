"""What a note may say: functions that fetch figures from the archive, with their runs.

A figure prints as a Markdown link to the run behind it. One that is not there is an error,
so prose cannot outlive its data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis
from sitegen.analysis.stats import Summary
from sitegen.catalogue.tool import SeriesPattern
from sitegen.catalogue.units import DisplayUnit, percent, printed_number, significant
from sitegen.errors import SitegenError
from sitegen.model import Params
from sitegen.report import words

NBSP = "\N{NO-BREAK SPACE}"
_PRINTED = {"us": "µs", "1/s": "/s", "bytes": "B"}
_UNITS = {"GB/s": 1e9, "MB/s": 1e6, "MiB/s": 2.0**20, "GiB/s": 2.0**30, "%": 0.01, "ms": 1e-3,
          "us": 1e-6, "s": 1.0, "k/s": 1e3, "MB": 1e6, "MHz": 1e6, "kHz": 1e3}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quote:
    """A number from the archive in its base unit; arithmetic on it gives plain numbers."""

    value: float
    unit: DisplayUnit
    text: str
    run: str
    params: Params = ()
    root: str = "../"
    between: str = ""

    def __str__(self) -> str:
        """Return the value with its unit as a link to its run, its interval as the link's title."""
        title = f' "{self.between}"' if self.between else ""
        return f"[{self.text} {self.unit.text}]({self.address}{title})".replace(" ]", "]")

    @property
    def address(self) -> str:
        """The run's page, from the page that the note stands on."""
        return f"{self.root}runs/{self.run}/index.html"

    def param(self, key: str) -> float:
        """Return a numeric parameter of the figure, such as its cores."""
        try:
            return float(dict(self.params)[key])
        except (KeyError, ValueError):
            raise SitegenError(f"the figure has no number {key!r}") from None

    def to(self, unit: str, digits: int = 3) -> str:
        """Return the value in another unit, without a link."""
        if unit not in _UNITS:
            raise SitegenError(f"no unit {unit!r}", fix=f"use one of {', '.join(_UNITS)}")
        return f"{significant(self.value / _UNITS[unit], digits)} {unit}"

    def __truediv__(self, other: Quote | float) -> float:
        """Divide by another figure or a number."""
        return self.value / (other.value if isinstance(other, Quote) else other)

    def __sub__(self, other: Quote | float) -> float:
        """Subtract another figure or a number."""
        return self.value - (other.value if isinstance(other, Quote) else other)


def functions(
    analysis: Analysis, benchmark: str, *, root: str = "../"
) -> Mapping[str, Callable[..., object]]:
    """Return the functions of notes about ``benchmark``.

    ``root`` leads from the page that a note stands on to the site's own.
    """

    def value(
        metric: str, env: str, *, workload: str = "", statistic: str = "", **params: object
    ) -> Quote:
        wanted = tuple((key, str(item)) for key, item in params.items())
        cell = analysis.figure(metric, env, workload, statistic, wanted)
        summary = cell.summary
        if summary is None:
            raise SitegenError(f"{metric} in {env} was not measured")
        known = analysis.metric(metric)
        unit = known.unit_for([summary.value])
        if cell.printed and (parsed := printed_number(cell.printed)) and parsed[0]:
            name = cell.printed.rpartition(" ")[2] if " " in cell.printed else unit.text
            unit = DisplayUnit(summary.value / parsed[0], printed_unit(name))
        return Quote(
            summary.value,
            unit,
            words.number(cell, unit),
            cell.runs[-1],
            cell.series.params,
            root,
            _between(summary, unit),
        )

    def overhead(
        metric: str, env: str, *, against: str = "", workload: str = "", statistic: str = "",
        **params: object,
    ) -> str:  # fmt: skip
        pairs = tuple((key, str(item)) for key, item in params.items())
        pattern = SeriesPattern(metric, statistic, pairs, workload)
        for comparison in analysis.comparisons:
            if (
                pattern.matches(comparison.series)
                and comparison.side.environment == env
                and (
                    not against or against in (comparison.against, comparison.baseline.environment)
                )
                and comparison.share is not None
            ):
                text = f"{percent(comparison.share).lstrip('+')}{NBSP}%"
                address = f"{root}runs/{comparison.side.runs[-1]}/index.html"
                bounds = comparison.share_interval
                if not bounds:
                    return f"[{text}]({address})"
                low, high = (percent(end) for end in sorted(bounds))
                return f'[{text}]({address} "{low} to {high} %")'
        raise SitegenError(f"no comparison of {metric} in {env}")

    def doubtful(rule: str) -> int:
        return sum(any(c.rule.id == rule for c in cell.caveats) for cell in analysis.of(benchmark))

    def cells(*labels: str) -> int:
        return sum(cell.environment in labels for cell in analysis.of(benchmark))

    return {
        "value": value,
        "overhead": overhead,
        "doubtful": doubtful,
        "cells": cells,
        "number": _number,
        "percent": lambda share, digits=1: f"{share * 100:.{digits}f}{NBSP}%",
    }


def _between(summary: Summary, unit: DisplayUnit) -> str:
    """Return the interval of a figure in words, or nothing where there is none."""
    interval = summary.interval
    if interval is None or interval.low == interval.high:
        return ""
    of = {"rounding": "by rounding", "repetitions": "repetitions", "runs": "95 % of runs"}
    low, high = unit.number(interval.low), unit.number(interval.high)
    return f"{low} to {high} {unit.text}, {of[interval.kind]}".replace(" ,", ",")


def printed_unit(text: str) -> str:
    """Return a unit as pages print it, from the text of a source."""
    return _PRINTED.get(text, text)


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if value == int(value) else significant(value, digits)
