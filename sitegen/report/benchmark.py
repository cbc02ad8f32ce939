"""A comparison page: the finding, what each environment delivers, what the TEE costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.tool import Rule
from sitegen.charts.spec import BarChart, Chart, LineChart
from sitegen.model import AnyRun, Provenance, Run, Sample, StepRecord
from sitegen.report import derived, figures, findings, panels, words
from sitegen.report.costs import CostTable
from sitegen.report.figures import FigureTable
from sitegen.report.findings import Finding
from sitegen.report.navigation import siblings
from sitegen.report.sections import Section, TextTable
from sitegen.report.words import Platform

_PROVENANCES = (
    (Provenance.CITED, "cited run", "cited runs"),
    (Provenance.COLLECTED, "run of our own", "runs of our own"),
    (Provenance.IMPORTED, "imported run", "imported runs"),
)
_MAX_RUNS = 20


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
    efficiency: TextTable | None
    distributions: tuple[Chart, ...]
    sections: tuple[Section, ...]
    costs: tuple[CostTable, ...]
    figures: FigureTable
    background: tuple[str, ...]
    sources: tuple[tuple[str, str, str, str], ...]
    runs: tuple[UsedRuns, ...]
    area: str = ""
    siblings: tuple[str, ...] = ()
    open_tables: int = 2
    open_charts: int = 6
    open_lines: int = 3

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
    # Also one of which every run is left out: the page says why.
    labels = {label for name, label in analysis.selections if name == benchmark}
    environments = figures.platforms(analysis, labels)
    chosen = {one.label: analysis.selections[benchmark, one.label] for one in environments}
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
            for one, selection in zip(environments, chosen.values(), strict=True)
        ),
        area=presented.area,
        siblings=siblings(benchmark, {name for name, _ in analysis.selections}),
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
