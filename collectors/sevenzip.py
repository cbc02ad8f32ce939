"""7-Zip's own benchmark: LZMA compression and decompression in memory, by thread count."""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Measurement,
    Parameter,
    Params,
    Status,
    ToolIdentity,
    params,
)

BENCHMARK = "7z"
SETTINGS = {
    "threads": "thread counts, such as 1,2,4,8,16,32 (default: 1,2,4,8 and all CPUs)",
    "dictionary": "largest dictionary as a power of two, 18 to 30 (default: 22)",
    "iterations": "passes over the dictionaries that are averaged (default: 1)",
}

#: Fixed, so that machines meet; all the CPUs come on top.
_COUNTS = {"quick": (1, 2, 4), "standard": (1, 2, 4, 8), "thorough": (1, 2, 4, 8)}
_DICTIONARY_BITS = {"quick": 18, "standard": 22, "thorough": 25}
#: Without ``-md`` 7-Zip works through 2^22 to 2^25; with it and 22 or less, one row or few.
_DEFAULT_BITS = 25
_SECONDS = {"quick": 7.0, "standard": 15.0, "thorough": 75.0}
_MAX_THREADS = 4096
# An undisturbed machine shows 99-100 % for one thread and 97-99 % of the ideal for several.
_LEAST_USAGE_ONE = 0.97
_LEAST_USAGE_MANY = 0.90
# Tot is the mean of both Avr sides; each of the three is rounded for print.
_TOTAL_TOLERANCE = 0.02
#: Speed is the mean over the dictionaries, the frequency the median of seven trials.
_STATISTICS = {"7z.speed": "mean", "7z.cpu_frequency": "p50"}
_KIB = 1024.0
_MHZ = 1e6

_VERSION = r"(\d+\.\d+(?:\.\d+)?(?:\s+beta)?)"
_BANNER = re.compile(rf"^7-Zip[^\n]*?\s{_VERSION}(?:\s+(\([^)\n]+\)))?", re.MULTILINE)
_THREADS = re.compile(r"# Benchmark threads:\s*(\d{1,6})\b")
_ROW = re.compile(r"^\s*(\d\d):\s", re.MULTILINE)
_AVERAGE = re.compile(r"^Avr:[ \t]+(\d{1,12}(?:[ \t|]+\d{1,12})*)[ \t]*$", re.MULTILINE)
_TOTAL = re.compile(r"^Tot:[ \t]+(\d{1,12})[ \t]+(\d{1,12})[ \t]+(\d{1,12})[ \t]*$", re.MULTILINE)
_FREQUENCY = re.compile(r"^(?:1T )?CPU Freq(?: \(MHz\))?:((?:[ \t]+\d{1,6})+)[ \t]*$", re.MULTILINE)
_TWO_THREADS = re.compile(
    r"^2T CPU Freq \(MHz\):((?:[ \t]+\d{1,5}%[ \t]+\d{1,6})+)[ \t]*$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Side:
    """One half of the ``Avr:`` row, as printed; ``speed`` is empty in old versions."""

    usage: str
    rating_per_usage: str
    rating: str
    speed: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One benchmark table: what 7-Zip prints from its banner to ``Tot:``."""

    version: str
    threads: int
    dictionary_bits: int
    compress: Side
    decompress: Side
    total: Side
    frequencies_mhz: tuple[int, ...] = ()
    two_thread_usage: tuple[str, ...] = ()


def detect(host: Host) -> ToolIdentity | Missing:
    """Return 7-Zip (``7zz``, ``7z`` or ``7za``) with the version on its banner."""
    path = host.find("7zz", "7z", "7za")
    if path is None:
        return Missing("7-Zip (7zz, 7z or 7za)", "apt install 7zip")
    # A package may call itself p7zip on the second line: the banner's number is the version.
    said = host.run([path], timeout_s=20).stdout.decode("utf-8", "replace")
    banner = _BANNER.search(said)
    version = " ".join(part for part in banner.groups() if part) if banner else "unknown"
    return host.identify("7-Zip", path, version)


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return one step a thread count. Raises SitegenError for a setting out of range."""
    given = request.settings
    bits = _whole(given, "dictionary", 18, 30, _DICTIONARY_BITS[request.preset])
    iterations = _whole(given, "iterations", 1, 100, 1)
    counts = sorted(_threads(given.get("threads"), {*_COUNTS[request.preset], request.cpus}))
    # All the dictionaries up to 2^25 are what 7-Zip does by itself: leave the option out.
    size = () if bits == _DEFAULT_BITS else (f"-md{bits}",)
    dictionary = str(1 << bits)
    steps = tuple(
        Step(
            name=f"threads-{count}",
            workload=f"threads-{count}",
            argv=(tool.path, "b", str(iterations), f"-mmt{count}", *size),
            timeout_s=900.0 * iterations,
            params=params(threads=count, dictionary=dictionary),
            expects=_expected(count, dictionary),
            context=(("cpus", str(request.cpus)),),
        )
        for count in counts
    )
    return Plan(
        steps=steps,
        parameters=(
            Parameter("iterations", str(iterations), Comparability.CAVEAT),
            Parameter("tool_version", tool.version, Comparability.MUST_MATCH),
        ),
        about_s=_SECONDS[request.preset] * iterations * len(steps),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run the benchmark once and note what two threads got of the CPUs."""
    raw = host.run(step.argv, timeout_s=step.timeout_s)
    pair = _TWO_THREADS.findall(raw.stdout.decode("utf-8", "replace"))
    usage = re.findall(r"(\d+)%", pair[-1]) if pair else []
    values = tuple(
        (f"two_thread_usage_{index}", f"{int(percent) / 100:g}")
        for index, percent in enumerate(usage, start=1)
    )
    return dataclasses.replace(raw, values=values)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the table's ``Avr:`` and ``Tot:`` rows as measurements.

    Raises SitegenError when 7-Zip failed or its table is not whole.
    """
    text = raw.stdout.decode("utf-8", "replace")
    if raw.exit_code != 0:
        said = (raw.stderr.decode("utf-8", "replace") or text).strip().splitlines()
        raise SitegenError(
            f"7-Zip ended with code {raw.exit_code}: {(said or ['no message'])[-1][:200]}",
            where=step.name,
        )
    found = blocks(text)
    if not found:
        raise SitegenError("7-Zip printed no whole benchmark table", where=step.name)
    block = found[-1]
    status = _status(step, block)
    return Reading(tuple(_measurements(step, block, status)))


def blocks(text: str) -> tuple[Block, ...]:
    """Return every whole benchmark table in ``text``, in order.

    Reads 7-Zip 21 and later, and p7zip back to 9.20, whose ``Avr:`` row has no speed.
    Raises SitegenError for a table whose sums do not agree: a digit was lost.
    """
    starts = [match.start() for match in _BANNER.finditer(text)] or [0]
    ends = [*starts[1:], len(text)]
    parts = (text[start:end] for start, end in zip(starts, ends, strict=True))
    return tuple(block for part in parts if (block := _block(part)) is not None)


def _block(text: str) -> Block | None:
    average, total, threads = _AVERAGE.search(text), _TOTAL.search(text), _THREADS.search(text)
    rows = _ROW.findall(text)
    if average is None or total is None or threads is None or not rows:
        return None
    numbers = average[1].replace("|", " ").split()
    sides = {6: 3, 8: 4}.get(len(numbers))
    if sides is None:
        raise SitegenError(f"the Avr: row has {len(numbers)} numbers, not 6 or 8", where="7-Zip")
    compress, decompress = _side(numbers[:sides]), _side(numbers[sides:])
    both = _side(list(total.groups()))
    mean = (int(compress.rating) + int(decompress.rating)) / 2
    if abs(int(both.rating) - mean) > _TOTAL_TOLERANCE * mean + 2:
        raise SitegenError(
            f"Tot: says {both.rating}, the mean of the Avr: row is {mean:.0f}", where="7-Zip"
        )
    banner = _BANNER.search(text)
    frequency = _FREQUENCY.search(text)
    two = _TWO_THREADS.search(text)
    return Block(
        version=banner[1] if banner else "",
        threads=int(threads[1]),
        dictionary_bits=max(map(int, rows)),
        compress=compress,
        decompress=decompress,
        total=both,
        frequencies_mhz=tuple(map(int, frequency[1].split())) if frequency else (),
        two_thread_usage=tuple(re.findall(r"(\d+)%", two[1])) if two else (),
    )


def _side(numbers: list[str]) -> Side:
    usage, rating_per_usage, rating = numbers[-3:]
    return Side(usage, rating_per_usage, rating, numbers[0] if len(numbers) > 3 else "")  # noqa: PLR2004 - with a speed there are four


def _status(step: Step, block: Block) -> Status:
    """Return suspect when something else had the CPUs, or another table was printed."""
    wanted = dict(step.params)
    if wanted["threads"] != str(block.threads):
        return Status.SUSPECT
    # With too little memory 7-Zip lowers the dictionary by itself: another workload.
    if wanted["dictionary"] != str(1 << block.dictionary_bits):
        return Status.SUSPECT
    usage = int(block.decompress.usage) / 100
    if block.threads == 1:
        least = min(usage, int(block.compress.usage) / 100)
        return Status.SUSPECT if least < _LEAST_USAGE_ONE else Status.OK
    reachable = min(block.threads, int(step.get("cpus", str(block.threads))))
    return Status.SUSPECT if usage < _LEAST_USAGE_MANY * reachable else Status.OK


def _measurements(step: Step, block: Block, status: Status) -> list[Measurement]:
    def add(metric: str, unit: str, value: float, printed: str, where: Params) -> None:
        statistic = _STATISTICS.get(metric, "value")
        found.append(
            Measurement(
                step.workload, metric, statistic, unit, value, where, status=status, printed=printed
            )
        )

    found: list[Measurement] = []
    for operation, side in (
        ("compress", block.compress),
        ("decompress", block.decompress),
        ("total", block.total),
    ):
        where = params(operation=operation, **dict(step.params))
        per_usage = side.rating_per_usage
        add("7z.rating", "MIPS", float(side.rating), side.rating, where)
        add("7z.rating_per_usage", "MIPS", float(per_usage), per_usage, where)
        add("7z.cpu_usage", "ratio", int(side.usage) / 100, side.usage, where)
        if side.speed:
            add("7z.speed", "B/s", int(side.speed) * _KIB, side.speed, where)
    if block.frequencies_mhz:
        middle = statistics.median_low(block.frequencies_mhz)
        add("7z.cpu_frequency", "Hz", middle * _MHZ, str(middle), step.params)
    return found


def _expected(threads: int, dictionary: str) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(
            f"threads-{threads}",
            "7z.rating",
            "value",
            "MIPS",
            None,
            params(operation=operation, threads=threads, dictionary=dictionary),
        )
        for operation in ("compress", "decompress", "total")
    )


def _threads(text: str | None, default: set[int]) -> set[int]:
    if text is None:
        return default
    words = text.replace(",", " ").split()
    counts = {int(word) for word in words if word.isascii() and word.isdigit()}
    if (
        len(counts) != len(set(words))
        or not counts
        or not 1 <= min(counts) <= max(counts) <= _MAX_THREADS
    ):
        raise SitegenError(
            f"{text!r} is not a list of thread counts",
            where="--set 7z.threads",
            fix="write for example 1,2,4,8,16,32",
        )
    return counts


def _whole(given: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    text = given.get(name, str(default))
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    raise SitegenError(
        f"{text!r} is not a whole number from {least} to {most}", where=f"--set 7z.{name}"
    )
