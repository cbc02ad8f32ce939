"""Importing what ``7z b`` printed: every table of a log, as the collector would record it."""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated

from collectors.sevenzip import figures
from collectors.sevenzip.header import Header
from collectors.sevenzip.output import Table, tables
from sitegen.collect import Reader, Reading, Recorder, Settings, described
from sitegen.collect.settings import agreed
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status, ToolIdentity, params

_VERSION = r"^\d{1,4}\.\d{1,4}[\w.() -]{0,40}$"
_MAX_THREADS, _CUT_OFF = 100_000, "threads of a table whose header was cut off"
_Threads = Annotated[int, described(_CUT_OFF, ge=1, le=99_999)]
_Version = Annotated[str, described("7-Zip's version, such as '26.02 (x64)'", pattern=_VERSION)]


class Asks(Settings, frozen=True):
    """What a log that was cut off does not say."""

    threads: _Threads | None = None
    version: _Version | None = None


_SAME_MEMORY = 0.05
_GIB = 1024.0
_USAGE = re.compile(r"RAM usage:[^\n]{0,60}# Benchmark threads:")
_AVERAGE = re.compile(r"^[ \t]{0,40}Avr:[ \t]{1,40}\d", re.MULTILINE)
_TOTAL = re.compile(r"^[ \t]{0,40}Tot:[ \t]{1,40}\d", re.MULTILINE)
_HEAD = re.compile(r"\bSpeed[ \t]{1,9}Usage[ \t]{1,9}R/U[ \t]{1,9}Rating\b")
_NATIVES = {
    "7z.rating": "Rating, MIPS",
    "7z.rating_per_usage": "R/U, MIPS",
    "7z.cpu_usage": "Usage, %",
    "7z.speed": "Speed, KiB/s",
    "7z.cpu_frequency": "1T CPU Freq, MHz",
}
#: What all tables of one run have in common, in words.
_COMMON = {
    **dict.fromkeys(("cpu", "memory_mb", "all_cpus"), "machine"),
    **dict.fromkeys(("kernel", "system"), "system"),
    "affinity": "affinity",
    **dict.fromkeys(("version", "bits", "compiler"), "build"),
}


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds a table of ``7z b``."""
    # Looked for in the bytes before anything is decoded; also as UTF-16.
    if not any(sign in data for sign in (b"Rating", b"R\0a\0t\0i\0n\0g")):
        return False
    text = plain(data)
    if _USAGE.search(text):
        return True
    return bool(_HEAD.search(text) and _AVERAGE.search(text) and _TOTAL.search(text))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run that the tables in ``data`` are."""
    every = list(tables(plain(data)))
    if not every:
        raise SitegenError("holds no table of 7-Zip's benchmark", fix="import what `7z b` printed")
    _check_common(every)
    recorder = Recorder(natives=_NATIVES)
    for table in every:
        _remark(recorder, table)
        _take(recorder, table, asks)
    if not recorder.measurements:
        message = "7-Zip was stopped before its table was done"
        raise SitegenError(message, where=f"line {every[0].line}", fix="run `7z b` to its end")
    stated = next((table.header.version for table in every if table.header.version), None)
    _add_machine(recorder, every[0].header, agreed("version", asks.version, stated) or "")
    return (recorder.reading(),)


READER = Reader("7z-benchmark", "7-Zip's benchmark (7z b)", knows, read, Asks, text=True)


def _remark(recorder: Recorder, table: Table) -> None:
    if crowd := figures.crowded(table):
        recorder.doubt(Doubt.INCONSISTENT, crowd)
    if trials := table.header.frequency_unusable:
        recorder.note(f"No CPU frequency: 7-Zip's clock was too coarse ({trials}).")
    if table.reduced:
        recorder.note(f"Too little memory: 7-Zip reduced the dictionary to {table.reduced}.")


def _take(recorder: Recorder, table: Table, asks: Asks) -> None:
    """Add the averages of a table, or its rows where the averages are not its own."""
    place, compress, decompress = f"line {table.line}", table.compress, table.decompress
    if compress is None or decompress is None:
        recorder.doubt(Doubt.CUT_OFF, f"{place} ends before its averages, and is left out")
        return
    if not table.rows:
        message = "the rows above Avr: are missing, and with them the dictionary"
        raise SitegenError(message, where=place, fix="import the output as 7-Zip printed it")
    threads = agreed("threads", asks.threads, table.threads)
    if threads is None or not 0 < threads <= _MAX_THREADS:
        reason = "does not say its threads" if threads is None else f"has {threads} threads"
        raise SitegenError(f"the table {reason}", where=place, fix="add --set threads=N")
    workload, cpus = f"threads-{threads}", table.header.cpus or threads
    wrong, options = list(figures.contradictions(table)), table.header.options or None
    if over_all := table.nth and any(sentence.startswith("Avr:") for sentence in wrong):
        workload += "-rows"
        # Under -mmt=* they go over all the tables so far.
        wrong = ["the averages go over tables of other thread counts, and are left out"]
    odd = {row: list(figures.row_contradictions(row)) for row in table.rows}
    for sentence in (*wrong, *chain(*odd.values())):
        recorder.doubt(Doubt.INCONSISTENT, f"{place}: {sentence}", workload)
    if over_all:
        for row in table.rows:
            status = figures.usage_status(threads, cpus, row.compress, row.decompress)
            status = Status.SUSPECT if odd[row] else status
            about = params(threads=threads, options=options)
            figures.write_row(recorder.series(workload, about, status=status), row)
        return
    status = figures.usage_status(threads, cpus, compress, decompress)
    if status != Status.OK:
        shares = f"compression had {compress.usage} % and decompression {decompress.usage} %"
        recorder.note(f"{workload} at {place}: {shares} of a CPU, with {cpus} CPU(s) to use.")
    if table.total is None:
        sentence = f"the table at {place} ends before its total"
        recorder.doubt(Doubt.CUT_OFF, sentence, workload)
    about = params(
        threads=threads,
        dictionary=1 << table.top_bits,
        # Averages over other rows than 7-Zip's own are another workload.
        rows=None if table.iterations else table.rows_named,
        options=options,
    )
    recorder.said("iterations", str(table.iterations or ""), workload)
    series = recorder.series(workload, about, status=Status.SUSPECT if wrong else status)
    figures.averages(series, table)
    figures.frequency(series, table)


def _add_machine(recorder: Recorder, header: Header, version: str) -> None:
    """Record the build and the machine that all tables are of."""
    if not version:
        recorder.note("The output does not tell the version of 7-Zip.")
    recorder.tool = ToolIdentity("7-Zip", version or "unknown")
    recorder.parameter("tool_version", version or "unknown")
    # Newer banners name the architecture beside the version.
    bits = header.bits if "(" not in version else ""
    build = {"compiler": header.compiler, "bits": bits, "cpu_affinity": header.affinity}
    for name, value in build.items():
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


def _check_common(every: list[Table]) -> None:
    """Raise SitegenError when the tables come from two machines or builds."""
    for name, word in _COMMON.items():
        stated = [(getattr(table.header, name), table.line) for table in every]
        values = [(value, line) for value, line in stated if value]
        for value, line in values[1:]:
            first = values[0][0]
            near = name == "memory_mb" and abs(value / first - 1) < _SAME_MEMORY
            if value != first and not near:
                message = f"holds tables of more than one {word}: {first} and {value}"
                fix = "import the part of each by itself"
                raise SitegenError(message, where=f"line {line}", fix=fix)
