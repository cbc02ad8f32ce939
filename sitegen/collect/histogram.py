"""Counts by value: exact percentiles of them, and few enough bins to draw."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

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
    if not bins:
        return
    low, high = max(min(bins), 1), max(*bins, 2)
    width = math.log(high / low) / _BINS or 1.0
    cell, end = -1, 0.0
    count = total = 0
    for value, times in sorted(bins.items()):
        if value >= end:  # else it is in the same cell: a logarithm of each would take long
            place = min(int(math.log(max(value, 1) / low) / width), _BINS - 1)
            if place != cell and count:
                yield total / count, count
                count = total = 0
            cell, end = place, low * math.exp((place + 1) * width) * _SURELY
        count += times
        total += value * times
    if count:
        yield total / count, count
