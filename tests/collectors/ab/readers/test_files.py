from __future__ import annotations

import math

import pytest

from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params
from tests.collectors.ab.readers.recorded import (
    BESIDE,
    PERCENTILES,
    REQUESTS,
    TOGETHER,
    doubts,
    one,
    raw,
    read,
    sample,
    statistics,
    together,
    where,
)
from tests.collectors.damage import bear, check

FOUR = {f"{n}.out": raw(f"four/{n}.out") for n in range(1, 5)}
ROWS = {f"{n}.requests.tsv": raw(f"four/{n}.requests.tsv") for n in range(1, 5)}


def rows(data: bytes) -> list[list[int]]:
    lines = data.decode().splitlines()[1:]
    return [[int(cell) for cell in line.split("\t")[1:]] for line in lines]


def nearest(values: list[int], percent: float) -> int:
    return sorted(values)[max(math.ceil(percent / 100 * len(values)) - 1, 0)]


def made(count: int, span_s: int, ms: int = 100) -> bytes:
    """Return rows of requests that begin evenly over a span."""
    lines = ["starttime\tseconds\tctime\tdtime\tttime\twait"]
    for index in range(count):
        start = 1_700_000_000 + index * span_s // count
        lines.append(f"Tue Nov 14 22:13:20 2023\t{start}\t0\t{ms}\t{ms}\t{ms}")
    return ("\n".join(lines) + "\n").encode()


HTTP = {"a.out": raw("http.out")}


# A file without its report.


def test_percentiles_alone_are_read_to_a_microsecond() -> None:
    data = raw("http.percentiles.csv")
    reading = read(data, PERCENTILES, concurrency="50")
    printed = dict(line.split(",") for line in data.decode().splitlines()[1:])
    assert one(reading, "latency", "p99").printed == printed["99"]
    assert one(reading, "latency", "p99").value == float(f"{printed['99']}e-3")
    assert one(reading, "latency", "min").printed == printed["0"]
    assert where(reading) == {"concurrency": "50", "processes": "1"}
    assert {m.metric for m in reading.measurements} == {"ab.latency"}
    assert not reading.doubts


def test_of_few_requests_alone_the_user_says_how_many_there_were() -> None:
    data = raw("few.percentiles.csv")
    alone = read(data, PERCENTILES, concurrency="5")
    assert "p99 of 0.257 ms is below p98" in doubts(alone)[Doubt.INCONSISTENT]
    assert {m.status for m in alone.measurements} == {Status.SUSPECT}
    known = read(data, PERCENTILES, concurrency="5", requests="40")
    assert "p99" not in statistics(known, "latency")


def test_a_published_file_of_requests_agrees_with_its_own_rows() -> None:
    data = sample("ab-g-1000.tsv")
    with pytest.raises(SitegenError, match=r"add `--set concurrency=N`"):
        REQUESTS.runs(data, {})
    reading = read(data, REQUESTS, concurrency="20")
    table = rows(data)
    times = [row[3] for row in table]
    assert one(reading, "complete_requests", "value").value == len(table) == 1000
    assert one(reading, "latency").value == pytest.approx(sum(times) / len(times) / 1000)
    assert one(reading, "latency", "p99.9").value == nearest(times, 99.9) / 1000
    waits = [row[4] for row in table]
    assert one(reading, "waiting_time").value == pytest.approx(sum(waits) / len(waits) / 1000)
    span = max(row[0] + row[3] / 1000 for row in table) - min(row[0] for row in table)
    assert one(reading, "requests_per_second").value == pytest.approx(1000 / span)
    assert set(doubts(reading)) == {Doubt.ROUNDED}


def test_a_long_run_has_a_rate_with_its_rounding_said() -> None:
    reading = read(made(1000, 100, 1000), REQUESTS, concurrency="10")
    # From second 0 to 99, and a second for the last request.
    assert one(reading, "requests_per_second").value == pytest.approx(10)
    assert "between 9.90 and 10.10" in doubts(reading)[Doubt.ROUNDED]
    assert reading.started_at == "2023-11-14T22:13:20Z"
    idle = read(made(1000, 100, 1000), REQUESTS, concurrency="100")
    assert "100 connections at once would be busy 10%" in doubts(idle)[Doubt.INCONSISTENT]
    assert one(idle, "requests_per_second").status == Status.SUSPECT
    assert one(idle, "latency").status == Status.OK


def test_a_short_or_cut_file_of_requests_alone_says_what_is_missing() -> None:
    data = raw("beside.requests.tsv")
    reading = read(data, REQUESTS, concurrency="10")
    assert not statistics(reading, "requests_per_second")
    assert "too short" in reading.notes[0]
    assert where(reading)["requests"] == "200"
    cut = read(data[:-20], REQUESTS, concurrency="10")
    assert "the slowest are not there" in doubts(cut)[Doubt.CUT_OFF]
    assert {m.status for m in cut.measurements} == {Status.SUSPECT}
    assert "requests" not in where(cut)


# A report and its percentiles (-e).


def test_a_percentile_behind_the_last_request_is_not_read() -> None:
    """With 40 requests ab takes number 40 of 0 to 39 for 99 %: whatever lies in memory there."""
    data = raw("few.percentiles.csv")
    assert b"98,1.342\n99,0.257\n" in data
    reading = together({"a.out": raw("few.out"), "a.csv": data}, BESIDE)
    assert "p99" not in statistics(reading, "latency")
    assert not reading.doubts


def test_percentiles_cut_off_are_said_and_a_cut_number_is_none() -> None:
    data = raw("http.percentiles.csv")
    reading = together({**HTTP, "a.csv": data[: data.index(b"\n98,") + 6]}, BESIDE)
    assert "98 of 101 percentiles are there" in doubts(reading)[Doubt.CUT_OFF]
    # Those of the report stand for the others.
    assert one(reading, "latency", "p99").printed == "17"


@pytest.mark.parametrize("row", [b"101,1.000\n", b"x\n", b"5,nan\n", b"5,-1.000\n", b"0,1.000\n"])
def test_a_row_that_ab_did_not_write_is_refused_with_its_line(row: bytes) -> None:
    with pytest.raises(SitegenError, match="line 3: is no row"):
        together({**HTTP, "a": b"Percentage served,Time in ms\n0,3.538\n" + row}, BESIDE)


# A report and the rows of its requests (-g).


def test_rows_that_do_not_add_up_are_doubted() -> None:
    rows = raw("beside.requests.tsv").decode().splitlines(keepends=True)
    odd = rows[-1].split("\t")
    odd[2] = "500"
    data = "".join([*rows[:-1], "\t".join(odd)]).encode()
    reading = together({"a": raw("beside.out"), "b": data}, BESIDE)
    assert "in 1 of 200 rows" in doubts(reading)[Doubt.INCONSISTENT]
    assert one(reading, "latency", "p99").status == Status.SUSPECT


def test_two_files_in_one_are_refused() -> None:
    data = raw("beside.requests.tsv")
    with pytest.raises(SitegenError, match="line 202: is no row of a request"):
        together({"a": raw("beside.out"), "b": data + data}, BESIDE)


def test_without_a_table_and_percentiles_the_rows_give_the_latency() -> None:
    whole = raw("beside.out").decode()
    head = whole[: whole.index("Connection Times")].encode()
    data = raw("beside.requests.tsv")
    reading = together({"a": head, "b": data}, BESIDE)
    times = [row[3] for row in rows(data)]
    assert one(reading, "latency").value == pytest.approx(sum(times) / 200 / 1000)
    for percent in (50, 90, 99):
        assert one(reading, "latency", f"p{percent}").value == nearest(times, percent) / 1000


def test_beside_a_report_the_finer_figures_win() -> None:
    names = {"a": "beside.out", "b": "beside.percentiles.csv", "c": "beside.requests.tsv"}
    files = {name: raw(file) for name, file in names.items()}
    reading = together(files, BESIDE)
    finer = dict(line.split(",") for line in files["b"].decode().splitlines()[1:])
    for percent, statistic in ((0, "min"), (50, "p50"), (99, "p99"), (100, "max")):
        assert one(reading, "latency", statistic).printed == finer[str(percent)]
    assert one(reading, "latency", "stddev") == one(read(files["a"]), "latency", "stddev")
    assert sum(point.y for point in reading.samples) == 200
    assert reading.started_at.startswith("2026-11-21T")
    assert not reading.doubts


def test_a_file_of_another_run_contradicts_the_report() -> None:
    files = {"a": raw("beside.out"), "b": raw("http.percentiles.csv")}
    reading = together(files, BESIDE)
    assert "ms in the report and" in doubts(reading)[Doubt.INCONSISTENT]
    assert one(reading, "latency", "p99").status == Status.SUSPECT
    assert one(reading, "requests_per_second").status == Status.OK


def test_missing_rows_are_said_and_not_drawn() -> None:
    """Of the recorded file only the first 40 lines are kept."""
    files = {"a": raw("http.out"), "b": raw("http.requests.tsv")}
    reading = together(files, BESIDE)
    assert "39 of 2000 requests have a row" in doubts(reading)[Doubt.CUT_OFF]
    assert not reading.samples
    assert one(reading, "latency", "p99").status == Status.OK


def test_files_beside_several_reports_belong_to_nobody() -> None:
    files = {"a": raw("http.out") + raw("http.out"), "b": raw("http.percentiles.csv")}
    with pytest.raises(SitegenError, match="holds 2 reports"):
        together(files, BESIDE)


# Many at once.


def test_many_processes_are_one_load() -> None:
    reading = together({**FOUR, **ROWS}, TOGETHER, duration_s="0.150", access="loopback")
    counts = {"concurrency": 5, "processes": 4, "requests": 200}
    assert where(reading) == dict(params(access="loopback", scheme="http", **counts))
    assert {m.workload for m in reading.measurements} == {"multi"}
    assert one(reading, "requests_per_second", "total").value == pytest.approx(800 / 0.150)
    times = [row[3] for data in ROWS.values() for row in rows(data)]
    assert one(reading, "latency", "p99").value == nearest(times, 99) / 1000
    assert one(reading, "latency").value == pytest.approx(sum(times) / 800 / 1000)
    assert sum(point.y for point in reading.samples) == 800
    assert not reading.doubts


def test_without_a_span_the_longest_process_is_it_and_that_is_said() -> None:
    reading = together(FOUR, TOGETHER)
    assert one(reading, "requests_per_second", "total").value == pytest.approx(800 / 0.134)
    assert "0.109 to 0.134 s" in doubts(reading)[Doubt.UNEQUAL_JOBS]
    assert not statistics(reading, "latency")


def test_failed_processes_are_counted_and_said() -> None:
    reading = together({**FOUR, **ROWS, "5.out": raw("timeout.out")}, TOGETHER)
    message = doubts(reading)[Doubt.FAILED_PART]
    assert message.startswith("1 of 5 processes have no result: ab printed no result")
    assert where(reading)["processes"] == "5"
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}
    missing = together(FOUR, TOGETHER, processes="5")
    assert doubts(missing)[Doubt.FAILED_PART] == "1 of 5 processes have no result"


def test_what_ab_printed_to_standard_error_is_no_process_and_gives_the_reason() -> None:
    silent = {f"{name.rpartition('.')[0]}.err": b"" for name in FOUR}
    failed = {"5.out": raw("timeout.out"), "5.err": raw("timeout.err"), "6.out": b""}
    reading = together({**FOUR, **ROWS, **silent, **failed}, TOGETHER)
    reason = doubts(reading)[Doubt.FAILED_PART]
    assert reason.startswith("2 of 6 processes have no result: ab gave up: apr_pollset_poll")
    assert "it printed nothing" in reason
    assert where(reading)["processes"] == "6"


def test_starts_in_whole_seconds_serve_a_long_load_without_reports() -> None:
    reading = together({"a": made(1000, 120), "b": made(1000, 120)}, TOGETHER, concurrency="5")
    # The last of 1,000 begins in second 119 and takes 0.1 s.
    assert one(reading, "requests_per_second", "total").value == pytest.approx(2000 / 119.1)
    assert "118.1 to 120.1 s" in doubts(reading)[Doubt.ROUNDED]
    assert where(reading)["processes"] == "2"


def test_percentiles_of_a_part_are_not_those_of_all() -> None:
    some = dict(list(ROWS.items())[:3])
    reading = together({**FOUR, **some}, TOGETHER)
    assert not statistics(reading, "latency")
    assert any("No latency" in note for note in reading.notes)
    one_cut = {**FOUR, **ROWS, "4.requests.tsv": ROWS["4.requests.tsv"][:-10]}
    reading = together(one_cut, TOGETHER)
    assert not statistics(reading, "latency")
    assert Doubt.CUT_OFF in doubts(reading)


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        ({**FOUR, "5": raw("http.out")}, {}, "did not do the same: concurrency"),
        ({"1": raw("timeout.out"), "2": raw("timeout.out")}, {}, "none of 2 processes"),
        (FOUR, {"processes": "3"}, "4 processes have a result, not 3"),
        (FOUR, {"duration_s": "0.05"}, "one process alone took 0.134 s"),
        ({"1": FOUR["1.out"], "2": FOUR["2.out"], **ROWS}, {}, "4 files of requests and only 2"),
    ],
)
def test_what_was_not_one_load_is_refused(
    files: dict[str, bytes], settings: dict[str, str], message: str
) -> None:
    with pytest.raises(SitegenError, match=message):
        together(files, TOGETHER, **settings)


def test_files_of_others_make_no_bundle() -> None:
    for bundle in (BESIDE, TOGETHER):
        assert not bundle.knows({**FOUR, "notes": b"what I did on Friday"})
        assert not bundle.knows({"a": raw("http.out")})
        assert not bundle.knows({})


@pytest.mark.parametrize("name", ["beside.percentiles.csv", "beside.requests.tsv"])
def test_damaged_files_are_refused_or_read(name: str) -> None:
    report, reader = raw("beside.out"), PERCENTILES if name.endswith("csv") else REQUESTS
    bear(reader.knows, lambda data: reader.runs(data, {"concurrency": "10"}), raw(name))
    bear(
        lambda data: BESIDE.knows({"a": report, "b": data}),
        lambda data: BESIDE.runs({"a": report, "b": data}, {}),
        raw(name),
    )


@pytest.mark.parametrize("name", ["1.out", "2.requests.tsv"])
def test_a_damaged_file_among_many_is_refused_or_read(name: str) -> None:
    whole = {**FOUR, **ROWS}[name]
    for place in range(0, len(whole), max(len(whole) // 25, 1)):
        for hurt in (whole[:place], whole[:place] + b"\xff7x" + whole[place + 3 :]):
            try:
                [reading] = TOGETHER.runs({**FOUR, **ROWS, name: hurt}, {})
            except SitegenError:
                continue
            check(reading)
