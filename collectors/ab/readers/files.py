"""The files that ab writes beside its report: percentiles (-e), and one row a request (-g)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import NamedTuple

from msgspec import Struct

from collectors.ab.readers.text import Flaw, falling
from sitegen.collect import timestamp
from sitegen.collect.text import lines, plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_PERCENTILES_HEAD = "Percentage served,Time in ms"
_REQUESTS_HEAD = ["starttime", "seconds", "ctime", "dtime", "ttime", "wait"]
_PERCENTILE = re.compile(r"(\d{1,3}), ?(\d{1,12}\.(?P<fraction>\d{1,9}))")
_TIME = re.compile(rb"\t(\d{1,12})\t\d{1,12}$", re.MULTILINE)
_COUNT = re.compile(rb"^(\d{1,12})\t(\d{1,12})$", re.MULTILINE)
_STATISTICS = {0: "min", **{p: f"p{p}" for p in (50, 66, 75, 80, 90, 95, 98, 99)}, 100: "max"}
COLUMNS = ("connect_time", "processing_time", "latency", "waiting_time")
_HEAD, _ALL, _MICROSECONDS = 800, 100, 3
_ROWS, _MOST_MS = 20_000, 10**12
_OLDEST, _NEWEST = 946_684_800, 253_402_300_799  # 2000, a clock that was set, to 9999
#: How far rounded parts may be from their rounded sum, in milliseconds.
_ROUNDING_MS = 2


class Percentiles(NamedTuple):
    """A file of ``-e``: percent -> milliseconds as printed, and whether its end is missing."""

    rows: Mapping[int, str]
    cut: bool

    def statistics(self, complete: int | None) -> dict[str, str]:
        """Return statistic -> milliseconds.

        ab takes the request at half plus so many percent of their number: with few requests
        that lies behind the last one, in memory that holds anything.
        """
        within = [
            percent
            for percent in _STATISTICS.keys() & self.rows.keys()
            if complete is None or not percent % 100 or (percent * complete + 50) // 100 < complete
        ]
        return {_STATISTICS[percent]: self.rows[percent] for percent in sorted(within)}

    def flaws(self, printed: Mapping[str, str], complete: int | None) -> Iterator[Flaw]:
        """Yield where percentiles fall, or end at another time than is ``printed`` in a report."""
        if self.cut:
            yield Flaw(f"{len(self.rows)} of 101 percentiles are there", kind=Doubt.CUT_OFF)
        yield from falling(self.statistics(complete))
        last, longest = self.rows.get(100), printed.get("max")
        if last and longest and abs(float(last) - float(longest)) > 1:
            sentence = f"max is {longest} ms in the report and {last} ms in the file"
            yield Flaw(sentence, frozenset({"latency"}))


class Requests(Struct, frozen=True):
    """A file of ``-g``: how many requests took how many milliseconds, and when they were.

    ``times`` are by metric; ``odd`` is how many rows do not add up.
    """

    times: Mapping[str, Counter[int]]
    first_s: int
    last_end_ms: int
    cut: bool
    odd: int

    @property
    def count(self) -> int:
        """Return how many requests there are."""
        return self.latency.total()

    @property
    def latency(self) -> Counter[int]:
        """Return how many requests took how many milliseconds in all."""
        return self.times["latency"]

    @property
    def span_s(self) -> float:
        """Return the time from the first start to the last end, to a second either way."""
        return self.last_end_ms / 1000 - self.first_s

    @property
    def started_at(self) -> str:
        """Return the second in which the first request began."""
        return timestamp(datetime.fromtimestamp(self.first_s, UTC))

    def flaws(self) -> Iterator[Flaw]:
        """Yield what in the rows contradicts itself."""
        if self.odd:
            rows = f"in {self.odd} of {self.count} rows"
            sentence = f"{rows} the parts of a request's time do not add up"
            yield Flaw(sentence, frozenset(COLUMNS))


def is_percentiles(data: bytes) -> bool:
    """Say whether this is a file of ``-e``."""
    return _first_line(data, b"Percentage").replace(", ", ",") == _PERCENTILES_HEAD


def is_requests(data: bytes) -> bool:
    """Say whether this is a file of ``-g``."""
    return _first_line(data, b"starttime").split() == _REQUESTS_HEAD


def percentiles_in(data: bytes) -> Percentiles:
    """Return what a file of ``-e`` says; raises SitegenError with the line that is none of it."""
    rows: dict[int, str] = {}
    for number, text, whole in _below_head(plain(data)):
        row = _PERCENTILE.fullmatch(text)
        # Without its end a line may have lost digits.
        if not whole and (row is None or len(row["fraction"]) < _MICROSECONDS):
            break
        if row is None or int(row[1]) > _ALL or int(row[1]) in rows:
            raise SitegenError("is no row of percentage and milliseconds", where=f"line {number}")
        rows[int(row[1])] = row[2]
    if not rows:
        raise SitegenError("holds no percentile")
    return Percentiles(rows, cut=len(rows) <= _ALL)


def requests_in(data: bytes) -> Requests:
    """Return what a file of ``-g`` says; raises SitegenError with the line that is none of it."""
    times = {name: Counter[int]() for name in COLUMNS}
    first_s, last_end_ms, odd = _NEWEST, 0, 0
    text = plain(data)
    whole = takewhile(bool, (_cells(*row) for row in _below_head(text)))
    # Some at a time: counting a column is quick, and all rows would take much memory.
    while rows := list(islice(whole, _ROWS)):
        seconds, *columns = zip(*rows, strict=True)
        for name, column in zip(COLUMNS, columns, strict=True):
            times[name].update(column)
        first_s = min(first_s, *seconds)
        last_end_ms = max(last_end_ms, *(row[0] * 1000 + row[3] for row in rows))
        odd += sum(
            abs(connect + processing - total) > _ROUNDING_MS or wait > processing + _ROUNDING_MS
            for _, connect, processing, total, wait in rows
        )
    if not times["latency"]:
        raise SitegenError("holds no request")
    cut = not text.rstrip(" \t").endswith("\n")
    return Requests(times, first_s, last_end_ms, cut, odd)


def _cells(number: int, text: str, whole: bool) -> tuple[int, ...]:  # noqa: FBT001 - as a line is
    """Return the numbers of a row of requests, nothing of one that may have lost digits.

    The date before them is a text of its own, with spaces in it.
    """
    if not whole:
        return ()
    _, *cells = text.rsplit(None, len(_REQUESTS_HEAD) - 1)
    digits = "".join(cells)
    if len(cells) == len(_REQUESTS_HEAD) - 1 and digits.isascii() and digits.isdigit():
        row = tuple(map(int, cells))
        if _OLDEST <= row[0] <= _NEWEST and max(row[1:]) < _MOST_MS:
            return row
    raise SitegenError("is no row of a request and its times", where=f"line {number}")


def count_requests(data: bytes) -> Counter[int]:
    """Return how many requests took how many milliseconds, of a file that ab has just written."""
    return Counter(int(ms) for ms in _TIME.findall(data))


def write_counts(counts: Mapping[int, int]) -> bytes:
    """Return the counts as lines of ``ms<TAB>count``: all that a file of ``-g`` says of time."""
    pairs = [f"{ms}\t{count}\n" for ms, count in sorted(counts.items())]
    return "".join(["ms\tcount\n", *pairs]).encode()


def read_counts(data: bytes) -> dict[int, int]:
    """Return what `write_counts` wrote."""
    return {int(ms): int(count) for ms, count in _COUNT.findall(data)}


def _below_head(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the lines below the first: the number of each, its text, and whether it is whole."""
    rows = ((n, line.strip(), line.endswith("\n")) for n, line in enumerate(lines(text), 1))
    return islice((row for row in rows if row[1]), 1, None)


def _first_line(data: bytes, sign: bytes) -> str:
    """Return the first line of a text that has ``sign`` in its head, UTF-16 or not, or nothing."""
    head = data[:_HEAD]
    return plain(head).lstrip().split("\n", 1)[0] if sign in head.replace(b"\0", b"") else ""
