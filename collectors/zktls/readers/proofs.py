"""What all readers share: bounded text, what a user adds to it, and the rows of one proof."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal, TypeVar

from collectors.zktls import contract, quantities
from collectors.zktls.quantities import Quantity
from sitegen.collect import Count, Series, Settings, Size, described
from sitegen.collect import settings as language
from sitegen.collect.text import decoded
from sitegen.errors import SitegenError
from sitegen.model import Params, params

T = TypeVar("T")
Cells = Mapping[str, str]

_MOST_LINE, _MOST_NAME = 2000, 64
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


def about(asks: Settings, mode: str, **work: object) -> Params:
    """Return the parameters of the series of a proof, with what a user says of it."""
    size, threads = (getattr(asks, name, None) for name in ("size", "threads"))
    system = _MODES.get(mode, _OTHER_MODE)[1]
    facts = {"size": size, "threads": threads, "proof_system": system, "proof_mode": mode}
    return params(**facts | work)


def scope(mode: str) -> Params:
    """Return the parameter that says which stages the proving time of a mode spans."""
    return params(time_scope=_MODES.get(mode, _OTHER_MODE)[0])


def write(
    series: Series,
    times: Mapping[str, Quantity | None],
    size: int | None,
    cycles: Mapping[str, int | None],
    hashed: str = "",
) -> None:
    """Write the rows of one proof as a tool reports it; what it does not report is None.

    A rate is recomputed from cycles or bytes and the time.
    """
    total = quantities.total([times["execute_time"], times["prove_time"]])
    whole = Quantity(float(size), str(size)) if size else None
    rows = {**times, "total_time": total, "proof_size": whole}
    present = {metric: [quantity] for metric, quantity in rows.items() if quantity}
    counts = {kind: [Quantity(float(n), str(n))] for kind, n in cycles.items() if n}
    span = scope(dict(series.params)["proof_mode"])
    contract.write(series, span, present, counts, hashed=hashed, once=True)


def text_of(data: bytes) -> str:
    """Return the text of an output, without the colours of a terminal."""
    return _CONTROL.sub("", decoded(data))


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
    columns = first_row(data)
    if missing := min((sorted(form - columns) for form in forms), key=len):
        raise SitegenError(f"it has no column {missing[0]!r}", where="line 1")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header):
            raise SitegenError("two columns have the same name", where="line 1")
        for row in reader:
            if not row or [c.strip() for c in row] == header:
                continue  # tools that append write their header again
            if len(row) != len(header):
                message = f"it has {len(row)} cells, the header has {len(header)}"
                raise SitegenError(message, where=f"line {reader.line_num}")
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
    """Return ``text`` as a name of a workload; raises SitegenError when nothing is left of it.

    Of one that is too long the two ends are left and a digest: in its end it often differs most.
    """
    name = re.sub(r"[^a-z0-9._]+", "-", text.strip().lower()).replace("..", ".").strip("-._")
    if len(name) > _MOST_NAME:
        digest = hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:8]
        name = f"{name[:30]}-{name[-24:]}-{digest}"
    name = name.strip("-._").removesuffix(".html")
    if not _LABEL.fullmatch(name):
        raise SitegenError(f"{text[:40]!r} cannot be made a name")
    return name


def answer(asks: Settings, name: str, stated: str = "") -> str:
    """Return what the output itself states of ``name``, else what the user says.

    Raises SitegenError when both do and they differ, and when neither does.
    """
    typed: str = getattr(asks, name) or ""
    if typed and name in ("statement", "prover", "proof_mode"):
        typed = label(typed)
    if name == "proof_mode":
        typed = _ALIASES.get(typed, typed)
    value = language.agreed(name, typed or None, stated or None)
    if value is None:
        raise SitegenError(
            f"the output does not say the {name.replace('_', ' ')}",
            fix=f"add --set {name}=..., {language.helps(type(asks))[name]}",
        )
    return value
