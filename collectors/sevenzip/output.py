"""Reading the tables that ``7z b`` prints, whole or cut off.

Lines are known by their labels and never by their columns, from p7zip 9.20 to 7-Zip 26.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct, field

from collectors.sevenzip.header import Header, read_header
from sitegen.errors import SitegenError

#: The dictionaries that 7-Zip works through by itself, up to the largest asked for.
_FIRST_BITS, _FIRST_SMALL_BITS = 22, 18
_ROW_NUMBERS = 8
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

_THREADS = re.compile(r"# Benchmark threads: {0,20}(\d{1,6})\b")


class Side(Struct, frozen=True):
    """One operation's half of a row, as printed; ``speed`` is empty where it was not."""

    usage: str
    rating_per_usage: str
    rating: str
    speed: str = ""


class Row(Struct, frozen=True):
    """The figures of one pass over one dictionary."""

    bits: int
    compress: Side
    decompress: Side


class Table(Struct, frozen=True):
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
    """A table being read."""

    line: int
    usage: str = ""
    head: bool = False
    other: bool = False  # of methods or checksums, which is not read
    reduced: str = ""
    rows: list[Row] = field(default_factory=list)
    average: tuple[Side, Side] | None = None
    total: Side | None = None

    @property
    def begun(self) -> bool:
        """Return whether anything of a table was seen."""
        return bool(self.usage or self.head or self.other or self.rows)


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
        self._nth = self._found = 0
        self._line, self._counted = 1, 0

    def tables(self) -> Iterator[Table]:
        draft, last = _Draft(1), 0
        for number, event in enumerate(_EVENT.finditer(self._text)):
            kind = event.lastgroup or ""
            if number >= _MAX_LINES:
                raise self._bad(event, f"holds more than {_MAX_LINES:,} lines of 7-Zip's")
            if _starts(kind, draft):
                yield from self._finished(draft)
                self._above = last
                draft = _Draft(self._line_of(event.start()))
            if kind == "banner":
                self._header, self._nth = Header(), 0
                self._above = event.start()
            elif kind in ("usage", "head", "other") and not draft.begun:
                draft.line = self._line_of(event.start())
                self._read_header(event.start())
            if kind == "total" and draft.average:
                draft.total = self._total(event)
                yield from self._finished(draft)
                self._above = event.end()
                draft = _Draft(draft.line)
            else:
                self._take(draft, kind, event)
            last = event.end()
        yield from self._finished(draft)

    def _take(self, draft: _Draft, kind: str, event: re.Match[str]) -> None:
        if kind == "usage":
            draft.usage = event[kind]
        elif kind == "head":
            draft.head = True
        elif kind == "other":
            draft.other = True
        elif kind == "reduced":
            draft.reduced = event[kind].partition(":")[2].strip()
        elif kind == "row" and (draft.usage or draft.head) and not draft.other:
            self._row(draft, event)
        elif kind == "average" and draft.begun and not draft.other and self._ended(event):
            draft.average = self._average(event)

    def _row(self, draft: _Draft, event: re.Match[str]) -> None:
        bits, _, rest = event["row"].partition(":")
        numbers = _numbers(rest)
        if not self._ended(event):
            return  # the end of the text may have cut its last number
        if len(numbers) != _ROW_NUMBERS:
            raise self._bad(event, f"the row {bits}: has {len(numbers)} numbers, not 8")
        draft.rows.append(Row(int(bits), _side(numbers[:4]), _side(numbers[4:])))

    def _average(self, event: re.Match[str]) -> tuple[Side, Side]:
        numbers = _numbers(event["average"])
        half = {6: 3, 8: 4}.get(len(numbers))
        if half is None:
            raise self._bad(event, f"the Avr: row has {len(numbers)} numbers, not 6 or 8")
        return _side(numbers[:half]), _side(numbers[half:])

    def _total(self, event: re.Match[str]) -> Side:
        numbers = _numbers(event["total"])
        if len(numbers) != 3:  # noqa: PLR2004 - usage, rating per usage, rating
            raise self._bad(event, f"the Tot: row has {len(numbers)} numbers, not 3")
        return _side(numbers)

    def _finished(self, draft: _Draft) -> Iterator[Table]:
        if draft.other or not draft.begun:
            return
        self._found += 1
        if self._found > _MAX_TABLES:
            raise SitegenError(f"holds more than {_MAX_TABLES:,} tables", where="7-Zip")
        threads = _THREADS.search(draft.usage)
        compress, decompress = draft.average or (None, None)
        yield Table(
            self._header,
            draft.line,
            self._nth,
            int(threads[1]) if threads else None,
            tuple(draft.rows),
            compress,
            decompress,
            draft.total if draft.average else None,
            draft.reduced,
        )
        self._nth += 1

    def _read_header(self, end: int) -> None:
        """Read what stands between the banner, or the table before, and this table."""
        part = self._text[max(self._above, end - _MAX_HEADER) : end]
        self._header = read_header(list(map(str.strip, part.split("\n"))), self._header)

    def _ended(self, event: re.Match[str]) -> bool:
        return event.end() < len(self._text)

    def _line_of(self, place: int) -> int:
        self._line += self._text.count("\n", self._counted, place)
        self._counted = place
        return self._line

    def _bad(self, event: re.Match[str], what: str) -> SitegenError:
        place = f"line {self._line_of(event.start())}"
        return SitegenError(what, where=place, fix="import the output as it was")


def _starts(kind: str, draft: _Draft) -> bool:
    """Return whether this line begins another table."""
    if kind in ("banner", "size"):
        return draft.begun
    if kind == "usage":
        return bool(draft.usage or draft.rows)
    return kind in ("head", "other") and (draft.head or draft.other)


def _numbers(text: str) -> list[str]:
    words = text.partition(":")[2] if ":" in text else text
    return [word for word in words.replace("|", " ").split() if len(word) <= _MAX_DIGITS]


def _side(numbers: list[str]) -> Side:
    usage, rating_per_usage, rating = numbers[-3:]
    return Side(usage, rating_per_usage, rating, numbers[0] if len(numbers) > 3 else "")  # noqa: PLR2004 - with a speed there are four
