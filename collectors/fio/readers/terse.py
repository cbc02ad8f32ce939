"""fio --output-format=terse (--minimal): one line a job, of terse versions 3 to 5."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice, pairwise

from collectors.fio import jobs
from collectors.fio.jobs import (
    DIRECTIONS,
    LATENCIES,
    MOST_DISKS,
    STATISTICS,
    Job,
    Latency,
    Report,
    Side,
)
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, Run, holds
from collectors.fio.workloads import Asks
from sitegen.collect import Reader, Reading
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_LINE = re.compile(
    r"(?m)^(?:[^;\n]{0,200}[ \t\"'])?(\d{1,2});(?:fio-)?(\d{1,2}\.\d[^;\n]{0,60});"
    r"[^;\n]{0,200};\d{1,9};\d{1,9};"
)
#: Where terse output begins: its lines are the first thing of each output.
_HEAD = 1_000_000
_DECIMAL = re.compile(r"\d{1,18}(?:\.\d{1,9})?")
#: By terse version: how many fields one direction has, and which directions there are.
_LAYOUTS = {3: (41, DIRECTIONS[:2]), 4: (41, DIRECTIONS), 5: (47, DIRECTIONS)}
_FIRST, _AFTER = 5, 34
_MICRO, _MILLI, _KIB = 1e6, 1000, 1024
_STEP = 1.05
_LEVELS = ("1", "2", "4", "8", "16", "32", "64")


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's terse output and none of its other forms."""
    head = plain(data[:_HEAD])
    return bool(_LINE.search(head)) and not holds(data, JSON_SIGN, TEXT_SIGN)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``.

    Lines of one job ran at once, or it ran again: the disks' counters tell, which are those of one
    output, or the user with ``numjobs``. Raises SitegenError where neither does.
    """
    texts = plain(data).split("\n")
    outputs: defaultdict[tuple[str, str, int], list[Job]] = defaultdict(list)
    times: Counter[tuple[str, int]] = Counter()
    for number, text in enumerate(texts, 1):
        if not (match := _LINE.match(text)):
            continue
        version, job, disks = _line(text[match.start(1) :], f"line {number}")
        key = (job.name, job.group)
        if times[key] and not disks and not asks.numjobs:
            message = f"is of {job.name!a} again, and nothing tells whether both ran at once"
            fix = "say it with --set numjobs=1, or with how many ran at once"
            raise SitegenError(message, where=f"line {number}", fix=fix)
        outputs[version, disks, times[key] // asks.numjobs if asks.numjobs else 0].append(job)
        times[key] += 1
    chatter = "\n".join(text for text in texts if text.startswith("fio: "))
    reports = [
        # Outputs that were added to one file, or jobs of one: the disks alone tell.
        Report(version, tuple(entries), chatter, disks=_names(disks), grouped=bool(disks))
        for (version, disks, _), entries in outputs.items()
    ]
    return (Run(reports[-1:] if _grows(reports) else reports, asks.answers).reading(),)


def _grows(reports: Sequence[Report]) -> bool:
    """Tell whether each report goes on from the one before, as with --status-interval."""
    sides = [[side for job in report.jobs for side in job.sides] for report in reports]
    times, moved = [jobs.longest(s) for s in sides], [jobs.bytes_moved(s) or 0.0 for s in sides]
    grows = all(after > _STEP * before + 0.1 for before, after in pairwise(times))
    return grows and moved == sorted(moved) and len({report.disks for report in reports}) == 1


def _line(text: str, place: str) -> tuple[str, Job, str]:
    """Return fio's version, one job, and what the line says of the disks."""
    fields = text.strip().split(";")
    if int(fields[0]) not in _LAYOUTS:
        raise SitegenError(f"is fio's terse version {fields[0]}, unknown here", where=place)
    width, directions = _LAYOUTS[int(fields[0])]
    end = _FIRST + width * len(directions)
    if len(fields) < end + _AFTER:
        raise SitegenError(f"breaks off after {len(fields)} fields", where=place)
    starts = zip(range(_FIRST, end, width), directions, strict=True)
    sides = [_side(fields[start : start + width], d, place) for start, d in starts]
    levels = _numbers([field.rstrip("%") for field in fields[end + 5 : end + 12]], place)
    user, system = _numbers([field.rstrip("%") for field in fields[end : end + 2]], place)
    job = Job(
        name=fields[2],
        group=int(fields[3]),
        error=int(fields[4]),
        sides=tuple(side for side in sides if side is not None),
        cpu=(user + system) / 100,
        deepest=jobs.deepest(dict(zip(_LEVELS, levels, strict=True))),
    )
    return fields[1].removeprefix("fio-"), job, ";".join(fields[end + _AFTER :])


def _names(disks: str) -> tuple[str, ...]:
    """Return the names of the disks: what stands there and is no number."""
    fields = disks.split(";")
    names = (field for field in fields if field and not _DECIMAL.fullmatch(field.rstrip("%")))
    return tuple(islice(names, MOST_DISKS))


def _side(fields: Sequence[str], direction: str, place: str) -> Side | None:
    """Return one direction, None where it did nothing."""
    kib, rate, iops, runtime = _numbers(fields[:4], place)
    if not kib and not iops:
        return None
    seconds, moved = runtime / _MILLI, kib * _KIB
    doubts = []
    if seconds and not jobs.agree(
        moved / seconds, rate * _KIB, 2 * _KIB + moved / seconds / runtime
    ):
        sentence = f"the bandwidth is {rate:g} KiB/s, and {kib:g} KiB in {runtime:g} ms"
        doubts.append((Doubt.INCONSISTENT, sentence))
    if iops * jobs.ROUNDED < 1:  # fio cuts IOPS to a whole number here
        doubts.append((Doubt.ROUNDED, f"IOPS is printed as {fields[2]}"))
    count = max(round(iops * seconds), 1)
    latencies = {}
    for kind, start in (("slat", 4), ("clat", 8), ("lat", 32)):
        figures = dict(zip(STATISTICS, _numbers(fields[start : start + 4], place), strict=True))
        listed = [field.partition("%=")[::2] for field in fields[12:32] if kind == "clat"]
        pairs = [_numbers(pair, place) for pair in listed]
        # An unused place is 0%=0.
        percentiles = {percent: value / _MICRO for percent, value in pairs if percent > 0}
        if figures["mean"]:
            latencies[LATENCIES[kind]] = Latency(_MICRO, count, figures, percentiles)
    # IOPS over time, which version 5 alone has.
    *values, samples = _numbers(fields[42:47], place) or [0.0]
    spread = dict(zip(STATISTICS, values, strict=False))
    return Side(
        direction=direction,
        runtime_s=seconds,
        moved=moved,
        iops=iops,
        bandwidth=rate * _KIB,
        spread={name: value for name, value in spread.items() if samples > (name == "stddev")},
        latencies=latencies,
        printed={"iops": fields[2]},
        doubts=tuple(doubts),
    )


def _numbers(texts: Sequence[str], place: str) -> list[float]:
    for text in texts:
        if not _DECIMAL.fullmatch(text):
            raise SitegenError(f"{ascii(text)[:40]} is not a number", where=place)
    return [float(text) for text in texts]


READER = Reader(
    "fio-terse", "fio --output-format=terse, versions 3 to 5", knows, read, Asks, text=True
)
