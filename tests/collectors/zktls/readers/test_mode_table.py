from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import mode_table
from sitegen.collect import Reading
from sitegen.errors import SitegenError

RAW = Path(__file__).parents[3] / "raw" / "zktls"
TABLE = (RAW / "proof-table" / "table.md").read_bytes()
SAID = {"statement": "tls-record", "machine": "G1"}


def read(data: bytes = TABLE, **settings: str) -> tuple[Reading, ...]:
    return mode_table.READER.runs(data, SAID | settings)


def values(found: Reading) -> dict[tuple[str, str], float | None]:
    return {
        (m.metric.removeprefix("zktls."), dict(m.params).get("cycle_kind", "")): m.value
        for m in found.measurements
    }


def test_each_row_of_the_machine_is_a_run_with_its_prover_and_version() -> None:
    found = read()
    tools = [(f.tool.name, f.tool.version) for f in found if f.tool]
    assert tools == [("sp1", "4.0"), ("risc0", "1.2"), ("risc0", "1.1")]
    for one, (_, version) in zip(found, tools, strict=True):
        about = [dict(row.params) for row in one.measurements]
        assert {each["proof_mode"] for each in about} == {"groth16"}
        assert {each["prover_version"] for each in about} == {version}


def test_cycles_are_user_or_a_pair_or_absent() -> None:
    first, second, third = read()
    assert values(first)["cycles", "user"] == 12_345_678
    assert values(second)["cycles", "user"] == 37_758_703
    assert values(second)["cycles", "total"] == 41_943_040
    assert values(second)["proving_speed", "total"] == pytest.approx(41_943_040 / 282.295366971)
    assert values(third) == {("prove_time", ""): 300.0}


def test_times_and_sizes_are_read_in_the_forms_that_stand_there() -> None:
    first, second, _ = read()
    assert values(first)["prove_time", ""] == 81.5
    assert values(first)["peak_memory", ""] == 10.5e9
    [time] = [m for m in second.measurements if m.metric == "zktls.prove_time"]
    assert (time.value, time.printed) == (282.295366971, "282.295366971s")


def test_the_machine_is_a_fact_with_its_footnote() -> None:
    facts = {fact.name: fact.value for fact in read()[0].facts}
    assert facts["cpu"] == "Example(R) CPU 1234A @ 2.90GHz"
    assert facts["cpus"] == "8"
    assert facts["gpu"] == "Example G1"
    assert facts["gpu_memory_used_bytes"] == str(13000 * 2**20)


def test_rows_of_several_machines_are_not_one_environment() -> None:
    with pytest.raises(SitegenError, match=r"2 machines: 1234A, 8, Example G1; 5678B"):
        mode_table.READER.runs(TABLE, {"statement": "x"})
    assert len(read(machine="5678b")) == 1
    with pytest.raises(SitegenError, match="no row of it is of that machine"):
        read(machine="H100")


def test_a_row_of_risc_zero_cycles_alone_needs_their_kind() -> None:
    data = TABLE.replace(b"|       | 1234A", b"| 5,000 | 1234A")
    with pytest.raises(SitegenError, match=r"line 26: .* cycle kind"):
        read(data)
