"""What kubestr prints of its fio: IOPS to six places, bandwidth in whole KiB/s, no latency."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collectors.fio.jobs import DIRECTIONS, Job, Report, Side
from collectors.fio.readers.finding import found
from collectors.fio.readers.printed import ROUNDED
from collectors.fio.workloads import ASKS, answers_of
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

_BYTES = re.compile(
    rb"^[ \t>]{0,40}(FIO test results:|FIO version - fio-|JobName: ?)", re.MULTILINE
)
_OTHER_BYTES = re.compile(rb'"fio version"|: \(groupid=\d|Testing Read IOPS')
_CLASS = re.compile(r"^\s{0,40}Running FIO test .{0,200} on StorageClass \(([^)\n]{1,200})\)")
_VERSION = re.compile(r"^\s{0,40}FIO version - fio-(\d[\w.+-]{0,60})")
_GLOBAL = re.compile(r"^\s{0,40}Global options - (.{0,400})")
_JOB = re.compile(r"^\s{0,40}JobName: ?(.{0,200})")
_OPTIONS = re.compile(r"^\s{0,40}blocksize=.{0,400}")
_SIDE = re.compile(r"^\s{0,40}(read|write|trim):\s{0,8}$")
_RATE = re.compile(r"^\s{0,40}IOPS=(\d{1,15}(?:\.\d{1,9})?) BW\(KiB/s\)=(\d{1,15})\s{0,8}$")
_SPREAD = re.compile(
    r"^\s{0,40}iops: min=(\d{1,15}) max=(\d{1,15}) avg=(\d{1,15}(?:\.\d{1,9})?)\s{0,8}$"
)
_OPTION = re.compile(r"(\w{1,40})=(\S{1,80})")
_NAMES = {"blocksize": "bs", "filesize": "size"}
_KIB = 1024
#: kubestr does not say how long a job ran; with rates alone nothing is multiplied by it.
_SOME_TIME_S = 1.0
_MAX_JOBS = 20_000


@dataclass(slots=True)
class _Output:
    """One "FIO test results" while it is read."""

    line: int
    storage: str = ""
    version: str = ""
    shared: Mapping[str, str] = field(default_factory=dict)
    jobs: list[_JobText] = field(default_factory=list)


@dataclass(slots=True)
class _JobText:
    name: str
    line: int
    options: Mapping[str, str] = field(default_factory=dict)
    direction: str = ""
    sides: dict[str, _SideText] = field(default_factory=dict)


@dataclass(slots=True)
class _SideText:
    iops: str
    kib: str
    spread: tuple[str, ...] = ()


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is what kubestr prints, with nothing of fio's own."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    kinds = {match.strip() for match in _BYTES.findall(narrow)}
    return len(kinds) > 1 and not _OTHER_BYTES.search(narrow)


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    answers = answers_of(settings)
    outputs = [output for output in _outputs(plain(data)) if output.jobs]
    if not outputs:
        raise SitegenError("there is no job's result in it")
    if len(classes := {output.storage for output in outputs if output.storage}) > 1:
        raise SitegenError(
            f"there are results of {len(classes)} storage classes in it, which are no repetitions",
            where=f"line {outputs[1].line}",
            fix="import the output of each class as a file of its own",
        )
    return found([_report(output) for output in outputs], answers)


def _outputs(text: str) -> Iterator[_Output]:
    output = _Output(1)
    for number, line in enumerate(text.split("\n"), 1):
        if match := _CLASS.match(line):
            yield output
            output = _Output(number, storage=match[1])
        elif match := _VERSION.match(line):
            if output.jobs:
                yield output
                output = _Output(number)
            output.version = match[1]
        elif match := _GLOBAL.match(line):
            output.shared = _options(match[1])
        elif match := _JOB.match(line):
            output.jobs.append(_JobText(match[1].strip(), number))
            if len(output.jobs) > _MAX_JOBS:
                raise SitegenError(f"there are more than {_MAX_JOBS} jobs", where=f"line {number}")
        elif output.jobs:
            _take(output.jobs[-1], line)
    yield output


def _take(job: _JobText, line: str) -> None:
    if _OPTIONS.match(line):
        job.options = _options(line)
    elif match := _SIDE.match(line):
        job.direction = match[1]
    elif job.direction and (match := _RATE.match(line)):
        job.sides[job.direction] = _SideText(match[1], match[2])
    elif job.direction in job.sides and (match := _SPREAD.match(line)):
        job.sides[job.direction].spread = (match[1], match[2], match[3])


def _options(text: str) -> dict[str, str]:
    """Return fio's options; those that were not given stand there empty."""
    return {_NAMES.get(key, key): value for key, value in _OPTION.findall(text)}


def _report(output: _Output) -> Report:
    jobs = []
    for job in output.jobs:
        where = f"line {job.line}"
        if not job.sides:
            raise SitegenError("is a job without a figure that kubestr prints", where=where)
        sides = tuple(_side(job.sides[d], d) for d in DIRECTIONS if d in job.sides)
        options = {**output.shared, **job.options}
        jobs.append(Job(name=job.name, where=where, options=options, sides=sides))
    return Report(output.version, tuple(jobs), where=f"line {output.line}")


def _side(told: _SideText, direction: str) -> Side:
    kib = int(told.kib)
    rough = f"the bandwidth is printed as {told.kib} KiB/s"
    printed = {"iops": told.iops, "bandwidth": f"{told.kib} KiB/s"}
    names = ("iops min", "iops max", "iops mean")
    printed.update(zip(names, told.spread, strict=False))
    return Side(
        direction=direction,
        runtime_s=_SOME_TIME_S,
        iops=float(told.iops),
        bandwidth=float(kib * _KIB),
        spread={name[5:]: float(text) for name, text in zip(names, told.spread, strict=False)},
        printed=printed,
        rounded=(rough,) if kib * ROUNDED < 1 else (),
    )


READER = Reader("fio-kubestr", "kubestr's output of its fio test", knows, read, ASKS)
