"""A comparison page: the finding, what each environment delivers, what the TEE costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.tool import Rule
from sitegen.charts.spec import BarChart, Chart, LineChart
from sitegen.model import AnyRun, Provenance, Run, Sample, StepRecord
from sitegen.report import costs, derived, figures, panels, words
from sitegen.report.costs import CostTable, Finding
from sitegen.report.derived import Section
from sitegen.report.figures import FigureTable
from sitegen.report.words import Platform

_PROVENANCES = (
    (Provenance.CITED, "cited run", "cited runs"),
    (Provenance.COLLECTED, "run of our own", "runs of our own"),
    (Provenance.IMPORTED, "imported run", "imported runs"),
)
_MAX_RUNS = 20

#: A caveat rule with how often it applies on this page, and an example of what it saw.
Doubt = tuple[Rule, int, str]
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
    scaling_notes: tuple[str, ...]
    distributions: tuple[Chart, ...]
    sections: tuple[Section, ...]
    costs: tuple[CostTable, ...]
    figures: FigureTable
    background: tuple[str, ...]
    sources: tuple[tuple[str, str, str, str], ...]
    runs: tuple[UsedRuns, ...]


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
        or costs.finding(analysis, benchmark, tables),
        doubts=_doubts(analysis, benchmark),
        counts=_counts(runs, len(chosen)),
        panels=tuple(c for c in charts if isinstance(c, BarChart)),
        scaling=tuple(c for c in charts if isinstance(c, LineChart)),
        scaling_notes=panels.efficiency_notes(charts),
        distributions=panels.distributions(analysis, benchmark, samples or {}),
        sections=derived.sections(analysis, benchmark),
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
    """Return the rules that apply to figures, and to comparisons where no figure says as much."""
    caveats = [caveat for cell in analysis.of(benchmark) for caveat in cell.caveats]
    for one in analysis.comparisons:
        if one.series.benchmark == benchmark:
            of_sides = {*one.side.caveats, *one.baseline.caveats}
            caveats += [caveat for caveat in one.caveats if caveat not in of_sides]
    counts = Counter(caveat.rule.id for caveat in caveats)
    first = {caveat.rule.id: caveat for caveat in reversed(caveats)}
    doubts = [(one.rule, counts[name], one.sentence) for name, one in first.items()]
    return tuple(sorted(doubts, key=lambda d: (not d[0].doubts, -d[1], d[0].id)))


def _sources(runs: Sequence[AnyRun]) -> tuple[tuple[str, str, str, str], ...]:
    sources = {(run.source.id, run.source.section): run.source for run in runs if run.source}
    rows = []
    for (name, section), source in sorted(sources.items(), key=lambda item: item[0]):
        place = section.lower() if section.startswith("Table") else f"section {section}"
        rows.append((f"{source.title or name}, {place}", source.address, source.edition, name))
    return tuple(rows)
