from __future__ import annotations

from pathlib import Path

from collectors.zktls.readers import interactive
from sitegen.collect import Reading

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "interactive"
PRIMUS = (RAW / "primus.csv").read_bytes()
RUNTIME = (RAW / "tlsn-runtime.csv").read_bytes()
PHASES = (RAW / "tlsn-phases.csv").read_bytes()


def primus(data: bytes = PRIMUS, **settings: str) -> Reading:
    [reading] = interactive.PRIMUS.runs(data, {"prover": "primus"} | settings)
    return reading


def tlsnotary(data: bytes, **settings: str) -> Reading:
    [reading] = interactive.TLSNOTARY.runs(data, settings)
    return reading


def column(reading: Reading, metric: str) -> list[float | None]:
    return [m.value for m in reading.measurements if m.metric == f"zktls.{metric}"]


def test_time_and_traffic_stand_at_a_bandwidth_and_a_latency() -> None:
    reading = primus()
    assert column(reading, "total_time") == [5.210734, 5.213534, 8.553958]
    assert column(reading, "bytes_sent") == [24162160, 24174448, 34970513]
    # In a browser the benchmark does not measure it and writes 0.
    assert column(reading, "peak_memory") == [104824 * 1024, 109404 * 1024]
    have = dict(reading.measurements[0].params)
    assert have["bandwidth_bits_per_s"] == "50000000"
    assert have["latency_s"] == "0.01"
    assert (have["request_size"], have["response_size"]) == ("1024", "16")
    assert have["client"] == "native"


def test_the_header_is_known_spelt_right_or_wrong() -> None:
    right = PRIMUS.replace(b"bandwith", b"bandwidth")
    assert interactive.PRIMUS.knows(right)
    assert primus(right).measurements == primus().measurements


def test_a_runtime_in_whole_seconds_is_noted() -> None:
    reading = tlsnotary(RUNTIME)
    assert column(reading, "total_time") == [18, 23]
    assert "whole seconds" in reading.notes[0]
    assert not primus().notes


def test_a_line_whose_directions_differ_says_both() -> None:
    rows = [m for m in tlsnotary(RUNTIME).measurements if m.metric == "zktls.total_time"]
    first, second = (
        {key: value for key, value in m.params if key.endswith("bits_per_s")} for m in rows
    )
    assert first == {"bandwidth_bits_per_s": "250000000"}
    assert second == {"upload_bits_per_s": "100000000", "download_bits_per_s": "50000000"}


def test_the_form_in_seconds_under_the_same_names_is_not_known() -> None:
    assert not interactive.TLSNOTARY.knows(PHASES.replace(b"uploaded_preprocess", b"other"))


def test_preprocessing_is_offline_and_in_milliseconds_in_the_newest_form() -> None:
    reading = tlsnotary(PHASES)
    assert column(reading, "offline_time") == [1.5, 0.7]
    assert column(reading, "online_time") == [0.85, 0.3]
    assert column(reading, "total_time") == [2.9, 1.21]
    assert column(reading, "bytes_sent") == [20600000, 20600000]
    # A latency of 0 is one that was set.
    assert {dict(m.params)["protocol_latency_s"] for m in reading.measurements} == {"0.025", "0"}
