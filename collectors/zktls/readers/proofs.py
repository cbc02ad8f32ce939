"""What all readers share: bounded text, what a user adds to it, and the rows of one proof."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from collectors.zktls import contract, quantities
from collectors.zktls.quantities import Quantity
from sitegen.collect import Count, Recorder, Settings, Size, described
from sitegen.collect import settings as language
from sitegen.errors import SitegenError
from sitegen.model import Params, Status, params

T = TypeVar("T")
Cells = Mapping[str, str]

_MOST_LINE = 2000
#: Proof mode -> the stages that its proving time spans, and the proof system.
_MODES: Mapping[str, tuple[str, str | None]] = {
    "core": ("core", "stark"),
    "compressed": ("compressed", "stark"),
    "groth16": ("wrapped", "groth16"),
    "plonk": ("wrapped", "plonk"),
}
_OTHER_MODE = ("total", None)
#: RISC Zero's names for the kinds of receipt.
_ALIASES = {"composite": "core", "succinct": "compressed"}
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DATED = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\s", re.MULTILINE | re.ASCII)

Statement = Annotated[str, described("what is proven, as in rsa-2048-verify")]
Prover = Annotated[str, described("the prover, as in sp1")]
Version = Annotated[str, described("the prover's version")]
CycleKind = Annotated[
    Literal["user", "total"], described("what the cycles count; total is with padding")
]


class Asks(Settings, frozen=True):
    """What most outputs do not say of a proof."""

    size: Annotated[Size, described("bytes of the statement that is proven")] | None = None
    threads: Annotated[Count, described("threads that the prover used")] | None = None
    proof_mode: Annotated[str, described("core, compressed, groth16 or plonk")] = ""
    prover_version: Version = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """One proof as a tool reports it; what the tool does not report is None.

    ``more`` are parameters that tell its series from others of the same statement.
    """

    statement: str
    prover: str
    proof_mode: str
    size: int | None = None
    threads: int | None = None
    execute: Quantity | None = None
    prove: Quantity | None = None
    verify: Quantity | None = None
    proof_size: int | None = None
    cycles: Mapping[str, int | None] = field(default_factory=dict)
    hash: str = ""
    status: str = Status.OK
    more: Params = ()

    @property
    def about(self) -> Params:
        """Return the parameters of its series."""
        return params(
            **dict(self.more),
            statement=self.statement,
            prover=self.prover,
            proof_system=_MODES.get(self.proof_mode, _OTHER_MODE)[1],
            proof_mode=self.proof_mode,
            size=self.size or None,
            threads=self.threads,
        )

    @property
    def scope(self) -> Params:
        """Return the parameter that says which stages the proving time spans."""
        return params(time_scope=_MODES.get(self.proof_mode, _OTHER_MODE)[0])

    def write(self, recorder: Recorder, repetition: int | None = None) -> None:
        """Write its rows; a rate is recomputed from cycles or bytes and the time."""
        each = {
            "execute_time": self.execute,
            "prove_time": self.prove,
            "verify_time": self.verify,
            "total_time": quantities.total([self.execute, self.prove]),
            "proof_size": _whole(self.proof_size),
        }
        contract.write(
            recorder.series(self.statement, self.about, status=self.status, repetition=repetition),
            self.statement,
            self.scope,
            self.size,
            {metric: [quantity] for metric, quantity in each.items() if quantity},
            {kind: [count] for kind, cycles in self.cycles.items() if (count := _whole(cycles))},
            hashed=self.hash,
            once=True,
        )


def text_of(data: bytes) -> str:
    """Return the text of an output, without the colours of a terminal."""
    return _CONTROL.sub("", data.decode("utf-8-sig", "replace"))


def head_of(data: bytes) -> str:
    """Return the beginning of an output, for telling its form."""
    return text_of(data[:200_000])


def lines_of(text: str) -> list[str]:
    """Return the lines of a log or table, of each the beginning that can matter.

    Raises SitegenError when the last is cut off: digits of "cycles: 9941" may be missing then.
    """
    lines = text.split("\n")
    if lines.pop():
        where = f"line {len(lines) + 1}"
        fix = "add an end of line if it is whole"
        raise SitegenError("the last line does not end", where=where, fix=fix)
    return [line[:_MOST_LINE].rstrip("\r") for line in lines]


def begun(text: str) -> str:
    """Return the first time that a Rust log has, or nothing."""
    match = _DATED.search(text)
    return f"{match[1]}Z" if match else ""


def first_row(data: bytes) -> set[str]:
    """Return the cells of the first line, for telling a form; never raises."""
    line = head_of(data).lstrip().partition("\n")[0]
    return {cell.strip(' "\r') for cell in line.split(",")}


def naming(*forms: set[str]) -> Callable[[bytes], bool]:
    """Return what says whether a first line names all columns of one of several forms."""
    return lambda data: any(first_row(data) >= form for form in forms)


def csv_rows(data: bytes, *forms: set[str]) -> Iterator[tuple[int, Cells]]:
    """Yield line number and cells by column.

    Raises SitegenError for a row that does not fit, and without all columns of one of ``forms``.
    """
    text = text_of(data)
    lines_of(text)
    known = first_row(data)
    if missing := min((sorted(form - known) for form in forms), key=len):
        raise SitegenError(f"it has no column {missing[0]!r}", where="line 1")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header):
            raise SitegenError("two columns have the same name", where="line 1")
        for row in reader:
            if not row or [each.strip() for each in row] == header:
                continue  # tools that append write their header again
            if len(row) != len(header):
                told = f"it has {len(row)} cells, the header has {len(header)}"
                raise SitegenError(told, where=f"line {reader.line_num}")
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise SitegenError(f"it is not CSV: {error}", where=f"line {reader.line_num}") from None


def cell(cells: Cells, column: str, parse: Callable[[str], T]) -> T:
    """Return what ``parse`` makes of a cell; its SitegenError then names the column."""
    with at(column):
        return parse(cells.get(column, ""))


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Say where it was in each SitegenError of the block."""
    try:
        yield
    except SitegenError as error:
        where = f"{place}, {error.where}" if error.where else place
        raise type(error)(error.what, where=where, fix=error.fix) from None


def label(text: str) -> str:
    """Return ``text`` as a name of a workload; raises SitegenError when nothing is left of it."""
    name = re.sub(r"[^a-z0-9._]+", "-", text.strip().lower()).replace("..", ".")
    name = name.strip("-._")[:64].strip("-._").removesuffix(".html")
    if not _LABEL.fullmatch(name):
        raise SitegenError(f"{text[:40]!r} cannot be made a name")
    return name


def answer(asks: Settings, name: str, stated: str = "") -> str:
    """Return what the output itself states of ``name``, else what the user says.

    Raises SitegenError when both do and they differ, and when neither does.
    """
    given: str = getattr(asks, name) or ""
    if given and name in ("statement", "prover", "proof_mode"):
        given = label(given)
    if name == "proof_mode":
        given = _ALIASES.get(given, given)
    known = language.agreed(name, given or None, stated or None)
    if known is None:
        raise SitegenError(
            f"the output does not say the {name.replace('_', ' ')}",
            fix=f"add --set {name}=..., {language.helps(type(asks))[name]}",
        )
    return known


def _whole(value: int | None) -> Quantity | None:
    return Quantity(float(value), str(value)) if value else None
