from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from collectors import fio
from collectors.fio.readers import around
from sitegen.collect import Request
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity, params
from tests.collectors.fio.readers.recorded import RAW, one, read, sentence

imported = partial(read, around.DBENCH)


def text(name: str = "dbench") -> str:
    return (RAW / f"{name}.txt").read_text()


def test_the_series_are_those_that_the_collector_measures() -> None:
    nowhere = Path("/nowhere")
    request = Request("standard", 1, {"set": "dbench"}, 2, nowhere, nowhere / "cache", 1 << 40)
    plan = fio.plan(ToolIdentity("fio", "3.33", "/usr/bin/fio"), request)
    expected = {
        (row.workload, row.metric, row.statistic, row.params)
        for step in plan.steps
        for row in step.expects
    }
    keys = {(m.workload, m.metric, m.statistic, m.params) for m in imported(text()).measurements}
    assert expected <= keys
    engine = next(p for p in imported(text()).parameters if p.name == "engine")
    assert engine.value == next(p.value for p in plan.parameters if p.name == "engine")
    # A run of another file beside it has no such parameter, and must not drop out for that.
    assert engine.comparability == Comparability.CAVEAT


def test_values_come_from_the_dumps() -> None:
    reading = imported(text())
    assert one(reading, "fio.iops", workload="read_iops").value == 66622 / 1.001
    assert reading.doubts == ()
    size = next(p for p in reading.parameters if p.name == "dbench.size")
    assert (size.value, size.comparability) == (str(8 << 20), Comparability.CAVEAT)


def test_four_jobs_are_all_their_bytes_over_the_longest_runtime() -> None:
    section = text().split("Testing Read Sequential Speed...")[1].split("Testing")[0]
    totals = [int(x.split(",")[0]) for x in section.split("total=")[1:]]
    times = [int(x.split("msec")[0].rpartition("/")[2]) for x in section.split("IOPS=")[1:]]
    row = one(imported(text()), "fio.bandwidth", workload="read_seq")
    assert row.value == pytest.approx(sum(totals) * 1048576 / (max(times) / 1000))


def test_the_summary_is_not_read_and_the_run_says_so() -> None:
    # The script's pattern knows k and not M: it keeps 13.9 of 13.9M.
    reading = imported(text().replace("IOPS: 66.6k/", "IOPS: 13.9/"))
    assert reading.measurements == imported(text()).measurements
    assert any("summary is not read" in note for note in reading.notes)


def test_workloads_that_are_missing_are_named() -> None:
    whole = text()
    reading = imported(whole[: whole.index("Testing Read Sequential Speed")])
    assert any("read_seq, write_seq, rw_mix" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("end", "workloads"),
    [("IO depths", {"read_iops", "write_iops"}), ("  write: IOPS", {"read_iops"})],
)
def test_a_dump_that_is_cut_off_is_doubted(end: str, workloads: set[str]) -> None:
    whole = text()
    reading = imported(whole[: whole.index(end, whole.index("Testing Write IOPS"))])
    assert {m.workload for m in reading.measurements} == workloads
    assert sentence(reading, Doubt.CUT_OFF)


# kubestr

TEXT = (RAW / "kubestr.txt").read_text()
kubestr = partial(read, around.KUBESTR)


def test_rates_keep_their_digits_and_their_settings() -> None:
    reading = kubestr(TEXT)
    rate = one(reading, "fio.iops", workload="read_iops")
    assert (rate.value, rate.printed, rate.unit) == (1234.5, "1234.500000", "1/s")
    # The jobs of kubestr's own file run at once.
    counts = {"block_size": 4096, "iodepth": 64, "size": 2 << 30, "at_once": 2}
    assert rate.params == params(direction="read", engine="libaio", pattern="rand", **counts)
    moved = one(reading, "fio.bandwidth", workload="write_bw")
    assert (moved.value, moved.printed) == (57632 * 1024, "57632 KiB/s")
    assert one(reading, "fio.iops", "mean", workload="write_bw").value == 451.5
    assert one(reading, "fio.iops", "min", workload="write_bw").value == 336
    assert {m.metric for m in reading.measurements} == {"fio.iops", "fio.bandwidth"}
    assert reading.tool is not None
    assert reading.tool.version == "3.20"
    assert {p.name: p.value for p in reading.parameters}["direct"] == "1"
    assert reading.doubts == ()


def test_options_that_were_not_given_and_a_job_without_a_name() -> None:
    reading = kubestr(
        TEXT.replace("ioengine=libaio verify=0 direct=1 gtod_reduce=1", "ioengine= verify= direct=")
        .replace("JobName: read_iops", "JobName: ")
        .replace("blocksize=4K filesize=2G iodepth=64 rw=randread", "blocksize= filesize= rw=")
    )
    assert dict(one(reading, "fio.iops", workload="job").params) == {"direction": "read"}


def test_small_figures_are_doubted_as_rounded() -> None:
    assert kubestr(TEXT.replace("=4938\n", "=910\n")).doubts[0][1:] == (
        "read: the bandwidth is printed as 910 KiB/s",
        "read_iops",
    )


def test_the_same_class_again_is_a_repetition_and_another_one_is_refused() -> None:
    assert {m.repetition for m in kubestr(TEXT + TEXT).measurements} == {0, 1}
    other = TEXT.replace("StorageClass (standard)", "StorageClass (fast)")
    with pytest.raises(SitegenError, match="there are results of 2 storage classes"):
        kubestr(TEXT + other)


def test_a_job_without_figures_is_refused_by_name() -> None:
    with pytest.raises(SitegenError, match="the job 'read_iops': has no figure"):
        kubestr(TEXT.replace("read:\n", "**read**:\n"))
