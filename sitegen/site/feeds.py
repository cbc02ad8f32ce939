"""What other programs read of a site: its sitemap and its feeds."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sitegen.report import words

if TYPE_CHECKING:
    from sitegen.model import AnyRun
    from sitegen.report.changes import Change
    from sitegen.report.run_list import Line

_FEED = 50


def sitemap(base: str, paths: Iterable[str], runs: Iterable[AnyRun]) -> bytes:
    """Return sitemap.xml for the pages at ``paths`` and the page of each run."""
    pages = (p for p in paths if p.endswith(".html") and p != "404.html")
    places = [page.removesuffix("index.html") for page in pages]
    places += [f"runs/{run.id}/" for run in runs]
    rows = "".join(f"<url><loc>{escape(f'{base}/{p}')}</loc></url>\n" for p in sorted(places))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return (
        f'{head}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
    ).encode()


def newest(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Return the runs of which the feed tells: the newest whose time is known."""
    known = (run for run in runs if "T" in run.started_at)
    return sorted(known, key=lambda run: (run.started_at, run.id), reverse=True)[:_FEED]


def feed(base: str, title: str, runs: Iterable[tuple[AnyRun, Line]]) -> bytes:
    """Return an Atom feed of runs, the newest first, each with its line in the list of runs.

    The id of an entry is that of its run for ever, whatever the scheme of the site's address.
    """
    entries = (
        (
            f"{_authority(base, run.started_at[:10])}runs/{run.id}/",
            _title(line),
            run.started_at,
            f"{base}/runs/{run.id}/",
            _content(line),
        )
        for run, line in runs
    )
    return _atom(f"{base}/", title, f"{base}/feed.xml", entries, html=True)


def changes(base: str, title: str, found: Iterable[Change]) -> bytes:
    """Return an Atom feed of changes, the newest first, each with its sentence and its facts.

    Their ids are of the run after which they show.
    """
    newest = [*found][:_FEED]
    entries = (
        (
            f"{_authority(base, one.day)}changes/{quote(one.key, safe='/+=,.-')}",
            f"{one.family}: {one.title}",
            _moment(one.at),
            f"{base}/{one.benchmark}/#history",
            ". ".join([f"{one.title}{one.text}", *one.facts]) + ".",
        )
        for one in newest
    )
    return _atom(f"{base}/changes.xml", f"{title}: changes", f"{base}/changes.xml", entries)


def _moment(at: str) -> str:
    """Return when a run was taken as Atom wants it: a month or a year begins on its first day."""
    return at if "T" in at else f"{(at + '-01-01')[:10]}T00:00:00Z"


def _authority(base: str, day: str) -> str:
    """Return how the ids of entries of a day begin."""
    place = urlsplit(base)
    site = f"{quote(place.path.strip('/'))}/" if place.path.strip("/") else ""
    return f"tag:{place.hostname},{day}:{site}"


def _atom(
    name: str,
    title: str,
    address: str,
    entries: Iterable[tuple[str, str, str, str, str]],
    *,
    html: bool = False,
) -> bytes:
    """Return a feed of (id, title, time, address, text), the newest first."""
    form = ' type="html"' if html else ""
    rows = [tuple(map(escape, entry)) for entry in entries]
    told = "".join(
        f"<entry><id>{key}</id><title>{said}</title><updated>{at}</updated>"
        f'<link href="{place}"/>{f"<content{form}>{text}</content>" if text else ""}</entry>\n'
        for key, said, at, place, text in rows
    )
    updated = rows[0][2] if rows else "2000-01-01T00:00:00Z"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{escape(name)}</id><title>{escape(title)}</title>"
        f"<author><name>{escape(title)}</name></author>"
        f'<updated>{updated}</updated><link rel="self" href="{escape(address)}"/>\n'
        f"{told}</feed>\n"
    ).encode()


def _title(line: Line) -> str:
    value = f"{line.value} {line.unit}".rstrip()
    said = f": {words.lower_first(line.of)} {value}" if line.of else ""
    return f"{line.family} on {line.place.name}{said}"


def _content(line: Line) -> str:
    """Return what a run came to, where, and why to doubt it, as HTML."""
    value = f"<b>{escape(line.value)}</b> {escape(line.unit)}".rstrip()
    result = f"<p>{escape(line.of)}: {value}</p>" if line.of else ""
    model = f", {escape(line.model)}" if line.model else ""
    where = f"{escape(line.place.name)} ({escape(line.place.words)})"
    marks = "".join(
        f"<li><b>{escape(mark.short)}</b>: {escape(mark.sentence)}</li>" for mark in line.marks
    )
    caveats = f"<p>Before you quote this:</p><ul>{marks}</ul>" if marks else "<p>No caveat.</p>"
    return f"{result}<p>{escape(line.family)}{model} on {where}; {escape(line.about)}.</p>{caveats}"
