"""Markdown tables of proof times: a heading a prover and version, a row a machine.

The form of results that projects keep beside a guest program: under a heading such as
"## SP1 4.1 Backend", a sentence names the mode ("Generate the groth 16 proof") and a table has
cycles, CPU, cores, memory, GPU and the time of the proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Proved, Quantity
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Fact, ToolIdentity, params

_HEADING = re.compile(r"#{1,6}\s+(.{1,200}?)\s*")
_PROVER = re.compile(r"(SP1|RISC ?Zero|RISC ?0)\s+v?([0-9][0-9A-Za-z.+-]{0,40})", re.IGNORECASE)
_MODE = re.compile(r"\b(groth ?16|plonk|compressed|succinct|composite|core) proof\b", re.IGNORECASE)
_FOOTNOTE = re.compile(r">?\s*([0-9]{1,2}):\s+(\S.{0,200}?)\s*")
_MARK = re.compile(r"<sup>\s*([0-9]{1,2})\s*</sup>")
_RULE = re.compile(r":?-{2,}:?")
_MOST_LINE = 2000


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a table, with what stands above it."""

    line: int
    prover: str
    version: str
    mode: str
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """Return the cell whose column begins with ``column``."""
        return next((v for k, v in self.cells.items() if k.lower().startswith(column)), "")

    @property
    def pairs(self) -> bool:
        """Say whether the column of cycles has user and total ones."""
        return any("user / total" in column.lower() for column in self.cells)


def knows(data: bytes) -> bool:
    """Say whether a table in it has the time of proofs."""
    return any(
        line.lstrip().startswith("|") and "proof time" in line.lower() and "cycle" in line.lower()
        for line in series.head_of(data).splitlines()
    )


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run a row: each is another prover, and all are of one machine.

    Raises SitegenError when the rows are of several machines and ``machine`` does not choose.
    """
    text = series.text_of(data)
    wanted = settings.get("machine", "").casefold()
    rows = [row for row in _rows(text) if wanted in _machine(row).casefold()]
    machines = sorted({_machine(row) for row in rows})
    if len(machines) > 1:
        raise SitegenError(
            f"its rows are of {len(machines)} machines: {'; '.join(machines)[:200]}",
            fix="choose the rows of one environment with --set machine=...",
        )
    if not rows:
        raise SitegenError("no row of it is of that machine" if wanted else "it has no row")
    notes = _footnotes(text)
    found = []
    for row in rows:
        try:
            found.append(_found(row, notes, settings))
        except SitegenError as error:
            raise series.placed(error, f"line {row.line}") from None
    return tuple(found)


def _found(row: _Row, footnotes: Mapping[str, str], settings: Mapping[str, str]) -> Reading:
    mode = series.answer(settings, "proof_mode", row.mode)
    prover = series.answer(settings, "prover", row.prover)
    version = series.optional(settings, "prover_version", row.version)
    user, total = durations.cycle_counts(row.get("cycle"))
    if user and not row.pairs:
        kind = series.cycle_kind(settings, "user" if prover == "sp1" else "")
        user, total = (user, None) if kind == "user" else (None, user)
    proved = Proved(
        series.answer(settings, "statement"),
        prover,
        mode,
        series.SCOPES.get(mode, "total"),
        series.whole_answer(settings, "size"),
        series.whole_answer(settings, "threads"),
        prove=series.duration(row.get("proof time")),
        peak_memory=_size(row.get("max memory")),
        user_cycles=user,
        total_cycles=total,
        # Versions stand side by side in such a table: they must not become one series.
        more=params(prover_version=version or None),
    )
    cpu = row.get("cpu model")
    mark = _MARK.search(cpu)
    facts = (
        ("cpu", (mark and footnotes.get(mark[1])) or _MARK.sub("", cpu).strip()),
        ("cpus", row.get("core number").strip()),
        ("gpu", row.get("gpu model").strip()),
        ("gpu_memory_used_bytes", str(durations.size(row.get("max gpu memory")) or "")),
    )
    return Reading(
        tuple(proved.rows()),
        tool=ToolIdentity(prover, version),
        natives=(
            ("zktls.prove_time", "Proof Time"),
            ("zktls.peak_memory", "Max Memory"),
            ("zktls.cycles", "Cycle (user / total)" if row.pairs else "Cycle"),
        ),
        facts=tuple(
            Fact(name, value, f"line {row.line} of the table") for name, value in facts if value
        ),
    )


def _rows(text: str) -> Iterator[_Row]:
    heading, mode = "", ""
    header: list[str] = []
    for number, line in enumerate(series.lines_of(text), 1):
        stripped = line[:_MOST_LINE].strip()
        if match := _HEADING.fullmatch(stripped):
            heading, mode, header = match[1], "", []
        elif not stripped.startswith("|"):
            header = []
            if match := _MODE.search(stripped):
                mode = match[1].lower().replace(" ", "")
        else:
            if not stripped.endswith("|"):
                raise SitegenError("the row does not end with a |", where=f"line {number}")
            cells = [cell.strip() for cell in stripped.strip("|").split("|")]
            if not header:
                header = cells
            elif all(_RULE.fullmatch(cell) for cell in cells):
                continue
            elif any("proof time" in name.lower() for name in header):
                yield _row(number, heading, mode, header, cells)


def _row(line: int, heading: str, mode: str, header: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(header):
        raise SitegenError(
            f"it has {len(cells)} cells, the header has {len(header)}", where=f"line {line}"
        )
    match = _PROVER.search(heading)
    prover, version = (match[1].lower().replace(" ", ""), match[2]) if match else ("", "")
    mode = {"succinct": "compressed", "composite": "core"}.get(mode, mode)
    return _Row(
        line,
        prover.replace("risczero", "risc0"),
        version,
        mode,
        dict(zip(header, cells, strict=True)),
    )


def _size(text: str) -> Quantity | None:
    found = durations.size(text)
    return None if found is None else Quantity(float(found), text.strip())


def _machine(row: _Row) -> str:
    parts = (_MARK.sub("", row.get("cpu model")), row.get("core number"), row.get("gpu model"))
    return ", ".join(part.strip() for part in parts if part.strip())


def _footnotes(text: str) -> dict[str, str]:
    found = (_FOOTNOTE.fullmatch(line[:_MOST_LINE].strip()) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


READER = Reader(
    "proof-table",
    "Markdown table of proof times",
    knows,
    read,
    series.asks(
        *("statement", "size", "prover", "prover_version"),
        *("proof_mode", "cycle_kind", "threads", "machine"),
    ),
)
