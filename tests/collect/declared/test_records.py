"""What a table may say of an output, each on the shortest output that has it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sitegen.catalogue import declared
from sitegen.collect.declared import outputs
from sitegen.collect.declared.outputs import Known
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

RATE = {"unit": "B/s", "better": "higher", "definition": "Bytes a second."}


def read(output: Mapping[str, object], data: str) -> Reading:
    table = {"metrics": {"rate": RATE}, "outputs": {"one": {"values": {"rate": "rate"}, **output}}}
    tool = declared.read("tool", table, "tool.toml")
    outputs.check(tool)
    return outputs.read(tool, tool.table.outputs["one"], data.encode(), Known())


def test_a_form_is_not_known_by_texts_that_another_has_too() -> None:
    one = declared.Output({}, knows=("Requests",), unlike=("Calibration",))
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
        "streams": {"at": r"^stream \d+", "count": True},
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


def test_points_in_text_have_units_of_their_own_and_warm_up_is_left_out() -> None:
    point = r"^(?P<x>\d+) s (?P<y>[\d.]+) (?P<unit>\S+)(?P<warm> \(warm\))?$"
    samples = [{"metric": "rate", "each": point, "x": "x", "y": "y", "without": "warm"}]
    output = {"fields": {"rate": r"rate (\d+)"}, "samples": samples}
    text = "0 s 9 Gbits/sec (warm)\n0 s 8 Mbits/sec\n1 s 4 Kbits/sec\n2 s 1 x/y\nrate 1\n"
    assert [(one.x, one.y) for one in read(output, text).samples] == [(0.0, 1e6), (1.0, 500.0)]


def test_points_in_a_tree_may_be_warm_up() -> None:
    samples = [{"metric": "rate", "each": "each[*]", "x": "at", "y": "rate", "without": "omitted"}]
    output = {"form": "json", "fields": {"rate": "rate"}, "samples": samples}
    points = '[{"at": 0, "rate": 9, "omitted": true}, {"at": 1, "rate": 2, "omitted": false}]'
    reading = read(output, f'{{"rate": 1, "each": {points}}}')
    assert [(one.x, one.y) for one in reading.samples] == [(1.0, 2.0)]
