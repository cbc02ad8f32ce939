from __future__ import annotations

from functools import partial

import pytest

from collectors.fio.readers import terse
from sitegen.errors import SitegenError
from sitegen.model import Doubt
from tests.collectors.fio.readers.recorded import RAW, one, read

imported = partial(read, terse.READER)


def text(version: int) -> str:
    return (RAW / f"terse-{version}.txt").read_text()


@pytest.mark.parametrize(("version", "write_at"), [(4, 46), (5, 52)])
def test_fields_are_kib_milliseconds_and_microseconds(version: int, write_at: int) -> None:
    fields, reading = text(version).strip().split(";"), imported(text(version))
    for start, direction in ((5, "read"), (write_at, "write")):
        kib, _, iops, runtime = (float(x) for x in fields[start : start + 4])
        bandwidth = one(reading, "fio.bandwidth", direction=direction)
        assert bandwidth.value == kib * 1024 / (runtime / 1000)
        assert one(reading, "fio.iops", direction=direction).value == iops
        mean = one(reading, "fio.latency", "mean", direction=direction).value
        assert mean == float(fields[start + 34]) / 1e6
        p99 = one(reading, "fio.completion_latency", "p99", direction=direction).value
        assert fields[start + 24].startswith("99.000000%=")
        assert p99 == float(fields[start + 24].partition("=")[2]) / 1e6
    assert [kind for kind, _, _ in reading.doubts] == [Doubt.NOT_STATED]


def test_version_5_has_iops_over_time() -> None:
    assert one(imported(text(5)), "fio.iops", "mean", direction="read").value == 14810
    assert not [
        m for m in imported(text(4)).measurements if (m.metric, m.statistic) == ("fio.iops", "mean")
    ]


def test_lines_with_the_same_disk_counters_ran_together() -> None:
    reading = imported(text(3))
    rows = [line.split(";") for line in text(3).strip().split("\n")]
    moved = sum(int(row[5]) for row in rows) * 1024
    assert one(reading, "fio.bandwidth", direction="read").value == pytest.approx(moved / 1.001)
    assert dict(one(reading, "fio.iops", direction="read").params)["numjobs"] == "2"


def test_lines_with_other_disk_counters_are_repetitions() -> None:
    line = text(5)
    reading = imported(line + line.replace("vda;14275", "vda;14276"))
    rates = [m for m in reading.measurements if m.metric == "fio.io_bytes"]
    assert sorted(m.repetition for m in rates) == [0, 0, 1, 1]


def test_lines_without_counters_need_the_users_word() -> None:
    line = text(5).partition(";vda")[0] + "\n"
    with pytest.raises(SitegenError, match=r"ran at once; say it with --set num"):
        imported(line + line)
    assert dict(one(imported(line + line, {"numjobs": "2"}), "fio.iops", direction="read").params)
    again = imported(line + line, {"numjobs": "1"})
    assert {m.repetition for m in again.measurements} == {0, 1}


def test_a_small_whole_number_of_iops_is_rounded() -> None:
    fields = text(5).strip().split(";")
    fields[7] = "16"
    reading = imported(";".join(fields))
    assert (Doubt.ROUNDED, "read: IOPS is printed as 16", "many") in reading.doubts


def test_a_bandwidth_that_the_bytes_contradict_is_doubted() -> None:
    fields = text(5).strip().split(";")
    fields[6] = "99999"
    assert Doubt.INCONSISTENT in {kind for kind, _, _ in imported(";".join(fields)).doubts}


def test_what_terse_does_not_say_the_user_may() -> None:
    reading = imported(text(4), {"engine": "libaio", "block_size": "4k", "iodepth": "2"})
    texts = dict(one(reading, "fio.iops", direction="read").params)
    assert (texts["engine"], texts["block_size"], texts["iodepth"]) == ("libaio", "4096", "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text(5).replace("5;fio", "6;fio", 1), "terse version 6"),
        (text(5)[:400], r"line 1: breaks off after \d+ fields"),
        (text(5).replace(";64115;", ";nan;"), "'nan' is not a number"),
    ],
)
def test_unknown_versions_and_broken_lines_are_refused(content: str, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        imported(content)
