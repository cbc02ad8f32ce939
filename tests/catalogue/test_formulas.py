"""Expressions of declared tools: what they compute, and that they hold nothing else."""

from __future__ import annotations

import pytest

from sitegen.catalogue import formulas
from sitegen.errors import SitegenError

FIELDS: dict[str, formulas.Value] = {"rate": 10.0, "took": 2.0, "count": 20.0, "name": "GET"}


@pytest.mark.parametrize(
    ("formula", "comes_to"),
    [
        ("rate", 10.0),
        ("rate * took - count", 0.0),
        ("-rate + abs(-3)", -7.0),
        ("close(rate * took, count, 0.01)", True),
        ("close(rate, count, 0.01)", False),
        ("1 < took <= 2", True),
        ("name == 'GET' and not took > 2", True),
        ("name != 'GET' or count < 1", False),
        ("max(rate, took) / min(rate, took)", 5.0),
        ("absent", None),
        ("absent > 1", None),
        ("rate / 0", None),
        ("1e308 * 10", None),
    ],
)
def test_a_formula_comes_to_a_number_a_truth_or_nothing(
    formula: str, comes_to: formulas.Value | None
) -> None:
    assert formulas.value(formula, FIELDS) == comes_to


@pytest.mark.parametrize(
    "formula",
    ["", "rate.real", "rate[0]", "__import__('os')", "lambda: 1", "rate if took else 1",
     "rate ** 9", "[rate]", "f'{rate}'", "rate := 1", "open('x')", "close(rate, b=1)",
     "1" + "+1" * 400, "(" * 500],
)  # fmt: skip
def test_nothing_but_arithmetic_may_stand_in_one(formula: str) -> None:
    with pytest.raises(SitegenError):
        formulas.value(formula, FIELDS)


def test_arithmetic_on_a_text_is_refused_in_one_line() -> None:
    with pytest.raises(SitegenError, match="name is a text"):
        formulas.value("name + 1", FIELDS)


def test_names_are_the_fields_that_are_asked_for() -> None:
    assert formulas.names("close(rate * took, count, 0.1)") == {"rate", "took", "count"}


def test_the_first_that_was_found_stands_for_those_that_were_not() -> None:
    assert formulas.value("first(a, b * 2) + 1", {"a": 5.0, "b": 1.0}) == 6
    assert formulas.value("first(a, b * 2) + 1", {"b": 1.0}) == 3
    assert formulas.value("first(a / z, b)", {"a": 5.0, "z": 0.0, "b": 1.0}) == 1
    assert formulas.value("first(a, b)", {}) is None
    assert formulas.names("first(a, b * 2)") == {"a", "b"}
