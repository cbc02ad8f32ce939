"""What a table may say of an output, each on the shortest output that has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sitegen.catalogue import declared
from sitegen.catalogue.table import Output
from sitegen.collect.declared import checking, outputs
from sitegen.collect.declared.outputs import Known
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

RATE = {"unit": "B/s", "better": "higher", "definition": "Bytes a second."}


def read(output: Mapping[str, object], data: str) -> Reading:
    table = {"metrics": {"rate": RATE}, "outputs": {"one": {"values": {"rate": "rate"}, **output}}}
    tool = declared.read("tool", table, "tool.toml")
    checking.check(tool)
    return outputs.read(tool, tool.table.outputs["one"], data.encode(), Known())


def test_a_form_is_not_known_by_texts_that_another_has_too() -> None:
    one = Output({}, knows=("Requests",), lacks=("Calibration",))
    assert outputs.knows(one, b"Requests: 5")
    assert not outputs.knows(one, b"Calibration: 1\nRequests: 5")
    assert not outputs.knows(one, b"Calibration: 1")


FAILING = {
    "form": "jsonl",
    "fails": "error",
    "fields": {"error": "error", "rate": {"at": "rate", "unit": "B/s"}},
}


def test_why_there_is_no_result_is_told_in_the_tools_own_words() -> None:
    with pytest.raises(SitegenError, match="failed: the server is busy"):
        read(FAILING, '{"error": "the server is busy"}')
    reading = read(FAILING, '{"rate": 5}\n{"rate": 7, "error": "interrupted"}')
    assert [row.value for row in reading.measurements] == [5.0]
    ((kind, sentence, _),) = reading.doubts
    assert kind == Doubt.CUT_OFF
    assert sentence == "1 result left out: it failed: interrupted"


def test_how_many_places_match_is_a_field() -> None:
    fields = {
        "streams": {"at": r"^stream \d+", "take": "count"},
        "rate": {"at": r"rate (?P<value>\d+) (?P<unit>\S+)", "units": {"KB": "KiB/s"}},
    }
    output = {"fields": fields, "params": {"streams": "{streams}"}}
    (row,) = read(output, "stream 1\nstream 2\nrate 3 KB\n").measurements
    assert (row.value, row.params) == (3072.0, (("streams", "2"),))


def test_a_value_that_is_true_or_false_has_words() -> None:
    fields = {"rate": "rate", "way": {"at": "back", "words": {"yes": "receive", "no": "send"}}}
    output = {"form": "json", "fields": fields, "params": {"direction": "{way}"}}
    (row,) = read(output, '{"rate": 1, "back": true}').measurements
    assert row.params == (("direction", "receive"),)


POINT = r"^(?P<x>\d+) s (?P<y>[\d.]+)(?P<warm> \(warm\))?$"


def test_points_in_text_may_be_warm_up() -> None:
    samples = [{"metric": "rate", "each": POINT, "x": "x", "y": "y", "without": ["warm"]}]
    output = {"fields": {"rate": r"rate (\d+)"}, "samples": samples}
    reading = read(output, "0 s 9 (warm)\n0 s 8\n1 s 4\nrate 1\n")
    assert [(one.x, one.y) for one in reading.samples] == [(0.0, 8.0), (1.0, 4.0)]


@pytest.mark.parametrize(("only", "kept"), [("", [2.0, 3.0]), ("sender", [3.0])])
def test_points_in_a_tree_may_be_warm_up_or_of_the_other_end(only: str, kept: list[float]) -> None:
    each = {"metric": "rate", "each": "each[*]", "x": "at", "y": "rate"}
    samples = [{**each, "only": only, "without": ["omitted"]}]
    output = {"form": "json", "fields": {"rate": "rate"}, "samples": samples}
    points = [
        {"at": 0, "rate": 9, "omitted": True, "sender": True},
        {"at": 1, "rate": 2, "omitted": False, "sender": False},
        {"at": 2, "rate": 3, "sender": True},
    ]
    reading = read(output, json.dumps({"rate": 1, "each": points}))
    assert [one.y for one in reading.samples] == kept


def test_a_word_that_is_made_empty_is_missing() -> None:
    fields = {
        "rate": "rate",
        "target": {"at": "target", "words": {"0": ""}, "optional": True},
    }
    output = {"form": "jsonl", "fields": fields, "params": {"target": "{target}"}}
    rows = read(output, '{"rate": 1, "target": 0}\n{"rate": 2, "target": 5}').measurements
    assert [row.params for row in rows] == [(), (("target", "5"),)]


def test_the_last_of_several_places_is_a_field() -> None:
    output = {"fields": {"rate": {"at": r"^rate (\d+)", "take": "last"}}}
    (row,) = read(output, "rate 1\nrate 2\nrate 3\n").measurements
    assert row.value == 3.0


def test_a_form_like_another_has_what_it_does_not_say_itself() -> None:
    table: dict[str, Any] = {
        "metrics": {"rate": RATE},
        "outputs": {
            "one": {"knows": ["x"], "fields": {"rate": r"rate (\d+)"}, "values": {"rate": "rate"}},
            "two": {"like": ["one"], "knows": ["y"], "fields": {"load": r"load (\w+)"}},
        },
    }
    two = declared.read("tool", table, "tool.toml").table.outputs["two"]
    assert (two.knows, two.values) == (("y",), {"rate": "rate"})
    assert two.fields.keys() == {"rate", "load"}
    table["outputs"]["two"]["like"] = ["three"]
    with pytest.raises(SitegenError, match="there is no other output 'three'"):
        declared.read("tool", table, "tool.toml")


def test_results_of_two_servers_are_no_repetitions_of_one_another() -> None:
    fields = {"rate": r"rate (\d+)", "server": r"server (\w+)"}
    output = {"each": "^server", "fields": fields, "same": ["server"]}
    assert len(read(output, "server a\nrate 1\nserver a\nrate 2\n").measurements) == 2
    with pytest.raises(SitegenError, match="several servers: a, b"):
        read(output, "server a\nrate 1\nserver b\nrate 2\n")
