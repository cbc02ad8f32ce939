"""What a page says where a link to it is shown: title, sentence, picture, citation, badge.

Pictures, badges and embedded charts stand at addresses without a digest: links to them are in
other people's pages. A run's page has the picture of its benchmark, whose sentence is none of
what it says: one run more changes no other run's page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sitegen.charts.badge import Badge
from sitegen.charts.card import MOST_ROWS, Card, CardRow
from sitegen.model import AnyRun
from sitegen.report import citation, excerpt, findings, words
from sitegen.report.benchmark import BenchmarkPage
from sitegen.report.citation import Citation
from sitegen.report.costs import CostRow, CostTable
from sitegen.report.findings import Answer
from sitegen.report.navigation import Site
from sitegen.report.overview import EnvironmentPage, OverviewPage
from sitegen.report.run import RunPage

if TYPE_CHECKING:
    from sitegen.report.reports import ReportPage  # a site that cites nothing loads nothing

OVERVIEW = "card.png"
_MOST_TITLE = 70
#: Of one benchmark, those of TEEs first: a picture of each is drawn.
_MOST_COMPARISONS = 12
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class Shared(NamedTuple):
    """What one page says of itself elsewhere; ``picture`` is where its `Card` stands, drawn.

    ``address`` is that of another page that says the same, where there is one.
    """

    title: str = ""
    description: str = ""
    picture: str = OVERVIEW
    card: Card | None = None
    citation: Citation | None = None
    markdown: str = ""
    dataset: Mapping[str, Any] | None = None
    address: str = ""

    @property
    def alt(self) -> str:
        """The picture in words, or nothing of one that stands for more pages."""
        return f"{self.card.topic}: {self.card.sentence}" if self.card else ""


def newest_day(runs: Iterable[AnyRun]) -> str:
    """Return the day of the newest run, as precise as it is known, or nothing."""
    return max((run.started_at[:10] for run in runs if not run.undated), default="")


def tab(title: str, report: str) -> str:
    """Return a page's title with the report's behind it, where both are short."""
    whole = f"{title} · {report}"
    return whole if title != report and len(whole) <= _MOST_TITLE else title


def shortened(text: str, most: int = _MOST_TITLE) -> str:
    """Return a text that is no longer than a title may be, cut between words."""
    if len(text) <= most:
        return text
    return text[: most - 1].rpartition(" ")[0].rstrip(",;:(") + _ELLIPSIS


def of_overview(site: Site, page: OverviewPage, day: str) -> Shared:
    """Return what the front page says."""
    tables = [table for group in page.groups for table in group.tables]
    answer = findings.leading({group.benchmark: group.tables for group in page.groups})
    led = [(table, findings.row_of(table)) for table in tables]
    rows = [(table, row) for table, row in led if row]
    card = _card(
        site, words.count(page.runs, "run"), page.headline, answer, day,
        [_row(f"{findings.subject(table.side)}, {table.title}", row) for table, row in rows],
    )  # fmt: skip
    named = [(table.title, table.side.name, table.baseline.name) for table, _ in rows]
    cells = [(name, row) for name, (_, row) in zip(named, rows, strict=True)]
    return Shared(
        title=shortened(answer.title if answer else page.headline),
        description=page.headline,
        card=card,
        markdown=excerpt.of_page(
            page.headline, cells, ("Benchmark", "Environment", "Against"), _address(site, "")
        ),
        dataset=_dataset(site, "", site.title, page.headline, day,
                         [group.benchmark for group in page.groups]),
    )  # fmt: skip


def of_benchmark(site: Site, page: BenchmarkPage, day: str) -> Shared:
    """Return what the page of a benchmark says."""
    path, sentence, answer = f"{page.benchmark}/", page.finding.sentence, page.finding.answer
    rows = answer.table.headlines if answer else ()
    said = answer.title if answer else page.question
    topic = page.title
    if answer:
        topic += f" · {answer.table.side.name} against {answer.table.baseline.name}"
    variables = ((row.metric.title, row.metric.unit) for row in page.figures.rows)
    return Shared(
        title=shortened(f"{page.title}: {said}"),
        description=sentence,
        picture=f"data/cards/{page.benchmark}.png",
        card=_card(site, topic, sentence, answer, day, named(rows)),
        citation=citation.cite(site, path, f"{page.title}: {sentence}", day),
        markdown=excerpt.of_page(sentence, [((), row) for row in rows], (), _address(site, path)),
        dataset=_dataset(site, path, page.title, sentence, day, [page.benchmark], variables),
    )


def of_environment(site: Site, page: EnvironmentPage, day: str) -> Shared:
    """Return what the page of an environment says."""
    name, answer, sentence = page.platform.name, page.finding.answer, page.finding.sentence
    path = f"environments/{page.platform.label}/"
    tables = page.costs[0].tables if page.costs else ()
    rows = [(table, row) for table in tables if (row := findings.row_of(table))]
    said = answer.title if answer else page.platform.role
    return Shared(
        title=shortened(f"{name}: {said}"),
        description=f"{sentence} {words.count(page.runs_all, 'run')} of {page.platform.label}.",
        picture=f"data/cards/environments/{page.platform.label}.png",
        card=_card(
            site, words.joined(name, page.platform.role, by=" · "), sentence, answer, day,
            [_row(table.title, row) for table, row in rows] or [
                CardRow(f"{family}: {title}", f"{value} {unit}".rstrip(), None)
                for _, family, title, _, value, unit, *_ in page.headlines
            ],
        ),
        citation=citation.cite(site, path, f"{name}: {sentence}", day),
        markdown=excerpt.of_page(
            sentence,
            [((table.title, table.baseline.name), row) for table, row in rows],
            ("Benchmark", "Against"),
            _address(site, path),
        ),
    )  # fmt: skip


def of_report(site: Site, page: ReportPage, day: str) -> Shared:
    """Return what the page of a published report says."""
    path = f"reports/{page.source.id}/"
    rows = [CardRow(str(verdict), f"{found}", None) for verdict, found in page.counts if found]
    return Shared(
        title=shortened(f"{page.title}, recomputed"),
        description=f"{page.title}: {page.finding}",
        picture=f"data/cards/reports/{page.source.id}.png",
        card=Card(site.title, f"{page.title}, recomputed", page.finding,
                  rows=tuple(rows), dated=day),
        citation=citation.cite(site, path, f"{page.title}, recomputed: {page.finding}", day),
    )  # fmt: skip


def of_run(site: Site, page: RunPage) -> Shared:
    """Return what the page of a run says, of which its template has the title."""
    path, day = f"runs/{page.id}/", page.day if page.day[:1].isdecimal() else ""
    title = f"{page.family} on {page.environment}, run {page.id}"
    bundle = [("tar", f"runs/{page.id}/{page.bundle}")] if page.bundle else []
    columns = (column.metric for table in page.tables for column in table.columns)
    variables = ((metric.title, metric.unit) for metric in columns)
    return Shared(
        picture=f"data/cards/{page.benchmark}.png",
        citation=citation.cite(site, path, title, day, digest=page.digest),
        dataset=citation.dataset(site, path, title, page.headline, day, bundle, variables)
        if site.base_url
        else None,
    )


class Comparison(NamedTuple):
    """What is shown elsewhere of one environment against one baseline.

    The first ones of a benchmark have a ``path``, their own small page, and what stands beside it.
    """

    table: CostTable
    title: str
    card: Card
    badge: Badge
    markdown: str
    path: str = ""

    @property
    def picture(self) -> str:
        """Where its picture stands."""
        return f"data/cards/{self.table.benchmark}/{self.table.id}.png"


def comparisons(site: Site, page: BenchmarkPage, day: str) -> dict[str, Comparison]:
    """Return the comparisons of a benchmark by their names on its page."""
    made: dict[str, Comparison] = {}
    for table in page.costs:
        if table.id in made:
            continue
        answer = findings.best([table])
        pair = f"{table.side.name} against {table.baseline.name}"
        sentence = answer.sentence if answer else f"{pair}: nothing that could be compared."
        alone = len(made) < _MOST_COMPARISONS
        made[table.id] = Comparison(
            table,
            shortened(
                words.joined(f"{table.title}, {pair}", answer.title if answer else "", by=": ")
            ),
            _card(site, f"{table.title} · {pair}", sentence, answer, day, named(table.headlines)),
            badge(table.title, answer, pair),
            excerpt.of_table(table, _address(site, f"{page.benchmark}/#{table.id}")),
            f"data/embed/{page.benchmark}/{table.id}.html" if alone else "",
        )
    return made


def badge(title: str, answer: Answer | None, who: str = "") -> Badge:
    """Return what a badge says of ``who``, or the TEE: a number where it is decided, else words."""
    if answer is None:
        return Badge(words.joined(who, title, by=" · "), "nothing compared yet")
    one, label = answer.comparison, f"{who or answer.subject} · {answer.object}"
    if one.decided:
        return Badge(label, answer.figure[0], answer.table.side.hue)
    return Badge(label, "doubtful" if one.doubt else one.verdict or "no verdict")


def _card(  # noqa: PLR0913 - what a picture is made of
    site: Site,
    topic: str,
    sentence: str,
    answer: Answer | None,
    day: str,
    rows: Sequence[CardRow],
) -> Card:
    number, *beside = answer.figure if answer else ("",)
    dated = f"newest run {day}" if day else ""
    lines = tuple(text for text in beside if text)
    return Card(site.title, topic, sentence, number, lines, tuple(rows[:MOST_ROWS]), dated)


def named(rows: Sequence[CostRow]) -> list[CardRow]:
    """Return headline rows, each named by what tells it from the others."""
    parts = [[*row.title.split(", "), *row.unit.split(", ")] for row in rows]
    shared = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    names = [words.joined(*(part for part in of_one if part not in shared)) for of_one in parts]
    titles = [name if shared and name else row.title for name, row in zip(names, rows, strict=True)]
    return [_row(title, row) for title, row in zip(titles, rows, strict=True)]


def _row(label: str, row: CostRow) -> CardRow:
    mark = row.mark._replace(points=()) if row.mark else None
    return CardRow(label, row.cost or row.comparison.verdict, mark)


def _address(site: Site, path: str) -> str:
    return f"{site.base_url}/{path}" if site.base_url else ""


def _dataset(  # noqa: PLR0913 - what a record has
    site: Site,
    path: str,
    title: str,
    sentence: str,
    day: str,
    benchmarks: Iterable[str],
    variables: Iterable[tuple[str, str]] = (),
) -> Mapping[str, Any] | None:
    if not site.base_url:
        return None
    files = citation.downloads(benchmarks)
    return citation.dataset(site, path, title, sentence, day, files, variables)
