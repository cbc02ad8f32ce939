"""An environment's page: what it is declared to be, what its runs saw, and all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family, headline_of
from sitegen.model import AnyRun
from sitegen.report import machine, overview, words
from sitegen.report.costs import CostTable
from sitegen.report.machine import Group, Verdict
from sitegen.report.overview import LatestRun

_MAX_RUNS = 50
_MAX_HEADLINES = 12


@dataclass(frozen=True, slots=True)
class Headline:
    """One headline value of the environment."""

    benchmark: str
    family: str
    title: str
    metric: str
    value: str
    unit: str
    n: str
    doubt: str
    run: str


@dataclass(frozen=True, slots=True)
class EnvironmentPage:
    """Everything an environment's page says."""

    label: str
    name: str
    role: str
    hue: str
    note: str
    tee: str
    observed: Verdict | None
    by_label: bool
    baselines: tuple[tuple[str, str, str], ...]
    headlines: tuple[Headline, ...]
    costs: tuple[CostTable, ...]
    machine: tuple[Group, ...]
    runs: tuple[LatestRun, ...]
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
    newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    benchmarks = list(dict.fromkeys(run.benchmark for run in newest))
    names = analysis.config.environment
    return EnvironmentPage(
        label=label,
        name=words.environment(declared),
        role=words.role(declared),
        hue=words.hue(declared),
        note=declared.note,
        tee=declared.tee,
        observed=machine.verdict(seen.fingerprint.tee) if seen else None,
        by_label=declared.by_label,
        baselines=tuple(
            (against, name, words.environment(names(name)))
            for against, name in declared.baselines.items()
        ),
        headlines=_headlines(analysis, label, sorted(benchmarks)),
        costs=tuple(
            table
            for benchmark in sorted(benchmarks)
            for table in tables[benchmark]
            if table.environment == label
        ),
        machine=machine.groups(seen.fingerprint.facts) if seen else (),
        runs=tuple(overview.latest_run(analysis, run) for run in newest[:_MAX_RUNS]),
        runs_all=len(newest),
    )


def _headlines(analysis: Analysis, label: str, benchmarks: Sequence[str]) -> tuple[Headline, ...]:
    found = []
    for benchmark in benchmarks:
        cells = [c for c in analysis.of(benchmark) if c.environment == label and c.summary]
        picked = [c for c in cells if headline_of(c.series)] or cells
        picked.sort(key=lambda c: (c.series.metric, words.natural(c.series)))
        for cell in picked[:_MAX_HEADLINES]:
            metric = analysis.metric(cell.series.metric)
            summary = cell.summary
            if summary is None:
                continue
            unit = metric.unit_for([summary.value])
            found.append(
                Headline(
                    benchmark,
                    family(benchmark).title,
                    words.series(cell.series),
                    ", ".join(
                        part
                        for part in (metric.title, words.statistic(cell.series.statistic))
                        if part
                    ),
                    words.number(cell, unit),
                    f"{unit.text} {words.arrow(metric)}".strip(),
                    words.count(summary.runs, "run") if summary.runs else "n unknown",
                    cell.doubt,
                    cell.runs[-1],
                )
            )
    return tuple(found)
