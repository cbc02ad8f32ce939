from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.fio.readers import logs
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.intake import files as intake
from sitegen.intake.run import Order
from sitegen.model import Doubt, Sample
from sitegen.redact import Redactor
from tests.collectors.fio.readers.recorded import RAW, one

KINDS = ("bw", "iops", "lat", "clat", "slat", "clat_hist")
ALL = tuple(f"log_{kind}.{number}.log" for kind in KINDS for number in (1, 2))


def files(*names: str) -> dict[str, bytes]:
    return {name: (RAW / name).read_bytes() for name in names}


def together(contents: Mapping[str, bytes]) -> Reading:
    assert logs.knows(contents)
    [reading] = logs.BUNDLE.runs(contents, {})
    return reading


def points(reading: Reading, metric: str, direction: str, kind: str = "time") -> list[Sample]:
    return [
        s
        for s in reading.samples
        if (s.kind, s.metric, dict(s.params)["direction"]) == (kind, metric, direction)
    ]


def test_logs_become_samples_beside_the_result() -> None:
    reading = together(files("logs.json", *ALL))
    reads = points(reading, "fio.iops", "read")
    assert [s.x for s in reads][:3] == [0.5, 1.0, 1.5]
    # Two jobs: 11664 and 11430 in the first half second.
    assert reads[0].y == 11664 + 11430
    assert points(reading, "fio.bandwidth", "read")[0].y == (46656 + 45723) * 1024
    assert points(reading, "fio.latency", "read")[0].y == pytest.approx((82561 + 82939) / 2 / 1e9)
    assert reading.doubts == ()
    params = {m.params for m in reading.measurements if m.metric == "fio.iops"}
    assert {s.params for s in reading.samples} <= params


def test_histogram_logs_are_merged_over_jobs_and_time() -> None:
    reading = together(files("logs.json", *ALL))
    bins = points(reading, "fio.completion_latency", "read", "histogram")
    rows = [
        line.split(b",")
        for name in ("log_clat_hist.1.log", "log_clat_hist.2.log")
        for line in (RAW / name).read_bytes().splitlines()
    ]
    counted = sum(int(x) for row in rows if int(row[1]) == 0 for x in row[3:])
    assert sum(s.y for s in bins) == counted
    mean = sum(s.x * s.y for s in bins) / counted
    document = json.loads((RAW / "logs.json").read_text())["jobs"][0]["read"]["clat_ns"]["mean"]
    assert mean == pytest.approx(document / 1e9, rel=0.05)


def test_logs_that_disagree_with_the_result_are_doubted() -> None:
    contents = files("logs.json", "log_iops.1.log")  # one of two jobs
    [(kind, message, about)] = together(contents).doubts
    assert (kind, about) == (Doubt.INCONSISTENT, "log")
    assert "the mean of its iops logs" in message


def test_logs_of_single_ios_are_counted_by_the_second() -> None:
    names = [f"perio_{kind}.1.log" for kind in KINDS if kind != "clat_hist"]
    reading = together(files("perio.json", *names))
    [second] = points(reading, "fio.iops", "read")
    assert (second.x, second.y) == (1.0, 200)
    assert points(reading, "fio.bandwidth", "read")[0].y == 200 * 4096
    latency = json.loads((RAW / "perio.json").read_text())["jobs"][0]["read"]["lat_ns"]["mean"]
    assert points(reading, "fio.latency", "read")[0].y == pytest.approx(latency / 1e9, rel=1e-3)


def test_logs_go_to_the_job_of_their_number() -> None:
    log = b"1000, 10000, %d, 0, 0\n2000, 10000, %d, 0, 0\n"
    contents = {
        **files("stonewall.json"),
        "x_iops.1.log": log % (0, 0),
        "x_iops.2.log": log % (1, 1),
    }
    reading = together(contents)
    assert {
        (s.workload, dict(s.params)["direction"]) for s in reading.samples if s.kind == "time"
    } == {*(("seq-read", "read"), ("random-write", "write"))}
    with pytest.raises(SitegenError, match="nothing says which job it is of"):
        together({**files("stonewall.json"), "x_iops.9.log": log % (0, 0)})


def test_logs_belong_to_text_as_well() -> None:
    log = b"500, 42000, 0, 0, 0\n1000, 43000, 0, 0, 0\n"
    reading = together({**files("text.txt"), "a_iops.1.log": log})
    assert [s.y for s in points(reading, "fio.iops", "read")] == [42000, 43000]


def test_logs_alone_give_means_over_time() -> None:
    reading = together(files(*ALL))
    reads = points(reading, "fio.iops", "read")
    mean = one(reading, "fio.iops", "mean", direction="read").value
    assert mean == sum(s.y for s in reads) / len(reads)
    p99 = one(reading, "fio.completion_latency", "p99", direction="read").value
    assert p99 == pytest.approx(118e-6, rel=0.05)
    assert {m.workload for m in reading.measurements} == {"log"}
    assert "say nothing else" in reading.notes[0]


def test_a_single_log_needs_its_kind() -> None:
    data = (RAW / "log_bw.1.log").read_bytes()
    with pytest.raises(SitegenError, match="does not say what it counts; one of bw, iops"):
        logs.READER.runs(data, {})
    [reading] = logs.READER.runs(data, {"kind": "bw"})
    assert {m.metric for m in reading.measurements} == {"fio.bandwidth"}
    [histogram] = logs.READER.runs((RAW / "log_clat_hist.1.log").read_bytes(), {})
    assert {m.metric for m in histogram.measurements} == {"fio.completion_latency"}


def test_a_log_alone_is_told_by_the_name_that_fio_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "nightly_bw.1.log"
    path.write_bytes((RAW / "log_bw.1.log").read_bytes())
    for settings in ({}, {"iodepth": "32"}):
        [one], _ = intake.read_all([path], Order("vm", settings=settings), Redactor())
        assert {m.metric for m in one.run.measurements} == {"fio.bandwidth"}
        assert {m.workload for m in one.run.measurements} == {"nightly"}
    other = path.rename(tmp_path / "nightly.log")
    with pytest.raises(SitegenError, match="does not say what it counts"):
        intake.read_all([other], Order("vm"), Redactor())
    [one], _ = intake.read_all([other], Order("vm", settings={"kind": "iops"}), Redactor())
    assert {m.metric for m in one.run.measurements} == {"fio.iops"}


def test_four_columns_leave_the_unit_of_latency_open() -> None:
    log = b"1000, 85000, 0, 0\n2000, 86000, 0, 0\n"
    with pytest.raises(SitegenError, match="add --set unit=ns or unit=us"):
        logs.READER.runs(log, {"kind": "lat"})
    [reading] = logs.READER.runs(log, {"kind": "lat", "unit": "us"})
    assert reading.measurements[0].value == pytest.approx(85.5e-3)
    [reading] = logs.READER.runs(b"1000, 85000, 0, 0, 0\n", {"kind": "lat"})
    assert reading.measurements[0].value == 85e-6


def test_fio_2_logs_microseconds() -> None:
    reading = together({**files("fio-2.out"), "a_lat.1.log": b"1000, 100, 0, 0\n2000, 110, 0, 0\n"})
    assert [s.y for s in points(reading, "fio.latency", "read")] == [100e-6, 110e-6]


def test_times_since_1970_begin_at_the_first_interval() -> None:
    log = b"1795269700000, 10, 0, 0, 0\n1795269701000, 20, 0, 0, 0\n"
    reading = together({**files("latency.out"), "x_iops.1.log": log})
    assert [s.x for s in points(reading, "fio.iops", "read")] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"x_iops.1.log": b"1, 2, 0, 0\nnonsense\n"}, r"x_iops.1.log, line 2: is no line of"),
        ({"data.1.log": b"1, 2, 0, 0\n"}, "nothing says what it counts"),
        (files("stonewall.json"), "not one result"),
    ],
)
def test_what_cannot_be_told_is_refused(contents: dict[str, bytes], message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        logs.BUNDLE.runs({**files("logs.json"), **contents}, {})


def test_a_bundle_is_logs_and_nothing_foreign() -> None:
    assert not logs.knows(files("logs.json"))
    assert not logs.knows({**files("log_bw.1.log"), "x": b"hello"})


@pytest.mark.parametrize("count", [1856, 464, 29])
def test_a_histogram_may_be_coarse(count: int) -> None:
    row = b"1000, 0, 4096, " + b", ".join(b"1" for _ in range(count)) + b"\n"
    assert sum(logs.read_log("x", row).bins[0].values()) == count


def test_logs_alone_say_what_they_do_not_state_and_what_they_can() -> None:
    def kinds(data: bytes, **settings: str) -> dict[Doubt, str]:
        [reading] = logs.READER.runs(data, {"kind": "iops", **settings})
        return {kind: sentence for kind, sentence, _ in reading.doubts}

    means = b"1000, 100, 0, 0, 0\n2000, 100, 0, 0, 0\n"
    assert "block_size and iodepth" in kinds(means)[Doubt.NOT_STATED]
    assert not kinds(means, block_size="4k", iodepth="8")
    # Of single I/Os the size stands there.
    single = b"".join(b"%d, 1, 0, 4096, 0\n" % ms for ms in range(0, 2000, 10))
    assert kinds(single)[Doubt.NOT_STATED].startswith("nothing says its iodepth")
    with pytest.raises(SitegenError, match="the file says '4096'"):
        kinds(single, block_size="8k")


def test_logs_alone_are_held_to_the_depth_and_the_size_that_the_user_says() -> None:
    contents = files(*ALL)
    for depth, jobs, shallow in (("2", "2", False), ("32", "2", True)):
        answers = {"iodepth": depth, "numjobs": jobs, "block_size": "4k"}
        [reading] = logs.BUNDLE.runs(contents, answers)
        assert (Doubt.NOT_REACHED in {kind for kind, _, _ in reading.doubts}) is shallow
        assert ({m.status for m in reading.measurements} == {"suspect"}) is shallow
    with pytest.raises(SitegenError, match="its I/Os are of 4096 B on average"):
        logs.BUNDLE.runs(contents, {"block_size": "64k"})


def test_a_single_log_is_told_by_its_name_in_a_bundle() -> None:
    data = (RAW / "log_bw.1.log").read_bytes()
    for name, metric in (("x_bw.1.log", "bandwidth"), ("run_iops.log", "iops")):
        assert {m.metric for m in together({name: data}).measurements} == {f"fio.{metric}"}
    with pytest.raises(SitegenError, match="give it alone by fio's own name"):
        logs.READER.runs(data, {})


def test_a_line_of_another_form_is_named_wherever_it_stands() -> None:
    rows = b"".join(b"%d, 100, %d, 0, 0\n" % (ms, ms % 2) for ms in range(30_000))
    assert logs.read_log("x_iops.1.log", rows + b"\n\n" + rows).last_ms == 29_999
    with pytest.raises(SitegenError, match=r"line 30003: is no line of such a log"):
        logs.read_log("x_iops.1.log", rows + b"\n" + b"1, 2, 0, 0\nnonsense\n" + rows)
