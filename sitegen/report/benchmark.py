"""A comparison page: the finding, what each environment delivers, what the TEE costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis, Cell
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import Rule
from sitegen.catalogue.units import DisplayUnit
from sitegen.charts.spec import BarChart, Chart, LineChart
from sitegen.model import Provenance, Run, Sample, Series, StepRecord
from sitegen.report import costs, derived, history, panels, words
from sitegen.report.costs import CostTable, Finding
from sitegen.report.derived import Section

_MAX_FIGURES = 200
#: What the table of all figures shows; the downloads hold the rest.
_TABLE_STATISTICS = frozenset({"value", "mean", "total", "p50", "p99"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A caveat rule with how often it applies on this page, and an example of what it saw."""

    rule: Rule
    count: int
    sentence: str


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One series in all environments, for the table of all figures."""

    title: str
    metric: str
    metric_id: str
    statistic: str
    unit: str
    arrow: str
    cells: tuple[FigureCell | None, ...]


@dataclass(frozen=True, slots=True)
class FigureCell:
    """A value with its count, interval, doubt and the run to read it in."""

    text: str
    n: str
    interval: str
    doubt: str
    run: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Command:
    """The exact command of a workload, from the newest run that has it."""

    workload: str
    argv: tuple[str, ...]
    run: str


@dataclass(frozen=True, slots=True)
class UsedRuns:
    """Which runs stand for an environment on this page, and which do not."""

    environment: str
    name: str
    hue: str
    role: str
    used: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BenchmarkPage:
    """Everything a comparison page says."""

    benchmark: str
    title: str
    question: str
    finding: Finding
    doubts: tuple[Doubt, ...]
    counts: str
    panels: tuple[Chart, ...]
    scaling: tuple[Chart, ...]
    scaling_notes: tuple[str, ...]
    distributions: tuple[Chart, ...]
    sections: tuple[Section, ...]
    history: tuple[Chart, ...]
    costs: tuple[CostTable, ...]
    environments: tuple[tuple[str, str], ...]
    figures: tuple[FigureRow, ...]
    figures_left: int
    background: tuple[str, ...]
    commands: tuple[Command, ...]
    sources: tuple[tuple[str, str, str, str], ...]
    runs: tuple[UsedRuns, ...]
    note: str = ""
    method: str = ""


def page(  # noqa: PLR0913 - what a comparison page is made of
    analysis: Analysis,
    benchmark: str,
    tables: tuple[CostTable, ...],
    commands: Sequence[Command] = (),
    samples: Mapping[str, tuple[Sample, ...]] | None = None,
    *,
    note: str = "",
    method: str = "",
) -> BenchmarkPage:
    """Return the comparison page of ``benchmark``.

    ``samples`` are those of the newest own run of an environment, by environment label.
    """
    presented = family(benchmark)
    cells = analysis.of(benchmark)
    labels = [
        label
        for label in analysis.config.environments
        if any(c.environment == label for c in cells)
    ]
    charts = panels.panels(analysis, presented, cells)
    figures, left = _figures(analysis, cells, labels)
    efficiency = [c for c in charts if c.id.startswith("efficiency")]
    return BenchmarkPage(
        benchmark=benchmark,
        title=presented.title,
        question=presented.question,
        finding=(None if tables else derived.finding(analysis, presented))
        or costs.finding(analysis, benchmark, tables),
        doubts=_doubts(analysis, benchmark),
        counts=_counts(analysis, benchmark, labels),
        panels=tuple(c for c in charts if isinstance(c, BarChart)),
        scaling=tuple(c for c in charts if isinstance(c, LineChart)),
        scaling_notes=panels.efficiency_notes(efficiency),
        distributions=panels.distributions(analysis, benchmark, samples or {}),
        sections=derived.sections(analysis, presented),
        history=history.charts(analysis, benchmark),
        costs=tables,
        environments=tuple(
            (label, words.environment(analysis.config.environment(label))) for label in labels
        ),
        figures=figures,
        figures_left=left,
        background=_background(benchmark, cells),
        commands=tuple(commands),
        sources=_sources(analysis, benchmark),
        runs=_used(analysis, benchmark, labels),
        note=note,
        method=method,
    )


def _background(benchmark: str, cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return what titles leave out: the same parameters once, with all workloads that have them."""
    by_text: dict[str, list[str]] = {}
    for workload, pairs in sorted(words.background(benchmark, (c.series for c in cells)).items()):
        if told := words.params(pairs):
            by_text.setdefault(told, []).append(workload)
    return tuple(f"{words.enumerate_words(names)}: {told}" for told, names in by_text.items())


def commands_of(run: Run) -> tuple[Command, ...]:
    """Return the command of each workload's first step in a run that was read whole."""
    found: dict[tuple[str, str], StepRecord] = {}
    for step in run.steps:
        if step.argv:
            found.setdefault((step.workload, step.name), step)
    return tuple(Command(step.name, step.argv, run.id) for step in found.values())


def _counts(analysis: Analysis, benchmark: str, labels: Sequence[str]) -> str:
    runs = [
        run for key, chosen in analysis.selections.items() if key[0] == benchmark
        for run in chosen.runs
    ]  # fmt: skip
    cited = sum(run.provenance == Provenance.CITED for run in runs)
    own = sum(run.provenance == Provenance.COLLECTED for run in runs)
    imported = len(runs) - cited - own
    parts = [words.count(len(labels), "environment")]
    if cited:
        parts.append(words.count(cited, "cited run"))
    if own:
        parts.append(words.count(own, "run") + " of our own")
    if imported:
        parts.append(words.count(imported, "imported run"))
    return " · ".join(parts)


def _doubts(analysis: Analysis, benchmark: str) -> tuple[Doubt, ...]:
    """Return the rules that apply to figures, and to comparisons where no figure says as much."""
    seen: dict[str, list[str]] = {}
    rules: dict[str, Rule] = {}
    caveats = [caveat for cell in analysis.of(benchmark) for caveat in cell.caveats]
    for one in analysis.comparisons:
        if one.series.benchmark == benchmark:
            own = {*one.side.caveats, *one.baseline.caveats}
            caveats += [caveat for caveat in one.caveats if caveat not in own]
    for caveat in caveats:
        rules[caveat.rule.id] = caveat.rule
        seen.setdefault(caveat.rule.id, []).append(caveat.sentence)
    return tuple(
        Doubt(rules[rule_id], len(sentences), sentences[0])
        for rule_id, sentences in sorted(
            seen.items(), key=lambda item: (not rules[item[0]].doubts, -len(item[1]), item[0])
        )
    )


def _figures(
    analysis: Analysis, cells: Sequence[Cell], labels: Sequence[str]
) -> tuple[tuple[FigureRow, ...], int]:
    by_series: dict[Series, dict[str, Cell]] = {}
    for cell in panels.leading_statistics(cells):
        if cell.series.statistic not in _TABLE_STATISTICS:
            continue
        by_series.setdefault(cell.series, {})[cell.environment] = cell
    # What the table cannot hold is what nobody compares by: counts, and the load client's own.
    benchmark = cells[0].series.benchmark if cells else ""
    presented = family(benchmark)
    leading = {headline.metric for headline in presented.headlines}
    leading |= {panel.metric for panel in presented.panels}
    kept = sorted(
        by_series,
        key=lambda s: (s.metric not in leading, analysis.metric(s.metric).better == Better.NONE),
    )[:_MAX_FIGURES]
    ordered = sorted(kept, key=lambda s: (s.metric, s.statistic, words.natural(s)))
    known = words.background(benchmark, by_series)
    rows = []
    for series in ordered:
        found = by_series[series]
        metric = analysis.metric(series.metric)
        unit = panels.unit_of(metric, found.values())
        rows.append(
            FigureRow(
                title=words.short(series, known),
                metric=metric.title,
                metric_id=metric.id,
                statistic=words.statistic(series.statistic),
                unit=unit.text,
                arrow=words.arrow(metric),
                cells=tuple(
                    _figure(found[label], unit) if label in found else None for label in labels
                ),
            )
        )
    return tuple(rows), len({cell.series for cell in cells}) - len(rows)


def _figure(cell: Cell, unit: DisplayUnit) -> FigureCell:
    summary = cell.summary
    n, interval = "", ""
    if summary is not None:
        if summary.runs:
            repetitions = sum(summary.repetitions)
            n = f"{words.count(summary.runs, 'run')} of {repetitions}"
        else:
            n = "n unknown"
        if summary.interval:
            bounds = (unit.number(summary.interval.low), unit.number(summary.interval.high))
            interval = f"{bounds[0]} to {bounds[1]}" if bounds[0] != bounds[1] else ""
    return FigureCell(
        words.number(cell, unit),
        n,
        interval,
        cell.doubt,
        cell.runs[-1],
        summary.value if summary else None,
    )


def _sources(analysis: Analysis, benchmark: str) -> tuple[tuple[str, str, str, str], ...]:
    found = {}
    for key, selection in analysis.selections.items():
        if key[0] != benchmark:
            continue
        for run in selection.runs:
            if run.source:
                title = run.source.title or run.source.id
                found[run.source.id, run.source.section] = (
                    f"{title}, section {run.source.section}"
                    if not run.source.section.startswith("Table")
                    else f"{title}, {run.source.section.lower()}",
                    run.source.address,
                    run.source.edition,
                    run.source.id,
                )
    return tuple(found[key] for key in sorted(found))


def _used(analysis: Analysis, benchmark: str, labels: Sequence[str]) -> tuple[UsedRuns, ...]:
    rows = []
    for label in labels:
        selection = analysis.selections[benchmark, label]
        declared = analysis.config.environment(label)
        rows.append(
            UsedRuns(
                label,
                words.environment(declared),
                words.hue(declared),
                words.role(declared),
                tuple((run.id, words.day(run.started_at)) for run in selection.runs[-20:]),
                selection.left_out[-20:],
            )
        )
    return tuple(rows)
