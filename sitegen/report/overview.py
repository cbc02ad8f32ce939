"""The front page: what a TEE costs, benchmark by benchmark, and what was not measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from sitegen.analysis.compare import Analysis
from sitegen.analysis.stats import Word
from sitegen.catalogue.families import family
from sitegen.charts.spec import Chart
from sitegen.model import AnyRun, Provenance
from sitegen.report import costs, panels, run_list, words
from sitegen.report.costs import CostTable
from sitegen.report.figures import platforms
from sitegen.report.navigation import in_order
from sitegen.report.run_list import ListedRun
from sitegen.report.words import Platform

_LATEST = 10
_VERDICTS = frozenset({Word.SLOWER, Word.FASTER, Word.NO_DIFFERENCE, Word.INCONCLUSIVE})


class OverviewGroup(Struct, frozen=True):
    """One benchmark: what each TEE costs against its default baseline, or why it is absent."""

    benchmark: str
    title: str
    tables: tuple[CostTable, ...]
    absent: str
    chart: Chart | None


#: An environment, and how many runs each benchmark has in it; None is not measured.
Coverage = tuple[Platform, tuple[int | None, ...]]


class OverviewPage(Struct, frozen=True):
    """Everything the front page says."""

    headline: str
    lede: str
    doubt: str
    facts: tuple[tuple[str, str, str], ...]
    groups: tuple[OverviewGroup, ...]
    latest: tuple[ListedRun, ...]
    runs: int
    coverage: tuple[Coverage, ...]


def page(
    analysis: Analysis, runs: Sequence[AnyRun], tables: Mapping[str, Sequence[CostTable]]
) -> OverviewPage:
    """Return the front page of a report with these runs; ``tables`` are those of a benchmark."""
    order = in_order(run.benchmark for run in runs)
    cited = [run for run in runs if run.provenance == Provenance.CITED]
    own = sum(run.provenance == Provenance.COLLECTED for run in runs)
    counts = Counter((run.environment, run.benchmark) for run in runs)
    lede = doubt = ""
    if cited:
        figures = sum(len(run.measurements) for run in cited)
        sources = {run.source.id for run in cited if run.source}
        beside = f", beside {words.count(own, 'run')} of our own." if own else "."
        lede = (
            f"Recomputed from {words.count(figures, 'figure')} in"
            f" {words.count(len(sources), 'publication')}{beside}"
        )
        doubt = "Cited figures are single values without a published spread"
    elif own:
        lede = f"Computed from {words.count(own, 'archived run')}."
    return OverviewPage(
        headline=_headline(analysis, tables, order, len(runs)),
        lede=lede,
        doubt=doubt,
        facts=_facts(analysis, runs),
        groups=tuple(_group(analysis, benchmark, tables[benchmark]) for benchmark in order),
        latest=run_list.lines(analysis, run_list.newest(runs)[:_LATEST]),
        runs=len(runs),
        coverage=tuple(
            (one, tuple(counts.get((one.label, benchmark)) for benchmark in order))
            for one in platforms(analysis, {run.environment for run in runs})
        ),
    )


def _headline(
    analysis: Analysis, tables: Mapping[str, Sequence[CostTable]], order: Sequence[str], runs: int
) -> str:
    clauses = [found for name in order if (found := costs.clause(name, tables[name]))]
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
    tables = costs.of_tees(found)
    absent = ""
    if not tables:
        count = len({cell.environment for cell in analysis.of(benchmark)})
        why = "no TEE among them beside its own baseline"
        if analysis.paired(benchmark):
            why = "no TEE in a metric that could be compared"
        absent = f"{words.count(count, 'environment')}, {why}"
    chart = next(iter(panels.panels(analysis, benchmark, f"{benchmark}-")), None)
    return OverviewGroup(benchmark, family(benchmark).title, tables, absent, chart)


def _facts(analysis: Analysis, runs: Sequence[AnyRun]) -> tuple[tuple[str, str, str], ...]:
    comparisons = [c for c in analysis.comparisons if c.headline]
    decided, every = sum(c.word in _VERDICTS for c in comparisons), len(comparisons)
    verdicts = f"{decided} of {words.count(every, 'headline comparison')}"
    few = "A verdict needs three runs a side." if decided < every else ""
    doubtful = f"{sum(bool(c.doubt) for c in comparisons)} of {every}"
    newest = max((r.started_at for r in runs if r.provenance != Provenance.CITED), default="")
    fresh = ("no run of our own", "`sitegen collect` takes one.")
    if newest:
        fresh = (words.day(newest), "Newest run, UTC.")
    return (
        ("Verdicts", verdicts, few),
        ("Doubtful", doubtful, "Hollow marks: read the reason before you quote."),
        ("Freshness", *fresh),
    )
