"""What stress-ng's YAML and text say, and what is asked for because they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Parameter, Status, params
from tests.collectors.tables.imported import bear_damage, figures, read

RAW = Path(__file__).parents[2] / "raw" / "stress-ng"
VERSION = Parameter("version_of_stressors", "0.15.06", Comparability.MUST_MATCH)


def data(name: str) -> bytes:
    return (RAW / name).read_bytes()


def test_the_yaml_is_read_with_the_number_of_instances_that_is_said() -> None:
    reading = read("stress-ng", data("switch.yaml"), instances="1")
    assert figures(reading, "bogo_ops_per_second") == {"switch-1": 100069.819512}
    assert figures(reading, "bogo_ops_per_cpu_second") == {"switch-1": 155921.385267}
    assert figures(reading, "cpu_usage") == {"switch-1": pytest.approx(0.64179663)}
    assert reading.measurements[0].params == params(stressor="switch", instances=1)
    assert reading.started_at == "2026-11-30T20:50:02Z"
    with pytest.raises(SitegenError, match="--set instances="):
        read("stress-ng", data("switch.yaml"))


def test_two_versions_of_stressors_are_not_compared() -> None:
    assert VERSION in read("stress-ng", data("switch.yaml"), instances="1").parameters
    asked = {"tool_version": "0.15.06"}
    assert VERSION in read("stress-ng", data("instances.out"), **asked).parameters
    with pytest.raises(SitegenError, match="--set tool_version="):
        read("stress-ng", data("instances.out"))


@pytest.mark.parametrize(
    ("name", "workload", "rate", "cpu_rate", "usage"),
    [
        ("text-0.13.out", "switch-4", 100000.0, 50000.0, {}),
        ("text-0.17.out", "fork-2", 3000.0, 2000.0, {"fork-2": 0.75}),
        ("instances.out", "get-2", 936.54, 2301.56, {"get-2": pytest.approx(0.2035)}),
    ],
)
def test_the_text_of_each_version_has_its_rates_in_the_same_columns(
    name: str, workload: str, rate: float, cpu_rate: float, usage: dict[str, float]
) -> None:
    reading = read("stress-ng", data(name), tool_version="0.17.01")
    assert figures(reading, "bogo_ops_per_second") == {workload: rate}
    assert figures(reading, "bogo_ops_per_cpu_second") == {workload: cpu_rate}
    assert figures(reading, "cpu_usage") == usage
    assert not reading.doubts


def test_several_stressors_ask_how_many_there_were_and_other_metrics_are_none_of_them() -> None:
    with pytest.raises(SitegenError, match="--set instances="):
        read("stress-ng", data("two.out"), tool_version="0.15.06")
    reading = read("stress-ng", data("two.out"), tool_version="0.15.06", instances="2")
    assert figures(reading, "bogo_ops_per_second") == {"get-2": 1835.43, "pipe-2": 228315.64}


def test_what_the_text_says_is_not_overruled() -> None:
    with pytest.raises(SitegenError, match="the file says '2', not '4'"):
        read("stress-ng", data("instances.out"), tool_version="0.15.06", instances="4")


def test_a_stressor_that_did_nothing_failed() -> None:
    idle = data("switch.yaml").replace(b"bogo-ops: 100842", b"bogo-ops: 0")
    reading = read("stress-ng", idle, instances="1")
    assert {row.status for row in reading.measurements} == {Status.FAILED}
    assert reading.doubts[0][0] == Doubt.FAILED_PART


@pytest.mark.parametrize(
    ("printed", "other", "says"),
    [
        (b"      3000.00 ", b"      9000.00 ", "9000 operations a second"),
        (b"  2000.00 ", b"  9000.00 ", "9000 operations a CPU-second"),
        (b"untrustworthy: 0", b"untrustworthy: 1: fork (1)", "not to be trusted"),
        (b"failed: 0", b"failed: 1: fork (1)", "1 stressors failed"),
    ],
)
def test_what_contradicts_a_figure_is_said(printed: bytes, other: bytes, says: str) -> None:
    assert printed in data("text-0.17.out")
    wrong = data("text-0.17.out").replace(printed, other)
    reading = read("stress-ng", wrong, tool_version="0.17.01")
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert says in reading.doubts[0][1]


def test_no_cpu_time_is_no_rate() -> None:
    idle = data("text-0.17.out").replace(b" 15.00     30.00 ", b"  0.00      0.00 ")
    reading = read("stress-ng", idle.replace(b" 2000.00 ", b"    0.00 "), tool_version="0.17.01")
    assert figures(reading, "bogo_ops_per_second") == {"fork-2": 3000.0}
    assert figures(reading, "bogo_ops_per_cpu_second") == {}
    assert not reading.doubts


@pytest.mark.parametrize("name", ["no-metrics.out", "bad-option.err"])
def test_what_has_no_metrics_is_not_known(name: str) -> None:
    with pytest.raises(SitegenError, match="0 forms"):
        read("stress-ng", data(name))


@pytest.mark.parametrize("name", ["switch.yaml", "two.out"])
def test_damage_is_borne(name: str) -> None:
    bear_damage("stress-ng", data(name), instances="2", tool_version="0.15.06")
