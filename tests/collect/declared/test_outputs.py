"""Outputs read by the patterns of a table: records, units, what is missing, what must hold."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared import checking, outputs
from sitegen.collect.declared.outputs import Known
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params

TABLE = r"""
[metrics.rate]
unit = "1/s"
better = "higher"
definition = "Operations a second."
[metrics.latency]
unit = "s"
better = "lower"
definition = "Time of an operation."
[metrics.moved]
unit = "B"
better = "none"
definition = "Bytes."

[outputs.text]
knows = ["== bench"]
each = '^== bench (?P<tool_version>[\d.]+) (?P<kind>\w+)'
workload = "{kind}-{threads}"
params = { kind = "{kind}", threads = "{threads}" }
ends = ["done"]
[outputs.text.fields]
threads = 'threads: (\d+)'
rate = { at = 'rate: ([\d.]+)', unit = "1/s" }
took = { at = 'took ([\d.]+)s', unit = "s" }
count = 'count: (\d+)'
p99 = { at = 'p99: (?P<value>[\d.]+)(?P<unit>[a-z]+)', optional = true }
moved = { at = 'moved (?P<value>\d+) (?P<unit>\w+)', units = { Kbytes = "KiB" }, optional = true }
[outputs.text.values]
rate = "rate"
"latency p99" = "p99"
"latency mean" = "took / count"
moved = "moved"
[[outputs.text.checks]]
holds = "close(rate * took, count, 0.02)"
says = "{rate} a second for {took} s are not {count}"
"""
ONE = """\
== bench 1.2 read
threads: 4
rate: 100.0
took 2.00s
count: 200
p99: 31.5ms
moved 64 Kbytes
done
"""
NOTHING = Known()


def table(text: str = TABLE) -> declared.Declared:
    found = declared.read("bench", tomllib.loads(text), "bench.toml")
    checking.check(found)
    return found


def read(data: str | bytes, known: Known = NOTHING, text: str = TABLE) -> Reading:
    one = table(text)
    [output] = one.table.outputs.values()
    return outputs.read(one, output, data.encode() if isinstance(data, str) else data, known)


def figures(reading: Reading) -> dict[tuple[str, str], Any]:
    return {(row.metric, row.statistic): row.value for row in reading.measurements}


def test_figures_come_in_base_units_with_what_is_printed() -> None:
    reading = read(ONE)
    assert figures(reading) == {
        ("bench.rate", "value"): 100.0,
        ("bench.latency", "p99"): 0.0315,
        ("bench.latency", "mean"): 0.01,
        ("bench.moved", "value"): 65536.0,
    }
    rows = {(row.metric, row.statistic): row for row in reading.measurements}
    assert rows["bench.latency", "p99"].printed == "31.5 ms"
    assert rows["bench.latency", "mean"].printed is None
    assert {row.params for row in reading.measurements} == {params(kind="read", threads=4)}
    assert {row.workload for row in reading.measurements} == {"read-4"}
    assert reading.tool is not None
    assert reading.tool.version == "1.2"
    assert not reading.doubts


def test_reports_one_after_another_are_series_and_repetitions() -> None:
    reading = read(ONE + ONE.replace("1.2 read", "1.2 write") + ONE)
    found = [
        (row.workload, row.repetition) for row in reading.measurements if row.metric == "bench.rate"
    ]
    assert found == [("read-4", 0), ("write-4", 0), ("read-4", 1)]


def test_a_figure_that_contradicts_another_is_suspect_and_said() -> None:
    reading = read(ONE.replace("count: 200", "count: 900"))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    sentence = "100 a second for 2 s are not 900"
    assert reading.doubts == ((Doubt.INCONSISTENT, sentence, "read-4"),)


def test_a_result_that_lacks_a_figure_is_left_out_and_said() -> None:
    reading = read(ONE + ONE.replace("rate: 100.0\n", ""))
    assert len([row for row in reading.measurements if row.metric == "bench.rate"]) == 1
    assert reading.doubts == ((Doubt.CUT_OFF, "1 result left out: it has no rate", ""),)
    with pytest.raises(SitegenError, match="has no rate"):
        read(ONE.replace("rate: 100.0\n", ""))


def test_an_output_without_its_end_is_cut_off() -> None:
    assert read(ONE.replace("done", "")).doubts == (
        (Doubt.CUT_OFF, "the end of the output is missing", ""),
    )


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("p99: 31.5parsecs", "p99 is printed in 'parsecs', which is not known"),
        ("p99: 3KiB", "measured in s"),
    ],
)
def test_a_unit_that_is_not_known_or_another_is_refused(printed: str, says: str) -> None:
    changed = TABLE.replace("[a-z]+)', optional", "[A-Za-z]+)', optional")
    with pytest.raises(SitegenError, match=says):
        read(ONE.replace("p99: 31.5ms", printed), text=changed)


def test_what_a_step_was_asked_for_and_did_not_run_is_suspect() -> None:
    reading = read(ONE, Known("read-8", params(threads=8)))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert {row.workload for row in reading.measurements} == {"read-8"}
    assert reading.doubts[0][:2] == (Doubt.NOT_REACHED, "threads is 4, and 8 was asked for")


@pytest.mark.parametrize("number", ["9" * 400, "nan", "1e999", "-", "1.2.3", "0x10"])
def test_what_is_no_number_is_no_figure(number: str) -> None:
    changed = TABLE.replace(r"rate: ([\d.]+)", r"rate: (\S+)")
    with pytest.raises(SitegenError, match="has no rate"):
        read(ONE.replace("rate: 100.0", f"rate: {number}"), text=changed)


JSON = r"""
[metrics.time]
unit = "s"
better = "lower"
definition = "Time."
[outputs.json]
form = "json"
knows = ["\"results\""]
each = "results[*]"
only = "kind == 'bench'"
workload = "{name}"
[outputs.json.fields]
kind = "kind"
name = "name"
mean = { at = "mean", unit = "ms" }
started_at = "$.time"
host_cpu = { at = "$.machine.cpu", optional = true }
[outputs.json.values]
"time mean" = "mean"
[outputs.json.facts]
cpu = "{host_cpu}"
[outputs.json.settings]
mode = { value = "{kind}", comparability = "must match" }
[outputs.json.asks]
model = "which model it was"
[[outputs.json.samples]]
metric = "time"
kind = "request"
each = "times[*]"
y = "."
unit = "ms"
"""
DOCUMENT = (
    b'{"time": 1700000000, "machine": {"cpu": "Xeon"}, "results": ['
    b'{"kind": "bench", "name": "A b", "mean": 2, "times": [1, 3]}, '
    b'{"kind": "warm-up", "name": "x"}]}'
)


def test_a_tree_is_read_by_paths_from_the_record_and_from_the_top() -> None:
    reading = read(DOCUMENT, Known(asked={"model": "m"}), JSON)
    [row] = reading.measurements
    assert (row.workload, row.metric, row.statistic, row.value) == (
        "a-b",
        "bench.time",
        "mean",
        0.002,
    )
    assert reading.started_at == "2023-11-14T22:13:20Z"
    assert [(fact.name, fact.value) for fact in reading.facts] == [("cpu", "Xeon")]
    assert [(s.kind, s.x, s.y) for s in reading.samples] == [
        ("request", 0.0, 0.001),
        ("request", 1.0, 0.003),
    ]
    assert [(p.name, p.value, str(p.comparability)) for p in reading.parameters] == [
        ("mode", "bench", "must match")
    ]
    assert dict(reading.natives) == {"bench.time mean": "mean"}


def test_what_the_output_does_not_say_is_asked_for() -> None:
    with pytest.raises(SitegenError, match="does not say its model; add --set model="):
        read(DOCUMENT, text=JSON)


@pytest.mark.parametrize(
    ("changed", "to", "says"),
    [
        ('"time mean" = "mean"', '"time mean" = "median"', "asks for 'median', which is no field"),
        ('"time mean" = "mean"', '"pace mean" = "mean"', "there is no metric 'pace mean'"),
        ('each = "results[*]"', 'each = "results["', "is no path"),
        ('workload = "{name}"', 'workload = "{title}"', "asks for 'title'"),
        ("only = \"kind == 'bench'\"", 'only = "open(kind)"', "holds what no expression may"),
        ('kind = "request"', 'kind = "request"\nonly = "a[["', "is no path"),
        (
            'each = "results[*]"',
            'each = "results[*]"\nrows = [{ head = "a", column = "b", row = "c", cell = "d" }]',
            "'rows' says nothing of an output of this form, json",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_before_anything_runs(
    changed: str, to: str, says: str
) -> None:
    assert changed in JSON
    with pytest.raises(SitegenError, match=says) as refused:
        table(JSON.replace(changed, to))
    assert "bench.toml: outputs.json" in str(refused.value)


def test_records_that_a_document_names_are_known_by_their_names() -> None:
    text = """
[metrics.rate]
unit = "1/s"
better = "higher"
definition = "x"
[outputs.json]
form = "json"
each = "runs.*.*"
only = "record != 'all'"
params = { command = "{record}", run = "{record_of}" }
fields = { rate = "rate" }
values = { rate = "rate" }
"""
    data = '{"runs": {"first": {"get": {"rate": 3}, "all": {"rate": 9}}}}'
    [row] = read(data, text=text).measurements
    assert row.params == params(command="get", run="first")
    assert row.value == 3


CELLS = r"""
[metrics.rate]
unit = "B/s"
better = "higher"
definition = "Bytes a second."
[outputs.text]
knows = ["== bench"]
each = '^== bench (?P<tool_version>[\d.]+)'
params = { kind = "{kind}", size = "{size}" }
[[outputs.text.rows]]
head = '^kind(?= )'
column = ' (?P<size>\d+) bytes'
row = '^(?P<kind>[a-z]+)(?= +\d)'
cell = ' (?P<rate>[\d.]+)k'
[outputs.text.fields]
rate = { unit = "kB/s" }
kind = { words = { rd = "read" } }
[outputs.text.values]
rate = "rate"
"""
GRID = "== bench 1.2\nkind    16 bytes   64 bytes\nrd   1.5k    2.5k\nwrite   3k   4k\n"


def test_each_cell_of_a_table_is_a_result_under_its_column() -> None:
    found = {row.params: row.value for row in read(GRID, text=CELLS).measurements}
    assert found == {
        params(kind="read", size=16): 1500.0,
        params(kind="read", size=64): 2500.0,
        params(kind="write", size=16): 3000.0,
        params(kind="write", size=64): 4000.0,
    }
    # What names the columns may stand above the report.
    lines = GRID.splitlines(keepends=True)
    above = read("".join((lines[1], lines[0], *lines[2:])), text=CELLS)
    assert {row.params: row.value for row in above.measurements} == found


def test_a_row_of_another_length_than_its_head_is_left_out() -> None:
    reading = read(GRID.replace("rd   1.5k", "rd"), text=CELLS)
    assert len(reading.measurements) == 2
    assert reading.doubts == ((Doubt.CUT_OFF, "1 result left out: it has no rate", ""),)
    with pytest.raises(SitegenError, match="has no rate"):
        read(GRID.partition("kind")[0] + "rd 1k\n", text=CELLS)


TWO_FORMS = (
    TABLE
    + r"""
[outputs.other]
knows = ["other:"]
[outputs.other.fields]
moved = { at = 'other: (\d+)', unit = "B" }
[outputs.other.values]
moved = "moved"
"""
)


def test_an_output_in_several_forms_is_known_by_one_and_read_whole() -> None:
    one, data = table(TWO_FORMS), f"{ONE}other: 12\n".encode()
    first, second = one.table.outputs.values()
    assert outputs.leads(one, first, data)
    assert not outputs.leads(one, second, data)
    assert outputs.leads(one, second, b"other: 12")
    reading = outputs.read_all(one, first, data, NOTHING)
    assert [row.value for row in reading.measurements if row.metric == "bench.moved"] == [65536, 12]


def test_a_form_that_says_nothing_beside_another_is_said() -> None:
    one = table(TWO_FORMS)
    [first, _] = one.table.outputs.values()
    reading = outputs.read_all(one, first, f"{ONE}other: none\n".encode(), NOTHING)
    assert reading.doubts == ((Doubt.CUT_OFF, "a part of it has no moved", ""),)
    with pytest.raises(SitegenError, match="has no threads"):
        outputs.read_all(one, first, b"== bench 1.2 read\nother: none\n", NOTHING)


def test_a_text_is_kept_digit_by_digit_where_it_is_no_figure() -> None:
    text = """
[metrics.rate]
unit = "1/s"
better = "higher"
definition = "x"
[outputs.csv]
form = "csv"
params = { kernel = "{kernel}", size = "{size}" }
fields = { kernel = "kernel", size = "size", rate = { at = "rate", unit = "1/s" } }
values = { rate = "rate" }
"""
    reading = read('kernel,size,rate\n5.1,64.000,1\n5.10,"1,024",2\n', text=text)
    assert [dict(row.params) for row in reading.measurements] == [
        {"kernel": "5.1", "size": "64"},
        {"kernel": "5.10", "size": "1024"},
    ]


@pytest.mark.parametrize("printed", ["0,5", "12,50", "1_0", "1,00,000"])
def test_a_comma_parts_thousands_and_nothing_else(printed: str) -> None:
    changed = TABLE.replace(r"rate: ([\d.]+)", r"rate: (\S+)")
    with pytest.raises(SitegenError, match="has no rate"):
        read(ONE.replace("rate: 100.0", f"rate: {printed}"), text=changed)


def test_a_record_is_one_repetition_also_where_another_lacks_a_figure() -> None:
    reading = read(ONE + ONE.replace("p99: 31.5ms\n", "") + ONE)
    of_p99 = [row.repetition for row in reading.measurements if row.statistic == "p99"]
    assert of_p99 == [0, 2]


def test_statistics_that_are_out_of_order_are_doubted_beyond_their_rounding() -> None:
    low = read(ONE.replace("p99: 31.5ms", "p99: 9ms").replace('"latency mean"', ""))
    assert {row.status for row in low.measurements} == {Status.OK}  # a mean may be above a p99
    text = TABLE.replace('"latency mean" = "took / count"', '"latency p50" = "took / count"')
    wrong = read(ONE.replace("p99: 31.5ms", "p99: 9ms"), text=text)
    assert {row.status for row in wrong.measurements} == {Status.SUSPECT}
    assert wrong.doubts[0][1] == "the statistics of latency are out of order"
    rounded = read(ONE.replace("p99: 31.5ms", "p99: 10ms").replace("2.00s", "2.004s"), text=text)
    assert {row.status for row in rounded.measurements} == {Status.OK}


def test_why_a_record_is_no_result_stands_in_it_and_not_above() -> None:
    text = TABLE.replace('ends = ["done"]', 'ends = ["done"]\nfails = "error"')
    text = text.replace("[outputs.text.fields]", "[outputs.text.fields]\nerror = 'error: (.+)'")
    assert not read(f"error: of the try before\n{ONE}", text=text).doubts
    with pytest.raises(SitegenError, match="failed: no connection"):
        read(ONE.replace("done", "error: no connection"), text=text)


def test_a_workload_has_another_name_where_its_condition_holds() -> None:
    named = TABLE.replace(
        'workload = "{kind}-{threads}"',
        'workload = "{kind}-{threads}"\nnamed = { "{kind}-alone" = "threads == 1" }',
    )
    data = ONE + ONE.replace("threads: 4", "threads: 1")
    assert {row.workload for row in read(data, text=named).measurements} == {
        "read-4",
        "read-alone",
    }
    with pytest.raises(SitegenError, match="asks for 'thread', which is no field"):
        checking.check(table(named.replace('"threads == 1"', '"thread == 1"')))
