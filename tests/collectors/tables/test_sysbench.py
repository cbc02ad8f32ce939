"""What sysbench's reports say, of each version, and what is refused or doubted."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params
from tests.collectors.tables.imported import bear_damage, figures, read

RAW = Path(__file__).parents[2] / "raw" / "sysbench"


def data(name: str) -> bytes:
    return (RAW / f"{name}.out").read_bytes()


def test_a_report_of_the_cpu_test_is_read() -> None:
    reading = read("sysbench", data("cpu"))
    assert figures(reading, "events_per_second") == {"cpu-1": 1312.71}
    assert figures(reading, "event_time", "mean") == {"cpu-1": pytest.approx(0.00076)}
    assert figures(reading, "event_time", "p95") == {"cpu-1": pytest.approx(0.00441)}
    assert {row.params for row in reading.measurements} == {params(max_prime=10000, threads=1)}
    assert reading.tool is not None
    assert reading.tool.version == "1.0.20"
    assert not reading.doubts


def test_mebibytes_a_second_are_bytes_a_second() -> None:
    reading = read("sysbench", data("memory"))
    bandwidth = {"memory-write-2": pytest.approx(7118.56 * 2**20)}
    assert figures(reading, "memory_bandwidth") == bandwidth
    assert figures(reading, "memory_operations") == {"memory-write-2": 7118.56}
    assert {row.params for row in reading.measurements} == {
        params(operation="write", block_size=1048576, scope="global", threads=2)
    }


def test_versions_that_print_no_rate_have_it_of_events_and_time() -> None:
    assert figures(read("sysbench", data("cpu-0.4")), "events_per_second") == {"cpu-2": 800.0}
    assert figures(read("sysbench", data("cpu-0.5")), "events_per_second") == {"cpu-1": 1250.0}
    bandwidth = {"memory-write-1": 4096.0 * 2**20}
    assert figures(read("sysbench", data("memory-0.4")), "memory_bandwidth") == bandwidth


def test_all_tests_of_a_file_are_read_and_those_of_another_kind_are_passed_over() -> None:
    reading = read("sysbench", data("several") + data("cpu") + data("cpu-0.4"))
    assert {row.workload for row in reading.measurements} == {"cpu-1", "cpu-2", "memory-write-2"}
    rates = [row for row in reading.measurements if row.metric == "sysbench.events_per_second"]
    assert [(row.workload, row.repetition) for row in rates] == [
        ("cpu-1", 0), ("cpu-1", 1), ("cpu-2", 0),
    ]  # fmt: skip
    assert not reading.doubts


def test_a_report_that_lost_its_first_line_is_of_no_version() -> None:
    reading = read("sysbench", data("memory").partition(b"\n")[2])
    assert figures(reading, "memory_operations") == {"memory-write-2": 7118.56}
    assert reading.tool is None


@pytest.mark.parametrize("name", ["fileio", "mutex", "interrupted", "bad-option"])
def test_what_is_no_report_of_cpu_or_memory_is_not_known(name: str) -> None:
    with pytest.raises(SitegenError, match="0 forms"):
        read("sysbench", data(name))


def test_figures_that_contradict_each_other_are_suspect() -> None:
    reading = read("sysbench", data("cpu").replace(b"1312.71", b"131271"))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    [(kind, sentence, workload)] = reading.doubts
    assert (kind, workload) == (Doubt.INCONSISTENT, "cpu-1")
    assert "131271 events a second" in sentence
    for printed in (b"(7118.56 MiB/sec)", b"block size: 1024KiB"):
        wrong = data("memory").replace(printed, printed.replace(b"1", b"4"))
        assert read("sysbench", wrong).doubts[0][0] == Doubt.INCONSISTENT


def test_a_report_without_its_end_is_cut_off() -> None:
    cut = data("cpu").partition(b"Threads fairness")[0]
    assert read("sysbench", cut).doubts[0][0] == Doubt.CUT_OFF
    with pytest.raises(SitegenError, match="has no took"):
        read("sysbench", cut.partition(b"General statistics")[0])


@pytest.mark.parametrize("name", ["cpu", "several", "memory-0.4"])
def test_damage_is_borne(name: str) -> None:
    bear_damage("sysbench", data(name))
