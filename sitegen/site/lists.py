"""Runs as rows of a list, as markup: thousands of them stand on the pages of a large report.

The script of the list makes the same rows, and a test holds the two equal.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup

from sitegen.report.run_list import Line, Mark, Place

_text = lru_cache(maxsize=65536)(html.escape)


def run_rows(lines: Sequence[Line], root: str, *, environment: bool = True) -> Markup:
    """Return a row a run; without its environment on a page that is about one."""
    return Markup("".join([_row(line, root, environment) for line in lines]))  # noqa: S704 - each part is escaped


def _row(line: Line, root: str, environment: bool) -> str:  # noqa: FBT001 - as above
    place = _place(line.place, root) if environment else ""
    unit = f" {_text(line.unit)}" if line.unit else ""
    value = f"<b>{_text(line.value)}</b>{unit}<small>{_text(line.of)}</small>" if line.of else ""
    return (
        f'<tr><th scope="row"><a href="{root}runs/{line.id}/index.html">{line.when}</a></th>'
        f"<td>{_text(line.family)}<small>{_text(line.about)}</small></td>{place}"
        f"<td>{_text(line.model)}</td><td>{value}</td>"
        f"<td>{_marks(line.marks, root)}</td></tr>\n"
    )


@lru_cache(maxsize=4096)
def _place(place: Place, root: str) -> str:
    return (
        f'<td><span class="sw c-{place.hue}"></span><a href="{root}environments/'
        f'{_text(place.label)}/index.html">{_text(place.name)}</a><small>{_text(place.words)}'
        "</small></td>"
    )


def _marks(marks: Sequence[Mark], root: str) -> str:
    return "".join(
        f'<a class="m" href="{root}methodology/index.html#{mark.rule}">{_text(mark.short)}</a>'
        f"<small>{_text(mark.sentence)}</small>"
        for mark in marks
    )
