"""Counts by value: exact percentiles of them, and few enough bins to draw."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, pairwise
from operator import mul

_BINS = 60
_SURELY = 1 - 1e-9


def percentile(bins: Mapping[int, int], percent: float) -> int:
    """Return the first value at which ``percent`` of all counts is reached (nearest rank)."""
    return percentiles(bins, [percent])[0]


def percentiles(bins: Mapping[int, int], percents: Iterable[float]) -> list[int]:
    """Return the `percentile` of each of ``percents``."""
    values = sorted(bins)
    passed = list(accumulate(bins[value] for value in values))
    places = (bisect_left(passed, percent / 100 * passed[-1]) for percent in percents)
    return [values[min(place, len(values) - 1)] for place in places]


def coarse(bins: Mapping[int, int]) -> Iterator[tuple[float, int]]:
    """Yield at most 60 bins of equal ratio: the mean value in each, and its count."""
    values = sorted(bins)
    counts = [bins[value] for value in values]
    low, high = max([1, *values[:1]]), max([2, *values[-1:]])
    width = math.log(high / low) / _BINS or 1.0
    cells: dict[int, int] = {}  # and where each ends
    at = 0
    while at < len(values):
        place = min(int(math.log(max(values[at], 1) / low) / width), _BINS - 1)
        # All up to there are in the same cell: a logarithm of each would take long.
        end = low * math.exp((place + 1) * width) * _SURELY
        at = cells[place] = max(bisect_left(values, end), at + 1)
    for start, stop in pairwise([0, *cells.values()]):
        if count := sum(counts[start:stop]):
            yield sum(map(mul, values[start:stop], counts[start:stop])) / count, count
