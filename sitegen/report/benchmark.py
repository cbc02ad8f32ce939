"""A comparison page: the finding, what each environment delivers, what the TEE costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import family, matching_headline, rank
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import Headline, Rule
from sitegen.catalogue.units import DisplayUnit
from sitegen.charts.spec import BarChart, Chart, LineChart, Point
from sitegen.model import AnyRun, Provenance, Run, Sample, StepRecord
from sitegen.report import derived, figures, findings, panels, words
from sitegen.report.costs import CostTable
from sitegen.report.derived import Section
from sitegen.report.figures import FigureTable
from sitegen.report.findings import Finding
from sitegen.report.words import Platform

_PROVENANCES = (
    (Provenance.CITED, "cited run", "cited runs"),
    (Provenance.COLLECTED, "run of our own", "runs of our own"),
    (Provenance.IMPORTED, "imported run", "imported runs"),
)
_MAX_RUNS = 20
#: Newest runs of an environment in its history: a page does not grow with the archive.
_MAX_HISTORY = 8
_DAY_S = 86_400.0


class Doubt(NamedTuple):
    """A caveat rule with how many values it speaks of, an example, and the runs that it is of."""

    rule: Rule
    values: int
    sentence: str
    runs: tuple[tuple[str, str], ...]
    aside: bool


#: An environment, the (id, day) of the runs that stand for it, and the (id, reason) of others.
UsedRuns = tuple[Platform, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


#: The exact command of a workload, and the newest run that has it.
Command = tuple[tuple[str, ...], str]


class BenchmarkPage(NamedTuple):
    """Everything a comparison page says."""

    benchmark: str
    title: str
    question: str
    finding: Finding
    doubts: tuple[Doubt, ...]
    counts: str
    panels: tuple[Chart, ...]
    scaling: tuple[Chart, ...]
    efficiency: derived.TextTable | None
    distributions: tuple[Chart, ...]
    sections: tuple[Section, ...]
    history: tuple[Chart, ...]
    costs: tuple[CostTable, ...]
    figures: FigureTable
    background: tuple[str, ...]
    sources: tuple[tuple[str, str, str, str], ...]
    runs: tuple[UsedRuns, ...]
    open_tables: int = 2
    open_charts: int = 6

    @property
    def costs_title(self) -> str:
        """What the section of costs is called: by the TEE, where there is one."""
        tees = dict.fromkeys(findings.subject(table.side) for table in self.costs if table.tee)
        return f"What {next(iter(tees))} costs" if len(tees) == 1 else "What it costs"


def page(
    analysis: Analysis,
    benchmark: str,
    tables: tuple[CostTable, ...],
    samples: Mapping[str, tuple[Sample, ...]] | None = None,
) -> BenchmarkPage:
    """Return a benchmark's page; ``samples`` are of the newest own run of each environment."""
    presented = family(benchmark)
    charts = panels.panels(analysis, benchmark)
    table = figures.measured(analysis, benchmark)
    chosen = {one.label: analysis.selections[benchmark, one.label] for one in table.environments}
    runs = [run for selection in chosen.values() for run in selection.runs]
    return BenchmarkPage(
        benchmark=benchmark,
        title=presented.title,
        question=presented.question,
        finding=(None if tables else derived.finding(analysis, benchmark))
        or findings.of_benchmark(analysis, benchmark, tables),
        doubts=_doubts(analysis, benchmark),
        counts=_counts(runs, len(chosen)),
        panels=tuple(c for c in charts if isinstance(c, BarChart)),
        scaling=tuple(c for c in charts if isinstance(c, LineChart)),
        efficiency=derived.efficiencies(charts),
        distributions=panels.distributions(analysis, benchmark, samples or {}),
        sections=derived.sections(analysis, benchmark),
        history=history(analysis, benchmark),
        costs=tables,
        figures=table,
        background=_background(analysis, benchmark),
        sources=_sources(runs),
        runs=tuple(
            (
                one,
                tuple((run.id, words.when(run)) for run in selection.runs[-_MAX_RUNS:]),
                selection.left_out[-_MAX_RUNS:],
            )
            for one, selection in zip(table.environments, chosen.values(), strict=True)
        ),
    )


def _background(analysis: Analysis, benchmark: str) -> tuple[str, ...]:
    """Return what titles leave out: the same parameters once, with all workloads that have them."""
    by_text: dict[str, list[str]] = {}
    common = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    for workload, pairs in sorted(common.items()):
        if text := words.params(pairs):
            by_text.setdefault(text, []).append(workload)
    return tuple(f"{words.enumerate_words(names)}: {text}" for text, names in by_text.items())


def commands_of(run: Run) -> tuple[Command, ...]:
    """Return the command of each workload's first step in a run that was read whole."""
    steps: dict[tuple[str, str], StepRecord] = {}
    for step in run.steps:
        if step.argv:
            steps.setdefault((step.workload, step.name), step)
    return tuple((step.argv, run.id) for step in steps.values())


def _counts(runs: Sequence[AnyRun], environments: int) -> str:
    counts = Counter(run.provenance for run in runs)
    parts = [words.count(environments, "environment")]
    parts += [words.count(counts[each], *names) for each, *names in _PROVENANCES if counts[each]]
    return " · ".join(parts)


def _doubts(analysis: Analysis, benchmark: str) -> tuple[Doubt, ...]:
    """Return the rules that apply to figures, and to comparisons where no figure says as much.

    A run that is set aside comes first: it is in no figure, and a reader wants to know which.
    """
    cells = analysis.of(benchmark)
    marks = [(caveat, False) for cell in cells for caveat in cell.caveats]
    marks += [(caveat, True) for cell in cells for caveat in cell.aside]
    for one in analysis.comparisons:
        if one.series.benchmark == benchmark:
            of_sides = {*one.side.caveats, *one.baseline.caveats}
            marks += [(caveat, False) for caveat in one.caveats if caveat not in of_sides]
    days = {
        run.id: f"{words.when(run)}, {label}"
        for (name, label), selection in analysis.selections.items()
        for run in selection.runs
        if name == benchmark
    }
    found: dict[tuple[str, bool], list[Caveat]] = {}
    for caveat, aside in marks:
        found.setdefault((caveat.rule.id, aside), []).append(caveat)
    doubts = []
    for (_, aside), members in found.items():
        runs = dict.fromkeys(run for one in members if one.rule.doubts for run in one.runs)
        named = tuple((run, days[run]) for run in runs if run in days)
        first = members[0]
        doubts.append(Doubt(first.rule, len(members), first.sentence, named, aside))
    order = lambda d: (not d.aside, not d.rule.doubts, -d.values, d.rule.id)  # noqa: E731
    return tuple(sorted(doubts, key=order))


def _sources(runs: Sequence[AnyRun]) -> tuple[tuple[str, str, str, str], ...]:
    sources = {(run.source.id, run.source.section): run.source for run in runs if run.source}
    rows = []
    for (name, section), source in sorted(sources.items(), key=lambda item: item[0]):
        place = section.lower() if section.startswith("Table") else f"section {section}"
        rows.append((f"{source.title or name}, {place}", source.address, source.edition, name))
    return tuple(rows)


def history(analysis: Analysis, benchmark: str) -> tuple[Chart, ...]:
    """Return the first headline series of environments that have several runs, as a chart."""
    groups: dict[tuple[Headline, str], list[Cell]] = {}
    days: dict[str, float] = {}
    for selection in analysis.selections.values():
        days |= {run.id: _day(run.started_at) for run in selection.runs if not run.undated}
    common = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    for cell in analysis.of(benchmark):
        headline = matching_headline(cell.series)
        if headline and cell.provenance != Provenance.CITED and cell.summary:
            groups.setdefault((headline, words.short(cell.series, common)), []).append(cell)
    for (headline, title), cells in sorted(groups.items(), key=lambda g: rank(g[1][0].series)):
        if any(len({days.get(run) for run in cell.runs} - {None}) > 1 for cell in cells):
            return (_history(analysis, headline, title, cells, days),)
    return ()


def _history(
    analysis: Analysis,
    headline: Headline,
    title: str,
    cells: Sequence[Cell],
    days: Mapping[str, float],
) -> Chart:
    metric = analysis.metric(headline.metric)
    unit = metric.unit_for([v for cell in cells if cell.summary for v in cell.summary.values])
    platforms = [words.platform(analysis.config, cell.environment) for cell in cells]
    lines = panels.lines(
        (platform.name, platform.hue, _points(cell, days, unit))
        for platform, cell in zip(platforms, cells, strict=True)
    )
    return LineChart(
        id="history-0",
        title=f"{headline.title}: {title}" if title != headline.title else title,
        subtitle=words.metric_line(metric, unit, headline.statistic),
        x_title="",
        unit=unit.text,
        lines=lines,
        summary=f"{headline.title}, {title}, run by run",
        y_zero=metric.better != Better.NONE,
        x_ticks=_ticks(sorted({point.x for line in lines for point in line.points})),
    )


def _points(cell: Cell, days: Mapping[str, float], unit: DisplayUnit) -> tuple[Point, ...]:
    if cell.summary is None:
        return ()
    values = zip(cell.summary.origins, cell.summary.by_run, strict=True)
    pairs = sorted((days[one.run], value) for one, value in values if one.run in days)
    return tuple(
        Point(day, value / unit.factor, unit.number(value)) for day, value in pairs[-_MAX_HISTORY:]
    )


def _ticks(places: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Return the places by date, or by time where two are of one day."""
    moments = [datetime.fromtimestamp(place * _DAY_S, UTC) for place in places]
    same = len({moment.date() for moment in moments}) < len(moments)
    form = "%m-%d %H:%M" if same else "%Y-%m-%d"
    return tuple((place, f"{moment:{form}}") for place, moment in zip(places, moments, strict=True))


def _day(started_at: str) -> float:
    text = started_at if "T" in started_at else (started_at + "-01-01")[:10]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / _DAY_S
