"""A page's finding as Markdown: its sentence, its headline rows as a table, and its address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sitegen.report.costs import CostRow, CostTable
from sitegen.report.effects import NBSP

_SIGNS = re.compile(r"[\\`*_{}\[\]<>|#~&]")
#: Seen by nobody, and no part of a name.
_JOINER = "\N{WORD JOINER}"
_HEAD = ("Series", "Cost", "95 % interval", "Verdict")
MOST_ROWS = 12


def of_table(table: CostTable, address: str = "") -> str:
    """Return what one environment costs against another, row by row."""
    title = f"{table.title}: {table.side.name} against {table.baseline.name}"
    rows = [(_named(row), *_cells(row)) for row in table.headlines]
    return _text(f"**{plain(title)}**", _HEAD, rows, address)


def of_page(
    sentence: str,
    rows: Iterable[tuple[Sequence[str], CostRow]],
    head: Sequence[str] = (),
    address: str = "",
) -> str:
    """Return a sentence and rows, each with the cells, under ``head``, that say of what it is."""
    cells = [(*first, _named(row), *_cells(row)) for first, row in rows]
    return _text(plain(sentence), (*head, *_HEAD), cells[:MOST_ROWS], address)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, and that calls nobody on GitHub."""
    text = " ".join(text.replace(NBSP, " ").split()).replace("@", f"@{_JOINER}")
    return _SIGNS.sub(r"\\\g<0>", text)


def _named(row: CostRow) -> str:
    return f"{row.title}, {row.unit}"


def _cells(row: CostRow) -> tuple[str, ...]:
    word = row.comparison.verdict
    return row.cost, row.interval, f"{word} ({row.detail})" if word and row.detail else word


def _text(lead: str, head: Sequence[str], rows: Sequence[Sequence[str]], address: str) -> str:
    table = ""
    if rows:
        lines = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return "\n".join(part for part in (f"{lead}\n", table, address and f"<{address}>") if part)
