"""What kbench prints (longhorn/kbench): of one volume, or of two beside each other.

Its figures are fio's means: of IOPS and bandwidth over samples (``iops_mean``, ``bw_mean``), and of
``lat_ns``. The options of its jobs stand in its job files and not in its summary: 4 KiB at a depth
of 64 for IOPS, 128 KiB at 64 for bandwidth, 4 KiB for latency at a depth that was 4 at first and
is 1 since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Annotated, Literal, NamedTuple

from collectors.fio.jobs import Job, Latency, Report, Side
from collectors.fio.readers.runs import JSON_SIGN, Run, holds
from sitegen.collect import Reader, Reading, Settings, described
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt, ToolIdentity

_DEPTH = "I/Os in flight of the latency jobs (iodepth): kbench had 4 at first, and has 1 since"


class Asks(Settings, frozen=True):
    """What a summary does not say."""

    iodepth: Annotated[Literal["1", "4"], described(_DEPTH)] | None = None


_TITLE = re.compile(r"FIO Benchmark (?:Compar(?:sion|ison) )?Summary")
_SIGN = re.compile(
    r"(?m)^[ \t#>]{0,40}(?:Random|Sequential)[A-Za-z ]{0,8}:[ \t]{1,60}[\d,]{1,20}\b"
)
_NAMES = re.compile(r"(?m)^[ \t]{0,40}For: ([^\n]{3,410})$")
_SIZE = re.compile(r"(?mi)^[ \t]{0,40}SIZE: (\d{1,9}[kmgt]?)i?b?[ \t]*$")
_QUICK = re.compile(r"(?mi)^[ \t]{0,40}(?:QUICK MODE:? ENABLED|MODE: quick)[ \t]*$")
_SECTION = re.compile(r"[ \t]{0,40}(IOPS|Bandwidth in KiB/sec|Latency in ns)(?: \(Read/Write\))?")
_ROW = re.compile(
    r"[ \t]{0,40}(Random|Sequential)(?: (R?read|Read|Write))?:(.{1,300})", re.IGNORECASE
)
_REMARK = re.compile(r"\([^()]{0,80}\)")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3}){1,5}|\d{1,18}")
_CHANGE = re.compile(r"(-?\d{1,9}(?:\.\d{1,4})?)%")
_SHARED = {"ioengine": "libaio", "direct": "1", "numjobs": "1", "time_based": "1"}
#: What one job measures: the end of its name, and its options.
_JOBS = {
    "IOPS": ("iops", {"bs": "4k", "iodepth": "64"}),
    "Bandwidth in KiB/sec": ("bw", {"bs": "128k", "iodepth": "64"}),
    "Latency in ns": ("lat", {"bs": "4k"}),
}
_KIB, _NANO = 1024.0, 1e9
#: With means alone nothing is multiplied by it.
_SOME_TIME_S = 1.0
#: A change has two places.
_HALF_CHANGE = 0.0051


class _Mean(NamedTuple):
    """One printed figure: its section, pattern, direction and volume."""

    section: str
    pattern: str
    direction: str
    volume: int
    printed: str

    @property
    def value(self) -> float:
        return float(self.printed.replace(",", ""))

    @property
    def job(self) -> str:
        """The job's name in kbench's files."""
        return f"{self.pattern}-{self.direction}-{_JOBS[self.section][0]}"


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a summary of kbench, without fio's own JSON."""
    if not holds(data, b"FIO Benchmark") or holds(data, JSON_SIGN):
        return False
    text = plain(data)
    return bool(_TITLE.search(text) and _SIGN.search(text))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``; raises SitegenError where it holds several summaries."""
    text = plain(data)
    if (number := len(_TITLE.findall(text))) != 1:
        message = f"holds {number} summaries of kbench"
        raise SitegenError(message, fix="import each as a file of its own")
    names = _NAMES.search(text)
    first, versus, second = names[1].strip().partition(" vs ") if names else ("", "", "")
    volumes = (first.strip(), second.strip()) if versus else ("",)
    means, wrong = _means(text, len(volumes))
    options = _options(text, asks)
    reports = [_report(means, place, name, options) for place, name in enumerate(volumes)]
    run = Run([report for report in reports if report.jobs], {})
    run.recorder.tool = ToolIdentity("kbench", "unknown")
    for workload, sentence in wrong:
        run.recorder.doubt(Doubt.INCONSISTENT, sentence, workload)
    _add_bandwidth(run, means, volumes)
    return (run.reading(),)


def _options(text: str, asks: Asks) -> Mapping[str, Mapping[str, str]]:
    """Return the options of the jobs of each section."""
    size, quick = _SIZE.search(text), _QUICK.search(text)
    shared = dict(_SHARED) | {"runtime": "5s", "ramp_time": "1s"}
    if not quick:
        shared |= {"runtime": "20s", "ramp_time": "5s"}
    if size:
        shared["size"] = size[1]
    options = {section: {**shared, **own} for section, (_, own) in _JOBS.items()}
    if asks.iodepth:
        options["Latency in ns"]["iodepth"] = asks.iodepth
    return options


def _means(text: str, volumes: int) -> tuple[list[_Mean], list[tuple[str, str]]]:
    """Return the figures, and which printed changes are not those of their two figures."""
    means: list[_Mean] = []
    wrong: list[tuple[str, str]] = []
    section = ""
    for line in text.split("\n"):
        if title := _SECTION.fullmatch(line.rstrip()):
            section = title[1]
        elif not line.strip():
            section = ""
        elif section and (row := _ROW.fullmatch(line.rstrip())):
            pattern = "rand" if row[1].lower() == "random" else "seq"
            only = (row[2] or "").lower()
            directions = ("write",) if only == "write" else ("read",) if only else ("read", "write")
            cells = re.split(r"\bvs\b|[ \t]:[ \t]", _REMARK.sub("", row[3]))
            for place, direction in enumerate(directions):
                texts = [_part(cell, place) for cell in cells]
                found = [
                    _Mean(section, pattern, direction, volume, text)
                    for volume, text in enumerate(texts[:volumes])
                    if _NUMBER.fullmatch(text)
                ]
                means += found
                wrong += _wrong(found, texts[volumes:])
    return means, wrong


def _part(cell: str, place: int) -> str:
    parts = cell.split("/")
    return parts[place].strip() if place < len(parts) else ""


def _wrong(pair: Sequence[_Mean], changes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the change that is printed of two figures."""
    change = _CHANGE.fullmatch(changes[0]) if changes else None
    if change is None or len(pair) != 2 or not pair[0].value:  # noqa: PLR2004 - two volumes
        return
    first, second = (mean.value for mean in pair)
    really = (second - first) * 100 / first
    if abs(really - float(change[1])) > _HALF_CHANGE:
        sentence = f"a change of {change[0]} is printed from {pair[0].printed} to {pair[1].printed}"
        yield pair[0].job, sentence


def _report(
    means: Sequence[_Mean], place: int, name: str, options: Mapping[str, Mapping[str, str]]
) -> Report:
    """Return the jobs of one volume, which ran one after another."""
    numbers = count()
    jobs = tuple(
        Job(
            name=mean.job,
            group=next(numbers),
            options={**options[mean.section], "rw": _rw(mean)},
            sides=(_side(mean),),
        )
        for mean in means
        if mean.volume == place
    )
    # What the user called a volume tells the two apart: it is what their jobs ran on.
    return Report("", jobs, disks=(name,) if name else ())


def _rw(mean: _Mean) -> str:
    return f"rand{mean.direction}" if mean.pattern == "rand" else mean.direction


def _side(mean: _Mean) -> Side:
    if mean.section == "IOPS":
        printed = {"iops mean": mean.printed}
        return Side(mean.direction, _SOME_TIME_S, spread={"mean": mean.value}, printed=printed)
    if mean.section == "Latency in ns":
        latency = Latency(_NANO, 1, {"mean": mean.value}, printed={"mean": f"{mean.printed} ns"})
        return Side(mean.direction, _SOME_TIME_S, latencies={"fio.latency": latency})
    return Side(mean.direction, _SOME_TIME_S)


def _add_bandwidth(run: Run, means: Sequence[_Mean], volumes: Sequence[str]) -> None:
    """Record the means of bandwidth over time, which nothing else of fio's is read of."""
    of = {(mean.job, volumes[mean.volume], mean.direction): mean for mean in means}
    for workload in run.workloads:
        job, device = workload.jobs[0].name, workload.device
        for direction in workload.directions:
            mean = of.get((job, device, direction))
            if mean and mean.section == "Bandwidth in KiB/sec":
                series = run.recorder.series(workload.name, run.about(workload, direction))
                printed = f"{mean.printed} KiB/s"
                native = "bw_mean"
                series.add("fio.bandwidth", "mean", mean.value * _KIB, printed, native=native)


READER = Reader(
    "fio-kbench", "kbench's summary of one or two volumes", knows, read, Asks, text=True
)
