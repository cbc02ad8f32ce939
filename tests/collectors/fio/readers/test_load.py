"""What load really ran: the depth, the size of an I/O, the disk, and what ran beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from collectors.fio.readers import json_report, terse, text_report
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Measurement, Parameter, Status
from tests.collectors.fio.readers.recorded import RAW, every, one, read, sentence


def side(ios: int, block: int, latency_us: float = 0, ms: int = 1000) -> dict[str, Any]:
    """Return what fio says of one direction."""
    mean = {"mean": latency_us * 1000, "min": 1000, "max": 90_000_000, "stddev": 1.0, "N": ios}
    rates = {"bw_bytes": ios * block * 1000 // ms, "iops": ios * 1000 / ms, "runtime": ms}
    counts = {"io_bytes": ios * block, "io_kbytes": ios * block // 1024, "total_ios": ios}
    return {**counts, **rates, "lat_ns": mean} if latency_us else {**counts, **rates}


def job(name: str = "rr", **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - as fio's JSON
    """Return one entry; ``options`` are its job options and ``levels`` its depths."""
    options, levels = parts.pop("options", {}), parts.pop("levels", {})
    usual = {"rw": "randread", "bs": "4k", "iodepth": "1", "ioengine": "libaio", "direct": "1"}
    kept = {k: v for k, v in {**usual, **options}.items() if v is not None}
    return {"jobname": name, "job options": kept, "iodepth_level": levels, **parts}


def document(*jobs: Mapping[str, Any], disks: tuple[str, ...] = ("vda",), **more: object) -> bytes:
    """Return fio's JSON."""
    util = [{"name": name, "read_ios": 1} for name in disks]
    whole = {"fio version": "fio-3.30", "timestamp_ms": 1_700_000_000_000, "jobs": jobs}
    return json.dumps({**whole, "disk_util": util, **more}).encode()


def imported(*jobs: Mapping[str, Any], **more: Any) -> Reading:  # noqa: ANN401 - as above
    [reading] = json_report.READER.runs(document(*jobs, **more), {})
    return reading


def named(reading: Reading, name: str) -> Parameter:
    return next(p for p in reading.parameters if p.name == name)


def about(row: Measurement) -> dict[str, str]:
    return dict(row.params)


# The depth.


@pytest.mark.parametrize("engine", ["psync", None, "libaio"])
def test_a_depth_that_was_not_reached_is_doubted_whatever_the_engine(engine: str | None) -> None:
    options = {"iodepth": "128", "ioengine": engine, "rw": "read"}
    reading = imported(job(read=side(10_000, 131_072, 199, 2000), options=options | {"bs": "128k"}))
    assert sentence(reading, Doubt.NOT_REACHED) == "iodepth is 128, and 1 I/O was in flight"
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}


@pytest.mark.parametrize(
    ("depth", "latency_us", "doubted"),
    [
        ("32", 3200, False),
        ("32", 2500, False),
        ("32", 1200, True),
        ("2", 100, True),
        ("1", 40, False),
    ],
)
def test_a_depth_is_reached_within_a_tolerance(depth: str, latency_us: int, doubted: bool) -> None:  # noqa: FBT001
    reading = imported(job(read=side(10_000, 4096, latency_us), options={"iodepth": depth}))
    assert bool(sentence(reading, Doubt.NOT_REACHED)) is doubted
    assert (one(reading, "fio.iops").status == Status.SUSPECT) is doubted


def test_without_latency_the_levels_tell_and_then_the_engine() -> None:
    wanted = {"iodepth": "64"}
    shallow = imported(job(read=side(10_000, 4096), options=wanted, levels={"1": 100.0, "2": 0.0}))
    assert sentence(shallow, Doubt.NOT_REACHED) == "iodepth is 64, and 1 I/O was in flight"
    deep = imported(job(read=side(10_000, 4096), options=wanted, levels={"1": 0.1, ">=64": 99.9}))
    assert not sentence(deep, Doubt.NOT_REACHED)
    named = imported(job(read=side(10_000, 4096), options=wanted | {"ioengine": "pvsync2"}))
    assert "pvsync2 does one I/O at a time" in sentence(named, Doubt.NOT_REACHED)
    assert not imported(job(read=side(10_000, 4096), options=wanted)).doubts


def test_the_depth_is_that_of_all_jobs_and_directions_together() -> None:
    mixed = {"rw": "randrw", "iodepth": "16", "numjobs": "2", "group_reporting": ""}
    both: dict[str, Any] = {"read": side(6000, 4096, 4000), "write": side(2000, 4096, 4000)}
    assert not imported(job(**both, options=mixed)).doubts
    reading = imported(job(**both, options=mixed | {"numjobs": "8"}))
    expected = "iodepth is 16 in 8 jobs, and 32 I/Os were in flight"
    assert sentence(reading, Doubt.NOT_REACHED) == expected


@pytest.mark.parametrize("limit", [{"rate_iops": "100"}, {"rate": "1m"}, {"thinktime": "500"}])
def test_a_limit_that_was_asked_for_keeps_the_queue_short(limit: dict[str, str]) -> None:
    shallow = side(100, 4096, 200)
    assert not imported(job(read=shallow, options={"iodepth": "32", **limit})).doubts
    capped = {"iodepth": "32", "ioengine": "psync", **limit}
    assert sentence(imported(job(read=shallow, options=capped)), Doubt.NOT_REACHED)


HEADER = "{}: (g={}): rw={}, bs=(R) {}, (W) {}, (T) {}, ioengine={}, iodepth={}\n"
SECTION = (
    "{name}: (groupid={group}, jobs={jobs}): err= 0: pid=11: Tue Nov 14 22:13:20 2023\n{sides}"
    "  cpu          : usr=1.00%, sys=2.00%, ctx=10, majf=0, minf=0\n"
    "  IO depths    : {depths}\n"
    "     issued rwts: total={issued},0,0 short=0,0,0,0 dropped=0,0,0,0\n\n"
)
RATES = (
    "  {}: IOPS={}, BW={} ({})({}/{}msec)\n     lat (usec): min=26, max=900, avg={}, stdev=20.00\n"
)
END = "Run status group 0 (all jobs):\n"


def header(  # noqa: PLR0913 - as fio's line
    name: str, rw: str, size: str, depth: int, engine: str = "libaio", group: int = 0
) -> str:
    span = f"{size}-{size}"
    return HEADER.format(name, group, rw, span, span, span, engine, depth)


def section(name: str, sides: str, issued: str, *, group: int = 0, jobs: int = 1) -> str:
    depths = "1=100.0%, 2=0.0%, 4=0.0%, 8=0.0%, 16=0.0%, 32=0.0%, >=64=0.0%"
    values = {"group": group, "jobs": jobs, "sides": sides, "issued": issued, "depths": depths}
    return SECTION.format(name=name, **values)


WRITES = RATES.format("write", "2000", "62.5MiB/s", "65.5MB/s", "125MiB", 2000, "499.00")
W1 = header("w1", "write", "32.0KiB", 16, "psync") + "fio-3.38\n" + section("w1", WRITES, "0,4000")


def test_the_depth_of_text_is_checked_with_and_without_fios_note() -> None:
    note = "note: both iodepth >= 1 and synchronous I/O engine are selected, queue depth will be"
    note = f"{note} capped at 1\n"
    for whole in (W1 + END, W1.replace("fio-3.38\n", f"fio-3.38\n{note}") + END):
        reading = read(text_report.READER, whole)
        assert sentence(reading, Doubt.NOT_REACHED) == "iodepth is 16, and 1 I/O was in flight"
        assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    levels = read(text_report.READER, W1.replace(" lat (usec)", " unread") + END)
    assert sentence(levels, Doubt.NOT_REACHED) == "iodepth is 16, and 1 I/O was in flight"


def test_of_terse_output_the_user_says_the_depth() -> None:
    data = (RAW / "terse-3.txt").read_text().splitlines()[0]
    deep = {"numjobs": "1", "iodepth": "64", "block_size": "4k"}
    reading = read(terse.READER, data, deep)
    assert "iodepth is 64, and 2 I/Os were in flight" in sentence(reading, Doubt.NOT_REACHED)
    right = read(terse.READER, data, deep | {"iodepth": "2"})
    assert {kind for kind, _, _ in right.doubts} <= {Doubt.ROUNDED}
    with pytest.raises(SitegenError, match="an I/O moved 4096 B on average"):
        terse.READER.runs(data.encode(), deep | {"block_size": "64k"})


# The size of an I/O, and jobs that were added up.


def test_options_of_one_of_several_jobs_are_no_label_of_all() -> None:
    both: dict[str, Any] = {"read": side(2000, 65_536, 4000), "write": side(8000, 4096, 4000)}
    options = {"rw": "randwrite", "iodepth": "32"}
    reading = imported(job("seq-read", **both, options=options))
    reads, writes = (one(reading, "fio.iops", direction=d) for d in ("read", "write"))
    assert (reads.value, writes.value) == (2000, 8000)
    for row, size in ((reads, "65536"), (writes, "4096")):
        expected = {"direction", "block_size", "engine", "grouped"}
        assert (about(row)["block_size"], set(about(row))) == (size, expected)
    assert "rw is randwrite, and there are reads and writes" in sentence(
        reading, Doubt.INCONSISTENT
    )


def test_a_mean_of_several_sizes_is_no_size() -> None:
    reading = imported(job(read=side(2000, 34_816), options={"iodepth": "8"}))
    assert {"block_size", "iodepth", "pattern"}.isdisjoint(about(one(reading, "fio.iops")))
    told = "read: an I/O moved 34816 B on average, and the block size is 4096"
    assert sentence(reading, Doubt.INCONSISTENT) == told


def test_more_in_flight_than_one_job_can_have_are_several_jobs() -> None:
    reading = imported(job(read=side(10_000, 4096, 4000), options={"iodepth": "8"}))
    assert "40 I/Os were in flight, and 1 job of iodepth 8 can have 8" in sentence(
        reading, Doubt.INCONSISTENT
    )
    assert "iodepth" not in about(one(reading, "fio.iops"))


@pytest.mark.parametrize(
    "options",
    [
        {"bs": "64k"},
        {"bs": "64k", "kb_base": "1000"},
        {"bsrange": "4k-128k"},
        {"bssplit": "4k/50:64k/50"},
        {"bs": "64k", "rw": "write", "verify": "crc32c"},
    ],
)
def test_a_size_that_the_bytes_bear_out_stays(options: dict[str, str]) -> None:
    reading = imported(job(read=side(2000, 65_536, 400), options=options))
    assert not reading.doubts
    ends = {"bsrange": "4096-131072", "bssplit": None}
    expected = next((end for key, end in ends.items() if key in options), "65536")
    assert about(one(reading, "fio.iops")).get("block_size") == expected


def test_the_last_io_of_a_file_may_be_short() -> None:
    part = side(10, 65_536) | {"io_bytes": 9 * 65_536 + 100, "bw_bytes": 9 * 65_536 + 100}
    assert not imported(job(read=part, options={"bs": "64k"})).doubts


def test_text_that_adds_up_unlike_jobs_says_so() -> None:
    reads = RATES.format("read", "2000", "125MiB/s", "131MB/s", "125MiB", 1000, "4000.00")
    writes = RATES.format("write", "8000", "31.2MiB/s", "32.8MB/s", "31.2MiB", 1000, "4000.00")
    heads = header("seq-read", "read", "64.0KiB", 8) + header(
        "rand-write", "randwrite", "4096B", 32
    )
    whole = heads + "fio-3.33\n" + section("seq-read", reads + writes, "2000,8000", jobs=2) + END
    reading = read(text_report.READER, whole)
    for direction, size, ios in (("read", "65536", 2000), ("write", "4096", 8000)):
        row = one(reading, "fio.iops", direction=direction)
        assert (row.value, about(row)["block_size"]) == (ios, size)
        assert {"iodepth", "pattern"}.isdisjoint(about(row))
        assert one(reading, "fio.io_bytes", direction=direction).value == ios * int(size)
    assert "jobs that are not alike: seq-read, rand-write" in sentence(reading, Doubt.INCONSISTENT)
    alike = header("w1", "write", "32.0KiB", 1) + header("w2", "write", "32.0KiB", 1)
    whole = alike + "fio-3.33\n" + section("w1", WRITES, "0,4000", jobs=2) + END
    assert about(one(read(text_report.READER, whole), "fio.iops"))["iodepth"] == "1"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        *(("65.5kB", "65536"), ("131kB", "131072"), ("1049kB", "1048576"), ("64.0kB", "64000")),
        *(("12.3kB", "12288"), ("4096B", "4096"), ("1000kB", "1000000"), ("1.05MB", "1048576")),
    ],
)
def test_a_size_that_kb_base_rounds_is_the_one_that_people_choose(size: str, expected: str) -> None:
    total = f"{int(expected) * 128}B"
    rate = RATES.format("read", "8000", "1B/s", "1B/s", total, 16, "100.00")
    rate = rate.replace("1B/s", f"{int(expected) * 8000}B/s")
    whole = header("k", "read", size, 1, "psync") + "fio-3.33\n" + section("k", rate, "128,0") + END
    reading = read(text_report.READER, whole)
    assert about(one(reading, "fio.iops"))["block_size"] == expected
    assert one(reading, "fio.io_bytes").value == int(expected) * 128
    assert not reading.doubts


def test_a_size_that_is_not_that_of_the_one_job_is_put_right_and_doubted() -> None:
    whole = W1.replace("32.0KiB", "64.0KiB").replace("psync", "libaio").replace("h=16", "h=1") + END
    reading = read(text_report.READER, whole)
    about_w1 = about(one(reading, "fio.iops"))
    assert (about_w1["block_size"], about_w1["iodepth"]) == ("32768", "1")
    assert "grouped" not in about_w1
    assert "an I/O moved 32768 B on average" in sentence(reading, Doubt.INCONSISTENT)


def test_a_size_without_a_header_is_what_the_bytes_say_and_the_depth_is_asked_for() -> None:
    whole = section("w1", WRITES, "0,4000") + END
    reading = read(text_report.READER, whole)
    assert about(one(reading, "fio.iops"))["block_size"] == "32768"
    assert "nothing says its iodepth" in sentence(reading, Doubt.NOT_STATED)
    assert not read(text_report.READER, whole, {"iodepth": "1"}).doubts


# Where it ran.


@pytest.mark.parametrize(
    ("disks", "options", "expected"),
    [
        (("vda",), {"filename": "/mnt/a"}, "vda"),
        (("dm-0", "sda"), {}, "dm-0, sda"),
        ((), {"filename": "/dev/nvme0n1"}, "nvme0n1"),
        (("vda",), {"filename": "/dev/nvme0n1:/dev/nvme1n1"}, "nvme0n1, nvme1n1"),
        (("sda",), {"filename": "/dev/disk/by-id/ata-S64DNF0R1"}, "sda"),
        ((), {"filename": "/dev/disk/by-id/ata-S64DNF0R1"}, "disk 3081bb"),
        ((), {"filename": "relative"}, None),
    ],
)
def test_a_run_says_its_device(
    disks: tuple[str, ...], options: dict[str, str], expected: str | None
) -> None:
    reading = imported(job(read=side(100, 4096), options=options), disks=disks)
    found = [p for p in reading.parameters if p.name == "device"]
    wanted = [Parameter("device", expected, Comparability.CAVEAT)] if expected else []
    assert found == wanted


def test_folders_are_told_apart_and_not_named() -> None:
    values = [
        named(imported(job(read=side(9, 4096), options={"directory": path}), disks=()), "device")
        for path in ("/mnt/a", "/mnt/b")
    ]
    assert values[0] != values[1]
    assert not any("mnt" in value.value for value in values)


def test_reports_of_two_devices_in_one_file_are_no_repetitions() -> None:
    first, second = (
        document(job(read=side(n, 4096)), disks=(d,)) for n, d in ((9, "vda"), (18, "sdb"))
    )
    [reading] = json_report.READER.runs(first + b"\n" + second, {})
    rows = every(reading, "fio.iops")
    assert [(about(m)["device"], m.repetition) for m in rows] == [("vda", 0), ("sdb", 0)]


def test_jobs_on_different_devices_say_so() -> None:
    options = [{"filename": f"/dev/nvme{n}n1"} for n in (0, 1)]
    apart = [
        job(name, read=side(100, 4096), options=option, groupid=group)
        for group, (name, option) in enumerate(zip(("left", "right"), options, strict=True))
    ]
    reading = imported(*apart)
    assert named(reading, "device.left").value == "nvme0n1"
    assert named(reading, "device.right").value == "nvme1n1"
    alike = [job(f"d{n}", read=side(100, 4096), options=option) for n, option in enumerate(options)]
    assert named(imported(*alike), "device").value == "nvme0n1, nvme1n1"


def test_text_and_terse_name_their_disks() -> None:
    stats = "\nDisk stats (read/write):\n  nvme0n1: ios=1/2, merge=0/0, ticks=1/1, util=9.00%\n"
    assert named(read(text_report.READER, W1 + END + stats), "device").value == "nvme0n1"
    command = f"$ fio --name=w1 --filename=/dev/nvme1n1 --rw=write\n{W1}{END}"
    assert named(read(text_report.READER, command), "device").value == "nvme1n1"
    line = (RAW / "terse-4.txt").read_text()
    assert named(read(terse.READER, line), "device").value == "vda"


def test_clients_on_other_hosts_are_told_apart_and_not_named() -> None:
    hosts = {
        name: named(
            read(text_report.READER, W1.replace("w1: (group", f"<{name}> w1: (group") + END), "host"
        )
        for name in ("perf84", "perf36")
    }
    assert hosts["perf84"] != hosts["perf36"]
    entry = job(read=side(100, 4096), hostname="perf84", port=8765)
    assert "perf84" not in named(imported(entry), "host").value
    # What redaction leaves tells nothing apart.
    redacted = imported({**entry, "hostname": "[host]"})
    assert "host" not in {p.name for p in redacted.parameters}


# What ran beside it.


def pair(**second: Any) -> Reading:  # noqa: ANN401 - as fio's JSON
    writes = {"rw": "write", "bs": "64k", "iodepth": "4"}
    return imported(
        job("reads", read=side(20_000, 4096, 400), options={"iodepth": "8"}),
        job("writes", write=side(5000, 65_536, 800), options=writes, **second),
        job("idle", options={"iodepth": "4"}, groupid=9),
    )


def test_jobs_that_ran_at_once_are_no_series_of_the_same_jobs_alone() -> None:
    reading = pair()
    for name in ("reads", "writes"):
        assert about(one(reading, "fio.iops", workload=name))["at_once"] == "2"
    assert named(reading, "ran at once").value == "reads, writes"
    assert "Jobs that ran at once: reads, writes." in reading.notes
    alone = pair(groupid=1)
    assert not [row for row in alone.measurements if "at_once" in dict(row.params)]
    assert not [note for note in alone.notes if "at once" in note]


def test_jobs_of_several_groups_may_have_run_at_once_all_the_same() -> None:
    long = {"read": side(20_000, 4096, ms=10_000), "elapsed": 11}
    first, second = (job(name, **long, groupid=group) for group, name in enumerate("ab"))
    assert about(one(imported(first, second), "fio.iops", workload="a"))["at_once"] == "2"
    # The time of the second began when the first had ended.
    then = [{**first, "job_start": 1_700_000_000_000}, {**second, "job_start": 1_700_000_010_100}]
    assert "at_once" not in about(one(imported(*then), "fio.iops", workload="a"))
    one_group = [{**entry, "groupid": 0} for entry in then]
    assert "at_once" not in about(one(imported(*one_group), "fio.iops", workload="a"))


def test_jobs_alike_are_one_workload_and_clones_count() -> None:
    many = [job(f"w{n}", read=side(100, 4096)) for n in range(4)]
    assert "at_once" not in about(one(imported(*many), "fio.iops"))
    beside = job("other", write=side(10, 65_536), options={"rw": "write", "bs": "64k"})
    reading = imported(*many, beside)
    assert about(one(reading, "fio.iops", workload="other"))["at_once"] == "5"


def test_text_tells_its_groups_and_terse_without_disks_does_not() -> None:
    heads = header("a", "write", "32.0KiB", 1) + header("b", "write", "32.0KiB", 1)
    whole = heads + "fio-3.38\n" + section("a", WRITES, "0,4000")
    whole += section("b", WRITES, "0,4000").replace("pid=11", "pid=12") + END
    assert about(one(read(text_report.READER, whole), "fio.iops", workload="a"))["at_once"] == "2"
    line = (RAW / "terse-3.txt").read_text().splitlines()[0]
    bare = ";".join(line.split(";")[: 5 + 2 * 41 + 34])
    lines = f"{bare}\n{bare.replace(';many;', ';other;')}\n"
    reading = read(terse.READER, lines, {"numjobs": "1"})
    assert "whether its jobs ran at once" in sentence(reading, Doubt.NOT_STATED)
    told = lines.replace("\n", ";vda;1;1;0;0;1;1;1;9%\n")
    where = {"workload": "other", "direction": "read"}
    assert about(one(read(terse.READER, told), "fio.iops", **where))["at_once"] == "2"


# kubestr -o json.


def test_kubestrs_json_without_what_is_empty_is_read() -> None:
    empty: dict[str, Any] = {"slat_ns": {}, "clat_ns": {}, "lat_ns": {}}
    reads = side(10_000, 4096, ms=10_000) | {"iops_mean": 1000.5, "iops_samples": 20} | empty
    options = {"bs": "4K", "iodepth": "64", "size": "2G", "rw": "randread", "direct": None}
    entry = job(
        "read_iops", read=reads, write=empty, trim=empty, sync={"lat_ns": {}}, options=options
    )
    shared = {"ioengine": "libaio", "direct": "1", "gtod_reduce": "1"}
    own = json.loads(document(entry, disks=(), **{"global options": shared}))
    message = "\nFIO version - fio-3.30\n\nJobName: read_iops\n  blocksize=4K\nread:\n  IOPS=1.0\n"
    whole = [{"Status": [{"StatusMessage": message}], "Raw": {"size": "10Gi", "result": own}}]
    [reading] = json_report.READER.runs(json.dumps(whole).encode(), {})
    values = {(m.metric, m.statistic): m.value for m in reading.measurements}
    assert values["fio.iops", "value"] == 1000
    assert values["fio.bandwidth", "value"] == 4_096_000
    assert values["fio.io_bytes", "value"] == 40_960_000
    assert values["fio.iops", "mean"] == 1000.5
    assert {dict(m.params).get("direction") for m in reading.measurements} <= {"read", None}
    assert not reading.doubts
    # Without their groups the jobs of kubestr's own file ran at once.
    own["jobs"].append({**entry, "jobname": "write_iops"})
    [both] = json_report.READER.runs(json.dumps(whole).encode(), {})
    assert about(one(both, "fio.iops", workload="write_iops"))["at_once"] == "2"


@pytest.mark.parametrize("indent", [None, 1])
def test_storage_classes_of_one_output_are_no_repetitions(indent: int | None) -> None:
    whole = [
        {
            "Raw": {
                "storageClass": {"metadata": {"name": name}},
                "result": json.loads(
                    document(
                        job(read=side(ios, 4096)), disks=(), timestamp_ms=1_700_000_000_000 + ios
                    )
                ),
            }
        }
        for name, ios in (("fast", 900), ("slow", 90))
    ]
    [reading] = json_report.READER.runs(json.dumps(whole, indent=indent).encode(), {})
    rows = every(reading, "fio.iops")
    expected = [("storage class fast", 900, 0), ("storage class slow", 90, 0)]
    assert [(about(m)["device"], m.value, m.repetition) for m in rows] == expected
    [alone] = json_report.READER.runs(json.dumps(whole[:1], indent=indent).encode(), {})
    assert named(alone, "device").value == "storage class fast"


def test_a_size_that_depends_on_the_place_is_no_parameter() -> None:
    options = {"bs": "4k,64k", "bs_is_seq_rand": "1"}
    reading = imported(job(read=side(2000, 34_816), options=options))
    assert "block_size" not in about(one(reading, "fio.iops"))
    assert not reading.doubts
