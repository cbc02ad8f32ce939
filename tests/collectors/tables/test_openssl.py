"""What `openssl speed` prints, of each version and with several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Parameter, Status, params
from tests.collectors.tables.imported import bear_damage, figures, read

RAW = Path(__file__).parents[2] / "raw" / "openssl"


def data(name: str) -> bytes:
    return (RAW / f"{name}.out").read_bytes()


def operations(reading: Reading) -> dict[str, float | None]:
    """Return the rates with keys, by workload and operation."""
    return {
        f"{row.workload} {dict(row.params)['operation']}": row.value
        for row in reading.measurements
        if row.metric == "openssl.operations_per_second"
    }


def clock(reading: Reading) -> str:
    [found] = [one for one in reading.parameters if one.name == "clock"]
    assert found.comparability == Comparability.MUST_MATCH
    return found.value


def test_each_cell_of_the_table_is_a_series_and_k_is_a_thousand() -> None:
    reading = read("openssl", data("sizes"))
    assert figures(reading, "throughput") == {
        "aes-128-gcm-16-1": 22459.96e3,
        "aes-128-gcm-64-1": 80865.24e3,
        "aes-128-gcm-256-1": 293947.20e3,
        "aes-128-gcm-1024-1": 823921.37e3,
        "aes-128-gcm-8192-1": 2772461.93e3,
        "aes-128-gcm-16384-1": 2790498.61e3,
    }
    assert reading.measurements[0].printed == "22459.96 kB/s"
    assert reading.measurements[0].params == params(
        algorithm="aes-128-gcm", block_size=16, processes=1
    )
    assert Parameter("cpu_capabilities", "0xfffa3203078bffff:0x400684219c07ab") in [
        Parameter(one.name, one.value) for one in reading.parameters
    ]


def test_ciphers_and_keys_of_one_report_are_all_read() -> None:
    reading = read("openssl", data("several"))
    assert figures(reading, "throughput") == {"sha256-1024-1": 1121530.70e3}
    assert operations(reading) == {
        "rsa2048-1 sign": 1148.8,
        "rsa2048-1 verify": 40677.3,
        "ecdsap256-1 sign": 32410.7,
        "ecdsap256-1 verify": 10403.2,
        "ecdhx25519-1 op": 22304.9,
    }


def test_of_several_processes_the_sum_is_read_with_the_sizes_that_they_hand_over() -> None:
    with pytest.raises(SitegenError, match="--set processes="):
        read("openssl", data("multi"))
    reading = read("openssl", data("multi"), processes="2")
    assert figures(reading, "throughput") == {"aes-256-gcm-16384-2": 1041081.54e3}
    assert operations(read("openssl", data("rsa"), processes="1")) == {
        "rsa2048-1 sign": 379.0,
        "rsa2048-1 verify": 16404.0,
    }


def test_fewer_processes_than_the_output_shows_are_not_believed() -> None:
    more = data("multi").replace(b"Forked child 0\n", b"").replace(b"child 1", b"child 3")
    reading = read("openssl", more, processes="2")
    assert {row.status for row in reading.measurements} == {Status.FAILED}
    assert reading.doubts[0][0] == Doubt.FAILED_PART
    with pytest.raises(SitegenError, match="the file says '1', not '2'"):
        read("openssl", data("sizes"), processes="2")


def test_the_clock_is_kept_because_one_process_takes_cpu_time_without_a_word() -> None:
    assert clock(read("openssl", data("sizes"))) == "user CPU"
    assert clock(read("openssl", data("table-1.1.1"))) == "elapsed"
    assert clock(read("openssl", data("multi"), processes="2")) == "elapsed"


def test_other_versions_have_the_same_series() -> None:
    old = read("openssl", data("table-1.1.1"))
    assert figures(old, "throughput")["aes-256-gcm-16384-1"] == pytest.approx(3600001.71e3)
    assert old.tool is not None
    assert old.tool.version == "1.1.1w"
    new = read("openssl", data("keys-3.2"), processes="1")
    assert operations(new) == {
        "rsa2048-1 sign": 2000.0,
        "rsa2048-1 verify": 66666.7,
        "rsa2048-1 encr": 62500.0,
        "rsa2048-1 decr": 1923.1,
        "ed25519-1 sign": 30000.0,
        "ed25519-1 verify": 10000.0,
    }


def test_what_machines_read_is_in_bytes_and_asks_for_the_version() -> None:
    with pytest.raises(SitegenError, match="--set"):
        read("openssl", data("machine"), processes="1")
    reading = read("openssl", data("machine"), processes="1", tool_version="3.0.19")
    assert figures(reading, "throughput")["aes-128-gcm-16-1"] == 24445333.33
    assert len(reading.measurements) == 6


def test_reports_one_after_another_keep_their_versions_apart_and_count_as_repetitions() -> None:
    reading = read("openssl", data("sizes") + data("sizes"))
    first = [row for row in reading.measurements if row.workload == "aes-128-gcm-16-1"]
    assert [row.repetition for row in first] == [0, 1]
    assert read("openssl", data("sizes") + data("table-1.1.1")).tool is None


def test_a_row_of_another_length_than_its_head_is_left_out() -> None:
    short = data("several").replace(
        b"type           1024 bytes", b"type      1024 bytes   8192 bytes"
    )
    reading = read("openssl", short)
    assert figures(reading, "throughput") == {}
    assert reading.doubts == ((Doubt.CUT_OFF, "1 result left out: it has no column", ""),)


@pytest.mark.parametrize("name", ["bad-cipher.err", "multi.err"])
def test_what_has_no_table_is_not_known(name: str) -> None:
    with pytest.raises(SitegenError, match="0 forms"):
        read("openssl", (RAW / name).read_bytes())


@pytest.mark.parametrize("name", ["several", "multi", "machine"])
def test_damage_is_borne(name: str) -> None:
    bear_damage("openssl", data(name), processes="2", tool_version="3.0.19")
