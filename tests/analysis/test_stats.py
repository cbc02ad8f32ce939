from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.special import stdtrit
from scipy.stats import binomtest, norm, t, ttest_ind

from sitegen.analysis import stats
from sitegen.analysis.replicates import Level
from sitegen.analysis.stats import Estimate, Interval, Summary, Tally, Word
from sitegen.analysis.student import t_quantile

MARGIN = 0.02
FREEDOMS = [1, 1.5, 2, 2.7, 3, 4, 5.5, 10.3, 30, 99.9, 100.1, 1e3, 1e4, 1e5]
FREEDOMS += [0.99e6, 1.01e6, 1e8, 1e10, 1e12, 1e15]
TURNED = {Word.SLOWER: Word.FASTER, Word.FASTER: Word.SLOWER}
positive = st.floats(1e-9, 1e12)
several = st.lists(positive, min_size=1, max_size=6)
sides = st.lists(several, min_size=1, max_size=5)
whole = st.lists(st.integers(-1000, 1000), min_size=2, max_size=9)
counts = st.lists(st.integers(0, 1000).map(float), min_size=3, max_size=5)


def summary(runs: Sequence[Sequence[float]], *, ratio: bool = True, step: float = 0) -> Summary:
    found = stats.summarise(runs, ratio=ratio, resolution=step)
    assert found is not None
    return found


def side(*runs: float) -> Summary:
    return summary([[value] for value in runs])


def plain(*runs: float) -> Summary:
    return summary([[value] for value in runs], ratio=False)


def cited(value: float, low: float, high: float, step: float = 0.0) -> Summary:
    found = stats.summarise(
        [[value]], ratio=True, rounding=(low, high), cited=True, resolution=step
    )
    assert found is not None
    return found


def slower(of: Summary, base: Summary, *, higher: bool = True, step: float = 0.0) -> Interval:
    found = stats.estimate(of, base, ratio=True, higher_is_better=higher, resolution=step)
    assert found is not None
    return found.interval.map(stats.exp)


def subtracted(of: Summary, base: Summary, **more: Any) -> Estimate:  # noqa: ANN401 - of `estimate`
    found = stats.estimate(of, base, ratio=False, **more)
    assert found is not None
    return found


def word(of: Summary, base: Summary) -> Word:
    found = stats.estimate(of, base, ratio=True, higher_is_better=True)
    return stats.words([(found, math.log1p(MARGIN))])[0] if found else Word.TOO_FEW


def count_word(of: Summary, base: Summary, margin: float, *, higher: bool = False) -> Word:
    found = subtracted(of, base)
    return stats.words([(found.reversed() if higher else found, margin)])[0]


# Quantiles, means and summaries


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("tests", [1, 1.25 * 6, 45])
def test_the_t_quantile_is_scipys_within_1e_9(freedom: float, tests: float) -> None:
    theirs = float(stdtrit(freedom, 1 - 0.025 / tests))
    assert t_quantile(freedom, tests) == pytest.approx(theirs, rel=1e-9)


@given(whole, whole)
def test_the_welch_interval_is_scipys(a: list[int], b: list[int]) -> None:
    ours, others = [x / 8 for x in a], [x / 8 for x in b]
    low, high = stats.welch(ours, others).ends()
    if len({*a}) == 1 or len({*b}) == 1:
        # SciPy warns of constant values; both constant: there is no spread to speak of.
        assert (low == high) == (len({*a}) == len({*b}))
        return
    interval = ttest_ind(ours, others, equal_var=False).confidence_interval(0.95)
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-9)


@given(several, st.booleans())
def test_a_runs_value_lies_within_its_repetitions(values: list[float], ratio: bool) -> None:  # noqa: FBT001 - drawn
    assert min(values) <= stats.run_value(values, ratio=ratio) <= max(values)
    assert stats.run_value(values[:1] * len(values), ratio=ratio) == values[0]


@pytest.mark.parametrize(
    ("values", "ratio", "mean"),
    [
        ([0.5, 2.0], True, 1.0),  # on a ratio scale twice and half cancel
        ([0.5, 2.0], False, 1.25),
        ([0.0, 4.0], True, 2.0),  # what has no logarithm is averaged as it is
        ([-1.0, 4.0], True, 1.5),
    ],
)
def test_a_runs_value_is_the_mean_of_its_scale(
    values: list[float], mean: float, *, ratio: bool
) -> None:
    assert stats.run_value(values, ratio=ratio) == pytest.approx(mean)


@given(sides, st.booleans())
def test_a_summary_lies_within_its_runs_and_inside_its_interval(
    runs: list[list[float]],
    ratio: bool,  # noqa: FBT001 - drawn
) -> None:
    found = summary(runs, ratio=ratio)
    assert found.runs == len(runs)
    assert found.repetitions == tuple(map(len, runs))
    assert min(found.values) <= found.value <= max(found.values)
    if found.interval is not None:
        assert found.interval.low <= found.value * (1 + 1e-9)
        assert found.interval.high >= found.value * (1 - 1e-9)
        assert found.interval.kind == ("replicates" if len(runs) > 1 else "repetitions")


def test_nothing_measured_has_no_summary_and_a_cited_figure_an_unknown_count() -> None:
    assert stats.summarise([], ratio=True) is None
    assert stats.summarise([[], ()], ratio=True) is None
    assert summary([[], [3.0]]) == side(3.0)
    printed = Interval(32.5, 33.5, "rounding")
    found = Summary(33.0, 0, (33.0,), (1,), printed, Level.RUN, (33.0,))
    assert cited(33.0, 32.5, 33.5) == found


# Slowdowns


def test_runs_fifty_orders_of_magnitude_apart_still_have_an_interval() -> None:
    far = side(1e-50, 1e50)
    assert far.interval is not None
    assert far.interval.high == slower(far, side(1.0, 1.0)).high == math.inf


@given(positive, positive, st.booleans())
def test_the_slowdowns_of_two_positive_sides_against_each_other_cancel(
    a: float,
    b: float,
    higher: bool,  # noqa: FBT001 - drawn
) -> None:
    there, back = (
        stats.slowdown(a, b, higher_is_better=higher),
        stats.slowdown(b, a, higher_is_better=higher),
    )
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1.0)
    assert (there > 1) == (a < b if higher else a > b)
    for pair in ((0.0, b), (a, 0.0), (-a, b)):
        assert stats.slowdown(*pair, higher_is_better=higher) is None


@pytest.mark.parametrize(
    ("factor", "of_times", "of_rates"),  # E/B - 1, 1 - E/B
    [(1.25, 0.25, 0.2), (1.0, 0, 0), (0.0, -1, -math.inf)],
)
def test_overhead_follows_the_convention_of_times_and_of_rates(
    factor: float, of_times: float, of_rates: float
) -> None:
    assert stats.overhead(factor, higher_is_better=False) == pytest.approx(of_times)
    assert stats.overhead(factor, higher_is_better=True) == pytest.approx(of_rates)


@given(sides, sides)
def test_the_interval_holds_the_slowdown_and_turns_with_the_sides(
    a: list[list[float]], b: list[list[float]]
) -> None:
    left, right = summary(a), summary(b)
    factor = stats.slowdown(left.value, right.value, higher_is_better=True)
    interval = stats.slowdown_interval(left, right, higher_is_better=True)
    if interval is not None and factor is not None:
        assert interval.low <= factor * (1 + 1e-9)
        assert interval.high >= factor * (1 - 1e-9)
    there = word(left, right)
    assert word(right, left) == TURNED.get(there, there)


@given(st.lists(positive, min_size=3, max_size=5), st.lists(positive, min_size=3, max_size=5))
def test_a_verdict_does_not_depend_on_the_direction_of_the_metric(
    rates: list[float], others: list[float]
) -> None:
    of, base = (side(*(1 / value for value in values)) for values in (rates, others))
    as_rates, as_times = slower(side(*rates), side(*others)), slower(of, base, higher=False)
    assert as_rates.low == pytest.approx(as_times.low, rel=1e-6)
    assert as_rates.high == pytest.approx(as_times.high, rel=1e-6)


ALONE = summary([[50.0, 51.0]])


@pytest.mark.parametrize(
    ("of", "base", "interval", "expected"),
    [
        (ALONE, summary([[99.0, 100.0]]), Interval(99 / 51, 100 / 50, "repetitions"), Word.TOO_FEW),
        (ALONE, side(99.0, 100.0, 101.0), None, Word.TOO_FEW),
        (
            cited(33_000.0, 32_500.0, 33_500.0),
            cited(259_000.0, 258_500.0, 259_500.0),
            Interval(258_500 / 33_500, 259_500 / 32_500, "rounding"),
            Word.TOO_FEW,
        ),
        (cited(0.2, -0.3, 0.7), cited(1.0, 0.5, 1.5), None, Word.TOO_FEW),  # it may be zero
    ],
)
def test_one_run_or_a_cited_figure_has_the_interval_of_its_own_and_no_verdict(
    of: Summary, base: Summary, interval: Interval | None, expected: Word
) -> None:
    assert stats.slowdown_interval(of, base, higher_is_better=True) == interval
    assert word(of, base) == expected


@pytest.mark.parametrize(
    ("of", "base", "expected"),
    [
        ((50.0, 51.0, 50.5), (100.0, 101.0, 99.0), Word.SLOWER),
        ((100.0, 101.0, 99.0), (50.0, 51.0, 50.5), Word.FASTER),
        ((100.0, 100.1, 99.9), (100.0, 100.1, 100.05), Word.NO_DIFFERENCE),
        ((100.0, 140.0, 80.0), (100.0, 130.0, 90.0), Word.INCONCLUSIVE),
        ((99.0, 99.01, 98.99), (100.0, 100.01, 99.99), Word.NO_DIFFERENCE),  # 1 % under 2 %
    ],
)
def test_the_word_of_an_interval_is_that_of_its_ends_and_its_middle(
    of: tuple[float, ...], base: tuple[float, ...], expected: Word
) -> None:
    assert slower(side(*of), side(*base)).kind == "replicates"
    assert word(side(*of), side(*base)) == expected


# Differences


@given(counts, counts)
def test_a_difference_is_welchs_on_the_run_values_and_turns_with_the_sides(
    a: list[float], b: list[float]
) -> None:
    of, base = plain(*a), plain(*b)
    assert subtracted(of, base) == stats.welch(a, b)
    first = count_word(of, base, 1.0)
    assert count_word(base, of, 1.0) == TURNED.get(first, first)
    assert count_word(of, base, 1.0, higher=True) == TURNED.get(first, first)


@pytest.mark.parametrize(
    ("of", "base", "margin", "expected"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, Word.NO_DIFFERENCE),
        ((500.0, 510.0, 490.0), (0.0, 0.0, 0.0), 1.0, Word.SLOWER),
        ((0.0, 0.0, 0.0), (500.0, 510.0, 490.0), 10.0, Word.FASTER),
        ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, Word.INCONCLUSIVE),
        ((10.0, 10.0, 10.0), (9.5, 9.5, 9.5), 1.0, Word.NO_DIFFERENCE),
        ((-5.0, -5.1, -4.9), (-1.0, -1.1, -0.9), 0.5, Word.FASTER),
        ((1e-150, 2e-150, 3e-150), (0.0, 1e-150, 5e-150), 2e-152, Word.INCONCLUSIVE),
        ((1e200, 2e200, 3e200), (0.0, 1e200, 5e200), 2e198, Word.INCONCLUSIVE),
    ],
)
def test_counts_that_can_be_zero_have_words_of_their_differences(
    of: tuple[float, ...], base: tuple[float, ...], margin: float, expected: Word
) -> None:
    assert count_word(plain(*of), plain(*base), margin) == expected


REPEATED = summary([[1.0, 3.0]], ratio=False)


@pytest.mark.parametrize(
    ("of", "base", "interval"),
    [
        (plain(5.0), plain(5.0, 6.0), None),
        (REPEATED, REPEATED, Interval(-2.0, 2.0, "repetitions")),
        (cited(3.0, 2.5, 3.5), cited(1.0, 0.5, 1.5), Interval(1.0, 3.0, "rounding")),
    ],
)
def test_below_two_runs_a_side_the_ends_of_the_intervals_are_subtracted(
    of: Summary, base: Summary, interval: Interval | None
) -> None:
    assert stats.estimate(of, base, ratio=False) is None
    assert stats.single_difference(of, base) == interval


# Proportions


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_of_a_proportion_is_scipys(trials: int, share: float) -> None:
    events = round(share * trials)
    theirs = binomtest(events, trials).proportion_ci(method="wilson")
    ends = pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)
    assert stats.wilson(Tally(events, trials)) == ends


@pytest.mark.parametrize(
    ("of", "base", "low", "high"),
    [  # Newcombe 1998, Table II, method 10
        (Tally(56, 70), Tally(48, 80), 0.0524, 0.3339),
        (Tally(9, 10), Tally(3, 10), 0.1705, 0.8090),
        (Tally(5, 56), Tally(0, 29), -0.0381, 0.1926),
        (Tally(0, 10), Tally(0, 20), -0.1611, 0.2775),
        (Tally(10, 10), Tally(0, 20), 0.6791, 1.0000),
    ],
)
def test_the_difference_of_proportions_is_the_published_one(
    of: Tally, base: Tally, low: float, high: float
) -> None:
    assert stats.newcombe(of, base) == pytest.approx((low, high), abs=6e-5)


def test_requests_that_fail_together_widen_the_interval_of_their_share() -> None:
    steady, bursts = plain(0.02, 0.02, 0.02), plain(0.0, 0.0, 0.06)
    pooled = Tally(180.0, 9000.0)
    binomial = stats.newcombe(pooled, pooled)
    alone = subtracted(bursts, steady)
    low, _ = replace(alone, counted=(pooled, pooled)).ends()
    assert low == alone.ends()[0] < binomial[0]
    assert replace(subtracted(steady, steady), counted=(pooled, pooled)).ends() == binomial


@pytest.mark.parametrize(
    ("trials", "expected"), [(60.0, Word.INCONCLUSIVE), (60_000.0, Word.NO_DIFFERENCE)]
)
def test_no_failure_among_few_requests_is_no_proof_that_there_are_none(
    trials: float, expected: Word
) -> None:
    never, tally = plain(0.0, 0.0, 0.0), Tally(0.0, trials)
    found = replace(subtracted(never, never), counted=(tally, tally))
    assert stats.words([(found, 0.001)]) == [expected]


# Words that hold together


def test_each_word_that_is_given_makes_the_next_ones_easier() -> None:
    margin = math.log1p(MARGIN)
    clear, close = stats.Estimate(0.5, 0.01, 4.0), stats.Estimate(0.05, 0.016, 4.0)
    assert stats.words([(close, margin)]) == [Word.SLOWER]
    assert stats.words([(close, margin)] * 2) == [Word.INCONCLUSIVE] * 2
    assert stats.words([(close, margin), (clear, margin)]) == [Word.SLOWER, Word.SLOWER]
    assert stats.words([]) == []


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 0.1)), max_size=8))
def test_no_word_is_given_among_several_that_is_not_given_alone(
    drawn: list[tuple[float, float]],
) -> None:
    tested = [(stats.Estimate(effect, error, 4.0), MARGIN) for effect, error in drawn]
    alone = [stats.words([one])[0] for one in tested]
    for together, word in zip(stats.words(tested), alone, strict=True):
        assert together in (word, Word.INCONCLUSIVE)


# Turns


@given(counts.filter(lambda values: len(values) > 2))
def test_what_the_two_of_a_turn_share_cancels(drift: list[float]) -> None:
    ours, theirs = [value + 5.0 for value in drift], drift
    found = subtracted(plain(*ours), plain(*theirs), turns=[(n, n) for n in range(len(drift))])
    assert found.ends() == pytest.approx((5.0, 5.0))
    assert found.freedom == len(drift) - 1


# Exact values


@pytest.mark.parametrize(
    ("of", "base", "higher", "expected"),
    [
        ((100.0, 100.0), (100.0,), False, Word.NO_DIFFERENCE),
        ((101.0,), (100.0, 100.0), False, Word.SLOWER),
        ((101.0,), (100.0,), True, Word.FASTER),
        ((99.0,), (100.0,), False, Word.FASTER),
        ((100.0, 101.0), (100.0,), False, Word.INCONCLUSIVE),
        ((), (100.0,), False, Word.INCONCLUSIVE),
    ],
)
def test_what_is_the_same_each_time_is_equal_or_not(
    of: tuple[float, ...], base: tuple[float, ...], expected: Word, *, higher: bool
) -> None:
    assert stats.equality_verdict(of, base, higher_is_better=higher) == expected


# Resolution


def test_half_a_step_of_the_tool_widens_an_interval_on_each_side() -> None:
    # Whole milliseconds: 5 may be 4.5 to 5.5, and 4 may be 3.5 to 4.5, in every run.
    of, base = side(0.005, 0.005, 0.005), side(0.004, 0.004, 0.004)
    found, exact = (slower(of, base, higher=False, step=step) for step in (0.001, 0.0))
    assert (found.low, found.high) == pytest.approx((4.5 / 4.5, 5.5 / 3.5))
    assert found.low <= 1 < exact.low
    assert subtracted(plain(5.0, 5.0), plain(4.0, 4.0), resolution=1.0).ends() == (0.0, 2.0)
    # A value within half a step of zero has no upper end.
    near = side(0.0004, 0.0004)
    assert slower(of, near, higher=False, step=0.001).high == math.inf
    assert slower(near, of, higher=False, step=0.001).low == 0


@pytest.mark.parametrize(
    ("found", "interval"),
    [
        (summary([[3.0, 5.0]]), Interval(3.0, 5.0, "repetitions")),
        (summary([[3.0, 5.0]], step=1.0), Interval(2.5, 5.5, "repetitions")),
        (summary([[0.2, 5.0]], step=1.0), Interval(0.0, 5.5, "repetitions")),
        (cited(3.0, 2.9, 3.1, step=1.0), Interval(2.9, 3.1, "rounding")),
    ],
)
def test_a_summary_of_a_tool_that_rounds_is_wider_by_half_a_step_at_each_end(
    found: Summary, interval: Interval
) -> None:
    assert found.interval == interval


# More replicates


def expected_power(n: int, effect: float, a: float, b: float) -> float:
    """Return what `more_replicates` promises for spreads a and b, from scipy's distributions."""
    error = math.sqrt((a * a + b * b) / n)
    freedom = (n - 1) * (a * a + b * b) ** 2 / (a**4 + b**4)
    half = float(t.ppf(0.975, freedom)) * error
    middle = norm(effect, error)
    inside, past = max(MARGIN - half, 0), max(half, MARGIN)
    tails = float(middle.sf(past) + middle.cdf(-past))
    return tails + float(middle.cdf(inside) - middle.cdf(-inside))


@pytest.mark.parametrize(
    ("effect", "a", "b"),
    [
        (0.1, 0.1, 0.1), (0.05, 0.03, 0.03), (0.0, 0.02, 0.02), (-0.1, 0.15, 0.15),
        (0.1, 0.065, 0.0), (0.1, 0.05, 0.01), (0.3, 0.01, 0.2),
    ],
)  # fmt: skip
def test_the_number_of_runs_that_decide_is_the_least_with_the_power(
    effect: float, a: float, b: float
) -> None:
    more = stats.more_replicates([effect - a, effect, effect + a], [-b, 0.0, b], MARGIN)
    enough = next(
        n for n in range(3, stats.MOST_REPLICATES) if expected_power(n, effect, a, b) >= 0.8
    )
    assert more == max(enough - 3, 1)


def test_the_side_with_fewer_runs_is_told_how_many() -> None:
    few = [-0.1, 0.0, 0.1]
    found, equal = (stats.more_replicates([0.0, 0.1, 0.2], base, MARGIN) for base in (few * 3, few))
    assert found is not None
    assert equal is not None
    assert abs(found - equal) <= 3


@pytest.mark.parametrize(
    ("effect", "spread", "blur"),
    [
        (0.021, 0.02, 0.0),  # so near the margin that no number helps
        (0.1, 2.0, 0.0),  # a hundred runs are not enough
        (0.1, 0.01, 0.2),  # the tool is too coarse
        (1e200, 1e200, 0.0),  # no float holds the spread
    ],
)
def test_where_no_number_of_runs_would_decide_none_is_named(
    effect: float, spread: float, blur: float
) -> None:
    of = [effect - spread, effect, effect + spread]
    assert stats.more_replicates(of, [-spread, 0.0, spread], MARGIN, blur=blur) is None


def test_no_failures_at_all_are_decided_by_more_requests() -> None:
    never, tally = [0.0, 0.0, 0.0], Tally(0.0, 3000.0)
    more = stats.more_replicates(never, never, 0.001, counted=(tally, tally))
    # No failure among n leaves up to z^2 / (n + z^2); four times in five it shall stay below 0.1 %,
    # which is 1.28 / 1.96 of it more: 6,350 requests, and so seven runs of 1,000.
    assert more == 4
    assert (
        stats.more_replicates(never, never, 0.001, counted=(Tally(0.0, 30.0), Tally(0.0, 30.0)))
        is None
    )
