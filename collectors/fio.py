"""Storage: the nine workloads of the docker-fio image, and a set made to be trusted."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import (
    STATISTICS,
    Comparability,
    Measurement,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
    params,
)

BENCHMARK = "fio"
SETTINGS = {
    "set": "both (default), dbench (the nine of docker-fio) or default (ours)",
    "workloads": "comma-separated workload names instead of a whole set",
    "size": "size of the file, such as 8G (default: 2G for dbench, 4G for default)",
    "engine": "fio's I/O engine (default: libaio)",
    "runtime_s": "measured seconds of each workload",
    "ramp_s": "unmeasured seconds before them",
    "device": "an existing block device or file to use instead of a new file; it is overwritten",
    "allow_raw": "yes: really overwrite what `device` names",
}

_DIRECTIONS = ("read", "write", "trim")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MIB = 1 << 20
#: The seed's job offsets: 500 MiB steps in a file of 2 GiB.
_SEED_SIZE, _SEED_STEP = 2 << 30, 500 << 20
_SPARE_BYTES = 64 << 20
_STARTUP_S = 0.5
_GRACE_S = 180.0
_LAYOUT_LIMIT_S = 7200.0
_BINS = 60
_WINDOWS = 5
# SNIA PTS: five windows, excursion at most 20 %, drift of the fitted line at most 10 %.
_EXCURSION, _DRIFT = 0.20, 0.10
# Ramp and metadata make a device move more than fio counts; less means a cache answered.
_LEAST_DEVICE_SHARE = 0.9
_RUNTIME_SPREAD = 1.02
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Workload:
    """One fio job: what it does, and to which set it belongs."""

    name: str
    family: str
    rw: str
    block: str
    iodepth: int
    numjobs: int = 1
    timed: bool = True
    fdatasync: bool = False

    @property
    def directions(self) -> tuple[str, ...]:
        """Return the directions in which it moves data."""
        if self.rw == "randrw":
            return ("read", "write")
        return ("write",) if "write" in self.rw else ("read",)

    @property
    def params(self) -> Params:
        """Return what tells its measurements apart, but for the direction."""
        mixed = self.rw == "randrw"
        return params(
            block_size=_bytes(self.block, "block"),
            iodepth=self.iodepth,
            numjobs=self.numjobs,
            pattern="randrw" if mixed else "rand" if self.rw.startswith("rand") else "seq",
            read_share="0.75" if mixed else None,
            fdatasync="1" if self.fdatasync else None,
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """How large a set's file is and how long each of its workloads runs."""

    size: int
    runtime_s: float
    ramp_s: float


# ``timed=False`` is the seed's gtod_reduce=1: no clock per I/O, and so no latency.
_WORKLOADS = (
    Workload("read_iops", "dbench", "randread", "4K", 64, timed=False),
    Workload("write_iops", "dbench", "randwrite", "4K", 64, timed=False),
    Workload("read_bw", "dbench", "randread", "128K", 64, timed=False),
    Workload("write_bw", "dbench", "randwrite", "128K", 64, timed=False),
    Workload("read_latency", "dbench", "randread", "4K", 4),
    Workload("write_latency", "dbench", "randwrite", "4K", 4),
    Workload("read_seq", "dbench", "read", "1M", 16, 4, timed=False),
    Workload("write_seq", "dbench", "write", "1M", 16, 4, timed=False),
    Workload("rw_mix", "dbench", "randrw", "4k", 64, timed=False),
    Workload("randread-4k-qd1", "default", "randread", "4k", 1),
    Workload("randread-4k-qd32", "default", "randread", "4k", 32),
    Workload("randwrite-4k-qd32", "default", "randwrite", "4k", 32),
    Workload("seqread-1m-qd8", "default", "read", "1m", 8),
    Workload("seqwrite-1m-qd8", "default", "write", "1m", 8),
    Workload("logwrite-4k-fdatasync", "default", "write", "4k", 1, fdatasync=True),
)
_TIMINGS = {
    "quick": {"dbench": Timing(256 << 20, 1.5, 0.5), "default": Timing(256 << 20, 1.5, 0.5)},
    "standard": {"dbench": Timing(_SEED_SIZE, 15, 2), "default": Timing(4 << 30, 20, 5)},
    "thorough": {"dbench": Timing(_SEED_SIZE, 60, 5), "default": Timing(4 << 30, 60, 5)},
}


def detect(host: Host) -> ToolIdentity | Missing:
    """Return fio with the version that it prints."""
    path = host.find("fio")
    if path is None:
        return Missing("fio", "apt install fio")
    said = host.run([path, "--version"], timeout_s=20).stdout.decode("utf-8", "replace").split()
    return host.identify("fio", path, said[0].removeprefix("fio-") if said else "unknown")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return a full write of the file, then one step a workload.

    Raises SitegenError when a setting cannot be met or the disk has too little room.
    """
    given = request.settings
    chosen = _chosen(given)
    engine = given.get("engine", "libaio")
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", engine):
        raise SitegenError(f"{engine!r} is not an engine's name", where="--set fio.engine")
    timings = {
        family: Timing(
            _bytes(given["size"], "size") if "size" in given else timing.size,
            _seconds(given, "runtime_s", timing.runtime_s, least=0.5),
            _seconds(given, "ramp_s", timing.ramp_s, least=0.0),
        )
        for family, timing in _TIMINGS[request.preset].items()
    }
    needed = max(_reach(workload, timings[workload.family]) for workload in chosen)
    target = _target(given)
    if target is None and needed * 1.05 + _SPARE_BYTES > request.free_bytes:
        raise SitegenError(
            f"fio needs a file of {needed / 1e9:.1f} GB, {request.free_bytes / 1e9:.1f} GB are free",
            where=BENCHMARK,
            fix="free some space, or `--set fio.size=1G`, or `--set fio.directory=` another disk",
        )
    file = target or request.scratch / "fio.data"
    # fio reads a colon in a file name as the start of the next one.
    name = f"--filename={str(file).replace(':', chr(92) + ':')}"
    common = (name, f"--ioengine={engine}", "--direct=1", "--randrepeat=0")
    context = (("folder", str(request.scratch)), ("file", str(file)))
    layout = Step(
        name="layout",
        workload="layout",
        argv=(
            *(tool.path, "--name=layout", *common, "--rw=write", "--bs=1M", "--iodepth=8"),
            *(f"--size={needed}", "--end_fsync=1", "--output-format=json"),
        ),
        timeout_s=_LAYOUT_LIMIT_S,
        context=context,
    )
    steps = tuple(
        _step(tool, workload, timings[workload.family], common, context) for workload in chosen
    )
    must, caveat = Comparability.MUST_MATCH, Comparability.CAVEAT
    # Both sets are always listed, so that runs of one set and of both still meet.
    sets = [
        parameter
        for family, timing in timings.items()
        for parameter in (
            Parameter(f"{family}.size", str(timing.size), must),
            Parameter(f"{family}.runtime_s", f"{timing.runtime_s:g}", caveat),
            Parameter(f"{family}.ramp_s", f"{timing.ramp_s:g}", caveat),
        )
    ]
    return Plan(
        steps=steps,
        prepare=(layout,),
        parameters=(
            Parameter("engine", engine, must),
            Parameter("direct", "1", must),
            Parameter("target", "file" if target is None else "device", must),
            *sets,
            Parameter("tool_version", tool.version, caveat),
        ),
        about_s=sum(
            timings[each.family].runtime_s + timings[each.family].ramp_s + _STARTUP_S
            for each in chosen
        ),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one job; keep its per-second logs, and what the device moved meanwhile."""
    folder = Path(step.get("folder"))
    counter = _counter(Path(step.get("file")))
    before = _moved(host, counter)
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
    after = _moved(host, counter)
    files = {}
    for path in sorted(folder.glob("fio-*.log")):
        files[path.name.removeprefix("fio-")] = path.read_bytes()
        path.unlink()
    stderr = raw.stderr
    if b"O_DIRECT" in stderr or b"does not support direct" in stderr:
        stderr += (
            b"\nsitegen: the file system of the work folder refuses direct I/O; "
            b"name a folder on a disk with --set fio.directory=\n"
        )
    values = []
    if before and after:
        values = [
            (f"device_{direction}_bytes", str(late - early))
            for direction, early, late in zip(_DIRECTIONS, before, after, strict=False)
        ]
    steady = steady_state(_totals(_series(files, "iops")))
    if steady is not None:
        values.append(("steady", "true" if steady else "false"))
    return dataclasses.replace(raw, stderr=stderr, files=files, values=tuple(values))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what fio's last JSON document and its logs say.

    Raises SitegenError when fio failed, was cut short, or printed no whole document.
    """
    text = raw.stdout.decode("utf-8", "replace")
    errors = raw.stderr.decode("utf-8", "replace")
    found, chatter = documents(text)
    if raw.exit_code != 0 or not found:
        reason = _reason(errors, chatter) or "it printed no result"
        raise SitegenError(
            f"fio ended with code {raw.exit_code}: {reason}", where=step.name
        )
    try:
        final = found[-1]
        jobs = _jobs(final)
        for job in jobs:
            if job.get("error", 0) != 0:
                reason = _reason(errors, chatter) or os.strerror(int(job["error"]))
                raise SitegenError(f"a fio job failed: {reason}", where=step.name)
        directions = [d for d in _DIRECTIONS if _sum(jobs, d, "total_ios") or _sum(jobs, d, "io_bytes")]
        if not directions:
            raise SitegenError("fio moved no data", where=step.name)
        capped = "queue depth will be capped" in chatter + errors
        reader = _Reader(step, raw, final, jobs, Status.SUSPECT if capped else Status.OK)
        return reader.reading(directions)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SitegenError(
            f"fio's JSON has an unknown layout ({type(error).__name__}: {error})", where=step.name
        ) from error


def documents(text: str) -> tuple[list[dict[str, Any]], str]:
    """Return the JSON documents in fio's output, and all the text around them.

    fio prints notes before its JSON, and one document a status interval: the last is final.
    Raises SitegenError when a document is cut off.
    """
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    chatter = []
    at = 0
    while start := re.compile(r"^[ \t]*\{", re.M).search(text, at):
        chatter.append(text[at : start.start()])
        try:
            value, at = decoder.raw_decode(text, start.end() - 1)
        except (ValueError, RecursionError) as error:
            raise SitegenError(f"fio's JSON is cut off or damaged: {error}", where="fio") from error
        found.append(value)
    return found, "".join((*chatter, text[at:]))


def steady_state(series: Sequence[float]) -> bool | None:
    """Say whether five windows of ``series`` are level: SNIA's excursion and slope rule.

    None when there are fewer points than windows.
    """
    length = len(series) // _WINDOWS
    if not length:
        return None
    kept = series[len(series) - length * _WINDOWS :]
    means = [sum(kept[i * length : (i + 1) * length]) / length for i in range(_WINDOWS)]
    mean = sum(means) / _WINDOWS
    middle = (_WINDOWS - 1) / 2
    slope = sum((i - middle) * value for i, value in enumerate(means)) / sum(
        (i - middle) ** 2 for i in range(_WINDOWS)
    )
    return (
        max(means) - min(means) <= _EXCURSION * mean
        and abs(slope) * (_WINDOWS - 1) <= _DRIFT * mean
    )


def percentile(bins: Mapping[int, int], percent: float) -> int:
    """Return the first bin at which ``percent`` of all counts is reached, as fio does."""
    wanted = percent / 100 * sum(bins.values())
    passed = 0
    for value in sorted(bins):
        passed += bins[value]
        if passed >= wanted:
            return value
    return max(bins)


class _Reader:
    """Turns the jobs of one document into measurements of one step."""

    def __init__(
        self,
        step: Step,
        raw: RawOutput,
        final: Mapping[str, Any],
        jobs: Sequence[Mapping[str, Any]],
        status: Status,
    ) -> None:
        self.step = step
        self.raw = raw
        self.final = final
        self.jobs = jobs
        self.status = status
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []

    def reading(self, directions: Sequence[str]) -> Reading:
        for direction in directions:
            self._direction(direction)
        cpu = sum(float(job["usr_cpu"]) + float(job["sys_cpu"]) for job in self.jobs)
        self._add("fio.cpu_usage", "value", "ratio", cpu / 100, self.step.params)
        if self.step.get("fdatasync"):
            self._latency("fio.sync_latency", "lat", [job["sync"] for job in self.jobs], self.step.params)
        found = [m._replace(status=self.status) for m in self.measurements]
        return Reading(tuple(found), tuple(self.samples))

    def _direction(self, direction: str) -> None:
        where = params(direction=direction, **dict(self.step.params))
        parts = [job[direction] for job in self.jobs if direction in job]
        parts = [part for part in parts if part.get("total_ios", part["io_bytes"])]
        runtimes = [float(part["runtime"]) / 1000 for part in parts]
        runtime = max(runtimes)
        if runtime <= 0:
            raise SitegenError("fio measured for no time at all", where=self.step.name)
        if runtime > min(runtimes) * _RUNTIME_SPREAD:
            self.status = Status.SUSPECT
        # Jobs that ended early still counted at full rate: add I/Os, never rates.
        moved = sum(_io_bytes(part) for part in parts)
        if all("total_ios" in part for part in parts):
            rate = sum(int(part["total_ios"]) for part in parts) / runtime
        else:
            rate = sum(float(part["iops"]) for part in parts)
        self._add("fio.iops", "value", "1/s", rate, where)
        if len(parts) == 1:
            self._iops_samples(parts[0], where)
        self._add("fio.bandwidth", "value", "B/s", moved / runtime, where)
        self._latency("fio.latency", "lat", parts, where)
        self._latency("fio.completion_latency", "clat", parts, where, spread=False)
        self._latency("fio.submission_latency", "slat", parts, where, spread=False)
        device = self._device_bytes(direction)
        if device is not None:
            self._add("fio.device_bytes", "value", "B", device, where)
            if device < _LEAST_DEVICE_SHARE * moved:
                self.status = Status.SUSPECT
        for metric, log, scale in (("fio.iops", "iops", 1.0), ("fio.bandwidth", "bw", 1024.0)):
            series = _series(self.raw.files, log).get(_DIRECTIONS.index(direction), {})
            self.samples += [
                Sample(self.step.workload, 0, "time", metric, float(second), value * scale, where)
                for second, value in sorted(series.items())
            ]

    def _add(self, metric: str, statistic: str, unit: str, value: float, where: Params) -> None:
        if not math.isfinite(value):
            raise SitegenError(f"{metric} is {value}", where=self.step.name)
        self.measurements.append(
            Measurement(self.step.workload, metric, statistic, unit, value, where)
        )

    def _iops_samples(self, part: Mapping[str, Any], where: Params) -> None:
        count = int(part.get("iops_samples", 0))
        for statistic in ("min", "max", "mean", "stddev"):
            if count > (statistic == "stddev"):
                self._add("fio.iops", statistic, "1/s", float(part[f"iops_{statistic}"]), where)

    def _latency(
        self,
        metric: str,
        kind: str,
        parts: Sequence[Mapping[str, Any]],
        where: Params,
        *,
        spread: bool = True,
    ) -> None:
        """Add what is there of one kind of latency; with gtod_reduce there is nothing."""
        scale = 1e-9 if f"{kind}_ns" in parts[0] else 1e-6
        key = f"{kind}_ns" if f"{kind}_ns" in parts[0] else kind
        # fio 2 has no N; a mean over no I/O is 0.
        found = [
            (block, int(block.get("N", part.get("total_ios", 1))))
            for part in parts
            if (block := part.get(key)) and float(block["mean"]) > 0
        ]
        count = sum(n for _, n in found)
        if not count:
            return
        mean = sum(float(block["mean"]) * n for block, n in found) / count
        self._add(metric, "mean", "s", mean * scale, where)
        if spread:
            square = sum((float(b["stddev"]) ** 2 + (float(b["mean"]) - mean) ** 2) * n for b, n in found)
            self._add(metric, "stddev", "s", math.sqrt(square / count) * scale, where)
            self._add(metric, "min", "s", min(float(b["min"]) for b, _ in found) * scale, where)
            self._add(metric, "max", "s", max(float(b["max"]) for b, _ in found) * scale, where)
        bins: defaultdict[int, int] = defaultdict(int)
        for block, _ in found:
            for value, times in block.get("bins", {}).items():
                bins[int(value)] += int(times)
        self._percentiles(metric, [b.get("percentile", {}) for b, _ in found], bins, scale, where)
        self.samples += [
            Sample(self.step.workload, 0, "histogram", metric, value * scale, float(times), where)
            for value, times in coarse(bins)
        ]

    def _percentiles(
        self,
        metric: str,
        printed: Sequence[Mapping[str, Any]],
        bins: Mapping[int, int],
        scale: float,
        where: Params,
    ) -> None:
        for key, value in printed[0].items():
            percent = float(key)
            statistic = f"p{percent:g}"
            if statistic not in STATISTICS:
                continue
            if len(printed) == 1:
                self._add(metric, statistic, "s", float(value) * scale, where)
            elif bins:  # percentiles of several jobs do not average
                self._add(metric, statistic, "s", percentile(bins, percent) * scale, where)

    def _device_bytes(self, direction: str) -> float | None:
        disks = self.final.get("disk_util") or [{}]
        # The first is the device of the file, the rest lie below it. fio 3.36 and later.
        if (sectors := disks[0].get(f"{direction}_sectors")) is not None:
            return float(sectors) * _SECTOR
        counted = self.raw.get(f"device_{direction}_bytes")
        return None if counted is None else float(counted)


def coarse(bins: Mapping[int, int]) -> Iterator[tuple[float, int]]:
    """Yield at most 60 bins of equal ratio: the mean value of each, and its count."""
    if not bins:
        return
    low, high = max(min(bins), 1), max(*bins, 2)
    width = math.log(high / low) / _BINS or 1.0
    cells: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for value, times in bins.items():
        place = int(math.log(max(value, 1) / low) / width)
        cells[min(place, _BINS - 1)].append((value, times))
    for _, cell in sorted(cells.items()):
        count = sum(times for _, times in cell)
        if count:
            yield sum(value * times for value, times in cell) / count, count


def _step(
    tool: ToolIdentity,
    workload: Workload,
    timing: Timing,
    common: tuple[str, ...],
    context: tuple[tuple[str, str], ...],
) -> Step:
    argv = [tool.path, f"--name={workload.name}", *common, f"--rw={workload.rw}"]
    argv += [f"--bs={workload.block}", f"--iodepth={workload.iodepth}", f"--size={timing.size}"]
    argv += ["--time_based", f"--ramp_time={_time(timing.ramp_s)}"]
    argv += [f"--runtime={_time(timing.runtime_s)}", "--allow_file_create=0"]
    if workload.family == "dbench":
        argv.append("--verify=0")
    else:
        argv += ["--lat_percentiles=1", "--clat_percentiles=0"]
        argv.append("--percentile_list=50:90:95:99:99.9:99.99")
    if not workload.timed:
        argv.append("--gtod_reduce=1")
    if workload.rw == "randrw":
        argv.append("--rwmixread=75")
    if workload.numjobs > 1:
        argv += ["--thread", f"--numjobs={workload.numjobs}"]
        argv.append(f"--offset_increment={_offset(timing.size)}")
    if workload.fdatasync:
        argv.append("--fdatasync=1")
        context = (*context, ("fdatasync", "1"))
    argv += ["--output-format=json+", "--write_bw_log=fio", "--write_iops_log=fio"]
    argv.append("--log_avg_msec=1000")
    expected = [("fio.iops", "value", "1/s"), ("fio.bandwidth", "value", "B/s")]
    if workload.timed:
        expected.append(("fio.latency", "mean", "s"))
    return Step(
        name=workload.name,
        workload=workload.name,
        argv=tuple(argv),
        timeout_s=timing.runtime_s + timing.ramp_s + _GRACE_S,
        params=workload.params,
        expects=tuple(
            Measurement(
                workload.name,
                metric,
                statistic,
                unit,
                None,
                params(direction=direction, **dict(workload.params)),
            )
            for direction in workload.directions
            for metric, statistic, unit in expected
        ),
        context=context,
    )


def _chosen(given: Mapping[str, str]) -> tuple[Workload, ...]:
    family = given.get("set", "both")
    if family not in {"both", "dbench", "default"}:
        raise SitegenError(
            f"fio has no set {family!r}", where="--set fio.set", fix="use both, dbench or default"
        )
    names = [name.strip() for name in given.get("workloads", "").split(",") if name.strip()]
    known = {workload.name for workload in _WORKLOADS}
    if unknown := [name for name in names if name not in known]:
        raise SitegenError(
            f"fio has no workload {unknown[0]!r}",
            where="--set fio.workloads",
            fix=f"use some of {', '.join(sorted(known))}",
        )
    return tuple(
        workload
        for workload in _WORKLOADS
        if (workload.name in names if names else family in {"both", workload.family})
    )


def _target(given: Mapping[str, str]) -> Path | None:
    if "device" not in given:
        return None
    path = Path(given["device"])
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SitegenError(
            f"{path} cannot be used: {error.strerror}",
            where="--set fio.device",
            fix="name an existing block device; fio would create the path and measure this disk",
        ) from error
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise SitegenError(f"{path} is no block device and no file", where="--set fio.device")
    if given.get("allow_raw") != "yes":
        raise SitegenError(
            f"everything on {path} would be overwritten",
            where="--set fio.device",
            fix="add `--set fio.allow_raw=yes` if that is wanted",
        )
    return path


def _reach(workload: Workload, timing: Timing) -> int:
    """Return how much of the file a workload touches."""
    return timing.size + (workload.numjobs - 1) * _offset(timing.size)


def _offset(size: int) -> int:
    return _SEED_STEP * size // _SEED_SIZE // _MIB * _MIB or _MIB


def _bytes(text: str, setting: str) -> int:
    match = re.fullmatch(r"(\d{1,15})\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if setting == "size" and size < 16 * _MIB:
        raise SitegenError(
            f"{text!r} is not a size of 16M or more", where="--set fio.size", fix="write 8G"
        )
    return size


def _seconds(given: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = given.get(name)
    if text is None:
        return default
    if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) and float(text) >= least:
        return float(text)
    raise SitegenError(f"{text!r} is not {least:g} seconds or more", where=f"--set fio.{name}")


def _time(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"


def _counter(file: Path) -> str:
    """Return where the kernel counts the sectors of the device that ``file`` lies on."""
    try:
        found = file.stat() if file.exists() else file.parent.stat()
    except OSError:
        return ""
    device = found.st_rdev if stat.S_ISBLK(found.st_mode) else found.st_dev
    return f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"


def _moved(host: Host, counter: str) -> tuple[int, int] | None:
    fields = (host.read(counter) or "").split() if counter else []
    # Documentation/block/stat: the third field counts sectors read, the seventh written.
    return (int(fields[2]) * _SECTOR, int(fields[6]) * _SECTOR) if len(fields) > 6 else None  # noqa: PLR2004


def _series(files: Mapping[str, bytes], kind: str) -> dict[int, dict[int, float]]:
    """Return direction -> second -> value from the per-second logs, added up over the jobs."""
    totals: dict[int, dict[int, float]] = {}
    for name, data in files.items():
        if not re.fullmatch(rf"{kind}\.\d+\.log|_{kind}\.\d+\.log|fio_{kind}\.\d+\.log", name):
            continue
        job: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for line in data.decode("ascii", "replace").splitlines():
            match = re.match(r"(\d{1,12}), *(\d{1,18}), *([012])\b", line)
            if match:
                second = max(1, round(int(match[1]) / 1000))
                job[int(match[3]), second].append(float(match[2]))
        for (direction, second), values in job.items():
            place = totals.setdefault(direction, {})
            # The last second may be logged twice: it still counts once.
            place[second] = place.get(second, 0.0) + sum(values) / len(values)
    return totals


def _totals(series: Mapping[int, Mapping[int, float]]) -> list[float]:
    seconds = sorted({second for values in series.values() for second in values})
    return [sum(values.get(second, 0.0) for values in series.values()) for second in seconds]


def _jobs(final: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    jobs = final["jobs"] if "jobs" in final else final["client_stats"]
    # In client mode the last entry adds the others up, without their percentiles.
    alone = [job for job in jobs if job["jobname"] != "All clients"]
    return alone or list(jobs)


def _sum(jobs: Sequence[Mapping[str, Any]], direction: str, key: str) -> int:
    return sum(int(job.get(direction, {}).get(key, 0)) for job in jobs)


def _io_bytes(part: Mapping[str, Any]) -> float:
    """Return the bytes moved: up to fio 2.20 ``io_bytes`` holds KiB."""
    moved, rate = float(part["io_bytes"]), float(part["bw"])
    seconds = float(part["runtime"]) / 1000
    if "io_kbytes" not in part and rate * seconds and abs(moved / (rate * seconds) - 1) < 0.05:  # noqa: PLR2004 - both are rounded
        return moved * 1024
    return moved


def _reason(errors: str, chatter: str) -> str:
    """Return the line that says best what went wrong."""
    lines = [line.strip() for line in (chatter + "\n" + errors).splitlines() if line.strip()]
    for sign in ("sitegen:", "O_DIRECT", "error=", "fio:"):
        if told := [line for line in lines if sign in line]:
            return told[-1][:300]
    return lines[-1][:300] if lines else ""
