from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collectors.zktls.readers import zkevm
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "zkevm"
CASES = (RAW / "cases.json").read_bytes()
ONE = (RAW / "one.json").read_bytes()
SAID = {"prover": "zisk", "proof_mode": "compressed", "cycle_kind": "user"}


def read(data: bytes = CASES, **settings: str) -> Reading:
    [found] = zkevm.READER.runs(data, SAID | settings)
    return found


def of(found: Reading, case: str) -> dict[str, Measurement]:
    return {m.metric.removeprefix("zktls."): m for m in found.measurements if m.workload == case}


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
    found = read()
    case = of(found, "rpc_block_101")
    assert set(case) == {"prove_time"}
    assert case["prove_time"].value is None
    assert case["prove_time"].status == Status.FAILED
    assert found.notes[0] == "rpc_block_101 crashed: out of memory: killed."


def test_a_proof_of_another_output_is_suspect() -> None:
    found = read()
    assert {m.status for m in of(found, "rpc_block_102").values()} == {Status.SUSPECT}
    assert "rpc_block_102" in found.notes[1]


def test_one_object_a_list_and_one_a_line_are_read() -> None:
    single = of(read(ONE), "rpc_block_7")["prove_time"]
    both = [json.loads(ONE), json.loads(ONE.replace(b"_7", b"_8"))]
    for text in (json.dumps(both), "\n".join(map(json.dumps, both))):
        found = read(text.encode())
        assert of(found, "rpc_block_7")["prove_time"] == single
        assert "rpc_block_8" in {m.workload for m in found.measurements}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "///"}, "case 1: '///' cannot be made a name"),
        ({"proving": {"success": {}, "crashed": {}}}, "proving: it is neither a success nor"),
        ({"proving": {"success": {"proving_time_ms": -5}}}, "proving_time_ms: expected int >= 0"),
        ({"proving": {"success": {"proof_size": 1.5}}}, "proof_size: expected int"),
        ({"execution": {"success": {"execution_duration": 5}}}, "execution_duration: expected"),
    ],
)
def test_what_has_not_the_form_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SitegenError, match=told):
        read(json.dumps(json.loads(ONE) | change).encode())
