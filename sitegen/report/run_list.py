"""The list of all runs, cut into pages, and the line that stands for a run in any list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.charts.spec import Hue
from sitegen.model import AnyRun
from sitegen.report import words

PER_PAGE = 250


#: A run with its date, the title of its benchmark, its colour and what it is.
ListedRun = tuple[AnyRun, str, str, Hue, str]


class RunListPage(Struct, frozen=True):
    """One page of the list of all runs."""

    number: int
    pages: int
    runs: tuple[ListedRun, ...]
    total: int


def pages(analysis: Analysis, runs: Iterable[AnyRun]) -> list[RunListPage]:
    """Return the pages that list all runs, newest first."""
    ordered = newest(runs)
    parts = [ordered[start : start + PER_PAGE] for start in range(0, len(ordered) or 1, PER_PAGE)]
    return [
        RunListPage(number, len(parts), lines(analysis, part), len(ordered))
        for number, part in enumerate(parts, start=1)
    ]


def newest(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Return runs, the newest first."""
    return sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)


def lines(analysis: Analysis, runs: Sequence[AnyRun]) -> tuple[ListedRun, ...]:
    """Return the lines that list ``runs``."""
    return tuple(
        (
            run,
            words.day(run.started_at),
            family(run.benchmark).title,
            words.platform(analysis.config, run.environment).hue,
            _what(run),
        )
        for run in runs
    )


def _what(run: AnyRun) -> str:
    what = words.count(len({row.workload for row in run.table.shape.rows}), "workload")
    if run.source:
        what = run.source.title or run.source.id
    else:
        what += (f", {run.preset}" if run.preset else "") + ("" if run.complete else ", incomplete")
    return what + (", withdrawn" if run.withdrawn else "")
