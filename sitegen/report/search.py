"""What a reader can search for: pages, environments, reports, claims and definitions, as entries.

Runs are not among them: the search counts those that match, and the list of runs shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.report import run_list, words
from sitegen.report.claims import ClaimsPage
from sitegen.report.costs import CostTable
from sitegen.report.methodology import MethodologyPage
from sitegen.report.navigation import Link, in_order
from sitegen.report.reports import ReportPage
from sitegen.report.scripts import script
from sitegen.report.words import Platform

#: Where the entries stand in a site.
FILE = "search.js"
_MOST_WORDS = 160
#: Pages that the navigation does not name.
_LISTS = (("runs/", "All runs"), ("environments/", "Environments"))


class Found(NamedTuple):
    """One entry: what it is, its title, a line about it, its address, and what else it goes by."""

    kind: str
    title: str
    about: str
    address: str
    words: str = ""

    @property
    def page(self) -> str:
        """Its address with the page of a folder named: on a disk nothing else leads to it."""
        path, _, place = self.address.partition("#")
        page = path if path.endswith(".html") else f"{path}index.html"
        return f"{page}#{place}" if place else page


def entries(  # noqa: PLR0913 - what all can be searched
    analysis: Analysis,
    counts: Mapping[tuple[str, str], int],
    navigation: Sequence[Link],
    methodology: MethodologyPage,
    reports: Iterable[ReportPage] = (),
    claims: ClaimsPage | None = None,
    tables: Iterable[CostTable] = (),
) -> list[Found]:
    """Return everything that can be found; ``counts`` are runs by benchmark and environment."""
    benchmarks = in_order({benchmark for benchmark, _ in counts})
    places = {label: _place(analysis, label) for label in analysis.config.environments}
    found = [
        Found("benchmark", family(name).title, family(name).question, f"{name}/", name)
        for name in benchmarks
    ]
    for platform, tee in places.values():
        label, name = platform.label, platform.name
        about = words.joined(tee, platform.role)
        found.append(Found("environment", name, about, f"environments/{label}/", label))
        # A page of a benchmark does not say which TEE a name stands for, and a reader asks for it.
        found += (
            Found(
                "measured", f"{family(benchmark).title} on {name}",
                words.joined(about, words.count(counts[benchmark, label], "run")),
                f"{benchmark}/", f"{benchmark} {label} {tee}",
            )
            for benchmark in benchmarks
            if (benchmark, label) in counts
        )  # fmt: skip
    found += (
        Found("page", title, "", path, path.strip("/"))
        for path, title in (*(one[:2] for one in navigation), *_LISTS)
        if path.strip("/") not in benchmarks
    )
    for report in reports:
        found += _report(report)
    if claims:
        found += (
            Found(
                "claim", row.claim.statement, words.joined(row.verdict, source.title or source.id),
                f"claims/#{row.claim.id}", f"{row.claim.where} {row.printed} {row.computed}",
            )
            for source, _, rows in claims.groups
            for row in rows
        )  # fmt: skip
    for table in tables:
        found += _costs(table)
    found += _definitions(methodology)
    return found


def file(found: Iterable[Found], shards: Sequence[str]) -> bytes:
    """Return the entries as data for a script, with where the data of the runs stand."""
    told = [(one.kind, one.title, _beginning(one.about), one.page, one.words) for one in found]
    return script({"entries": told, "shards": [f"runs/{each}" for each in shards]})


def _place(analysis: Analysis, label: str) -> tuple[Platform, str]:
    return words.platform(analysis.config, label), run_list.tee(analysis, label)


def _costs(table: CostTable) -> Iterator[Found]:
    """Yield what each headline series of a comparison costs."""
    side, base = table.side, table.baseline
    for row in table.headlines:
        if row.comparison.headline and row.cost:
            said = words.joined(row.cost, row.comparison.verdict)
            yield Found(
                "cost", f"{row.short}: {side.name} against {base.name}",
                words.joined(said, table.title, by=" · "),
                f"{table.benchmark}/#{row.address}", f"{side.tee} {row.unit} {row.title}",
            )  # fmt: skip


def _report(report: ReportPage) -> Iterator[Found]:
    base, source = f"reports/{report.source.id}/", report.source
    yield Found("report", report.title, report.finding, base, f"{source.id} {source.authors}")
    for section in report.sections:
        title = words.joined(section.key, section.title, by=" · ")
        address = f"{base}{section.file}" if report.paged else f"{base}#{section.id}"
        yield Found("section", title or "No section stated", report.title, address, section.about)


def _definitions(methodology: MethodologyPage) -> Iterator[Found]:
    for _, title, metrics in methodology.metrics:
        for metric in metrics:
            about = words.joined(title, metric.definition, by=": ")
            yield Found("metric", metric.title, about, f"methodology/#{metric.id}", metric.id)
    for rule in methodology.rules:
        yield Found("caveat", rule.short, rule.definition, f"methodology/#{rule.id}", rule.id)


def _beginning(text: str) -> str:
    if len(text) <= _MOST_WORDS:
        return text
    return f"{text[:_MOST_WORDS].rpartition(' ')[0]} …"
