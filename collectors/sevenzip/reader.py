"""Importing what ``7z b`` printed: every table of a log, as the collector would record it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, TypeVar

from collectors.sevenzip.figures import (
    averages,
    contradictions,
    crowded,
    frequency,
    row,
    row_contradictions,
    usage_status,
)
from collectors.sevenzip.header import Header
from collectors.sevenzip.output import Other, Table, tables
from collectors.text import plain
from sitegen.collect import Reader, Reading, Recorder, Settings, described
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    Status,
    ToolIdentity,
    params,
)

_Said = TypeVar("_Said", int, str)


class Asks(Settings, frozen=True):
    """What a log that was cut off does not say."""

    threads: (
        Annotated[int, described("threads of a table whose header was cut off", ge=1, le=99_999)]
        | None
    ) = None
    version: Annotated[
        str,
        described(
            "7-Zip's version where its banner was cut off, such as '26.02 (x64)'",
            pattern=r"^\d{1,4}\.\d{1,4}[\w.() -]{0,40}$",
        ),
    ] = ""


_MAX_THREADS = 100_000
_SAME_MEMORY = 0.05
_GIB = 1024.0
#: Looked for in the bytes before anything is decoded; also as UTF-16.
_SIGNS = tuple(
    sign.encode(encoding) for sign in ("Rating", "Benchmark thr", "7-Zip")
    for encoding in ("utf-8", "utf-16-le")
)  # fmt: skip
_USAGE = re.compile(r"RAM usage:[^\n]{0,60}# Benchmark threads:")
_AVERAGE = re.compile(r"^[^\w\n]{0,80}Avr:[ \t]{1,40}\d", re.MULTILINE)
_TOTAL = re.compile(r"^[^\w\n]{0,80}Tot:[ \t]{1,40}\d", re.MULTILINE)
_HEAD = re.compile(r"\bSpeed[ \t]{1,9}Usage[ \t]{1,9}R/U[ \t]{1,9}Rating\b")
_COPYRIGHT = re.compile(r"7-Zip [^\n]{0,60}Copyright \(c\) 1999-\d{4} Igor Pavlov")
_NATIVES = {
    "7z.rating": "Rating, MIPS",
    "7z.rating_per_usage": "R/U, MIPS",
    "7z.cpu_usage": "Usage, %",
    "7z.speed": "Speed, KiB/s",
    "7z.cpu_frequency": "1T CPU Freq, MHz",
}


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds a table of ``7z b``."""
    if not any(sign in data for sign in _SIGNS):
        return False
    text = plain(data)
    if _USAGE.search(text):
        return True
    return bool(_HEAD.search(text) and _AVERAGE.search(text) and _TOTAL.search(text))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the tables in ``data``: one run for each build of 7-Zip and setting of the machine.

    Raises SitegenError where there is none, and with the line of a table that cannot be used.
    """
    text = plain(data)
    found = list(tables(text))
    whole = [table for table in found if isinstance(table, Table)]
    others = [table for table in found if isinstance(table, Other)]
    if not whole:
        raise _nothing(text, others)
    _check_machine(whole)
    builds: dict[tuple[object, ...], _Build] = {}
    iterations: dict[tuple[object, ...], int | None] = {}
    asked_version = " ".join(asks.version.split())
    for table in whole:
        version = _agreed("version", table.header.version, asked_version, table.line) or ""
        key = _key(table.header, version)
        # A table that was cut off does not tell how often 7-Zip would have gone over its rows.
        passes = table.iterations if table.compress else iterations.get(key)
        iterations[key] = passes
        build = builds.setdefault(
            (*key, passes), _Build(table.header, version, passes, Recorder(natives=_NATIVES))
        )
        threads = _agreed("threads", table.threads, asks.threads, table.line)
        build.take(table, _usable(threads, table.line))
    runs = [each for each in builds.values() if each.recorder.measurements]
    if not runs:
        raise SitegenError(
            "7-Zip was stopped before the first row of its table was done",
            where=f"line {whole[0].line}",
            fix="run `7z b` to its end",
        )
    for empty in [each for each in builds.values() if not each.recorder.measurements]:
        version = empty.version or "an unknown version"
        runs[0].recorder.note(f"7-Zip {version} was stopped before the first row of a table.")
    if others:
        runs[0].recorder.note(
            f"The table of another kind (7z b -mm) at line {others[0].line} is not read."
        )
    return tuple(each.reading() for each in runs)


READER = Reader("7z-benchmark", "7-Zip's benchmark (7z b)", knows, read, Asks)


@dataclass(slots=True)
class _Build:
    """The tables of one build of 7-Zip, as they are read."""

    header: Header
    version: str
    iterations: int | None
    recorder: Recorder

    def take(self, table: Table, threads: int) -> None:
        """Add a table: its averages, or its rows where they are all that can be used."""
        if table.compress and not table.rows:
            raise SitegenError(
                "the rows above Avr: are missing, and with them the dictionary",
                where=f"line {table.line}",
                fix="import the output as 7-Zip printed it",
            )
        recorder, line = self.recorder, f"line {table.line}"
        if crowd := crowded(table):
            recorder.doubt(Doubt.INCONSISTENT, crowd)
        if table.header.frequency_unusable:
            recorder.note(
                f"No CPU frequency: 7-Zip's clock was too coarse "
                f"({table.header.frequency_unusable})."
            )
        if table.reduced:
            recorder.note(f"Too little memory: 7-Zip reduced the dictionary to {table.reduced}.")
        wrong = list(contradictions(table))
        rows = f"threads-{threads}-rows"
        if table.compress is None or table.decompress is None:
            self._take_rows(table, threads)
            kept = "its finished rows stand by themselves" if table.rows else "without a row"
            about = rows if table.rows else ""
            recorder.doubt(Doubt.CUT_OFF, f"{line} ends before its averages; {kept}", about)
        elif table.nth and any(sentence.startswith("Avr:") for sentence in wrong):
            # Under -mmt=* they go over all the tables so far.
            self._take_rows(table, threads)
            sentence = (
                f"{line}: the averages go over tables of other thread counts, and are left out"
            )
            recorder.doubt(Doubt.INCONSISTENT, sentence, rows)
        else:
            self._take_averages(table, threads, wrong)

    def _take_averages(self, table: Table, threads: int, wrong: list[str]) -> None:
        workload = f"threads-{threads}"
        compress, decompress = table.compress, table.decompress
        assert compress is not None  # noqa: S101 - the caller looked
        assert decompress is not None  # noqa: S101 - the caller looked
        cpus = table.header.cpus or threads
        status = usage_status(threads, cpus, compress, decompress)
        if status != Status.OK:
            self.recorder.note(
                f"{workload} at line {table.line}: compression had {compress.usage} % of a CPU "
                f"and decompression {decompress.usage} %, with {cpus} CPU(s) to use."
            )
        for sentence in (*wrong, *row_contradictions(table)):
            self.recorder.doubt(Doubt.INCONSISTENT, f"line {table.line}: {sentence}", workload)
        if table.total is None:
            sentence = f"the table at line {table.line} ends before its total"
            self.recorder.doubt(Doubt.CUT_OFF, sentence, workload)
        about = params(
            threads=threads,
            dictionary=1 << table.top_bits,
            # Averages over other rows than 7-Zip's own are another workload.
            rows=None if table.iterations else table.rows_named,
            options=table.header.options or None,
        )
        series = self.recorder.series(workload, about, status=Status.SUSPECT if wrong else status)
        averages(series, table)
        frequency(series, table)

    def _take_rows(self, table: Table, threads: int) -> None:
        workload = f"threads-{threads}-rows"
        about = params(threads=threads, options=table.header.options or None)
        for sentence in row_contradictions(table):
            self.recorder.doubt(Doubt.INCONSISTENT, f"line {table.line}: {sentence}", workload)
        for each in table.rows:
            cpus = table.header.cpus or threads
            status = usage_status(threads, cpus, each.compress, each.decompress)
            if any(row_contradictions(table.only(each))):
                status = Status.SUSPECT
            row(self.recorder.series(workload, about, status=status), each)

    def reading(self) -> Reading:
        """Return what was taken as one run."""
        version, header, recorder = self.version or "unknown", self.header, self.recorder
        if not self.version:
            recorder.note("The output does not tell the version of 7-Zip.")
        recorder.tool = ToolIdentity("7-Zip", version)
        recorder.parameter("tool_version", version)
        # Newer banners name the architecture beside the version.
        bits = header.bits if "(" not in version else ""
        for name, value in (
            ("iterations", self.iterations),
            ("compiler", header.compiler),
            ("bits", bits),
            ("cpu_affinity", header.affinity),
        ):
            recorder.parameter(name, value or None, Comparability.CAVEAT)
        for name, text in (
            ("cpu", header.cpu),
            ("cpus", str(header.all_cpus or "")),
            ("memory", f"{header.memory_mb / _GIB:.1f} GiB" if header.memory_mb else ""),
            ("kernel", header.kernel),
            ("os", header.system),
            ("architecture", header.machine),
            ("virtualisation", header.hypervisor),
            ("page_size", header.page_size),
            ("huge_pages", header.huge_pages),
        ):
            recorder.fact(name, text, "7-Zip's header")
        return recorder.reading()


def _key(header: Header, version: str) -> tuple[object, ...]:
    """Return what all tables of one run have in common."""
    return (
        version,
        header.bits,
        header.compiler,
        header.kernel,
        header.system,
        header.all_cpus,
        header.affinity,
    )


def _check_machine(found: list[Table]) -> None:
    """Raise SitegenError when the tables come from two machines."""
    for name in ("cpu", "memory_mb"):
        first: Table | None = None
        for table in found:
            ours = getattr(table.header, name)
            if not ours:
                continue
            first = first or table
            known = getattr(first.header, name)
            if ours == known or (name != "cpu" and abs(ours / known - 1) < _SAME_MEMORY):
                continue
            unit = "" if name == "cpu" else " MB of memory"
            raise SitegenError(
                f"holds tables of two machines: {known}{unit} (line {first.line}) and {ours}{unit}",
                where=f"line {table.line}",
                fix="import the part of each machine by itself, under its own --env",
            )


def _nothing(text: str, others: list[Other]) -> SitegenError:
    if others:
        return SitegenError(
            "holds a table of methods or checksums (7z b -mm), which is not read",
            where=f"line {others[0].line}",
            fix="run `7z b` without -mm",
        )
    if _COPYRIGHT.search(text):
        return SitegenError(
            "is 7-Zip's output, and there is no benchmark in it", fix="run `7z b` and import that"
        )
    return SitegenError("holds no table of 7-Zip's benchmark", fix="import what `7z b` printed")


def _agreed(name: str, said: _Said | None, asked: _Said | None, line: int) -> _Said | None:
    """Return what the file says, else the user; raises SitegenError where both differ."""
    if said in {None, ""}:
        return asked
    if asked and said != asked:
        raise SitegenError(
            f"the output says {name} {said}, not {asked}",
            where=f"line {line}",
            fix=f"leave --set {name} out",
        )
    return said


def _usable(threads: int | None, line: int) -> int:
    if threads is None or not 0 < threads <= _MAX_THREADS:
        told = "does not say its threads" if threads is None else f"has {threads} threads"
        raise SitegenError(f"the table {told}", where=f"line {line}", fix="add --set threads=N")
    return threads
