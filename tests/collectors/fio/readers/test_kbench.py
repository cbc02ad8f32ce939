"""What kbench's summaries give."""

from __future__ import annotations

from functools import partial

import pytest

from collectors.fio.readers import json_report, kbench
from sitegen.errors import SitegenError
from sitegen.model import Doubt, params
from tests.collectors.damage import bear
from tests.collectors.fio.readers.recorded import RAW, every, one, read, sentence

imported = partial(read, kbench.READER)


def text(name: str = "kbench") -> str:
    return (RAW / f"{name}.txt").read_text()


def test_figures_are_means_in_base_units() -> None:
    reading = imported(text())
    assert one(reading, "fio.iops", "mean", workload="rand-read-iops").value == 41_207
    row = one(reading, "fio.bandwidth", "mean", workload="seq-write-bw")
    assert (row.value, row.printed) == (418_455 * 1024, "418,455 KiB/s")
    row = one(reading, "fio.latency", "mean", workload="rand-write-lat")
    assert (row.value, row.printed) == (402_330e-9, "402,330 ns")
    assert len(reading.measurements) == 12


def test_jobs_have_the_options_of_kbench() -> None:
    reading = imported(text(), {"iodepth": "1"})
    shared = {"engine": "libaio", "numjobs": 1, "size": 30 << 30}
    assert one(reading, "fio.iops", "mean", workload="rand-read-iops").params == params(
        block_size=4096, direction="read", iodepth=64, pattern="rand", **shared
    )
    assert one(reading, "fio.bandwidth", "mean", workload="seq-read-bw").params == params(
        block_size=131072, direction="read", iodepth=64, pattern="seq", **shared
    )
    assert one(reading, "fio.latency", "mean", workload="seq-write-lat").params == params(
        block_size=4096, direction="write", iodepth=1, pattern="seq", **shared
    )


def test_the_depth_of_latency_is_asked_for() -> None:
    reading = imported(text())
    row = one(reading, "fio.latency", "mean", workload="rand-read-lat")
    assert "iodepth" not in dict(row.params)
    assert "--set iodepth=" in sentence(reading, Doubt.NOT_STATED)
    assert not sentence(imported(text(), {"iodepth": "4"}), Doubt.NOT_STATED)
    with pytest.raises(SitegenError, match="one of 1, 4"):
        kbench.READER.runs(text().encode(), {"iodepth": "64"})


def test_quick_mode_is_another_time() -> None:
    for name, seconds in (("kbench", "20"), ("kbench-two", "5")):
        settings = {p.name: p.value for p in imported(text(name)).parameters}
        assert settings["runtime"] == seconds


def test_one_figure_a_line_is_its_first_layout() -> None:
    reading = imported(text("kbench-rows"))
    assert one(reading, "fio.iops", "mean", workload="seq-write-iops").value == 14_222
    assert len(reading.measurements) == 12


def test_two_volumes_are_told_apart() -> None:
    reading = imported(text("kbench-two"))
    rows = every(reading, "fio.iops", "mean", workload="rand-read-iops")
    assert {dict(row.params)["device"]: row.value for row in rows} == {
        "plain": 98_000, "encrypted": 73_500,
    }  # fmt: skip
    rows = every(reading, "fio.bandwidth", "mean", workload="seq-write-bw")
    assert {dict(row.params)["device"]: row.value for row in rows} == {
        "plain": 510_000 * 1024, "encrypted": 484_500 * 1024,
    }  # fmt: skip
    assert {row.repetition for row in reading.measurements} == {0}
    assert not sentence(reading, Doubt.INCONSISTENT)


def test_a_change_that_is_not_that_of_its_figures_is_doubted() -> None:
    wrong = text("kbench-two").replace("-25.00% / -50.00%", "-25.00% / -5.00%")
    assert sentence(imported(wrong), Doubt.INCONSISTENT) == (
        "a change of -5.00% is printed from 90,000 to 45,000"
    )


def test_a_job_that_was_not_run_leaves_no_figure() -> None:
    reading = imported(text().replace("41,207 / 18,350", "41,207 /"))
    assert not every(reading, "fio.iops", "mean", workload="rand-write-iops")
    assert one(reading, "fio.iops", "mean", workload="rand-read-iops").value == 41_207


def test_several_summaries_are_refused() -> None:
    with pytest.raises(SitegenError, match="holds 2 summaries"):
        kbench.READER.runs((text() * 2).encode(), {})


def test_fios_own_json_is_preferred_where_it_stands_beside_the_summary() -> None:
    whole = (RAW / "stonewall.json").read_text() + text()
    assert not kbench.READER.knows(whole.encode())
    assert json_report.READER.knows(whole.encode())
    [reading] = json_report.READER.runs(whole.encode(), {})
    [alone] = json_report.READER.runs((RAW / "stonewall.json").read_bytes(), {})
    assert reading.measurements == alone.measurements


def test_the_log_of_a_pod_reads_alike() -> None:
    logged = "\n".join(f"[pod/kbench-x7/kbench] {line}" for line in text().split("\n"))
    assert imported(logged).measurements == imported(text()).measurements


def test_damage_costs_a_line() -> None:
    for name in ("kbench", "kbench-two", "kbench-rows"):
        bear(
            kbench.READER.knows,
            lambda hurt: kbench.READER.runs(hurt, {}),
            text(name).encode(),
            trials=40,
        )
