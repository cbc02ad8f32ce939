from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import zkvm_perf
from sitegen.errors import SitegenError
from sitegen.model import Measurement

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "zkvm-perf"
OK = (RAW / "results.csv").read_bytes()


def rows(data: bytes = OK, **settings: str) -> tuple[Measurement, ...]:
    [found] = zkvm_perf.READER.runs(data, settings)
    return found.measurements


def one(found: tuple[Measurement, ...], metric: str, **where: str) -> Measurement:
    [match] = [m for m in found if m.metric == metric and where.items() <= dict(m.params).items()]
    return match


def replaced(line: int, column: str, value: str, data: bytes = OK) -> bytes:
    lines = [row.split(",") for row in data.decode().splitlines()]
    lines[line][lines[0].index(column)] = value
    return "".join(",".join(row) + "\n" for row in lines).encode()


def test_speed_is_recomputed_from_cycles_and_a_named_duration() -> None:
    """Theirs is over core for SP1 and over core and compress for RISC Zero."""
    found = rows()
    hashed = {"statement": "sha256-100kb"}
    sp1_core = one(found, "zktls.proving_speed", prover="sp1", proof_mode="core", **hashed)
    risc0_core = one(found, "zktls.proving_speed", prover="risc0", proof_mode="core", **hashed)
    assert sp1_core.value == 1_800_000 / 12.5
    assert risc0_core.value == 2_415_056 / 24.0
    assert {("time_scope", "core"), ("cycle_kind", "user")} <= {*risc0_core.params}
    theirs = one(found, "zkvm-perf.speed", prover="risc0", statement="sha256-100kb")
    assert theirs.value == pytest.approx(2_415_056 / 30.0)
    whole = one(found, "zktls.proving_speed", prover="risc0", proof_mode="compressed", **hashed)
    assert whole.value == pytest.approx(theirs.value)
    assert whole.unit == "Hz"


def test_their_khz_are_kept_in_the_base_unit() -> None:
    theirs = one(rows(), "zkvm-perf.core_khz", prover="sp1", statement="sha256-100kb")
    assert (theirs.value, theirs.unit, theirs.printed) == (144_000, "Hz", "144.0 kHz")
    [found] = zkvm_perf.READER.runs(OK, {})
    assert {d.id for d in found.definitions} >= {theirs.metric}
    assert all(d.better == "none" for d in found.definitions)


def test_each_mode_is_a_series_with_its_own_time_and_size() -> None:
    found = rows()
    where = {"prover": "sp1", "statement": "sha256-100kb"}
    modes = {
        (m.metric.removeprefix("zktls."), dict(m.params)["proof_mode"]): m.value
        for m in found
        if m.metric in ("zktls.prove_time", "zktls.proof_size")
        and where.items() <= dict(m.params).items()
    }
    assert modes == {
        ("prove_time", "core"): 12.5,
        ("prove_time", "compressed"): 20.0,
        ("prove_time", "groth16"): 38.25,
        ("proof_size", "core"): 4_200_000,
        ("proof_size", "compressed"): 1_270_000,
    }
    last = {"proof_mode": "groth16", "proof_system": "groth16", "time_scope": "wrapped"}
    assert one(found, "zktls.prove_time", **last, **where)


def test_0_is_not_reported() -> None:
    found = [m for m in rows() if m.workload == "fibonacci-20k"]
    assert {dict(m.params).get("proof_mode") for m in found} == {"core", None}
    assert not any(m.value == 0 for m in found)


def test_what_is_hashed_is_as_long_as_the_suite_makes_it() -> None:
    speed = one(rows(), "zktls.hash_speed", prover="sp1", proof_mode="core")
    assert speed.value == 102_400 / 12.5
    assert dict(speed.params)["hash"] == "sha-256"
    assert dict(speed.params)["size"] == "102400"
    assert not [m for m in rows() if m.metric == "zktls.hash_speed" and "fib" in m.workload]


def test_cycles_of_another_prover_need_their_kind() -> None:
    data = replaced(3, "prover", "jolt")
    with pytest.raises(SitegenError, match=r"line 4: .* cycle kind.*--set cycle_kind"):
        rows(data)
    with pytest.raises(SitegenError, match="the file says 'user', not 'total'"):
        rows(data, cycle_kind="total")
    header, *_, last = data.splitlines(keepends=True)
    found = rows(header + last, cycle_kind="total")
    assert one(found, "zktls.cycles").params[0] == ("cycle_kind", "total")


def test_a_total_that_is_not_its_sum_is_noted() -> None:
    [found] = zkvm_perf.READER.runs(replaced(1, "prove_duration", "12.5"), {})
    assert found.notes == ("In line 2 prove_duration is not the sum of core and compress.",)
