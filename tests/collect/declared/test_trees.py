"""JSON, CSV and XML as trees, and the paths in them."""

from __future__ import annotations

from typing import Any

import pytest

from sitegen.collect.declared import trees
from sitegen.errors import SitegenError

TREE: dict[str, Any] = {
    "end": {"a b": 1, "list": [{"x": 1}, {"x": 2}]},
    "n": None,
    "named": [
        {"of": "a", "is": 1},
        {"of": "b", "to": "x", "is": 2},
        {"of": "b", "to": "y", "is": 3},
        7,
    ],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("end.'a b'", [1]),
        ("end.list[1].x", [2]),
        ("end.list[-1].x", [2]),
        ("end.list[*].x", [1, 2]),
        ("end.list[7].x", []),
        ("end.list.x", []),
        ("end.*", [1, [{"x": 1}, {"x": 2}]]),
        ("end.list[x='2'].x", []),
        ("named[of='b'].is", [2, 3]),
        ("named[of='b'][to='y'].is", [3]),
        ("named[of='c'].is", []),
        ("gone.x", []),
        ("n.x", []),
    ],
)
def test_a_path_finds_what_is_there_and_nothing_else(path: str, found: list[Any]) -> None:
    assert list(trees.found(TREE, path)) == found


def test_what_stands_in_mappings_has_its_names() -> None:
    tree = {"first": {"a": 1, "b": 2}, "second": [{"c": 3}]}
    assert list(trees.named(tree, "*.*")) == [
        (("first", "a"), 1),
        (("first", "b"), 2),
        (("second",), {"c": 3}),
    ]


@pytest.mark.parametrize("path", ["a b", "a[", "a[1", "a['x']", "$"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(SitegenError, match="is no path"):
        trees.steps(path)


def test_rows_of_a_csv_have_its_columns() -> None:
    data = b'\xef\xbb\xbf"test", "rps"\n"GET","1,000.5"\n\n"SET","2"\n'
    assert trees.tree(data, "csv") == [
        {"test": "GET", "rps": "1,000.5"},
        {"test": "SET", "rps": "2"},
    ]


def test_an_element_has_its_attributes_its_text_and_its_children() -> None:
    tree = trees.tree(
        b"<?xml version='1.0'?><r><e a='1'>x</e><e>y</e><one><t>z</t></one></r>", "xml"
    )
    assert [trees.leaf(each) for each in trees.found(tree, "r.e[*]")] == ["x", "y"]
    assert list(trees.found(tree, "r.e[0].@a")) == ["1"]
    assert [trees.leaf(each) for each in trees.found(tree, "r.one.t")] == ["z"]


@pytest.mark.parametrize(
    ("form", "data", "says"),
    [
        ("csv", b"a,b\n1\n", "row 2: has 1 cells, and the header 2"),
        ("csv", b"a,a\n1,2\n", "has the column 'a' twice"),
        ("csv", b'a,b\n"1,2\n', "is no CSV"),
        ("csv", b"\xff\xfe\x00", "is no CSV"),
        ("json", b"{", "breaks off"),
        ("json", b"[" * 100_000, "nested too deep"),
        ("xml", b"<a><b></a>", "breaks off"),
        ("xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "declares a document type"),
        (
            "xml",
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><x/>'.encode("utf-16"),
            "declares",
        ),
        ("xml", b"<a>" * 50_000 + b"</a>" * 50_000, "nested too deep"),
    ],
)
def test_what_is_none_is_refused_in_one_line(form: str, data: bytes, says: str) -> None:
    with pytest.raises(SitegenError, match=says) as refused:
        trees.tree(data, form)
    assert "\n" not in str(refused.value)
