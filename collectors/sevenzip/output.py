"""Reading the tables that ``7z b`` prints, whole or cut off.

Lines are known by their labels and never by their columns, from p7zip 9.20 to 7-Zip 26.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field

from collectors.sevenzip.header import Header, read_header
from sitegen.errors import SitegenError

#: The dictionaries that 7-Zip works through by itself, up to the largest asked for.
_FIRST_BITS, _FIRST_SMALL_BITS = 22, 18
_MAX_TABLES, _MAX_LINES, _MAX_HEADER = 10_000, 100_000, 8_000
_MAX_DIGITS = 12

_EVENT = re.compile(
    r"^[^\S\n]{0,40}(?:(?P<banner>7-Zip(?=[ (\[])[^\n]{0,120}?Copyright)"
    r"|(?P<size>RAM size:[^\n]{0,200})"
    r"|(?P<usage>RAM usage:[^\n]{0,200})"
    r"|(?P<head>Dict[^\S\n]+(?:Speed|Compressing)\b)"
    r"|(?P<other>THRD[^\S\n]+\d|Method[^\S\n]+Speed\b)"
    r"|(?P<reduced>Dictionary reduced to:[^\n]{0,80})"
    r"|(?P<row>\d\d:[^\S\n]+\d[\d |\t]{0,200}$)"
    r"|(?P<average>Avr:[\d |\t]{0,200}$)"
    r"|(?P<total>Tot:[\d |\t]{0,200}$))",
    re.MULTILINE,
)

#: What a table begins with; what has the head of another, of methods or checksums, is not read.
_HEADS = {"usage", "head", "other"}
_THREADS = re.compile(r"# Benchmark threads: {0,20}(\d{1,6})\b")


class Side(NamedTuple):
    """One operation's half of a row, as printed; ``speed`` is empty where it was not."""

    usage: str
    rating_per_usage: str
    rating: str
    speed: str = ""


class Row(NamedTuple):
    """The figures of one pass over one dictionary."""

    bits: int
    compress: Side
    decompress: Side


class Table(NamedTuple):
    """One benchmark table as far as it was printed; ``line`` is where it starts.

    ``nth`` counts the tables under one banner: 7-Zip's averages go over all of them.
    """

    header: Header
    line: int
    nth: int
    threads: int | None
    rows: tuple[Row, ...]
    compress: Side | None = None
    decompress: Side | None = None
    total: Side | None = None
    reduced: str = ""

    @property
    def top_bits(self) -> int:
        """Return the largest dictionary, as a power of two."""
        return max(row.bits for row in self.rows)

    @property
    def iterations(self) -> int | None:
        """Return the passes over 7-Zip's own dictionaries, or None where rows are missing."""
        counts = Counter(row.bits for row in self.rows)
        if not counts:
            return None
        first = _FIRST_BITS if self.top_bits >= _FIRST_BITS else _FIRST_SMALL_BITS
        usual = set(counts) == set(range(min(first, self.top_bits), self.top_bits + 1))
        return min(counts.values()) if usual and len(set(counts.values())) == 1 else None

    @property
    def rows_named(self) -> str:
        """Return the dictionaries of the rows, each with its count where that is not one."""
        counts = sorted(Counter(row.bits for row in self.rows).items())
        return ",".join(f"{bits}x{count}" if count > 1 else str(bits) for bits, count in counts)


class _Draft(Struct):
    """A table being read: its other lines by kind, and the figures of its rows."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    average: tuple[Side, Side] | None = None
    total: Side | None = None

    @property
    def begun(self) -> bool:
        """Return whether anything of a table was seen."""
        return bool(self.rows or _HEADS & self.texts.keys())

    def ends_before(self, kind: str) -> bool:
        """Return whether a line of this kind begins another table."""
        if kind in ("banner", "size"):
            return self.begun
        if kind == "usage":
            return bool(self.rows or "usage" in self.texts)
        return kind in ("head", "other") and bool({"head", "other"} & self.texts.keys())


def tables(text: str) -> Iterator[Table]:
    """Yield every benchmark table in ``text``, in order, also those that end too early.

    Raises SitegenError with the line of a row that is not 7-Zip's.
    """
    return _Scanner(text).tables()


class _Scanner:
    """One way through a text: headers, and the table that is being read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._header = Header()
        self._above = 0
        self._nth = self._table_count = 0
        self._line, self._counted = 1, 0

    def tables(self) -> Iterator[Table]:
        draft, last = _Draft(1), 0
        for number, event in enumerate(_EVENT.finditer(self._text)):
            kind = event.lastgroup or ""
            if number >= _MAX_LINES:
                raise self._bad(event, f"holds more than {_MAX_LINES:,} lines of 7-Zip's")
            if draft.ends_before(kind):
                yield from self._finished(draft)
                self._above = last
                draft = _Draft(self._line_of(event.start()))
            if kind == "banner":
                self._header, self._nth = Header(), 0
                self._above = event.start()
            elif kind in _HEADS and not draft.begun:
                draft.line = self._line_of(event.start())
                # Between the banner, or the table before, and this table.
                part = self._text[max(self._above, event.start() - _MAX_HEADER) : event.start()]
                lines = [line.strip() for line in part.split("\n")]
                self._header = read_header(lines, self._header)
            if kind == "total" and draft.average:
                draft.total = _side(self._numbers(event, "the Tot: row", 3))
                yield from self._finished(draft)
                self._above = event.end()
                draft = _Draft(draft.line)
            else:
                self._take(draft, kind, event)
            last = event.end()
        yield from self._finished(draft)

    def _take(self, draft: _Draft, kind: str, event: re.Match[str]) -> None:
        if kind in (*_HEADS, "reduced"):
            draft.texts[kind] = event[kind]
        elif "other" in draft.texts or event.end() == len(self._text):
            return  # the end of the text may have cut its last number
        elif kind == "row" and _HEADS & draft.texts.keys():
            bits = event["row"].partition(":")[0]
            numbers = self._numbers(event, f"the row {bits}:", 8)
            draft.rows.append(Row(int(bits), _side(numbers[:4]), _side(numbers[4:])))
        elif kind == "average" and draft.begun:
            numbers = self._numbers(event, "the Avr: row", 6, 8)
            half = len(numbers) // 2
            draft.average = _side(numbers[:half]), _side(numbers[half:])

    def _numbers(self, event: re.Match[str], label: str, *counts: int) -> list[str]:
        words = event[event.lastgroup or ""].partition(":")[2].replace("|", " ").split()
        numbers = [word for word in words if len(word) <= _MAX_DIGITS]
        if len(numbers) not in counts:
            usual = " or ".join(map(str, counts))
            raise self._bad(event, f"{label} has {len(numbers)} numbers, not {usual}")
        return numbers

    def _finished(self, draft: _Draft) -> Iterator[Table]:
        if "other" in draft.texts or not draft.begun:
            return
        self._table_count += 1
        if self._table_count > _MAX_TABLES:
            raise SitegenError(f"holds more than {_MAX_TABLES:,} tables", where="7-Zip")
        match = _THREADS.search(draft.texts.get("usage", ""))
        threads = int(match[1]) if match else None
        compress, decompress = draft.average or (None, None)
        reduced = draft.texts.get("reduced", "").partition(":")[2].strip()
        yield Table(
            *(self._header, draft.line, self._nth, threads, tuple(draft.rows)),
            *(compress, decompress, draft.total, reduced),
        )
        self._nth += 1

    def _line_of(self, place: int) -> int:
        self._line += self._text.count("\n", self._counted, place)
        self._counted = place
        return self._line

    def _bad(self, event: re.Match[str], message: str) -> SitegenError:
        place = f"line {self._line_of(event.start())}"
        return SitegenError(message, where=place, fix="import the output as it was")


def _side(numbers: list[str]) -> Side:
    usage, rating_per_usage, rating = numbers[-3:]
    return Side(usage, rating_per_usage, rating, numbers[0] if len(numbers) > 3 else "")  # noqa: PLR2004 - with a speed there are four
