from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.fio.jobs import LATENCIES
from collectors.fio.readers import json_report
from sitegen.collect import Reading
from sitegen.collect.histogram import percentile
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status, params
from tests.collectors.fio.readers.recorded import NONE, RAW, every, one, sentence

SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "fio"
runs = json_report.READER.runs


def imported(name: str, settings: Mapping[str, str] = NONE) -> Reading:
    [reading] = runs((RAW / name).read_bytes(), settings)
    return reading


def edited(name: str, edit: Callable[[Any], None]) -> Reading:
    content = document(RAW / name)
    edit(content)
    [reading] = runs(json.dumps(content).encode(), {})
    return reading


def changed(name: str, **values: object) -> Reading:
    """Return the run of an output whose first job has other values, by key or side_key."""

    def edit(content: Any) -> None:  # noqa: ANN401
        for key, value in values.items():
            side, _, inner = key.partition("_")
            job = content["jobs"][0]
            (job[side] if side == "read" else job)[inner if side == "read" else key] = value

    return edited(name, edit)


def document(path: Path) -> Any:  # noqa: ANN401 - whatever fio printed
    text = path.read_text()
    return json.JSONDecoder().raw_decode(text[text.index("{\n") :])[0]


def test_a_job_is_read_as_fio_states_it() -> None:
    reading = imported("latency.out")
    side = document(RAW / "latency.out")["jobs"][0]["read"]
    assert one(reading, "fio.iops").value == pytest.approx(side["iops"])
    assert one(reading, "fio.bandwidth").value == pytest.approx(side["bw_bytes"], rel=1e-6)
    for kind, metric in LATENCIES.items():
        for statistic in ("mean", "min", "max", "stddev"):
            value = one(reading, metric, statistic).value
            assert value == pytest.approx(side[f"{kind}_ns"][statistic] / 1e9)
    assert reading.tool is not None
    assert reading.tool.version == "3.33"
    assert reading.doubts == ()


def test_params_are_what_the_options_say_and_fios_defaults() -> None:
    reading = imported("numjobs.json")
    counts = {"block_size": 4096, "iodepth": 2, "numjobs": 4, "size": 4 << 20}
    expected = params(direction="read", engine="libaio", pattern="rand", **counts)
    assert one(reading, "fio.iops").params == expected
    direct = next(p for p in reading.parameters if p.name == "direct")
    assert (direct.value, direct.comparability) == ("1", Comparability.CAVEAT)


def test_direct_io_is_a_parameter_of_series_where_it_differs() -> None:
    second = document(RAW / "numjobs.json")
    del second["global options"]["direct"]
    data = (RAW / "numjobs.json").read_bytes() + b"\n" + json.dumps(second).encode()
    [reading] = runs(data, {})
    rows = every(reading, "fio.iops")
    assert [(dict(m.params)["direct"], m.repetition) for m in rows] == [("1", 0), ("0", 0)]
    assert "direct" not in {p.name for p in reading.parameters}


def test_how_a_job_ran_is_named_where_it_is_not_as_fio_does_it_unless_told() -> None:
    usual = {"runtime": "0", "invalidate": "1", "random_distribution": "random"}
    other = {"runtime": "60s", "invalidate": "0", "norandommap": "", "filename": "/dev/nvme0n1"}

    def conditions(options: dict[str, str]) -> dict[str, str]:
        def edit(content: Any) -> None:  # noqa: ANN401
            content["global options"] |= options

        told = edited("latency.out", edit).parameters
        names = {*usual, *other, "target"}
        return {
            each.name: each.value
            for each in told
            if each.name in names and each.comparability == Comparability.CAVEAT
        }

    assert conditions(usual) == {}
    expected = {"runtime": "60", "invalidate": "0", "norandommap": "1", "target": "block device"}
    assert conditions(other) == expected


def test_jobs_of_the_same_options_are_one_workload_of_the_longest_runtime() -> None:
    reading = imported("numjobs.json")
    sides = [job["read"] for job in document(RAW / "numjobs.json")["jobs"]]
    runtime = max(side["runtime"] for side in sides) / 1000
    assert len(sides) == 4
    assert one(reading, "fio.iops").value == sum(s["total_ios"] for s in sides) / runtime
    merged: dict[int, int] = {}
    for side in sides:
        for value, times in side["clat_ns"]["bins"].items():
            merged[int(value)] = merged.get(int(value), 0) + times
    p99 = one(reading, "fio.completion_latency", "p99").value
    assert p99 == percentile(merged, 99) / 1e9


def test_percentiles_without_bins_stay_those_of_each_job() -> None:
    reading = imported("client.out")
    rows = [m for m in reading.measurements if m.statistic == "p99"]
    assert [dict(m.params)["job"] for m in rows] == ["1", "2"]
    assert "job" not in dict(one(reading, "fio.latency", "mean").params)


@pytest.mark.parametrize("bins", [{"x": 1}, {"-5": 1}, {"5": -1}, {"5": "1"}, [1]])
def test_bins_that_are_none_of_fios_are_refused(bins: object) -> None:
    def edit(content: Any) -> None:  # noqa: ANN401
        content["jobs"][0]["read"]["lat_ns"]["bins"] = bins

    with pytest.raises(SitegenError, match="bins"):
        edited("latency.out", edit)


def test_group_reporting_gives_the_group_and_its_jobs() -> None:
    reading = imported("grouped.out")
    job = document(RAW / "grouped.out")["jobs"][0]
    assert one(reading, "fio.iops").value == pytest.approx(job["read"]["iops"])
    assert dict(one(reading, "fio.iops").params)["numjobs"] == "4"
    # fio gives the mean CPU time of a job there.
    mean = (job["usr_cpu"] + job["sys_cpu"]) / 100
    assert one(reading, "fio.cpu_usage").value == pytest.approx(4 * mean)
    assert one(reading, "fio.iops", "mean").value == job["read"]["iops_mean"]
    # Before fio 3.13 the mean over time was one job's.
    reading = changed("grouped.out", read_iops_mean=job["read"]["iops_mean"] / 4)
    assert {m.statistic for m in reading.measurements if m.metric == "fio.iops"} == {"value"}


def test_iops_of_single_ios_are_no_spread() -> None:
    # With an IOPS log of single I/Os fio takes each of them for a sample of 1.
    reading = imported("perio.json")
    assert {m.statistic for m in reading.measurements if m.metric == "fio.iops"} == {"value"}


def test_stonewalled_jobs_are_workloads_of_their_own() -> None:
    reading = imported("stonewall.json")
    assert {m.workload for m in reading.measurements} == {"seq-read", "random-write"}
    assert dict(one(reading, "fio.iops", workload="seq-read").params)["pattern"] == "seq"
    assert dict(one(reading, "fio.iops", workload="random-write").params)["iodepth"] == "8"
    assert (reading.started_at, reading.duration_s) == ("2026-11-21T14:02:30Z", 3)


def test_jobs_that_differ_in_their_number_only_ran_together() -> None:
    def rename(content: Any) -> None:  # noqa: ANN401
        for number, job in enumerate(content["jobs"], 1):
            job["jobname"] = f"disk{number}"
            job["job options"] |= {"filename": f"/dev/sd{number}", "name": f"disk{number}"}

    reading = edited("numjobs.json", rename)
    assert {m.workload for m in reading.measurements} == {"disk"}
    same = one(imported("numjobs.json"), "fio.iops").value
    assert one(reading, "fio.iops").value == same


def test_fio_2_is_told_by_its_keys() -> None:
    reading = imported("fio-2-group.out")
    # io_bytes 1280000 is KiB, and microseconds are microseconds.
    assert one(reading, "fio.bandwidth").value == 1280000 * 1024 / 10
    assert one(reading, "fio.latency", "mean").value == pytest.approx(8e-3)
    # Options stand there twice, and so do percentiles of 0.
    statistics = {m.statistic for m in reading.measurements if m.metric == "fio.completion_latency"}
    assert statistics == {"mean", "min", "max", "stddev", "p50", "p99"}
    assert one(reading, "fio.completion_latency", "p99").value == pytest.approx(8.896e-3)
    points = [s for s in reading.samples if s.kind == "histogram"]
    # Before fio 2.20 the keys of bins are places in a table.
    assert sum(s.y for s in points) == 10000
    assert sum(s.x * s.y for s in points) / 10000 == pytest.approx(8e-3, rel=0.07)


def test_the_last_report_of_a_status_interval_counts() -> None:
    reading = imported("status-interval.out")
    assert {m.repetition for m in reading.measurements} == {0}
    text = (RAW / "status-interval.out").read_text()
    last = json.loads(text[text.rindex("\n{\n") :])["jobs"][0]["read"]
    assert one(reading, "fio.iops").value == pytest.approx(last["iops"])


def test_what_a_ramp_counted_is_no_repetition() -> None:
    reading = imported("ramp.json")
    assert {m.repetition for m in reading.measurements} == {0}
    assert one(reading, "fio.io_bytes").value == 50040 * 4096


def test_outputs_one_after_another_are_repetitions() -> None:
    first = (RAW / "numjobs.json").read_bytes()
    later = first.replace(b'"timestamp_ms" : 17952697', b'"timestamp_ms" : 17952698')
    assert later != first
    [reading] = runs(first + b"\nsome text\n" + later, {})
    assert [m.repetition for m in every(reading, "fio.iops")] == [0, 1]


@pytest.mark.parametrize("listed", [True, False])
def test_outputs_of_other_jobs_are_further_workloads(listed: bool) -> None:  # noqa: FBT001
    names = ("stonewall.json", "numjobs.json")
    data = b"".join((RAW / name).read_bytes() for name in names)
    if listed:
        data = json.dumps([document(RAW / name) for name in names], indent=1).encode()
    [reading] = runs(data, {})
    assert {m.workload for m in reading.measurements} == {"seq-read", "random-write", "many"}


def test_json_wins_over_the_other_forms_beside_it() -> None:
    iops = document(RAW / "all-forms.out")["jobs"][0]["read"]["iops"]
    assert one(imported("all-forms.out"), "fio.iops").value == pytest.approx(iops)


def test_text_around_and_its_encoding_change_nothing() -> None:
    plain = (RAW / "stonewall.json").read_text()
    noisy = f"$ fio job.fio\r\n{plain}\r\n$ exit\r\n"
    for data in (noisy.encode("utf-16"), noisy.encode(), f"<pre>{noisy}</pre>".encode()):
        assert json_report.READER.knows(data)
        assert runs(data, {})[0].measurements == imported("stonewall.json").measurements


def test_options_in_another_encoding_cost_nothing_else() -> None:
    data = (RAW / "latency.out").read_bytes().replace(b'"data"', b'"d\xe9ta"')
    assert runs(data, {})[0].measurements == imported("latency.out").measurements


def test_a_run_that_was_stopped_says_so() -> None:
    reading = imported("stopped.out")
    assert reading.doubts == ((Doubt.INTERRUPTED, "fio was stopped by signal 2", ""),)
    assert one(reading, "fio.iops").status == Status.OK


def test_a_job_that_failed_is_kept_as_failed_beside_the_others() -> None:
    reading = imported("failed-part.out")
    assert one(reading, "fio.iops", workload="good").value is not None
    row = one(reading, "fio.iops", workload="full")
    assert (row.value, row.status, dict(row.params)["direction"]) == (None, Status.FAILED, "write")
    sentence = "a job failed: No space left on device (error 28)"
    assert reading.doubts == ((Doubt.FAILED_PART, sentence, "full"),)


def test_one_failed_job_of_several_makes_the_rest_suspect() -> None:
    reading = changed("numjobs.json", error=5)
    assert one(reading, "fio.iops").status == Status.SUSPECT
    assert "Input/output error" in sentence(reading, Doubt.FAILED_PART)


def bare(**values: object) -> bytes:
    """Return an output that does not say its options."""
    content = document(RAW / "latency.out")
    content.pop("global options", None)
    del content["jobs"][0]["job options"]
    content["jobs"][0] |= values
    return json.dumps(content).encode()


def test_jobs_that_all_failed_without_options_are_refused() -> None:
    with pytest.raises(SitegenError, match="nothing says what it was to do"):
        runs(bare(error=5, read={}), {})


def test_jobs_of_unequal_runtime_are_doubted() -> None:
    side = document(RAW / "numjobs.json")["jobs"][0]["read"]
    halves = {f"read_{key}": side[key] // 2 for key in ("runtime", "total_ios", "io_bytes")}
    reading = changed("numjobs.json", **halves)
    [(kind, sentence, _)] = reading.doubts
    assert (kind, sentence) == (Doubt.UNEQUAL_JOBS, "read: its jobs ran for 0.5 to 1 s")
    assert one(reading, "fio.iops").status == Status.OK


@pytest.mark.parametrize(
    ("key", "factor", "message"),
    [
        ("iops", 1.5, r"iops is \d"),
        ("io_bytes", 1.5, "io_bytes over runtime"),
        ("bw_bytes", 2, "the bandwidth is"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(
    key: str, factor: float, message: str
) -> None:
    stated = document(RAW / "latency.out")["jobs"][0]["read"][key]
    reading = changed("latency.out", **{f"read_{key}": int(stated * factor)})
    assert re.search(message, sentence(reading, Doubt.INCONSISTENT))


@pytest.mark.parametrize(
    ("name", "doubted"),
    [("random-read", False), ("4k_writes", True), ("thread-spread", False), ("read-write", False)],
)
def test_a_job_called_after_another_direction_is_doubted(name: str, doubted: bool) -> None:  # noqa: FBT001
    assert bool(sentence(changed("latency.out", jobname=name), Doubt.MISNAMED)) is doubted


def test_a_depth_that_the_engine_cannot_reach_is_suspect() -> None:
    reading = imported("capped.out")
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}
    assert sentence(reading, Doubt.NOT_REACHED) == "iodepth is 32, and 1 I/O was in flight"


def test_directions_that_fio_counts_as_one_stay_one() -> None:
    assert dict(one(imported("mixed.json"), "fio.iops").params)["direction"] == "mixed"


def test_a_steady_state_that_fio_found_is_recorded() -> None:
    reading = imported("steady.json")
    assert next(p.value for p in reading.parameters if p.name == "steadystate.ss") == "attained"


def test_sync_latency_has_no_direction() -> None:
    reading = imported("fdatasync.out")
    sync = document(RAW / "fdatasync.out")["jobs"][0]["sync"]["lat_ns"]
    row = one(reading, "fio.sync_latency", "mean")
    assert row.value == sync["mean"] / 1e9
    assert "direction" not in dict(row.params)
    assert dict(row.params)["fdatasync"] == "1"


def test_a_cache_that_answered_makes_the_numbers_suspect() -> None:
    def count(sectors: int) -> Callable[[Any], None]:
        return lambda content: content.update(disk_util=[{"name": "sda", "read_sectors": sectors}])

    moved = document(RAW / "latency.out")["jobs"][0]["read"]["io_bytes"]
    reading = edited("latency.out", count(moved // 512))
    assert one(reading, "fio.device_bytes").value == moved // 512 * 512
    assert one(reading, "fio.iops").status == Status.OK
    assert one(edited("latency.out", count(8)), "fio.iops").status == Status.SUSPECT


def test_all_clients_counts_where_there_is_nothing_else() -> None:
    def only_all(content: Any) -> None:  # noqa: ANN401
        content["client_stats"] = content["client_stats"][-1:]

    reading = edited("client.out", only_all)
    assert {m.workload for m in reading.measurements} == {"all-clients"}
    assert one(reading, "fio.iops").value == one(imported("client.out"), "fio.iops").value


def test_the_sum_over_clients_does_not_take_fios_defaults() -> None:
    entry = {**document(RAW / "latency.out")["jobs"][0], "jobname": "All clients"}
    del entry["job options"]
    whole = {"fio version": "fio-3.7", "global options": {"iodepth": "4"}, "client_stats": [entry]}
    [reading] = runs(json.dumps(whole).encode(), {})
    pairs = {pair for m in reading.measurements for pair in m.params if pair[0] != "direction"}
    # The size of the I/Os is what the bytes say; nothing says the pattern.
    assert pairs == {("block_size", "4096"), ("iodepth", "4"), ("job_name", "All clients")}
    assert "direct" not in {p.name for p in reading.parameters}


def test_names_become_labels_and_are_kept() -> None:
    def rename(content: Any) -> None:  # noqa: ANN401
        content["jobs"][0]["jobname"] = "Rand Read (4k)"
        content["jobs"][1]["jobname"] = "rand-read-4k"

    reading = edited("stonewall.json", rename)
    names = {dict(m.params).get("job_name") for m in reading.measurements}
    assert {m.workload for m in reading.measurements} == {"rand-read-4k"}
    assert names == {None, "Rand Read (4k)"}


def test_the_user_says_what_the_output_does_not() -> None:
    settings = {"engine": "libaio", "block_size": "4k", "iodepth": "8", "numjobs": "1"}
    [reading] = runs(bare(), {**settings, "size": "1G", "direct": "1"})
    texts = dict(one(reading, "fio.iops").params)
    assert (texts["block_size"], texts["size"], texts["iodepth"]) == ("4096", str(1 << 30), "8")
    assert next(p.value for p in reading.parameters if p.name == "direct") == "1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iodepth": "8"}, "the file says '2', not '8'"),
        ({"direct": "0"}, "the file says '1'"),
        ({"engine": "a b"}, "'a b' is not"),
        ({"block_size": "big"}, "not a size"),
        ({"numjobs": "0"}, "not a whole number"),
        ({"direct": "yes"}, "not one of 0, 1"),
    ],
)
def test_what_the_output_says_is_not_overruled(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        imported("numjobs.json", settings)


def test_json_that_breaks_off_is_refused_with_its_line() -> None:
    data = (RAW / "latency.out").read_bytes()
    with pytest.raises(SitegenError, match=r"line \d+: the JSON breaks off"):
        runs(data[: len(data) // 2], {})


def test_a_whole_report_before_a_broken_one_is_read_and_doubted() -> None:
    data = (RAW / "stonewall.json").read_bytes() + (RAW / "latency.out").read_bytes()[:3000]
    [reading] = runs(data, {})
    assert {m.workload for m in reading.measurements} == {"seq-read", "random-write"}
    assert "breaks off at line" in sentence(reading, Doubt.CUT_OFF)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_of_a_program_around_fio_is_looked_into(indent: int | None) -> None:
    own = document(RAW / "latency.out")
    # kubestr leaves out what is 0 or empty.
    own["jobs"][0]["write"] = own["jobs"][0]["trim"] = {"slat_ns": {}, "lat_ns": {}}
    rows = imported("latency.out").measurements
    for whole in (
        {"StorageClass": "x", "Result": own},
        [{"Status": "OK", "Raw": {"size": "100Gi", "result": own}}],
        {"a": [[], {"b": own}]},
    ):
        [reading] = runs(json.dumps(whole, indent=indent).encode(), {})
        assert reading.measurements == rows
    logged = f"[pod/fio] out: {json.dumps(own, indent=indent)}"
    assert runs(logged.encode(), {})[0].measurements == rows
    both = json.dumps({"local": own, "remote": own}, indent=indent).encode()
    with pytest.raises(SitegenError, match=r"2 reports .* one by one: local, remote"):
        runs(both, {})
    with pytest.raises(SitegenError, match="no JSON in it is fio's own"):
        runs(b'{"note": "fio"}\n{"fio version": "fio-3.1"}\n{"jobs": []}\n', {})


@pytest.mark.parametrize("key", ["io_bytes", "runtime"])
def test_a_rate_without_what_it_is_of_is_refused(key: str) -> None:
    with pytest.raises(SitegenError, match=r"the report in line 1: io_bytes, bw or runtime"):
        edited("latency.out", lambda content: content["jobs"][0]["read"].pop(key))


@pytest.mark.parametrize("between", ["[{},{}]", "{}{}", "{}\n{}", "{}\n\n--- again\n{}", "{}, {}"])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_document_in_a_file_is_read(between: str, indent: int | None) -> None:
    first = document(RAW / "latency.out")
    again = {**first, "timestamp_ms": first["timestamp_ms"] + 100_000}
    texts = [json.dumps(one, indent=indent) for one in (first, again)]
    content = between.replace("{}", "%s") % tuple(texts)
    [reading] = runs(f'{{"host": 1}}\n{content}'.encode(), {})
    assert {m.repetition for m in reading.measurements} == {0, 1}


def test_clients_of_old_are_added_up_as_fio_does() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no published samples beside this checkout")
    [many] = runs((SAMPLES / "fio-3.7-client-server.txt").read_bytes(), {})
    everyone = document(SAMPLES / "fio-3.7-client-server.txt")["client_stats"][-1]["read"]
    assert one(many, "fio.iops").value == pytest.approx(everyone["iops"], rel=1e-9)
    # fio 3.7 does not say how many I/Os each mean is of: they are weighed by all I/Os.
    mean = one(many, "fio.latency", "mean").value
    assert mean == pytest.approx(everyone["lat_ns"]["mean"] / 1e9, rel=1e-4)
    assert dict(one(many, "fio.iops").params)["clients"] == "2"
