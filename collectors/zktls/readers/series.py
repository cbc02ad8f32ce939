"""What all readers share: bounded input, the user's answers, and the rows of one proof."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from collectors.zktls import durations
from collectors.zktls.contract import HASHES, is_bulk
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Status, params

MAX_BYTES = 64 << 20
MAX_ROWS = 20_000
#: Proof mode -> the stages that its proving time spans.
SCOPES: Mapping[str, str] = {
    "core": "core",
    "compressed": "compressed",
    "groth16": "wrapped",
    "plonk": "wrapped",
}
_SYSTEMS = {"core": "stark", "compressed": "stark", "groth16": "groth16", "plonk": "plonk"}
#: RISC Zero's names for the kinds of receipt.
_MODE_ALIASES = {"composite": "core", "succinct": "compressed"}
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
ASKS: Mapping[str, str] = {
    "statement": "what is proven, as in rsa-2048-verify",
    "size": "bytes of the statement that is proven",
    "prover": "the prover, as in sp1",
    "prover_version": "its version",
    "proof_mode": "core, compressed, groth16 or plonk",
    "cycle_kind": "what the cycles count: user, or total with padding",
    "threads": "threads that the prover used",
    "prove_time": "the proving time, as in 1m32.7s",
    "machine": "part of the CPU or GPU in the rows to take, as in A10",
    "time_unit": "s or ms, in which the columns time_* are",
}


class Quantity(NamedTuple):
    """A value in its base unit, and the text that it was printed as where that has digits."""

    value: float
    printed: str | None = None


@dataclass(frozen=True, slots=True)
class Proved:
    """One proof as a tool reports it; what the tool does not report is None.

    ``more`` are parameters that tell its series from others of the same statement.
    """

    statement: str
    prover: str
    proof_mode: str
    time_scope: str
    size: int | None = None
    threads: int | None = None
    execute: Quantity | None = None
    prove: Quantity | None = None
    verify: Quantity | None = None
    proof_size: int | None = None
    peak_memory: Quantity | None = None
    user_cycles: int | None = None
    total_cycles: int | None = None
    hash: str = ""
    status: str = Status.OK
    more: Params = ()

    @property
    def where(self) -> Params:
        """Return the parameters of its series."""
        return params(
            **dict(self.more),
            statement=self.statement,
            prover=self.prover,
            proof_system=_SYSTEMS.get(self.proof_mode),
            proof_mode=self.proof_mode,
            size=self.size,
            threads=self.threads,
        )

    def rows(self, repetition: int = 0) -> list[Measurement]:
        """Return its measurements; a rate is recomputed from cycles or bytes and the time."""
        writer = _Writer(self, repetition)
        scoped = {"time_scope": self.time_scope}
        writer.add("execute_time", "s", self.execute)
        writer.add("prove_time", "s", self.prove, **scoped)
        writer.add("verify_time", "s", self.verify)
        if self.execute and self.prove:
            total = Fraction(repr(self.execute.value)) + Fraction(repr(self.prove.value))
            writer.add("total_time", "s", Quantity(float(total)), **scoped)
        writer.add("proof_size", "B", _whole(self.proof_size))
        writer.add("peak_memory", "B", self.peak_memory, statistic="max")
        for kind, cycles in (("user", self.user_cycles), ("total", self.total_cycles)):
            writer.add("cycles", "count", _whole(cycles), cycle_kind=kind)
            writer.rate("proving_speed", "Hz", cycles, cycle_kind=kind, **scoped)
        if is_bulk(self.statement):
            writer.rate("proven_throughput", "B/s", self.size, **scoped)
        hashed = self.hash or (self.statement if self.statement in HASHES else "")
        if hashed:
            writer.rate("hash_speed", "B/s", self.size, hash=hashed, **scoped)
        return writer.rows


class _Writer:
    """Collects the rows of one proof, leaving out what is absent."""

    def __init__(self, proved: Proved, repetition: int) -> None:
        self.proved = proved
        self.repetition = repetition
        self.rows: list[Measurement] = []

    def add(
        self,
        metric: str,
        unit: str,
        found: Quantity | None,
        *,
        statistic: str = "value",
        **more: str,
    ) -> None:
        if found is not None:
            self.rows.append(
                Measurement(
                    self.proved.statement,
                    f"zktls.{metric}",
                    statistic,
                    unit,
                    found.value,
                    params(**dict(self.proved.where), **more),
                    self.repetition,
                    self.proved.status,
                    found.printed,
                )
            )

    def rate(self, metric: str, unit: str, amount: int | None, **more: str) -> None:
        if amount and self.proved.prove:
            speed = float(amount / Fraction(repr(self.proved.prove.value)))
            self.add(metric, unit, Quantity(speed), **more)


def duration(text: str, unit: str = "") -> Quantity | None:
    """Return a printed duration, with its text where that is one number."""
    value = durations.seconds(text, unit)
    if value is None:
        return None
    text = text.strip()
    quoted = f"{text} {unit}" if unit and text[-1].isdigit() else text
    return Quantity(value, quoted if durations.is_decimal(text) else None)


def rust_duration(text: str) -> Quantity | None:
    """Return a duration as Rust logs it: one number and a unit up to seconds.

    Minutes it never has: "155m" is what is left of "155ms" at the end of a cut log.
    """
    if not re.fullmatch(r"[0-9][0-9.]{0,20}(?:ns|us|\u00b5s|\u03bcs|ms|s)", text):
        raise SitegenError(f"{text[:40]!r} is not a duration")
    return duration(text)


def text_of(data: bytes) -> str:
    """Return the text of an output, without the colours of a terminal; raises SitegenError."""
    if len(data) > MAX_BYTES:
        raise SitegenError(f"it is larger than {MAX_BYTES >> 20} MiB")
    return _CONTROL.sub("", data.decode("utf-8-sig", "replace"))


def lines_of(text: str) -> list[str]:
    """Return the lines of a log or table; raises SitegenError when the last is cut off.

    Of "cycles: 9941" without an end of line nobody can tell whether digits are missing.
    """
    lines = text.split("\n")
    if lines.pop():
        raise SitegenError(
            "the last line does not end",
            where=f"line {len(lines) + 1}",
            fix="add an end of line if it is whole",
        )
    return [line.rstrip("\r") for line in lines]


def head_of(data: bytes) -> str:
    """Return the beginning of an output, for telling its form; never raises."""
    return _CONTROL.sub("", data[:200_000].decode("utf-8-sig", "replace"))


def csv_rows(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells by column; raises SitegenError for a row that does not fit."""
    text = text_of(data)
    lines_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header):
            raise SitegenError("two columns have the same name", where="line 1")
        for index, row in enumerate(reader):
            if index >= MAX_ROWS:
                raise SitegenError(f"it has more than {MAX_ROWS} rows")
            if not row or [cell.strip() for cell in row] == header:
                continue  # tools that append write their header again
            if len(row) != len(header):
                raise SitegenError(
                    f"it has {len(row)} cells, the header has {len(header)}",
                    where=f"line {reader.line_num}",
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise SitegenError(f"it is not CSV: {error}", where=f"line {reader.line_num}") from None


def need(data: bytes, columns: Collection[str]) -> None:
    """Raise SitegenError when the first line does not name all of ``columns``."""
    if missing := sorted(set(columns) - first_row(data)):
        raise SitegenError(f"it has no column {missing[0]!r}", where="line 1")


def first_row(data: bytes) -> set[str]:
    """Return the cells of the first line, for telling a form; never raises."""
    line = head_of(data).lstrip().partition("\n")[0]
    return {cell.strip(' "\r') for cell in line.split(",")}


def label(text: str) -> str:
    """Return ``text`` as a name of a workload; raises SitegenError when nothing is left of it."""
    name = re.sub(r"[^a-z0-9._]+", "-", text.strip().lower()).replace("..", ".")
    name = name.strip("-._")[:64].strip("-._").removesuffix(".html")
    if not _LABEL.fullmatch(name):
        raise SitegenError(f"{text[:40]!r} cannot be made a name")
    return name


def asks(*names: str) -> dict[str, str]:
    """Return what a reader asks for, with a line of help each."""
    return {name: ASKS[name] for name in names}


def answer(settings: Mapping[str, str], name: str, said: str = "") -> str:
    """Return what the user says of ``name``, or what the output itself ``said``.

    Raises SitegenError when neither says anything, and when both do and they differ.
    """
    given = settings.get(name, "")
    if name in ("statement", "prover", "proof_mode") and given:
        given = label(given)
        given = _MODE_ALIASES.get(given, given) if name == "proof_mode" else given
    if given and said and given != said:
        raise SitegenError(f"the output says {name} {said}, not {given}", where="--set")
    if not (given or said):
        raise SitegenError(
            f"the output does not say the {name.replace('_', ' ')}",
            fix=f"add --set {name}=..., {ASKS[name]}",
        )
    return given or said


def optional(settings: Mapping[str, str], name: str, said: str = "") -> str:
    """Return as `answer` does, or nothing when nobody says anything."""
    return answer(settings, name, said) if settings.get(name) or said else ""


def whole_answer(settings: Mapping[str, str], name: str) -> int | None:
    """Return a whole number that the user gives, or None."""
    try:
        return durations.count(settings.get(name, ""))
    except SitegenError as error:
        raise SitegenError(error.what, where=f"--set {name}") from None


def cycle_kind(settings: Mapping[str, str], said: str = "") -> str:
    """Return what cycles count; raises SitegenError when it is neither user nor total."""
    kind = answer(settings, "cycle_kind", said)
    if kind not in ("user", "total"):
        raise SitegenError(f"{kind[:40]!r} is not user or total", where="--set cycle_kind")
    return kind


def placed(error: SitegenError, where: str) -> SitegenError:
    """Return ``error`` with the place in the output that it is about."""
    return type(error)(error.what, where=error.where or where, fix=error.fix)


def _whole(value: int | None) -> Quantity | None:
    return None if value is None else Quantity(float(value), str(value))
