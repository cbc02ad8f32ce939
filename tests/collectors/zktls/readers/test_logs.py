"""The logs of SP1 and RISC Zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import logs
from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError

RAW = Path(__file__).parents[3] / "raw" / "zktls"
CORE = (RAW / "sp1" / "core.log").read_bytes()
GROTH16 = (RAW / "sp1" / "groth16.log").read_bytes()
SUMMARY = (RAW / "sp1" / "summary.log").read_bytes()
INFO = (RAW / "risc0" / "info.log").read_bytes()


def sp1(data: bytes, **settings: str) -> Reading:
    [reading] = logs.SP1.runs(data, {"statement": "fibonacci"} | settings)
    return reading


def risc0(data: bytes = INFO, **settings: str) -> Reading:
    texts = {"statement": "rsa-2048-verify", "proof_mode": "composite"}
    [reading] = logs.RISC0.runs(data, texts | settings)
    return reading


def times(reading: Reading) -> dict[str, float | None]:
    return {metric: value for (metric, _), value in values(reading).items()}


def values(reading: Reading) -> dict[tuple[str, str], float | None]:
    return {
        (m.metric.removeprefix("zktls."), dict(m.params).get("cycle_kind", "")): m.value
        for m in reading.measurements
    }


def test_a_stage_lasts_for_its_busy_and_its_idle_time() -> None:
    have = times(sp1(CORE))
    assert have["prove_time"] == 7.615
    # `prove_core:execute` runs the program once more; it is not the execution.
    assert have["execute_time"] == 0.00393204
    assert have["verify_time"] == 0.15400163


def test_neither_the_clock_nor_a_part_is_the_cycles_of_the_program() -> None:
    """`clk = 10000000` is a mark on the way, `└╴4,398 cycles` a part."""
    assert times(sp1(CORE))["cycles"] == 9941
    without = CORE.replace(b"Number of cycles: 9941\n", b"")
    assert "cycles" not in times(sp1(without))
    assert "proving_speed" not in times(sp1(without))


def test_the_last_stage_says_the_mode() -> None:
    reading = sp1(GROTH16)
    have = {m.metric: dict(m.params) for m in reading.measurements}
    assert have["zktls.prove_time"]["proof_mode"] == "groth16"
    assert have["zktls.prove_time"]["time_scope"] == "wrapped"
    assert times(reading)["prove_time"] == 40.5 + 12.25 + 2.0 + 5.25 + 62.5
    assert times(reading)["proving_speed"] == pytest.approx(22102574 / 122.5)
    lines = GROTH16.splitlines(keepends=True)
    compressed = {m.metric: dict(m.params) for m in sp1(b"".join(lines[:4])).measurements}
    assert compressed["zktls.prove_time"]["proof_mode"] == "compressed"
    with pytest.raises(SitegenError, match="it ends after wrap_bn254: no proof was finished"):
        sp1(b"".join(lines[:-1]))


def test_a_mode_that_contradicts_the_log_is_refused() -> None:
    with pytest.raises(SitegenError, match="--set proof_mode: the file says 'groth16', not 'core'"):
        sp1(GROTH16, proof_mode="core")
    assert sp1(GROTH16, proof_mode="Groth16").measurements == sp1(GROTH16).measurements


def test_khz_in_the_summary_are_hz_and_speed_is_recomputed() -> None:
    have = times(sp1(SUMMARY))
    assert have["cycles"] == 9329
    assert have["proving_speed"] == pytest.approx(9329 / 9.2000122)
    assert have["proof_size"] == 1419780
    # The summary's own time serves where the stage is not logged.
    assert times(sp1(SUMMARY[: SUMMARY.rindex(b"2024")]))["prove_time"] == 9.193968459


def test_several_proofs_are_repetitions() -> None:
    rows = sp1(CORE + CORE.replace(b"7.46s", b"7.50s")).measurements
    proved = [(m.repetition, m.value) for m in rows if m.metric == "zktls.prove_time"]
    assert proved == [(0, 7.615), (1, 7.655)]


def test_proofs_of_other_programs_or_modes_are_other_runs() -> None:
    for read, data in (
        (sp1, CORE + GROTH16),
        (sp1, CORE + CORE.replace(b"9941", b"10101")),
        (risc0, INFO + INFO.replace(b"2415056", b"2415057")),
    ):
        with pytest.raises(SitegenError, match="different modes, programs or inputs"):
            read(data)


def test_a_run_without_a_proof_has_cycles_and_no_speed() -> None:
    data = b"\n".join(CORE.splitlines()[:8]) + b"\n"
    with pytest.raises(SitegenError, match="does not say the proof mode"):
        sp1(data)
    assert set(times(sp1(data, proof_mode="core"))) == {"execute_time", "cycles"}


def test_a_program_that_was_run_with_another_input_lends_a_proof_nothing() -> None:
    """An execution of many rounds, and then a proof of one: neither cycles nor a speed of it."""
    stages = CORE.splitlines(keepends=True)
    other = b"     Running `demo --execute`\n" + b"".join(stages[:8])
    proof = b"     Running `demo --prove`\n" + b"".join(stages[8:])
    assert set(times(sp1(other + proof))) == {"prove_time", "verify_time"}


def test_cycles_of_risc_zero_carry_their_kind() -> None:
    reading = risc0()
    assert values(reading) == {
        ("cycles", "user"): 2415056,
        ("cycles", "total"): 2621440,
        ("execute_time", ""): 0.0590434,
    }
    texts = {p.name: p.value for p in reading.parameters}
    assert texts == {"segments": "3", "paging_cycles": "151020", "reserved_cycles": "55364"}
    assert reading.started_at == "2026-03-02T10:00:04Z"


def test_a_proving_time_given_by_hand_gives_a_speed_of_each_kind_and_is_noted() -> None:
    reading = risc0(prove_time="1m32.7s", size="256")
    have = values(reading)
    assert have["prove_time", ""] == 92.7
    assert have["proving_speed", "user"] == pytest.approx(2415056 / 92.7)
    assert have["proving_speed", "total"] == pytest.approx(2621440 / 92.7)
    assert ("proven_throughput", "") not in have  # one signature, however long it is
    bulk = values(risc0(prove_time="1m32.7s", size="256", statement="tls-record"))
    assert bulk["proven_throughput", ""] == pytest.approx(256 / 92.7)
    assert have["total_time", ""] == 92.7590434
    assert "by hand" in reading.notes[0]
    [prove] = [m for m in reading.measurements if m.metric == "zktls.prove_time"]
    assert dict(prove.params)["proof_mode"] == "core"  # RISC Zero calls it composite
    assert dict(prove.params)["time_scope"] == "core"


def test_the_older_form_of_the_lines_is_read() -> None:
    reading = risc0((RAW / "risc0" / "old.log").read_bytes())
    assert values(reading) == {
        ("cycles", "user"): 33100200300,
        ("cycles", "total"): 36528717824,
    }
    line = b"2023-11-20T08:15:01.220019Z  INFO host: total cycles: 36528717824\n"
    assert values(risc0(line)) == {("cycles", "total"): 36528717824}


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: proving in dev mode. This will not generate valid, secure proofs.",
        "WARNING: Proving in dev mode does not generate a valid receipt.",
        "+ RISC0_DEV_MODE=1 RUST_LOG=info cargo run",
        'RISC0_DEV_MODE: "true"',
        "\x1b[33mWARNING: proving in dev mode.\x1b[0m",
        *("SP1_PROVER=mock cargo run", "INFO using mock prover"),
    ],
)
def test_fake_proofs_are_refused(line: str) -> None:
    read, data = (sp1, CORE) if "mock" in line else (risc0, INFO)
    with pytest.raises(Refused, match=r"line 1\d: its proofs are fake"):
        read(data + line.encode() + b"\n")


def test_a_log_that_turns_the_fake_mode_off_is_read() -> None:
    assert risc0(b"+ RISC0_DEV_MODE=0 cargo run\n" + INFO).measurements == risc0().measurements


def test_colours_and_a_session_logged_twice_change_nothing() -> None:
    coloured = INFO.replace(b" INFO ", b" \x1b[32m INFO\x1b[0m ")
    assert risc0(coloured).measurements == risc0().measurements
    again = b"\n".join(INFO.splitlines()[1:]) + b"\n"
    assert risc0(INFO + again, prove_time="90s").measurements == (
        risc0(prove_time="90s").measurements
    )


def test_sessions_of_the_same_cycles_are_repetitions() -> None:
    rows = risc0(INFO + INFO.replace(b"59.0434ms", b"61ms")).measurements
    run = [(m.repetition, m.value) for m in rows if m.metric == "zktls.execute_time"]
    assert run == [(0, 0.0590434), (1, 0.061)]
    with pytest.raises(SitegenError, match="2 sessions, and one proving time"):
        risc0(INFO + INFO, prove_time="90s")
