"""The pages of published reports, rebuilt section by section from the figures that they print.

What it prints, the same figures drawn and divided, what it states about them, and our own runs
of the same series: another machine, and never set against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import NamedTuple

from msgspec import structs

from sitegen.analysis.claims import Checked, Verdict
from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.selection import superseded
from sitegen.catalogue.families import family
from sitegen.charts.spec import Chart
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, Provenance, Source, check_label
from sitegen.report import claims, costs, derived, figures, panels, words
from sitegen.report.claims import ClaimRow
from sitegen.report.costs import CostTable
from sitegen.report.figures import FigureTable
from sitegen.report.notes import Note
from sitegen.report.sections import Section, TextTable
from sitegen.report.words import Platform

_ROMAN = re.compile(r"[IVXLC]+\b")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_ENDINGS = {
    **claims.ENDINGS,
    Verdict.REPRODUCED: ("follows", "follow", "from its figures"),
    Verdict.UNSUPPORTED: (
        "has no printed figure behind it",
        "have no printed figure behind them",
        "",
    ),
}


class ReportSection(NamedTuple):
    """One section of a publication, rebuilt."""

    id: str
    key: str
    title: str
    note: str
    about: str
    counts: claims.Tally
    figures: int
    tables: tuple[FigureTable, ...]
    charts: tuple[Chart, ...]
    efficiency: TextTable | None
    derived: tuple[Section, ...]
    costs: tuple[CostTable, ...]
    claims: tuple[ClaimRow, ...]
    ours: tuple[FigureTable, ...]
    other: tuple[tuple[str, str], ...]
    pages: tuple[tuple[str, str], ...]
    origins: tuple[str, ...]

    @property
    def file(self) -> str:
        """Its own page, beside the report's, where the report has a page for each section."""
        return f"{self.id}.html"


class Beside(NamedTuple):
    """What our own runs of a benchmark add after a report: its derived sections."""

    benchmark: str
    title: str
    finding: str
    environments: tuple[Platform, ...]
    sections: tuple[Section, ...]


class ReportPage(NamedTuple):
    """Everything the page of one publication says."""

    source: Source
    title: str
    finding: str
    counts: claims.Tally
    figures: int
    runs: int
    claims: int
    introduction: str
    sections: tuple[ReportSection, ...]
    beside: tuple[Beside, ...]

    @property
    def paged(self) -> bool:
        """Whether each section has a page: more than one of them prints figures."""
        return sum(bool(section.figures) for section in self.sections) > 1


class ReportsPage(NamedTuple):
    """The list of all publications; ``verdicts`` are its columns."""

    finding: str
    verdicts: tuple[Verdict, ...]
    reports: tuple[ReportPage, ...]


def sources(
    runs: Iterable[AnyRun], checked: Iterable[Checked], noted: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the publications that have a page: cited ones, and those with claims and a note."""
    cited = {run.source.id for run in runs if run.provenance == Provenance.CITED and run.source}
    claimed = {check.claim.source for check in checked} - cited
    return (
        *filter(_usable, sorted(cited)),
        *(name for name in sorted(claimed) if _usable(name) and noted(name)),
    )


def _usable(name: str) -> bool:
    try:
        return bool(check_label(name, "publication"))
    except SitegenError:
        return False


def page(
    analysis: Analysis, source: str, runs: Sequence[AnyRun], checked: Sequence[Checked], note: Note
) -> ReportPage:
    """Return the page of one publication, from all runs and all claims."""
    gone = superseded(runs)
    by_section: dict[str, list[AnyRun]] = {}
    published: Source | None = None
    for run in runs:
        cited = run.source if run.provenance == Provenance.CITED else None
        if cited and cited.id == source and run.id not in gone and not run.withdrawn:
            published = published or cited
            by_section.setdefault(cited.section, []).append(run)
    checks = [check for check in checked if check.claim.source == source]
    prose = {key: (title, text) for key, title, text in note.sections}
    claims_of = _by_section(checks, [*prose, *by_section])
    sections: list[ReportSection] = []
    for key in sorted(dict.fromkeys([*prose, *by_section, *claims_of]), key=_place):
        name = _anchor(key, {section.id for section in sections})
        parts = (prose.get(key, ("", "")), by_section.get(key, []), claims_of.get(key, []))
        sections.append(_section(analysis, name, key, *parts))
    published = published or Source(source)
    about = {key: text for key, text in note.about.items() if not getattr(published, key)}
    published = structs.replace(published, section="", origin="", **about)
    title = published.title or source
    printed = sum(section.figures for section in sections)
    return ReportPage(
        source=published,
        title=title,
        finding=_finding(title, printed, checks),
        counts=claims.counts(checks),
        figures=printed,
        runs=sum(map(len, by_section.values())),
        claims=len(checks),
        introduction=note.introduction if note.introduction.strip() else "",
        sections=tuple(sections),
        beside=tuple(filter(None, (_beside(analysis, name, runs) for name in note.beside))),
    )


def index(reports: Sequence[ReportPage]) -> ReportsPage:
    """Return the list of publications, with their claims by verdict."""
    printed = sum(report.figures for report in reports)
    claim_count = sum(report.claims for report in reports)
    return ReportsPage(
        f"{words.count(len(reports), 'published report')} rebuilt from"
        f" {words.count(printed, 'published figure')}, and {words.count(claim_count, 'claim')}"
        " recomputed from them.",
        tuple(Verdict),
        tuple(reports),
    )


def _by_section(checks: Iterable[Checked], sections: Iterable[str]) -> dict[str, list[Checked]]:
    """Return the claims of each section; one that names two stands in both."""
    keys = sorted({*sections} - {""}, key=len, reverse=True)
    by_section: dict[str, list[Checked]] = {}
    for checked in checks:
        parts = (part.strip() for part in checked.claim.where.split(","))
        for key in dict.fromkeys(_key(part, keys) for part in parts):
            by_section.setdefault(key, []).append(checked)
    return by_section


def _key(part: str, sections: Iterable[str]) -> str:
    """Return the section that a claim's place lies in: "VIII table 1" lies in VIII."""
    numeral = _ROMAN.match(part)
    section = (key for key in sections if re.match(rf"{re.escape(key)}(?!\w)", part))
    return next(section, numeral[0] if numeral else part)


def _place(key: str) -> tuple[int, int]:
    """Return where a section stands: by its Roman numeral, all others after these."""
    numeral = _ROMAN.fullmatch(key)
    if not numeral:
        return 1, 0
    digits = [_ROMAN_DIGITS[letter] for letter in key]
    following = [*digits[1:], 0]
    return 0, sum(-d if d < after else d for d, after in zip(digits, following, strict=True))


def _anchor(key: str, taken: Iterable[str]) -> str:
    base = "section-" + (re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:40] or "other")
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def _section(  # noqa: PLR0913 - what a section is made of
    analysis: Analysis,
    name: str,
    key: str,
    prose: tuple[str, str],
    cited: Sequence[AnyRun],
    checks: Sequence[Checked],
) -> ReportSection:
    # A section's figures alone: two sections may cite one benchmark in one environment.
    printed = analyse(cited, analysis.config)
    pages = [(each, family(each).title) for each in sorted({run.benchmark for run in cited})]
    measured = {
        benchmark: figures.ours(analysis, benchmark, {one.series for one in printed.of(benchmark)})
        for benchmark, _ in pages
    }
    charts = tuple(
        chart for each, _ in pages for chart in panels.panels(printed, each, f"{name}-{each}-")
    )
    shown = sum(len(run.measurements) for run in cited)
    about = []
    if cited:
        environments = {run.environment for run in cited}
        about = [words.count(shown, "figure"), words.count(len(environments), "environment")]
    about += [words.count(len(checks), "claim")] if checks else []
    return ReportSection(
        id=name,
        key=key,
        title=prose[0],
        note=prose[1],
        about=" · ".join(about),
        counts=claims.counts(checks),
        figures=shown,
        tables=tuple(t for each, _ in pages for t in figures.printed(printed, each, cited)),
        charts=charts,
        efficiency=derived.efficiencies(charts),
        derived=tuple(
            one for each, _ in pages for one in derived.sections(printed, each, f"{name}-{each}-")
        ),
        costs=tuple(table for each, _ in pages for table in costs.tables(printed, each)),
        claims=claims.rows(checks),
        ours=tuple(filter(None, measured.values())),
        other=tuple(
            one for one in pages if not measured[one[0]] and figures.collected(analysis, one[0])
        ),
        pages=tuple(pages),
        origins=tuple(sorted({run.source.origin for run in cited if run.source} - {""})),
    )


def _beside(analysis: Analysis, benchmark: str, runs: Iterable[AnyRun]) -> Beside | None:
    """Return what our own runs of a benchmark say, or None where there are none."""
    collected = [
        run for run in runs if run.benchmark == benchmark and run.provenance == Provenance.COLLECTED
    ]
    if not collected:
        return None
    measured = analyse(collected, analysis.config)
    finding = derived.finding(measured, benchmark)
    return Beside(
        benchmark,
        family(benchmark).title,
        f"{finding.sentence} {finding.beside}" if finding else "",
        figures.platforms(analysis, {run.environment for run in collected}),
        derived.sections(measured, benchmark, f"own-{benchmark}-"),
    )


def _finding(title: str, figures: int, checks: Sequence[Checked]) -> str:
    """Return what became of a publication's claims, in one sentence."""
    if not checks:
        return f"{title}: {words.count(figures, 'published figure')}, rebuilt from the archive."
    if len(checks) == 1:
        return f"Its one claim {claims.became(checks, _ENDINGS).removeprefix('1 ')}."
    return f"Of its {words.count(len(checks), 'claim')}, {claims.became(checks, _ENDINGS)}."
