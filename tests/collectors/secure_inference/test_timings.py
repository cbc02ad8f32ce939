"""The lines of the measuring commands: what is written is read, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import statistics
from pathlib import Path

import pytest

from collectors.secure_inference import timings
from collectors.secure_inference.__main__ import ALGORITHMS, digest, measure_hash
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
    values = {(dict(row.params)["mode"], row.statistic): row.value for row in rows}
    assert values == {
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
    values = timings.summary([float(n) for n in range(count)])
    assert {"p95", "p99"} & set(values) == has
    if has:
        assert values["p95"] == pytest.approx(0.95 * (count - 1))


def test_an_output_that_is_cut_off_or_lost_a_line_is_told() -> None:
    rows = FULL.splitlines()
    broken = [(rows[:kept], "cut off") for kept in range(1, len(rows))]
    for kept, place in (*broken, ([*rows[:2], *rows[3:]], "line 6")):
        with pytest.raises(SitegenError, match=place):
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


#: Of the three letters "abc": FIPS 180-4 and GB/T 32905.
ABC = {
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sm3": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_digests_are_the_published_ones(algorithm: str, tmp_path: Path) -> None:
    if algorithm not in hashlib.algorithms_available:
        pytest.skip(f"this OpenSSL has no {algorithm}")
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest(tmp_path / "abc", algorithm) == ABC[algorithm]


def test_speed_is_bytes_over_time(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(3_000_000))
    report = timings.read(timings.whole(measure_hash(path, 2)).encode())
    assert {each.params["size"] for each in report.values} == {"3000000"}
    times, speeds = (
        [each.value for each in report.values if each.metric == metric]
        for metric in ("measure_time", "hash_speed")
    )
    assert len(speeds) >= 2
    for took, speed in zip(times, speeds, strict=True):
        assert took * speed == pytest.approx(3_000_000)
    assert dict(report.about)["bytes"] == "3000000"


def test_nothing_to_hash_is_told(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match="cannot be read"):
        list(measure_hash(tmp_path / "absent", 1))
    (tmp_path / "empty").touch()
    with pytest.raises(SitegenError, match="empty"):
        list(measure_hash(tmp_path / "empty", 1))
