"""7-Zip's own benchmark: LZMA compression and decompression in memory, by thread count."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta, structs

from collectors.sevenzip import figures, header, output, reader
from collectors.sevenzip.output import Table
from sitegen.collect import (
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Recorder,
    Request,
    Step,
    last_line,
)
from sitegen.collect.settings import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, Status, ToolIdentity, params

BENCHMARK = "7z"
_Threads = Annotated[int, Meta(ge=1, le=4096)]
_THREADS = "thread counts, such as 1,2,4,8,16,32 (default: 1,2,4,8 and all CPUs)"
_DICTIONARY = "largest dictionary as a power of two (default: 22)"
_ITERATIONS = "passes over the dictionaries that are averaged (default: 1)"


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    threads: Annotated[tuple[_Threads, ...], described(_THREADS)] = ()
    dictionary: Annotated[int, described(_DICTIONARY, ge=18, le=30)] | None = None
    iterations: Annotated[int, described(_ITERATIONS, ge=1, le=100)] = 1


#: Fixed, so that machines meet; all the CPUs come on top.
_COUNTS = {"quick": (1, 2, 4), "standard": (1, 2, 4, 8), "thorough": (1, 2, 4, 8)}
_OPERATIONS = ("compress", "decompress", "total")
_DICTIONARY_BITS = {"quick": 18, "standard": 22, "thorough": 25}
#: Without ``-md`` 7-Zip works through 2^22 to 2^25; with it and 22 or less, one row or few.
_DEFAULT_BITS = 25
_SECONDS = {"quick": 7.0, "standard": 15.0, "thorough": 75.0}
# Tot is the mean of both Avr sides; each of the three is rounded for print.
_TOTAL_TOLERANCE = 0.02

_TWO_THREADS = re.compile(
    r"^2T CPU Freq \(MHz\):((?:[ \t]+\d{1,5}%[ \t]+\d{1,6})+)[ \t]*$", re.MULTILINE
)

READERS = (reader.READER,)


def detect(host: Host) -> ToolIdentity | Missing:
    """Return 7-Zip (``7zz``, ``7z`` or ``7za``) with the version on its banner."""
    path = host.find("7zz", "7z", "7za")
    if path is None:
        return Missing("7-Zip (7zz, 7z or 7za)", "apt install 7zip")
    # A package may call itself p7zip on the second line: the banner's number is the version.
    banner = host.run([path], timeout_s=20).stdout.decode("utf-8", "replace")
    version = next(header.versions(banner), "unknown")
    return host.identify("7-Zip", path, version)


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return one step a thread count. Raises SitegenError for a setting out of range."""
    settings = request.read(SETTINGS)
    bits = settings.dictionary or _DICTIONARY_BITS[request.preset]
    iterations = settings.iterations
    counts = sorted({*(settings.threads or (*_COUNTS[request.preset], request.cpus))})
    # All the dictionaries up to 2^25 are what 7-Zip does by itself: leave the option out.
    size = () if bits == _DEFAULT_BITS else (f"-md{bits}",)
    context = (("cpus", str(request.cpus)),)
    steps = []
    for count in counts:
        name, about = f"threads-{count}", params(threads=count, dictionary=1 << bits)
        argv = (tool.path, "b", str(iterations), f"-mmt{count}", *size)
        parts = [params(operation=operation, **dict(about)) for operation in _OPERATIONS]
        expects = tuple(Measurement(name, "7z.rating", "value", "MIPS", None, p) for p in parts)
        steps.append(Step(name, name, argv, 900.0 * iterations, about, expects, context))
    parameters = (
        Parameter("iterations", str(iterations), Comparability.CAVEAT),
        Parameter("tool_version", tool.version, Comparability.MUST_MATCH),
    )
    about_s = _SECONDS[request.preset] * iterations * len(steps)
    return Plan(tuple(steps), parameters, about_s=about_s)


def run(step: Step, host: Host) -> RawOutput:
    """Run the benchmark once and note what two threads got of the CPUs."""
    raw = host.run(step.argv, timeout_s=step.timeout_s)
    *_, last = ("", *_TWO_THREADS.findall(raw.stdout.decode("utf-8", "replace")))
    usage = enumerate(re.findall(r"(\d+)%", last), start=1)
    values = [(f"two_thread_usage_{n}", f"{int(percent) / 100:g}") for n, percent in usage]
    return structs.replace(raw, values=tuple(values))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the table's ``Avr:`` and ``Tot:`` rows as measurements."""
    text = raw.stdout.decode("utf-8", "replace")
    if raw.exit_code != 0:
        reason = last_line(raw.stderr or raw.stdout)
        message = f"7-Zip ended with code {raw.exit_code}: {reason}"
        raise SitegenError(message, where=step.name)
    whole = [table for table in output.tables(text) if table.rows and table.total and table.threads]
    if not whole:
        raise SitegenError("7-Zip printed no whole benchmark table", where=step.name)
    _check_total(table := whole[-1])
    recorder = Recorder()
    series = recorder.series(step.workload, step.params, status=_status(step, table))
    figures.averages(series, table)
    figures.frequency(series, table)
    return recorder.reading()


def _check_total(table: Table) -> None:
    """Raise SitegenError for a table whose sums do not agree: a digit was lost."""
    if table.compress and table.decompress and table.total:
        mean = (int(table.compress.rating) + int(table.decompress.rating)) / 2
        if abs(int(table.total.rating) - mean) > _TOTAL_TOLERANCE * mean + 2:
            message = f"Tot: says {table.total.rating}, the mean of the Avr: row is {mean:.0f}"
            raise SitegenError(message, where="7-Zip")


def _status(step: Step, table: Table) -> Status:
    """Return suspect when something else had the CPUs, or another table was printed."""
    about = dict(step.params)
    printed = params(threads=table.threads, dictionary=1 << table.top_bits)
    # With too little memory 7-Zip lowers the dictionary by itself: another workload.
    if any(about[name] != value for name, value in printed):
        return Status.SUSPECT
    if table.threads is None or table.compress is None or table.decompress is None:
        return Status.SUSPECT
    cpus = int(step.get("cpus", str(table.threads)))
    return figures.usage_status(table.threads, cpus, table.compress, table.decompress)
