from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.fio import jobs as several
from collectors.fio.jobs import Side
from collectors.fio.readers import json_report, terse, text_report
from collectors.fio.readers.text_report import number
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params
from tests.collectors.fio.readers.recorded import RAW, every, one, read, sentence

imported = partial(read, text_report.READER)


def text(name: str) -> str:
    return (RAW / f"{name}.txt").read_text()


def test_rates_are_exact_where_the_counts_stand_there() -> None:
    reading = imported(text("text"))
    # IOPS=42.6k, BW=167MiB/s, issued 42683 in 1001 ms, 4096 bytes each.
    assert one(reading, "fio.iops").value == 42683 / 1.001
    assert one(reading, "fio.bandwidth").value == 42683 * 4096 / 1.001
    assert one(reading, "fio.iops").printed is None
    assert reading.doubts == ()


def test_latencies_keep_their_unit_and_their_digits() -> None:
    reading = imported(text("text-mix"))
    lat = one(reading, "fio.latency", "mean", direction="read")
    assert (lat.value, lat.printed) == (89.08 / 1e6, "89.08 usec")
    clat = one(reading, "fio.completion_latency", "max", direction="read")
    assert (clat.value, clat.printed) == (1256.3e3 / 1e9, "1256.3k nsec")
    # The percentiles of the same latency are in another unit than its mean.
    p99 = one(reading, "fio.completion_latency", "p99", direction="read")
    assert (p99.value, p99.printed) == (123 / 1e6, "123 usec")


def test_each_direction_has_its_own_block_size() -> None:
    reading = imported(text("text-mix"))
    assert dict(one(reading, "fio.iops", direction="read").params)["block_size"] == "4096"
    assert dict(one(reading, "fio.iops", direction="write").params)["block_size"] == "8192"
    assert one(reading, "fio.io_bytes", direction="write").value == 10782 * 8192


def test_params_are_those_of_the_header() -> None:
    counts = {"block_size": 4096, "iodepth": 4, "numjobs": 1}
    expected = params(direction="read", engine="libaio", pattern="rand", **counts)
    assert one(imported(text("text")), "fio.iops").params == expected


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        *(("13.9M", 13.9e6), ("42.6k", 42600), ("9873", 9873)),
        *(("48.1MiB/s", 48.1 * 1024**2), ("524kB/s", 524e3), ("8Mbit/s", 1e6)),
    ],
)
def test_units_mean_what_they_say(printed: str, value: float) -> None:
    assert number(printed).value == pytest.approx(value)


def test_without_the_counts_the_best_printed_figure_stands_and_is_doubted() -> None:
    lines = [line for line in text("text").split("\n") if "issued" not in line]
    reading = imported("\n".join(lines).replace("42.6k", "13.9M").replace("167MiB", "54.4GiB"))
    iops = one(reading, "fio.iops")
    assert (iops.value, iops.printed) == (13.9e6, "13.9M")
    assert "IOPS is printed as 13.9M" in sentence(reading, Doubt.ROUNDED)


def test_a_rate_that_the_counts_contradict_is_doubted() -> None:
    reading = imported(text("text").replace("IOPS=42.6k", "IOPS=52.6k"))
    assert "IOPS is 52.6k, and 42683 I/Os in 1001 ms are 42640" in sentence(
        reading, Doubt.INCONSISTENT
    )
    assert one(reading, "fio.iops").value == 52600


def test_a_bandwidth_that_the_bytes_contradict_is_doubted() -> None:
    # fio 3.1 prints 11.0MiB/s for 12.0.
    reading = imported(text("text").replace("BW=167MiB/s", "BW=117MiB/s"))
    assert "the bandwidth is 117MiB/s" in sentence(reading, Doubt.INCONSISTENT)
    assert one(reading, "fio.bandwidth").value == 42683 * 4096 / 1.001


def test_jobs_of_one_name_ran_together() -> None:
    reading = imported(text("text-numjobs"))
    totals = [int(x.split(",")[0]) for x in text("text-numjobs").split("total=")[1:]]
    assert len(totals) == 4
    assert one(reading, "fio.iops").value == sum(totals) / 1.001
    assert dict(one(reading, "fio.iops").params)["numjobs"] == "4"
    p99 = every(reading, "fio.completion_latency", "p99")
    assert [dict(m.params)["job"] for m in p99] == ["1", "2", "3", "4"]


def test_a_group_says_how_many_jobs_it_is() -> None:
    reading = imported(text("text-grouped"))
    assert dict(one(reading, "fio.iops").params)["numjobs"] == "4"
    assert one(reading, "fio.iops").value == 54454 / 1.001


def test_gtod_reduce_leaves_no_latency() -> None:
    data = text("dbench").split("Testing Read IOPS...")[1].split("Testing")[0]
    assert {m.metric for m in imported(data).measurements} == {
        *("fio.iops", "fio.bandwidth", "fio.io_bytes", "fio.cpu_usage")
    }


def test_sync_latency_is_read() -> None:
    reading = imported(text("text-sync"))
    assert one(reading, "fio.sync_latency", "mean").value == pytest.approx(722.85e-6)
    assert one(reading, "fio.sync_latency", "p99.9").value == pytest.approx(7373e-6)
    assert one(reading, "fio.completion_latency", "p99").value == pytest.approx(51e-6)


def test_a_failed_job_is_kept_as_failed() -> None:
    reading = imported(text("text-failed"))
    row = one(reading, "fio.iops", workload="full")
    assert (row.value, row.status) == (None, Status.FAILED)
    assert (
        sentence(reading, Doubt.FAILED_PART) == "a job failed: No space left on device (error 28)"
    )


def test_a_run_that_was_stopped_and_a_steady_state_say_so() -> None:
    assert sentence(imported(text("text-interrupted")), Doubt.INTERRUPTED)
    reading = imported(text("text-steady"))
    assert next(p.value for p in reading.parameters if p.name.startswith("steady")) == "attained"


def test_fio_2_whose_units_differ_is_refused() -> None:
    line = next(row for row in text("text").splitlines() if row.strip().startswith("read: "))
    old = "  read : io=1000.0MB, bw=51200KB/s, iops=12800, runt= 20000msec"
    with pytest.raises(SitegenError, match="is not as fio 3 prints it"):
        imported(text("text").replace(line, old))


def test_an_output_that_ends_early_is_doubted_and_a_number_cut_in_two_is_not_read() -> None:
    whole = text("text")
    reading = imported(whole[: whole.index("     latency   :")])
    assert "ends before" in sentence(reading, Doubt.CUT_OFF)
    assert one(reading, "fio.iops").value == 42683 / 1.001
    reading = imported(whole[: whole.index("stdev=63.44") + len("stdev=63")])
    assert "fio.latency" not in {m.metric for m in reading.measurements}
    with pytest.raises(SitegenError, match="breaks off before the first figure"):
        imported(whole[: whole.index("  read: IOPS")])


def test_outputs_one_after_another_are_repetitions() -> None:
    reading = imported(text("text") + "\n" + text("text").replace("42683", "42684"))
    rates = every(reading, "fio.iops")
    assert [(m.repetition, m.value) for m in rates] == [(0, 42683 / 1.001), (1, 42684 / 1.001)]


@pytest.mark.parametrize("kept", ["groups", "only jobs", "cut before the summary"])
def test_jobs_of_several_outputs_are_not_added_up(kept: str) -> None:
    body = text("text")[text("text").index("randread: (groupid") :]
    body = body if kept == "groups" else body[: body.index("\nRun status")] + "\n"
    body = body if kept != "only jobs" else "".join(body.splitlines(keepends=True)[:5])
    again = re.sub(r"pid=\d+", "pid=99", body).replace("IOPS=42.6k", "IOPS=42.7k")
    if kept != "groups":
        again = re.sub(r":(\d\d) 2026", lambda m: f":{(int(m[1]) + 30) % 60:02} 2026", again)
    reading = imported(body + "\n" + again)
    rates = every(reading, "fio.iops")
    assert [m.repetition for m in rates] == [0, 1]
    assert all(42_000 < (m.value or 0) < 43_000 for m in rates)


def test_sums_over_clients_one_after_another_are_repetitions() -> None:
    sums = "".join(
        f"*********Fio_Job**************\n"
        f"All clients: (groupid=0, jobs=3): err= 0: pid=0: Tue Jul 12 18:5{n}:21 2022\n"
        f"  read: IOPS=2{n}.5k, BW=737{n}Mi (773{n}M)(432GiB/60001msec)\n"
        f"    clat (usec): min=67, max=8068, avg=394.05, stdev=151.38\n"
        for n in (1, 2)
    )
    rates = every(imported(sums), "fio.iops")
    assert [(m.repetition, m.value) for m in rates] == [(0, 21_500), (1, 22_500)]


def test_clients_that_end_at_their_own_times_are_added_up_and_their_sum_is_left_out() -> None:
    job = (
        "r: (groupid=0, jobs=1): err= 0: pid={}: Tue Jul 12 18:5{}:21 2022\n"
        "  read: IOPS=100, BW=400KiB/s (410kB/s)(3906KiB/10000msec)\n"
        "Run status group 0 (all jobs):\n"
        "   READ: bw=400KiB/s (410kB/s)\n"
    )
    whole = job.format(7, 1) + job.format(8, 2) + job.format(0, 2).replace("r:", "All clients:", 1)
    rate = one(imported(whole), "fio.iops")
    assert (rate.value, dict(rate.params)["numjobs"]) == (200, "2")


def test_the_last_report_of_a_status_interval_counts() -> None:
    whole = text("text")
    body = whole[whole.index("randread: (groupid") :]
    reading = imported(whole.replace("42683", "30000").replace("42.6k", "30.0k") + body)
    assert one(reading, "fio.iops").value == 42683 / 1.001


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: t.encode("utf-16"),
        lambda t: ("# A page\n\n" + "".join(f"    {line}\n" for line in t.split("\n"))).encode(),
        lambda t: "".join(f"> {line}\n" for line in t.split("\n")).encode(),
        lambda t: "".join(f"<perf84> {line}\n" for line in t.split("\n")).encode(),
        lambda t: f"<html><pre>{t.replace('>', '&gt;')}</pre></html>".encode(),
        lambda t: "".join(f"\t{line}\n" for line in t.split("\n")).encode(),
    ],
)
def test_text_as_people_keep_it_is_read(wrapped: object) -> None:
    assert callable(wrapped)
    data = wrapped(text("text-mix"))
    [reading] = text_report.READER.runs(data, {})
    assert reading.measurements == imported(text("text-mix")).measurements


@pytest.mark.parametrize(
    ("line", "version"),
    [("fio-3.1  ", "3.1"), ("fio-3.39-30-g58818", "3.39-30-g58818"), ("12.5.1.9", "")],
)
def test_versions_are_named_in_their_own_ways(line: str, version: str) -> None:
    reading = imported(text("text").replace("fio-3.33", line))
    assert reading.tool is not None
    assert reading.tool.version == version


def test_a_latency_of_nothing_is_none_and_one_that_cannot_be_is_doubted() -> None:
    odd = text("text-mix").replace(
        "slat (nsec): min=4356, max=87620, avg=7874.37, stdev=5733.61",
        "slat (nsec): min=0, max=0, avg= 0.00, stdev= 0.00",
    )
    reading = imported(odd.replace("avg=89.08", "avg=59.08"))
    slat = every(reading, "fio.submission_latency", "mean")
    assert [dict(m.params)["direction"] for m in slat] == ["write"]
    assert "completion took 8.12e-05 s on average" in sentence(reading, Doubt.INCONSISTENT)


def test_bytes_that_are_rounded_are_those_that_are_printed() -> None:
    reading = imported(text("text-mix").replace("     issued rwts", "     counted"))
    moved = one(reading, "fio.io_bytes", direction="write")
    assert (moved.value, moved.printed) == (84.2 * 1024**2, "84.2MiB")
    rate = one(reading, "fio.bandwidth", direction="write")
    assert (rate.value, rate.printed) == (88.3e6, "88.3MB/s")


def test_lines_that_were_joined_are_refused_and_not_a_failure() -> None:
    joined = text("text").replace("2026\n  read: ", "2026 read: ")
    with pytest.raises(SitegenError, match="its I/Os were counted"):
        imported(joined)


def test_a_job_of_which_only_the_first_line_was_kept_did_not_fail() -> None:
    whole = text("text-mix")
    kept = "other: (groupid=0, jobs=1): err= 0: pid=7: Sat Nov 21 14:02:08 2026\n[...]\n"
    reading = imported(whole.replace("mix: (groupid", f"{kept}mix: (groupid"))
    assert {m.workload for m in reading.measurements} == {"mix"}
    assert "missing" in sentence(reading, Doubt.CUT_OFF)


def test_what_the_text_does_not_say_the_user_may() -> None:
    reading = imported(text("text"), {"size": "4M", "direct": "1"})
    assert dict(one(reading, "fio.iops").params)["size"] == "4194304"
    with pytest.raises(SitegenError, match="not overruled"):
        imported(text("text"), {"engine": "psync"})


@pytest.mark.parametrize("name", ["grouped.out", "json-and-text.out", "all-forms.out"])
def test_json_text_and_terse_of_one_run_agree(name: str) -> None:
    whole = (RAW / name).read_text()
    start = whole.index("{\n")
    end = whole.index("\n}\n", start) + 3
    rest = whole[:start] + whole[end:]
    lines = rest.split("\n")
    text_only = "\n".join(line for line in lines if not line.startswith("3;fio"))
    [exact] = json_report.READER.runs(whole.encode(), {})
    reading = imported(text_only)
    for metric in ("fio.iops", "fio.bandwidth", "fio.io_bytes"):
        assert one(reading, metric).value == one(exact, metric).value
    for metric in ("fio.latency", "fio.completion_latency", "fio.submission_latency"):
        rounded = one(reading, metric, "mean").value
        assert rounded == pytest.approx(one(exact, metric, "mean").value, abs=0.0051e-6)
    cpu = one(reading, "fio.cpu_usage").value
    assert cpu == pytest.approx(one(exact, "fio.cpu_usage").value, abs=0.0005)
    texts = dict(one(exact, "fio.iops").params)
    del texts["size"]
    assert dict(one(reading, "fio.iops").params) == texts
    if terse_lines := [line for line in lines if line.startswith("3;fio")]:
        [short] = terse.READER.runs("\n".join(terse_lines).encode(), {})
        assert one(short, "fio.io_bytes").value == one(exact, "fio.io_bytes").value
        mean = one(short, "fio.latency", "mean").value
        assert mean == pytest.approx(one(exact, "fio.latency", "mean").value, abs=1e-11)


_SIDES = st.lists(
    st.tuples(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 1 << 20)),
    min_size=1,
    max_size=8,
)


@given(_SIDES)
def test_jobs_together_do_no_more_than_the_sum_of_their_rates(
    jobs: list[tuple[int, int, int]],
) -> None:
    sides = [Side("read", ms / 1000, ios, float(ios * block)) for ios, ms, block in jobs]
    rate, bytes_a_second = several.rate(sides), several.bandwidth(sides)
    assert rate is not None
    assert bytes_a_second is not None
    assert rate <= sum(ios / ms * 1000 for ios, ms, _ in jobs) * (1 + 1e-9)
    longest = max(ms for _, ms, _ in jobs)
    assert rate >= max(ios / longest * 1000 for ios, _, _ in jobs) * (1 - 1e-9)
    assert bytes_a_second >= rate * min(block for _, _, block in jobs) * (1 - 1e-9)


@given(st.floats(1, 9.99e11), st.sampled_from([3, 4]))
def test_a_printed_number_holds_what_was_rounded_to_it(value: float, digits: int) -> None:
    scaled, prefix = value, ""
    for name in ("", "k", "M", "G"):
        prefix = name
        if scaled < 1000:
            break
        scaled /= 1000
    shown = f"{scaled:.{max(digits - len(str(int(scaled))), 0)}f}{prefix}"
    figure = number(shown)
    assert figure.holds(value)
    assert abs(figure.value - value) <= figure.half * 1.001
