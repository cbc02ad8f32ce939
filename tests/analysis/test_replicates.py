from __future__ import annotations

import pytest

from sitegen.analysis.replicates import Level, Origin, drift, gap_s, level_of, replication, trend
from sitegen.analysis.stats import summarise


def taken(text: str, start: float = 0.0, step: float = 10.0) -> tuple[Origin, ...]:
    """Return runs written as boot and session each, as in ``"1a 1a 2b"``; a dot is not known."""
    origins = []
    for place, word in enumerate(text.split()):
        boot, session = (part.replace(".", "") for part in word)
        # A session's name holds that of its boot: no session outlives one.
        name = f"{boot}{session}" if session else ""
        origins.append(Origin(f"{start}-{place}", name, boot, start + place * step))
    return tuple(origins)


@pytest.mark.parametrize(
    ("side", "baseline", "level", "counts", "few", "scope"),
    [
        ("1a 2b 3c", "4a 5b 6c", "boot", (3, 3), "", ""),
        ("1a 1a 2b 3c", "4a 5b 6c 6c", "boot", (3, 3), "", ""),
        ("1a 2b", "4a 5b 6c", "boot", (2, 3), "two boots a side", ""),
        ("1a 1b 1c", "2a 2b 2c", "session", (3, 3), "", "on these boots only"),
        ("1a 2b 3c", "4a 4b 4c", "session", (3, 3), "", "on these boots only"),
        ("1a 1b", "2a 2b 2c", "session", (2, 3), "two sessions a side", ""),
        ("1a 1a 1a", "2a 2a 2a", "run", (3, 3), "one session a side", ""),
        ("1a 2b 3c", "4a 4a 4a", "run", (3, 3), "one session a side", ""),
        (".. .. ..", ".. .. ..", "run", (3, 3), "", "in these runs only"),
        ("1a 2b 3c", ".. .. ..", "run", (3, 3), "", "in these runs only"),
        (".. ..", ".. .. ..", "run", (2, 3), "two runs a side", ""),
        ("1a", "2a 3b 4c", "run", (1, 3), "one run a side", ""),
    ],
)
def test_what_was_set_up_anew_on_both_sides_counts_and_what_was_not_is_said(  # noqa: PLR0913 - a row
    side: str, baseline: str, level: str, counts: tuple[int, int], few: str, scope: str
) -> None:
    found = replication(taken(side), taken(baseline, 5.0, 100.0))
    assert (found.level, (found.side, found.baseline)) == (level, counts)
    assert (found.few, found.scope) == (few, scope)


def test_means_are_taken_up_to_the_level_each_with_the_same_weight() -> None:
    runs, origins = [[1.0], [3.0], [5.0], [10.0]], taken("1a 1a 1b 2c")
    found = summarise(runs, ratio=False, origins=origins)
    assert found is not None
    assert (found.level, found.values) == (Level.BOOT, (3.5, 10.0))
    assert found.value == 6.75
    assert found.at(Level.SESSION, ratio=False).values == (2.0, 5.0, 10.0)
    assert found.at(Level.RUN, ratio=False).values == (1.0, 3.0, 5.0, 10.0)
    assert level_of(origins) == Level.BOOT


def test_a_run_that_measured_nothing_is_no_replicate() -> None:
    found = summarise([[1.0], [], [2.0]], ratio=True, origins=taken("1a 2b 3c"))
    assert found is not None
    assert [origin.boot for origin in found.origins] == ["1", "3"]


# Turns

FIVE, OTHERS = "1a 2a 3a 4a 5a", "6a 7a 8a 9a 0a"


@pytest.mark.parametrize(
    ("side", "baseline", "turns"),
    [
        (taken(FIVE), taken(OTHERS, 5.0), 5),
        (taken(FIVE, step=20.0), taken(OTHERS, 10.0, 20.0), 5),
        (taken(FIVE), taken(OTHERS, 100.0), 0),  # one after the other
        (taken(FIVE[:11]), taken(OTHERS[:11], 5.0), 0),  # too few to pair
        (taken(FIVE), taken(OTHERS[:11], 5.0), 0),
        (taken(FIVE), taken(FIVE), 5),  # the halves of the same runs
        (taken(FIVE), tuple(one._replace(at=None) for one in taken(OTHERS, 5.0)), 0),
    ],
)
def test_sides_that_take_turns_are_paired_by_them(
    side: tuple[Origin, ...], baseline: tuple[Origin, ...], turns: int
) -> None:
    assert replication(side, baseline).turns == tuple((n, n) for n in range(turns))


# Time


def test_the_gap_between_two_sides_is_that_between_the_last_and_the_first() -> None:
    first, later = taken("1a 2b 3c"), taken("4a 5b 6c", 60.0)
    assert gap_s(first, later) == gap_s(later, first) == 40.0
    assert gap_s(first, taken("4a 5b 6c", 5.0)) == 0.0
    assert gap_s(first, (*later, Origin("x", "", "", None))) is None


@pytest.mark.parametrize(
    ("values", "how"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.1], "rise"),
        ([5.0, 4.0, 3.0, 2.1, 1.0], "fall"),
        ([1.0, 5.0, 2.0, 4.0, 3.0], ""),
        ([1.0, 2.0, 3.0, 4.0], ""),  # too few to tell
        ([3.0] * 9, ""),
        ([1, 1.1, 1, 1.1, 5, 5.1, 5, 5.1, 5, 5.1, 1, 1.1, 1, 1.1], "follow one another"),
    ],
)
def test_values_that_move_with_time_are_told(values: list[float], how: str) -> None:
    assert drift(values) == how


def test_a_trend_is_one_in_the_order_of_time_whatever_order_the_values_have() -> None:
    shuffled = tuple(
        Origin(f"{n}", f"{n}", f"{n}", float(at)) for n, at in enumerate((3, 1, 4, 0, 2))
    )
    assert trend((3.0, 1.1, 4.0, 0.0, 2.0), Level.BOOT, shuffled) == "rise"
    assert trend((3.0, 1.1, 4.0, 0.0, 2.0), Level.BOOT, taken(FIVE)) == ""
