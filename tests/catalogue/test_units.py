from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.catalogue.units import (
    MINUS,
    display,
    percent,
    print_problem,
    printed_number,
    rounding_interval,
    significant,
    unit_for,
)

UNITS = ["s", "B", "B/s", "1/s", "Hz", "op/s", "ratio", "tokens/s", "MIPS", "USD/h", "count", "x"]


def number(text: str) -> float:
    return float(text.replace(",", "").replace(MINUS, "-"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("1,254 ms", (1254.0, 0.5)),
        ("97.3 k/s", (97.3, 0.05)),
        ("0 %", (0.0, 0.5)),
        ("97.30 k/s", (97.3, 0.005)),  # a trailing zero is a digit
        ("-6.9 %", (-6.9, 0.05)),
        ("12,345,678.9 B/s", (12345678.9, 0.05)),
    ],
)
def test_a_printed_text_stands_for_half_of_its_last_digit(
    printed: str, expected: tuple[float, float]
) -> None:
    assert printed_number(printed) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "printed", "expected"),
    [
        (1.254, "1,254 ms", (1.2535, 1.2545)),
        (97_300.0, "97.3 k/s", (97_250.0, 97_350.0)),
        (0.0, "0 %", (-0.005, 0.005)),
        (0.0, "0.0 ms", (-0.00005, 0.00005)),
        (-0.069, f"{MINUS}6.9 %", (-0.0695, -0.0685)),
        (-0.069, "-6.9 %", (-0.0695, -0.0685)),
        (1.0, "n/a", None),
        (1.0, "", None),
        (1.0, None, None),
        (0.0, "0 parsecs", None),
    ],
)
def test_the_rounding_interval_is_in_the_unit_of_the_value_and_of_a_text_without_a_number_none(
    value: float, printed: str | None, expected: tuple[float, float] | None
) -> None:
    assert rounding_interval(value, printed) == (expected and pytest.approx(expected))


@given(st.floats(0.001, 1e9), st.integers(0, 4), st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e9]))
def test_every_value_lies_in_the_rounding_interval_of_its_print(
    value: float, decimals: int, factor: float
) -> None:
    printed = f"{value:,.{decimals}f}"
    if number(printed) == 0:
        return
    stored = number(printed) * factor
    found = rounding_interval(stored, f"{printed} unit")
    assert found is not None
    low, high = found
    assert low <= stored <= high
    assert low <= value * factor * (1 + 1e-9)
    assert high >= value * factor * (1 - 1e-9)


@given(st.floats(1e-8, 1e15), st.integers(1, 6))
def test_significant_digits_change_a_value_by_less_than_half_of_the_last_one(
    value: float, digits: int
) -> None:
    text = significant(value, digits)
    assert "e" not in text
    assert abs(number(text) / value - 1) <= 0.5 * 10 ** (1 - digits) * (1 + 1e-9)
    assert significant(-value, digits) == f"{MINUS}{text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (71665, "71,665"),
        (1234.5, "1,234" if round(1234.5) == 1234 else "1,235"),
        (0.05, "0.0500"),
        (3.14159, "3.14"),
        (0, "0"),
        (-0.0, "0"),
        (math.inf, "∞"),
        (-math.inf, f"{MINUS}∞"),
        (math.nan, "not a number"),
    ],
)
def test_whole_digits_are_never_rounded_away(value: float, text: str) -> None:
    assert significant(value) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_a_share_is_printed_as_percent_with_its_sign(share: float, digits: int) -> None:
    text = percent(share, digits)
    assert "-" not in text
    assert abs(number(text) - share * 100) <= 0.5 * 10**-digits * (1 + 1e-9) + 1e-9
    if number(text):
        assert text.startswith("+" if share > 0 else MINUS)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.403, "+40.3"), (-0.069, f"{MINUS}6.9"), (0.0, "0.0"), (-0.0001, "0.0"), (68.8, "+6,880.0")],
)
def test_a_share_that_rounds_to_zero_has_no_sign(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_absent_prints_as_not_measured(unit: str) -> None:
    assert display(None, unit) == "not measured"
    assert unit_for(unit, [None]).text == unit_for(unit, []).text


@given(st.lists(st.floats(1e-9, 1e14), min_size=1), st.sampled_from(UNITS))
def test_a_displayed_value_is_the_value_in_the_unit_of_the_largest_beside_it(
    values: list[float], unit: str
) -> None:
    value = max(values)
    scale = unit_for(unit, values)
    text = display(value, unit, 9)
    assert text.endswith(scale.text)
    shown = number(text.removesuffix(scale.text).strip()) * scale.factor
    assert shown == pytest.approx(value, rel=1e-6, abs=1e-12 * scale.factor)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0012, "s", "1.20 ms"),
        (33_000.0, "1/s", "33.0 k/s"),
        (0.873, "ratio", "87.3 %"),
        (2.0**30, "B", "1.00 GiB"),
        (0.0, "s", "0 ms"),
        (3.0, "count", "3"),
        (99.999, "ratio", "10,000 %"),
    ],
)
def test_a_value_stands_with_the_unit_it_reads_best_in(value: float, unit: str, text: str) -> None:
    assert display(value, unit) == text


def test_a_metric_may_name_the_unit_it_is_always_shown_in() -> None:
    bandwidth = 36_230 * 2.0**20
    assert unit_for("B/s", [bandwidth], "GB/s").number(bandwidth) == "38.0"
    assert unit_for("B/s", [bandwidth], "MiB/s").number(bandwidth) == "36,230"
    assert display(bandwidth, "B/s") == "36,230 MiB/s"


# What was printed


@pytest.mark.parametrize(
    ("value", "printed", "unit", "fits"),
    [
        (259_000.0, "259 k/s", "1/s", True),
        (259_400.0, "259 k/s", "1/s", True),
        (295_000.0, "259 k/s", "1/s", False),
        (0.41, "41 %", "ratio", True),
        (0.41, "4.1 %", "ratio", False),
        (1.254, "1,254 ms", "s", True),
        (1.254, "1.254 ms", "s", False),
        (65_536.0, "65.5kB", "B", True),
        (22_020_096.0, "21.0MiB", "B", True),
        (750.0, "12.5 min", "s", True),
        (5.0, "5 req/s", "1/s", True),
        (6.0, "5 req/s", "1/s", False),
        (3e6, "3 million", "count", True),
        (0.0, "0 %", "ratio", True),
        (1.0, "fast", "s", True),  # no number was printed
    ],
)
def test_a_value_is_held_to_its_print(value: float, printed: str, unit: str, fits: bool) -> None:  # noqa: FBT001 - a row
    assert (print_problem(value, printed, unit) == "") == fits
