"""The tables in a text: Markdown's with bars, and HTML's, each row with the line it stands on.

A cell is what stands there, but for HTML mark-up and entities. Of an HTML table that is not
``regular``, whose cells span rows or whose headings span columns, or that holds another table,
nobody knows which heading a cell stands under.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_RULE = re.compile(r":?-+:?")
_BAR = re.compile(r"(?<!\\)\|")
_TABLE = re.compile(r"(?i)<table(\s[^<>]{0,500})?>")
_ROW = re.compile(r"(?i)<tr(\s[^<>]{0,500})?>")
_CELL = re.compile(r"(?i)<t[dh](\s[^<>]{0,500})?>")
_CELL_END = re.compile(r"(?i)</(?:td|th|tr|thead|tbody|tfoot)>")
_TABLE_END = re.compile(r"(?i)</table>")
_SPANS = re.compile(r"(?i)(row|col)span\s{0,9}=\s{0,9}[\"']?\s{0,9}(?:[2-9]|\d\d|0)")
#: A note's number is no digit of what it stands behind.
_MARK_UP = re.compile(r"(?i)<sup>[^<>]{0,20}</sup>|<[/!a-z][^<>]{0,500}>")


class Row(NamedTuple):
    """A row of a table, and the line that it stands on."""

    line: int
    cells: tuple[str, ...]


class Table(NamedTuple):
    """A table: its headings, which stand on ``line``, and the rows below."""

    line: int
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    regular: bool = True


def in_markdown(text: str) -> Iterator[Table]:
    """Yield the Markdown tables of a text, as GitHub reads them.

    Under the headings is a line of dashes with as many cells; the table ends at the first line
    without a bar.
    """
    lines = text.split("\n")
    at = 1
    while at < len(lines):
        if not _is_rule(lines[at], lines[at - 1]):
            at += 1
            continue
        first, rows, at = at, [], at + 1
        while at < len(lines) and "|" in lines[at]:
            rows.append(Row(at + 1, _split(lines[at])))
            at += 1
        yield Table(first, _split(lines[first - 1]), tuple(rows))


def in_html(text: str) -> Iterator[Table]:
    """Yield the HTML tables of a text; the first row of each has the headings."""
    for line, _, body in _pieces(_TABLE, text, 1):
        end = _TABLE_END.search(body)
        regular = end is not None
        rows: list[Row] = []
        for row_line, _, row in _pieces(_ROW, body[: end.start()] if end else body, line):
            cells = []
            for _, attributes, cell in _pieces(_CELL, row, row_line):
                closed = _CELL_END.search(cell)
                cells.append(_bare(cell[: closed.start()] if closed else cell))
                spans = {span[1].lower() for span in _SPANS.finditer(attributes)}
                regular = regular and "row" not in spans and (bool(rows) or "col" not in spans)
            rows.append(Row(row_line, tuple(cells)))
        if rows:
            yield Table(rows[0].line, rows[0].cells, tuple(rows[1:]), regular)


def _pieces(opening: re.Pattern[str], text: str, line: int) -> Iterator[tuple[int, str, str]]:
    """Yield what follows each ``opening`` tag up to the next: line, attributes of the tag, text."""
    tags = [*opening.finditer(text)]
    seen = 0
    for number, tag in enumerate(tags, 1):
        line += text.count("\n", seen, tag.start())
        seen = tag.start()
        end = tags[number].start() if number < len(tags) else len(text)
        yield line, tag[1] or "", text[tag.end() : end]


def _is_rule(line: str, header: str) -> bool:
    if "-" not in line or "|" not in header:
        return False
    cells = _split(line)
    return len(cells) == len(_split(header)) and all(map(_RULE.fullmatch, cells))


def _split(line: str) -> tuple[str, ...]:
    """Return the cells of a line; the bars at its ends are no separators."""
    line = line.strip()
    cells = _BAR.split(line)
    if len(cells) > 1 and not cells[0]:
        cells = cells[1:]
    if len(cells) > 1 and not cells[-1]:
        cells = cells[:-1]
    return tuple(_bare(cell.replace(r"\|", "|")) for cell in cells)


def _bare(cell: str) -> str:
    if "<" in cell:
        cell = _MARK_UP.sub(lambda tag: "" if tag[0][1:4].lower() == "sup" else " ", cell)
    if "&" in cell:
        cell = html.unescape(cell)
    return " ".join(cell.split())
