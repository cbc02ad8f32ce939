"""Durations, sizes and counts in the forms that provers print."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from sitegen.errors import SitegenError


def seconds(text: str, unit: str = "") -> float | None:
    quantity = quantities.duration(text, unit)
    return quantity.value if quantity else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1m32.7s", 92.7),
        ("81.792756724s", 81.792756724),
        ("820ms", 0.82),
        ("59µs", 0.000059),
        ("59μs", 0.000059),  # the Greek letter, as some tools print it
        ("59us", 0.000059),
        ("959ns", 9.59e-7),
        ("1h 2m 3.5s", 3723.5),
        ("1,234 ms", 1.234),
        *((absent, None) for absent in ("0s", "", "  ", "-", "N/A", "null")),
    ],
)
def test_all_forms_of_a_duration_are_read(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("12", "s", "1s2m", "1m1m", "1m32.7", "1.2.3s", "-1s", "+1s", "1,23s", "12,345,6s"),
        *("nan", "inf s", "1e400s", "١٢s", "1 fortnight", "9" * 100 + "s", "1e9h", "5GB"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SitegenError):
        quantities.duration(text)


def test_a_number_takes_the_unit_of_its_column() -> None:
    assert quantities.duration("5210.734", "ms") == Quantity(5.210734, "5210.734 ms")
    assert quantities.duration("1m32.7s") == Quantity(92.7)  # two numbers are not quoted
    assert seconds("1,500", "ms") == 1.5
    assert seconds("0", "ms") is None
    assert seconds("2s", "ms") == 2.0


@given(st.text(max_size=60))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    for parse in (quantities.duration, quantities.number, quantities.count):
        try:
            quantity = parse(text)
        except SitegenError:
            continue
        value = quantity.value if isinstance(quantity, Quantity) else quantity
        assert value is None or (math.isfinite(value) and value > 0)


def test_a_sum_is_exact_and_of_what_is_all_there() -> None:
    tenth, fifth = Quantity(0.1, "0.1s"), Quantity(0.2)
    assert quantities.total([tenth, fifth]) == Quantity(0.3)
    assert quantities.total([tenth]) == tenth
    assert quantities.total([tenth, None]) is None
    assert quantities.total([]) is None


def test_counts_are_whole_and_0_is_absent() -> None:
    assert quantities.count("8,340,752") == quantities.count("8_340_752") == 8340752
    assert {quantities.count(text) for text in ("0", "", "-")} == {None}
    for text in ("1.5", "83,40", "-3", "1e6", str(2**60), "9" * 30, "١"):
        with pytest.raises(SitegenError, match="not a whole number"):
            quantities.count(text)
