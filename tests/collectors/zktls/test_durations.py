from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.zktls import durations
from sitegen.errors import SitegenError

NANOS = st.integers(min_value=1, max_value=10**15)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m32.7s", 92.7),
        ("81.79s", 81.79),
        ("81.792756724s", 81.792756724),
        ("2.71s", 2.71),
        ("820ms", 0.82),
        ("59µs", 0.000059),
        ("59μs", 0.000059),  # the Greek letter, as some tools print it
        ("59us", 0.000059),
        ("959ns", 9.59e-7),
        ("1h2m3s", 3723.0),
        ("1h 2m 3.5s", 3723.5),
        ("1,234 ms", 1.234),
        ("12 min", 720.0),
        ("3 seconds", 3.0),
        ("0s", None),
        ("", None),
        ("  ", None),
        ("-", None),
        ("N/A", None),
        ("null", None),
    ],
)
def test_all_forms_of_a_duration_are_read(text: str, seconds: float | None) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("12", "s", "1s2m", "1m1m", "1m32.7", "1.2.3s", "-1s", "+1s", "1,23s", "12,345,6s"),
        *("nan", "inf s", "1e400s", "١٢s", "1 fortnight", "9" * 100 + "s", "1e9d"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SitegenError):
        durations.seconds(text)


def test_a_number_takes_the_unit_of_its_column() -> None:
    assert durations.seconds("5210.734", "ms") == 5.210734
    assert durations.seconds("1,500", "ms") == 1.5
    assert durations.seconds("0", "ms") is None
    assert durations.seconds("2s", "ms") == 2.0


@given(NANOS)
def test_every_form_of_a_duration_goes_round(nanos: int) -> None:
    exact = nanos / 10**9
    whole, rest = divmod(nanos, 10**9)
    minutes, seconds = divmod(whole, 60)
    decimal = f"{whole}.{rest:09d}"
    assert durations.seconds(f"{decimal}s") == float(decimal) == exact
    assert durations.seconds(f"{minutes}m{seconds}.{rest:09d}s") == exact
    assert durations.seconds(f"{nanos}ns") == exact
    assert durations.seconds(f"{nanos:,} ns") == exact
    assert durations.seconds(decimal, "s") == exact
    assert durations.of_parts({"secs": whole, "nanos": rest}) == exact


@given(st.integers(min_value=1, max_value=10**11))
def test_milliseconds_go_round(ms: int) -> None:
    assert durations.of_milliseconds(ms) == durations.seconds(f"{ms}ms") == ms / 1000
    assert durations.seconds(f"{ms:,}", "ms") == ms / 1000


@given(st.text(max_size=60))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    for parse in (durations.seconds, durations.size, durations.number, durations.count):
        try:
            value = parse(text)
        except SitegenError:
            continue
        assert value is None or (math.isfinite(value) and value > 0)


@pytest.mark.parametrize(
    "parts",
    [
        *(5, [], {}, {"secs": 1}, {"secs": -1, "nanos": 0}, {"secs": 1, "nanos": 10**9}),
        *({"secs": True, "nanos": 0}, {"secs": 1.5, "nanos": 0}, {"secs": 10**12, "nanos": 0}),
        {"secs": 1, "nanos": 0, "more": 1},
    ],
)
def test_what_is_no_duration_in_parts_is_refused(parts: object) -> None:
    with pytest.raises(SitegenError, match=r"not a duration|longer"):
        durations.of_parts(parts)


def test_parts_of_nothing_are_absent() -> None:
    assert durations.of_parts(None) is None
    assert durations.of_parts({"secs": 0, "nanos": 0}) is None
    assert durations.of_milliseconds(None) is None
    assert durations.of_milliseconds(0) is None


@pytest.mark.parametrize("value", [True, "5", -1, float("nan"), float("inf"), 10**13, []])
def test_what_is_no_number_of_milliseconds_is_refused(value: object) -> None:
    with pytest.raises(SitegenError):
        durations.of_milliseconds(value)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        *((8340752, 8340752), ("8,340,752", 8340752), ("8_340_752", 8340752)),
        *((0, None), ("0", None), ("", None), (None, None)),
    ],
)
def test_counts_are_whole_and_0_is_absent(value: object, count: int | None) -> None:
    assert durations.count(value) == count


@pytest.mark.parametrize("value", ["1.5", "83,40", True, -3, 1.5, 2**60, "9" * 30, [1]])
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(SitegenError):
        durations.count(value)


def test_cycles_are_user_or_user_and_total() -> None:
    assert durations.cycle_counts("37,758,703 / 41,943,040") == (37758703, 41943040)
    assert durations.cycle_counts("22,102,574") == (22102574, None)
    assert durations.cycle_counts("") == (None, None)
    assert durations.cycle_counts(" / 41,943,040") == (None, 41943040)
    with pytest.raises(SitegenError, match="more user cycles"):
        durations.cycle_counts("41,943,040 / 37,758,703")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("10.7GB", 10_700_000_000), ("13653MiB", 13653 * 2**20), ("1817 MB", 1_817_000_000)),
        *(("512 B", 512), ("", None), ("0MB", None)),
    ],
)
def test_sizes_are_decimal_or_binary_as_they_say(text: str, size: int | None) -> None:
    assert durations.size(text) == size


@pytest.mark.parametrize("text", ["10.7", "10 Gb", "10 parsecs", "-1GB", "1e99TB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SitegenError):
        durations.size(text)


def test_only_one_number_has_digits_to_quote() -> None:
    assert durations.is_decimal("81.79s")
    assert durations.is_decimal("5210.734")
    assert not durations.is_decimal("1m32.7s")
