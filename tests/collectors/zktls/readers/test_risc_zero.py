from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import risc_zero
from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "risc0"
INFO = (RAW / "info.log").read_bytes()
SAID = {"statement": "rsa-2048-verify", "proof_mode": "composite"}


def read(data: bytes = INFO, **settings: str) -> Reading:
    [found] = risc_zero.read(data, SAID | settings)
    return found


def values(found: Reading) -> dict[tuple[str, str], float | None]:
    return {
        (m.metric.removeprefix("zktls."), dict(m.params).get("cycle_kind", "")): m.value
        for m in found.measurements
    }


def test_cycles_carry_their_kind() -> None:
    found = read()
    assert values(found) == {
        ("cycles", "user"): 2415056,
        ("cycles", "total"): 2621440,
        ("execute_time", ""): 0.0590434,
    }
    told = {p.name: p.value for p in found.parameters}
    assert told == {"segments": "3", "paging_cycles": "151020", "reserved_cycles": "55364"}
    assert found.started_at == "2026-03-02T10:00:04Z"


def test_a_proving_time_given_by_hand_gives_a_speed_of_each_kind_and_is_noted() -> None:
    found = read(prove_time="1m32.7s", size="256")
    have = values(found)
    assert have["prove_time", ""] == 92.7
    assert have["proving_speed", "user"] == pytest.approx(2415056 / 92.7)
    assert have["proving_speed", "total"] == pytest.approx(2621440 / 92.7)
    assert ("proven_throughput", "") not in have  # one signature, however long it is
    bulk = values(read(prove_time="1m32.7s", size="256", statement="tls-record"))
    assert bulk["proven_throughput", ""] == pytest.approx(256 / 92.7)
    assert have["total_time", ""] == 92.7590434
    assert "by hand" in found.notes[0]
    [prove] = [m for m in found.measurements if m.metric == "zktls.prove_time"]
    assert dict(prove.params)["proof_mode"] == "core"  # RISC Zero calls it composite
    assert dict(prove.params)["time_scope"] == "core"


def test_the_older_form_of_the_lines_is_read() -> None:
    found = read((RAW / "old.log").read_bytes())
    assert values(found) == {
        ("cycles", "user"): 33100200300,
        ("cycles", "total"): 36528717824,
    }
    line = b"2023-11-20T08:15:01.220019Z  INFO host: total cycles: 36528717824\n"
    assert values(read(line)) == {("cycles", "total"): 36528717824}


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: proving in dev mode. This will not generate valid, secure proofs.",
        "WARNING: Proving in dev mode does not generate a valid receipt.",
        "+ RISC0_DEV_MODE=1 RUST_LOG=info cargo run",
        'RISC0_DEV_MODE: "true"',
        "\x1b[33mWARNING: proving in dev mode.\x1b[0m",
    ],
)
def test_fake_proofs_are_refused(line: str) -> None:
    with pytest.raises(Refused, match=r"line 13: its proofs are fake"):
        read(INFO + line.encode() + b"\n")


def test_a_log_that_turns_the_fake_mode_off_is_read() -> None:
    assert values(read(b"+ RISC0_DEV_MODE=0 cargo run\n" + INFO))


def test_colours_of_a_terminal_change_nothing() -> None:
    coloured = INFO.replace(b" INFO ", b" \x1b[32m INFO\x1b[0m ")
    assert read(coloured).measurements == read().measurements


def test_the_same_session_logged_twice_is_one() -> None:
    again = b"\n".join(INFO.splitlines()[1:]) + b"\n"
    assert read(INFO + again, prove_time="90s").measurements == read(prove_time="90s").measurements


def test_sessions_of_the_same_cycles_are_repetitions() -> None:
    found = read(INFO + INFO.replace(b"59.0434ms", b"61ms"))
    times = [
        (m.repetition, m.value) for m in found.measurements if m.metric == "zktls.execute_time"
    ]
    assert times == [(0, 0.0590434), (1, 0.061)]
    with pytest.raises(SitegenError, match="2 sessions, and one proving time"):
        read(INFO + INFO, prove_time="90s")


def test_sessions_of_other_cycles_are_another_run() -> None:
    with pytest.raises(SitegenError, match="2 different programs or inputs"):
        read(INFO + INFO.replace(b"2415056", b"2415057"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"statement": ""}, "does not say the statement; add --set statement="),
        ({"proof_mode": ""}, "does not say the proof mode"),
        ({"prove_time": "soon"}, "--set prove_time: 'soon' is not a duration"),
        ({"size": "big"}, "--set size: 'big' is not a whole number"),
    ],
)
def test_what_the_log_does_not_say_is_asked_for(settings: dict[str, str], told: str) -> None:
    with pytest.raises(SitegenError, match=told):
        risc_zero.read(INFO, SAID | settings)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"risc0_zkvm::host total cycles\n", "no session is logged"),
        (INFO.replace(b"2621440", b"1621440"), "line 4: more user cycles than in total"),
        (INFO.replace(b"59.0434ms", b"59.0434m"), "line 1: '59.0434m' is not a duration"),
        (INFO.replace(b"2621440", b"9" * 26), "line 3"),
        (INFO.removesuffix(b"\n"), "the last line does not end"),
    ],
)
def test_a_damaged_log_is_an_error(data: bytes, told: str) -> None:
    with pytest.raises(SitegenError, match=told):
        read(data)
