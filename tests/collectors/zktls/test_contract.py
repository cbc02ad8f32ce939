"""What a prover prints: what is read of it, what is refused, and what it amounts to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.zktls import contract, controls
from sitegen.collect import Reading, Recorder, Refused
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement
from tests.collectors.damage import check

ROOT = Path(__file__).parents[3]
OK = (ROOT / "tests" / "raw" / "zktls" / "contract" / "ok.jsonl").read_bytes()
SCHEMA = ROOT / "docs" / "prover-contract.schema.json"

Record = dict[str, Any]


def records() -> list[Record]:
    return [json.loads(line) for line in OK.splitlines()]


def lines(records: list[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def change(record: str, number: int = 0, **fields: object) -> bytes:
    rows = records()
    [each for each in rows if each["record"] == record][number].update(fields)
    return lines(rows)


def reading(data: bytes, name: Callable[[str], str] = lambda _: "x") -> Reading:
    recorder, session = Recorder(), contract.read(data)
    contract.record(recorder, session, name)
    return recorder.reading()


def rows(data: bytes) -> dict[tuple[str, str, str], Measurement]:
    return {
        (dict(m.params)["statement"], m.metric.removeprefix("zktls."), m.statistic): m
        for m in reading(data).measurements
    }


def test_a_session_is_read_and_its_controls_hold() -> None:
    session = contract.read(OK)
    controls.require(session)
    assert session.prover.prover == "example-stark"
    assert [len(session.setups), len(session.proofs), len(session.controls)] == [2, 7, 6]
    assert [proof.phase for proof in session.proofs].count("warmup") == 2
    # A whole number may be printed with a fraction of 0.
    assert repr(contract.read(OK.replace(b":1024,", b":1024.0,"))) == repr(session)
    check(reading(OK))


def test_times_are_mean_least_and_most_of_the_measured_proofs_only() -> None:
    by_key = rows(OK)
    assert by_key["chacha20", "prove_time", "mean"].value == 0.5
    assert by_key["chacha20", "prove_time", "min"].value == 0.4
    assert by_key["chacha20", "prove_time", "max"].value == 0.6
    # 0.1 + 1.25 and 0.2 + 1.75, exactly: neither set-up nor warm-up is in them.
    assert by_key["sha-256", "total_time", "min"].value == 1.35
    assert by_key["sha-256", "total_time", "max"].value == 1.95
    assert by_key["sha-256", "total_time", "mean"].value == 1.65
    assert by_key["chacha20", "peak_memory", "max"].value == 141000003


def test_a_rate_never_contradicts_the_time_beside_it() -> None:
    by_key = rows(OK)
    assert by_key["chacha20", "proven_throughput", "mean"].value == 2048.0
    assert by_key["chacha20", "proven_throughput", "max"].value == 2560.0
    assert by_key["sha-256", "proven_throughput", "mean"].value == pytest.approx(64 / 1.5)


def test_a_signature_is_verified_once_and_only_what_hashes_has_a_hash_speed() -> None:
    signed = rows(OK.replace(b'"chacha20"', b'"rsa-2048-verify"'))
    assert ("rsa-2048-verify", "prove_time", "mean") in signed
    assert ("rsa-2048-verify", "proven_throughput", "mean") not in signed
    by_key = rows(OK)
    assert dict(by_key["sha-256", "hash_speed", "mean"].params)["hash"] == "sha-256"
    assert ("chacha20", "hash_speed", "mean") not in by_key


def test_a_proof_is_as_large_as_measured_whatever_the_prover_says_of_it() -> None:
    assert rows(OK)["chacha20", "proof_size", "value"].value == 1466289
    texts = {p.name: p.value for p in reading(OK).parameters}
    assert texts["reported_proof_bytes.chacha20.1024"] == "933412"
    by_key = rows(change("proof", 1, proof_bytes=1466000))
    assert by_key["chacha20", "proof_size", "min"].value == 1466000
    assert by_key["chacha20", "proof_size", "max"].value == 1466289
    assert ("chacha20", "proof_size", "value") not in by_key


def test_setup_stands_apart_and_says_when_it_is_of_an_earlier_run() -> None:
    by_key = rows(OK)
    setup = by_key["sha-256", "setup_time", "value"]
    assert setup.value == 4.25
    assert dict(setup.params)["cached"] == "true"
    assert by_key["sha-256", "constraints", "value"].value == 59825
    assert ("chacha20", "setup_time", "value") not in by_key
    # A CPU time below the clock's tick is no time.
    assert not any("verify_cpu_time" in key[1] for key in by_key)


def test_cycles_carry_their_kind_and_speed_its_scope() -> None:
    proofs = records()
    for each in proofs:
        if each["record"] == "proof" and each["statement"] == "sha-256":
            each.update(cycles=1_000_000, cycle_kind="user", time_scope="core")
    data = lines(proofs)
    speed = rows(data)["sha-256", "proving_speed", "mean"]
    assert speed.value == pytest.approx(1_000_000 / 1.5)
    assert speed.unit == "Hz"
    assert {("cycle_kind", "user"), ("time_scope", "core")} <= {*speed.params}
    assert "time_scope" not in dict(rows(data)["sha-256", "cycles", "value"].params)


def test_an_interactive_protocol_has_traffic_and_no_proof() -> None:
    prover, proof = records()[0], records()[4]
    for name in ("prove_s", "prove_cpu_s", "witness_s", "witness_cpu_s", "proof_bytes"):
        del proof[name]
    proof.update(statement="tls-session", online_s=2.5, offline_s=4)
    proof.update(bytes_sent=100, bytes_received=0, bandwidth_bits_per_s=5e7, latency_s=0.01)
    data = lines([prover, proof, {"record": "end"}])
    by_key = rows(data)
    assert by_key["tls-session", "online_time", "mean"].value == 2.5
    assert by_key["tls-session", "offline_time", "mean"].value == 4
    assert by_key["tls-session", "bytes_received", "value"].value == 0
    assert dict(by_key["tls-session", "online_time", "mean"].params)["latency_s"] == "0.01"
    assert not {key[1] for key in by_key} & {"proof_size", "proving_speed", "proven_throughput"}
    assert [s.metric for s in reading(data).samples] == ["zktls.online_time"]


def test_there_is_a_sample_a_measured_proof() -> None:
    samples = reading(OK).samples
    assert [s.y for s in samples] == [0.5, 0.4, 0.6, 1.25, 1.75]
    assert {(s.kind, s.metric) for s in samples} == {("request", "zktls.prove_time")}
    # The warm-up took 0.004 + 0.9 + 0.08 s.
    assert samples[0].x == 0.984
    assert [s.x for s in samples] == sorted(s.x for s in samples)


def test_program_and_input_must_match_for_a_comparison() -> None:
    parameters = {p.name: p for p in reading(OK).parameters}
    assert parameters["program_sha256"].comparability == Comparability.MUST_MATCH
    assert parameters["input_sha256.sha-256.64"].comparability == Comparability.MUST_MATCH
    assert parameters["proof_sha256.sha-256.64"].value == "differs"
    assert parameters["proof_sha256.chacha20.1024"].value != "differs"
    assert "security_bits" not in parameters


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (change("prover", dev_mode=True), "fake"),
        (change("proof", 0, verified=False), "not accepted"),
        (change("proof", 2, verified=None), "not checked"),
        (change("control", 0, accepted=True), "accepted something wrong: control public-input"),
        (change("control", 4, accepted=True), "accepted something wrong: control proof"),
        (change("control", 5, accepted=True), "control other-statement of sha-256"),
        (lines([r for r in records() if r.get("phase") != "measured"]), "no measured proof"),
    ],
)
def test_numbers_of_a_verifier_that_verifies_nothing_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        controls.require(contract.read(data))


@pytest.mark.parametrize("missing", range(6))
def test_each_control_is_needed_for_each_statement(missing: int) -> None:
    rows = records()
    control = [each for each in rows if each["record"] == "control"][missing]
    rows.remove(control)
    with pytest.raises(Refused, match=f"{control['kind']} of {control['statement']} is missing"):
        controls.require(contract.read(lines(rows)))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.pop(0), "line 1: the record prover is not before this line"),
        (lambda r: r.pop(), "the record end is missing"),
        (lambda r: r.insert(3, r[0]), "line 4: a second prover"),
        (lambda r: r.append(r[3]), "the record prover is not before"),
        (lambda r: r.insert(4, r[4]), "proof 1 of chacha20, 1024 bytes, is there twice"),
        (lambda r: r.insert(2, r[2]), "the setup of sha-256, 64 bytes, is there twice"),
        (lambda r: r[0].pop("dev_mode"), "line 1.*missing required field dev_mode"),
        (lambda r: r[0].update(prover="S-Two"), "line 1, prover: expected str matching"),
        (lambda r: r[0].update(prover="two\n"), "line 1: prover holds a character"),
        (lambda r: r[0].update(field="a\u202eb"), "line 1: field holds a character"),
        (lambda r: r[4].update(prove_s=0), "line 5, prove_s: expected float > 0"),
        (lambda r: r[4].update(prove_s=1e99), "line 5, prove_s"),
        (lambda r: r[4].update(prove_s=None), "line 5: a proof must have prove_s, or online_s"),
        (lambda r: r[4].update(prove_ms=5), "line 5.*unknown field prove_ms"),
        (lambda r: r[4].update(cycles=5), "line 5: cycles and cycle_kind come together"),
        (lambda r: r[4].update(proof_bytes=2**70), "line 5, proof_bytes"),
        (lambda r: r[5].update(witness_s=None), "of chacha20, 1024 bytes, have witness_s and"),
    ],
)
def test_what_breaks_the_contract_is_named_by_line_and_field(
    edit: Callable[[list[Record]], object], message: str
) -> None:
    rows = records()
    edit(rows)
    with pytest.raises(SitegenError, match=message):
        contract.read(lines(rows))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"proving...", "line 1: it is not JSON"),
        (b"[" * 50_000, "line 1: it is not JSON"),
        (b'{"record":"end","record":"end"}', "a field is there twice"),
        (b'{"record":"prover","schema":NaN}', "line 1"),
        (b'{"a":"' + b"x" * contract.MAX_LINE_BYTES + b'"}', "it is longer than"),
        (b'{"record":"\xff"}', "it is not JSON"),
        (b"", "the record end is missing"),
    ],
)
def test_a_hostile_line_is_an_error(line: bytes, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        contract.read(line)


def test_an_endless_output_is_an_error() -> None:
    with pytest.raises(SitegenError, match="more than 100000 records"):
        contract.read(b"{}\n" * (contract.MAX_RECORDS + 1))
    with pytest.raises(SitegenError, match="larger than 64 MiB"):
        contract.read(b" " * (contract.MAX_BYTES + 1))


def test_several_sessions_stand_one_after_another() -> None:
    assert len(contract.read_all(OK + b"\n" + OK)) == 2
    with pytest.raises(SitegenError, match="more than one session"):
        contract.read(OK + OK)


def test_the_schema_in_the_docs_is_that_of_the_types() -> None:
    """It is written with ``json.dumps(schema, indent=2)`` and an end of line."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of a prover's output, contract version 1",
        **msgspec.json.schema(contract.RECORD),
    }
    assert SCHEMA.read_text("utf-8") == json.dumps(schema, indent=2) + "\n"
    assert not any(shape["additionalProperties"] for shape in schema["$defs"].values())
