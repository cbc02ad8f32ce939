from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import fio
from sitegen.collect import RawOutput, Reading, Request, Step, histogram
from sitegen.errors import SitegenError
from sitegen.model import Status, ToolIdentity, params
from tests.collectors.fio.readers.recorded import NONE, RAW, one

TOOL = ToolIdentity("fio", "3.33", "/usr/bin/fio")
PLENTY = 1 << 40
STEP = Step("x", "x", ("fio",), 60.0, params(block_size=4096, iodepth=4, numjobs=1, pattern="rand"))


def request(
    preset: str = "standard",
    free: int = PLENTY,
    scratch: Path = Path("/nowhere"),
    settings: Mapping[str, str] = NONE,
) -> Request:
    return Request(preset, 3, settings, 2, scratch, scratch / "cache", free, "fio")


def output(name: str, exit_code: int = 0, values: Mapping[str, str] = NONE) -> RawOutput:
    error = RAW / f"{name}.err"
    return RawOutput(
        stdout=(RAW / f"{name}.out").read_bytes(),
        stderr=error.read_bytes() if error.exists() else b"",
        exit_code=exit_code,
        files={
            path.name.removeprefix(f"{name}."): path.read_bytes()
            for path in RAW.glob(f"{name}.*.log")
        },
        values=tuple(values.items()),
    )


def read(name: str, step: Step = STEP, values: Mapping[str, str] = NONE) -> Reading:
    return fio.parse(step, output(name, values=values))


def document(name: str) -> Any:  # noqa: ANN401 - whatever fio printed
    text = (RAW / f"{name}.out").read_text()
    return json.loads(text[text.index("{\n") :])


def metrics(reading: Reading) -> set[str]:
    return {m.metric for m in reading.measurements}


def test_one_job_is_read_as_fio_states_it() -> None:
    reading = read("latency")
    side = document("latency")["jobs"][0]["read"]
    assert one(reading, "fio.iops").value == pytest.approx(side["iops"])
    assert one(reading, "fio.latency", "max").value == side["lat_ns"]["max"] / 1e9
    for key, value in side["lat_ns"]["percentile"].items():
        assert one(reading, "fio.latency", f"p{float(key):g}").value == value / 1e9
    # What is left to the raw output: the spread of the parts.
    for metric in ("fio.completion_latency", "fio.submission_latency"):
        assert {m.statistic for m in reading.measurements if m.metric == metric} == {"mean"}
    assert {m.status for m in reading.measurements} == {Status.OK}


def test_percentiles_from_bins_are_those_that_fio_computes() -> None:
    lat = document("latency")["jobs"][0]["read"]["lat_ns"]
    bins = {int(key): times for key, times in lat["bins"].items()}
    for key, value in lat["percentile"].items():
        assert histogram.percentile(bins, float(key)) == value


def test_a_mix_has_both_directions_and_gtod_reduce_has_no_latency() -> None:
    reading = read("mix")
    for direction in ("read", "write"):
        side = document("mix")["jobs"][0][direction]
        assert one(reading, "fio.iops", direction=direction).value == pytest.approx(side["iops"])
        measured = one(reading, "fio.iops", "stddev", direction=direction).value
        assert measured == pytest.approx(side["iops_stddev"])
    assert metrics(reading) == {"fio.iops", "fio.bandwidth", "fio.io_bytes", "fio.cpu_usage"}


def test_logs_become_one_point_a_second() -> None:
    reading = read("mix")
    points = [s for s in reading.samples if s.kind == "time" and s.metric == "fio.iops"]
    assert {dict(s.params)["direction"] for s in points} == {"read", "write"}
    reads = [s for s in points if dict(s.params)["direction"] == "read"]
    assert [s.x for s in reads] == [1.0, 2.0]
    mean = sum(s.y for s in reads) / 2
    assert mean == pytest.approx(document("mix")["jobs"][0]["read"]["iops"], rel=0.1)
    bandwidth = [s for s in reading.samples if s.metric == "fio.bandwidth"]
    assert bandwidth[0].y == pytest.approx(points[0].y * 4096, rel=0.01)


def test_jobs_are_added_up_as_ios_over_the_longest_runtime() -> None:
    reading = read("jobs")
    sides = [job["read"] for job in document("jobs")["jobs"]]
    assert len(sides) == 3
    runtime = max(side["runtime"] for side in sides) / 1000
    total = sum(side["total_ios"] for side in sides)
    assert one(reading, "fio.iops").value == pytest.approx(total / runtime)
    moved = sum(side["io_bytes"] for side in sides)
    assert one(reading, "fio.bandwidth").value == pytest.approx(moved / runtime)


def test_jobs_that_ran_for_different_lengths_are_suspect() -> None:
    final = document("jobs")
    final["jobs"][0]["read"]["runtime"] //= 2
    reading = fio.parse(STEP, RawOutput(stdout=json.dumps(final).encode()))
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


def test_durable_writes_carry_the_time_of_the_sync() -> None:
    plan = fio.plan(TOOL, request(settings={"workloads": "logwrite-4k-fdatasync"}))
    reading = read("fdatasync", plan.steps[0])
    sync = document("fdatasync")["jobs"][0]["sync"]["lat_ns"]
    assert one(reading, "fio.sync_latency", "mean").value == sync["mean"] / 1e9
    p99 = one(reading, "fio.sync_latency", "p99").value
    assert p99 == sync["percentile"]["99.000000"] / 1e9
    assert one(reading, "fio.iops", direction="write").value is not None


def test_a_depth_that_the_engine_cannot_reach_is_suspect() -> None:
    assert {m.status for m in read("capped").measurements} == {Status.SUSPECT}


def test_the_last_of_several_documents_counts_and_text_after_it_does_not() -> None:
    text = (RAW / "status-interval.out").read_text()
    last = json.loads(text[text.rindex("\n{\n") :])["jobs"][0]["read"]
    assert text.count('"fio version"') > 1
    assert one(read("status-interval"), "fio.iops").value == pytest.approx(last["iops"])
    assert b"Run status group 0" in output("json-and-text").stdout
    assert one(read("json-and-text"), "fio.iops").status == Status.OK


def test_device_bytes_are_what_the_kernel_counted() -> None:
    moved = document("latency")["jobs"][0]["read"]["io_bytes"]
    reading = read(
        "latency", values={"device_read_bytes": str(moved + 4096), "device_write_bytes": "0"}
    )
    assert one(reading, "fio.device_bytes").value == moved + 4096
    assert "fio.device_bytes" not in metrics(read("latency"))
    assert one(reading, "fio.iops").status == Status.OK


def test_a_device_that_moved_too_little_makes_the_numbers_suspect() -> None:
    reading = read("null", values={"device_read_bytes": "0", "device_write_bytes": "0"})
    assert one(reading, "fio.device_bytes").value == 0
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


def test_sectors_that_fio_counts_itself_are_preferred() -> None:
    final = document("latency")
    final["disk_util"] = [{"name": name, "read_sectors": 10**7} for name in ("dm-0", "sda")]
    raw = RawOutput(stdout=json.dumps(final).encode(), values=(("device_read_bytes", "1"),))
    assert one(fio.parse(STEP, raw), "fio.device_bytes").value == 512 * 10**7


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("bad-engine", 1, "error=bogus: cannot open"),
        ("missing-file", 1, "file creation disallowed"),
        ("no-space", 1, "No space left on device"),
        ("no-direct", 1, "does not support O_DIRECT"),
        ("interrupted", 128, "terminating on signal 2"),
    ],
)
def test_a_failed_run_says_why(name: str, code: int, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        fio.parse(STEP, output(name, code))


def test_a_job_error_and_no_output_fail_even_when_fio_ends_well() -> None:
    with pytest.raises(SitegenError, match="a fio job failed"):
        fio.parse(STEP, output("no-space"))
    with pytest.raises(SitegenError, match="printed no result"):
        fio.parse(STEP, RawOutput())


def test_jobs_that_moved_nothing_are_an_error() -> None:
    final = document("latency")
    final["jobs"][0]["read"].update(total_ios=0, io_bytes=0)
    with pytest.raises(SitegenError, match="moved no data"):
        fio.parse(STEP, RawOutput(stdout=json.dumps(final).encode()))


@given(st.sampled_from(["latency", "mix", "jobs", "capped", "fio-2", "fdatasync"]), st.data())
def test_damaged_output_raises_only_expected_errors(name: str, data: st.DataObject) -> None:
    whole = output(name)
    cut = data.draw(st.integers(0, len(whole.stdout)))
    tail = data.draw(st.sampled_from([len(whole.stdout), cut, cut + 1, cut + 40]))
    filler = data.draw(st.sampled_from([b"", b"0", b"-1", b"null", b"{}", b'"', b"1e999", b"\xff"]))
    raw = RawOutput(stdout=whole.stdout[:cut] + filler + whole.stdout[tail:], files=whole.files)
    try:
        fio.parse(STEP, raw)
    except SitegenError:
        return


def test_output_cut_off_anywhere_is_an_error() -> None:
    whole = (RAW / "mix.out").read_bytes()
    end = whole.rindex(b"}") + 1
    for length in range(0, end, 53):
        with pytest.raises(SitegenError):
            fio.parse(STEP, RawOutput(stdout=whole[:length]))


def test_level_series_are_steady_and_bursts_and_drifts_are_not() -> None:
    assert fio.steady_state([100.0] * 20) is True
    assert fio.steady_state([100, 101, 99, 100, 102] * 4) is True
    assert fio.steady_state([24889.0] * 2 + [5312.0] * 18) is False
    assert fio.steady_state([100 + 1.0 * i for i in range(20)]) is False
    assert fio.steady_state([100.0] * 4) is None


def test_a_second_logged_twice_counts_once() -> None:
    log = b"999, 100, 0, 0, 0\n1999, 200, 0, 0, 0\n2000, 200, 0, 0, 0\n"
    pairs = fio.per_second({"iops.1.log": log}, "iops", "read")
    assert pairs == [(1.0, 100.0), (2.0, 200.0)]


def test_the_dbench_set_is_the_seeds_nine() -> None:
    steps = fio.plan(TOOL, request(settings={"set": "dbench"})).steps
    assert [step.name for step in steps] == [
        *("read_iops", "write_iops", "read_bw", "write_bw", "read_latency", "write_latency"),
        *("read_seq", "write_seq", "rw_mix"),
    ]
    table = {step.name: step.argv for step in steps}
    for argv in table.values():
        assert {
            *("--randrepeat=0", "--verify=0", "--ioengine=libaio", "--direct=1", "--time_based"),
            *("--ramp_time=2s", "--runtime=15s", "--size=2147483648"),
        } <= set(argv)
    expected = {
        "read_iops": ("--rw=randread", "--bs=4K", "--iodepth=64", "--gtod_reduce=1"),
        "write_bw": ("--rw=randwrite", "--bs=128K", "--iodepth=64", "--gtod_reduce=1"),
        "read_latency": ("--rw=randread", "--bs=4K", "--iodepth=4"),
        "write_seq": ("--rw=write", "--bs=1M", "--iodepth=16", "--gtod_reduce=1", "--thread"),
        "rw_mix": ("--rw=randrw", "--rwmixread=75", "--iodepth=64", "--gtod_reduce=1"),
    }
    for name, flags in expected.items():
        assert set(flags) <= set(table[name])
    assert {"--numjobs=4", "--offset_increment=524288000"} <= set(table["read_seq"])
    assert "--gtod_reduce=1" not in table["read_latency"]


def test_params_are_spelled_as_in_the_cited_figures() -> None:
    steps = {step.name: step for step in fio.plan(TOOL, request()).steps}
    values = {dict(m.params)["direction"]: m.params for m in steps["rw_mix"].expects}
    mix = {"block_size": 4096, "iodepth": 64, "numjobs": 1, "pattern": "randrw"}
    assert values["read"] == params(direction="read", read_share="0.75", **mix)
    assert set(values) == {"read", "write"}
    [first, *_] = steps["write_seq"].expects
    seq = {"block_size": 1 << 20, "iodepth": 16, "numjobs": 4, "pattern": "seq"}
    assert first.params == params(direction="write", **seq)


def test_the_file_is_written_whole_and_is_large_enough_for_every_workload() -> None:
    [layout] = fio.plan(TOOL, request(settings={"set": "dbench"})).prepare
    assert f"--size={(2 << 30) + 3 * (500 << 20)}" in layout.argv
    assert {"--rw=write", "--end_fsync=1"} <= set(layout.argv)
    [layout] = fio.plan(TOOL, request()).prepare
    assert f"--size={4 << 30}" in layout.argv


def test_sets_and_workloads_choose_what_runs_and_leave_parameters_alike() -> None:
    both = fio.plan(TOOL, request())
    default = fio.plan(TOOL, request(settings={"set": "default"}))
    chosen = fio.plan(TOOL, request(settings={"workloads": "rw_mix, randread-4k-qd1"}))
    assert {s.name for s in default.steps} < {s.name for s in both.steps}
    assert [s.name for s in chosen.steps] == ["rw_mix", "randread-4k-qd1"]
    assert both.parameters == default.parameters == chosen.parameters


def test_quick_needs_little_room_and_standard_says_what_is_missing() -> None:
    free = 600 << 20
    assert fio.plan(TOOL, request("quick", free=free)).steps
    with pytest.raises(SitegenError, match=r"4\.3 GB, 0\.6 GB are free; free some space"):
        fio.plan(TOOL, request(free=free))


@pytest.mark.parametrize("free", [4 << 30, 1500 << 20, 700 << 20, 100 << 20])
def test_only_a_size_that_has_room_is_advised(free: int) -> None:
    with pytest.raises(SitegenError, match="are free") as failed:
        fio.plan(TOOL, request(free=free))
    advised = re.search(r"fio\.size=(\w+)", str(failed.value))
    assert (advised is None) == (free == 100 << 20)
    if advised:
        assert fio.plan(TOOL, request(free=free, settings={"size": advised[1]})).steps


@pytest.mark.parametrize(
    "settings",
    [
        *({"set": "seed"}, {"workloads": "read_iops,nothing"}, {"size": "big"}, {"size": "1M"}),
        *({"engine": "libaio --exec"}, {"nonsense": "1"}, {"ramp_s": "soon"}),
        *({"runtime_s": seconds} for seconds in ("0", "-1")),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SitegenError, match="fio"):
        fio.plan(TOOL, request(settings=settings))


def test_a_size_of_ones_own_scales_the_offsets_of_the_seed() -> None:
    plan = fio.plan(
        TOOL, request(settings={"size": "1G", "workloads": "read_seq", "runtime_s": "1.5"})
    )
    assert {"--size=1073741824", "--offset_increment=262144000", "--runtime=1500ms"} <= set(
        plan.steps[0].argv
    )


def test_a_mistyped_device_or_a_folder_is_neither_created_nor_measured(tmp_path: Path) -> None:
    for device in (tmp_path / "sdx", tmp_path):
        with pytest.raises(SitegenError, match="no block device"):
            fio.plan(TOOL, request(settings={"device": str(device), "allow_raw": "yes"}))
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_overwritten_only_when_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"precious")
    with pytest.raises(SitegenError, match="would be overwritten"):
        fio.plan(TOOL, request(settings={"device": str(path)}))
    plan = fio.plan(TOOL, request(settings={"device": str(path), "allow_raw": "yes"}))
    assert f"--filename={path}" in plan.steps[0].argv
    assert {p.name: p.value for p in plan.parameters}["target"] == "device"
    assert path.read_bytes() == b"precious"


def test_a_colon_in_the_path_is_not_a_second_file() -> None:
    plan = fio.plan(TOOL, request("quick", scratch=Path("/mnt/a:b")))
    assert r"--filename=/mnt/a\:b/fio.data" in plan.steps[0].argv
