"""What other programs read of a site: its sitemap and its feed."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sitegen.model import AnyRun

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
    entries = "".join(
        f"<entry><id>{escape(f'{base}/runs/{run.id}/')}</id><title>"
        f"{escape(f'{run.benchmark} on {run.environment}')}</title>"
        f"<updated>{run.started_at}</updated>"
        f'<link href="{escape(f"{base}/runs/{run.id}/")}"/></entry>\n'
        for run in newest
    )
    updated = newest[0].started_at if newest else "2000-01-01T00:00:00Z"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{escape(base)}/</id><title>{escape(title)}</title>"
        f"<author><name>{escape(title)}</name></author>"
        f'<updated>{updated}</updated><link rel="self" href="{escape(base)}/feed.xml"/>\n'
        f"{entries}</feed>\n"
    ).encode()
