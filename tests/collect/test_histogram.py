from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sitegen.collect import histogram

BINS = st.dictionaries(st.integers(0, 10**9), st.integers(1, 1000), min_size=1, max_size=200)


@given(BINS, st.floats(0.1, 100))
def test_percentile_is_the_nearest_rank(bins: dict[int, int], percent: float) -> None:
    values = sorted(value for value, times in bins.items() for _ in range(times))
    rank = max(1, math.ceil(percent / 100 * len(values)))
    assert histogram.percentile(bins, percent) in {
        values[rank - 1],
        # The product may round to either side of a whole rank.
        values[min(rank, len(values) - 1)],
        values[max(rank - 2, 0)],
    }


@given(BINS, st.lists(st.floats(0.1, 100)))
def test_percentiles_are_those_one_by_one(bins: dict[int, int], percents: list[float]) -> None:
    each = [histogram.percentile(bins, percent) for percent in percents]
    assert histogram.percentiles(bins, percents) == each


@given(BINS)
def test_coarse_keeps_every_count_and_the_mean_in_few_bins(bins: dict[int, int]) -> None:
    cells = list(histogram.coarse(bins))
    assert len(cells) <= 60
    assert sum(times for _, times in cells) == sum(bins.values())
    assert math.isclose(
        sum(value * times for value, times in cells),
        sum(value * times for value, times in bins.items()),
        rel_tol=1e-9,
    )
    assert [value for value, _ in cells] == sorted(value for value, _ in cells)


def test_coarse_of_nothing_is_nothing_and_of_one_value_that_value() -> None:
    assert list(histogram.coarse({})) == []
    assert list(histogram.coarse({7: 3})) == [(7.0, 3)]
