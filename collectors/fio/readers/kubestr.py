"""What kubestr prints of its fio: IOPS to six places, bandwidth in whole KiB/s, no latency."""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.fio.jobs import ROUNDED, Job, Report, Side
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, Run, holds
from collectors.fio.workloads import Asks
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_CLASS = re.compile(r"(?m)^[ \t]*Running FIO test .{0,200} on StorageClass \(([^)\n]{1,200})\)")
_VERSION = re.compile(r"(?m)^[ \t]*FIO version - fio-(\d[\w.+-]{0,60})")
_JOB = re.compile(r"(?m)^[ \t]*JobName: ?")
_SIDE = re.compile(
    r"(?m)^[ \t]*(read|write|trim):\s{0,80}"
    r"IOPS=(\d{1,15}(?:\.\d{1,9})?) BW\(KiB/s\)=(\d{1,15})[ \t]*$"
    r"(?:\s{0,80}iops: min=(\d{1,15}) max=(\d{1,15}) avg=(\d{1,15}(?:\.\d{1,9})?)[ \t]*$)?"
)
_OPTIONS = re.compile(r"(?m)^[ \t]*(?:Global options - |(?=blocksize=))(.{0,400})")
_OPTION = re.compile(r"(\w{1,40})=(\S{1,80})")
_NAMES = {"blocksize": "bs", "filesize": "size"}
#: kubestr does not say how long a job ran; with rates alone nothing is multiplied by it.
_SOME_TIME_S = 1.0


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is what kubestr prints, with nothing of fio's own."""
    own = holds(data, b"JobName:") and holds(data, b"FIO version - fio-", b"FIO test results:")
    return own and not holds(data, JSON_SIGN, TEXT_SIGN)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``; raises SitegenError where it is of several storage classes."""
    text = plain(data)
    if len(classes := set(_CLASS.findall(text))) > 1:
        what = f"there are results of {len(classes)} storage classes in it"
        raise SitegenError(what, fix="import the output of each class as a file of its own")
    parts = _VERSION.split(text)
    reports = []
    for version, output in zip(["", *parts[1::2]], parts[::2], strict=True):
        above, *jobs = _JOB.split(output)
        if jobs:
            reports.append(Report(version, tuple(_job(job, _options(above)) for job in jobs)))
    return (Run(reports, asks.answers).reading(),)


def _job(text: str, shared: Mapping[str, str]) -> Job:
    name = text.partition("\n")[0].strip()
    sides = {match[1]: _side(*match.groups()) for match in _SIDE.finditer(text)}
    if not sides:
        raise SitegenError("has no figure as kubestr prints it", where=f"the job {name[:60]!a}")
    return Job(name=name, options={**shared, **_options(text)}, sides=tuple(sides.values()))


def _options(text: str) -> dict[str, str]:
    """Return fio's options; those that were not given stand there empty."""
    line = _OPTIONS.search(text)
    return {_NAMES.get(key, key): value for key, value in _OPTION.findall(line[1] if line else "")}


def _side(direction: str, iops: str, kib: str, *figures: str | None) -> Side:
    spread = {k: text for k, text in zip(("min", "max", "mean"), figures, strict=True) if text}
    bandwidth = f"{kib} KiB/s"
    rounded = (Doubt.ROUNDED, f"the bandwidth is printed as {bandwidth}")
    return Side(
        direction=direction,
        runtime_s=_SOME_TIME_S,
        iops=float(iops),
        bandwidth=float(kib) * 1024,
        spread={name: float(text) for name, text in spread.items()},
        printed={"iops": iops, "bandwidth": bandwidth}
        | {f"iops {name}": text for name, text in spread.items()},
        doubts=(rounded,) if int(kib) * ROUNDED < 1 else (),
    )


READER = Reader("fio-kubestr", "kubestr's output of its fio test", knows, read, Asks, text=True)
