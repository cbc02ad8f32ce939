"""The contract of a prover: JSON lines on its standard output, version 1.

A command says which prover it is, what it set up, one line a proof, one line a negative
control, and that it is done. `contract.schema.json` is the same contract as a JSON Schema, and
`docs/bring-your-own-prover.md` explains it to whoever writes such a command.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, NoReturn

from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, Params, Sample, params

SCHEMA = 1
MAX_BYTES = 64 << 20
MAX_LINE_BYTES = 64 << 10
MAX_RECORDS = 100_000
#: What a run must have tried, and the verifier refused, for its numbers to mean anything.
CONTROLS = ("public-input", "proof", "other-statement")
TIME_SCOPES = ("core", "compressed", "wrapped", "total")
#: Statements that are a hash: only with these is a byte proven a byte hashed.
HASHES = frozenset(
    {"sha-1", "sha-256", "sha-384", "sha-512", "sha3-256", "sha3-512", "keccak-256"}
    | {"blake2b", "blake2s", "blake3", "poseidon", "poseidon2", "mimc", "pedersen"}
)
#: Endings of statements about one thing, however long: bytes a second would say nothing of them.
_NOT_BULK = ("-verify", "-verification", "-sign")
_MOST = 2**53  # beyond it a float64 no longer tells whole numbers apart
_LONGEST_S = 1e9
_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
_SHA256 = r"[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Prover:
    """Which prover speaks, and what it proves with.

    ``hash`` is the hash function of the proof system, not of the statement. ``security_bits``
    is what its authors state; ``security_note`` says under which assumptions, or that they
    state nothing. ``dev_mode`` is true when its proofs are fake.
    """

    prover: str
    prover_version: str
    proof_system: str
    proof_mode: str
    dev_mode: bool
    threads: int | None = None
    program_sha256: str | None = None
    field: str | None = None
    hash: str | None = None
    security_bits: int | None = None
    security_note: str | None = None
    precompiles: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What was prepared for a statement of ``size`` bytes; never part of a proof's time.

    ``cached`` says that it was not done now: its times are those of when it was.
    """

    statement: str
    size: int
    cached: bool
    compile_s: float | None = None
    setup_s: float | None = None
    constraints: int | None = None
    key_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof of a statement about ``size`` bytes, with what each stage of it took.

    ``proof_bytes`` is the length of the artefact itself; what the prover says of it goes to
    ``reported_proof_bytes``. ``time_scope`` says which stages ``prove_s`` spans. The last six
    are for interactive protocols, which have traffic instead of a proof.
    """

    phase: str
    statement: str
    size: int
    index: int
    time_scope: str
    verified: bool | None = None
    execute_s: float | None = None
    witness_s: float | None = None
    witness_cpu_s: float | None = None
    prove_s: float | None = None
    prove_cpu_s: float | None = None
    verify_s: float | None = None
    verify_cpu_s: float | None = None
    proof_bytes: int | None = None
    reported_proof_bytes: int | None = None
    proof_sha256: str | None = None
    input_sha256: str | None = None
    cycles: int | None = None
    cycle_kind: str | None = None
    peak_memory_bytes: int | None = None
    online_s: float | None = None
    offline_s: float | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    bandwidth_bits_per_s: int | None = None
    latency_s: float | None = None

    @property
    def total_s(self) -> float | None:
        """Return the time from input to proof: execute, witness and prove, set-up left out.

        None when neither execution nor witness is known apart: ``prove_s`` alone is not it.
        """
        before = [self.execute_s, self.witness_s]
        if self.prove_s is None or before == [None, None]:
            return None
        return float(sum(_exact(part) for part in (*before, self.prove_s) if part is not None))


@dataclass(frozen=True, slots=True)
class Control:
    """One attempt to have something wrong accepted, and whether the verifier took it."""

    statement: str
    kind: str
    accepted: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """All that one execution of a prover said."""

    prover: Prover
    setups: tuple[Setup, ...]
    proofs: tuple[Proof, ...]
    controls: tuple[Control, ...]

    @property
    def measured(self) -> tuple[Proof, ...]:
        """Return the proofs that count: warm-ups are not among them."""
        return tuple(proof for proof in self.proofs if proof.phase == "measured")

    @property
    def statements(self) -> tuple[str, ...]:
        """Return the statements proven, in the order in which they first are."""
        return tuple(dict.fromkeys(proof.statement for proof in self.proofs))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field may hold: its JSON Schema, and a check that raises ValueError in words."""

    schema: Mapping[str, object]
    check: Callable[[object], object]


def _whole(least: int, most: int = _MOST) -> _Kind:
    def check(value: object) -> object:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        # 3.0 is whole: some languages print no other number.
        if not fits or not least <= float(str(value)) <= most or float(str(value)) % 1:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(float(str(value)))

    return _Kind({"type": "integer", "minimum": least, "maximum": most}, check)


def _seconds(*, above_zero: bool) -> _Kind:
    least = "exclusiveMinimum" if above_zero else "minimum"

    def check(value: object) -> object:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not 0 <= float(str(value)) <= _LONGEST_S or (above_zero and not value):
            raise ValueError("seconds, above 0" if above_zero else "seconds, 0 or more")
        return float(str(value))

    return _Kind({"type": "number", least: 0, "maximum": _LONGEST_S}, check)


def _text(pattern: str, told: str, *, most: int = 64) -> _Kind:
    def check(value: object) -> object:
        fits = isinstance(value, str) and 0 < len(value) <= most and value.isprintable()
        if not fits or not re.fullmatch(pattern, str(value)):
            raise ValueError(told)
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": most, "pattern": f"^{pattern}$"}
    return _Kind(schema, check)


def _one_of(*values: object) -> _Kind:
    def check(value: object) -> object:
        if not any(value == each and type(value) is type(each) for each in values):
            raise ValueError(" or ".join(json.dumps(each) for each in values))
        return value

    return _Kind({"enum": list(values)}, check)


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - the caller tells what was wanted
    return value


_FLAG = _Kind({"type": "boolean"}, _flag)
_LABEL = _text(_NAME, "lower-case letters, digits, '.', '_' and '-', 64 at most")
_DIGEST = _text(_SHA256, "64 hexadecimal digits in lower case")
_PROSE = _text(r"[^\x00-\x1f\x7f]+", "printable text, 500 characters at most", most=500)
_TIME = _seconds(above_zero=True)
_CPU_TIME = _seconds(above_zero=False)  # shorter than the clock's tick is 0
_BYTES = _whole(1)
_COUNT = _whole(0)

#: Record -> field -> what it may hold. A field is required where the dataclass has no default.
FIELDS: Mapping[str, Mapping[str, _Kind]] = {
    "prover": {
        "schema": _one_of(SCHEMA),
        "prover": _LABEL,
        "prover_version": _text(r"[^\x00-\x1f\x7f]+", "printable text, 64 characters at most"),
        "proof_system": _LABEL,
        "proof_mode": _LABEL,
        "dev_mode": _FLAG,
        "threads": _whole(1, 1 << 20),
        "program_sha256": _DIGEST,
        "field": _PROSE,
        "hash": _PROSE,
        "security_bits": _whole(1, 4096),
        "security_note": _PROSE,
        "precompiles": _PROSE,
    },
    "setup": {
        "statement": _LABEL,
        "size": _COUNT,
        "cached": _FLAG,
        "compile_s": _TIME,
        "setup_s": _TIME,
        "constraints": _whole(1),
        "key_sha256": _DIGEST,
    },
    "proof": {
        "phase": _one_of("warmup", "measured"),
        "statement": _LABEL,
        "size": _COUNT,
        "index": _COUNT,
        "time_scope": _one_of(*TIME_SCOPES),
        "verified": _FLAG,
        "execute_s": _TIME,
        "witness_s": _TIME,
        "witness_cpu_s": _CPU_TIME,
        "prove_s": _TIME,
        "prove_cpu_s": _CPU_TIME,
        "verify_s": _TIME,
        "verify_cpu_s": _CPU_TIME,
        "proof_bytes": _BYTES,
        "reported_proof_bytes": _BYTES,
        "proof_sha256": _DIGEST,
        "input_sha256": _DIGEST,
        "cycles": _whole(1),
        "cycle_kind": _one_of("user", "total"),
        "peak_memory_bytes": _BYTES,
        "online_s": _TIME,
        "offline_s": _TIME,
        "bytes_sent": _COUNT,
        "bytes_received": _COUNT,
        "bandwidth_bits_per_s": _whole(1),
        "latency_s": _CPU_TIME,
    },
    "control": {
        "statement": _LABEL,
        "kind": _one_of(*CONTROLS),
        "accepted": _FLAG,
        "detail": _PROSE,
    },
    "end": {},
}
_TYPES: Mapping[str, type] = {
    "prover": Prover,
    "setup": Setup,
    "proof": Proof,
    "control": Control,
}


def required(record: str) -> tuple[str, ...]:
    """Return the fields that a record must have; each other one may be null or left out."""
    if record == "end":
        return ()
    needed = [each.name for each in fields(_TYPES[record]) if each.default is not None]
    return ("schema", *needed) if record == "prover" else tuple(needed)


def schema() -> dict[str, object]:
    """Return the JSON Schema of one line, as `contract.schema.json` holds it."""

    def shape(record: str) -> dict[str, object]:
        needed = required(record)
        properties: dict[str, object] = {"record": {"const": record}}
        for name, kind in FIELDS[record].items():
            own = dict(kind.schema)
            properties[name] = own if name in needed else {"anyOf": [own, {"type": "null"}]}
        return {
            "type": "object",
            "properties": properties,
            "required": ["record", *needed],
            "additionalProperties": False,
        }

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of a prover's output, contract version 1",
        "oneOf": [shape(record) for record in FIELDS],
    }


def read(stdout: bytes) -> Session:
    """Return the one session that a prover printed.

    Raises SitegenError with the line and the field that do not keep to the contract, also when
    the line ``end`` is missing: the prover did not finish.
    """
    sessions = read_all(stdout)
    if len(sessions) > 1:
        raise SitegenError("there is more than one session", where="the prover's output")
    return sessions[0]


def read_all(data: bytes) -> tuple[Session, ...]:
    """Return the sessions in ``data``, one or more, each from `prover` to `end`.

    Raises SitegenError as `read` does.
    """
    if len(data) > MAX_BYTES:
        raise SitegenError(
            f"it is larger than {MAX_BYTES >> 20} MiB",
            where="the prover's output",
            fix="print records only, and everything else to standard error",
        )
    sessions: list[Session] = []
    open_: _Building | None = None
    records = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        records += 1
        if records > MAX_RECORDS:
            _fail(number, "", f"there are more than {MAX_RECORDS} records")
        record, found = _record(number, line)
        if record == "prover":
            if open_ is not None:
                _fail(number, "record", "a second prover before the line end")
            open_ = _Building(found)
        elif open_ is None:
            _fail(number, "record", "the first line is not the record prover")
        elif record == "end":
            sessions.append(open_.session())
            open_ = None
        else:
            open_.add(number, found)
    if open_ is not None or not sessions:
        raise SitegenError(
            "the record end is missing: the prover did not finish",
            where="the prover's output",
            fix='print {"record":"end"} last',
        )
    return tuple(sessions)


def _record(number: int, line: bytes) -> tuple[str, Any]:
    """Return the name of a line's record and the record, checked."""
    if len(line) > MAX_LINE_BYTES:
        _fail(number, "", f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        found = json.loads(
            line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except RecursionError:
        _fail(number, "", "it is nested too deeply")
    except ValueError as error:
        told = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        _fail(number, "", f"it is not JSON: {told}"[:200])
    if not isinstance(found, dict):
        _fail(number, "", "it is not a JSON object")
    name = found.pop("record", None)
    if not isinstance(name, str) or name not in FIELDS:
        _fail(number, "record", f"it must be {_listed(FIELDS)}, not {_told(name)}")
    _check(number, name, found)
    if name == "prover":
        del found["schema"]
    return name, _TYPES[name](**found) if name in _TYPES else None


def _check(number: int, record: str, found: dict[str, object]) -> None:
    """Check a record's fields, and replace each value by what its kind makes of it."""
    kinds = FIELDS[record]
    needed = required(record)
    if missing := [name for name in needed if name not in found]:
        _fail(number, missing[0], f"the record {record} must have it")
    for name, value in found.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            _fail(number, name[:40], f"the record {record} has no such field{meant}")
        if value is None and name not in needed:
            continue
        try:
            found[name] = kinds[name].check(value)
        except ValueError as error:
            _fail(number, name, f"it must be {error}, not {_told(value)}")
    if record == "proof":
        _check_proof(number, found)


def _check_proof(number: int, found: Mapping[str, object]) -> None:
    if found.get("prove_s") is None and found.get("online_s") is None:
        _fail(number, "prove_s", "a proof must have prove_s, or online_s where it is interactive")
    if (found.get("cycles") is None) != (found.get("cycle_kind") is None):
        _fail(number, "cycle_kind", "cycles and cycle_kind come together")


class _Building:
    """A session of which not all lines are read yet."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover
        self.records: list[Setup | Proof | Control] = []
        self.seen: set[tuple[object, ...]] = set()
        self.shapes: dict[tuple[object, ...], frozenset[str]] = {}

    def add(self, number: int, record: Setup | Proof | Control) -> None:
        """Take one more record; raises SitegenError when it contradicts an earlier one."""
        if isinstance(record, Proof):
            group = _group(record)
            key: tuple[object, ...] = ("proof", record.phase, record.index, *group)
            shape = frozenset(name for name in _EVEN if getattr(record, name) is not None)
            if record.phase == "measured" and self.shapes.setdefault(group, shape) != shape:
                [name, *_] = sorted(self.shapes[group] ^ shape)
                _fail(number, name, "some proofs of this statement have it and others do not")
        elif isinstance(record, Setup):
            key = ("setup", record.statement, record.size)
        else:
            key = ()
        if key and key in self.seen:
            _fail(number, "index" if key[0] == "proof" else "statement", "it is there twice")
        self.seen.add(key)
        self.records.append(record)

    def session(self) -> Session:
        """Return the whole session."""
        return Session(
            self.prover,
            tuple(each for each in self.records if isinstance(each, Setup)),
            tuple(each for each in self.records if isinstance(each, Proof)),
            tuple(each for each in self.records if isinstance(each, Control)),
        )


def require_controls(session: Session) -> None:
    """Raise Refused unless the verifier is known to refuse what is wrong.

    For each statement proven, each kind of CONTROLS must have been tried and refused, every
    proof must have been verified, and no proof may be fake. A verification key of which one
    control looks healthy may still accept another (see the method note), so none is optional.
    """
    who = session.prover.prover
    if session.prover.dev_mode:
        raise Refused("its proofs are fake (dev_mode)", where=who, fix="turn that mode off")
    if not session.measured:
        raise Refused("it made no measured proof", where=who)
    for proof in session.proofs:
        if proof.verified is not True:
            said = "was not accepted" if proof.verified is False else "was not checked"
            raise Refused(
                f"proof {proof.index} of {proof.statement}, {proof.size} bytes, {said} "
                "by the verifier",
                where=who,
            )
    for control in session.controls:
        if control.accepted:
            raise Refused(
                f"the verifier accepted something wrong: control {control.kind} of "
                f"{control.statement}",
                where=who,
                fix="no number of this prover means anything until it refuses that",
            )
    tried = {(control.statement, control.kind) for control in session.controls}
    for statement in session.statements:
        for kind in CONTROLS:
            if (statement, kind) not in tried:
                raise Refused(
                    f"the control {kind} of {statement} is missing",
                    where=who,
                    fix=f"try each of {', '.join(CONTROLS)} for each statement",
                )


#: Fields of a proof that all measured proofs of a statement must have, or none: a mean over
#: some of them would not be the mean of what is listed beside it.
_EVEN = (
    *("execute_s", "witness_s", "witness_cpu_s", "prove_s", "prove_cpu_s"),
    *("verify_s", "verify_cpu_s", "proof_bytes", "cycles", "online_s", "offline_s"),
    *("bytes_sent", "bytes_received"),
)
#: Field -> metric, unit, and whether what it measures depends on which stages are timed.
_MEANS = (
    ("execute_s", "execute_time", "s", False),
    ("witness_s", "witness_time", "s", False),
    ("witness_cpu_s", "witness_cpu_time", "s", False),
    ("prove_s", "prove_time", "s", True),
    ("prove_cpu_s", "prove_cpu_time", "s", True),
    ("verify_s", "verify_time", "s", False),
    ("verify_cpu_s", "verify_cpu_time", "s", False),
    ("total_s", "total_time", "s", True),
    ("online_s", "online_time", "s", False),
    ("offline_s", "offline_time", "s", False),
)
_BYTE_COUNTS = (
    ("proof_bytes", "proof_size"),
    ("bytes_sent", "bytes_sent"),
    ("bytes_received", "bytes_received"),
)


def by_statement(session: Session) -> tuple[Session, ...]:
    """Return the session of each statement proven: for who makes each a workload of its own."""
    return tuple(
        Session(
            session.prover,
            tuple(each for each in session.setups if each.statement == statement),
            tuple(each for each in session.proofs if each.statement == statement),
            tuple(each for each in session.controls if each.statement == statement),
        )
        for statement in session.statements
    )


def is_bulk(statement: str) -> bool:
    """Say whether more bytes are more work: a signature is verified once, however long it is."""
    return not statement.endswith(_NOT_BULK)


def reading(session: Session, workload: str) -> Reading:
    """Return the measurements and the samples of a session."""
    return Reading(measurements(session, workload), samples(session, workload))


def measurements(session: Session, workload: str) -> tuple[Measurement, ...]:
    """Return what the measured proofs of a session amount to; warm-ups are left out.

    A time is the mean, the least and the most over the proofs of one statement and size. A rate
    is an amount over such a time (mean: all of it over all the time), so it never contradicts
    the time beside it. A size is one value, or its range where it differs between the proofs.
    """
    rows: list[Measurement] = []
    for group in _groups(session.measured):
        rows += _of_proofs(session.prover, group, workload)
    for setup in session.setups:
        rows += _of_setup(session.prover, setup, workload)
    return tuple(rows)


def samples(session: Session, workload: str) -> tuple[Sample, ...]:
    """Return one point a measured proof: its proving time, or its time online.

    ``x`` are the seconds that the proofs before it took, warm-ups included: the contract has
    no clock, so what else the prover did in between is not in it.
    """
    found: list[Sample] = []
    elapsed = Fraction(0)
    for proof in session.proofs:
        if proof.phase == "measured":
            where = _params(session.prover, proof)
            for value, metric, scoped in (
                (proof.prove_s, "zktls.prove_time", True),
                (proof.online_s, "zktls.online_time", False),
            ):
                if value is not None:
                    own = _with(where, time_scope=proof.time_scope if scoped else None)
                    x = float(elapsed)
                    found.append(Sample(workload, 0, "request", metric, x, value, own))
        spent = (
            *(proof.execute_s, proof.witness_s, proof.prove_s, proof.verify_s),
            *(proof.online_s, proof.offline_s),
        )
        elapsed += sum((_exact(part) for part in spent if part is not None), Fraction(0))
    return tuple(found)


def parameters(session: Session) -> tuple[Parameter, ...]:
    """Return the settings of a session that its series do not carry themselves.

    Two runs are compared only where program, security and inputs are the same: the size and the
    time of a proof depend on the content of what is proven.
    """
    prover = session.prover
    must, caveat, ignored = (
        Comparability.MUST_MATCH,
        Comparability.CAVEAT,
        Comparability.IGNORED,
    )
    found: list[tuple[str, object, Comparability]] = [
        ("prover_version", prover.prover_version, caveat),
        ("program_sha256", prover.program_sha256, must),
        ("field", prover.field, must),
        ("proof_hash", prover.hash, must),
        ("security_bits", prover.security_bits, must),
        ("security_note", prover.security_note, ignored),
        ("precompiles", prover.precompiles, must),
    ]
    for group in _groups(session.measured):
        suffix = f".{group[0].statement}.{group[0].size}"
        inputs = {proof.input_sha256 for proof in group}
        proofs = {proof.proof_sha256 for proof in group}
        found.append((f"input_sha256{suffix}", _only(inputs), must))
        found.append((f"proof_sha256{suffix}", _only(proofs), ignored))
        said = {proof.reported_proof_bytes for proof in group}
        found.append((f"reported_proof_bytes{suffix}", _only(said), ignored))
        warmups = sum(
            proof.phase == "warmup" and _group(proof) == _group(group[0])
            for proof in session.proofs
        )
        found.append((f"proofs{suffix}", f"{len(group)} after {warmups} warm-up", ignored))
    for setup in session.setups:
        suffix = f".{setup.statement}.{setup.size}"
        found.append((f"key_sha256{suffix}", setup.key_sha256, ignored))
    # One statement and size may have been proven in several scopes: say it once.
    told = {name: (str(value), kind) for name, value, kind in found if value is not None}
    return tuple(Parameter(name, value, kind) for name, (value, kind) in told.items())


def _of_proofs(prover: Prover, group: Sequence[Proof], workload: str) -> list[Measurement]:
    first = group[0]
    where = _params(prover, first)
    scoped = _with(where, time_scope=first.time_scope)
    rows: list[Measurement] = []

    for field, metric, unit, in_scope in _MEANS:
        if (spread := _spread(_values(group, field))) and spread["mean"]:
            rows += _rows(workload, metric, unit, scoped if in_scope else where, spread)
    for field, metric in _BYTE_COUNTS:
        if spread := _spread(_values(group, field)):
            same = spread["min"] == spread["max"]
            rows += _rows(
                workload, metric, "B", where, {"value": spread["mean"]} if same else spread
            )
    if peaks := _values(group, "peak_memory_bytes"):
        rows += _rows(workload, "peak_memory", "B", where, {"max": max(peaks)})
    cycles = _spread(_values(group, "cycles"))
    if cycles:
        counted = _with(where, cycle_kind=first.cycle_kind)
        same = cycles["min"] == cycles["max"]
        rows += _rows(
            workload, "cycles", "count", counted, {"value": cycles["mean"]} if same else cycles
        )
    return [*rows, *_of_rates(prover, group, workload)]


def _of_rates(prover: Prover, group: Sequence[Proof], workload: str) -> list[Measurement]:
    first = group[0]
    scoped = _with(_params(prover, first), time_scope=first.time_scope)
    times, cycles = _values(group, "prove_s"), _values(group, "cycles")
    rows: list[Measurement] = []

    if times and first.size and is_bulk(first.statement):
        speed = _rates([Fraction(first.size)] * len(times), times)
        rows += _rows(workload, "proven_throughput", "B/s", scoped, speed)
        if first.statement in HASHES:
            rows += _rows(workload, "hash_speed", "B/s", _with(scoped, hash=first.statement), speed)
    if times and cycles:
        own = _with(scoped, cycle_kind=first.cycle_kind)
        rows += _rows(workload, "proving_speed", "Hz", own, _rates(cycles, times))
    return rows


def _rows(
    workload: str, metric: str, unit: str, own: Params, values: Mapping[str, Fraction]
) -> list[Measurement]:
    return [
        Measurement(workload, f"zktls.{metric}", statistic, unit, float(value), own)
        for statistic, value in values.items()
    ]


def _of_setup(prover: Prover, setup: Setup, workload: str) -> list[Measurement]:
    where = params(
        statement=setup.statement,
        size=setup.size,
        prover=prover.prover,
        proof_system=prover.proof_system,
        proof_mode=prover.proof_mode,
        threads=prover.threads,
    )
    # What an earlier run took stands in a series of its own.
    timed = _with(where, cached=str(setup.cached).lower())
    found = (
        ("compile_time", "s", setup.compile_s, timed),
        ("setup_time", "s", setup.setup_s, timed),
        ("constraints", "count", setup.constraints, where),
    )
    return [
        Measurement(workload, f"zktls.{metric}", "value", unit, float(value), own)
        for metric, unit, value, own in found
        if value is not None
    ]


def _params(prover: Prover, proof: Proof) -> Params:
    return params(
        statement=proof.statement,
        size=proof.size,
        prover=prover.prover,
        proof_system=prover.proof_system,
        proof_mode=prover.proof_mode,
        threads=prover.threads,
        bandwidth_bits_per_s=proof.bandwidth_bits_per_s,
        latency_s=proof.latency_s,
    )


def _with(where: Params, **more: object) -> Params:
    return params(**dict(where), **more)


def _group(proof: Proof) -> tuple[object, ...]:
    return (
        *(proof.statement, proof.size, proof.time_scope, proof.cycle_kind),
        *(proof.bandwidth_bits_per_s, proof.latency_s),
    )


def _groups(proofs: Iterable[Proof]) -> list[list[Proof]]:
    """Return the proofs of each series, in the order in which the series begin."""
    groups: dict[tuple[object, ...], list[Proof]] = defaultdict(list)
    for proof in proofs:
        groups[_group(proof)].append(proof)
    return list(groups.values())


def _values(group: Iterable[Proof], field: str) -> list[Fraction]:
    found = (getattr(proof, field) for proof in group)
    return [_exact(value) for value in found if value is not None]


def _spread(values: Sequence[Fraction]) -> dict[str, Fraction]:
    """Return mean, min and max of ``values``; nothing of none."""
    if not values:
        return {}
    total = sum(values, Fraction(0))
    return {"mean": total / len(values), "min": min(values), "max": max(values)}


def _rates(amounts: Sequence[Fraction], times: Sequence[Fraction]) -> dict[str, Fraction]:
    """Return all the amount over all the time, and the least and the most of one proof."""
    each = [amount / time for amount, time in zip(amounts, times, strict=True)]
    total = sum(amounts, Fraction(0)) / sum(times, Fraction(0))
    return {"mean": total, "min": min(each), "max": max(each)}


def _only(values: set[Any]) -> object:
    """Return the one value, "differs" where there are several, None where there is none."""
    if values <= {None}:
        return None
    return next(iter(values)) if len(values) == 1 else "differs"


def _exact(value: float) -> Fraction:
    """Return the decimal number that was printed: 0.1 and 0.2 are 0.3 together."""
    return Fraction(repr(value))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _listed(names: Iterable[str]) -> str:
    return " or ".join(names)


def _told(value: object) -> str:
    try:
        return repr(value)[:40]
    except (ValueError, RecursionError):
        return "what it is"


def _fail(line: int, field: str, what: str) -> NoReturn:
    place = f"the prover's output, line {line}" + (f", {field}" if field else "")
    raise SitegenError(what, where=place, fix="see docs/bring-your-own-prover.md")
