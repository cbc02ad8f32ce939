"""The collectors with the real tools, end to end: structure and invariants, never speed."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collectors import ab, fio, sevenzip
from collectors.ab import target
from sitegen.collect import Host, Missing, Plan, RawOutput, Request, servers
from sitegen.collect.execute import Collected, execute, time_left
from sitegen.collect.installed import make_plan
from sitegen.collect.recorder import series_key
from sitegen.model import Fingerprint, Status, ToolIdentity
from sitegen.redact import Redactor

pytestmark = pytest.mark.tools
PLENTY = 1 << 40


def tool_of(collector: ModuleType) -> ToolIdentity:
    found = collector.detect(Host())
    if isinstance(found, Missing):
        pytest.skip(f"{found.what} is not installed: {found.install}")
    assert isinstance(found, ToolIdentity)
    return found


def collect(
    collector: ModuleType, scratch: Path, settings: Mapping[str, str]
) -> tuple[Collected, Plan]:
    tool = tool_of(collector)
    host = Host()
    request = Request("quick", 1, settings, host.cpus(), scratch, scratch / "cache", PLENTY)
    plan = make_plan(collector, tool, request)
    about: dict[str, Any] = {"environment": "here", "session": "s", "machine": Fingerprint()}
    collected = execute(
        collector, tool, plan, request, host=host, redactor=Redactor(), seed=1, **about
    )
    assert collected is not None
    assert collected.run.complete
    expected = {series_key(row) for step in plan.steps for row in step.expects}
    found = [series_key(row) for row in collected.run.measurements]
    assert expected <= set(found)
    assert len(found) == len(set(found))
    _check_reparse(collector, collected, plan)
    return collected, plan


def _check_reparse(collector: ModuleType, collected: Collected, plan: Plan) -> None:
    """What was archived parses to the same measurements again."""
    steps = {step.name: step for step in plan.steps}
    for record in collected.run.steps:
        if record.repetition < 0 or record.exit_code != 0:
            continue
        stem = f"{record.name}-{record.repetition}."
        parts = {name.removeprefix(stem): collected.raw[name] for name in record.raw}
        raw = RawOutput(
            stdout=parts.pop("out", b""),
            stderr=parts.pop("err", b""),
            exit_code=record.exit_code,
            duration_s=record.duration_s,
            cpu_s=record.cpu_s,
            files=parts,
            values=record.values,
        )
        again = collector.parse(steps[record.name], raw).measurements
        found = {m for m in collected.run.measurements if m.value is not None}
        assert set(again) <= found


@pytest.mark.parametrize(
    ("about_s", "elapsed_s", "done", "left_s"),
    [(60, 0, 0.0, 60), (60, 30, 0.5, 30), (60, 60, 0.5, 45), (60, 90, 0.9, 9.6), (0, 50, 1.0, 0)],
)
def test_what_is_left_is_as_planned_and_then_as_it_went(
    about_s: float, elapsed_s: float, done: float, left_s: float
) -> None:
    assert time_left(about_s, elapsed_s, done) == pytest.approx(left_s)


def test_fio_measures_a_file_and_leaves_nothing_but_it(tmp_path: Path) -> None:
    workloads = "rw_mix,read_seq,randread-4k-qd1,logwrite-4k-fdatasync"
    settings = {"size": "16M", "runtime_s": "0.5", "ramp_s": "0", "workloads": workloads}
    collected, _ = collect(fio, tmp_path, settings)
    found = [m for m in collected.run.measurements if m.status != Status.FAILED]
    if not found:
        pytest.skip("the file system here refuses direct I/O")
    values = {
        (m.workload, m.metric, m.statistic, dict(m.params).get("direction")): m.value for m in found
    }
    for workload, direction in (("rw_mix", "read"), ("rw_mix", "write"), ("read_seq", "read")):
        iops = values[workload, "fio.iops", "value", direction]
        bandwidth = values[workload, "fio.bandwidth", "value", direction]
        assert iops is not None
        assert bandwidth is not None
        block = 4096 if workload == "rw_mix" else 1 << 20
        # What is under way when the ramp ends is counted as bytes, not as I/O.
        assert bandwidth == pytest.approx(iops * block, rel=0.2)
    assert not [key for key in values if key[0] == "rw_mix" and "latency" in key[1]]
    low, middle, high = (
        values["randread-4k-qd1", "fio.latency", statistic, "read"] or 0.0
        for statistic in ("min", "mean", "max")
    )
    assert 0 < low <= middle <= high
    assert [path.name for path in tmp_path.iterdir()] == ["fio.data"]
    assert {s.kind for s in collected.run.samples} <= {"time", "histogram"}


def test_7_zip_prints_a_whole_table(tmp_path: Path) -> None:
    collected, _ = collect(sevenzip, tmp_path, {"threads": "1", "dictionary": "18"})
    values = {
        (m.metric, dict(m.params).get("operation")): m.value for m in collected.run.measurements
    }
    rating, per_usage, usage = (
        values[f"7z.{metric}", "decompress"] or 0.0
        for metric in ("rating", "rating_per_usage", "cpu_usage")
    )
    assert rating == pytest.approx(per_usage * usage, rel=0.05)


@pytest.mark.parametrize("server", ["nginx", "python"])
def test_ab_measures_a_server_that_it_starts_and_stops(tmp_path: Path, server: str) -> None:
    if server == "nginx" and Host().find("nginx") is None:
        pytest.skip("nginx is not installed")
    settings = {"concurrency": "5", "requests": "50", "processes": "3", "server": server}
    collected, plan = collect(ab, tmp_path, settings)
    run = collected.run
    assert {p.name: p.value for p in plan.parameters}["server"] == server
    assert {m.status for m in run.measurements} == {Status.OK}
    complete = {m.params: m.value for m in run.measurements if m.metric == "ab.complete_requests"}
    assert sorted(value or 0.0 for value in complete.values()) == [50, 50, 50, 150]
    assert {m.value for m in run.measurements if m.metric == "ab.error_rate"} == {0.0}
    steps = {step.name: dict(step.values) for step in run.steps}
    assert steps["https-c5"]["tls_protocol"] == "TLSv1.3"
    assert steps["http-c5"]["document_length"] == str(len(target.BODY))
    assert steps["multi-http"]["processes_failed"] == "0"
    for port in ("http", "https"):  # the server is gone
        with socket.socket() as probe:
            assert probe.connect_ex((servers.LOOPBACK, int(plan.steps[0].get(port))))


def test_ab_against_nothing_is_recorded_as_failed(tmp_path: Path) -> None:
    with socket.socket() as taken:  # nothing listens there, and nothing else can meanwhile
        taken.bind((servers.LOOPBACK, 0))
        url = f"http://{servers.LOOPBACK}:{taken.getsockname()[1]}/"
        settings = {"url": url, "concurrency": "2", "requests": "10", "processes": "2"}
        collected, _ = collect(ab, tmp_path, settings)
    assert {m.status for m in collected.run.measurements} == {Status.FAILED}
    assert {m.value for m in collected.run.measurements} == {None}
