"""What programs around fio print: docker-fio and dbench, and kubestr.

Values of a dbench come from its nine dumps of fio's text. Its summary is not read: it cuts
``13.9M`` to ``13.9`` and calls every latency microseconds. kubestr prints IOPS to six places,
bandwidth in whole KiB/s and no latency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from collectors.fio import jobs
from collectors.fio.jobs import DIRECTIONS, ROUNDED, Job, Report, Side
from collectors.fio.readers import json_report, text_report, wrapping
from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN, Run, holds
from collectors.fio.workloads import Asks, size_of
from sitegen.collect import Reader, Reading
from sitegen.collect.settings import agreed
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt

_NAMES = (
    *("read_iops", "write_iops", "read_bw", "write_bw", "read_latency", "write_latency"),
    *("read_seq", "write_seq", "rw_mix"),
)
#: The jobs of the file that kubestr brings along.
_OWN = frozenset({"read_iops", "write_iops", "read_bw", "write_bw"})
_UNREAD = "Its summary is not read: it cuts 13.9M to 13.9, and calls all latencies microseconds."
_LAYOUT = re.compile(r"Laying out IO file(?:\(s\))? \(1 file(?:\(s\))? / ?(\d{1,9}[KMGT])i?B\)")
#: The script's share of reads; nothing in fio's text says it.
_READ_SHARE, _NEAR = 0.75, 0.02
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
_USUAL = {"blocksize": "bs", "filesize": "size"}
#: kubestr does not say how long a job ran; with rates alone nothing is multiplied by it.
_SOME_TIME_S = 1.0


def knows_dbench(data: bytes) -> bool:
    """Tell whether ``data`` is a dbench's output, with fio's own."""
    fits = holds(data, TEXT_SIGN) and holds(data, *text_report.DBENCH_SIGNS)
    return fits and not holds(data, JSON_SIGN) and not wrapping.holds_strings(data)


def read_dbench(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``."""
    reports, cut = text_report.reports_of(data)
    run = Run(list(map(_shared, reports)), asks.answers, sized=False)
    _settings(run)
    names = {job.name for report in run.reports for job in report.jobs}
    if missing := [name for name in _NAMES if name not in names]:
        run.recorder.note(f"Of dbench's workloads {', '.join(missing)} are not in it.")
    if "Summary" in reports[-1].chatter:
        run.recorder.note(_UNREAD)
    return (run.reading(cut and "a dump ends before fio's own summary"),)


def _shared(report: Report) -> Report:
    """Return the mix with its share of reads, where the counts bear it out."""

    def shared(job: Job) -> Job:
        reads, writes = ([side.ios or 0 for side in jobs.sides([job], d)] for d in DIRECTIONS[:2])
        share = sum(reads) / max(sum(reads + writes), 1)
        if job.name != "rw_mix" or abs(share - _READ_SHARE) > _NEAR:
            return job
        return replace(job, options={**job.options, "rwmixread": "75"})

    return replace(report, jobs=tuple(map(shared, report.jobs)))


def _settings(run: Run) -> None:
    """Record engine and size for the run, as the collector's sets have them.

    As caveats: runs of other files beside it say nothing of an engine, and would drop out.
    """
    engines = {job.options.get("ioengine", "") for report in run.reports for job in report.jobs}
    # The four sequential jobs make the file larger, by their offsets.
    single = [r for r in run.reports if not any(job.name.endswith("_seq") for job in r.jobs)]
    sizes = {size_of(match[1]) for report in single for match in _LAYOUT.finditer(report.chatter)}
    for name, option, values in (("engine", "engine", engines), ("dbench.size", "size", sizes)):
        stated = str(next(iter(values)) or "") if len(values) == 1 else ""
        value = agreed(option, run.answers.get(option), stated or None)
        run.recorder.parameter(name, value, Comparability.CAVEAT)


def knows_kubestr(data: bytes) -> bool:
    """Tell whether ``data`` is what kubestr prints, with nothing of fio's own."""
    fits = holds(data, b"JobName:") and holds(data, b"FIO version - fio-", b"FIO test results:")
    return fits and not holds(data, JSON_SIGN, TEXT_SIGN)


def read_kubestr(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``; raises SitegenError where it is of several storage classes."""
    text = plain(data)
    if len(classes := set(_CLASS.findall(text))) > 1:
        message = f"there are results of {len(classes)} storage classes in it"
        raise SitegenError(message, fix="import the output of each class as a file of its own")
    parts = _VERSION.split(text)
    reports = []
    for version, output in zip(["", *parts[1::2]], parts[::2], strict=True):
        above, *texts = _JOB.split(output)
        if texts:
            entries = tuple(_job(job, _options(above)) for job in texts)
            # The jobs of kubestr's own file run at once; of another nothing says it.
            own = all(job.name in _OWN for job in entries)
            reports.append(Report(version, entries, grouped=own))
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
    return {_USUAL.get(key, key): value for key, value in _OPTION.findall(line[1] if line else "")}


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


def read_string(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run that the output in the strings of ``data`` is."""
    output = wrapping.string_in(plain(data)).encode()
    if json_report.knows(output):
        return json_report.read(output, asks)
    return (read_dbench if knows_dbench(output) else text_report.read)(output, asks)


DBENCH = Reader(
    *("fio-dbench", "the whole output of docker-fio or dbench", knows_dbench, read_dbench, Asks),
    text=True,
)
KUBESTR = Reader(
    *("fio-kubestr", "kubestr's output of its fio test", knows_kubestr, read_kubestr, Asks),
    text=True,
)
_STRINGS = "fio's output in strings of JSON, as Ansible and log collectors keep it"
STRING = Reader("fio-string", _STRINGS, wrapping.holds_strings, read_string, Asks)
