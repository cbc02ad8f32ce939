"""The logs of SP1 and RISC Zero."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.zktls.readers import logs
from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Doubt

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


@pytest.mark.parametrize("data", [CORE, GROTH16, SUMMARY], ids=["core", "groth16", "summary"])
@pytest.mark.parametrize(
    "kept",
    [
        lambda line: b"2026-09-01T11:00:00.123456789Z stdout F " + line,
        lambda line: b"[pod/prover-0/prover] " + line,
        lambda line: line.decode().encode("utf-16-le"),
    ],
    ids=["kubernetes", "kubectl", "utf-16"],
)
def test_a_log_that_another_logger_kept_reads_the_same(
    data: bytes, kept: Callable[[bytes], bytes]
) -> None:
    hurt = b"".join(map(kept, data.splitlines(keepends=True)))
    assert logs.SP1.knows(hurt)
    assert (sp1(hurt).measurements, sp1(hurt).started_at) == (
        sp1(data).measurements,
        sp1(data).started_at,
    )


def test_the_name_of_a_span_may_be_long() -> None:
    span = b"prove_core{shape=" + b"x" * 600 + b"}: close"
    assert times(sp1(CORE.replace(b"prove_core: close", span))) == times(sp1(CORE))


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


def summary(text: str) -> bytes:
    """Return the log of a proof of 9.2 s with this summary line."""
    lines = SUMMARY.splitlines(keepends=True)
    lines[-2] = b"2024-07-23T17:07:14.648858Z  INFO prove_core: summary: " + text.encode() + b"\n"
    return b"".join(lines)


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("cycles=9329, e2e=9193, khz=1.01, proofSize=1.35 MiB", 1_415_578),
        ("cycles=9329, e2e=9193ms, khz=1.01 kHz, proofSize=1.35MiB", 1_415_578),
        ("cycles=9329, gas=34869, e2e=9.193968459s, khz=1.01, proofSize=1419780", 1_419_780),
        ("cycles=9,329, e2e=9.19 s, mhz=0.00101 MHz, proofSize=1.42 MB", 1_420_000),
        ("cycles=9329, e2e=9193968us, khz=1014.69Hz, proofSize=1419.78 kB", 1_419_780),
        ("cycles=9329, e2e=9.193968459, khz=1014.69, proofSize=0.00142 GB", 1_420_000),
    ],
)
def test_a_summary_is_read_in_its_units(line: str, size: float) -> None:
    data = summary(line)
    have = times(sp1(data))
    assert (have["cycles"], have["proof_size"]) == (9329, size)
    assert not [kind for kind, _, _ in sp1(data).doubts if kind == Doubt.INCONSISTENT]
    # Without the stage the summary's own time serves.
    alone = times(sp1(data[: data.rindex(b"2024")]))
    assert alone["prove_time"] == pytest.approx(9.193968459, rel=1e-3)
    assert alone["proving_speed"] == pytest.approx(1014.69, rel=1e-3)


def test_a_rounded_size_is_said_to_be_one() -> None:
    reading = sp1(summary("cycles=9329, e2e=9193, khz=1.01, proofSize=1.35 MiB"))
    assert [(kind, text) for kind, text, _ in reading.doubts] == [
        (Doubt.ROUNDED, "the proof size is printed as 1.35 MiB")
    ]
    assert sp1(SUMMARY).doubts == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cycles=9329, e2e=55.0s, khz=0.17, proofSize=1", "the summary's time is 55.0s, and the"),
        ("cycles=9329, e2e=9.193s, khz=77.7, proofSize=1", "the speed is 77.7, and 9329 cycles"),
        ("cycles=9329, e2e=9.193s, khz=1.01 MHz, proofSize=1", "the speed is 1.01 MHz"),
    ],
)
def test_a_summary_that_contradicts_itself_is_doubted(line: str, words: str) -> None:
    [(kind, sentence, _)] = sp1(summary(line)).doubts
    assert kind == Doubt.INCONSISTENT
    assert words in sentence


def test_what_is_no_unit_is_refused() -> None:
    for line in (
        "cycles=9329, e2e=9.1 parsec, khz=1, proofSize=1",
        "cycles=9329, e2e=9.1s, khz=1, proofSize=1.5",
        "cycles=9329, e2e=9.1s, khz=1 knots, proofSize=1",
    ):
        with pytest.raises(SitegenError):
            sp1(summary(line))


EXECUTED = """2026-09-01T10:00:00.000000Z  INFO execute: clk = 0 pc = 0x200800
2026-09-01T10:00:04.000000Z  INFO execute: close time.busy=4.00s time.idle=1.00µs
Number of cycles: 100000000
"""
PROVEN = """2026-09-01T10:00:05.000000Z  INFO prove_core: clk = 0 pc = 0x200800
2026-09-01T10:01:45.000000Z  INFO prove_core: close time.busy=100s time.idle=1.00ms
2026-09-01T10:01:46.000000Z  INFO verify: close time.busy=1.00s time.idle=1.00µs
"""


@pytest.mark.parametrize(
    ("before", "between", "proof"),
    [
        ("", "     Running `target/release/demo --prove --rounds 1`\n", PROVEN),
        ("", "    Finished `release` profile [optimized] target(s) in 0.31s\n", PROVEN),
        ("", "$ cargo run --release -- --prove --rounds 1\n", PROVEN),
        ("", "me@host:~/demo$ RUST_LOG=info ./target/release/demo --prove\n", PROVEN),
        ("", "+ time ./demo --prove\n", PROVEN),
        ("```\n", "```\n\nWith one round:\n```shell\n", PROVEN + "```\n"),
        ("", "root@host:/demo# SP1_PROVER=cpu cargo run -- --prove\n", PROVEN),
        ("n: 1000000\n", "n: 10\n", PROVEN),
        # Nothing between them but time, forwards or backwards.
        ("", "", PROVEN.replace("T10:", "T11:")),
        ("", "", PROVEN.replace("T10:", "T09:")),
        # A proof that executes first, and has no cycles of its own.
        ("", EXECUTED.splitlines()[1].replace("4.00s", "40ms") + "\n", PROVEN),
    ],
)
def test_cycles_that_were_only_executed_are_of_no_proof(
    before: str, between: str, proof: str
) -> None:
    reading = sp1((before + EXECUTED + between + proof).encode())
    have = times(reading)
    assert have["prove_time"] == 100.001
    assert have.keys().isdisjoint({"cycles", "proving_speed"})
    assert have.get("execute_time") in {None, 0.040001}
    assert (have.get("total_time") or 100.041) == pytest.approx(100.041, abs=1e-3)
    assert any("only executed is left out" in note for note in reading.notes)


def test_an_execution_and_a_proof_of_one_process_belong_together() -> None:
    for between in ("", "n: 20\n", "Successfully executed!\n"):
        have = times(sp1(("n: 20\n" + EXECUTED + between + PROVEN).encode()))
        assert have["cycles"] == 100_000_000
        assert have["total_time"] == pytest.approx(104.001, abs=1e-3)


def test_a_proof_may_come_before_what_was_only_executed() -> None:
    have = times(sp1((PROVEN + "$ cargo run -- --execute\n" + EXECUTED).encode()))
    assert have == {"prove_time": 100.001, "verify_time": 1.000001}


def test_what_was_executed_alone_is_the_first_repetition() -> None:
    rows = sp1(("$ cargo run\n" + EXECUTED).encode(), proof_mode="core").measurements
    assert {row.repetition for row in rows} == {0}


def test_two_summaries_are_two_proofs() -> None:
    line = b"INFO prove_core: summary: cycles=9329, e2e=%ss, khz=1, proofSize=1419780\n"
    rows = sp1(line % b"9.1" + line % b"9.3").measurements
    assert [m.value for m in rows if m.metric == "zktls.prove_time"] == [9.1, 9.3]
