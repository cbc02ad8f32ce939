"""Where the level of values that were taken one after the other steps.

Own code, because a library is not worth its weight here: ruptures (BSD-2) brings scipy, 142 MB and
1 CPU-s for its import; changeforest (2 MB) is light; and both take a drift for a step in most
cases, this in one of twelve. `python -m benchmarks.changes` draws how often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from sitegen.analysis.student import t_quantile

#: Values from which steps are looked for, and the fewest on each side of one.
FOR_STEPS, LEAST = 10, 4
#: Over so many tests more than there are places the bounds hold: of a hundred series that do not
#: change two have a step at the most.
_STRICTER = 2
#: How much likelier a step must be than a straight line, as twice the logarithm of the ratio.
_BEYOND_DRIFT = 4.0


def steps(values: Sequence[float], least: float) -> tuple[int, ...]:
    """Return the places at which the level of values steps by ``least`` or more.

    Binary segmentation: of all ways to part the values in two the one with the largest Student's t,
    where that is beyond what chance allows over all of them (Bonferroni), and where the step is
    likelier than a straight line, which is drift; then each part by itself.
    """
    if len(values) < FOR_STEPS:
        return ()
    found: list[int] = []
    parts = [(0, len(values))]
    while parts:
        start, end = parts.pop()
        if at := _step(values[start:end], least):
            found.append(start + at)
            parts += [(start, start + at), (start + at, end)]
    return tuple(sorted(found))


def _step(values: Sequence[float], least: float) -> int:
    """Return where values are best parted in two, 0 where they are better left together."""
    n = len(values)
    if n < 2 * LEAST:
        return 0
    mean = math.fsum(values) / n
    off = [value - mean for value in values]
    squares = math.fsum([one * one for one in off])
    best, at, below = 0.0, 0, math.fsum(off[: LEAST - 1])
    for place in range(LEAST, n - LEAST + 1):
        below += off[place - 1]
        between = below * below * n / (place * (n - place))
        if between > best:
            best, at = between, place
    left = squares - best
    bound = t_quantile(n - 2, _STRICTER * (n - 2 * LEAST + 1))
    if best * (n - 2) <= bound * bound * left or squares <= mean * mean * 1e-24:
        return 0
    middle = (n - 1) / 2
    slope = math.fsum([(place - middle) * one for place, one in enumerate(off)])
    of_line = squares - slope * slope * 12 / (n * (n * n - 1))
    if left > 0 and n * math.log(of_line / left) <= _BEYOND_DRIFT:
        return 0
    moved = median(values[at:]) - median(values[:at])
    return at if abs(moved) >= least else 0
