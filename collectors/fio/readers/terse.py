"""fio --output-format=terse (--minimal): one line a job, of terse versions 3 to 5."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from collectors.fio import jobs
from collectors.fio.jobs import DIRECTIONS, LATENCIES, ROUNDED, Job, Latency, Report, Side, agree
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, holds, readings
from collectors.fio.workloads import Asks
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

_LINE = re.compile(
    r"(?m)^[ \t]{0,16}(\d{1,2});(?:fio-)?(\d{1,2}\.\d[^;\n]{0,60});[^;\n]{0,200};\d{1,9};\d{1,9};"
)
#: Where terse output begins: its lines are the first thing of each output.
_HEAD = 1_000_000
_DECIMAL = re.compile(r"\d{1,18}(?:\.\d{1,9})?")
#: By terse version: how many fields one direction has, and which directions there are.
_LAYOUTS = {3: (41, DIRECTIONS[:2]), 4: (41, DIRECTIONS), 5: (47, DIRECTIONS)}
_FIRST, _AFTER = 5, 34
_MICRO, _MILLI, _KIB = 1e6, 1000, 1024
_STEP = 1.05


@dataclass(frozen=True, slots=True)
class _Line:
    """One job, and what the line says of the disks: the same for all jobs of one output."""

    version: str
    place: str
    job: Job
    disks: str


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's terse output and none of its other forms."""
    head = plain(data[:_HEAD])
    return bool(_LINE.search(head)) and not holds(data, JSON_SIGN, TEXT_SIGN)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    texts = plain(data).split("\n")
    # Jobs of one version, name and group are one series.
    series: defaultdict[tuple[str, str, int], list[_Line]] = defaultdict(list)
    for number, text in enumerate(texts, 1):
        if _LINE.match(text):
            line = _line(text, f"line {number}")
            series[line.version, line.job.name, line.job.group].append(line)
    # Their first outputs are one report, their second ones another.
    outputs: defaultdict[tuple[str, int], list[Job]] = defaultdict(list)
    for (version, _, _), lines in series.items():
        for place, chunk in enumerate(_chunks(_last(lines), asks.numjobs)):
            outputs[version, place] += [line.job for line in chunk]
    chatter = "\n".join(text for text in texts if text.startswith("fio: "))
    reports = [Report(v, tuple(jobs), chatter=chatter) for (v, _), jobs in outputs.items()]
    return readings(reports, asks.answers)


def _chunks(lines: Sequence[_Line], numjobs: int | None) -> list[list[_Line]]:
    """Return the lines of each output.

    Lines of one name are the jobs of one output, or the same job run again: the disks' counters
    tell, or the user with ``numjobs``. Raises SitegenError where neither does.
    """
    if numjobs:
        return [list(lines[at : at + numjobs]) for at in range(0, len(lines), numjobs)]
    if len(lines) > 1 and not all(line.disks for line in lines):
        raise SitegenError(
            f"{len(lines)} lines are of {lines[0].job.name!a}, and nothing tells whether they ran "
            "at once or one after another",
            where=lines[1].place,
            fix="say it with --set numjobs=1, or with how many ran at once",
        )
    return [list(chunk) for _, chunk in groupby(lines, key=lambda line: line.disks)]


def _last(lines: Sequence[_Line]) -> Sequence[_Line]:
    """Return the last line where each goes on from the one before, as with --status-interval."""
    times = [jobs.longest(line.job.sides) for line in lines]
    moved = [jobs.moved(line.job.sides) or 0.0 for line in lines]
    grows = all(after > _STEP * before + 0.1 for before, after in pairwise(times))
    return lines[-1:] if grows and moved == sorted(moved) else lines


def _line(text: str, place: str) -> _Line:
    fields = text.strip().split(";")
    if int(fields[0]) not in _LAYOUTS:
        raise SitegenError(f"is fio's terse version {fields[0]}, unknown here", where=place)
    width, directions = _LAYOUTS[int(fields[0])]
    end = _FIRST + width * len(directions)
    if len(fields) < end + _AFTER:
        raise SitegenError(f"breaks off after {len(fields)} fields", where=place)
    starts = zip(range(_FIRST, end, width), directions, strict=True)
    sides = [_side(fields[start : start + width], d, place) for start, d in starts]
    user, system = _numbers([field.rstrip("%") for field in fields[end : end + 2]], place)
    job = Job(
        name=fields[2],
        group=int(fields[3]),
        error=int(fields[4]),
        sides=tuple(side for side in sides if side is not None),
        cpu=(user + system) / 100,
    )
    return _Line(fields[1].removeprefix("fio-"), place, job, ";".join(fields[end + _AFTER :]))


def _side(fields: Sequence[str], direction: str, place: str) -> Side | None:
    """Return one direction, None where it did nothing."""
    kib, rate, iops, runtime = _numbers(fields[:4], place)
    if not kib and not iops:
        return None
    seconds, moved = runtime / _MILLI, kib * _KIB
    against = []
    if seconds and not agree(moved / seconds, rate * _KIB, 2 * _KIB + moved / seconds / runtime):
        against.append(f"the bandwidth is {rate:g} KiB/s, and {kib:g} KiB in {runtime:g} ms")
    count = max(round(iops * seconds), 1)
    latencies = {}
    for kind, start in (("slat", 4), ("clat", 8), ("lat", 32)):
        low, high, mean, stddev = _numbers(fields[start : start + 4], place)
        listed = [field.partition("%=")[::2] for field in fields[12:32] if kind == "clat"]
        pairs = [_numbers(pair, place) for pair in listed]
        # An unused place is 0%=0.
        percentiles = {percent: value / _MICRO for percent, value in pairs if percent > 0}
        if mean:
            latency = Latency(_MICRO, mean, count, stddev, low, high, percentiles)
            latencies[LATENCIES[kind]] = latency
    # IOPS over time, which version 5 alone has.
    *values, samples = _numbers(fields[42:47], place) or [0.0]
    spread = dict(zip(("min", "max", "mean", "stddev"), values, strict=False))
    return Side(
        direction=direction,
        runtime_s=seconds,
        moved=moved,
        iops=iops,
        bandwidth=rate * _KIB,
        spread={name: value for name, value in spread.items() if samples > (name == "stddev")},
        latencies=latencies,
        printed={"iops": fields[2]},
        against=tuple(against),
        # fio cuts IOPS to a whole number here.
        rounded=(f"IOPS is printed as {fields[2]}",) if iops * ROUNDED < 1 else (),
    )


def _numbers(texts: Sequence[str], place: str) -> list[float]:
    for text in texts:
        if not _DECIMAL.fullmatch(text):
            raise SitegenError(f"{ascii(text)[:40]} is not a number", where=place)
    return [float(text) for text in texts]


READER = Reader("fio-terse", "fio --output-format=terse, versions 3 to 5", knows, read, Asks)
