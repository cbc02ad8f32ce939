"""fio --output-format=terse (--minimal): one line a job, of terse versions 3 to 5."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from collectors.fio.jobs import DIRECTIONS, LATENCIES, Job, Latency, Report, Side, agree
from collectors.fio.readers import text_report
from collectors.fio.readers.finding import found
from collectors.fio.readers.printed import ROUNDED
from collectors.fio.workloads import ASKS, answers_of
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

_LINE_BYTES = re.compile(
    rb"^[ \t]{0,16}\d{1,2};(?:fio-)?\d{1,2}\.\d[^;\n]{0,60};[^;\n]{0,200};\d{1,9};\d{1,9};",
    re.MULTILINE,
)
#: Version 2 does not say which fio it is.
_OLD_BYTES = re.compile(rb"^2;[^;\n]{1,200};\d{1,9};\d{1,9};(?:[\d.]{1,24};){12}1\.0", re.MULTILINE)
_JSON_BYTES = re.compile(rb'"fio version"\s*:')
_LINE = re.compile(r"^\s{0,16}(\d{1,2});(?:fio-)?(\d{1,2}\.\d[^;]{0,60});")
_OLD_LINE = re.compile(r"^2;[^;]{1,200};\d{1,9};\d{1,9};(?:[\d.]{1,24};){12}1\.0")
_DECIMAL = re.compile(r"\d{1,18}(?:\.\d{1,9})?")
_PERCENTILE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%=(\d{1,18})")
#: By terse version: how many fields one direction has, and which directions there are.
_LAYOUTS = {3: (41, DIRECTIONS[:2]), 4: (41, DIRECTIONS), 5: (47, DIRECTIONS)}
_FIRST, _PERCENTILES, _AFTER = 5, 20, 34
_MICRO, _MILLI, _KIB = 1e6, 1000, 1024
_MAX_LINES = 100_000
_STEP = 1.05


@dataclass(frozen=True, slots=True)
class _Line:
    """One job, and what the line says of the disks: the same for all jobs of one output."""

    version: str
    job: Job
    disks: str
    runtime_s: float
    moved: float


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is fio's terse output and none of its other forms."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    return (
        bool(_LINE_BYTES.search(narrow) or _OLD_BYTES.search(narrow))
        and not _JSON_BYTES.search(narrow)
        and not text_report.JOB_BYTES.search(narrow)
        and not text_report.DBENCH_BYTES.search(narrow)
    )


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    answers = answers_of(settings)
    text = plain(data)
    lines = [
        _line(line, number)
        for number, line in enumerate(text.split("\n"), 1)
        if _LINE.match(line) or _OLD_LINE.match(line)
    ]
    if len(lines) > _MAX_LINES:
        raise SitegenError(f"there are more than {_MAX_LINES} jobs")
    versions: defaultdict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        versions[line.version].append(line)
    chatter = "\n".join(one for one in text.split("\n") if one.startswith("fio: "))
    reports = [
        Report(version, tuple(jobs), chatter=chatter)
        for version, those in versions.items()
        for jobs in _outputs(those, answers)
    ]
    return found(reports, answers)


def _outputs(lines: Sequence[_Line], answers: Mapping[str, str]) -> list[list[Job]]:
    """Return the jobs of each output of fio among ``lines``.

    Lines of one name are the jobs of one output, or the same job run again: the disks' counters
    tell, or the user with numjobs. Raises SitegenError where neither does.
    """
    series: defaultdict[tuple[str, int], list[_Line]] = defaultdict(list)
    for line in lines:
        series[line.job.name, line.job.group].append(line)
    outputs: list[list[Job]] = []
    for those in series.values():
        for place, chunk in enumerate(_chunks(_last(those), answers)):
            if place == len(outputs):
                outputs.append([])
            outputs[place] += [line.job for line in chunk]
    return outputs


def _chunks(lines: Sequence[_Line], answers: Mapping[str, str]) -> list[list[_Line]]:
    if len(lines) == 1:
        return [list(lines)]
    if count := int(answers.get("numjobs", "0")):
        return [list(lines[at : at + count]) for at in range(0, len(lines), count)]
    first = lines[0]
    if not all(line.disks for line in lines):
        raise SitegenError(
            f"{len(lines)} lines are of {first.job.name!a}, and nothing tells whether they ran "
            "at once or one after another",
            where=lines[1].job.where,
            fix="say it with --set numjobs=1, or with how many ran at once",
        )
    chunks: list[list[_Line]] = []
    for line in lines:
        if chunks and chunks[-1][0].disks == line.disks:
            chunks[-1].append(line)
        else:
            chunks.append([line])
    return chunks


def _last(lines: Sequence[_Line]) -> Sequence[_Line]:
    """Return the last line where each goes on from the one before, as with --status-interval."""
    pairs = list(pairwise(lines))
    if pairs and all(
        b.runtime_s > _STEP * a.runtime_s + 0.1 and b.moved >= a.moved for a, b in pairs
    ):
        return lines[-1:]
    return lines


def _line(text: str, number: int) -> _Line:
    where = f"line {number}"
    match = _LINE.match(text)
    if not match:
        raise SitegenError(
            "is fio's terse version 2, which does not say what its fields are",
            where=where,
            fix="run fio with --output-format=json, or with --terse-version=5",
        )
    if int(match[1]) not in _LAYOUTS:
        raise SitegenError(f"is fio's terse version {match[1]}, unknown here", where=where)
    width, directions = _LAYOUTS[int(match[1])]
    fields = text.strip().split(";")
    end = _FIRST + width * len(directions)
    if len(fields) < end + _AFTER:
        raise SitegenError(f"breaks off after {len(fields)} fields", where=where)
    sides = []
    for place, direction in enumerate(directions):
        start = _FIRST + width * place
        side = _side(fields[start : start + width], direction, f"{where}, field {start + 1}")
        if side is not None:
            sides.append(side)
    cpu = [_number(fields[end + place].rstrip("%"), f"{where}: CPU") for place in (0, 1)]
    job = Job(
        name=fields[2],
        where=where,
        group=int(_number(fields[3], f"{where}: group")),
        error=int(_number(fields[4], f"{where}: error")),
        sides=tuple(sides),
        cpu=sum(cpu) / 100,
    )
    return _Line(
        version=match[2],
        job=job,
        disks=";".join(fields[end + _AFTER :]),
        runtime_s=max((side.runtime_s for side in sides), default=0.0),
        moved=sum(side.moved or 0.0 for side in sides),
    )


def _side(fields: Sequence[str], direction: str, where: str) -> Side | None:
    """Return one direction, None where it did nothing."""
    kib, rate, iops, runtime = (_number(field, where) for field in fields[:4])
    if not kib and not iops:
        return None
    seconds = runtime / _MILLI
    moved = kib * _KIB
    against = []
    if seconds and not agree(moved / seconds, rate * _KIB, 2 * _KIB + moved / seconds / runtime):
        against.append(f"the bandwidth is {rate:g} KiB/s, and {kib:g} KiB in {runtime:g} ms")
    count = max(round(iops * seconds), 1)
    kinds = {
        "slat": (fields[4:8], ()),
        "clat": (fields[8:12], fields[12 : 12 + _PERCENTILES]),
        "lat": (fields[32:36], ()),
    }
    latencies = {}
    for kind, (four, listed) in kinds.items():
        if (one := _latency(four, listed, count, f"{where}: {kind}")) is not None:
            latencies[LATENCIES[kind]] = one
    rough = f"IOPS is printed as {fields[2]}"
    return Side(
        direction=direction,
        runtime_s=seconds,
        moved=moved,
        iops=iops,
        bandwidth=rate * _KIB,
        spread=_spread(fields[42:47], where),
        latencies=latencies,
        printed={"iops": fields[2]},
        against=tuple(against),
        # fio cuts IOPS to a whole number here.
        rounded=(rough,) if iops * ROUNDED < 1 else (),
    )


def _spread(fields: Sequence[str], where: str) -> dict[str, float]:
    """Return IOPS over time, which version 5 alone has."""
    if not fields:
        return {}
    low, high, mean, stddev, samples = (_number(field, where) for field in fields)
    found = {"min": low, "max": high, "mean": mean, "stddev": stddev}
    return {k: v for k, v in found.items() if samples > (k == "stddev")}


def _latency(
    fields: Sequence[str], listed: Sequence[str], count: int, where: str
) -> Latency | None:
    """Return one kind of latency, which terse prints in microseconds."""
    low, high, mean, stddev = (_number(field, where) for field in fields)
    if not mean:
        return None
    percentiles = {}
    for field in listed:
        match = _PERCENTILE.fullmatch(field)
        if not match:
            raise SitegenError(f"{ascii(field)[:40]} is not a percentile", where=where)
        if float(match[1]) > 0:  # an unused place is 0%=0
            percentiles[float(match[1])] = float(match[2]) / _MICRO
    return Latency(_MICRO, mean, count, stddev, low, high, percentiles)


def _number(text: str, where: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise SitegenError(f"{ascii(text)[:40]} is not a number", where=where)
    return float(text)


READER = Reader(
    "fio-terse", "fio --output-format=terse, versions 3 to 5 (2 is refused)", knows, read, ASKS
)
