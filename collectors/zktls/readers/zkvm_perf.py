"""The CSV of succinctlabs/zkvm-perf: one line a program and prover, stages apart.

Its ``speed`` is in cycles a second, over the core stage for SP1 and over core and compress for
RISC Zero: speeds are recomputed here from the cycles and a named duration, and theirs are kept
beside them. A duration of 0 is one that was not measured. An earlier version wrote the column
``priority`` second in its header and eighteenth in its rows; such rows are put right.
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
from sitegen.model import MetricDefinition, Params, ToolIdentity, params

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
_HASHED = {"sha256": "sha-256", "keccak256": "keccak-256"}
_SIZED = re.compile(r"(sha256|keccak256)-([0-9]{1,6})(kb|mb)")
_AGREE = Fraction(1, 100)


class Asks(Settings, frozen=True):
    """What a file does not say of provers that it does not know."""

    cycle_kind: proofs.CycleKind | None = None


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with every line of the file."""
    recorder = Recorder(
        tool=ToolIdentity("zkvm-perf", ""),
        definitions=_DEFINITIONS,
        natives={
            "zktls.prove_time": "core_prove_duration, and the stages after it that the mode has",
            "zktls.proof_size": "core_proof_size, compress_proof_size",
            "zktls.verify_time": "core_verify_duration, compress_verify_duration",
        },
    )
    for line, cells in proofs.csv_rows(data, _NEEDED):
        with proofs.at(f"line {line}"):
            ordered = _put_right(cells)
            if ordered is not cells:
                recorder.note(
                    "The column priority stood in another place in the header than in the rows; "
                    "the rows were read in their own order."
                )
            about = params(
                statement=proofs.label(ordered["program"]),
                prover=proofs.label(ordered["prover"]),
                proof_hash=ordered["hashfn"].strip() or None,
                shard_size=cell(ordered, "shard_size", quantities.count),
            )
            _record(recorder, ordered, about, asks)
            if not _adds_up(ordered):
                recorder.note(f"In line {line} prove_duration is not the sum of core and compress.")
    return (recorder.reading(),)


def _put_right(cells: Cells) -> Cells:
    """Return the cells under the names that they belong to."""
    names = list(cells)
    if "priority" not in cells or re.fullmatch(r"[0-9]*", cells["priority"].strip()):
        return cells
    if names[:3] != ["program", "priority", "prover"] or "overall_khz" not in names:
        raise SitegenError("its cells do not stand under their columns")
    order = [name for name in names if name != "priority"]
    order.insert(order.index("overall_khz") + 1, "priority")
    return dict(zip(order, cells.values(), strict=True))


def _record(recorder: Recorder, cells: Cells, about: Params, asks: Asks) -> None:
    """Write the rows of one line, of each mode that it has, and its own derived values."""
    pairs = dict(about)
    program, prover = pairs.pop("statement"), pairs.pop("prover")
    hashed, size = _hashed(program)
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
            more=params(**pairs),
        ).write(recorder)
    if len(recorder.measurements) == before:
        raise SitegenError("it holds no time and no proof")
    series = recorder.series(program, about)
    for column in _DERIVED:
        value = cell(cells, column, quantities.number)
        if value is not None:
            factor, unit = (1000, " kHz") if column.endswith("_khz") else (1, "")
            printed = f"{cells[column].strip()}{unit}"
            series.add(f"zkvm-perf.{column}", "value", float(value * factor), printed)


def _adds_up(cells: Cells) -> bool:
    """Say whether the total that the tool printed is the sum of its stages."""
    total = cell(cells, "prove_duration", _seconds)
    stages = quantities.total(cell(cells, stage, _seconds) for stage in _COMPRESSED)
    if total is None or stages is None:
        return True
    return abs(total.exact - stages.exact) <= _AGREE * total.exact


def _hashed(program: str) -> tuple[str, int | None]:
    """Return which hash a program computes and of how many bytes, as its name says.

    In this suite kb and mb are 1,024 and 1,048,576 bytes.
    """
    match = _SIZED.fullmatch(program)
    if match is None:
        return "", None
    return _HASHED[match[1]], int(match[2]) * (1 << 10 if match[3] == "kb" else 1 << 20)


def _seconds(text: str) -> Quantity | None:
    return quantities.duration(text, "s")


READER = Reader("zkvm-perf", "zkvm-perf CSV", proofs.naming(_NEEDED), read, Asks)
