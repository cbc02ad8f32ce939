"""Importing what ``7z b`` printed: every table of a log, as the collector would record it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from collectors.sevenzip.figures import (
    contradictions,
    crowded,
    frequency,
    measurements,
    row_contradictions,
    row_measurements,
    usage_status,
)
from collectors.sevenzip.header import Header
from collectors.sevenzip.output import Other, Table, tables
from collectors.text import plain
from sitegen.collect import Found, Reader
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    Fact,
    Measurement,
    Parameter,
    Params,
    Status,
    ToolIdentity,
    params,
)

_Said = TypeVar("_Said", int, str)

ASKS = {
    "threads": "threads of a table whose header was cut off",
    "version": "7-Zip's version where its banner was cut off, such as '26.02 (x64)'",
}
_SOURCE = "7-Zip's header"
_MAX_THREADS = 100_000
_SAME_MEMORY = 0.05
_TOLD = 3
_GIB = 1024.0
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}[\w.() -]{0,40}")
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
_ARCHIVE_WORK = re.compile(
    r"^(?:Everything is Ok|Archives? with Errors|Listing archive)", re.MULTILINE
)
_NATIVES = (
    ("7z.rating", "Rating, MIPS"),
    ("7z.rating_per_usage", "R/U, MIPS"),
    ("7z.cpu_usage", "Usage, %"),
    ("7z.speed", "Speed, KiB/s"),
    ("7z.cpu_frequency", "1T CPU Freq, MHz"),
)


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds a table of ``7z b``, or is 7-Zip's about an archive.

    The latter, and tables of methods, are known to be refused by name.
    """
    if not any(sign in data for sign in _SIGNS):
        return False
    text = plain(data)
    if _USAGE.search(text):
        return True
    if _HEAD.search(text) and _AVERAGE.search(text) and _TOTAL.search(text):
        return True
    about_archive = _COPYRIGHT.search(text[:500]) and _ARCHIVE_WORK.search(text[-2000:])
    return bool(about_archive)


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Found, ...]:
    """Return the tables in ``data``: one run for each build of 7-Zip and setting of the machine.

    Raises SitegenError where there is none, and with the line of a table that cannot be used.
    """
    text = plain(data)
    found = list(tables(text))
    whole = [table for table in found if isinstance(table, Table)]
    others = [table for table in found if isinstance(table, Other)]
    if not whole:
        raise _nothing(text, others)
    asked_threads, asked_version = _asked(settings)
    _check_machine(whole)
    collections: dict[tuple[object, ...], _Collection] = {}
    iterations: dict[tuple[object, ...], int | None] = {}
    for table in whole:
        version = _agreed("version", table.header.version, asked_version, table.line) or ""
        build = _build(table.header, version)
        # A table that was cut off does not tell how often 7-Zip would have gone over its rows.
        passes = table.iterations if table.compress else iterations.get(build)
        iterations[build] = passes
        collection = collections.setdefault(
            (*build, passes), _Collection(table.header, version, passes)
        )
        threads = _agreed("threads", table.threads, asked_threads, table.line)
        collection.take(table, _usable(threads, table.line))
    runs = [each for each in collections.values() if each.rows]
    if not runs:
        raise SitegenError(
            "7-Zip was stopped before the first row of its table was done",
            where=f"line {whole[0].line}",
            fix="run `7z b` to its end",
        )
    for empty in [each for each in collections.values() if not each.rows]:
        runs[0].notes += [told for sentences in empty.doubts.values() for told in sentences]
    if others:
        runs[0].notes.append(
            f"The table of another kind (7z b -mm) at line {others[0].line} is not read."
        )
    return tuple(each.found() for each in runs)


READER = Reader("7z-benchmark", "7-Zip's benchmark (7z b)", knows, read, ASKS)


@dataclass(slots=True)
class _Collection:
    """The tables of one run, as they are found."""

    header: Header
    version: str
    iterations: int | None
    rows: list[Measurement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: Counter[tuple[str, Params]] = field(default_factory=Counter)
    doubts: defaultdict[tuple[Doubt, str], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def take(self, table: Table, threads: int) -> None:
        """Add a table: its averages, or its rows where they are all that can be used."""
        if table.compress and not table.rows:
            raise SitegenError(
                "the rows above Avr: are missing, and with them the dictionary",
                where=f"line {table.line}",
                fix="import the output as 7-Zip printed it",
            )
        if told := crowded(table):
            self._doubt(Doubt.INCONSISTENT, "", told)
        if table.header.frequency_unusable:
            self._note(
                f"No CPU frequency: 7-Zip's clock was too coarse "
                f"({table.header.frequency_unusable})."
            )
        if table.reduced:
            self._note(f"Too little memory: 7-Zip reduced the dictionary to {table.reduced}.")
        wrong = list(contradictions(table))
        if table.compress is None or table.decompress is None:
            self._take_rows(table, threads)
            told = f"The table at line {table.line} ends before its averages"
            kept = "its finished rows stand by themselves" if table.rows else "without a row"
            about = f"threads-{threads}-rows" if table.rows else ""
            self._doubt(Doubt.CUT_OFF, about, f"{told}; {kept}.")
        elif table.nth and any(sentence.startswith("Avr:") for sentence in wrong):
            # Under -mmt=* they go over all the tables so far.
            self._take_rows(table, threads)
            self._doubt(
                Doubt.INCONSISTENT,
                f"threads-{threads}-rows",
                f"The averages at line {table.line} go over tables of other thread counts and "
                "are left out; the rows stand by themselves.",
            )
        else:
            self._take_averages(table, threads, wrong)

    def _take_averages(self, table: Table, threads: int, wrong: list[str]) -> None:
        workload = f"threads-{threads}"
        where = params(
            threads=threads,
            dictionary=1 << table.top_bits,
            # Averages over other rows than 7-Zip's own are another workload.
            rows=None if table.iterations else table.rows_named,
            options=table.header.options or None,
        )
        compress, decompress = table.compress, table.decompress
        assert compress is not None  # noqa: S101 - the caller looked
        assert decompress is not None  # noqa: S101 - the caller looked
        cpus = table.header.cpus or threads
        status = usage_status(threads, cpus, compress, decompress)
        if status != Status.OK:
            self._note(
                f"{workload} at line {table.line}: compression had {compress.usage} % of a CPU "
                f"and decompression {decompress.usage} %, with {cpus} CPU(s) to use."
            )
        for sentence in wrong:
            status = Status.SUSPECT
            self._doubt(Doubt.INCONSISTENT, workload, f"Line {table.line}: {sentence}.")
        for sentence in row_contradictions(table):
            self._doubt(Doubt.INCONSISTENT, workload, f"Line {table.line}: {sentence}.")
        if table.total is None:
            told = f"The table at line {table.line} ends before its total."
            self._doubt(Doubt.CUT_OFF, workload, told)
        figures = measurements(workload, where, table, status)
        self._add(workload, where, [*figures, *frequency(workload, where, table, status)])

    def _take_rows(self, table: Table, threads: int) -> None:
        workload = f"threads-{threads}-rows"
        where = params(threads=threads, options=table.header.options or None)
        for sentence in row_contradictions(table):
            self._doubt(Doubt.INCONSISTENT, workload, f"Line {table.line}: {sentence}.")
        for row in table.rows:
            cpus = table.header.cpus or threads
            status = usage_status(threads, cpus, row.compress, row.decompress)
            if any(row_contradictions(table.only(row))):
                status = Status.SUSPECT
            about = params(dictionary=1 << row.bits, **dict(where))
            self._add(workload, about, row_measurements(workload, where, row, status))

    def _add(self, workload: str, where: Params, figures: Iterable[Measurement]) -> None:
        repetition = self.seen[workload, where]
        self.seen[workload, where] += 1
        self.rows += [figure._replace(repetition=repetition) for figure in figures]

    def _doubt(self, kind: Doubt, workload: str, sentence: str) -> None:
        told = self.doubts[kind, workload]
        if sentence not in told:
            told.append(sentence)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def found(self) -> Found:
        """Return what was taken as one run."""
        version = self.version or "unknown"
        if not self.version:
            self.notes.append("The output does not tell the version of 7-Zip.")
        metrics = {row.metric for row in self.rows}
        return Found(
            tuple(self.rows),
            tool=ToolIdentity("7-Zip", version),
            parameters=tuple(_parameters(self.header, version, self.iterations)),
            natives=tuple(pair for pair in _NATIVES if pair[0] in metrics),
            facts=tuple(_facts(self.header)),
            notes=tuple(_few(self.notes)),
            doubts=tuple(
                (kind, " ".join(_few(told)), about)
                for (kind, about), told in sorted(self.doubts.items())
            ),
        )


def _parameters(header: Header, version: str, iterations: int | None) -> Iterable[Parameter]:
    caveat = Comparability.CAVEAT
    if iterations:
        yield Parameter("iterations", str(iterations), caveat)
    yield Parameter("tool_version", version, Comparability.MUST_MATCH)
    if header.compiler:
        yield Parameter("compiler", header.compiler, caveat)
    # Newer banners name the architecture beside the version.
    if header.bits and "(" not in version:
        yield Parameter("bits", header.bits, caveat)
    if header.affinity:
        yield Parameter("cpu_affinity", header.affinity, caveat)


def _facts(header: Header) -> Iterable[Fact]:
    for name, value in (
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
        if value:
            yield Fact(name, value, _SOURCE)


def _build(header: Header, version: str) -> tuple[object, ...]:
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


def _asked(settings: Mapping[str, str]) -> tuple[int | None, str]:
    threads = settings.get("threads")
    if threads is not None and not re.fullmatch(r"[1-9]\d{0,4}", threads, re.ASCII):
        raise SitegenError(
            f"{threads[:40]!r} is not a number of threads",
            where="--set threads",
            fix="write it as threads=4",
        )
    version = settings.get("version", "")
    if version and not _VERSION.fullmatch(version):
        raise SitegenError(
            f"{version[:40]!r} is not a version of 7-Zip",
            where="--set version",
            fix="write it as on the banner: version='26.02 (x64)'",
        )
    return (int(threads) if threads else None), " ".join(version.split())


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


def _few(sentences: list[str]) -> list[str]:
    """Return the first sentences, and how many more there are."""
    more = len(sentences) - _TOLD
    return [*sentences[:_TOLD], f"And {more} more."] if more > 0 else sentences
