"""The contract of a prover: JSON lines on its standard output, version 1.

A command says which prover it is, what it set up, one line a proof, one line a negative
control, and that it is done. `docs/bring-your-own-prover.md` explains it to whoever writes such a
command, and `docs/prover-contract.schema.json` is the JSON Schema of a line, from these types.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from sitegen.collect import Recorder, Series, decode
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Params, ToolIdentity, params

MAX_BYTES = 64 << 20
MAX_LINE_BYTES = 64 << 10
MAX_RECORDS = 100_000
#: Statements that are a hash: only with these is a byte proven a byte hashed.
HASHES = frozenset(
    {"sha-1", "sha-256", "sha-384", "sha-512", "sha3-256", "sha3-512", "keccak-256"}
    | {"blake2b", "blake2s", "blake3", "poseidon", "poseidon2", "mimc", "pedersen"}
)
#: Endings of statements about one thing, however long: bytes a second would say nothing of them.
_NOT_BULK = ("-verify", "-verification", "-sign")
_MOST = 2**53  # beyond it a float64 no longer tells whole numbers apart

Label = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Prose = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Count = Annotated[int, Meta(ge=0, le=_MOST)]
Amount = Annotated[int, Meta(ge=1, le=_MOST)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
CpuSeconds = Annotated[float, Meta(ge=0, le=1e9)]  # shorter than the clock's tick is 0
Kind = Literal["public-input", "proof", "other-statement"]
#: What a run must have tried, and the verifier refused, for its numbers to mean anything.
CONTROLS: tuple[str, ...] = get_args(Kind)


class _Line(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="record"
):
    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            text = getattr(self, name)
            if isinstance(text, str) and not text.isprintable():
                raise ValueError(f"{name} holds a character that cannot be printed")


class Prover(_Line, frozen=True, tag="prover"):
    """Which prover speaks, and what it proves with.

    ``hash`` is the hash function of the proof system, not of the statement. ``security_bits``
    is what its authors state; ``security_note`` says under which assumptions, or that they
    state nothing. ``dev_mode`` is true when its proofs are fake.
    """

    schema: Literal[1]
    prover: Label
    prover_version: Version
    proof_system: Label
    proof_mode: Label
    dev_mode: bool
    threads: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None
    program_sha256: Digest | None = None
    field: Prose | None = None
    hash: Prose | None = None
    security_bits: Annotated[int, Meta(ge=1, le=4096)] | None = None
    security_note: Prose | None = None
    precompiles: Prose | None = None


class Setup(_Line, frozen=True, tag="setup"):
    """What was prepared for a statement of ``size`` bytes; never part of a proof's time.

    ``cached`` says that it was not done now: its times are those of when it was.
    """

    statement: Label
    size: Count
    cached: bool
    compile_s: Seconds | None = None
    setup_s: Seconds | None = None
    constraints: Amount | None = None
    key_sha256: Digest | None = None


class Proof(_Line, frozen=True, tag="proof"):
    """One proof of a statement about ``size`` bytes, with what each stage of it took.

    ``proof_bytes`` is the length of the artefact itself; what the prover says of it goes to
    ``reported_proof_bytes``. ``time_scope`` says which stages ``prove_s`` spans. The last six
    are for interactive protocols, which have traffic instead of a proof. Either ``prove_s`` or
    ``online_s`` is there, and ``cycles`` come with their ``cycle_kind``.
    """

    phase: Literal["warmup", "measured"]
    statement: Label
    size: Count
    index: Count
    time_scope: Literal["core", "compressed", "wrapped", "total"]
    verified: bool | None = None
    execute_s: Seconds | None = None
    witness_s: Seconds | None = None
    witness_cpu_s: CpuSeconds | None = None
    prove_s: Seconds | None = None
    prove_cpu_s: CpuSeconds | None = None
    verify_s: Seconds | None = None
    verify_cpu_s: CpuSeconds | None = None
    proof_bytes: Amount | None = None
    reported_proof_bytes: Amount | None = None
    proof_sha256: Digest | None = None
    input_sha256: Digest | None = None
    cycles: Amount | None = None
    cycle_kind: Literal["user", "total"] | None = None
    peak_memory_bytes: Amount | None = None
    online_s: Seconds | None = None
    offline_s: Seconds | None = None
    bytes_sent: Count | None = None
    bytes_received: Count | None = None
    bandwidth_bits_per_s: Amount | None = None
    latency_s: CpuSeconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prove_s is None and self.online_s is None:
            raise ValueError("a proof must have prove_s, or online_s where it is interactive")
        if (self.cycles is None) != (self.cycle_kind is None):
            raise ValueError("cycles and cycle_kind come together")

    @property
    def name(self) -> str:
        """Return how an error calls it."""
        return f"{self.phase} proof {self.index} of {self.statement}, {self.size} bytes"

    @property
    def series(self) -> tuple[object, ...]:
        """Return what the proofs of one series have in common."""
        work = (self.statement, self.size, self.time_scope, self.cycle_kind)
        return (*work, self.bandwidth_bits_per_s, self.latency_s)

    @property
    def total_s(self) -> float | None:
        """Return the time from input to proof: execute, witness and prove, set-up left out.

        None when neither execution nor witness is known apart: ``prove_s`` alone is not it.
        """
        before = _values([self], "execute_s") + _values([self], "witness_s")
        time = quantities.total([*before, *_values([self], "prove_s")])
        return time.value if time and before and self.prove_s is not None else None


class Control(_Line, frozen=True, tag="control"):
    """One attempt to have something wrong accepted, and whether the verifier took it."""

    statement: Label
    kind: Kind
    accepted: bool
    detail: Prose | None = None


class End(_Line, frozen=True, tag="end"):
    """Nothing more: without it the prover did not finish."""


Record = Prover | Setup | Proof | Control | End
RECORD: Any = Record  # what a type checker takes for no type


class Session(Struct, frozen=True):
    """All that one execution of a prover printed."""

    prover: Prover
    setups: tuple[Setup, ...]
    proofs: tuple[Proof, ...]
    controls: tuple[Control, ...]

    @property
    def measured(self) -> tuple[Proof, ...]:
        """Return the proofs that count: warm-ups are not among them."""
        return tuple(proof for proof in self.proofs if proof.phase == "measured")

    @property
    def series(self) -> Iterable[list[Proof]]:
        """Return the measured proofs of each series, in the order in which the series begin."""
        groups: dict[tuple[object, ...], list[Proof]] = defaultdict(list)
        for proof in self.measured:
            groups[proof.series].append(proof)
        return groups.values()


def read(stdout: bytes) -> Session:
    """Return the one session that a prover printed; raises SitegenError as `read_all` does."""
    first, *others = read_all(stdout)
    if others:
        raise _broken("there is more than one session")
    return first


def read_all(data: bytes) -> tuple[Session, ...]:
    """Return the sessions in ``data``, one or more, each from `prover` to `end`.

    Raises SitegenError with the line and the field that do not keep to the contract, also when
    the line ``end`` is missing: the prover did not finish.
    """
    if len(data) > MAX_BYTES:
        raise _broken(f"it is larger than {MAX_BYTES >> 20} MiB")
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if len(lines) > MAX_RECORDS:
        raise _broken(f"there are more than {MAX_RECORDS} records")
    sessions: list[Session] = []
    records: list[Any] = []
    for number, line in lines:
        record = _record(line, number)
        if isinstance(record, Prover) == bool(records):
            reason = "a second prover before" if records else "the record prover is not before"
            raise _broken(f"{reason} this line", number)
        records.append(record)
        if isinstance(record, End):
            sessions.append(_session(records))
            records = []
    if records or not sessions:
        raise _broken("the record end is missing: the prover did not finish")
    return tuple(sessions)


def _record(line: bytes, number: int) -> Record:
    if len(line) > MAX_LINE_BYTES:
        raise _broken(f"it is longer than {MAX_LINE_BYTES} bytes", number)
    try:
        # By hand first: a field that is there twice is an error, and 3.0 is a whole number,
        # because some languages print no other.
        fields = json.loads(line.decode(), object_pairs_hook=_once, parse_float=_number)
        record: Record = decode.convert(fields, RECORD)
    except SitegenError as error:
        raise _broken(error.what, number, error.where.replace("$.", ", ")) from error
    except (ValueError, RecursionError) as error:
        raise _broken(f"it is not JSON: {getattr(error, 'msg', error)}"[:200], number) from error
    return record


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _broken(message: str, line: int = 0, field: str = "") -> SitegenError:
    where = "the prover's output" + (f", line {line}{field}" if line else "")
    return SitegenError(message, where=where, fix="see docs/bring-your-own-prover.md")


def _session(records: list[Any]) -> Session:
    """Return a session; raises SitegenError for a line that contradicts another."""
    prover, *others = records
    setups = tuple(record for record in others if isinstance(record, Setup))
    proofs = tuple(record for record in others if isinstance(record, Proof))
    controls = tuple(record for record in others if isinstance(record, Control))
    session = Session(prover, setups, proofs, controls)
    names: list[tuple[str, object]] = [(proof.name, proof.series) for proof in proofs]
    names += [(f"the setup of {setup.statement}, {setup.size} bytes", None) for setup in setups]
    for name, _ in (pair for pair, times in Counter(names).items() if times > 1):
        raise _broken(f"{name}, is there twice")
    for series in session.series:
        for field in _FIELDS.values():
            if 0 < sum(getattr(proof, field) is None for proof in series) < len(series):
                about = f"{series[0].statement}, {series[0].size} bytes"
                raise _broken(f"some proofs of {about}, have {field} and others do not")
    return session


_TIMES = (
    *("execute_s", "witness_s", "witness_cpu_s", "prove_s", "prove_cpu_s"),
    *("verify_s", "verify_cpu_s", "total_s", "online_s", "offline_s"),
)
_AMOUNTS = ("proof_size", "bytes_sent", "bytes_received", "cycles")
#: Metric -> the field that it is of. All measured proofs of a statement must have it, or none: a
#: mean over some of them would not be the mean of what is listed beside it.
_FIELDS = {
    **{f"{field.removesuffix('_s')}_time": field for field in _TIMES},
    **{metric: metric.replace("proof_size", "proof_bytes") for metric in _AMOUNTS},
}
#: What these say depends on which stages are timed.
_SCOPED = frozenset({"prove_time", "prove_cpu_time", "total_time"})


def tool(session: Session) -> ToolIdentity:
    """Return the program that proved."""
    return ToolIdentity(session.prover.prover, session.prover.prover_version)


def record(recorder: Recorder, session: Session, workload: Callable[[str], str]) -> None:
    """Write what the measured proofs of a session amount to, and its settings.

    Warm-ups are left out. ``workload`` names that of a statement.
    """
    settings(recorder, session)
    for proofs in session.series:
        first = proofs[0]
        series = recorder.series(workload(first.statement), _about(session.prover, first))
        by_metric = {metric: _values(proofs, field) for metric, field in _FIELDS.items()}
        cycles = {str(first.cycle_kind): by_metric.pop("cycles")}
        write(series, params(time_scope=first.time_scope), by_metric, cycles)
        peaks = (peak.value for peak in _values(proofs, "peak_memory_bytes"))
        series.add("zktls.peak_memory", "max", max(peaks, default=None))
    for setup in session.setups:
        series = recorder.series(workload(setup.statement), _about(session.prover, setup))
        # What an earlier run took stands in a series of its own.
        timed = params(cached=str(setup.cached).lower())
        series.add("zktls.compile_time", "value", setup.compile_s, about=timed)
        series.add("zktls.setup_time", "value", setup.setup_s, about=timed)
        series.add("zktls.constraints", "value", setup.constraints and float(setup.constraints))
    _samples(recorder, session, workload)


def write(  # noqa: PLR0913 - all that a proof is
    series: Series,
    scope: Params,
    by_metric: Mapping[str, Sequence[Quantity]],
    cycles: Mapping[str, Sequence[Quantity]],
    *,
    hashed: str = "",
    once: bool = False,
) -> None:
    """Write what the proofs of one series took; ``by_metric`` has a quantity a proof.

    A time is the mean, the least and the most, or the one value that a tool gives where ``once``.
    A rate is an amount over the proving time (mean: all of it over all the time), so it never
    contradicts the time beside it; bytes a second say nothing of a signature, which is verified
    once, however long it is. A size is one value, or its range where it differs between the
    proofs. ``cycles`` are by what they count.
    """
    about = dict(series.params)
    statement, size = about["statement"], about.get("size")
    seconds = by_metric.get("prove_time", ())
    rows: list[tuple[str, Sequence[Quantity], Sequence[Quantity], Params]] = [
        (metric, amounts, (), scope if metric in _SCOPED else ())
        for metric, amounts in by_metric.items()
    ]
    for kind, counts in cycles.items():
        counted = params(cycle_kind=kind)
        rows.append(("cycles", counts, (), counted))
        if seconds:
            rows.append(("proving_speed", counts, seconds, (*scope, *counted)))
    if size and seconds and not statement.endswith(_NOT_BULK):
        sizes = [Quantity(float(size))] * len(seconds)
        rows.append(("proven_throughput", sizes, seconds, scope))
        if hashed := hashed or (statement if statement in HASHES else ""):
            rows.append(("hash_speed", sizes, seconds, (*scope, ("hash", hashed))))
    for name, amounts, times, more in rows:
        metric, parts = f"zktls.{name}", [amount.exact for amount in amounts]
        over = [time.exact for time in times] or [Fraction(1)] * len(parts)
        values = [part / time for part, time in zip(parts, over, strict=True)] if parts else []
        if len(set(values)) == 1 and (once or name in _AMOUNTS):
            printed = None if times else amounts[0].printed
            series.add(metric, "value", float(values[0]), printed, about=more)
        elif any(values):
            spread = {"mean": sum(parts) / sum(over), "min": min(values), "max": max(values)}
            for statistic, value in spread.items():
                series.add(metric, statistic, float(value), about=more)


def _samples(recorder: Recorder, session: Session, workload: Callable[[str], str]) -> None:
    """Write one point a measured proof: its proving time, or its time online.

    Its x are the seconds that the proofs before it took, warm-ups included: the contract has
    no clock, so what else the prover did in between is not in it.
    """
    elapsed: dict[str, Fraction] = defaultdict(Fraction)
    for proof in session.proofs:
        name, about = workload(proof.statement), _about(session.prover, proof)
        scoped = params(**dict(about), time_scope=proof.time_scope)
        for metric, pairs in (("prove", scoped), ("online", about)):
            value = getattr(proof, f"{metric}_s")
            if value is not None and proof.phase == "measured":
                points = [(float(elapsed[name]), value)]
                recorder.series(name, pairs).points("request", f"zktls.{metric}_time", points)
        for field in ("execute_s", "witness_s", "prove_s", "verify_s", "online_s", "offline_s"):
            elapsed[name] += sum(quantity.exact for quantity in _values([proof], field))


def settings(recorder: Recorder, session: Session) -> None:
    """Write the settings of a session that its series do not carry themselves.

    Two runs are compared only where program, security and inputs are the same: the size and the
    time of a proof depend on the content of what is proven.
    """
    prover, ignored = session.prover, Comparability.IGNORED
    recorder.parameter("prover_version", prover.prover_version, Comparability.CAVEAT)
    for name in ("program_sha256", "field", "security_bits", "precompiles"):
        recorder.parameter(name, getattr(prover, name))
    recorder.parameter("proof_hash", prover.hash)
    recorder.parameter("security_note", prover.security_note, ignored)
    for proofs in session.series:
        first = proofs[0]
        suffix = f".{first.statement}.{first.size}"
        must = Comparability.MUST_MATCH
        kinds = {"input_sha256": must, "proof_sha256": ignored, "reported_proof_bytes": ignored}
        for field, kind in kinds.items():
            values = {getattr(proof, field) for proof in proofs}
            value = values.pop() if len(values) == 1 else "differs"
            recorder.parameter(f"{field}{suffix}", value, kind)
        warmups = sum(
            proof.phase == "warmup" and proof.series == first.series for proof in session.proofs
        )
        recorder.parameter(f"proofs{suffix}", f"{len(proofs)} after {warmups} warm-up", ignored)
    for setup in session.setups:
        suffix = f".{setup.statement}.{setup.size}"
        recorder.parameter(f"key_sha256{suffix}", setup.key_sha256, ignored)


def _about(prover: Prover, work: Proof | Setup) -> Params:
    return params(
        statement=work.statement,
        size=work.size,
        prover=prover.prover,
        proof_system=prover.proof_system,
        proof_mode=prover.proof_mode,
        threads=prover.threads,
        bandwidth_bits_per_s=getattr(work, "bandwidth_bits_per_s", None),
        latency_s=getattr(work, "latency_s", None),
    )


def _values(proofs: Iterable[Proof], field: str) -> list[Quantity]:
    values = (getattr(proof, field) for proof in proofs)
    return [Quantity(float(value)) for value in values if value is not None]
