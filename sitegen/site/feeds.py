"""What other programs read of a site: its sitemap and its feed."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sitegen.report import words

if TYPE_CHECKING:
    from sitegen.model import AnyRun
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
    place = urlsplit(base)
    authority, root = place.hostname or "localhost", place.path
    entries = []
    updated = ""
    for run, line in runs:
        address = escape(f"{base}/runs/{run.id}/")
        name = f"tag:{authority},{run.started_at[:10]}:{root}/runs/{run.id}/"
        entries.append(
            f"<entry><id>{escape(name)}</id><title>{escape(_title(line))}</title>"
            f'<updated>{run.started_at}</updated><link href="{address}"/>'
            f'<content type="html">{escape(_content(line))}</content></entry>\n'
        )
        updated = updated or run.started_at
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{escape(base)}/</id><title>{escape(title)}</title>"
        f"<author><name>{escape(title)}</name></author>"
        f"<updated>{updated or '2000-01-01T00:00:00Z'}</updated>"
        f'<link rel="self" href="{escape(base)}/feed.xml"/>\n'
        f"{''.join(entries)}</feed>\n"
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
