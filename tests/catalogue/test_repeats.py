"""What stands in a table once for several names."""

from __future__ import annotations

from typing import Any

import pytest

from sitegen.catalogue.repeats import repeated
from sitegen.errors import SitegenError

OVER = [{"op": ["read", "write"], "code": ["RD", "WR"]}, {"at": ["p50", "p99"]}]


def of(**table: Any) -> Any:  # noqa: ANN401 - as TOML has it
    return repeated({"over": OVER, **table}, "t.toml")


def test_a_key_comes_with_each_value_and_with_all_combinations_of_several_axes() -> None:
    assert of(fields={"<op>_<at>": "<code> <at>", "other": "x"}) == {
        "fields": {
            "read_p50": "RD p50",
            "read_p99": "RD p99",
            "write_p50": "WR p50",
            "write_p99": "WR p99",
            "other": "x",
        }
    }


def test_an_item_of_a_list_is_repeated_for_what_it_asks_for_anywhere() -> None:
    assert of(
        checks=[{"holds": "<op> > 0", "says": ["<code>"]}, {"holds": "x"}], names=["<at>"]
    ) == {
        "checks": [
            {"holds": "read > 0", "says": ["RD"]},
            {"holds": "write > 0", "says": ["WR"]},
            {"holds": "x"},
        ],
        "names": ["p50", "p99"],
    }


def test_what_stands_under_a_repeated_key_may_be_repeated_for_another_axis() -> None:
    found = of(metrics={"<op>": {"columns": ["<op> <at>"]}})
    assert found["metrics"]["write"] == {"columns": ["write p50", "write p99"]}


def test_groups_of_expressions_and_other_names_are_left_alone() -> None:
    text = "(?P<op>\\d+) (?P<unit>s) <other>"
    assert of(fields={"a": text}) == {"fields": {"a": text}}
    assert repeated({"a": "<op>"}, "t.toml") == {"a": "<op>"}


@pytest.mark.parametrize(
    ("over", "says"),
    [
        (
            [{"a": ["x", "y"], "b": ["z"]}],
            "t.toml: over[0]: its lists are not as long as one another",
        ),
        ([{"a": []}], "t.toml: over[0]: its lists are not as long as one another, or empty"),
        ([{}], "t.toml: over[0]: its lists are not"),
        ([{"A": ["x"]}], "t.toml: over[0]"),
        ([{"a": [1]}], "t.toml: over[0]"),
        ("a", "t.toml: over: must be a list"),
        ([{"op": ["x"]}, {"op": ["y"]}], "t.toml: over[1]: 'op' has two lists"),
        ([{f"a{n}": ["x"] * 100} for n in range(3)], "t.toml: over: makes more than 5,000 entries"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(over: object, says: str) -> None:
    with pytest.raises(SitegenError) as refused:
        repeated({"over": over, "keys": {"<a0><a1><a2>": "x"}}, "t.toml")
    assert says in str(refused.value)


def test_a_name_that_is_asked_for_where_nothing_is_repeated_is_said() -> None:
    with pytest.raises(SitegenError, match="<op> is asked for in 'the <op>', where nothing"):
        of(title="the <op>")
