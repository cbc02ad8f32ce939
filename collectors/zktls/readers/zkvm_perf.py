"""The CSV of succinctlabs/zkvm-perf: one line a program and prover, stages apart.

Its ``speed`` is in cycles a second, over the core stage for SP1 and over core and compress for
RISC Zero: speeds are recomputed here from the cycles and a named duration, and theirs are kept
beside them. A duration of 0 is one that was not measured. An earlier version wrote the column
``priority`` second in its header and eighteenth in its rows; such rows are put right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Proved, Quantity
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, MetricDefinition, Params, Status, ToolIdentity, params

_NEEDED = {"program", "prover", "hashfn", "cycles", "speed", "core_prove_duration"}
#: Mode -> the durations that add up to its proving time.
_STAGES: Mapping[str, tuple[str, ...]] = {
    "core": ("core_prove_duration",),
    "compressed": ("core_prove_duration", "compress_prove_duration"),
    "groth16": (
        *("core_prove_duration", "compress_prove_duration", "shrink_prove_duration"),
        *("wrap_prove_duration", "groth16_prove_duration"),
    ),
    "plonk": (
        *("core_prove_duration", "compress_prove_duration", "shrink_prove_duration"),
        *("wrap_prove_duration", "plonk_prove_duration"),
    ),
}
_OWN = {"core": "core", "compressed": "compress"}
#: Their derived values, kept under their own names: column -> unit, factor to it.
_NATIVE = {
    "speed": ("Hz", 1),
    "core_khz": ("Hz", 1000),
    "overall_khz": ("Hz", 1000),
    "hash_bytes_per_second": ("B/s", 1),
}
_HASHED = {"sha256": "sha-256", "keccak256": "keccak-256"}
_SIZED = re.compile(r"(sha256|keccak256)-([0-9]{1,6})(kb|mb)")
_USER_CYCLES = ("sp1", "risc0")
_AGREE = Fraction(1, 100)
_T = TypeVar("_T")


def knows(data: bytes) -> bool:
    """Say whether the first line has its columns."""
    return series.first_row(data) >= _NEEDED


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run with every line of the file."""
    series.need(data, _NEEDED)
    rows: list[Measurement] = []
    notes: list[str] = []
    seen: Counter[tuple[str, Params]] = Counter()
    for line, cells in series.csv_rows(data):
        try:
            put_right = _put_right(cells)
            if put_right is not cells and not notes:
                notes.append(
                    "The column priority stood in another place in the header than in the rows; "
                    "the rows were read in their own order."
                )
            found, doubts = _line(put_right, settings, line, seen)
        except SitegenError as error:
            raise series.placed(error, f"line {line}") from None
        rows += found
        notes += doubts
    return (
        Reading(
            tuple(rows),
            tool=ToolIdentity("zkvm-perf", ""),
            definitions=_definitions(),
            natives=(
                ("zktls.prove_time core", "core_prove_duration"),
                ("zktls.prove_time compressed", "core_prove_duration + compress_prove_duration"),
                ("zktls.prove_time groth16", " + ".join(_STAGES["groth16"])),
                ("zktls.prove_time plonk", " + ".join(_STAGES["plonk"])),
                ("zktls.proof_size", "core_proof_size, compress_proof_size"),
                ("zktls.verify_time", "core_verify_duration, compress_verify_duration"),
            ),
            notes=tuple(dict.fromkeys(notes)),
        ),
    )


def _put_right(cells: dict[str, str]) -> dict[str, str]:
    """Return the cells under the names that they belong to."""
    names = list(cells)
    if "priority" not in cells or re.fullmatch(r"[0-9]*", cells["priority"].strip()):
        return cells
    if names[:3] != ["program", "priority", "prover"] or "overall_khz" not in names:
        raise SitegenError("its cells do not stand under their columns")
    order = [name for name in names if name != "priority"]
    order.insert(order.index("overall_khz") + 1, "priority")
    return dict(zip(order, cells.values(), strict=True))


def _line(
    cells: Mapping[str, str],
    settings: Mapping[str, str],
    line: int,
    seen: Counter[tuple[str, Params]],
) -> tuple[list[Measurement], list[str]]:
    program, prover = series.label(cells["program"]), series.label(cells["prover"])
    hashed, size = _hashed(program)
    more = params(
        proof_hash=cells["hashfn"].strip() or None, shard_size=_count(cells, "shard_size")
    )
    repetition = seen[(f"{program} {prover}", more)]
    seen[(f"{program} {prover}", more)] += 1
    cycles = _count(cells, "cycles")
    kind = series.cycle_kind(settings, "user" if prover in _USER_CYCLES else "") if cycles else ""
    rows: list[Measurement] = []
    for mode, stages in _STAGES.items():
        times = [_time(cells, stage) for stage in stages]
        own = _OWN.get(mode, "")
        proof_size = _count(cells, f"{own}_proof_size") if own else None
        if times[-1] is None and proof_size is None:
            continue
        proved = Proved(
            program,
            prover,
            mode,
            series.SCOPES[mode],
            size,
            execute=_time(cells, "execution_duration"),
            prove=_sum(times),
            verify=_time(cells, f"{own}_verify_duration") if own else None,
            proof_size=proof_size,
            user_cycles=cycles if kind == "user" else None,
            total_cycles=cycles if kind == "total" else None,
            hash=hashed,
            more=more,
        )
        rows += proved.rows(repetition)
    if not rows:
        raise SitegenError("it holds no time and no proof")
    base = params(**dict(more), statement=program, prover=prover)
    rows += _natives(cells, program, base, repetition)
    return rows, _doubts(cells, line)


def _natives(
    cells: Mapping[str, str], program: str, base: Params, repetition: int
) -> list[Measurement]:
    rows = []
    for column, (unit, factor) in _NATIVE.items():
        value = _named(durations.number, cells, column)
        if value is not None:
            exact = float(Fraction(repr(value)) * factor)
            rows.append(
                Measurement(
                    program,
                    f"zkvm-perf.{column}",
                    "value",
                    unit,
                    exact,
                    base,
                    repetition,
                    Status.OK,
                    f"{cells[column].strip()} kHz" if factor != 1 else cells[column].strip(),
                )
            )
    return rows


def _doubts(cells: Mapping[str, str], line: int) -> list[str]:
    """Return where a total that the tool printed is not the sum of its stages."""
    total = _time(cells, "prove_duration")
    stages = _sum([_time(cells, stage) for stage in _STAGES["compressed"]])
    if total and stages:
        said, summed = Fraction(repr(total.value)), Fraction(repr(stages.value))
        if abs(said - summed) > _AGREE * said:
            return [f"In line {line} prove_duration is not the sum of core and compress."]
    return []


def _hashed(program: str) -> tuple[str, int | None]:
    """Return which hash a program computes and of how many bytes, as its name says.

    In this suite kb and mb are 1,024 and 1,048,576 bytes.
    """
    match = _SIZED.fullmatch(program)
    if match is None:
        return "", None
    return _HASHED[match[1]], int(match[2]) * (1 << 10 if match[3] == "kb" else 1 << 20)


def _time(cells: Mapping[str, str], column: str) -> Quantity | None:
    return _named(lambda text: series.duration(text, "s"), cells, column)


def _count(cells: Mapping[str, str], column: str) -> int | None:
    return _named(durations.count, cells, column)


def _named(parse: Callable[[str], _T], cells: Mapping[str, str], column: str) -> _T:
    """Return what ``parse`` makes of a cell; its SitegenError then names the column."""
    try:
        return parse(cells.get(column, ""))
    except SitegenError as error:
        raise SitegenError(f"{column}: {error.what}") from None


def _sum(times: Sequence[Quantity | None]) -> Quantity | None:
    """Return the sum of stages; None when one of them was not measured."""
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    if len(known) == 1:
        return known[0]
    return Quantity(float(sum(Fraction(repr(time.value)) for time in known)))


def _definitions() -> tuple[MetricDefinition, ...]:
    told = {
        "speed": "Cycles a second as zkvm-perf prints it: over the core stage for SP1, over core "
        "and compress for RISC Zero.",
        "core_khz": "Cycles over the core stage, as zkvm-perf prints it.",
        "overall_khz": "Cycles over core and compress, as zkvm-perf prints it.",
        "hash_bytes_per_second": "Bytes hashed over core and compress, as zkvm-perf prints it.",
    }
    return tuple(
        MetricDefinition(f"zkvm-perf.{name}", f"{name}, as printed", _NATIVE[name][0], "none", text)
        for name, text in told.items()
    )


READER = Reader(
    "zkvm-perf",
    "zkvm-perf CSV",
    knows,
    read,
    series.asks("cycle_kind"),
)
