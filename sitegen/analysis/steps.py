"""Where the level of values that were taken one after the other steps.

Own code, because a library is not worth its weight here: ruptures (BSD-2) brings scipy, 142 MB and
1 CPU-s for its import; changeforest (2 MB) is light; and both take a drift for a step in most
cases, this in one of fourteen. `python -m benchmarks.changes` draws how often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median

from sitegen.analysis.student import t_quantile

#: Values from which steps are looked for, and the fewest on each side of one.
FOR_STEPS, LEAST = 10, 4
#: Over so many tests more than there are places the bounds hold: of a hundred series that do not
#: change two or three have a step at the most.
_STRICTER = 2
#: How much likelier a step must be than a straight line, as twice the logarithm of the ratio.
_BEYOND_DRIFT = 4.0
#: Over so many times more tests a level that came and went must hold: what wanders looks like one.
_SURER = 100
#: Squares below this share of the whole are what is left of rounding.
_ROUNDING = 1e-24


def steps(values: Sequence[float], least: float) -> tuple[int, ...]:
    """Return the places at which the level of values steps by ``least`` or more.

    Binary segmentation: of all ways to part the values in two the one with the largest Student's t,
    where that is beyond what chance allows over all of them (Bonferroni), and where the step is
    likelier than a straight line, which is drift; then each part by itself. Where no such way is
    found and values follow one another, the same of a level that came and went.
    """
    if len(values) < FOR_STEPS:
        return ()
    found: list[int] = []
    parts = [(0, len(values))]
    while parts:
        start, end = parts.pop()
        if at := _parted(values[start:end], least):
            places = [start + place for place in at]
            found += places
            parts += pairwise([start, *places, end])
    return tuple(sorted(found))


def _parted(values: Sequence[float], least: float) -> tuple[int, ...]:
    """Return where values are best parted, nothing where they are better left together."""
    n = len(values)
    if n < 2 * LEAST:
        return ()
    mean = math.fsum(values) / n
    off = [value - mean for value in values]
    squares = math.fsum([one * one for one in off])
    if squares <= mean * mean * _ROUNDING:
        return ()
    sums = [0.0, *accumulate(off)]
    best, at = max(
        (sums[place] ** 2 * n / (place * (n - place)), place)
        for place in range(LEAST, n - LEAST + 1)
    )
    if _beyond(off, squares, best, n - 2 * LEAST + 1):
        moved = median(values[at:]) - median(values[:at])
        return (at,) if abs(moved) >= least else ()
    if n < 3 * LEAST or not _follow(off, squares):
        return ()
    best, at, end = max(
        ((sums[end] - sums[start]) ** 2 * n / ((end - start) * (n - end + start)), start, end)
        for start in range(LEAST, n - 2 * LEAST + 1)
        for end in range(start + LEAST, n - LEAST + 1)
    )
    ways = (n - 3 * LEAST + 1) * (n - 3 * LEAST + 2) / 2
    if not _beyond(off, squares, best, _SURER * ways):
        return ()
    moved = median(values[at:end]) - median([*values[:at], *values[end:]])
    return (at, end) if abs(moved) >= least else ()


def _beyond(off: Sequence[float], squares: float, between: float, ways: float) -> bool:
    """Say whether the squares between two levels are beyond chance over all ways, and drift."""
    n = len(off)
    left = max(squares - between, 0.0)
    bound = t_quantile(n - 2, _STRICTER * ways)
    if between * (n - 2) <= bound * bound * left:
        return False
    middle = (n - 1) / 2
    slope = math.fsum([(place - middle) * one for place, one in enumerate(off)])
    of_line = squares - slope * slope * 12 / (n * (n * n - 1))
    return of_line > left * math.exp(_BEYOND_DRIFT / n) and of_line > squares * _ROUNDING


def _follow(off: Sequence[float], squares: float) -> bool:
    """Say whether values follow one another more than chance lets them (von Neumann's ratio)."""
    n = len(off)
    changes = math.fsum([(b - a) ** 2 for a, b in pairwise(off)])
    expected = math.sqrt((n - 2) / (n * n - 1))
    return 1 - changes / (2 * squares) > t_quantile(math.inf) * expected
