"""The front page and the page of each environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import islice
from typing import NamedTuple

from sitegen.analysis.claims import Checked, Verdict
from sitegen.analysis.compare import Analysis, Cell, Comparison
from sitegen.analysis.replicates import FOR_TURNS, FOR_WORD
from sitegen.catalogue.families import family, headlined, natural
from sitegen.charts.spec import Chart, FactorAxis
from sitegen.config import Environment
from sitegen.model import AnyRun, Provenance
from sitegen.report import addresses, costs, findings, machine, panels, run_list, words
from sitegen.report.costs import CostRow, CostTable
from sitegen.report.figures import platforms
from sitegen.report.findings import Finding
from sitegen.report.navigation import in_order
from sitegen.report.run_list import Line
from sitegen.report.words import Platform

_LATEST = 10
_MAX_RUNS = 20
_MAX_HEADLINES = 12


#: Up to so many benchmarks a table has several series of each.
_FEW_BENCHMARKS = 8


def _shown(benchmarks: int, most: int) -> int:
    """Return how many series each of several benchmarks has on one page."""
    return most if benchmarks <= _FEW_BENCHMARKS else max(most // 3, 1)


class OverviewGroup(NamedTuple):
    """One benchmark: what each TEE costs against its default baseline, or why it is absent."""

    benchmark: str
    title: str
    tables: tuple[CostTable, ...]
    leads: tuple[CostRow | None, ...]
    absent: str
    chart: Chart | None


#: An environment, and how many runs each benchmark has in it; None is not measured.
Coverage = tuple[Platform, tuple[int | None, ...]]
#: A headline value: its cell, in words its family, series, metric, value, unit and runs, and where
#: it leads.
Headline = tuple[Cell, str, str, str, str, str, str, str]


class Fact(NamedTuple):
    """One thing that says whether a report can be believed; ``page`` is where more of it stands."""

    title: str
    figure: str
    about: str
    page: str = ""


class OverviewPage(NamedTuple):
    """Everything the front page says."""

    headline: str
    lede: str
    doubt: str
    facts: tuple[Fact, ...]
    groups: tuple[OverviewGroup, ...]
    axis: FactorAxis
    latest: tuple[Line, ...]
    runs: int
    coverage: tuple[Coverage, ...]


class CostGroup(NamedTuple):
    """What an environment costs against one of its baselines, benchmark by benchmark."""

    id: str
    baseline: Platform
    tables: tuple[CostTable, ...]
    axis: FactorAxis

    @property
    def shown(self) -> int:
        """How many series each benchmark shows: of many benchmarks the first alone."""
        return _shown(len(self.tables), 3)


class EnvironmentPage(NamedTuple):
    """What an environment is declared to be, what its runs saw, and all of them."""

    platform: Platform
    finding: Finding
    declared: Environment
    observed: machine.TeeSummary | None
    baselines: tuple[tuple[str, str, str], ...]
    headlines: tuple[Headline, ...]
    costs: tuple[CostGroup, ...]
    machine: tuple[machine.FactGroup, ...]
    runs: tuple[Line, ...]
    runs_all: int


def page(
    analysis: Analysis,
    runs: Sequence[AnyRun],
    tables: Mapping[str, Sequence[CostTable]],
    claims: Sequence[Checked] = (),
) -> OverviewPage:
    """Return the front page of a report with these runs; ``tables`` are those of a benchmark."""
    order = in_order(run.benchmark for run in runs)
    cited = [run for run in runs if run.provenance == Provenance.CITED]
    collected = sum(run.provenance == Provenance.COLLECTED for run in runs)
    counts = Counter((run.environment, run.benchmark) for run in runs)
    lede = doubt = ""
    if cited:
        figures = sum(len(run.measurements) for run in cited)
        sources = {run.source.id for run in cited if run.source}
        beside = f", beside {words.count(collected, 'run')} of our own." if collected else "."
        lede = (
            f"Recomputed from {words.count(figures, 'figure')} in"
            f" {words.count(len(sources), 'publication')}{beside}"
        )
        doubt = "Cited figures are single values without a published spread"
    elif collected:
        entering = sum(len(one.runs) for one in analysis.selections.values())
        lede = f"Computed from {entering:,} of {words.count(len(runs), 'archived run')}."
    groups = tuple(_group(analysis, benchmark, tables[benchmark]) for benchmark in order)
    return OverviewPage(
        headline=_headline(analysis, tables, order, len(runs)),
        lede=lede,
        doubt=doubt,
        facts=(*_facts(analysis, runs), *_of_claims(claims)),
        groups=groups,
        axis=FactorAxis.of(mark for one in groups for table in one.tables for mark in table.marks),
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
    if said := findings.of_report({name: tables[name] for name in order}):
        return said
    if not runs:
        return "Nothing has been measured yet."
    environments = {label for _, label in analysis.cells}
    many = f"{words.count(runs, 'run')} in {words.count(len(environments), 'environment')}"
    held = (
        row.comparison for name in order for one in costs.of_tees(tables[name]) for row in one.rows
    )
    if why := _refusal(held):
        return f"{many}, and no verdict: {why}."
    if any(words.platform(analysis.config, label).is_tee for label in environments):
        return f"{many}, and no TEE among them has a baseline yet."
    answer = findings.best(table for name in order for table in tables[name])
    return (
        f"{answer.sentence} None of them is a TEE."
        if answer
        else f"{many}, {_no_tee(environments)}."
    )


def _refusal(comparisons: Iterable[Comparison]) -> str:
    """Return why nothing of this may be compared, the commonest reason; nothing where some may."""
    reasons = Counter(one.reason for one in comparisons)
    return "" if "" in reasons or not reasons else reasons.most_common(1)[0][0]


def _no_tee(environments: Sized) -> str:
    return "none of them a TEE" if len(environments) > 1 else "which is no TEE"


def _group(analysis: Analysis, benchmark: str, every: Sequence[CostTable]) -> OverviewGroup:
    tables = costs.of_tees(every)
    absent = ""
    if not tables:
        count = len({cell.environment for cell in analysis.of(benchmark)})
        tees = [
            cell
            for cell in analysis.of(benchmark)
            if words.platform(analysis.config, cell.environment).is_tee
        ]
        why = "no TEE among them beside its own baseline" if tees else _no_tee(range(count))
        if analysis.paired(benchmark):
            why = "no TEE in a metric that could be compared"
        absent = f"{words.count(count, 'environment')}, {why}"
    chart = next(iter(panels.panels(analysis, benchmark, f"{benchmark}-")), None)
    leads = tuple(findings.row_of(table) for table in tables)
    return OverviewGroup(benchmark, family(benchmark).title, tables, leads, absent, chart)


def _facts(analysis: Analysis, runs: Sequence[AnyRun]) -> tuple[Fact, ...]:
    comparisons = [c for c in analysis.comparisons if c.headline]
    decided, every = sum(c.decided for c in comparisons), len(comparisons)
    verdicts = f"{decided} of {words.count(every, 'headline comparison')}"
    few = ""
    if why := _refusal(comparisons):
        few = f"{why[0].upper()}{why[1:]}."
    elif decided < every:
        few = f"A verdict needs {FOR_WORD} sessions a side; {FOR_TURNS} find more."
    doubtful = f"{sum(bool(c.doubt) for c in comparisons)} of {every}"
    own = (r for r in runs if r.provenance != Provenance.CITED and not r.undated)
    newest = max((run.started_at for run in own), default="")
    fresh = ("no run of our own", "")
    if newest:
        fresh = (words.day(newest), "Newest run, UTC.")
    return (
        Fact("Decided", verdicts, few),
        Fact("Doubtful", doubtful, "Hollow marks: read the reason before you quote."),
        Fact("Freshness", *fresh, "runs/index.html"),
    )


def _of_claims(claims: Sequence[Checked]) -> Iterable[Fact]:
    """Yield how many published claims follow from their own figures, where a report has any."""
    if claims:
        counts = Counter(one.verdict for one in claims)
        figure = f"{counts[Verdict.REPRODUCED]} of {words.count(len(claims), 'published claim')}"
        about = f"follow from their own figures; {counts[Verdict.DIFFERS]} differ."
        yield Fact("Claims", figure, about, "claims/index.html")


def environment(
    analysis: Analysis,
    label: str,
    runs: Sequence[AnyRun],
    tables: Mapping[str, Sequence[CostTable]],
    latest: AnyRun | None = None,
) -> EnvironmentPage:
    """Return the page of an environment; ``latest`` is its newest run of our own, read whole."""
    declared = analysis.config.environment(label)
    benchmarks = in_order({run.benchmark for run in runs})
    of_label = [t for name in benchmarks for t in tables[name] if t.side.label == label]
    platform = words.platform(analysis.config, label)
    return EnvironmentPage(
        platform=platform,
        finding=findings.of_environment(platform, of_label),
        declared=declared,
        observed=machine.verdict(latest.fingerprint.tee) if latest else None,
        baselines=tuple(
            (against, name, words.platform(analysis.config, name).name)
            for against, name in declared.baselines.items()
        ),
        headlines=tuple(
            row
            for name in benchmarks
            for row in islice(
                _headlines(analysis, name, label),
                None if len(benchmarks) <= _FEW_BENCHMARKS else 2,
            )
        ),
        costs=_by_baseline(of_label),
        machine=machine.groups(latest.fingerprint.facts) if latest else (),
        runs=run_list.lines(analysis, run_list.newest(runs)[:_MAX_RUNS]),
        runs_all=len(runs),
    )


def _by_baseline(tables: Sequence[CostTable]) -> tuple[CostGroup, ...]:
    groups: dict[str, list[CostTable]] = {}
    for table in tables:
        groups.setdefault(table.baseline.label, []).append(table)
    return tuple(
        CostGroup(
            f"against-{label}",
            members[0].baseline,
            tuple(members),
            FactorAxis.of(row.mark for t in members for row in t.headlines if row.mark),
        )
        for label, members in groups.items()
    )


def _headlines(analysis: Analysis, benchmark: str, label: str) -> Iterable[Headline]:
    """Yield the headline figures of a benchmark, or all where it has none."""
    cells = [cell for cell in analysis.of(benchmark) if cell.environment == label and cell.summary]
    headlines = analysis.headlines(benchmark)
    found = headlined(headlines, (cell.series for cell in cells))
    places = {series: headlines.index(headline) for series, headline in found.items()}
    leading = [cell for cell in cells if cell.series in found] or cells
    leading.sort(
        key=lambda one: (places.get(one.series, 0), one.series.metric, natural(one.series))
    )
    leading = leading[:_MAX_HEADLINES]
    alike = Counter((words.title(one.series), one.series.metric) for one in leading)
    for cell in leading:
        metric, unit = analysis.metric(cell.series.metric), panels.unit_of(analysis, [cell])
        runs = cell.summary.runs if cell.summary else 0
        yield (
            cell,
            family(benchmark).title,
            words.joined(
                words.title(cell.series),
                # Two of one title differ in their workload.
                words.workload(cell.series)
                if alike[words.title(cell.series), cell.series.metric] > 1
                else "",
                by=" · ",
            ),
            words.joined(metric.title, words.statistic(cell.series.statistic)),
            words.number(cell, unit),
            f"{unit.text} {words.arrow(metric)}".strip(),
            words.count(runs, "run") if runs else "n unknown",
            addresses.behind(cell),
        )
