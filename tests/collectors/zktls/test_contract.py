from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.zktls import contract
from sitegen.collect import Refused
from sitegen.collect.installed import check_measurement
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement

ROOT = Path(__file__).parents[3]
RAW = ROOT / "tests" / "raw" / "zktls" / "contract"
OK = (RAW / "ok.jsonl").read_bytes()
SCHEMA = ROOT / "collectors" / "zktls" / "contract.schema.json"

Record = dict[str, Any]


def records() -> list[Record]:
    return [json.loads(line) for line in OK.splitlines()]


def lines(found: list[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in found).encode()


def change(record: str, number: int = 0, **fields: object) -> bytes:
    found = records()
    [each for each in found if each["record"] == record][number].update(fields)
    return lines(found)


def rows(session: contract.Session) -> dict[tuple[str, str, str], Measurement]:
    found = contract.measurements(session, "x")
    return {(dict(m.params)["statement"], m.metric.removeprefix("zktls."), m.statistic): m
            for m in found}  # fmt: skip


def test_a_session_is_read_and_its_controls_hold() -> None:
    session = contract.read(OK)
    contract.require_controls(session)
    assert session.prover.prover == "example-stark"
    assert session.statements == ("chacha20", "sha-256")
    assert [len(session.setups), len(session.proofs), len(session.controls)] == [2, 7, 6]
    assert [proof.phase for proof in session.proofs].count("warmup") == 2


def test_times_are_mean_least_and_most_of_the_measured_proofs_only() -> None:
    found = rows(contract.read(OK))
    assert found["chacha20", "prove_time", "mean"].value == 0.5
    assert found["chacha20", "prove_time", "min"].value == 0.4
    assert found["chacha20", "prove_time", "max"].value == 0.6
    # 0.1 + 1.25 and 0.2 + 1.75, exactly: neither set-up nor warm-up is in them.
    assert found["sha-256", "total_time", "min"].value == 1.35
    assert found["sha-256", "total_time", "max"].value == 1.95
    assert found["sha-256", "total_time", "mean"].value == 1.65
    assert found["chacha20", "peak_memory", "max"].value == 141000003
    assert all(m.unit for m in found.values())


def test_a_rate_never_contradicts_the_time_beside_it() -> None:
    found = rows(contract.read(OK))
    assert found["chacha20", "proven_throughput", "mean"].value == 2048.0
    assert found["chacha20", "proven_throughput", "max"].value == 2560.0
    assert found["sha-256", "proven_throughput", "mean"].value == pytest.approx(64 / 1.5)


def test_a_signature_is_verified_once_however_long_it_is() -> None:
    found = rows(contract.read(OK.replace(b'"chacha20"', b'"rsa-2048-verify"')))
    assert ("rsa-2048-verify", "prove_time", "mean") in found
    assert ("rsa-2048-verify", "proven_throughput", "mean") not in found


def test_only_what_hashes_has_a_hash_speed() -> None:
    found = rows(contract.read(OK))
    assert dict(found["sha-256", "hash_speed", "mean"].params)["hash"] == "sha-256"
    assert ("chacha20", "hash_speed", "mean") not in found


def test_what_the_prover_says_of_its_proof_is_not_its_size() -> None:
    session = contract.read(OK)
    assert rows(session)["chacha20", "proof_size", "value"].value == 1466289
    told = {p.name: p.value for p in contract.parameters(session)}
    assert told["reported_proof_bytes.chacha20.1024"] == "933412"


def test_a_size_that_differs_between_proofs_is_a_range() -> None:
    found = rows(contract.read(change("proof", 1, proof_bytes=1466000)))
    assert found["chacha20", "proof_size", "min"].value == 1466000
    assert found["chacha20", "proof_size", "max"].value == 1466289
    assert ("chacha20", "proof_size", "value") not in found


def test_cpu_time_below_the_tick_of_the_clock_is_left_out() -> None:
    assert not any("verify_cpu_time" in key[1] for key in rows(contract.read(OK)))


def test_setup_stands_apart_and_says_when_it_is_of_an_earlier_run() -> None:
    found = rows(contract.read(OK))
    setup = found["sha-256", "setup_time", "value"]
    assert setup.value == 4.25
    assert dict(setup.params)["cached"] == "true"
    assert found["sha-256", "constraints", "value"].value == 59825
    assert ("chacha20", "setup_time", "value") not in found


def test_cycles_carry_their_kind_and_speed_its_scope() -> None:
    data = OK
    for number in (4, 5, 6):
        found = [json.loads(line) for line in data.splitlines()]
        each = [r for r in found if r["record"] == "proof"][number]
        each.update(cycles=1_000_000, cycle_kind="user", time_scope="core")
        data = lines(found)
    speed = rows(contract.read(data))["sha-256", "proving_speed", "mean"]
    assert speed.value == pytest.approx(1_000_000 / 1.5)
    assert speed.unit == "Hz"
    assert dict(speed.params)["cycle_kind"] == "user"
    assert dict(speed.params)["time_scope"] == "core"
    cycles = rows(contract.read(data))["sha-256", "cycles", "value"]
    assert "time_scope" not in dict(cycles.params)


def test_an_interactive_protocol_has_traffic_and_no_proof() -> None:
    prover = {**records()[0], "proof_mode": "interactive", "proof_system": "interactive"}
    proof = {
        **{key: value for key, value in records()[4].items() if value is not None},
        "statement": "tls-session",
        "online_s": 2.5,
        "offline_s": 4,
        "bytes_sent": 100,
        "bytes_received": 0,
        "bandwidth_bits_per_s": 5e7,
        "latency_s": 0.01,
    }
    for name in ("prove_s", "prove_cpu_s", "witness_s", "witness_cpu_s", "proof_bytes"):
        del proof[name]
    session = contract.read(lines([prover, proof, {"record": "end"}]))
    found = rows(session)
    assert found["tls-session", "online_time", "mean"].value == 2.5
    assert found["tls-session", "offline_time", "mean"].value == 4
    assert found["tls-session", "bytes_received", "value"].value == 0
    assert dict(found["tls-session", "online_time", "mean"].params)["latency_s"] == "0.01"
    assert not {key[1] for key in found} & {"proof_size", "proving_speed", "proven_throughput"}
    assert [s.metric for s in contract.samples(session, "x")] == ["zktls.online_time"]


def test_there_is_a_sample_a_measured_proof() -> None:
    found = contract.samples(contract.read(OK), "x")
    assert [s.y for s in found] == [0.5, 0.4, 0.6, 1.25, 1.75]
    assert {(s.kind, s.metric) for s in found} == {("request", "zktls.prove_time")}
    # The warm-up took 0.004 + 0.9 + 0.08 s.
    assert found[0].x == 0.984
    assert [s.x for s in found] == sorted(s.x for s in found)


def test_program_and_input_must_match_for_a_comparison() -> None:
    found = {p.name: p for p in contract.parameters(contract.read(OK))}
    assert found["program_sha256"].comparability == Comparability.MUST_MATCH
    assert found["input_sha256.sha-256.64"].comparability == Comparability.MUST_MATCH
    assert found["proof_sha256.sha-256.64"].value == "differs"
    assert found["proof_sha256.chacha20.1024"].value != "differs"
    assert "security_bits" not in found


def test_statements_can_be_taken_apart() -> None:
    session = contract.read(OK)
    parts = contract.by_statement(session)
    assert [part.statements for part in parts] == [("chacha20",), ("sha-256",)]
    for part in parts:
        contract.require_controls(part)
    assert sum(len(contract.measurements(part, "x")) for part in parts) == len(
        contract.measurements(session, "x")
    )


def test_every_row_can_be_archived() -> None:
    for row in contract.measurements(contract.read(OK), "chacha20"):
        check_measurement(row)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (change("prover", dev_mode=True), "fake"),
        (change("proof", 0, verified=False), "not accepted"),
        (change("proof", 2, verified=None), "not checked"),
        (change("control", 0, accepted=True), "accepted something wrong: control public-input"),
        (change("control", 4, accepted=True), "accepted something wrong: control proof"),
        (change("control", 5, accepted=True), "control other-statement of sha-256"),
    ],
)
def test_numbers_of_a_verifier_that_verifies_nothing_are_refused(data: bytes, told: str) -> None:
    session = contract.read(data)
    with pytest.raises(Refused, match=told):
        contract.require_controls(session)


@pytest.mark.parametrize("missing", range(6))
def test_each_control_is_needed_for_each_statement(missing: int) -> None:
    found = records()
    control = [each for each in found if each["record"] == "control"][missing]
    found.remove(control)
    with pytest.raises(Refused, match=f"{control['kind']} of {control['statement']} is missing"):
        contract.require_controls(contract.read(lines(found)))


def test_without_a_measured_proof_there_is_nothing() -> None:
    found = [r for r in records() if r.get("phase") != "measured"]
    with pytest.raises(Refused, match="no measured proof"):
        contract.require_controls(contract.read(lines(found)))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda r: r.pop(0), "line 1, record: the first line is not the record prover"),
        (lambda r: r.pop(), "the record end is missing"),
        (lambda r: r.insert(3, r[0]), "line 4, record: a second prover"),
        (lambda r: r.append(r[3]), "the first line is not the record prover"),
        (lambda r: r.insert(4, r[4]), "line 6, index: it is there twice"),
        (lambda r: r.insert(2, r[2]), "line 4, statement: it is there twice"),
        (lambda r: r[0].update(schema=2), "line 1, schema: it must be 1, not 2"),
        (lambda r: r[0].update(schema=True), "line 1, schema"),
        (lambda r: r[0].pop("dev_mode"), "line 1, dev_mode: the record prover must have it"),
        (lambda r: r[0].update(dev_mode="no"), "dev_mode: it must be true or false"),
        (lambda r: r[0].update(prover="S-Two"), "line 1, prover: it must be lower-case"),
        (lambda r: r[0].update(threads=0), "threads: it must be a whole number from 1"),
        (lambda r: r[0].update(field="a\nb"), "line 1, field: it must be printable"),
        (lambda r: r[4].pop("time_scope"), "line 5, time_scope: the record proof must have it"),
        (lambda r: r[4].update(prove_s=0), "line 5, prove_s: it must be seconds, above 0"),
        (lambda r: r[4].update(prove_s="1"), "prove_s: it must be seconds, above 0, not '1'"),
        (lambda r: r[4].update(prove_s=True), "line 5, prove_s"),
        (lambda r: r[4].update(prove_s=-1), "line 5, prove_s"),
        (lambda r: r[4].update(prove_s=1e99), "line 5, prove_s"),
        (lambda r: r[4].update(prove_s=None), "a proof must have prove_s, or online_s"),
        (lambda r: r[4].update(prove_ms=5), "no such field; did you mean prove_s"),
        (lambda r: r[4].update(cycles=5), "line 5, cycle_kind: cycles and cycle_kind come"),
        (lambda r: r[4].update(proof_bytes=2**70), "line 5, proof_bytes"),
        (lambda r: r[4].update(proof_bytes=1.5), "line 5, proof_bytes"),
        (lambda r: r[4].update(proof_sha256="AB"), "64 hexadecimal digits"),
        (lambda r: r[4].update(phase="cold"), 'it must be "warmup" or "measured"'),
        (
            lambda r: r[5].update(witness_s=None),
            "line 6, witness_s: some proofs",
        ),
        (lambda r: r[4].update(record="prof"), "line 5, record: it must be prover or setup"),
        (lambda r: r[4].update(record=["proof"]), "line 5, record"),
    ],
)
def test_what_breaks_the_contract_is_named_by_line_and_field(
    edit: Callable[[list[Record]], object], told: str
) -> None:
    found = records()
    edit(found)
    with pytest.raises(SitegenError, match=told):
        contract.read(lines(found))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"proving...", "line 1: it is not JSON"),
        (b"[]", "line 1: it is not a JSON object"),
        (b"null", "line 1: it is not a JSON object"),
        (b"[" * 50_000, "line 1: it is nested too deeply|not JSON"),
        (b'{"record":' * 6_000, "line 1: it is nested too deeply|not JSON"),
        (b'{"record":"end","record":"end"}', "a field is there twice"),
        (b'{"record":"prover","schema":NaN}', "NaN is not a number"),
        (b'{"record":"prover","schema":' + b"9" * 5000 + b"}", "line 1"),
        (b'{"a":"' + b"x" * contract.MAX_LINE_BYTES + b'"}', "it is longer than"),
        (b'{"record":"\xff"}', "it is not JSON"),
        (b"", "the record end is missing"),
    ],
)
def test_a_hostile_line_is_an_error(line: bytes, told: str) -> None:
    with pytest.raises(SitegenError, match=told):
        contract.read(line)


def test_an_endless_output_is_an_error() -> None:
    head = OK.splitlines()[0] + b"\n"
    control = b'{"record":"control","statement":"x","kind":"proof","accepted":false}\n'
    with pytest.raises(SitegenError, match="more than 100000 records"):
        contract.read(head + control * contract.MAX_RECORDS)
    with pytest.raises(SitegenError, match="larger than 64 MiB"):
        contract.read(b" " * (contract.MAX_BYTES + 1))


def test_several_sessions_stand_one_after_another() -> None:
    assert len(contract.read_all(OK + b"\n" + OK)) == 2
    with pytest.raises(SitegenError, match="more than one session"):
        contract.read(OK + OK)


def test_whole_numbers_may_be_printed_with_a_fraction_of_0() -> None:
    session = contract.read(change("proof", 0, size=1024.0))
    assert session.proofs[0].size == 1024
    assert isinstance(session.proofs[0].size, int)


@given(st.integers(0, len(OK)))
def test_a_cut_output_is_an_error_or_the_whole(end: int) -> None:
    try:
        session = contract.read(OK[:end])
    except SitegenError:
        return
    assert session == contract.read(OK)


@given(st.integers(0, len(OK) - 1), st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_a_session(place: int, byte: int) -> None:
    data = OK[:place] + bytes([byte]) + OK[place + 1 :]
    try:
        session = contract.read(data)
        contract.require_controls(session)
    except SitegenError:
        return
    for row in contract.measurements(session, "x"):
        check_measurement(row)
        assert row.value is not None
        assert row.value >= 0


KINDS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "string": (str,),
    "object": (dict,),
    "integer": (int, float),
    "number": (int, float),
}


def accepts(schema: dict[str, Any], value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Check what the schema file uses of JSON Schema, on its own and not through our tables."""
    if "anyOf" in schema:
        return any(accepts(each, value) for each in schema["anyOf"])
    if "oneOf" in schema:
        return [accepts(each, value) for each in schema["oneOf"]].count(True) == 1
    if "type" not in schema:
        options = schema.get("enum", [schema.get("const")])
        return any(value == each and type(value) is type(each) for each in options)
    kind = schema["type"]
    own: Any = value  # what isinstance tells mypy ends at the lambdas
    if not isinstance(value, KINDS[str(kind)]) or (isinstance(value, bool) and kind != "boolean"):
        return False
    checks: dict[str, Callable[[], bool]] = {
        "minLength": lambda: schema["minLength"] <= len(own) <= schema["maxLength"],
        "pattern": lambda: re.search(schema["pattern"], own) is not None,
        "minimum": lambda: bool(own >= schema["minimum"]),
        "maximum": lambda: bool(own <= schema["maximum"]),
        "exclusiveMinimum": lambda: bool(own > schema["exclusiveMinimum"]),
        "required": lambda: set(schema["required"]) <= set(own) <= set(schema["properties"]),
        "properties": lambda: all(
            accepts(schema["properties"][key], each)
            for key, each in own.items()
            if key in schema["properties"]
        ),
    }
    whole = kind != "integer" or not own % 1
    return whole and all(check() for name, check in checks.items() if name in schema)


def test_the_schema_file_is_the_contract() -> None:
    assert json.loads(SCHEMA.read_text()) == contract.schema()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5000),
    st.sampled_from([2**53, 2**53 + 2, 0.5, -0.5, 1e9, 2e9, 3.0]),
    st.sampled_from(["", "x", "X y", "a" * 64, "a" * 65, "0" * 64, "user", "core", "measured"]),
    st.sampled_from(["line\nbreak", "public-input", "total", "warmup", "b" * 501]),
)


@given(st.data())
def test_the_schema_and_the_reader_agree_on_every_field(data: st.DataObject) -> None:
    schema = json.loads(SCHEMA.read_text())
    name = data.draw(st.sampled_from(sorted(contract.FIELDS)))
    example = next(r for r in records() if r["record"] == name)
    field = data.draw(st.sampled_from([*contract.FIELDS[name], "unknown"]))
    record = {**example, field: data.draw(VALUES)}
    if data.draw(st.booleans()):
        record.pop(field)
    # What ties two fields together is in the reader only.
    if record.get("prove_s", 1) is None or record.get("cycles") or record.get("cycle_kind"):
        return
    if "prove_s" not in record and name == "proof":
        return
    try:
        contract.read(lines([record]) if name == "prover" else lines([records()[0], record]))
    except SitegenError as error:
        read = "the record end is missing" in str(error)
    else:
        read = True
    assert read == accepts(schema, record)
