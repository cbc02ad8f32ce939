"""The lines of the measuring commands: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import statistics

import pytest

from collectors.secure_inference import timings
from collectors.secure_inference.timings import Check, Load, Value
from sitegen.collect import Recorder
from sitegen.errors import SitegenError
from sitegen.model import params

VALUES = (
    Value("handshake_time", {"mode": "full"}, 0.25),
    Value("handshake_time", {"mode": "resumed"}, 0.5),
    Value("handshake_time", {"mode": "full"}, 0.75),
)
START = timings.start("handshake", cipher="TLS_AES_256_GCM_SHA384", bytes=5)
FULL = timings.whole([START, *VALUES, Check("wrong-root", refused=True), Load('{"a":1}\n')])


def test_what_is_written_is_read() -> None:
    report = timings.read(FULL.encode())
    assert dict(report.about) == {"cipher": "TLS_AES_256_GCM_SHA384", "bytes": "5"}
    assert report.values == VALUES
    assert report.checks == (Check("wrong-root", refused=True),)
    assert report.loads == (b'{"a":1}\n',)


def test_each_series_has_its_own_statistics() -> None:
    recorder = Recorder()
    timings.record(recorder, timings.read(FULL.encode()), "session", params(step="tls"))
    rows = recorder.measurements
    found = {(dict(row.params)["mode"], row.statistic): row.value for row in rows}
    assert found == {
        ("full", "mean"): 0.5,
        ("full", "p50"): 0.5,
        ("full", "min"): 0.25,
        ("full", "max"): 0.75,
        ("full", "stddev"): pytest.approx(statistics.stdev([0.25, 0.75])),
        **{("resumed", statistic): 0.5 for statistic in ("mean", "p50", "min", "max")},
    }
    assert {(row.metric, row.unit, row.workload) for row in rows} == {
        ("secure-inference.handshake_time", "s", "session")
    }
    assert {dict(row.params)["step"] for row in rows} == {"tls"}


@pytest.mark.parametrize(("count", "has"), [(19, set()), (20, {"p95"}), (100, {"p95", "p99"})])
def test_high_percentiles_need_enough_values(count: int, has: set[str]) -> None:
    found = timings.summary([float(n) for n in range(count)])
    assert {"p95", "p99"} & set(found) == has
    if has:
        assert found["p95"] == pytest.approx(0.95 * (count - 1))


def test_an_output_that_is_cut_off_or_lost_a_line_is_told() -> None:
    rows = FULL.splitlines()
    broken = [(rows[:kept], "cut off") for kept in range(1, len(rows))]
    for kept, told in (*broken, ([*rows[:2], *rows[3:]], "line 6")):
        with pytest.raises(SitegenError, match=told):
            timings.read("\n".join(kept).encode())


VALUE = {"record": "value", "metric": "handshake_time", "params": {}, "value": 1.0}
BAD_VALUES: tuple[object, ...] = (float("nan"), float("inf"), -1.0, True, "1", 10**400)


@pytest.mark.parametrize(
    "fields",
    [
        *({**VALUE, "value": bad} for bad in BAD_VALUES),
        {**VALUE, "params": {"mode": 5}},
        {**VALUE, "metric": "price"},
        {"record": "value"},
        {"record": "start", "schema": 1, "what": "x", "about": {}},
        {"record": "check", "name": "wrong-root", "refused": "yes"},
        {"record": "load", "printed": None},
        {"record": "end", "lines": 1},
        {"record": "other"},
        {},
    ],
)
def test_a_line_of_another_form_is_told_with_its_number(fields: dict[str, object]) -> None:
    rows = FULL.splitlines()
    rows[1] = json.dumps(fields)
    with pytest.raises(SitegenError, match="line 2"):
        timings.read("\n".join(rows).encode())
