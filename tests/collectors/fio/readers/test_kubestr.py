from __future__ import annotations

from functools import partial

import pytest

from collectors.fio.readers import around
from sitegen.errors import SitegenError
from tests.collectors.fio.readers.given import RAW, one, read

TEXT = (RAW / "kubestr.txt").read_text()
imported = partial(read, around.KUBESTR)


def test_rates_keep_their_digits_and_their_settings() -> None:
    found = imported(TEXT)
    rate = one(found, "fio.iops", workload="read_iops")
    assert (rate.value, rate.printed, rate.unit) == (1234.5, "1234.500000", "1/s")
    assert dict(rate.params) == {
        "block_size": "4096",
        "direction": "read",
        "engine": "libaio",
        "iodepth": "64",
        "pattern": "rand",
        "size": "2147483648",
    }
    moved = one(found, "fio.bandwidth", workload="write_bw")
    assert (moved.value, moved.printed) == (57632 * 1024, "57632 KiB/s")
    assert one(found, "fio.iops", "mean", workload="write_bw").value == 451.5
    assert one(found, "fio.iops", "min", workload="write_bw").value == 336
    assert {m.metric for m in found.measurements} == {"fio.iops", "fio.bandwidth"}
    assert found.tool is not None
    assert found.tool.version == "3.20"
    assert {p.name: p.value for p in found.parameters}["direct"] == "1"
    assert found.doubts == ()


def test_options_that_were_not_given_and_a_job_without_a_name() -> None:
    found = imported(
        TEXT.replace("ioengine=libaio verify=0 direct=1 gtod_reduce=1", "ioengine= verify= direct=")
        .replace("JobName: read_iops", "JobName: ")
        .replace("blocksize=4K filesize=2G iodepth=64 rw=randread", "blocksize= filesize= rw=")
    )
    assert dict(one(found, "fio.iops", workload="job").params) == {"direction": "read"}


def test_small_figures_are_doubted_as_rounded() -> None:
    assert imported(TEXT.replace("=4938\n", "=910\n")).doubts[0][1:] == (
        "read: the bandwidth is printed as 910 KiB/s",
        "read_iops",
    )


def test_the_same_class_again_is_a_repetition_and_another_one_is_refused() -> None:
    assert {m.repetition for m in imported(TEXT + TEXT).measurements} == {0, 1}
    other = TEXT.replace("StorageClass (standard)", "StorageClass (fast)")
    with pytest.raises(SitegenError, match="there are results of 2 storage classes"):
        imported(TEXT + other)


def test_a_job_without_figures_is_refused_by_name() -> None:
    with pytest.raises(SitegenError, match="the job 'read_iops': has no figure"):
        imported(TEXT.replace("read:\n", "**read**:\n"))
