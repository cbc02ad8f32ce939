"""What a field may be besides one value, and what lies beside an output."""

from __future__ import annotations

import json

import pytest

from sitegen.catalogue import declared
from sitegen.catalogue.declared import Declared
from sitegen.collect import Reading
from sitegen.collect.declared import fields, outputs
from sitegen.collect.declared.collector import collector
from sitegen.collect.declared.outputs import Known
from sitegen.errors import SitegenError
from sitegen.model import Doubt

TIME = {"unit": "s", "better": "lower", "definition": "How long it took."}


def table(**output: object) -> Declared:
    values = {"took": "took"}
    form = {"form": "json", "knows": ["took"], "values": values, **output}
    return declared.read("t", {"metrics": {"took": TIME}, "outputs": {"o": form}}, "t.toml")


def read(one: Declared, document: object, beside: object = None) -> Reading:
    data = json.dumps(document).encode()
    other = b"" if beside is None else json.dumps(beside).encode()
    return outputs.read(one, one.table.outputs["o"], data, Known(), other)


@pytest.mark.parametrize(
    ("take", "value"),
    [("count", 3), ("sum", 0.9), ("mean", 0.3), ("min", 0.2), ("max", 0.4), ("first", 0.4)],
)
def test_of_several_values_a_field_is_what_they_come_to(take: str, value: float) -> None:
    field = {"at": "all[*]", "take": take, "unit": "" if take == "count" else "ms"}
    reading = read(table(fields={"took": field}), {"all": [400, 200, 300]})
    assert reading.measurements[0].value == pytest.approx(value)


def test_what_several_values_come_to_is_not_known_where_one_is_no_number() -> None:
    one = table(fields={"took": {"at": "all[*]", "take": "max"}})
    with pytest.raises(SitegenError, match="has no took"):
        read(one, {"all": [1, "two"]})


@pytest.mark.parametrize("second", ["5", "5MB"])
def test_values_of_unlike_units_come_to_nothing(second: str) -> None:
    field = {"at": r"t=(?P<value>\d+)(?P<unit>[a-zA-Z]*)", "take": "sum"}
    one = table(form="text", fields={"took": field})
    with pytest.raises(SitegenError, match="the sum is of values in"):
        outputs.read(one, one.table.outputs["o"], f"t=5ms t={second}".encode(), Known())


def test_digits_of_other_scripts_are_no_number() -> None:
    assert fields.number("١٢") is None
    assert fields.as_text("1٢").value == "1٢"


@pytest.mark.parametrize(
    ("printed", "value"),
    [("1,234", 1234), ("12,345,678.5", 12345678.5), ("-1,000e3", -1e6)],
)
def test_a_comma_stands_between_thousands(printed: str, value: float) -> None:
    one = table(form="text", fields={"took": r"took (\S+)"})
    reading = outputs.read(one, one.table.outputs["o"], f"took {printed}\n".encode(), Known())
    assert reading.measurements[0].value == value


@pytest.mark.parametrize("printed", ["1,5", "1,2345", "1234,567", "0,1,2"])
def test_a_comma_that_stands_elsewhere_makes_no_number(printed: str) -> None:
    assert fields.number(printed) is None
    one = table(form="text", fields={"took": r"took (\S+)"})
    with pytest.raises(SitegenError, match=f"'{printed}', which is no number"):
        outputs.read(one, one.table.outputs["o"], f"took {printed}\n".encode(), Known())


def test_several_places_of_a_text_come_to_one_value() -> None:
    field = {"at": r"took (\d+)", "take": "sum"}
    one = table(form="text", fields={"took": field})
    reading = outputs.read(one, one.table.outputs["o"], b"took 1\ntook 2\n", Known())
    assert reading.measurements[0].value == 3


def test_a_field_may_be_a_part_of_a_text() -> None:
    one = table(fields={"took": "took", "word": {"at": "all", "part": r"(\w+) --"}})
    one = table(fields=dict(one.table.outputs["o"].fields), workload="{word}")
    assert read(one, {"took": 1, "all": "run --fast"}).measurements[0].workload == "run"
    with pytest.raises(SitegenError, match="has no word"):
        read(one, {"took": 1, "all": "run"})


def test_entries_of_a_mapping_are_parameters() -> None:
    one = table(fields={"took": "took"}, entries={"": "set", "with ": "set"}, params={"a": "own"})
    reading = read(one, {"took": 1, "set": {"a": "1", "b": 2.5, "c": [1, 2]}})
    about = (("a", "own"), ("b", "2.5"), ("with a", "1"), ("with b", "2.5"))
    assert reading.measurements[0].params == about


def test_a_parameter_is_on_one_line_and_never_too_long() -> None:
    one = table(fields={"took": "took", "name": "name"}, params={"name": "{name}"})
    texts = ["a\n b\tc", "x" * 600 + "1", "x" * 600 + "2"]
    found = [dict(read(one, {"took": 1, "name": t}).measurements[0].params)["name"] for t in texts]
    assert found[0] == "a b c"
    assert len(set(found)) == 3
    assert max(map(len, found)) <= 500


def test_a_check_says_which_caveat_comes_of_it() -> None:
    check = {"holds": "took < 1", "says": "it took {took} s", "kind": "invalid"}
    reading = read(table(fields={"took": "took"}, checks=[check]), {"took": 2})
    assert reading.doubts == ((Doubt.INVALID, "it took 2 s", "t"),)


def test_what_failed_has_no_samples() -> None:
    check = {"holds": "took < 1", "says": "it took {took} s", "then": "failed"}
    samples = [{"metric": "took", "each": "all[*]", "y": "."}]
    one = table(fields={"took": "took"}, checks=[check], samples=samples)
    assert read(one, {"took": 2, "all": [1, 2]}).samples == ()
    assert len(read(one, {"took": 0.5, "all": [1, 2]}).samples) == 2


def test_a_document_beside_an_output_says_what_it_is_of() -> None:
    name = {"at": "$beside.name", "optional": True}
    one = table(
        fields={"took": "took", "name": name},
        params={"name": "{name}"},
        asks={"name": "which one"},
        beside="name.json",
    )
    assert read(one, {"took": 1}, {"name": "x"}).measurements[0].params == (("name", "x"),)
    [bundle] = collector(one).BUNDLES
    assert bundle.beside == "name.json"
    files = {"a.json": b'{"took": 1}', "name.json": b'{"name": "x"}'}
    assert bundle.knows(files)
    assert not bundle.knows({**files, "b.json": b"{}"})
    [reading] = bundle.runs(files, {})
    assert reading.measurements[0].params == (("name", "x"),)
    with pytest.raises(SitegenError, match="does not say its name"):
        bundle.runs({**files, "name.json": b"[]"}, {})
