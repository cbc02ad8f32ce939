from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from scipy.special import stdtrit

from sitegen.analysis.stats import (
    MOST_RUNS,
    Interval,
    Summary,
    Tally,
    Word,
    difference_interval,
    difference_verdict,
    equality_verdict,
    more_runs,
    newcombe,
    overhead,
    proportion_interval,
    run_value,
    slowdown,
    slowdown_interval,
    summarise,
    verdict,
    welch,
    wilson,
)
from sitegen.analysis.student import t_quantile

MARGIN = 0.02
FREEDOMS = [0.1, 0.5, 1, 1.5, 2, 2.7, 3, 4, 5.5, 10.3, 30, 99.9, 100.1, 1e3, 1e4, 1e5]
FREEDOMS += [0.99e6, 1.01e6, 1e8, 1e10, 1e12, 1e15]
positive = st.floats(1e-9, 1e12)
several = st.lists(positive, min_size=1, max_size=6)
sides = st.lists(several, min_size=1, max_size=5)


def side(*runs: float, ratio: bool = True) -> Summary:
    found = summarise([[value] for value in runs], ratio=ratio)
    assert found is not None
    return found


def word(of: Summary, base: Summary, *, higher_is_better: bool = True) -> Word:
    interval = slowdown_interval(of, base, higher_is_better=higher_is_better)
    return verdict(of, base, interval, MARGIN)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("p", [0.5, 0.5001, 0.6, 0.9, 0.975, 0.995, 0.9999, 0.025, 0.1])
def test_the_t_quantile_is_scipys_within_1e_9(p: float, freedom: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(float(stdtrit(freedom, p)), rel=1e-9, abs=1e-9)


@given(st.floats(0.501, 0.9999), st.floats(0.5, 200))
def test_the_t_quantile_is_scipys_for_any_degrees_of_freedom(p: float, freedom: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(float(stdtrit(freedom, p)), rel=1e-9)
    assert t_quantile(1 - p, freedom) == pytest.approx(-t_quantile(p, freedom), rel=1e-9)


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=9),
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=9),
)
def test_the_welch_interval_is_scipys(a: list[int], b: list[int]) -> None:
    difference, low, high = welch([x / 8 for x in a], [x / 8 for x in b])
    assert low <= difference <= high
    if len({*a}) == 1 or len({*b}) == 1:
        # SciPy warns of constant values; both constant: there is no spread to speak of.
        assert (low == high) == (len({*a}) == len({*b}))
        return
    theirs = reference.ttest_ind([x / 8 for x in a], [x / 8 for x in b], equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert low == pytest.approx(interval.low, rel=1e-9, abs=1e-9)
    assert high == pytest.approx(interval.high, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_95_percent_interval_holds_the_truth_in_94_percent_of_20000_draws(n: int) -> None:
    draw = random.Random(n)  # noqa: S311 - simulation
    inside = 0
    for _ in range(20_000):
        a = [draw.gauss(0.3, 1.0) for _ in range(n)]
        b = [draw.gauss(0.0, 1.5) for _ in range(n)]
        _, low, high = welch(a, b)
        inside += low <= 0.3 <= high
    assert inside / 20_000 >= 0.94


@given(several, st.booleans())
def test_a_runs_value_lies_within_its_repetitions(values: list[float], ratio: bool) -> None:  # noqa: FBT001 - drawn
    assert min(values) <= run_value(values, ratio=ratio) <= max(values)


@given(positive, st.integers(1, 5))
def test_equal_repetitions_are_their_own_mean(value: float, count: int) -> None:
    assert run_value([value] * count, ratio=True) == value


def test_on_a_ratio_scale_twice_and_half_cancel() -> None:
    assert run_value([0.5, 2.0], ratio=True) == pytest.approx(1.0)
    assert run_value([0.5, 2.0], ratio=False) == 1.25


def test_values_without_a_logarithm_are_averaged_as_they_are() -> None:
    assert run_value([0.0, 4.0], ratio=True) == 2.0
    assert run_value([-1.0, 4.0], ratio=True) == 1.5


@given(sides, st.booleans())
def test_a_summary_lies_within_its_runs_and_inside_its_interval(
    runs: list[list[float]],
    ratio: bool,  # noqa: FBT001 - drawn
) -> None:
    found = summarise(runs, ratio=ratio)
    assert found is not None
    assert found.runs == len(runs)
    assert found.repetitions == tuple(map(len, runs))
    assert min(found.values) <= found.value <= max(found.values)
    if found.interval is not None:
        assert found.interval.low <= found.value * (1 + 1e-9)
        assert found.interval.high >= found.value * (1 - 1e-9)
        assert found.interval.kind == ("runs" if len(runs) > 1 else "repetitions")


def test_repetitions_of_one_run_count_as_one_value() -> None:
    many = summarise([[1.0] * 50, [2.0]], ratio=True)
    few = summarise([[1.0], [2.0]], ratio=True)
    assert many is not None
    assert few is not None
    assert (many.value, many.interval) == (few.value, few.interval)


def test_nothing_measured_has_no_summary() -> None:
    assert summarise([], ratio=True) is None
    assert summarise([[], ()], ratio=True) is None


def test_a_run_without_values_is_not_counted() -> None:
    found = summarise([[], [3.0]], ratio=True)
    assert found is not None
    assert (found.runs, found.values) == (1, (3.0,))


def test_a_cited_figure_has_an_unknown_count_and_the_interval_of_its_rounding() -> None:
    found = summarise([[33.0]], ratio=True, rounding=(32.5, 33.5), cited=True)
    assert found == Summary(33.0, 0, (33.0,), (1,), Interval(32.5, 33.5, "rounding"))


def test_runs_fifty_orders_of_magnitude_apart_still_have_an_interval() -> None:
    far = side(1e-50, 1e50)
    assert far.interval is not None
    assert far.interval.high == math.inf
    found = slowdown_interval(far, side(1.0, 1.0), higher_is_better=True)
    assert found is not None
    assert found.high == math.inf


@given(positive, positive, st.booleans())
def test_the_slowdowns_of_two_sides_against_each_other_cancel(
    a: float,
    b: float,
    higher: bool,  # noqa: FBT001 - drawn
) -> None:
    there, back = (
        slowdown(a, b, higher_is_better=higher),
        slowdown(b, a, higher_is_better=higher),
    )
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1.0)
    assert (there > 1) == (a < b if higher else a > b)


@pytest.mark.parametrize(("value", "baseline"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 2.0)])
def test_a_value_that_is_not_positive_has_no_slowdown(value: float, baseline: float) -> None:
    assert slowdown(value, baseline, higher_is_better=True) is None


def test_overhead_follows_the_convention_of_times_and_of_rates() -> None:
    assert overhead(1.25, higher_is_better=False) == pytest.approx(0.25)  # E/B - 1
    assert overhead(1.25, higher_is_better=True) == pytest.approx(0.2)  # 1 - E/B
    assert overhead(1.0, higher_is_better=True) == overhead(1.0, higher_is_better=False) == 0
    # The lower end of an interval may be 0: as much faster as one likes.
    assert overhead(0.0, higher_is_better=True) == -math.inf
    assert overhead(0.0, higher_is_better=False) == -1


@given(sides, sides)
def test_the_interval_holds_the_slowdown_itself(a: list[list[float]], b: list[list[float]]) -> None:
    left, right = summarise(a, ratio=True), summarise(b, ratio=True)
    assert left is not None
    assert right is not None
    factor = slowdown(left.value, right.value, higher_is_better=True)
    interval = slowdown_interval(left, right, higher_is_better=True)
    if interval is not None and factor is not None:
        assert interval.low <= factor * (1 + 1e-9)
        assert interval.high >= factor * (1 - 1e-9)


@given(sides, sides)
def test_what_is_slower_one_way_is_faster_the_other_way(
    a: list[list[float]], b: list[list[float]]
) -> None:
    left, right = summarise(a, ratio=True), summarise(b, ratio=True)
    assert left is not None
    assert right is not None
    turned = {Word.SLOWER: Word.FASTER, Word.FASTER: Word.SLOWER}
    there = word(left, right)
    assert word(right, left) == turned.get(there, there)


@given(st.lists(positive, min_size=3, max_size=5), st.lists(positive, min_size=3, max_size=5))
def test_a_verdict_does_not_depend_on_the_direction_of_the_metric(
    rates: list[float], others: list[float]
) -> None:
    times = side(*(1 / value for value in rates)), side(*(1 / value for value in others))
    as_rates = slowdown_interval(side(*rates), side(*others), higher_is_better=True)
    as_times = slowdown_interval(*times, higher_is_better=False)
    assert as_rates is not None
    assert as_times is not None
    assert as_rates.low == pytest.approx(as_times.low, rel=1e-6)
    assert as_rates.high == pytest.approx(as_times.high, rel=1e-6)


def test_one_run_a_side_never_gets_a_verdict() -> None:
    of, base = summarise([[50.0, 51.0]], ratio=True), summarise([[99.0, 100.0]], ratio=True)
    assert of is not None
    assert base is not None
    interval = slowdown_interval(of, base, higher_is_better=True)
    assert interval == Interval(99 / 51, 100 / 50, "repetitions")
    assert word(of, base) == Word.ONE_RUN


def test_a_single_run_against_many_has_no_interval_and_no_verdict() -> None:
    alone = summarise([[50.0, 51.0]], ratio=True)
    assert alone is not None
    many = side(99.0, 100.0, 101.0)
    assert slowdown_interval(alone, many, higher_is_better=True) is None
    assert word(alone, many) == Word.ONE_RUN


def test_two_runs_a_side_have_an_interval_and_no_verdict() -> None:
    of, base = side(50.0, 51.0), side(100.0, 101.0)
    interval = slowdown_interval(of, base, higher_is_better=True)
    assert interval is not None
    assert interval.kind == "runs"
    assert word(of, base) == Word.TWO_RUNS


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
def test_three_runs_a_side_get_a_verdict(
    of: tuple[float, ...], base: tuple[float, ...], expected: Word
) -> None:
    assert word(side(*of), side(*base)) == expected


def test_a_cited_pair_gets_the_interval_of_its_rounding_and_no_verdict() -> None:
    of = summarise([[33_000.0]], ratio=True, rounding=(32_500.0, 33_500.0), cited=True)
    base = summarise([[259_000.0]], ratio=True, rounding=(258_500.0, 259_500.0), cited=True)
    assert of is not None
    assert base is not None
    found = slowdown_interval(of, base, higher_is_better=True)
    assert found == Interval(258_500 / 33_500, 259_500 / 32_500, "rounding")
    assert word(of, base) == Word.ONE_RUN


def test_a_baseline_that_may_be_zero_gives_no_interval() -> None:
    of = summarise([[1.0]], ratio=True, rounding=(0.5, 1.5), cited=True)
    base = summarise([[0.2]], ratio=True, rounding=(-0.3, 0.7), cited=True)
    assert of is not None
    assert base is not None
    assert slowdown_interval(of, base, higher_is_better=False) is None


def test_identical_machines_are_called_different_in_at_most_6_percent_of_cases() -> None:
    # Between-run spread twice the within-run spread; 3 runs of 3 repetitions a side.
    draw = random.Random(20250101)  # noqa: S311 - simulation
    between, within, rounds = 0.10, 0.05, 2_000

    def machine() -> Summary:
        runs = []
        for _ in range(3):
            level = draw.gauss(0, between)
            runs.append([100 * math.exp(level + draw.gauss(0, within)) for _ in range(3)])
        found = summarise(runs, ratio=True)
        assert found is not None
        return found

    words = [word(machine(), machine()) for _ in range(rounds)]
    wrong = sum(found in (Word.SLOWER, Word.FASTER) for found in words)
    assert wrong / rounds <= 0.06


# Differences


counts = st.lists(st.integers(0, 1000).map(float), min_size=3, max_size=5)


def plain(*runs: float) -> Summary:
    return side(*runs, ratio=False)


@given(counts, counts)
def test_a_difference_is_welchs_on_the_run_values(a: list[float], b: list[float]) -> None:
    found = difference_interval(plain(*a), plain(*b))
    assert found == Interval(*welch(a, b)[1:], "runs")


@given(counts, counts)
def test_worse_by_a_difference_one_way_is_better_the_other_way(
    a: list[float], b: list[float]
) -> None:
    def told(of: Summary, base: Summary, *, higher: bool) -> Word:
        interval = difference_interval(of, base)
        return difference_verdict(of, base, interval, 1.0, higher_is_better=higher)

    turned = {Word.SLOWER: Word.FASTER, Word.FASTER: Word.SLOWER}
    first = told(plain(*a), plain(*b), higher=False)
    assert told(plain(*b), plain(*a), higher=False) == turned.get(first, first)
    assert told(plain(*a), plain(*b), higher=True) == turned.get(first, first)


@pytest.mark.parametrize(
    ("of", "base", "margin", "expected"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, Word.NO_DIFFERENCE),
        ((500.0, 510.0, 490.0), (0.0, 0.0, 0.0), 1.0, Word.SLOWER),
        ((0.0, 0.0, 0.0), (500.0, 510.0, 490.0), 10.0, Word.FASTER),
        ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, Word.INCONCLUSIVE),
        ((10.0, 10.0, 10.0), (9.5, 9.5, 9.5), 1.0, Word.NO_DIFFERENCE),
        ((-5.0, -5.1, -4.9), (-1.0, -1.1, -0.9), 0.5, Word.FASTER),
    ],
)
def test_counts_that_can_be_zero_get_a_verdict(
    of: tuple[float, ...], base: tuple[float, ...], margin: float, expected: Word
) -> None:
    interval = difference_interval(plain(*of), plain(*base))
    told = difference_verdict(plain(*of), plain(*base), interval, margin, higher_is_better=False)
    assert told == expected


def test_differences_of_one_and_of_two_runs_get_no_verdict() -> None:
    one, two = plain(5.0), plain(5.0, 6.0)
    for of, expected in ((one, Word.ONE_RUN), (two, Word.TWO_RUNS)):
        interval = difference_interval(of, two)
        told = difference_verdict(of, two, interval, 0.0, higher_is_better=False)
        assert told == expected
    assert difference_interval(one, two) is None
    repeated = summarise([[1.0, 3.0]], ratio=False)
    assert repeated is not None
    assert difference_interval(repeated, repeated) == Interval(-2.0, 2.0, "repetitions")


def test_cited_figures_are_subtracted_with_the_rounding_of_their_print() -> None:
    of = summarise([[3.0]], ratio=False, rounding=(2.5, 3.5), cited=True)
    base = summarise([[1.0]], ratio=False, rounding=(0.5, 1.5), cited=True)
    assert of is not None
    assert base is not None
    assert difference_interval(of, base) == Interval(1.0, 3.0, "rounding")


@pytest.mark.parametrize("size", [1e-150, 1e200])
def test_counts_of_any_size_stop_no_report(size: float) -> None:
    of, base = plain(size, 2 * size, 3 * size), plain(0.0, size, 5 * size)
    interval = difference_interval(of, base)
    assert interval is not None
    told = difference_verdict(of, base, interval, size / 50, higher_is_better=False)
    assert told == Word.INCONCLUSIVE
    more_runs(of.values, base.values, size / 50)


# Proportions


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_of_a_proportion_is_scipys(trials: int, share: float) -> None:
    events = round(share * trials)
    theirs = reference.binomtest(events, trials).proportion_ci(method="wilson")
    low, high = wilson(Tally(events, trials))
    assert low == pytest.approx(theirs.low, rel=1e-9, abs=1e-12)
    assert high == pytest.approx(theirs.high, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("side_", "base", "low", "high"),
    [  # Newcombe 1998, Table II, method 10
        (Tally(56, 70), Tally(48, 80), 0.0524, 0.3339),
        (Tally(9, 10), Tally(3, 10), 0.1705, 0.8090),
        (Tally(5, 56), Tally(0, 29), -0.0381, 0.1926),
        (Tally(0, 10), Tally(0, 20), -0.1611, 0.2775),
        (Tally(10, 10), Tally(0, 20), 0.6791, 1.0000),
    ],
)
def test_the_difference_of_proportions_is_the_published_one(
    side_: Tally, base: Tally, low: float, high: float
) -> None:
    _, least, most = newcombe(side_, base)
    assert least == pytest.approx(low, abs=6e-5)
    assert most == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(
    ("p", "q", "n", "m"), [(0.1, 0.1, 60, 60), (0.02, 0.1, 80, 40), (0.5, 0.3, 50, 70)]
)
def test_the_difference_of_proportions_holds_the_truth_in_94_percent(
    p: float, q: float, n: int, m: int
) -> None:
    # Over all outcomes, each as likely as it is: no draws.
    def likely(trials: int, share: float) -> list[float]:
        return [
            math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(trials + 1)
        ]

    covered = 0.0
    for k, of_k in enumerate(likely(n, p)):
        for j, of_j in enumerate(likely(m, q)):
            _, low, high = newcombe(Tally(k, n), Tally(j, m))
            covered += of_k * of_j * (low <= p - q <= high)
    assert covered >= 0.94


def test_requests_that_fail_together_widen_the_interval_of_their_share() -> None:
    steady, bursts = plain(0.02, 0.02, 0.02), plain(0.0, 0.0, 0.06)
    pooled = Tally(180.0, 9000.0)
    binomial = newcombe(pooled, pooled)
    found = proportion_interval(bursts, steady, (pooled, pooled))
    assert found is not None
    assert found.low == welch(bursts.values, steady.values)[1] < binomial[1]
    assert found.kind == "runs"
    calm = proportion_interval(steady, steady, (pooled, pooled))
    assert calm == Interval(*binomial[1:], "runs")


def test_no_failure_among_few_requests_is_no_proof_that_there_are_none() -> None:
    never = plain(0.0, 0.0, 0.0)
    few, many = Tally(0.0, 60.0), Tally(0.0, 60_000.0)
    for tally, expected in ((few, Word.INCONCLUSIVE), (many, Word.NO_DIFFERENCE)):
        interval = proportion_interval(never, never, (tally, tally))
        told = difference_verdict(never, never, interval, 0.001, higher_is_better=False)
        assert told == expected


def test_one_run_of_many_requests_has_the_interval_of_its_counts_and_no_verdict() -> None:
    of, base = plain(0.02), plain(0.0)
    tallies = (Tally(20.0, 1000.0), Tally(0.0, 1000.0))
    interval = proportion_interval(of, base, tallies)
    assert interval == Interval(*newcombe(*tallies)[1:], "counts")
    assert difference_verdict(of, base, interval, 0.001, higher_is_better=False) == Word.ONE_RUN


def test_without_a_count_proportions_are_subtracted_as_run_values() -> None:
    of, base = plain(0.02, 0.03, 0.04), plain(0.0, 0.01, 0.0)
    assert proportion_interval(of, base, None) == difference_interval(of, base)
    nothing = (Tally(0.0, 0.0), Tally(0.0, 9.0))
    assert proportion_interval(of, base, nothing) == difference_interval(of, base)


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
    of: tuple[float, ...],
    base: tuple[float, ...],
    higher: bool,  # noqa: FBT001 - a case
    expected: Word,
) -> None:
    assert equality_verdict(of, base, higher_is_better=higher) == expected


# Resolution


def test_half_a_step_of_the_tool_widens_an_interval_on_each_side() -> None:
    # Whole milliseconds: 5 may be 4.5 to 5.5, and 4 may be 3.5 to 4.5, in every run.
    of, base = side(0.005, 0.005, 0.005), side(0.004, 0.004, 0.004)
    found = slowdown_interval(of, base, higher_is_better=False, resolution=0.001)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((4.5 / 4.5, 5.5 / 3.5))
    assert verdict(of, base, found, MARGIN) == Word.INCONCLUSIVE
    exact = slowdown_interval(of, base, higher_is_better=False)
    assert exact is not None
    assert verdict(of, base, exact, MARGIN) == Word.SLOWER


def test_a_value_within_half_a_step_of_zero_has_no_upper_end() -> None:
    of, base = side(0.005, 0.005), side(0.0004, 0.0004)
    found = slowdown_interval(of, base, higher_is_better=False, resolution=0.001)
    assert found is not None
    assert found.high == math.inf
    back = slowdown_interval(base, of, higher_is_better=False, resolution=0.001)
    assert back is not None
    assert back.low == 0


def test_a_summary_of_a_tool_that_rounds_is_wider_by_half_a_step_at_each_end() -> None:
    fine = summarise([[3.0, 5.0]], ratio=True)
    coarse = summarise([[3.0, 5.0]], ratio=True, resolution=1.0)
    assert fine is not None
    assert coarse is not None
    assert (fine.interval, coarse.interval) == (
        Interval(3.0, 5.0, "repetitions"),
        Interval(2.5, 5.5, "repetitions"),
    )
    least = summarise([[0.2, 5.0]], ratio=True, resolution=1.0)
    assert least is not None
    assert least.interval == Interval(0.0, 5.5, "repetitions")
    cited = summarise([[3.0]], ratio=True, rounding=(2.9, 3.1), cited=True, resolution=1.0)
    assert cited is not None
    assert cited.interval == Interval(2.9, 3.1, "rounding")


def test_a_difference_moves_by_half_a_step_of_each_side() -> None:
    found = difference_interval(plain(5.0, 5.0), plain(4.0, 4.0), resolution=1.0)
    assert found == Interval(0.0, 2.0, "runs")


# More runs


def expected_power(n: int, effect: float, a: float, b: float, margin: float) -> float:
    """Return what `more_runs` promises for spreads a and b, from scipy's distributions."""
    error = math.sqrt((a * a + b * b) / n)
    freedom = (n - 1) * (a * a + b * b) ** 2 / (a**4 + b**4)
    half = float(reference.t.ppf(0.975, freedom)) * error
    middle = reference.norm(effect, error)
    inside = max(margin - half, 0)
    past = max(half, margin)
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
    more = more_runs([effect - a, effect, effect + a], [-b, 0.0, b], MARGIN)
    assert more is not None
    enough = [n for n in range(3, MOST_RUNS) if expected_power(n, effect, a, b, MARGIN) >= 0.8]
    assert more == max(enough[0] - 3, 1)


def test_the_side_with_fewer_runs_is_told_how_many() -> None:
    few, many = [-0.1, 0.0, 0.1], [-0.1, 0.0, 0.1] * 3
    found = more_runs([0.1 + v for v in few], many, MARGIN)
    equal = more_runs([0.1 + v for v in few], few, MARGIN)
    assert found is not None
    assert equal is not None
    assert abs(found - equal) <= 3


@pytest.mark.parametrize(
    ("effect", "spread", "blur"),
    [
        (0.021, 0.02, 0.0),  # so near the margin that no number helps
        (0.1, 2.0, 0.0),  # a hundred runs are not enough
        (0.1, 0.01, 0.2),  # the tool is too coarse
    ],
)
def test_where_no_number_of_runs_would_decide_none_is_named(
    effect: float, spread: float, blur: float
) -> None:
    of = [effect - spread, effect, effect + spread]
    assert more_runs(of, [-spread, 0.0, spread], MARGIN, blur=blur) is None


def test_no_failures_at_all_are_decided_by_more_requests() -> None:
    never, tally = [0.0, 0.0, 0.0], Tally(0.0, 3000.0)
    more = more_runs(never, never, 0.001, counted=(tally, tally))
    # No failure among n leaves up to z^2 / (n + z^2); four times in five it shall stay below 0.1 %,
    # which is 1.28 / 1.96 of it more: 6,350 requests, and so seven runs of 1,000.
    assert more == 4
    assert more_runs(never, never, 0.001, counted=(Tally(0.0, 30.0), Tally(0.0, 30.0))) is None
