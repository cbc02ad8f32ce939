"""What a page sets apart: a section with its sentences, charts and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sitegen.charts.spec import Chart

#: A row of a table: a text a cell, or (text, smaller text, doubt).
Row = Iterable[Sequence[str]]


class TableCell(NamedTuple):
    """One cell: its text, a smaller text under it, and a doubt."""

    text: str
    small: str = ""
    doubt: str = ""


class TextTable(NamedTuple):
    """A table with a caption for those who cannot see it; the first cell of a row is its head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]

    @classmethod
    def of(cls, caption: str, head: Iterable[str], rows: Iterable[Row]) -> TextTable:
        """Return the table of rows whose cells are texts, or the fields of a cell."""
        cells = (((one,) if isinstance(one, str) else one for one in row) for row in rows)
        return cls(caption, tuple(head), tuple(tuple(TableCell(*c) for c in row) for row in cells))


class Section(NamedTuple):
    """One section: a title, what stands beside it, sentences, charts and tables."""

    id: str
    title: str
    aside: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[TextTable, ...] = ()
