"""The front page: what a TEE costs, benchmark by benchmark, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis
from sitegen.analysis.stats import Word
from sitegen.catalogue.families import FAMILIES, family
from sitegen.charts.spec import Chart, FactorMark
from sitegen.model import AnyRun, Provenance
from sitegen.report import costs, panels, words
from sitegen.report.costs import CostRow, CostTable

_LATEST = 10
_VERDICTS = frozenset({Word.SLOWER, Word.FASTER, Word.NO_DIFFERENCE, Word.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One environment's cost in one benchmark: its worst headline series, and all of them."""

    table: CostTable
    worst: CostRow | None
    marks: tuple[FactorMark, ...]


@dataclass(frozen=True, slots=True)
class OverviewGroup:
    """One benchmark of the cost table; ``absent`` says why it has no rows."""

    benchmark: str
    title: str
    rows: tuple[OverviewRow, ...]
    absent: str
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class LatestRun:
    """One line of the list of latest runs."""

    id: str
    when: str
    benchmark: str
    environment: str
    hue: str
    what: str
    provenance: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many runs each benchmark has in one environment; None is not measured."""

    environment: str
    name: str
    role: str
    hue: str
    counts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """Everything the front page says."""

    headline: str
    lede: str
    doubt: str
    facts: tuple[tuple[str, str, str], ...]
    groups: tuple[OverviewGroup, ...]
    latest: tuple[LatestRun, ...]
    runs: int
    benchmarks: tuple[tuple[str, str], ...]
    coverage: tuple[Coverage, ...]


def page(
    analysis: Analysis, runs: Sequence[AnyRun], tables: Mapping[str, Sequence[CostTable]]
) -> OverviewPage:
    """Return the front page of a report with these runs; ``tables`` are those of a benchmark."""
    present = {run.benchmark for run in runs}
    order = [*[name for name in FAMILIES if name in present], *sorted(present - set(FAMILIES))]
    groups = tuple(_group(analysis, benchmark, tables[benchmark]) for benchmark in order)
    cited = [run for run in runs if run.provenance == Provenance.CITED]
    figures = sum(len(run.measurements) for run in cited)
    own = sum(run.provenance == Provenance.COLLECTED for run in runs)
    lede, doubt = [], ""
    if cited:
        sources = {run.source.id for run in cited if run.source}
        lede.append(
            f"Recomputed from {words.count(figures, 'figure')} in"
            f" {words.count(len(sources), 'publication')}"
            + (f", beside {words.count(own, 'run')} of our own." if own else ".")
        )
        doubt = "Cited figures are single values without a published spread"
    elif own:
        lede.append(f"Computed from {words.count(own, 'archived run')}.")
    latest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    return OverviewPage(
        headline=_headline(analysis, tables, order, len(runs)),
        lede=" ".join(lede),
        doubt=doubt,
        facts=_facts(analysis, runs),
        groups=groups,
        latest=tuple(latest_run(analysis, run) for run in latest[:_LATEST]),
        runs=len(runs),
        benchmarks=tuple((name, family(name).title) for name in order),
        coverage=_coverage(analysis, runs, order),
    )


def latest_run(analysis: Analysis, run: AnyRun) -> LatestRun:
    """Return the line that lists ``run``."""
    declared = analysis.config.environment(run.environment)
    steps = len({m.workload for m in run.measurements})
    what = words.count(steps, "workload")
    if run.preset:
        what += f", {run.preset}"
    if not run.complete:
        what += ", incomplete"
    if run.source:
        what = run.source.title or run.source.id
    if run.withdrawn:
        what += ", withdrawn"
    return LatestRun(
        run.id,
        words.day(run.started_at),
        family(run.benchmark).title,
        run.environment,
        words.hue(declared),
        what,
        run.provenance,
    )


def _headline(
    analysis: Analysis, tables: Mapping[str, Sequence[CostTable]], order: Sequence[str], runs: int
) -> str:
    clauses = [found for name in order if (found := costs.clause(analysis, name, tables[name]))]
    if clauses:
        return f"A TEE takes {words.enumerate_words(clauses)}."
    if not runs:
        return "Nothing has been measured yet."
    compared = sum(len(t.rows) for found in tables.values() for t in found if t.tee)
    if compared:
        return f"{words.count(compared, 'comparison')} of TEEs, and none that may be quoted yet."
    environments = {label for _, label in analysis.cells}
    return (
        f"{words.count(runs, 'run')} in {words.count(len(environments), 'environment')}, and no"
        " TEE among them has a baseline yet."
    )


def _group(analysis: Analysis, benchmark: str, found: Sequence[CostTable]) -> OverviewGroup:
    tables = [t for t in costs.defaults(found) if t.tee]
    rows = []
    for table in tables:
        worst = table.worst
        shown = [row for row in table.rows if row.headline] or list(table.rows)
        marks = tuple(
            FactorMark(
                row.title if row is worst else "", row.mark.factor, row.mark.hue,
                row.mark.low, row.mark.high, row.doubt,
            )
            for row in shown
            if row.mark
        )  # fmt: skip
        rows.append(OverviewRow(table, worst, marks))
    absent = ""
    if not rows:
        count = len({cell.environment for cell in analysis.of(benchmark)})
        why = "no TEE among them beside its own baseline"
        if analysis.paired(benchmark):
            why = "no TEE in a metric that could be compared"
        absent = f"{words.count(count, 'environment')}, {why}"
    chart = panels.leading_chart(analysis, benchmark)
    return OverviewGroup(benchmark, family(benchmark).title, tuple(rows), absent, chart)


def _facts(analysis: Analysis, runs: Sequence[AnyRun]) -> tuple[tuple[str, str, str], ...]:
    comparisons = [c for c in analysis.comparisons if c.headline]
    decided = [c for c in comparisons if c.word in _VERDICTS]
    doubtful = sum(bool(c.doubt) for c in comparisons)
    own = [run for run in runs if run.provenance != Provenance.CITED]
    newest = max((run.started_at for run in own), default="")
    return (
        (
            "Verdicts",
            f"{len(decided)} of {words.count(len(comparisons), 'headline comparison')}",
            "A verdict needs three runs a side." if len(decided) < len(comparisons) else "",
        ),
        (
            "Doubtful",
            f"{doubtful} of {len(comparisons)}",
            "Hollow marks: read the reason before you quote.",
        ),
        (
            "Freshness",
            words.day(newest) if newest else "no run of our own",
            "Newest run, UTC." if newest else "`sitegen collect` takes one.",
        ),
    )


def _coverage(
    analysis: Analysis, runs: Sequence[AnyRun], order: Sequence[str]
) -> tuple[Coverage, ...]:
    counts: dict[tuple[str, str], int] = {}
    for run in runs:
        key = (run.environment, run.benchmark)
        counts[key] = counts.get(key, 0) + 1
    seen = {run.environment for run in runs}
    return tuple(
        Coverage(
            label,
            words.environment(declared),
            words.role(declared),
            words.hue(declared),
            tuple(counts.get((label, benchmark)) for benchmark in order),
        )
        for label, declared in analysis.config.environments.items()
        if label in seen
    )
