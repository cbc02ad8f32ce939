"""What benchmark suites of zkVMs write: zkvm-perf's CSV and zkevm-benchmark-workload's JSON.

succinctlabs/zkvm-perf writes one line a program and prover, stages apart. Its ``speed`` is in
cycles a second, over the core stage for SP1 and over core and compress for RISC Zero: speeds are
recomputed here from the cycles and a named duration, and theirs are kept beside them. A duration
of 0 is one that was not measured. An earlier version wrote the column ``priority`` elsewhere in
its header than in its rows, which is refused.

zkevm-benchmark-workload writes one object a case: ``proving``, ``verification`` and ``execution``
hold either ``success`` or ``crashed``; several cases may be given as one list or one a line. Which
prover it was stands in the folder's name only. What was only executed has no proof: its time and
cycles stand under the mode ``execution``, and no mode is asked for. Regions are parts of the
program and may lie in one another: each is held against the whole, and their sum is not.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

from msgspec import Meta, Struct

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Cells, cell
from sitegen.collect import Reader, Reading, Recorder, Settings, decode
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    MetricDefinition,
    Status,
    ToolIdentity,
    check_time,
    params,
)

_NEEDED = {"program", "prover", "hashfn", "cycles", "speed", "core_prove_duration"}
_COMPRESSED = ("core_prove_duration", "compress_prove_duration")
_WRAPPED = (*_COMPRESSED, "shrink_prove_duration", "wrap_prove_duration")
#: Mode -> the durations that add up to its proving time.
_STAGES: Mapping[str, tuple[str, ...]] = {
    "core": ("core_prove_duration",),
    "compressed": _COMPRESSED,
    "groth16": (*_WRAPPED, "groth16_prove_duration"),
    "plonk": (*_WRAPPED, "plonk_prove_duration"),
}
#: The modes whose proofs have a size and a verification, by how their columns begin.
_PROOFS = {"core": "core", "compressed": "compress"}
#: Their derived values, kept under their own names: column -> unit, meaning.
_DERIVED = {
    "speed": ("Hz", "Cycles over the core stage for SP1, over core and compress for RISC Zero"),
    "core_khz": ("Hz", "Cycles over the core stage"),
    "overall_khz": ("Hz", "Cycles over core and compress"),
    "hash_bytes_per_second": ("B/s", "Bytes hashed over core and compress"),
}
_DEFINITIONS = tuple(
    MetricDefinition(
        f"zkvm-perf.{name}", f"{name}, as printed", unit, "none", f"{meaning}, as it prints them."
    )
    for name, (unit, meaning) in _DERIVED.items()
)
_PERF_NATIVES = {
    "zktls.prove_time": "core_prove_duration, and the stages after it that the mode has",
    "zktls.proof_size": "core_proof_size, compress_proof_size",
    "zktls.verify_time": "core_verify_duration, compress_verify_duration",
}
#: A program that hashes; in this suite kb and mb are 1,024 and 1,048,576 bytes.
_HASHING = re.compile(r"(sha256|keccak256)-([0-9]{1,6})(kb|mb)")
_HASHES = {"sha256": "sha-256", "keccak256": "keccak-256"}
_AGREE = Fraction(1, 100)


class PerfAsks(Settings, frozen=True):
    """What a file does not say of provers that it does not know."""

    cycle_kind: proofs.CycleKind | None = None


def read_perf(data: bytes, asks: PerfAsks) -> tuple[Reading, ...]:
    """Return one run with every line of the file."""
    tool = ToolIdentity("zkvm-perf", "")
    recorder = Recorder(tool=tool, definitions=_DEFINITIONS, natives=_PERF_NATIVES)
    for line, cells in proofs.csv_rows(data, _NEEDED):
        with proofs.at(f"line {line}"):
            if not re.fullmatch("[0-9]*", cells.get("priority", "").strip()):
                raise SitegenError("its cells do not stand under their columns")
            _line(recorder, cells, asks)
            total = cell(cells, "prove_duration", _seconds)
            parts = quantities.total(cell(cells, stage, _seconds) for stage in _COMPRESSED)
            if total and parts and abs(total.exact - parts.exact) > _AGREE * total.exact:
                recorder.note(f"In line {line} prove_duration is not the sum of core and compress.")
    return (recorder.reading(),)


def _line(recorder: Recorder, cells: Cells, asks: PerfAsks) -> None:
    """Write the rows of one line, of each mode that it has, and its own derived values."""
    program, prover = proofs.label(cells["program"]), proofs.label(cells["prover"])
    shards = cell(cells, "shard_size", quantities.count)
    more = {"proof_hash": cells["hashfn"].strip() or None, "shard_size": shards}
    hashed, size = "", None
    if match := _HASHING.fullmatch(program):
        hashed = _HASHES[match[1]]
        size = int(match[2]) * (1 << 10 if match[3] == "kb" else 1 << 20)
    cycles = cell(cells, "cycles", quantities.count)
    stated = "user" if prover in ("sp1", "risc0") else ""
    kind = proofs.answer(asks, "cycle_kind", stated) if cycles else ""
    before = len(recorder.measurements)
    for mode, stages in _STAGES.items():
        times = [cell(cells, stage, _seconds) for stage in stages]
        prefix = _PROOFS.get(mode, "")
        proof_size = cell(cells, f"{prefix}_proof_size", quantities.count)
        if times[-1] is None and proof_size is None:
            continue
        durations = {
            "execute_time": cell(cells, "execution_duration", _seconds),
            "prove_time": quantities.total(times),
            "verify_time": cell(cells, f"{prefix}_verify_duration", _seconds),
        }
        work = {**more, "statement": program, "prover": prover, "size": size}
        series = recorder.series(program, proofs.about(asks, mode, **work))
        proofs.write(series, durations, proof_size, {kind: cycles}, hashed)
    if len(recorder.measurements) == before:
        raise SitegenError("it holds no time and no proof")
    series = recorder.series(program, params(**more, statement=program, prover=prover))
    for column in _DERIVED:
        if value := cell(cells, column, quantities.number):
            factor, unit = (1000, " kHz") if column.endswith("_khz") else (1, "")
            printed = f"{cells[column].strip()}{unit}"
            series.add(f"zkvm-perf.{column}", "value", float(value * factor), printed)


def _seconds(text: str) -> Quantity | None:
    return quantities.duration(text, "s")


_MOST_REASON, _EXECUTION = 160, "execution"
_CASE_NATIVES = {
    "zktls.prove_time": "proving.success.proving_time_ms",
    "zktls.verify_time": "verification_time_ms of proving or verification",
    "zktls.proof_size": "proving.success.proof_size",
    "zktls.execute_time": "execution.success.execution_duration",
    "zktls.cycles": "execution.success.total_num_cycles",
}
_Whole = Annotated[int, Meta(ge=0, le=2**53)]
#: Kept as it is printed: a whole number has digits that a page can quote.
_Milliseconds = Annotated[int, Meta(ge=0, le=10**12)] | Annotated[float, Meta(ge=0, le=1e12)]


class CaseAsks(proofs.Asks, frozen=True):
    """What a case does not say."""

    prover: proofs.Prover = ""
    cycle_kind: proofs.CycleKind | None = None


class _Duration(Struct, frozen=True, forbid_unknown_fields=True):
    secs: Annotated[int, Meta(ge=0, le=10**9)]
    nanos: Annotated[int, Meta(ge=0, lt=10**9)]

    @property
    def quantity(self) -> Quantity | None:
        seconds = self.secs + Fraction(self.nanos, 10**9)
        return Quantity(float(seconds)) if seconds else None


class _Success(Struct, frozen=True):
    """What came of proving (sizes and milliseconds) or of execution."""

    output_matched: bool | None = None
    proof_size: _Whole | None = None
    proving_time_ms: _Milliseconds | None = None
    verification_time_ms: _Milliseconds | None = None
    total_num_cycles: _Whole | None = None
    region_cycles: dict[str, _Whole] = {}
    execution_duration: _Duration | None = None


class _Crash(Struct, frozen=True):
    reason: str = ""


class _Outcome(Struct, frozen=True, forbid_unknown_fields=True):
    success: _Success | None = None
    crashed: _Crash | None = None

    def __post_init__(self) -> None:
        if (self.success is None) == (self.crashed is None):
            raise ValueError("it is neither a success nor crashed")


class _Case(Struct, frozen=True):
    name: str
    timestamp_completed: str = ""
    metadata: Any = None
    proving: _Outcome | None = None
    verification: _Outcome | None = None
    execution: _Outcome | None = None


def knows_cases(data: bytes) -> bool:
    """Say whether it begins as such an object or a list of them does."""
    head = proofs.head_of(data).lstrip()
    actions = ('"proving"', '"verification"', '"execution"')
    case = '"name"' in head and any(action in head for action in actions)
    return head[:1] in ("{", "[") and case and ('"success"' in head or '"crashed"' in head)


def read_cases(data: bytes, asks: CaseAsks) -> tuple[Reading, ...]:
    """Return one run with every case; one that crashed is a failed row."""
    tool = ToolIdentity(proofs.answer(asks, "prover"), asks.prover_version)
    recorder = Recorder(tool=tool, natives=_CASE_NATIVES)
    dates = []
    for number, case in enumerate(decode.documents(data, _Case), 1):
        with proofs.at(f"case {number}"):
            _case(recorder, case, asks)
        if case.timestamp_completed.endswith("Z"):
            with contextlib.suppress(SitegenError):
                dates.append(check_time(f"{case.timestamp_completed[:19]}Z"))
    recorder.started_at = min(dates, default="")
    return (recorder.reading(),)


def _case(recorder: Recorder, case: _Case, asks: CaseAsks) -> None:
    name = proofs.label(case.name)
    proven = (case.proving and case.proving.success) or _Success()
    checked = (case.verification and case.verification.success) or _Success()
    executed = (case.execution and case.execution.success) or _Success()
    cycles = executed.total_num_cycles
    kind = proofs.answer(asks, "cycle_kind") if cycles else ""
    wrong = False in (proven.output_matched, executed.output_matched)
    if wrong:
        # It proved something, and not what the case says.
        recorder.note(f"{name}: the output is not the expected one.")
    if not (case.proving or case.verification or case.execution):
        raise SitegenError("it was neither proven nor executed")
    regions = executed.region_cycles.values()
    if cycles and max(regions, default=0) > cycles:
        sentence = f"a region has more cycles than the {cycles:,} of the whole program"
        recorder.doubt(Doubt.INCONSISTENT, sentence, name)
    prover, mode = proofs.answer(asks, "prover"), _EXECUTION
    if case.proving or case.verification:
        mode = proofs.answer(asks, "proof_mode")
    times = {
        "execute_time": (executed.execution_duration or _Duration(0, 0)).quantity,
        "prove_time": _milliseconds(proven.proving_time_ms),
        "verify_time": _milliseconds(proven.verification_time_ms or checked.verification_time_ms),
    }
    about = proofs.about(asks, mode, statement=name, prover=prover)
    status = Status.SUSPECT if wrong else Status.OK
    series = recorder.series(name, about, status=status)
    proofs.write(series, times, proven.proof_size or checked.proof_size, {kind: cycles})
    cases = (
        (case.proving, "prove_time", proofs.scope(mode)),
        (case.verification, "verify_time", ()),
        (case.execution, "execute_time", ()),
    )
    for outcome, metric, scope in cases:
        if outcome and outcome.crashed:
            series.failed(f"zktls.{metric}", about=scope)
            text = "".join(c if c.isprintable() else " " for c in outcome.crashed.reason)
            reason = " ".join(text[:_MOST_REASON].split()) or "no reason is given"
            recorder.note(f"{name} crashed: {reason}.")
    gas = case.metadata.get("block_used_gas") if isinstance(case.metadata, dict) else None
    if isinstance(gas, int) and not isinstance(gas, bool):
        recorder.parameter(f"block_used_gas.{name}", gas, Comparability.IGNORED)


def _milliseconds(value: float | None) -> Quantity | None:
    if not value:
        return None
    printed = f"{value} ms" if isinstance(value, int) else None
    return Quantity(float(Fraction(str(value)) / 1000), printed)


_CASES = "zkevm-benchmark-workload"
PERF = Reader("zkvm-perf", "zkvm-perf CSV", proofs.naming(_NEEDED), read_perf, PerfAsks)
CASES = Reader(_CASES, f"{_CASES} JSON", knows_cases, read_cases, CaseAsks)
