"""How a page is cited, and what it tells machines of its data: a line, BibTeX, a schema.org record.

Dates are those of the data: the newest run's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sitegen.report import words
from sitegen.report.navigation import Site

FORMS = ("csv", "json", "parquet")
_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "tar": "application/x-tar",
}
_MOST_VARIABLES = 24
_SPECIAL = re.compile(r"[\\{}$&#^_%~]")
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
#: What may stand in an address that BibTeX prints, as it is.
_UNURL = re.compile(r"[^A-Za-z0-9/:?=&.,;_+~@%#-]")


class Citation(NamedTuple):
    """A page as one plain line and as BibTeX."""

    line: str
    bibtex: str


def cite(site: Site, path: str, title: str, newest: str, *, digest: str = "") -> Citation:
    """Return how the page at ``path`` is cited; ``newest`` is the day of its newest run.

    A run is known by the ``digest`` of its manifest.
    """
    address = f"{site.base_url}/{path}" if site.base_url else ""
    sealed = f"manifest sha256 {digest}" if digest else ""
    dated = newest if digest else newest and f"Newest run {newest}"
    line = words.joined(site.title, title.rstrip("."), words.joined(dated, sealed), by=". ")
    fields = {
        "author": f"{{{_bibtex(site.title)}}}",
        "title": f"{{{_bibtex(title)}}}",
        "year": newest[:4] if newest[:4].isdecimal() else "",
        "note": _bibtex(words.upper_first(words.joined(dated, sealed))),
        "howpublished": f"\\url{{{_UNURL.sub('', address)}}}" if address else "",
    }
    body = ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items() if text)
    name = re.sub(r"[^a-z0-9]+", "-", f"{site.title} {path}".lower()).strip("-")
    return Citation(f"{line}. {address}".rstrip(), f"@misc{{{name},\n{body}\n}}")


@lru_cache(maxsize=256)
def _bibtex(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\{found[0]}"), text)


def dataset(  # noqa: PLR0913 - what a record has
    site: Site,
    path: str,
    title: str,
    description: str,
    newest: str,
    files: Iterable[tuple[str, str]],
    variables: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the schema.org record of the data behind a page.

    ``files`` are (form, path) of its downloads, ``variables`` (name, unit) of what was measured.
    """
    record: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Dataset",
        "name": title,
        "description": description,
        "url": f"{site.base_url}/{path}",
        "creator": {"@type": "Organization", "name": site.title},
        "isAccessibleForFree": True,
        "distribution": [
            {
                "@type": "DataDownload",
                "encodingFormat": _TYPES[form],
                "contentUrl": f"{site.base_url}/{file}",
            }
            for form, file in files
        ],
    }
    if newest:
        record["dateModified"] = newest
    measured: Sequence[tuple[str, str]] = [*dict.fromkeys(variables)][:_MOST_VARIABLES]
    if measured:
        record["variableMeasured"] = [
            {"@type": "PropertyValue", "name": name, **({"unitText": unit} if unit else {})}
            for name, unit in measured
        ]
    return record


def downloads(benchmarks: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (form, path) of the files with the figures of these benchmarks."""
    return [(form, f"data/{name}.{form}") for name in benchmarks for form in FORMS]
