"""What we write about a published report: a note in its sections, held to figures and claims."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sitegen.analysis.claims import Checked
from sitegen.analysis.compare import Analysis
from sitegen.errors import SitegenError
from sitegen.report import claims as claim_pages
from sitegen.report import quotes
from sitegen.report.claims import ClaimRow

_HEADER = re.compile(r"\A<!--\n(.*?)\n?-->(?:\n|\Z)", re.DOTALL)
_HEADER_KEYS = frozenset({"title", "authors", "edition", "address", "beside"})
_TAG = re.compile(r"<[^>]*>")
#: Functions of a note on one benchmark, which a report is not.
_OF_A_BENCHMARK = frozenset({"doubtful", "cells"})
_ROOT = "../../"


@dataclass(frozen=True, slots=True)
class Note:
    """Our prose on a report: an introduction, and (key, title, text) for each section.

    ``about`` says of a publication what no cited figure does: title, authors, edition, address.
    ``beside`` names the benchmarks of our own that are shown after it.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    introduction: str = ""
    sections: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Quoted:
    """A claim in prose: what is printed, what it comes to and the verdict; prints as a link."""

    printed: str
    computed: str
    verdict: str
    address: str

    def __str__(self) -> str:
        """Return the printed figure as a link to the claim."""
        return f"[{self.printed}]({self.address})"


def note(text: str, rendered: str, where: str) -> Note:
    """Return a note in its parts, cut at its first-level headings: ``# II: Storage``.

    A comment before all else may hold lines such as ``title: ...``. Raises SitegenError with
    the line for one that is not understood. ``rendered`` is the same text as safe HTML, and
    its parts are of its type, so that they stay safe.
    """
    about = _header(text, where)
    # Sanitised headings have no attributes; those of a page's sections are cut here.
    introduction, *parts = rendered.split("<h2>")
    sections: dict[str, tuple[str, str, str]] = {}
    for part in parts:
        heading, _, body = part.partition("</h2>")
        told = html.unescape(_TAG.sub("", str(heading)))
        key, _, title = (piece.strip() for piece in told.partition(":"))
        if key in sections:
            raise SitegenError(f"two sections are called {key[:80]!r}", where=where)
        sections[key] = (key, title, body)
    beside = tuple(about.pop("beside", "").replace(",", " ").split())
    return Note(about, beside, introduction, tuple(sections.values()))


def _header(text: str, where: str) -> dict[str, str]:
    header = _HEADER.match(text)
    about = {}
    for number, line in enumerate(header[1].splitlines() if header else (), start=2):
        key, colon, value = (piece.strip() for piece in line.partition(":"))
        if not colon or key not in _HEADER_KEYS:
            raise SitegenError(
                f"{line[:80]!r} is not understood",
                where=f"{where}:{number}",
                fix=f"write one of {', '.join(sorted(_HEADER_KEYS))}, a colon and its text",
            )
        about[key] = value
    return about


def functions(analysis: Analysis, found: Sequence[Checked]) -> Mapping[str, Callable[..., object]]:
    """Return what a note on a report may say: figures of any benchmark, and claims.

    ``stated("faster", a / b > 1)`` is the word as long as the figures say so.
    """
    rows = claim_rows(analysis, found)

    def claim(claim_id: str) -> Quoted:
        if claim_id not in rows:
            raise SitegenError(f"no claim {claim_id[:80]!r}")
        row = rows[claim_id]
        address = f"{_ROOT}claims/index.html#{claim_id}"
        return Quoted(row.printed, row.computed, row.verdict, address)

    def stated(text: str, condition: object) -> str:
        if condition is not True:
            raise SitegenError(f"the figures do not say {text[:80]!r}")
        return text

    known = quotes.functions(analysis, "", root=_ROOT)
    figures = {name: known[name] for name in known if name not in _OF_A_BENCHMARK}
    return {**figures, "claim": claim, "stated": stated}


def claim_rows(analysis: Analysis, found: Sequence[Checked]) -> dict[str, ClaimRow]:
    """Return the rows of checked claims by id, what differs first."""
    groups = claim_pages.page(analysis, found).groups if found else ()
    return {row.id: row for group in groups for row in group.rows}
