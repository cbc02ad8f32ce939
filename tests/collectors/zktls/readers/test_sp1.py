from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import sp1
from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "sp1"
CORE = (RAW / "core.log").read_bytes()
GROTH16 = (RAW / "groth16.log").read_bytes()
SUMMARY = (RAW / "summary.log").read_bytes()


def read(data: bytes, **settings: str) -> Reading:
    [found] = sp1.read(data, {"statement": "fibonacci"} | settings)
    return found


def values(found: Reading) -> dict[str, float | None]:
    return {m.metric.removeprefix("zktls."): m.value for m in found.measurements}


def test_a_stage_lasts_for_its_busy_and_its_idle_time() -> None:
    have = values(read(CORE))
    assert have["prove_time"] == 7.615
    assert have["execute_time"] == 0.00393204
    assert have["verify_time"] == 0.15400163


def test_neither_the_clock_nor_a_part_is_the_cycles_of_the_program() -> None:
    """`clk = 10000000` is a mark on the way, `└╴4,398 cycles` a part."""
    assert values(read(CORE))["cycles"] == 9941
    without = CORE.replace(b"Number of cycles: 9941\n", b"")
    assert "cycles" not in values(read(without))
    assert "proving_speed" not in values(read(without))


def test_a_part_of_a_stage_is_not_the_stage() -> None:
    """`prove_core:execute` runs the program once more; it is not the execution."""
    assert values(read(CORE))["execute_time"] == pytest.approx(0.00393, abs=1e-5)


def test_the_last_stage_says_the_mode() -> None:
    found = read(GROTH16)
    have = {m.metric: dict(m.params) for m in found.measurements}
    assert have["zktls.prove_time"]["proof_mode"] == "groth16"
    assert have["zktls.prove_time"]["time_scope"] == "wrapped"
    assert values(found)["prove_time"] == 40.5 + 12.25 + 2.0 + 5.25 + 62.5
    assert values(found)["proving_speed"] == pytest.approx(22102574 / 122.5)
    lines = GROTH16.splitlines(keepends=True)
    compressed = {m.metric: dict(m.params) for m in read(b"".join(lines[:4])).measurements}
    assert compressed["zktls.prove_time"]["proof_mode"] == "compressed"
    with pytest.raises(SitegenError, match="it ends after wrap_bn254: no proof was finished"):
        read(b"".join(lines[:-1]))


def test_a_mode_that_contradicts_the_log_is_refused() -> None:
    with pytest.raises(SitegenError, match="the output says proof_mode groth16, not core"):
        read(GROTH16, proof_mode="core")
    assert read(GROTH16, proof_mode="Groth16").measurements == read(GROTH16).measurements


def test_khz_in_the_summary_are_hz_and_speed_is_recomputed() -> None:
    have = values(read(SUMMARY))
    assert have["cycles"] == 9329
    assert have["proving_speed"] == pytest.approx(9329 / 9.2000122)
    assert have["proof_size"] == 1419780


def test_the_summary_serves_where_the_stage_is_not_logged() -> None:
    data = b"\n".join(SUMMARY.splitlines()[:-1]) + b"\n"
    assert values(read(data))["prove_time"] == 9.193968459


def test_several_proofs_are_repetitions() -> None:
    found = read(CORE + CORE.replace(b"7.46s", b"7.50s"))
    times = [(m.repetition, m.value) for m in found.measurements if m.metric == "zktls.prove_time"]
    assert times == [(0, 7.615), (1, 7.655)]


def test_proofs_of_other_programs_or_modes_are_other_runs() -> None:
    for other in (GROTH16, CORE.replace(b"9941", b"10101")):
        with pytest.raises(SitegenError, match="different modes or programs"):
            read(CORE + other)


def test_a_run_without_a_proof_has_cycles_and_no_speed() -> None:
    data = b"\n".join(CORE.splitlines()[:8]) + b"\n"
    with pytest.raises(SitegenError, match="does not say the proof mode"):
        read(data)
    assert set(values(read(data, proof_mode="core"))) == {"execute_time", "cycles"}


@pytest.mark.parametrize("line", [b"SP1_PROVER=mock cargo run\n", b"INFO using mock prover\n"])
def test_mock_proofs_are_refused(line: bytes) -> None:
    with pytest.raises(Refused, match="line 1: its proofs are fake"):
        read(line + CORE)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (CORE.replace(b"7.46s", b"7.46"), "line 12: '7.46' is not a duration"),
        (CORE.replace(b"155ms", b"155m"), "line 12: '155m' is not a duration"),
        (
            CORE.replace(b"Number of cycles: 9941", b"Number of cycles: 9941\ncycles: 7"),
            "line 9: another number",
        ),
        (b"prove_core: nothing\n", "does not say the proof mode"),
        (CORE.removesuffix(b"\n"), "the last line does not end"),
    ],
)
def test_a_damaged_log_is_an_error(data: bytes, told: str) -> None:
    with pytest.raises(SitegenError, match=told):
        read(data)


def test_the_statement_is_asked_for() -> None:
    with pytest.raises(SitegenError, match="does not say the statement"):
        sp1.read(CORE, {})
