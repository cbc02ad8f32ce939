"""Steps in values whose truth is known; `benchmarks.changes` draws more of them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import pytest

from benchmarks import changes
from benchmarks.changes import COUNTS, QUIET, SPREADS, STEPPED
from sitegen.analysis.steps import FOR_STEPS, LEAST, steps

LEAST_STEP = math.log(1.02)
KEPT = json.loads(changes.RESULT.read_text())
DRAWS = 300
#: Sampling errors that a recomputed share may lie from the kept one.
ERRORS = 4


def noisy(levels: Sequence[tuple[int, float]], spread: float = 0.005) -> list[float]:
    """Return values that keep to each level for so many, the same each time."""
    noise = random.Random(7)  # noqa: S311 - noise, not a secret
    return [level + noise.gauss(0, spread) for count, level in levels for _ in range(count)]


def test_a_step_is_found_at_its_place() -> None:
    assert steps(noisy([(7, 0.0), (9, 0.05)]), LEAST_STEP) == (7,)


def test_each_of_several_steps_is_found() -> None:
    assert steps(noisy([(8, 0.0), (8, 0.15), (10, 0.1)]), LEAST_STEP) == (8, 16)


def test_a_level_that_comes_and_goes_is_two_steps() -> None:
    assert steps(noisy([(9, 0.0), (9, 0.2), (9, 0.0)], 0.002), LEAST_STEP) == (9, 18)


@pytest.mark.parametrize("count", [0, 1, FOR_STEPS - 1])
def test_fewer_values_than_are_needed_have_no_step(count: int) -> None:
    assert steps([0.0] * (count // 2) + [1.0] * (count - count // 2), LEAST_STEP) == ()


def test_a_step_needs_values_on_both_sides() -> None:
    assert steps([0.0] * (LEAST - 1) + [1.0] * 20, LEAST_STEP) != (LEAST - 1,)
    assert steps([0.0] * LEAST + [1.0] * 20, LEAST_STEP) == (LEAST,)


def test_equal_values_and_a_straight_line_have_no_step() -> None:
    assert steps([5.0] * 30, LEAST_STEP) == ()
    assert steps([0.01 * n for n in range(30)], LEAST_STEP) == ()


def test_one_value_far_off_is_no_step() -> None:
    values = noisy([(24, 0.0)])
    values[11] = -0.4
    assert steps(values, LEAST_STEP) == ()


def test_a_step_below_the_margin_is_none() -> None:
    values = noisy([(15, 0.0), (15, 0.01)], 0.0005)
    assert steps(values, LEAST_STEP) == ()
    assert steps(values, 0.005) == (15,)


def test_the_result_that_is_kept_is_of_the_cases_that_there_are() -> None:
    assert [row["title"] for row in KEPT["quiet"]] == [kind.title for kind in QUIET]
    assert len(KEPT["stepped"]) == len(STEPPED) * len(COUNTS) + len(COUNTS) - 1
    assert (KEPT["draws"], KEPT["seed"]) == (changes.DRAWS, changes.SEED)


def _close(share: float, found: float) -> bool:
    return abs(found - share) < ERRORS * (math.sqrt(share * (1 - share) / DRAWS) + 0.5 / DRAWS)


@pytest.mark.parametrize("row", range(len(QUIET)))
def test_the_false_steps_that_are_kept_are_what_the_arithmetic_does(row: int) -> None:
    for place, spread in enumerate(SPREADS):
        found = changes.false(QUIET[row], spread, DRAWS, (9, row, place))
        assert _close(KEPT["quiet"][row]["shares"][place], found)


@pytest.mark.parametrize("row", range(len(STEPPED)))
def test_the_steps_found_that_are_kept_are_what_the_arithmetic_does(row: int) -> None:
    kept = KEPT["stepped"][row * len(COUNTS) : (row + 1) * len(COUNTS)]
    for count, of_count in zip(COUNTS, kept, strict=True):
        found = changes.found(STEPPED[row], count, SPREADS[1], DRAWS, (9, row, count))
        assert _close(of_count["shares"][1], found)


def test_levels_that_come_and_go_are_found_as_often_as_is_kept() -> None:
    for count, row in zip(COUNTS[1:], KEPT["stepped"][len(STEPPED) * len(COUNTS) :], strict=True):
        found = changes.found(QUIET[0], count, SPREADS[1], DRAWS, (9, count), goes=True)
        assert _close(row["shares"][1], found)


def test_of_a_hundred_quiet_series_two_step_at_the_most_and_of_drifting_ones_seven() -> None:
    shares = {row["title"]: max(row["shares"]) for row in KEPT["quiet"]}
    assert max(shares[kind.title] for kind in QUIET[:3]) <= 0.025
    assert shares["A drift of four spreads"] <= 0.07


def test_five_percent_are_nearly_always_found_where_runs_spread_by_one() -> None:
    for row in KEPT["stepped"][: len(COUNTS)]:
        assert min(row["shares"][:2]) >= 0.9, row["title"]
