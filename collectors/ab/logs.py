"""Reading the files that ab writes beside its report: percentiles (-e), one row a request (-g)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

PERCENTS = (50, 66, 75, 80, 90, 95, 98, 99)
_TTIME = 4


def read_percentiles(data: bytes) -> dict[str, str]:
    """Return statistic -> milliseconds as printed, from the file of ``-e`` (to 1 us)."""
    rows = dict(
        re.findall(
            r"^(\d{1,3}),(\d{1,12}\.\d{1,9})$", data.decode("ascii", "replace"), re.MULTILINE
        )
    )
    names = {"0": "min", "100": "max"} | {str(p): f"p{p}" for p in PERCENTS}
    return {name: rows[percent] for percent, name in names.items() if percent in rows}


def count_requests(data: bytes) -> Counter[int]:
    """Return how many requests took how many whole milliseconds, from the file of ``-g``."""
    counts: Counter[int] = Counter()
    for line in data.splitlines()[1:]:
        fields = line.split(b"\t")
        if len(fields) > _TTIME and re.fullmatch(rb"\d{1,12}", fields[_TTIME]):
            counts[int(fields[_TTIME])] += 1
    return counts


def write_counts(counts: Mapping[int, int]) -> bytes:
    """Return the counts as lines of ``ms<TAB>count``: all that the request files hold on time."""
    lines = [f"{ms}\t{count}\n" for ms, count in sorted(counts.items())]
    return "".join(["ms\tcount\n", *lines]).encode()


def read_counts(data: bytes) -> dict[int, int]:
    """Return what `write_counts` wrote."""
    pairs = re.findall(rb"^(\d{1,12})\t(\d{1,12})$", data, re.MULTILINE)
    return {int(ms): int(count) for ms, count in pairs}
