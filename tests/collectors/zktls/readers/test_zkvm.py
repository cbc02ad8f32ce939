from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.zktls.readers import zkvm
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "zktls"
OK = (RAW / "zkvm-perf" / "results.csv").read_bytes()
CASES = (RAW / "zkevm" / "cases.json").read_bytes()
ONE = (RAW / "zkevm" / "one.json").read_bytes()
SAID = {"prover": "zisk", "proof_mode": "compressed", "cycle_kind": "user"}


def rows(data: bytes = OK, **settings: str) -> tuple[Measurement, ...]:
    [reading] = zkvm.PERF.runs(data, settings)
    return reading.measurements


def one(rows: tuple[Measurement, ...], metric: str, **where: str) -> Measurement:
    [match] = [m for m in rows if m.metric == metric and where.items() <= dict(m.params).items()]
    return match


def replaced(line: int, column: str, value: str, data: bytes = OK) -> bytes:
    lines = [row.split(",") for row in data.decode().splitlines()]
    lines[line][lines[0].index(column)] = value
    return "".join(",".join(row) + "\n" for row in lines).encode()


def test_speed_is_recomputed_from_cycles_and_a_named_duration() -> None:
    """Theirs is over core for SP1 and over core and compress for RISC Zero."""
    measurements = rows()
    hashed = {"statement": "sha256-100kb"}
    sp1_core = one(measurements, "zktls.proving_speed", prover="sp1", proof_mode="core", **hashed)
    risc0_core = one(
        measurements, "zktls.proving_speed", prover="risc0", proof_mode="core", **hashed
    )
    assert sp1_core.value == 1_800_000 / 12.5
    assert risc0_core.value == 2_415_056 / 24.0
    assert {("time_scope", "core"), ("cycle_kind", "user")} <= {*risc0_core.params}
    theirs = one(measurements, "zkvm-perf.speed", prover="risc0", statement="sha256-100kb")
    assert theirs.value == pytest.approx(2_415_056 / 30.0)
    whole = one(
        measurements, "zktls.proving_speed", prover="risc0", proof_mode="compressed", **hashed
    )
    assert whole.value == pytest.approx(theirs.value)
    assert whole.unit == "Hz"


def test_their_khz_are_kept_in_the_base_unit() -> None:
    theirs = one(rows(), "zkvm-perf.core_khz", prover="sp1", statement="sha256-100kb")
    assert (theirs.value, theirs.unit, theirs.printed) == (144_000, "Hz", "144.0 kHz")
    [reading] = zkvm.PERF.runs(OK, {})
    assert {d.id for d in reading.definitions} >= {theirs.metric}
    assert all(d.better == "none" for d in reading.definitions)


def test_each_mode_is_a_series_with_its_own_time_and_size() -> None:
    measurements = rows()
    where = {"prover": "sp1", "statement": "sha256-100kb"}
    modes = {
        (m.metric.removeprefix("zktls."), dict(m.params)["proof_mode"]): m.value
        for m in measurements
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
    assert one(measurements, "zktls.prove_time", **last, **where)


def test_0_is_not_reported() -> None:
    measurements = [m for m in rows() if m.workload == "fibonacci-20k"]
    assert {dict(m.params).get("proof_mode") for m in measurements} == {"core", None}
    assert not any(m.value == 0 for m in measurements)


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
    measurements = rows(header + last, cycle_kind="total")
    assert one(measurements, "zktls.cycles").params[0] == ("cycle_kind", "total")


def test_a_total_that_is_not_its_sum_is_noted() -> None:
    [reading] = zkvm.PERF.runs(replaced(1, "prove_duration", "12.5"), {})
    assert reading.notes == ("In line 2 prove_duration is not the sum of core and compress.",)


def read(data: bytes = CASES, **settings: str) -> Reading:
    [reading] = zkvm.CASES.runs(data, SAID | settings)
    return reading


def of(reading: Reading, case: str) -> dict[str, Measurement]:
    return {m.metric.removeprefix("zktls."): m for m in reading.measurements if m.workload == case}


def test_a_case_has_its_times_its_size_and_its_cycles() -> None:
    case = of(read(), "rpc_block_100")
    assert case["prove_time"].value == 20.72
    assert case["prove_time"].printed == "20720 ms"
    assert case["verify_time"].value == 0.01
    assert case["proof_size"].value == 343580
    assert case["execute_time"].value == 12.327837
    assert case["cycles"].value == 150_000_000
    assert case["proving_speed"].value == pytest.approx(150e6 / 20.72)
    assert read().started_at == "2026-03-27T00:29:04Z"
    assert {p.name: p.value for p in read().parameters}["block_used_gas.rpc_block_100"]


def test_a_crash_is_a_failed_row_with_its_reason() -> None:
    reading = read()
    case = of(reading, "rpc_block_101")
    assert set(case) == {"prove_time"}
    assert case["prove_time"].value is None
    assert case["prove_time"].status == Status.FAILED
    assert reading.notes[0] == "rpc_block_101 crashed: out of memory: killed."


def test_a_proof_of_another_output_is_suspect() -> None:
    reading = read()
    assert {m.status for m in of(reading, "rpc_block_102").values()} == {Status.SUSPECT}
    assert "rpc_block_102" in reading.notes[1]


def test_one_object_a_list_and_one_a_line_are_read() -> None:
    single = of(read(ONE), "rpc_block_7")["prove_time"]
    both = [json.loads(ONE), json.loads(ONE.replace(b"_7", b"_8"))]
    for text in (json.dumps(both), "\n".join(map(json.dumps, both))):
        reading = read(text.encode())
        assert of(reading, "rpc_block_7")["prove_time"] == single
        assert "rpc_block_8" in {m.workload for m in reading.measurements}


EXECUTIONS = (RAW / "zkevm" / "executions.jsonl").read_bytes()


def test_what_was_only_executed_has_no_proving_figures_and_needs_no_mode() -> None:
    [reading] = zkvm.CASES.runs(EXECUTIONS, {"prover": "risc0", "cycle_kind": "user"})
    rows = [row for row in reading.measurements if row.status == Status.OK]
    assert {row.metric for row in rows} == {"zktls.execute_time", "zktls.cycles"}
    assert {dict(row.params)["proof_mode"] for row in rows} == {"execution"}
    assert [row.value for row in rows if row.metric == "zktls.execute_time"] == [8.123090765, 9.0]
    [failed] = [row for row in reading.measurements if row.status == Status.FAILED]
    assert (failed.metric, failed.value) == ("zktls.execute_time", None)
    assert "Operation timed out after 300s" in reading.notes[0]


def test_cases_that_differ_in_the_end_of_a_long_name_stay_apart() -> None:
    [reading] = zkvm.CASES.runs(EXECUTIONS, {"prover": "risc0", "cycle_kind": "user"})
    names = {row.workload for row in reading.measurements}
    assert len({name.rpartition("-")[0] for name in names}) == 3
    assert all(len(name) <= 64 for name in names)
    assert {row.repetition for row in reading.measurements} == {0}


def test_a_region_of_more_cycles_than_the_whole_is_doubted() -> None:
    data = EXECUTIONS.replace(b'"block_execution": 236', b'"block_execution": 246')
    [reading] = zkvm.CASES.runs(data, {"prover": "risc0", "cycle_kind": "user"})
    [(kind, sentence, about)] = reading.doubts
    assert kind == Doubt.INCONSISTENT
    assert sentence == "a region has more cycles than the 240,000,000 of the whole program"
    assert about.startswith("test_compute.py-test_dup")
    assert "opcode_dup1" in about


def test_a_case_of_nothing_is_refused() -> None:
    data = b'{"name": "a", "hint": ["execution", "success"]}'
    assert zkvm.CASES.knows(data)
    with pytest.raises(SitegenError, match="case 1: it was neither proven nor executed"):
        zkvm.CASES.runs(data, {"prover": "x"})


def test_a_proof_that_was_only_verified_has_no_proving_time() -> None:
    done = b'{"success": {"proof_size": 256, "verification_time_ms": 200}}'
    rows = of(read(b'{"name": "a", "metadata": null, "verification": %s}' % done), "a")
    assert {metric: row.value for metric, row in rows.items()} == {
        "verify_time": 0.2,
        "proof_size": 256,
    }
    [reading] = zkvm.CASES.runs(
        b'{"name": "a", "verification": {"crashed": {"reason": "bad"}}}', SAID
    )
    [row] = reading.measurements
    assert (row.metric, row.status) == ("zktls.verify_time", Status.FAILED)
