"""Markdown tables of proof times: a heading a prover and version, a row a machine.

The form of results that projects keep beside a guest program: under a heading such as
"## SP1 4.1 Backend", a sentence names the mode ("Generate the groth 16 proof") and a table has
cycles, CPU, cores, memory, GPU and the time of the proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from collectors.zktls import quantities
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Cells, Proved
from sitegen.collect import Reader, Reading, Recorder, described
from sitegen.errors import SitegenError
from sitegen.model import ToolIdentity, params

_HEADING = re.compile(r"#{1,6}\s+(.{1,200}?)\s*")
_PROVER = re.compile(r"(SP1|RISC ?Zero|RISC ?0)\s+v?([0-9][0-9A-Za-z.+-]{0,40})", re.IGNORECASE)
_MODE = re.compile(r"\b(groth ?16|plonk|compressed|succinct|composite|core) proof\b", re.IGNORECASE)
_FOOTNOTE = re.compile(r">?\s*([0-9]{1,2}):\s+(\S.{0,200}?)\s*")
_MARK = re.compile(r"<sup>\s*([0-9]{1,2})\s*</sup>")
_RULE = re.compile(r":?-{2,}:?")


class Asks(proofs.Asks, frozen=True):
    """What a table may not say, and which of its rows to take."""

    statement: proofs.Statement = ""
    prover: proofs.Prover = ""
    cycle_kind: proofs.CycleKind | None = None
    machine: Annotated[str, described("part of the CPU or GPU in the rows to take, as in A10")] = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a table, with the heading and the mode that stand above it."""

    line: int
    heading: str
    mode: str
    cells: Cells

    def column(self, start: str) -> str:
        """Return the whole name of a column, or nothing where there is none."""
        return next((name for name in self.cells if name.lower().startswith(start)), "")

    def get(self, start: str) -> str:
        """Return the cell whose column begins with ``start``."""
        return self.cells.get(self.column(start), "")

    @property
    def machine(self) -> str:
        """Return what tells the machine from others."""
        parts = (self.get(start) for start in ("cpu model", "core number", "gpu model"))
        return ", ".join(filter(None, (_MARK.sub("", part).strip() for part in parts)))


def knows(data: bytes) -> bool:
    """Say whether a table in it has the time of proofs."""
    return any(
        line.lstrip().startswith("|") and "proof time" in line.lower() and "cycle" in line.lower()
        for line in proofs.head_of(data).splitlines()
    )


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run a row: each is another prover, and all are of one machine.

    Raises SitegenError when the rows are of several machines and ``machine`` does not choose.
    """
    lines = proofs.lines_of(proofs.text_of(data))
    rows = [row for row in _rows(lines) if asks.machine.casefold() in row.machine.casefold()]
    machines = sorted({row.machine for row in rows})
    if len(machines) > 1:
        raise SitegenError(
            f"its rows are of {len(machines)} machines: {'; '.join(machines)[:200]}",
            fix="choose the rows of one environment with --set machine=...",
        )
    if not rows:
        raise SitegenError("no row of it is of that machine" if asks.machine else "it has no row")
    marks = (_FOOTNOTE.fullmatch(line.strip()) for line in lines)
    footnotes = {match[1]: match[2] for match in marks if match}
    readings = []
    for row in rows:
        with proofs.at(f"line {row.line}"):
            readings.append(_reading(row, footnotes, asks))
    return tuple(readings)


def _reading(row: _Row, footnotes: Mapping[str, str], asks: Asks) -> Reading:
    match = _PROVER.search(row.heading)
    named = match[1].lower().replace(" ", "").replace("risczero", "risc0") if match else ""
    prover = proofs.answer(asks, "prover", named)
    version = proofs.answer(asks, "prover_version", match[2] if match else "", needed=False)
    cycles = _cycles(row, prover, asks)
    recorder = Recorder(
        tool=ToolIdentity(prover, version),
        natives={
            "zktls.prove_time": "Proof Time",
            "zktls.peak_memory": "Max Memory",
            "zktls.cycles": row.column("cycle"),
        },
    )
    cpu = row.get("cpu model")
    mark = _MARK.search(cpu)
    gpu_memory = quantities.size(row.get("max gpu memory"))
    for name, value in (
        ("cpu", (mark and footnotes.get(mark[1])) or _MARK.sub("", cpu).strip()),
        ("cpus", row.get("core number")),
        ("gpu", row.get("gpu model")),
        ("gpu_memory_used_bytes", f"{gpu_memory.value:.0f}" if gpu_memory else ""),
    ):
        recorder.fact(name, value, f"line {row.line} of the table")
    Proved(
        proofs.answer(asks, "statement"),
        prover,
        proofs.answer(asks, "proof_mode", row.mode),
        asks.size,
        asks.threads,
        prove=quantities.duration(row.get("proof time")),
        peak_memory=quantities.size(row.get("max memory")),
        cycles=cycles,
        # Versions stand side by side in such a table: they must not become one series.
        more=params(prover_version=version or None),
    ).write(recorder)
    return recorder.reading()


def _cycles(row: _Row, prover: str, asks: Asks) -> dict[str, int | None]:
    """Return the cycles by kind: "37,758,703 / 41,943,040", or one number of a kind."""
    text = row.get("cycle")
    first, *second = map(quantities.count, text.split("/", 1))
    if second or not first or "user / total" in row.column("cycle").lower():
        counts = dict(zip(("user", "total"), (first, *second), strict=False))
        if (counts.get("total") or first or 0) < (first or 0):
            raise SitegenError(f"{text[:60]!r} has more user cycles than cycles in total")
        return counts
    return {proofs.answer(asks, "cycle_kind", "user" if prover == "sp1" else ""): first}


def _rows(lines: list[str]) -> Iterator[_Row]:
    heading, mode = "", ""
    header: list[str] = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if match := _HEADING.fullmatch(stripped):
            heading, mode, header = match[1], "", []
        elif not stripped.startswith("|"):
            header = []
            if match := _MODE.search(stripped):
                mode = proofs.mode(match[1].replace(" ", ""))
        else:
            if not stripped.endswith("|"):
                raise SitegenError("the row does not end with a |", where=f"line {number}")
            cells = [cell.strip() for cell in stripped.strip("|").split("|")]
            if not header:
                header = cells
            elif all(_RULE.fullmatch(cell) for cell in cells):
                continue
            elif any("proof time" in name.lower() for name in header):
                row = proofs.cells_of(header, cells, number)
                yield _Row(number, heading, mode, row)


READER = Reader("proof-table", "Markdown table of proof times", knows, read, Asks)
