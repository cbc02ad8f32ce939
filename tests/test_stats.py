from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference
from scipy.special import stdtrit

from sitegen.stats import (
    Interval,
    Summary,
    Word,
    overhead,
    run_value,
    slowdown,
    slowdown_interval,
    summarise,
    t_quantile,
    verdict,
    welch,
)

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
