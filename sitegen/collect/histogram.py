"""Counts by value: exact percentiles of them, and few enough bins to draw."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

_BINS = 60


def percentile(bins: Mapping[int, int], percent: float) -> int:
    """Return the first value at which ``percent`` of all counts is reached (nearest rank)."""
    wanted = percent / 100 * sum(bins.values())
    passed = 0
    for value in sorted(bins):
        passed += bins[value]
        if passed >= wanted:
            return value
    return max(bins)


def coarse(bins: Mapping[int, int]) -> Iterator[tuple[float, int]]:
    """Yield at most 60 bins of equal ratio: the mean value in each, and its count."""
    if not bins:
        return
    low, high = max(min(bins), 1), max(*bins, 2)
    width = math.log(high / low) / _BINS or 1.0
    cells: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for value, times in bins.items():
        place = int(math.log(max(value, 1) / low) / width)
        cells[min(place, _BINS - 1)].append((value, times))
    for _, cell in sorted(cells.items()):
        count = sum(times for _, times in cell)
        if count:
            yield sum(value * times for value, times in cell) / count, count
