"""What was set up anew: the level at which two sides' values count, their turns and trends."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis.student import t_quantile
from sitegen.model import AnyRun

#: Replicates a side from which there is an interval, and from which a word.
FOR_INTERVAL, FOR_WORD = 2, 3
#: Turns from which sides are paired by them, and replicates from which a trend can be seen. With
#: fewer turns the degrees of freedom that pairing costs find less than drift hides: the methodology
#: page has the simulation.
FOR_TURNS = FOR_TREND = 5
#: Over so many tests the bounds of both hold: of a thousand innocent series at most 15 are taken to
#: drift, 10 by the slope and 5 by the correlation, which is of one direction.
_TREND_TESTS = 5
_NUMBERS = {1: "one", 2: "two"}


class Level(StrEnum):
    """What is set up anew with each value, from the lowest (Kalibera and Jones 2013)."""

    RUN = "run"
    SESSION = "session"
    BOOT = "boot"


class Origin(NamedTuple):
    """Where a run comes from: its session and boot, each empty where it is not known, and when.

    ``at`` is in seconds, or None where the run does not say to the second.
    """

    run: str
    session: str
    boot: str
    at: float | None

    @classmethod
    def of(cls, run: AnyRun) -> Origin:
        """Return where a run comes from."""
        text = run.started_at
        dated = "T" in text and not run.undated
        at = datetime.fromisoformat(text).astimezone(UTC).timestamp() if dated else None
        return cls(run.id, run.session, run.boot, at)


#: The places of the runs that are of one session or boot, in the order of their first runs.
Groups = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=4096)
def groups(origins: tuple[Origin, ...], level: Level) -> Groups:
    """Return the runs that share what ``level`` names; nothing where one does not say it."""
    names = [getattr(origin, level) for origin in origins]
    return _grouped(names) if all(names) else ()


def _grouped(names: Sequence[Hashable]) -> Groups:
    places: dict[Hashable, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return tuple(map(tuple, places.values()))


@lru_cache(maxsize=4096)
def level_of(*sides: tuple[Origin, ...]) -> Level:
    """Return the highest level at which each side has two values or more; else that of runs."""
    for level in (Level.BOOT, Level.SESSION):
        if all(len(groups(origins, level)) >= FOR_INTERVAL for origins in sides):
            return level
    return Level.RUN


def values_at(
    level: Level,
    origins: tuple[Origin, ...],
    values: Sequence[float],
    mean: Callable[[Sequence[float]], float],
) -> tuple[float, ...]:
    """Return the values of a level from those of runs: means of means, in the order of time."""
    if level == Level.RUN:
        return tuple(values)
    nested = []
    for places in groups(origins, level):
        if len(places) == 1:
            nested.append(values[places[0]])
            continue
        inner = values_at(
            Level.SESSION if level == Level.BOOT and _has_sessions(origins) else Level.RUN,
            tuple(origins[place] for place in places),
            [values[place] for place in places],
            mean,
        )
        nested.append(mean(inner))
    return tuple(nested)


def _has_sessions(origins: tuple[Origin, ...]) -> bool:
    return bool(groups(origins, Level.SESSION))


class Replication(Struct, frozen=True):
    """What two sides stand on: how many values each, at which level, and what did not vary.

    ``few`` says why no word is given; ``scope`` what a word is about where not all levels varied.
    """

    level: Level
    side: int
    baseline: int
    few: str = ""
    scope: str = ""
    #: The order in which the values of both sides were taken, where each turn has one of each.
    turns: tuple[tuple[int, int], ...] = ()

    @property
    def least(self) -> int:
        """How many values the smaller side has."""
        return min(self.side, self.baseline)


#: Of printed figures nobody said what they stand on.
CITED = Replication(Level.RUN, 0, 0, "n unknown")


@lru_cache(maxsize=4096)
def replication(side: tuple[Origin, ...], baseline: tuple[Origin, ...]) -> Replication:
    """Return what the comparison of two sides of runs stands on.

    Runs of one known session are no replicates: no word. Where a level above is not known to vary,
    the words say what they hold for, and nothing more.
    """
    level = level_of(side, baseline)
    counts = [len(groups(one, level)) for one in (side, baseline)]
    few = scope = ""
    if level == Level.RUN and min(counts) >= FOR_INTERVAL:
        sessions = [len(groups(one, Level.SESSION)) for one in (side, baseline)]
        few = "one session a side" if 1 in sessions else ""
        scope = "in these runs only"
    elif level == Level.SESSION:
        scope = "on these boots only"
    if min(counts) < FOR_WORD:
        few = few or f"{_NUMBERS[min(counts)]} {level}{'s' if min(counts) > 1 else ''} a side"
    pairs = () if few else _turns(level, side, baseline)
    if side == baseline:
        # The two halves of the same runs share all that these do not.
        pairs = tuple((place, place) for place in range(counts[0]))
    return Replication(level, counts[0], counts[1], few, "" if few else scope, pairs)


def _turns(
    level: Level, side: tuple[Origin, ...], baseline: tuple[Origin, ...]
) -> tuple[tuple[int, int], ...]:
    """Return the places of both sides by turn, where they were taken in turns; else nothing."""
    taken: list[tuple[float, int, int]] = []
    for which, origins in enumerate((side, baseline)):
        for place, first in enumerate(_moments(level, origins)):
            if first is None:
                return ()
            taken.append((first, which, place))
    taken.sort()
    if len(taken) < 2 * FOR_TURNS or len(taken) % 2:
        return ()
    turns = []
    for one, other in zip(taken[::2], taken[1::2], strict=True):
        if {one[1], other[1]} != {0, 1}:
            return ()
        ours, theirs = sorted((one, other), key=lambda each: each[1])
        turns.append((ours[2], theirs[2]))
    return tuple(turns)


@lru_cache(maxsize=4096)
def _moments(level: Level, origins: tuple[Origin, ...]) -> tuple[float | None, ...]:
    """Return when each value of a level was begun, None where that is not known."""
    began = []
    for places in groups(origins, level):
        times = [origins[place].at for place in places]
        known = [time for time in times if time is not None]
        began.append(min(known) if len(known) == len(times) else None)
    return tuple(began)


@lru_cache(maxsize=4096)
def gap_s(side: tuple[Origin, ...], baseline: tuple[Origin, ...]) -> float | None:
    """Return the seconds between two sides of which one was taken after the other.

    0 where they overlap in time; None where it is not known when they were taken.
    """
    spans = []
    for origins in (side, baseline):
        times = [origin.at for origin in origins if origin.at is not None]
        if len(times) < len(origins) or not times:
            return None
        spans.append((min(times), max(times)))
    (first, end), (begin, last) = spans
    return max(begin - end, first - last, 0.0)


@lru_cache(maxsize=4096)
def trend(values: tuple[float, ...], level: Level, origins: tuple[Origin, ...]) -> str:
    """Return how values move with time more than chance lets them, in words, or nothing.

    Two tests from `FOR_TREND` values on, in the order of time: the slope of a straight line
    (Student's t), and the correlation of each value with the next, by von Neumann's ratio (1941,
    doi:10.1214/aoms/1177731677), whose square root of n deviations is taken to be normal.
    """
    began = _moments(level, origins)
    if len(values) < FOR_TREND or len(began) != len(values) or None in began:
        return ""
    ordered = [value for _, value in sorted(zip(began, values, strict=True))]
    return drift(ordered)


def drift(values: Sequence[float]) -> str:
    """Return how values in the order of time move more than chance lets them, or nothing."""
    n = len(values)
    mean = math.fsum(values) / n
    off = [value - mean for value in values]
    squares = math.fsum(one * one for one in off)
    if n < FOR_TREND or squares == 0:
        return ""
    middle = (n - 1) / 2
    spread = math.fsum((place - middle) ** 2 for place in range(n))
    slope = math.fsum((place - middle) * one for place, one in enumerate(off)) / spread
    left = max(squares - slope * slope * spread, 0.0)
    error = math.sqrt(left / (n - 2) / spread)
    if abs(slope) > t_quantile(n - 2, _TREND_TESTS) * error:
        return "rise" if slope > 0 else "fall"
    steps = math.fsum((b - a) ** 2 for a, b in pairwise(off))
    ratio = 1 - steps / (2 * squares)
    expected = math.sqrt((n - 2) / (n * n - 1))
    return "follow one another" if ratio > t_quantile(math.inf, _TREND_TESTS) * expected else ""
