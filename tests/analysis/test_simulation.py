"""Intervals and verdicts on data whose truth is known; `benchmarks.coverage` draws it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import CASES, MARGIN, REPETITIONS, RUNS, Values
from sitegen.analysis import stats
from sitegen.analysis.stats import Summary, Word

DRAWS = 100_000
KEPT = json.loads(coverage.RESULT.read_text())
#: Sampling errors that a recomputed share may lie from the kept one.
ERRORS = 4


def summary(logs: Values) -> Summary:
    found = stats.summarise([[math.exp(value)] for value in logs], ratio=True)
    assert found is not None
    return found


def covered(n: int, m: int, times: float, seed: int) -> float:
    rng = np.random.default_rng([seed, n, m, int(10 * times)])
    side = 0.3 + times * rng.standard_normal((DRAWS, n))
    low, high = coverage.welch(side, rng.standard_normal((DRAWS, m)))
    return float(np.mean((low <= 0.3) & (high >= 0.3)))


# The formulas on arrays are those of the pages.


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_on_arrays_the_intervals_and_words_are_those_of_stats(case: coverage.Case) -> None:
    rng = np.random.default_rng(3)
    for n, m in RUNS:
        if case.drift == "alternating" and n != m:
            continue
        side, base = coverage.sides(case, rng, 25, n, m)
        side = side + rng.choice([0.0, 0.3], (25, 1))
        low, high = coverage.welch(side, base)
        slower, inside = coverage.worse(low, high), coverage.within(low, high)
        faster = coverage.worse(-high, -low)
        for row in range(25):
            least, most = stats.welch(list(side[row]), list(base[row]))
            assert low[row] == pytest.approx(least, rel=1e-7, abs=1e-12)
            assert high[row] == pytest.approx(most, rel=1e-7, abs=1e-12)
            times, others = summary(side[row]), summary(base[row])
            interval = stats.slowdown_interval(times, others, higher_is_better=False)
            word = stats.verdict(times, others, interval, MARGIN)
            assert slower[row] == (word == Word.SLOWER)
            assert faster[row] == (word == Word.FASTER)
            assert inside[row] == (word == Word.NO_DIFFERENCE)


# Coverage


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("times", [1, 2, 3, 5, 10])
def test_with_equal_numbers_of_runs_the_interval_holds_the_truth_in_94_percent(
    n: int, times: float
) -> None:
    assert covered(n, n, times, seed=1) >= 0.94


@pytest.mark.parametrize(("n", "m"), [(3, 5), (3, 10), (5, 10)])
def test_with_unequal_numbers_and_spreads_it_does_in_92_5_percent(n: int, m: int) -> None:
    found = {
        times: covered(n, m, times, seed=2) for times in (0.1, 0.2, 1 / 3, 0.5, 1, 2, 3, 5, 10)
    }
    assert min(found.values()) >= 0.925, found


# Verdicts


@pytest.mark.parametrize("ratio", [1.0, 2.0])
@pytest.mark.parametrize("spread", [0.005, 0.02, 0.05, 0.2])
def test_on_two_level_data_at_most_6_percent_of_verdicts_are_false(
    ratio: float, spread: float
) -> None:
    rng = np.random.default_rng([7, int(ratio), int(1000 * spread)])
    found = []
    for _ in range(2):
        level = ratio * spread * rng.standard_normal((DRAWS, 3, 1))
        noise = spread * rng.standard_normal((DRAWS, 3, REPETITIONS))
        found.append((level + noise).mean(axis=2))
    low, high = coverage.welch(*found)
    assert np.mean(coverage.worse(low, high) | coverage.worse(-high, -low)) <= 0.06


@pytest.mark.parametrize(("runs", "least"), [(3, 0.80), (5, 0.98)])
def test_three_percent_less_of_a_rate_is_found(runs: int, least: float) -> None:
    # At 0.5 % between the runs and 1 % within them, 3 repetitions.
    assert (coverage.EFFECT, coverage.BETWEEN, coverage.WITHIN) == (0.03, 0.005, 0.01)
    assert coverage.found_share(runs, DRAWS, seed=11) >= least


def test_repetitions_taken_for_runs_would_call_a_quarter_of_equal_machines_different() -> None:
    [case] = [case for case in CASES if case.pooled]
    found = coverage.rates(case, 20_000, seed=13)[0]
    assert found is not None
    assert found[1] > 0.25


# How many more runs


@pytest.mark.parametrize(
    ("effect", "spread_a", "spread_b"),
    [(0.1, 0.1, 0.1), (0.06, 0.02, 0.09), (0.0, 0.03, 0.03), (0.01, 0.01, 0.02)],
)
def test_the_runs_that_are_advised_decide_in_about_four_of_five_cases(
    effect: float, spread_a: float, spread_b: float
) -> None:
    def three(centre: float, spread: float) -> list[float]:
        return [centre - spread, centre, centre + spread]  # their standard deviation is spread

    more = stats.more_runs(three(effect, spread_a), three(0, spread_b), math.log1p(MARGIN))
    assert more is not None

    def decided(runs: int) -> float:
        rng = np.random.default_rng([17, runs])
        side = effect + spread_a * rng.standard_normal((20_000, runs))
        low, high = coverage.welch(side, spread_b * rng.standard_normal((20_000, runs)))
        words = coverage.worse(low, high) | coverage.worse(-high, -low)
        return float(np.mean(words | coverage.within(low, high)))

    assert 0.75 <= decided(3 + more) <= 0.9
    assert decided((3 + more) // 2) < 0.65


# The table of the methodology page


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_published_table_is_what_a_smaller_sample_gives(case: coverage.Case) -> None:
    [kept] = [one for one in KEPT["cases"] if one["id"] == case.id]
    assert kept["title"] == case.title
    draws = KEPT["draws"] // 10
    for column, found in enumerate(coverage.rates(case, draws, seed=23)):
        published = kept["rates"][column]
        assert (found is None) == (published is None)
        for ours, theirs in zip(found or (), published or (), strict=True):
            error = math.sqrt(theirs * (1 - theirs) * (1 / draws + 1 / KEPT["draws"]))
            assert abs(ours - theirs) <= ERRORS * error + 5e-5, (case.id, RUNS[column])


def test_the_published_shares_of_effects_found_are_what_a_smaller_sample_gives() -> None:
    draws = KEPT["draws"] // 10
    for kept in KEPT["found"]:
        for name in ("rate", "time"):
            ours = coverage.found_share(kept["runs"], draws, seed=29, rate=name == "rate")
            error = math.sqrt(kept[name] * (1 - kept[name]) * (1 / draws + 1 / KEPT["draws"]))
            assert abs(ours - kept[name]) <= ERRORS * error + 5e-5


def test_what_the_page_says_of_drift_and_of_skew_holds_in_the_published_table() -> None:
    held = {
        case["id"]: [rate[0] for rate in case["rates"] if rate is not None]
        for case in KEPT["cases"]
    }
    assert max(held["in-a-row"]) < 0.8
    assert min(held["alternating"]) > 0.95
    assert max(held["skewed-3"]) < 0.925


def test_the_published_table_says_how_it_was_drawn() -> None:
    for name in ("spread", "margin", "drift", "repetitions", "seed", "effect", "between", "within"):
        assert KEPT[name] == getattr(coverage, name.upper()), name
    assert KEPT["draws"] >= 20_000
    assert [tuple(pair) for pair in KEPT["runs"]] == list(RUNS)
