"""An environment's page: what it is declared to be, what its runs saw, and all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import family, headline_of
from sitegen.model import AnyRun
from sitegen.report import machine, panels, run_list, words
from sitegen.report.costs import CostTable
from sitegen.report.machine import Group, Verdict
from sitegen.report.run_list import ListedRun
from sitegen.report.words import Platform

_MAX_RUNS = 50
_MAX_HEADLINES = 12


#: A headline value: its cell, and in words its family, series, metric, value, unit and runs.
Headline = tuple[Cell, str, str, str, str, str, str]


class EnvironmentPage(Struct, frozen=True):
    """Everything an environment's page says."""

    platform: Platform
    note: str
    tee: str
    observed: Verdict | None
    by_label: bool
    baselines: tuple[tuple[str, str, str], ...]
    headlines: tuple[Headline, ...]
    costs: tuple[CostTable, ...]
    machine: tuple[Group, ...]
    runs: tuple[ListedRun, ...]
    runs_all: int


def page(
    analysis: Analysis,
    label: str,
    runs: Sequence[AnyRun],
    tables: Mapping[str, Sequence[CostTable]],
    seen: AnyRun | None = None,
) -> EnvironmentPage:
    """Return the page of an environment with these runs.

    ``tables`` are those of a benchmark; ``seen`` is its newest run of our own, read whole.
    """
    declared = analysis.config.environment(label)
    newest = run_list.newest(runs)
    benchmarks = sorted({run.benchmark for run in newest})
    return EnvironmentPage(
        platform=words.platform(analysis.config, label),
        note=declared.note,
        tee=declared.tee,
        observed=machine.verdict(seen.fingerprint.tee) if seen else None,
        by_label=declared.by_label,
        baselines=tuple(
            (against, name, words.platform(analysis.config, name).name)
            for against, name in declared.baselines.items()
        ),
        headlines=tuple(row for name in benchmarks for row in _headlines(analysis, name, label)),
        costs=tuple(t for name in benchmarks for t in tables[name] if t.side.label == label),
        machine=machine.groups(seen.fingerprint.facts) if seen else (),
        runs=run_list.lines(analysis, newest[:_MAX_RUNS]),
        runs_all=len(newest),
    )


def _headlines(analysis: Analysis, benchmark: str, label: str) -> list[Headline]:
    """Return the headline figures of a benchmark, or all where it has none."""
    cells = [cell for cell in analysis.of(benchmark) if cell.environment == label and cell.summary]
    leading = [cell for cell in cells if headline_of(cell.series)] or cells
    leading.sort(key=lambda cell: (cell.series.metric, words.natural(cell.series)))
    return [_headline(analysis, cell) for cell in leading[:_MAX_HEADLINES]]


def _headline(analysis: Analysis, cell: Cell) -> Headline:
    series = cell.series
    metric, unit = analysis.metric(series.metric), panels.unit_of(analysis, [cell])
    runs = cell.summary.runs if cell.summary else 0
    return (
        cell,
        family(series.benchmark).title,
        words.series(series),
        words.joined(metric.title, words.statistic(series.statistic)),
        words.number(cell, unit),
        f"{unit.text} {words.arrow(metric)}".strip(),
        words.count(runs, "run") if runs else "n unknown",
    )
