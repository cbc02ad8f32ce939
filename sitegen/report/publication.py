"""A published report, rebuilt section by section from the figures that it prints.

What it prints, the same figures drawn and divided, what it states about them, and our own runs
of the same series: another machine, and never set against it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from sitegen.analysis.claims import Checked, Verdict
from sitegen.analysis.compare import Analysis, analyse
from sitegen.analysis.selection import superseded
from sitegen.catalogue.families import family
from sitegen.charts.spec import Chart
from sitegen.errors import SitegenError
from sitegen.model import AnyRun, Provenance, Source, check_label
from sitegen.report import costs, derived, panels, reviews, words
from sitegen.report import printed as prints
from sitegen.report.claims import ClaimRow
from sitegen.report.costs import CostTable
from sitegen.report.printed import Columns, OwnTable, PrintedTable
from sitegen.report.reviews import Note

_ROMAN = re.compile(r"[IVXLC]+\b")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
#: A verdict about one claim, and about several.
_ENDINGS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.REPRODUCED: ("follows from its figures", "follow from its figures"),
    Verdict.CLOSE: ("misses them by less than 1 %", "miss them by less than 1 %"),
    Verdict.DIFFERS: ("differs from them", "differ from them"),
    Verdict.UNSUPPORTED: ("has no printed figure behind it", "have no printed figure behind them"),
}


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One section of a publication, rebuilt."""

    id: str
    key: str
    title: str
    about: str
    counts: tuple[tuple[str, int], ...]
    figures: int
    note: str
    tables: tuple[PrintedTable, ...]
    charts: tuple[Chart, ...]
    chart_notes: tuple[str, ...]
    derived: tuple[derived.Section, ...]
    costs: tuple[CostTable, ...]
    claims: tuple[ClaimRow, ...]
    own: tuple[OwnTable, ...]
    other: tuple[tuple[str, str], ...]
    pages: tuple[tuple[str, str], ...]
    origins: tuple[str, ...]

    @property
    def file(self) -> str:
        """Its own page, beside the report's, where the report has a page for each section."""
        return f"{self.id}.html"


@dataclass(frozen=True, slots=True)
class Beside:
    """What our own runs of a benchmark add after a report: its derived sections."""

    benchmark: str
    title: str
    finding: str
    environments: Columns
    sections: tuple[derived.Section, ...]


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Everything the page of one publication says."""

    source: Source
    title: str
    finding: str
    counts: tuple[tuple[str, int], ...]
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


@dataclass(frozen=True, slots=True)
class ReportsPage:
    """The list of all publications; ``verdicts`` are its columns."""

    finding: str
    verdicts: tuple[str, ...]
    reports: tuple[ReportPage, ...]


def sources(
    runs: Iterable[AnyRun], found: Iterable[Checked], noted: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the publications that have a page: cited ones, and those with claims and a note.

    One whose id cannot be a folder has none; its runs have their pages all the same.
    """
    cited = {run.source.id for run in runs if run.provenance == Provenance.CITED and run.source}
    stated = {checked.claim.source for checked in found} - cited
    usable = [name for name in sorted(cited) if _usable(name)]
    return (*usable, *(name for name in sorted(stated) if _usable(name) and noted(name)))


def _usable(name: str) -> bool:
    try:
        return bool(check_label(name, "publication"))
    except SitegenError:
        return False


def page(
    analysis: Analysis, source: str, runs: Sequence[AnyRun], found: Sequence[Checked], told: Note
) -> ReportPage:
    """Return the page of one publication.

    ``runs`` are all of the archive, ``found`` all checked claims; ``analysis`` is of all runs.
    """
    gone = superseded(runs)
    cited = [
        run
        for run in runs
        if run.provenance == Provenance.CITED
        and run.source
        and run.source.id == source
        and run.id not in gone
        and not run.withdrawn
    ]
    stated = [checked for checked in found if checked.claim.source == source]
    titles = {key: title for key, title, _ in told.sections}
    texts = {key: text for key, _, text in told.sections}
    by_section: dict[str, list[AnyRun]] = {}
    for run in cited:
        by_section.setdefault(run.source.section if run.source else "", []).append(run)
    claims_of = _by_section(stated, [*titles, *by_section])
    sections: list[ReportSection] = []
    for key in sorted(dict.fromkeys([*titles, *by_section, *claims_of]), key=_place):
        name = _anchor(key, {section.id for section in sections})
        sections.append(
            _section(
                analysis,
                (name, key, titles.get(key, "")),
                by_section.get(key, []),
                claims_of.get(key, []),
                texts.get(key, ""),
            )
        )
    published = next((run.source for run in cited if run.source), Source(source))
    published = structs.replace(
        published,
        section="",
        origin="",
        **{key: text for key, text in told.about.items() if not getattr(published, key)},
    )
    figures = sum(section.figures for section in sections)
    return ReportPage(
        source=published,
        title=published.title or source,
        finding=_finding(published.title or source, figures, stated),
        counts=_counts(stated),
        figures=figures,
        runs=len(cited),
        claims=len(stated),
        introduction=told.introduction if told.introduction.strip() else "",
        sections=tuple(sections),
        beside=tuple(
            beside for name in told.beside if (beside := _beside(analysis, name, runs)) is not None
        ),
    )


def index(reports: Sequence[ReportPage]) -> ReportsPage:
    """Return the list of publications, with their claims by verdict."""
    figures = sum(report.figures for report in reports)
    stated = sum(report.claims for report in reports)
    return ReportsPage(
        f"{words.count(len(reports), 'published report')} rebuilt from"
        f" {words.count(figures, 'printed figure')}, and {words.count(stated, 'claim')}"
        " recomputed from them.",
        tuple(str(verdict) for verdict in Verdict),
        tuple(reports),
    )


def _by_section(stated: Iterable[Checked], known: Iterable[str]) -> dict[str, list[Checked]]:
    """Return the claims of each section; one that names two stands in both."""
    keys = sorted(set(known), key=len, reverse=True)
    found: dict[str, list[Checked]] = {}
    for checked in stated:
        parts = [part.strip() for part in checked.claim.where.split(",")]
        for key in dict.fromkeys(_key(part, keys) for part in parts):
            found.setdefault(key, []).append(checked)
    return found


def _key(part: str, known: Iterable[str]) -> str:
    """Return the section that a claim's place lies in: "VIII table 1" lies in VIII."""
    for key in known:
        if key and re.match(rf"{re.escape(key)}(?!\w)", part):
            return key
    numeral = _ROMAN.match(part)
    return numeral[0] if numeral else part


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
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def _section(
    analysis: Analysis,
    names: tuple[str, str, str],
    cited: Sequence[AnyRun],
    stated: Sequence[Checked],
    text: str,
) -> ReportSection:
    name, key, title = names
    # A section's figures alone: two sections may cite one benchmark in one environment.
    printed = analyse(cited, analysis.config)
    benchmarks = sorted({run.benchmark for run in cited})
    charts: list[Chart] = []
    notes: list[str] = []
    sections: list[derived.Section] = []
    own = []
    for benchmark in benchmarks:
        prefix = f"{name}-{benchmark}"
        presented = family(benchmark)
        drawn = panels.panels(printed, presented, printed.of(benchmark))
        notes += panels.efficiency_notes([c for c in drawn if c.id.startswith("efficiency")])
        charts += [replace(chart, id=f"{prefix}-{chart.id}") for chart in drawn]
        sections += [_prefixed(one, prefix) for one in derived.sections(printed, presented)]
        own.append(prints.own(analysis, benchmark, {cell.series for cell in printed.of(benchmark)}))
    tables = tuple(table for each in benchmarks for table in prints.tables(printed, each, cited))
    figures = sum(len(run.measurements) for run in cited)
    environments = {run.environment for run in cited}
    about = [words.count(figures, "figure"), words.count(len(environments), "environment")]
    about = about if cited else []
    about += [words.count(len(stated), "claim")] if stated else []
    return ReportSection(
        id=name,
        key=key,
        title=title,
        about=" · ".join(about),
        counts=_counts(stated),
        figures=figures,
        note=text,
        tables=tables,
        charts=tuple(charts),
        chart_notes=tuple(notes),
        derived=tuple(sections),
        costs=tuple(table for each in benchmarks for table in costs.tables(printed, each)),
        claims=tuple(reviews.claim_rows(analysis, stated).values()),
        own=tuple(table for table in own if table),
        other=tuple(
            (each, family(each).title)
            for each, table in zip(benchmarks, own, strict=True)
            if table is None and prints.collected(analysis, each)
        ),
        pages=tuple((each, family(each).title) for each in benchmarks),
        origins=tuple(
            sorted({run.source.origin for run in cited if run.source and run.source.origin})
        ),
    )


def _prefixed(section: derived.Section, prefix: str) -> derived.Section:
    charts = tuple(replace(chart, id=f"{prefix}-{chart.id}") for chart in section.charts)
    return replace(section, id=f"{prefix}-{section.id}", charts=charts)


def _beside(analysis: Analysis, benchmark: str, runs: Iterable[AnyRun]) -> Beside | None:
    """Return what our own runs of a benchmark say, or None where there are none."""
    own = [
        run for run in runs if run.benchmark == benchmark and run.provenance == Provenance.COLLECTED
    ]
    if not own:
        return None
    measured = analyse(own, analysis.config)
    presented = family(benchmark)
    finding = derived.finding(measured, presented)
    present = {run.environment for run in own}
    labels = [label for label in analysis.config.environments if label in present]
    return Beside(
        benchmark,
        presented.title,
        f"{finding.sentence} {finding.beside}" if finding else "",
        prints.columns(analysis, labels),
        tuple(_prefixed(one, f"own-{benchmark}") for one in derived.sections(measured, presented)),
    )


def _counts(stated: Iterable[Checked]) -> tuple[tuple[str, int], ...]:
    counts = Counter(checked.verdict for checked in stated)
    return tuple((str(verdict), counts[verdict]) for verdict in Verdict if counts[verdict])


def _finding(title: str, figures: int, stated: Sequence[Checked]) -> str:
    """Return what became of a publication's claims, in one sentence."""
    counts = Counter(checked.verdict for checked in stated)
    if not stated:
        return f"{title}: {words.count(figures, 'printed figure')}, rebuilt from the archive."
    if len(stated) == 1:
        return f"Its one claim {_ENDINGS[stated[0].verdict][0]}."
    told = [
        f"{counts[verdict]:,} {_ENDINGS[verdict][counts[verdict] != 1]}"
        for verdict in Verdict
        if counts[verdict]
    ]
    return f"Of its {words.count(len(stated), 'claim')}, {words.enumerate_words(told)}."
