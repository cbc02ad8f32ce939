"""The CSV of succinctlabs/zkvm-perf: one line a program and prover, stages apart.

Its ``speed`` is in cycles a second, over the core stage for SP1 and over core and compress for
RISC Zero: speeds are recomputed here from the cycles and a named duration, and theirs are kept
beside them. A duration of 0 is one that was not measured. An earlier version wrote the column
``priority`` elsewhere in its header than in its rows, which is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Cells, Proved, cell
from sitegen.collect import Reader, Reading, Recorder, Settings
from sitegen.errors import SitegenError
from sitegen.model import MetricDefinition, ToolIdentity, params

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
_NATIVES = {
    "zktls.prove_time": "core_prove_duration, and the stages after it that the mode has",
    "zktls.proof_size": "core_proof_size, compress_proof_size",
    "zktls.verify_time": "core_verify_duration, compress_verify_duration",
}
#: A program that hashes; in this suite kb and mb are 1,024 and 1,048,576 bytes.
_HASHING = re.compile(r"(sha256|keccak256)-([0-9]{1,6})(kb|mb)")
_HASHES = {"sha256": "sha-256", "keccak256": "keccak-256"}
_AGREE = Fraction(1, 100)


class Asks(Settings, frozen=True):
    """What a file does not say of provers that it does not know."""

    cycle_kind: proofs.CycleKind | None = None


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with every line of the file."""
    tool = ToolIdentity("zkvm-perf", "")
    recorder = Recorder(tool=tool, definitions=_DEFINITIONS, natives=_NATIVES)
    for line, cells in proofs.csv_rows(data, _NEEDED):
        with proofs.at(f"line {line}"):
            if not re.fullmatch("[0-9]*", cells.get("priority", "").strip()):
                raise SitegenError("its cells do not stand under their columns")
            _record(recorder, cells, asks)
            total = cell(cells, "prove_duration", _seconds)
            parts = quantities.total(cell(cells, stage, _seconds) for stage in _COMPRESSED)
            if total and parts and abs(total.exact - parts.exact) > _AGREE * total.exact:
                recorder.note(f"In line {line} prove_duration is not the sum of core and compress.")
    return (recorder.reading(),)


def _record(recorder: Recorder, cells: Cells, asks: Asks) -> None:
    """Write the rows of one line, of each mode that it has, and its own derived values."""
    program, prover = proofs.label(cells["program"]), proofs.label(cells["prover"])
    shards = cell(cells, "shard_size", quantities.count)
    more = params(proof_hash=cells["hashfn"].strip() or None, shard_size=shards)
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
        own = _PROOFS.get(mode, "")
        proof_size = cell(cells, f"{own}_proof_size", quantities.count)
        if times[-1] is None and proof_size is None:
            continue
        Proved(
            program,
            prover,
            mode,
            size,
            execute=cell(cells, "execution_duration", _seconds),
            prove=quantities.total(times),
            verify=cell(cells, f"{own}_verify_duration", _seconds),
            proof_size=proof_size,
            cycles={kind: cycles},
            hash=hashed,
            more=more,
        ).write(recorder)
    if len(recorder.measurements) == before:
        raise SitegenError("it holds no time and no proof")
    series = recorder.series(program, params(**dict(more), statement=program, prover=prover))
    for column in _DERIVED:
        if value := cell(cells, column, quantities.number):
            factor, unit = (1000, " kHz") if column.endswith("_khz") else (1, "")
            printed = f"{cells[column].strip()}{unit}"
            series.add(f"zkvm-perf.{column}", "value", float(value * factor), printed)


def _seconds(text: str) -> Quantity | None:
    return quantities.duration(text, "s")


READER = Reader("zkvm-perf", "zkvm-perf CSV", proofs.naming(_NEEDED), read, Asks)
