"""A comparison page: the finding, what each environment delivers, what the TEE costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.tool import Rule
from sitegen.charts.spec import BarChart, Chart, LineChart
from sitegen.model import AnyRun, Provenance, Run, Sample, StepRecord
from sitegen.report import costs, derived, figures, history, panels, words
from sitegen.report.costs import CostTable, Finding
from sitegen.report.derived import Section
from sitegen.report.figures import FigureTable
from sitegen.report.words import Platform

_PROVENANCES = (
    (Provenance.CITED, "cited run", "cited runs"),
    (Provenance.COLLECTED, "run of our own", "runs of our own"),
    (Provenance.IMPORTED, "imported run", "imported runs"),
)


#: A caveat rule with how often it applies on this page, and an example of what it saw.
Doubt = tuple[Rule, int, str]
#: An environment, the (id, day) of the runs that stand for it, and the (id, reason) of others.
UsedRuns = tuple[Platform, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Command:
    """The exact command of a workload, from the newest run that has it."""

    argv: tuple[str, ...]
    run: str


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
    figures: FigureTable
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
    charts = panels.panels(analysis, benchmark)
    table = figures.measured(analysis, benchmark)
    return BenchmarkPage(
        benchmark=benchmark,
        title=presented.title,
        question=presented.question,
        finding=(None if tables else derived.finding(analysis, benchmark))
        or costs.finding(analysis, benchmark, tables),
        doubts=_doubts(analysis, benchmark),
        counts=_counts(analysis, benchmark, len(table.environments)),
        panels=tuple(c for c in charts if isinstance(c, BarChart)),
        scaling=tuple(c for c in charts if isinstance(c, LineChart)),
        scaling_notes=panels.efficiency_notes(charts),
        distributions=panels.distributions(analysis, benchmark, samples or {}),
        sections=derived.sections(analysis, benchmark),
        history=history.charts(analysis, benchmark),
        costs=tables,
        figures=table,
        background=_background(analysis, benchmark),
        commands=tuple(commands),
        sources=_sources(analysis, benchmark),
        runs=_used(analysis, benchmark, table.environments),
        note=note,
        method=method,
    )


def _background(analysis: Analysis, benchmark: str) -> tuple[str, ...]:
    """Return what titles leave out: the same parameters once, with all workloads that have them."""
    by_text: dict[str, list[str]] = {}
    known = words.background(benchmark, (cell.series for cell in analysis.of(benchmark)))
    for workload, pairs in sorted(known.items()):
        if text := words.params(pairs):
            by_text.setdefault(text, []).append(workload)
    return tuple(f"{words.enumerate_words(names)}: {text}" for text, names in by_text.items())


def commands_of(run: Run) -> tuple[Command, ...]:
    """Return the command of each workload's first step in a run that was read whole."""
    found: dict[tuple[str, str], StepRecord] = {}
    for step in run.steps:
        if step.argv:
            found.setdefault((step.workload, step.name), step)
    return tuple(Command(step.argv, run.id) for step in found.values())


def _runs(analysis: Analysis, benchmark: str) -> list[AnyRun]:
    """Return the runs that stand for the environments of a benchmark."""
    selections = analysis.selections.items()
    return [run for (name, _), one in selections if name == benchmark for run in one.runs]


def _counts(analysis: Analysis, benchmark: str, environments: int) -> str:
    counts = Counter(run.provenance for run in _runs(analysis, benchmark))
    parts = [words.count(environments, "environment")]
    for provenance, singular, plural in _PROVENANCES:
        if number := counts[provenance]:
            parts.append(words.count(number, singular, plural))
    return " · ".join(parts)


def _doubts(analysis: Analysis, benchmark: str) -> tuple[Doubt, ...]:
    """Return the rules that apply to figures, and to comparisons where no figure says as much."""
    caveats = [caveat for cell in analysis.of(benchmark) for caveat in cell.caveats]
    for one in analysis.comparisons:
        if one.series.benchmark == benchmark:
            own = {*one.side.caveats, *one.baseline.caveats}
            caveats += [caveat for caveat in one.caveats if caveat not in own]
    by_rule: dict[str, list[Caveat]] = {}
    for caveat in caveats:
        by_rule.setdefault(caveat.rule.id, []).append(caveat)
    doubts = [(own[0].rule, len(own), own[0].sentence) for own in by_rule.values()]
    return tuple(sorted(doubts, key=lambda d: (not d[0].doubts, -d[1], d[0].id)))


def _sources(analysis: Analysis, benchmark: str) -> tuple[tuple[str, str, str, str], ...]:
    sources = {
        (run.source.id, run.source.section): run.source
        for run in _runs(analysis, benchmark)
        if run.source
    }
    return tuple(
        (f"{one.title or one.id}, {_section(one.section)}", one.address, one.edition, one.id)
        for _, one in sorted(sources.items(), key=lambda item: item[0])
    )


def _section(section: str) -> str:
    return section.lower() if section.startswith("Table") else f"section {section}"


def _used(
    analysis: Analysis, benchmark: str, environments: Sequence[Platform]
) -> tuple[UsedRuns, ...]:
    rows = []
    for one in environments:
        selection = analysis.selections[benchmark, one.label]
        used = tuple((run.id, words.day(run.started_at)) for run in selection.runs[-20:])
        rows.append((one, used, selection.left_out[-20:]))
    return tuple(rows)
