from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.fio.readers import json_report
from sitegen.collect import Reading
from sitegen.collect.histogram import percentile
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status
from tests.collectors.fio.readers.given import RAW, one

SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "fio"
NONE: Mapping[str, str] = {}
FORMS = [
    *("latency.out", "mix.out", "jobs.out", "fdatasync.out", "fio-2.out", "fio-2-group.out"),
    *("numjobs.json", "grouped.out", "client.out", "stonewall.json", "all-forms.out"),
    *(
        "mixed.json",
        "steady.json",
        "json-and-text.out",
        "status-interval.out",
        "ramp.json",
        "stopped.out",
        "null.out",
    ),
]


def imported(name: str, settings: Mapping[str, str] = NONE) -> Reading:
    [found] = json_report.READER.runs((RAW / name).read_bytes(), settings)
    return found


def edited(name: str, edit: Callable[[Any], None], settings: Mapping[str, str] = NONE) -> Reading:
    content = document(RAW / name)
    edit(content)
    [found] = json_report.READER.runs(json.dumps(content).encode(), settings)
    return found


def document(path: Path) -> Any:  # noqa: ANN401 - whatever fio printed
    text = path.read_text()
    return json.JSONDecoder().raw_decode(text[text.index("{\n") :])[0]


def doubts(found: Reading) -> dict[Doubt, str]:
    return {kind: told for kind, told, _ in found.doubts}


@pytest.mark.parametrize("name", FORMS)
def test_every_recorded_form_is_known_and_no_row_stands_twice(name: str) -> None:
    data = (RAW / name).read_bytes()
    assert json_report.knows(data)
    for found in json_report.READER.runs(data, {}):
        rows = [
            (m.workload, m.metric, m.statistic, m.params, m.repetition) for m in found.measurements
        ]
        assert len(rows) == len(set(rows))


def test_a_job_is_read_as_fio_states_it() -> None:
    found = imported("latency.out")
    side = document(RAW / "latency.out")["jobs"][0]["read"]
    assert one(found, "fio.iops").value == pytest.approx(side["iops"])
    assert one(found, "fio.bandwidth").value == pytest.approx(side["bw_bytes"], rel=1e-6)
    for kind, metric in (
        ("lat", "fio.latency"),
        ("clat", "fio.completion_latency"),
        ("slat", "fio.submission_latency"),
    ):
        for statistic in ("mean", "min", "max", "stddev"):
            value = one(found, metric, statistic).value
            assert value == pytest.approx(side[f"{kind}_ns"][statistic] / 1e9)
    assert found.tool is not None
    assert found.tool.version == "3.33"
    assert found.doubts == ()


def test_iops_mean_is_a_statistic_of_its_own() -> None:
    found, side = imported("mix.out"), document(RAW / "mix.out")["jobs"][0]["write"]
    assert one(found, "fio.iops", "mean", direction="write").value == side["iops_mean"]
    assert one(found, "fio.iops", "value", direction="write").value == pytest.approx(side["iops"])


def test_params_are_what_the_options_say_and_fios_defaults() -> None:
    found = imported("numjobs.json")
    assert dict(one(found, "fio.iops").params) == {
        "block_size": "4096",
        "direction": "read",
        "engine": "libaio",
        "iodepth": "2",
        "numjobs": "4",
        "pattern": "rand",
        "size": "4194304",
    }
    direct = next(p for p in found.parameters if p.name == "direct")
    assert (direct.value, direct.comparability) == ("1", Comparability.CAVEAT)


def test_direct_io_is_a_parameter_of_series_where_it_differs() -> None:
    def buffer(content: Any) -> None:  # noqa: ANN401
        del content["global options"]["direct"]

    second = document(RAW / "numjobs.json")
    buffer(second)
    data = (RAW / "numjobs.json").read_bytes() + b"\n" + json.dumps(second).encode()
    [found] = json_report.READER.runs(data, {})
    rows = [m for m in found.measurements if (m.metric, m.statistic) == ("fio.iops", "value")]
    assert [(dict(m.params)["direct"], m.repetition) for m in rows] == [("1", 0), ("0", 0)]
    assert "direct" not in {p.name for p in found.parameters}


def test_no_path_and_no_host_of_the_machine_is_kept() -> None:
    for name in FORMS:
        for found in json_report.READER.runs((RAW / name).read_bytes(), {}):
            kept = repr((found.parameters, found.measurements, found.notes, found.facts))
            assert not re.search(r"127\.0\.0\.1|/dev|filename|fiofix|hostname", kept)


def test_jobs_of_the_same_options_are_one_workload_of_the_longest_runtime() -> None:
    found = imported("numjobs.json")
    sides = [job["read"] for job in document(RAW / "numjobs.json")["jobs"]]
    runtime = max(side["runtime"] for side in sides) / 1000
    assert len(sides) == 4
    assert one(found, "fio.iops").value == sum(s["total_ios"] for s in sides) / runtime
    merged: dict[int, int] = {}
    for side in sides:
        for value, times in side["clat_ns"]["bins"].items():
            merged[int(value)] = merged.get(int(value), 0) + times
    p99 = one(found, "fio.completion_latency", "p99").value
    assert p99 == percentile(merged, 99) / 1e9


def test_percentiles_without_bins_stay_those_of_each_job() -> None:
    found = imported("client.out")
    rows = [m for m in found.measurements if m.statistic == "p99"]
    assert [dict(m.params)["job"] for m in rows] == ["1", "2"]
    assert "job" not in dict(one(found, "fio.latency", "mean").params)


def test_group_reporting_gives_the_group_and_its_jobs() -> None:
    found = imported("grouped.out")
    job = document(RAW / "grouped.out")["jobs"][0]
    assert one(found, "fio.iops").value == pytest.approx(job["read"]["iops"])
    assert dict(one(found, "fio.iops").params)["numjobs"] == "4"
    # fio gives the mean CPU time of a job there.
    mean = (job["usr_cpu"] + job["sys_cpu"]) / 100
    assert one(found, "fio.cpu_usage").value == pytest.approx(4 * mean)


def test_one_jobs_iops_over_time_are_not_a_groups() -> None:
    def as_before_3_13(content: Any) -> None:  # noqa: ANN401
        content["jobs"][0]["read"]["iops_mean"] /= 4

    assert one(imported("grouped.out"), "fio.iops", "mean").value is not None
    found = edited("grouped.out", as_before_3_13)
    assert {m.statistic for m in found.measurements if m.metric == "fio.iops"} == {"value"}


def test_iops_of_single_ios_are_no_spread() -> None:
    # With an IOPS log of single I/Os fio takes each of them for a sample of 1.
    found = imported("perio.json")
    assert {m.statistic for m in found.measurements if m.metric == "fio.iops"} == {"value"}


def test_stonewalled_jobs_are_workloads_of_their_own() -> None:
    found = imported("stonewall.json")
    assert {m.workload for m in found.measurements} == {"seq-read", "random-write"}
    assert dict(one(found, "fio.iops", workload="seq-read").params)["pattern"] == "seq"
    assert dict(one(found, "fio.iops", workload="random-write").params)["iodepth"] == "8"


def test_jobs_that_differ_in_their_number_only_ran_together() -> None:
    def rename(content: Any) -> None:  # noqa: ANN401
        for number, job in enumerate(content["jobs"], 1):
            job["jobname"] = f"disk{number}"
            job["job options"]["filename"] = f"/dev/sd{number}"
            job["job options"]["name"] = f"disk{number}"

    found = edited("numjobs.json", rename)
    assert {m.workload for m in found.measurements} == {"disk"}
    same = one(imported("numjobs.json"), "fio.iops").value
    assert one(found, "fio.iops").value == same


def test_fio_2_is_told_by_its_keys() -> None:
    found = imported("fio-2-group.out")
    # io_bytes 1280000 is KiB, and microseconds are microseconds.
    assert one(found, "fio.bandwidth").value == 1280000 * 1024 / 10
    assert one(found, "fio.latency", "mean").value == pytest.approx(8e-3)
    assert one(found, "fio.completion_latency", "p99").value == pytest.approx(8.896e-3)
    points = [s for s in found.samples if s.kind == "histogram"]
    # Before fio 2.20 the keys of bins are places in a table.
    assert sum(s.y for s in points) == 10000
    assert sum(s.x * s.y for s in points) / 10000 == pytest.approx(8e-3, rel=0.07)


def test_options_that_stand_twice_and_percentiles_of_0_do_no_harm() -> None:
    found = imported("fio-2-group.out")
    statistics = {m.statistic for m in found.measurements if m.metric == "fio.completion_latency"}
    assert statistics == {"mean", "min", "max", "stddev", "p50", "p99"}


def test_the_last_report_of_a_status_interval_counts() -> None:
    found = imported("status-interval.out")
    assert {m.repetition for m in found.measurements} == {0}
    text = (RAW / "status-interval.out").read_text()
    last = json.loads(text[text.rindex("\n{\n") :])["jobs"][0]["read"]
    assert one(found, "fio.iops").value == pytest.approx(last["iops"])


def test_what_a_ramp_counted_is_no_repetition() -> None:
    found = imported("ramp.json")
    assert {m.repetition for m in found.measurements} == {0}
    assert one(found, "fio.io_bytes").value == 50040 * 4096


def test_outputs_one_after_another_are_repetitions() -> None:
    first = (RAW / "numjobs.json").read_bytes()
    later = first.replace(b'"timestamp_ms" : 17952697', b'"timestamp_ms" : 17952698')
    assert later != first
    [found] = json_report.READER.runs(first + b"\nsome text\n" + later, {})
    rates = [m for m in found.measurements if (m.metric, m.statistic) == ("fio.iops", "value")]
    assert [m.repetition for m in rates] == [0, 1]


def test_outputs_of_other_jobs_are_further_workloads() -> None:
    data = (RAW / "stonewall.json").read_bytes() + (RAW / "numjobs.json").read_bytes()
    [found] = json_report.READER.runs(data, {})
    assert {m.workload for m in found.measurements} == {"seq-read", "random-write", "many"}


def test_a_list_of_reports_is_read_too() -> None:
    both = [document(RAW / "stonewall.json"), document(RAW / "numjobs.json")]
    [found] = json_report.READER.runs(json.dumps(both, indent=1).encode(), {})
    assert len({m.workload for m in found.measurements}) == 3


def test_versions_are_runs_of_their_own() -> None:
    data = (RAW / "fio-2.out").read_bytes() + (RAW / "numjobs.json").read_bytes()
    versions = [f.tool.version for f in json_report.READER.runs(data, {}) if f.tool]
    assert versions == ["2.17", "3.33"]


def test_json_wins_over_the_other_forms_beside_it() -> None:
    found = imported("all-forms.out")
    iops = document(RAW / "all-forms.out")["jobs"][0]["read"]["iops"]
    assert one(found, "fio.iops").value == pytest.approx(iops)


def test_utf_16_and_a_terminal_around_it_change_nothing() -> None:
    plain = (RAW / "stonewall.json").read_text()
    noisy = f"$ fio job.fio\r\n{plain}\r\n$ exit\r\n"
    [found] = json_report.READER.runs(noisy.encode("utf-16"), {})
    assert found.measurements == imported("stonewall.json").measurements
    assert json_report.knows(noisy.encode("utf-16"))


def test_a_run_that_was_stopped_says_so() -> None:
    found = imported("stopped.out")
    assert doubts(found) == {Doubt.INTERRUPTED: "fio was stopped by signal 2"}
    assert one(found, "fio.iops").status == Status.OK


def test_a_job_that_failed_is_kept_as_failed_beside_the_others() -> None:
    found = imported("failed-part.out")
    assert one(found, "fio.iops", workload="good").value is not None
    row = one(found, "fio.iops", workload="full")
    assert (row.value, row.status, dict(row.params)["direction"]) == (None, Status.FAILED, "write")
    assert found.doubts == (
        (Doubt.FAILED_PART, "a job failed: No space left on device (error 28)", "full"),
    )


def test_one_failed_job_of_several_makes_the_rest_suspect() -> None:
    def fail(content: Any) -> None:  # noqa: ANN401
        content["jobs"][2]["error"] = 5

    found = edited("numjobs.json", fail)
    assert one(found, "fio.iops").status == Status.SUSPECT
    assert "Input/output error" in doubts(found)[Doubt.FAILED_PART]


def test_jobs_that_all_failed_without_options_are_refused() -> None:
    def fail(content: Any) -> None:  # noqa: ANN401
        job = content["jobs"][0]
        job["error"] = 5
        job["read"].update(io_bytes=0, total_ios=0)

    with pytest.raises(SitegenError, match="nothing says what it was to do"):
        edited("fio-2.out", fail)


def test_jobs_of_unequal_runtime_are_doubted() -> None:
    def shorten(content: Any) -> None:  # noqa: ANN401
        for key in ("runtime", "total_ios", "io_bytes"):
            content["jobs"][0]["read"][key] //= 2

    found = edited("numjobs.json", shorten)
    assert doubts(found) == {Doubt.UNEQUAL_JOBS: "read: its jobs ran for 0.5 to 1 s"}
    assert one(found, "fio.iops").status == Status.OK


@pytest.mark.parametrize(
    ("key", "factor", "told"),
    [
        ("iops", 1.5, r"iops is \d"),
        ("io_bytes", 1.5, "io_bytes over runtime"),
        ("bw", 2, "bw_bytes is"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(key: str, factor: float, told: str) -> None:
    def change(content: Any) -> None:  # noqa: ANN401
        side = content["jobs"][0]["read"]
        side[key] = int(side[key] * factor)

    found = edited("latency.out", change)
    assert re.search(told, doubts(found)[Doubt.INCONSISTENT])


@pytest.mark.parametrize(
    ("name", "doubted"),
    [
        ("random-read", False),
        ("4k_writes", True),
        ("randwrite", True),
        ("thread-spread", False),
        ("rewrite", False),
        ("read-write", False),
        ("mix", False),
    ],
)
def test_a_job_called_after_another_direction_is_doubted(name: str, doubted: bool) -> None:  # noqa: FBT001
    def rename(content: Any) -> None:  # noqa: ANN401
        content["jobs"][0]["jobname"] = name

    assert (Doubt.MISNAMED in doubts(edited("latency.out", rename))) is doubted


def test_a_depth_that_the_engine_cannot_reach_is_suspect() -> None:
    found = imported("capped.out")
    assert {m.status for m in found.measurements} == {Status.SUSPECT}
    assert "one I/O at a time" in doubts(found)[Doubt.INCONSISTENT]


def test_directions_that_fio_counts_as_one_stay_one() -> None:
    found = imported("mixed.json")
    assert dict(one(found, "fio.iops").params)["direction"] == "mixed"


def test_a_steady_state_that_fio_found_is_recorded() -> None:
    found = imported("steady.json")
    assert next(p.value for p in found.parameters if p.name == "steadystate.ss") == "attained"


def test_sync_latency_has_no_direction() -> None:
    found = imported("fdatasync.out")
    sync = document(RAW / "fdatasync.out")["jobs"][0]["sync"]["lat_ns"]
    row = one(found, "fio.sync_latency", "mean")
    assert row.value == sync["mean"] / 1e9
    assert "direction" not in dict(row.params)
    assert dict(row.params)["fdatasync"] == "1"


def test_a_cache_that_answered_makes_the_numbers_suspect() -> None:
    def count(sectors: int) -> Callable[[Any], None]:
        def edit(content: Any) -> None:  # noqa: ANN401
            content["disk_util"] = [{"name": "sda", "read_sectors": sectors}]

        return edit

    moved = document(RAW / "latency.out")["jobs"][0]["read"]["io_bytes"]
    found = edited("latency.out", count(moved // 512))
    assert one(found, "fio.device_bytes").value == moved // 512 * 512
    assert one(found, "fio.iops").status == Status.OK
    assert one(edited("latency.out", count(8)), "fio.iops").status == Status.SUSPECT


def test_all_clients_counts_where_there_is_nothing_else() -> None:
    def only_all(content: Any) -> None:  # noqa: ANN401
        content["client_stats"] = content["client_stats"][-1:]

    found = edited("client.out", only_all)
    assert {m.workload for m in found.measurements} == {"all-clients"}
    assert one(found, "fio.iops").value == one(imported("client.out"), "fio.iops").value


def test_the_time_is_the_start_in_utc() -> None:
    found = imported("stonewall.json")
    assert found.started_at == "2026-11-21T14:02:30Z"
    assert found.duration_s == 3


def test_names_become_labels_and_are_kept() -> None:
    def rename(content: Any) -> None:  # noqa: ANN401
        content["jobs"][0]["jobname"] = "Rand Read (4k)"
        content["jobs"][1]["jobname"] = "rand-read-4k"

    found = edited("stonewall.json", rename)
    names = {dict(m.params).get("job_name") for m in found.measurements}
    assert {m.workload for m in found.measurements} == {"rand-read-4k"}
    assert names == {None, "Rand Read (4k)"}


def test_the_user_says_what_the_output_does_not() -> None:
    settings = {"engine": "libaio", "block_size": "4k", "iodepth": "8", "numjobs": "1"}
    found = imported("fio-2.out", {**settings, "size": "1G", "direct": "1"})
    said = dict(one(found, "fio.iops").params)
    assert said["block_size"] == "4096"
    assert said["size"] == str(1 << 30)
    assert said["iodepth"] == "8"
    assert next(p.value for p in found.parameters if p.name == "direct") == "1"


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
        json_report.READER.runs(data[: len(data) // 2], {})


def test_a_whole_report_before_a_broken_one_is_read_and_doubted() -> None:
    data = (RAW / "stonewall.json").read_bytes() + (RAW / "latency.out").read_bytes()[:3000]
    [found] = json_report.READER.runs(data, {})
    assert {m.workload for m in found.measurements} == {"seq-read", "random-write"}
    assert "breaks off at line" in doubts(found)[Doubt.CUT_OFF]


@pytest.mark.parametrize("indent", [None, 2])
def test_json_of_a_program_around_fio_is_looked_into(indent: int | None) -> None:
    own = document(RAW / "latency.out")
    [alone] = json_report.READER.runs(json.dumps(own).encode(), {})
    for whole in (
        {"StorageClass": "x", "Result": own},
        [{"Status": "OK", "Raw": {"size": "100Gi", "result": own}}],
        {"a": [[], {"b": own}]},
    ):
        [found] = json_report.READER.runs(json.dumps(whole, indent=indent).encode(), {})
        assert found.measurements == alone.measurements
    both = json.dumps({"local": own, "remote": own}, indent=indent).encode()
    with pytest.raises(SitegenError, match=r"2 reports .* one by one: local, remote"):
        json_report.READER.runs(both, {})
    with pytest.raises(SitegenError, match="no JSON in it is fio's own"):
        json_report.READER.runs(b'{"note": "fio"}\n{"fio version": "fio-3.1"}\n{"jobs": []}\n', {})


@pytest.mark.parametrize("between", ["[{},{}]", "{}{}", "{}\n{}", "{}\n\n--- again\n{}", "{}, {}"])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_document_in_a_file_is_read(between: str, indent: int | None) -> None:
    first = document(RAW / "latency.out")
    again = {**first, "timestamp": first["timestamp"] + 100}
    again = {**again, "timestamp_ms": again["timestamp_ms"] + 100_000}
    texts = [json.dumps(one, indent=indent) for one in (first, again)]
    content = between.replace("{}", "%s") % tuple(texts)
    [found] = json_report.READER.runs(f'{{"host": 1}}\n{content}'.encode(), {})
    assert {m.repetition for m in found.measurements} == {0, 1}


def test_the_sum_over_clients_does_not_take_fios_defaults() -> None:
    own = document(RAW / "latency.out")
    entry = {k: v for k, v in own["jobs"][0].items() if k != "job options"}
    entry["jobname"] = "All clients"
    whole = {"fio version": "fio-3.7", "global options": {"bs": "8k"}, "client_stats": [entry]}
    [found] = json_report.READER.runs(json.dumps(whole).encode(), {})
    directions = {dict(m.params).pop("direction", "") for m in found.measurements}
    told = {pair for m in found.measurements for pair in m.params if pair[0] != "direction"}
    assert directions >= {"read"}
    assert told == {("block_size", "8192"), ("job_name", "All clients")}
    assert "direct" not in {p.name for p in found.parameters}


def test_json_after_other_text_on_its_line_is_read() -> None:
    own = document(RAW / "latency.out")
    [alone] = json_report.READER.runs(json.dumps(own).encode(), {})
    for indent in (None, 2):
        told = f"[pod/fio] out: {json.dumps(own, indent=indent)}"
        assert json_report.READER.runs(told.encode(), {})[0].measurements == alone.measurements


def test_published_outputs_give_what_an_independent_computation_gives() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no published samples beside this checkout")
    [old] = json_report.READER.runs((SAMPLES / "fio-2.17-group.json").read_bytes(), {})
    reads = document(SAMPLES / "fio-2.17-group.json")["jobs"][0]["read"]
    rate = one(old, "fio.iops", direction="read").value
    assert rate == pytest.approx(reads["iops"], rel=1e-6)
    bandwidth = one(old, "fio.bandwidth", direction="read").value
    assert bandwidth == pytest.approx(reads["bw"] * 1024, rel=1e-3)
    assert bandwidth == pytest.approx(rate * 16384 if rate else 0, rel=1e-3)
    assert old.doubts == ()
    [failed] = json_report.READER.runs((SAMPLES / "fio-3.13-error-42.json").read_bytes(), {})
    assert {m.value for m in failed.measurements} == {None}
    assert "Illegal byte sequence" in doubts(failed)[Doubt.FAILED_PART]
    [many] = json_report.READER.runs((SAMPLES / "fio-3.7-client-server.txt").read_bytes(), {})
    everyone = document(SAMPLES / "fio-3.7-client-server.txt")["client_stats"][-1]["read"]
    assert one(many, "fio.iops").value == pytest.approx(everyone["iops"], rel=1e-9)
    assert one(many, "fio.io_bytes").value == everyone["io_bytes"]
    mean = one(many, "fio.latency", "mean").value
    # fio 3.7 does not say how many I/Os each mean is of: they are weighed by all I/Os.
    assert mean == pytest.approx(everyone["lat_ns"]["mean"] / 1e9, rel=1e-4)
    assert dict(one(many, "fio.iops").params)["clients"] == "2"
    assert "perf" not in repr(many.parameters)
