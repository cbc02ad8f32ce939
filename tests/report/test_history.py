"""Run values over time."""

from __future__ import annotations

from pathlib import Path

from sitegen.analysis.compare import analyse
from sitegen.charts.spec import LineChart
from sitegen.config import Config, Environment
from sitegen.model import Measurement, Provenance, Run, params, run_id
from sitegen.report import benchmark

CONFIG = Config(
    Path(),
    environments={
        "vm": Environment("vm", "vm", "none", "VM"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", "CVM"),
    },
)


def a_run(environment: str, moment: str, value: float, threads: str = "2") -> Run:
    row = Measurement(
        "t", "7z.rating", "value", "MIPS", value, params(operation="total", threads=threads)
    )
    return Run(
        run_id(moment, "7z", f"{environment}{moment}".encode()), "7z", environment,
        Provenance.COLLECTED, moment, 1.0, (row,), preset="standard",
    )  # fmt: skip


def drawn(*runs: Run) -> list[LineChart]:
    found = benchmark.history(analyse(runs, CONFIG), "7z")
    assert all(isinstance(chart, LineChart) for chart in found)
    return [chart for chart in found if isinstance(chart, LineChart)]


def test_each_environment_is_a_line_through_its_runs_in_time() -> None:
    [chart] = drawn(
        a_run("vm", "2026-11-03T00:00:00Z", 5200.0),
        a_run("vm", "2026-11-01T00:00:00Z", 5000.0),
        a_run("cvm", "2026-11-02T00:00:00Z", 4000.0),
    )
    by_name = {line.label: [point.y for point in line.points] for line in chart.lines}
    assert by_name == {"VM": [5000.0, 5200.0], "CVM": [4000.0]}
    days = [point.x for line in chart.lines for point in line.points]
    assert max(days) - min(days) == 2
    assert [text for _, text in chart.x_ticks] == ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_runs_of_one_day_are_told_by_their_time() -> None:
    [chart] = drawn(
        a_run("vm", "2026-11-01T08:00:00Z", 5000.0), a_run("vm", "2026-11-01T09:30:00Z", 5100.0)
    )
    assert [text for _, text in chart.x_ticks] == ["11-01 08:00", "11-01 09:30"]


def test_one_run_has_no_history() -> None:
    assert drawn(a_run("vm", "2026-11-01", 5000.0), a_run("cvm", "2026-11-02", 4000.0)) == []
