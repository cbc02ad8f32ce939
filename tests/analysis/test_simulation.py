"""Comparisons of data whose truth is known; `benchmarks.coverage` draws it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks import coverage
from benchmarks.coverage import POWER, SERIES, SESSIONS, SOUND, UNSOUND, Case

KEPT = json.loads(coverage.RESULT.read_text())
GROUPS = {"sound": SOUND, "unsound": UNSOUND, "sessions": SESSIONS, "power": POWER}
DRAWS = 150
#: Sampling errors that a recomputed share may lie from the kept one.
ERRORS = 4


def kept(group: str) -> dict[str, list[dict[str, float]]]:
    return {row["title"]: row["rates"] for row in KEPT[group]}


def test_the_result_that_is_kept_is_of_the_cases_that_there_are() -> None:
    assert {name: [*kept(name)] for name in GROUPS} == {
        name: [case.title for case in cases] for name, cases in GROUPS.items()
    }
    assert (KEPT["draws"], KEPT["seed"]) == (coverage.DRAWS, coverage.SEED)


@pytest.mark.parametrize("group", GROUPS)
def test_the_result_that_is_kept_is_what_the_comparison_does(group: str) -> None:
    for row, case in enumerate(GROUPS[group]):
        column = row % 3
        of, count = coverage.columns(case)[column]
        found: Any = coverage.rates(of, count, DRAWS, (9, row))
        for name in ("false", "covered", "found"):
            share, many = kept(group)[case.title][column][name], DRAWS
            many *= {"covered": len(SERIES), "found": case.moved}.get(name, 1)
            error = math.sqrt(share * (1 - share) / many) + 0.5 / many
            assert abs(getattr(found, name) - share) < ERRORS * error, (case.title, name)


@pytest.mark.parametrize("group", ["sound", "sessions"])
def test_six_comparisons_in_a_hundred_have_a_false_word_at_most(group: str) -> None:
    for title, rates in kept(group).items():
        assert max(one["false"] for one in rates) <= 0.06, title


def test_runs_of_one_session_or_of_two_get_no_word() -> None:
    for title in ("1 session a side", "2 sessions a side"):
        assert {one["false"] for one in kept("sessions")[title]} == {0.0}


def test_three_percent_are_found_with_three_replicates_and_surely_with_five() -> None:
    for title in ("All series, spread 0.5 %", "One series of six, spread 0.5 %"):
        three, five, _ = kept("power")[title]
        assert three["found"] >= 0.7
        assert five["found"] >= 0.98
    drifting = kept("power")["All series, spread 0.5 %, drift of 2 %, in turns"]
    assert drifting[1]["found"] >= 0.98


def test_platforms_one_after_the_other_carry_the_doubt() -> None:
    rates = kept("unsound")["One platform after the other on a drifting machine"]
    assert all(one["undoubted"] == 0 < one["false"] for one in rates)


def test_turns_are_drawn_as_turns() -> None:
    [pairs] = coverage.comparisons(Case("", order="turns"), 5, 1, (0,))
    assert {pair.stands_on.turns for pair in pairs} == {tuple((n, n) for n in range(5))}
    assert {pair.among for pair in pairs} == {len(SERIES)}
    [mixed] = coverage.comparisons(Case(""), 5, 1, (0,))
    assert {pair.stands_on.turns for pair in mixed} == {()}
