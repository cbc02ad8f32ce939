"""What other programs read of a site: its sitemap and its feeds."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from sitegen.model import AnyRun
    from sitegen.report.changes import Change

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


def feed(base: str, title: str, runs: Iterable[AnyRun]) -> bytes:
    """Return an Atom feed of the newest runs."""
    newest = sorted(
        (run for run in runs if "T" in run.started_at),
        key=lambda run: (run.started_at, run.id),
        reverse=True,
    )[:_FEED]
    entries = (
        (
            f"{base}/runs/{run.id}/",
            f"{run.benchmark} on {run.environment}",
            run.started_at,
            f"{base}/runs/{run.id}/",
            "",
        )
        for run in newest
    )
    return _atom(f"{base}/", title, f"{base}/feed.xml", entries)


def changes(base: str, title: str, found: Iterable[Change]) -> bytes:
    """Return an Atom feed of changes, the newest first, each with its sentence and its facts.

    Their ids are of the run after which they show.
    """
    newest = [*found][:_FEED]
    place = urlsplit(base)
    site = f"{quote(place.path.strip('/'))}/" if place.path.strip("/") else ""
    entries = (
        (
            f"tag:{place.hostname},{one.day}:{site}changes/{quote(one.key, safe='/+=,.-')}",
            f"{one.family}: {one.title}",
            one.at if "T" in one.at else f"{one.day}T00:00:00Z",
            f"{base}/{one.benchmark}/#history",
            ". ".join([f"{one.title}{one.text}", *one.facts]) + ".",
        )
        for one in newest
    )
    return _atom(f"{base}/changes.xml", f"{title}: changes", f"{base}/changes.xml", entries)


def _atom(
    name: str, title: str, address: str, entries: Iterable[tuple[str, str, str, str, str]]
) -> bytes:
    """Return a feed of (id, title, time, address, text), the newest first."""
    rows = [tuple(map(escape, entry)) for entry in entries]
    told = "".join(
        f"<entry><id>{key}</id><title>{said}</title><updated>{at}</updated>"
        f'<link href="{place}"/>{f"<content>{text}</content>" if text else ""}</entry>\n'
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
