"""The files beside a report, alone or with it: percentiles (-e) and one row a request (-g)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collectors.ab.logs import PERCENTS
from collectors.ab.readers.checks import Contradiction, falling
from collectors.text import plain
from sitegen.errors import SitegenError

_PERCENTILES_HEAD = "Percentage served,Time in ms"
_REQUESTS_HEAD = ("starttime", "seconds", "ctime", "dtime", "ttime", "wait")
#: ab of httpd 2.0 prints the time as 5.155000e+03, and no row for 100.
_CSV_ROW = re.compile(r"(\d{1,3}), ?(\d{1,12}\.\d{1,9}(?:e[+-]\d{2})?)")
_COLUMNS = ("connect_time", "processing_time", "latency", "waiting_time")
_HEAD = 400
_ALL = 100
_OLDEST = 946_684_800  # 2000: a clock that was set
_NEWEST = 253_402_300_799  # 9999
#: How far rounded parts may be from their rounded sum, in milliseconds.
_ROUNDING_MS = 2
#: Shorter than this, whole seconds of start make a rate wrong by more than 2 %.
SHORTEST_S = 50.0


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A file of ``-e``: percent -> milliseconds as printed, and whether its end is missing."""

    rows: Mapping[int, str]
    cut: bool

    def statistics(self, complete: int | None) -> dict[str, str]:
        """Return statistic -> milliseconds.

        ab takes the request at half plus so many percent of their number: with few requests
        that lies behind the last one, in memory that holds anything.
        """
        names = {0: "min", _ALL: "max"} | {percent: f"p{percent}" for percent in PERCENTS}
        found = {}
        for percent, name in names.items():
            inside = complete is None or percent in {0, _ALL} or self.index(percent, complete) >= 0
            if percent in self.rows and inside:
                found[name] = self.rows[percent]
        order = ("min", *(f"p{percent}" for percent in PERCENTS), "max")
        return {name: found[name] for name in order if name in found}

    @staticmethod
    def index(percent: int, complete: int) -> int:
        """Return which request in order of time the row is, or -1 where there is none."""
        index = (percent * complete + 50) // 100
        return index if index < complete else -1


@dataclass(slots=True)
class Requests:
    """A file of ``-g``: how many requests took how many milliseconds, and when they were."""

    rows: int = 0
    times: dict[str, Counter[int]] = field(
        default_factory=lambda: {name: Counter() for name in _COLUMNS}
    )
    first_s: int = _NEWEST
    last_end_ms: int = 0
    cut: bool = False
    unsorted: int = 0
    odd: int = 0

    @property
    def span_s(self) -> float:
        """Return the time from the first start to the last end, to a second either way."""
        return self.last_end_ms / 1000 - self.first_s

    @property
    def latency(self) -> Counter[int]:
        """Return how many requests took how many milliseconds in all."""
        return self.times["latency"]

    def contradictions(self) -> Iterator[Contradiction]:
        """Yield what in the rows contradicts itself."""
        if self.unsorted:
            yield Contradiction(
                f"the rows of requests are not in order of their time, as ab writes them"
                f" (line {self.unsorted})",
                frozenset({"ab.latency"}),
            )
        if self.odd:
            yield Contradiction(
                f"in {self.odd} of {self.rows} rows the parts of a request's time do not add up",
                frozenset({f"ab.{name}" for name in _COLUMNS}),
            )

    def started_at(self) -> str:
        """Return the second in which the first request began."""
        return datetime.fromtimestamp(self.first_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_percentiles(data: bytes) -> bool:
    """Say whether this is a file of ``-e``."""
    return _first_line(data).replace(", ", ",") == _PERCENTILES_HEAD


def is_requests(data: bytes) -> bool:
    """Say whether this is a file of ``-g``."""
    return tuple(_first_line(data).split()) == _REQUESTS_HEAD


def percentiles_in(data: bytes) -> Percentiles:
    """Return what a file of ``-e`` says; raises SitegenError with the line that is none of it."""
    lines = plain(data).split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    rows: dict[int, str] = {}
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if not (text := line.strip()):
            continue
        match = _CSV_ROW.fullmatch(text)
        # Without its end a line may have lost digits.
        if number == len(lines) and not _whole(match, rows):
            break
        if match is None or int(match[1]) > _ALL or int(match[1]) in rows:
            raise SitegenError("is no row of percentage and milliseconds", where=f"line {number}")
        rows[int(match[1])] = match[2]
    if not rows:
        raise SitegenError("holds no percentile")
    return Percentiles(rows, cut=len(rows) <= _ALL and rows.keys() != set(range(_ALL)))


def _whole(row: re.Match[str] | None, before: Mapping[int, str]) -> bool:
    """Say whether a row has all the digits that ab prints: microseconds, or an exponent."""
    if row is None:
        return False
    exponent = any("e" in ms for ms in before.values())
    return "e" in row[2] if exponent else len(row[2].partition(".")[2]) >= 3  # noqa: PLR2004 - of microseconds


def requests_in(data: bytes) -> Requests:
    """Return what a file of ``-g`` says; raises SitegenError with the line that is none of it."""
    text = plain(data)
    found, before, number, start, headed = Requests(), 0, 0, 0, False
    while start < len(text):
        # Line by line: a list of all of them would be several times the file.
        end = text.find("\n", start)
        line = text[start : end if end >= 0 else len(text)].strip()
        whole, start, number = end >= 0, (end if end >= 0 else len(text)) + 1, number + 1
        if not line:
            continue
        cells = line.rsplit(None, 5)
        if not headed:
            headed = True
            continue
        if tuple(line.split()) == _REQUESTS_HEAD:
            raise SitegenError(
                "a second file begins",
                where=f"line {number}",
                fix="import each as a file, or those of one load with --together",
            )
        if not whole:
            found.cut = True
            break
        seconds, connect, processing, total, wait = _row(cells, number)
        found.rows += 1
        for name, ms in zip(_COLUMNS, (connect, processing, total, wait), strict=True):
            found.times[name][ms] += 1
        found.first_s = min(found.first_s, seconds)
        found.last_end_ms = max(found.last_end_ms, seconds * 1000 + total)
        found.unsorted = found.unsorted or (number if total < before else 0)
        parts = abs(connect + processing - total) > _ROUNDING_MS
        found.odd += parts or wait > processing + _ROUNDING_MS
        before = total
    if not found.rows:
        raise SitegenError("holds no request")
    return found


def _row(cells: list[str], number: int) -> list[int]:
    numbers = [int(c) for c in cells[1:] if c.isascii() and c.isdigit() and len(c) <= 12]  # noqa: PLR2004 - keeps int() short
    if len(numbers) != 5 or not _OLDEST <= numbers[0] <= _NEWEST:  # noqa: PLR2004 - the columns of times
        raise SitegenError("is no row of a request and its times", where=f"line {number}")
    return numbers


def beyond_a_rank(
    printed: Mapping[str, str], finer: Percentiles, complete: int | None
) -> Iterator[Contradiction]:
    """Yield the first percentile of a report that its file of ``-e`` cannot have, and falls.

    The two take requests one rank apart, and the report is rounded to a millisecond.
    """
    yield from falling(finer.statistics(complete))
    step = -(-100 // complete) if complete else 1
    for name, ms in printed.items():
        percent = _ALL if name == "max" else int(name[1:])
        near = [
            float(finer.rows[p])
            for p in (percent - step, percent, percent + step)
            if p in finer.rows
        ]
        if percent in finer.rows and not min(near) - 1 <= float(ms) <= max(near) + 1:
            yield Contradiction(
                f"{name} is {ms} ms in the report and {finer.rows[percent]} ms in the file",
                frozenset({"ab.latency"}),
            )
            return


def _first_line(data: bytes) -> str:
    head = plain(data[:_HEAD]).strip()
    return head.split("\n", 1)[0].strip()
