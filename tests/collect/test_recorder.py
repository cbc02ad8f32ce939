from __future__ import annotations

import math
from collections import UserList
from collections.abc import Iterator

import pytest

from sitegen.collect import Recorder
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    Measurement,
    MetricDefinition,
    Parameter,
    Status,
    params,
)

OWN = MetricDefinition("x.own", "Own", "op/s", "higher", "Mine.")


def test_a_row_has_the_unit_of_its_metric_and_a_series_again_is_its_next_repetition() -> None:
    recorder = Recorder(definitions=(OWN, MetricDefinition("x.unused", "Unused", "s")))
    for _ in range(2):
        series = recorder.series("w", params(threads=2))
        series.add("7z.rating", "value", 5.0, "5", about=params(operation="total"))
        series.add("x.own", "mean", 1.0)
    reading = recorder.reading()
    first, own, again, _ = reading.measurements
    where = params(threads=2, operation="total")
    assert first == Measurement("w", "7z.rating", "value", "MIPS", 5.0, where, 0, "ok", "5")
    assert (own.unit, again.repetition) == ("op/s", 1)
    assert reading.definitions == (OWN,)


def test_definitions_are_gone_through_once_however_many_there_are() -> None:
    class Counted(UserList[MetricDefinition]):
        times = 0

        def __iter__(self) -> Iterator[MetricDefinition]:
            self.times += 1
            return super().__iter__()

    many = Counted([MetricDefinition(f"x.m{n}", "Own", "s") for n in range(100)])
    series = Recorder(definitions=many).series("w")
    for n in range(100):
        series.add(f"x.m{n}", "value", 1.0)
    for _ in range(3):
        with pytest.raises(SitegenError, match="not defined"):
            series.add("x.none", "value", 1.0)
    assert many.times == 1


def test_what_is_absent_is_left_out_and_what_failed_is_kept_without_a_value() -> None:
    series = (recorder := Recorder()).series("w", status=Status.SUSPECT, repetition=3)
    series.add("fio.iops", "value", None)
    series.add("fio.iops", "p12.5", 1.0)
    series.failed("fio.iops")
    series.spread("fio.latency", {"mean": 1.0, "p50": 2.0})
    assert [(m.statistic, m.value, m.status, m.repetition) for m in recorder.measurements] == [
        ("value", None, Status.FAILED, 3),
        ("mean", 1.0, Status.SUSPECT, 3),
        ("p50", 2.0, Status.SUSPECT, 3),
    ]
    with pytest.raises(SitegenError, match=r"fio\.latency is inf"):
        series.add("fio.latency", "max", math.inf)
    with pytest.raises(SitegenError, match=r"the metric 'x\.none' is not defined; add it to"):
        series.add("x.none", "value", 1.0)
    with pytest.raises(SitegenError, match="no measurement"):
        Recorder().reading()


def test_each_sentence_is_told_once_and_the_first_of_many() -> None:
    recorder = Recorder()
    recorder.series("w").add("fio.iops", "value", 1.0)
    for number in range(6):
        recorder.doubt(Doubt.INCONSISTENT, f"line {number}", "w")
        recorder.doubt(Doubt.ROUNDED, "twice")
        recorder.note("once")
    reading = recorder.reading()
    assert reading.doubts == (
        (Doubt.INCONSISTENT, "line 0; line 1; line 2; and 3 more", "w"),
        (Doubt.ROUNDED, "twice", ""),
    )
    assert reading.notes == ("once",)


def test_what_all_outputs_say_is_the_runs_and_else_each_workloads() -> None:
    recorder = Recorder(natives={"fio.iops": "iops", "fio.bandwidth": "bw"})
    for workload, server in (("one", "nginx"), ("two", "python")):
        recorder.series(workload).add("fio.iops", "value", 1.0, native="iops_mean")
        recorder.said("server", server, workload)
        recorder.said("tls", "1.3", workload)
    reading = recorder.reading()
    assert reading.parameters == (
        Parameter("server.one", "nginx", Comparability.CAVEAT),
        Parameter("server.two", "python", Comparability.CAVEAT),
        Parameter("tls", "1.3", Comparability.CAVEAT),
    )
    assert reading.natives == (("fio.iops", "iops"), ("fio.iops value", "iops_mean"))


def test_samples_keep_where_they_are_from() -> None:
    recorder = Recorder()
    series = recorder.series("w", params(threads=1), repetition=2)
    series.points("time", "fio.iops", [(0.0, 5.0)])
    series.histogram("fio.latency", {1: 3, 1000: 1}, 1e-9)
    kinds = [(s.kind, s.repetition, s.params, s.y) for s in recorder.samples]
    assert kinds == [
        ("time", 2, params(threads=1), 5.0),
        ("histogram", 2, params(threads=1), 3.0),
        ("histogram", 2, params(threads=1), 1.0),
    ]
