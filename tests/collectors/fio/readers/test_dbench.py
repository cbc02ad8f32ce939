from __future__ import annotations

from pathlib import Path

import pytest

from collectors import fio
from collectors.fio.readers import dbench
from sitegen.collect import Reading, Request
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity

RAW = Path(__file__).parents[3] / "raw" / "fio"


def text(name: str = "dbench") -> str:
    return (RAW / f"{name}.txt").read_text()


def imported(content: str) -> Reading:
    assert dbench.knows(content.encode())
    [found] = dbench.READER.runs(content.encode(), {})
    return found


def test_the_series_are_those_that_the_collector_measures() -> None:
    nowhere = Path("/nowhere")
    request = Request("standard", 1, {"set": "dbench"}, 2, nowhere, nowhere / "cache", 1 << 40)
    plan = fio.plan(ToolIdentity("fio", "3.33", "/usr/bin/fio"), request)
    expected = {
        (row.workload, row.metric, row.statistic, row.params)
        for step in plan.steps
        for row in step.expects
    }
    found = {(m.workload, m.metric, m.statistic, m.params) for m in imported(text()).measurements}
    assert expected <= found
    engine = next(p for p in imported(text()).parameters if p.name == "engine")
    assert engine.value == next(p.value for p in plan.parameters if p.name == "engine")
    # A run of another file beside it has no such parameter, and must not drop out for that.
    assert engine.comparability == Comparability.CAVEAT


def test_values_come_from_the_dumps() -> None:
    found = imported(text())
    rates = {
        m.workload: m.value
        for m in found.measurements
        if (m.metric, m.statistic) == ("fio.iops", "value")
        and dict(m.params)["direction"] == "read"
    }
    assert rates["read_iops"] == 66622 / 1.001
    assert found.doubts == ()
    size = next(p for p in found.parameters if p.name == "dbench.size")
    assert (size.value, size.comparability) == (str(8 << 20), Comparability.CAVEAT)


def test_four_jobs_are_all_their_bytes_over_the_longest_runtime() -> None:
    section = text().split("Testing Read Sequential Speed...")[1].split("Testing")[0]
    totals = [int(x.split(",")[0]) for x in section.split("total=")[1:]]
    times = [int(x.split("msec")[0].rpartition("/")[2]) for x in section.split("IOPS=")[1:]]
    [row] = [
        m
        for m in imported(text()).measurements
        if (m.workload, m.metric, m.statistic) == ("read_seq", "fio.bandwidth", "value")
    ]
    assert row.value == pytest.approx(sum(totals) * 1048576 / (max(times) / 1000))


def test_the_summary_is_not_read_and_the_run_says_so() -> None:
    # The script's pattern knows k and not M: it keeps 13.9 of 13.9M.
    found = imported(text().replace("IOPS: 66.6k/", "IOPS: 13.9/"))
    assert found.measurements == imported(text()).measurements
    assert any("summary is not read" in note for note in found.notes)


def test_a_summary_alone_is_refused() -> None:
    with pytest.raises(SitegenError, match="lost their units"):
        imported(text()[text().index("= Dbench Summary") :])


def test_workloads_that_are_missing_are_named() -> None:
    whole = text()
    found = imported(whole[: whole.index("Testing Read Sequential Speed")])
    assert any("read_seq, write_seq, rw_mix" in note for note in found.notes)


def test_a_dump_that_is_cut_off_is_doubted() -> None:
    whole = text()
    start = whole.index("Testing Write IOPS")
    found = imported(whole[: whole.index("IO depths", start)])
    assert Doubt.CUT_OFF in {kind for kind, _, _ in found.doubts}


def test_a_dump_without_a_figure_is_left_out() -> None:
    whole = text()
    start = whole.index("Testing Write IOPS")
    found = imported(whole[: whole.index("  write: IOPS", start)])
    assert {m.workload for m in found.measurements} == {"read_iops"}
    assert Doubt.CUT_OFF in {kind for kind, _, _ in found.doubts}
