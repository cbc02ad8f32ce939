"""Storage: the nine workloads of the docker-fio image, and a set made to be trusted."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import structs

from collectors.fio import jobs
from collectors.fio.jobs import CAPPED, DIRECTIONS
from collectors.fio.readers import BUNDLES, READERS
from collectors.fio.readers.json_report import output_in
from collectors.fio.readers.logs import over_time, read_log
from collectors.fio.workloads import size_of
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Recorder, Request, Step
from sitegen.collect.settings import Positive, Settings, Size, described
from sitegen.collect.text import error_line
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Params, Status, ToolIdentity, params

__all__ = ["BENCHMARK", "BUNDLES", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "fio"
_SETS = "the nine of docker-fio, ours, or both (default: both)"
_ENGINE = r"^[a-z][a-z0-9_-]{0,31}$"
_FOLDER = "existing folder on the disk to measure (default: sitegen's own work folder)"
_DEVICE = "existing block device or file instead of a new file; it is overwritten"


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    set: Annotated[Literal["both", "dbench", "default"], described(_SETS)] = "both"
    workloads: Annotated[tuple[str, ...], described("workloads by name instead of a set")] = ()
    directory: Annotated[str, described(_FOLDER)] = ""
    size: Annotated[Size, described("size of the file (default: 2G or 4G, by set)")] | None = None
    engine: Annotated[str, described("I/O engine (default: libaio)", pattern=_ENGINE)] = "libaio"
    runtime_s: Annotated[Positive, described("measured seconds of each workload")] | None = None
    ramp_s: Annotated[float, described("unmeasured seconds before", ge=0, le=1e6)] | None = None
    device: Annotated[str, described(_DEVICE)] = ""
    allow_raw: Annotated[bool, described("yes: really overwrite what `device` names")] = False


_MIB = 1 << 20
#: The seed's job offsets: 500 MiB steps in a file of 2 GiB.
_SEED_SIZE, _SEED_STEP = 2 << 30, 500 << 20
_SPARE_BYTES = 64 << 20
#: Sizes of the file to offer where the usual ones have no room.
_SMALLER = {"2G": 2 << 30, "1G": 1 << 30, "512M": 512 << 20, "256M": 256 << 20}
_STARTUP_S = 0.5
_GRACE_S = 180.0
_LAYOUT_LIMIT_S = 7200.0
_SECTOR = 512
_WINDOWS = 5
# SNIA PTS: five windows, excursion at most 20 %, drift of the fitted line at most 10 %.
_EXCURSION, _DRIFT = 0.20, 0.10
_NO_DIRECT = b"""
sitegen: the work folder refuses direct I/O; name one on a disk with --set fio.directory=
"""


class Workload(NamedTuple):
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
            block_size=size_of(self.block),
            iodepth=self.iodepth,
            numjobs=self.numjobs,
            pattern="randrw" if mixed else "rand" if self.rw.startswith("rand") else "seq",
            read_share="0.75" if mixed else None,
            fdatasync="1" if self.fdatasync else None,
        )


class Timing(NamedTuple):
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
#: The options that all workloads of a set have.
_OF_SET = {
    "dbench": "--verify=0",
    "default": "--lat_percentiles=1 --clat_percentiles=0 --percentile_list=50:90:95:99:99.9:99.99",
}
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
    words = host.run([path, "--version"], timeout_s=20).stdout.decode("utf-8", "replace").split()
    return host.identify("fio", path, words[0].removeprefix("fio-") if words else "unknown")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return a full write of the file, then one step a workload."""
    settings = request.read(SETTINGS)
    chosen = _chosen(settings)
    timings = _timings(settings, request.preset)
    pairs = [(workload, timings[workload.family]) for workload in chosen]
    needed = max(_spread(timing.size, w.numjobs) for w, timing in pairs)
    target = _target(settings)
    if target is None:
        _check_room(needed, max(w.numjobs for w in chosen), request.free_bytes)
    file = target or request.scratch / "fio.data"
    # fio reads a colon in a file name as the start of the next one.
    name = f"--filename={str(file).replace(':', chr(92) + ':')}"
    common = (name, f"--ioengine={settings.engine}", "--direct=1", "--randrepeat=0")
    context = (("folder", str(request.scratch)), ("file", str(file)))
    work = f"--rw=write --bs=1M --iodepth=8 --size={needed} --end_fsync=1 --output-format=json"
    layout = (tool.path, "--name=layout", *common, *work.split())
    must = {"engine": settings.engine, "direct": "1", "target": "device" if target else "file"}
    caveats = {"tool_version": tool.version}
    # Both sets are always listed, so that runs of one set and of both still meet.
    for family, timing in timings.items():
        must[f"{family}.size"] = str(timing.size)
        caveats[f"{family}.runtime_s"] = f"{timing.runtime_s:g}"
        caveats[f"{family}.ramp_s"] = f"{timing.ramp_s:g}"
    recorder = Recorder()
    for key, text in must.items():
        recorder.parameter(key, text)
    for key, text in caveats.items():
        recorder.parameter(key, text, Comparability.CAVEAT)
    return Plan(
        steps=tuple(_step(tool, workload, timing, common, context) for workload, timing in pairs),
        prepare=(Step("layout", "layout", layout, _LAYOUT_LIMIT_S, context=context),),
        parameters=tuple(recorder.parameters.values()),
        about_s=sum(timing.runtime_s + timing.ramp_s + _STARTUP_S for _, timing in pairs),
        about_bytes=float(needed) if target is None else 0.0,
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one job; keep its per-second logs, and what the device moved meanwhile."""
    folder = Path(step.get("folder"))
    before = _device_bytes(host, Path(step.get("file")))
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
    after = _device_bytes(host, Path(step.get("file")))
    files = {}
    for path in sorted(folder.glob("fio_*.log")):
        files[path.name.removeprefix("fio_")] = path.read_bytes()
        path.unlink()
    stderr = raw.stderr
    if b"O_DIRECT" in stderr or b"does not support direct" in stderr:
        stderr += _NO_DIRECT
    values = {f"device_{d}_bytes": str(after[d] - before[d]) for d in before if d in after}
    with contextlib.suppress(SitegenError):  # a log that is cut off is refused by `parse`
        if (steady := is_steady(files)) is not None:
            values["steady"] = "true" if steady else "false"
    return structs.replace(raw, stderr=stderr, files=files, values=tuple(values.items()))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what fio's last JSON document and its logs say."""
    output = output_in(raw.stdout)
    if output.cut:
        raise SitegenError(f"fio's JSON is cut off or damaged: {output.cut}", where=step.name)
    messages = f"{output.chatter}\n{raw.stderr.decode('utf-8', 'replace')}"
    reason = error_line(messages, "sitegen:", "O_DIRECT", "error=", "fio:")
    if raw.exit_code != 0 or not output.reports:
        reason = reason or "it printed no result"
        raise SitegenError(f"fio ended with code {raw.exit_code}: {reason}", where=step.name)
    final = output.reports[-1]
    if error := next((job.error for job in final.jobs if job.error), 0):
        message = f"a fio job failed: {reason or jobs.problem(error)}"
        raise SitegenError(message, where=step.name)
    parts = {d: sides for d in DIRECTIONS if (sides := jobs.sides(final.jobs, d))}
    if not parts:
        raise SitegenError("fio moved no data", where=step.name)
    counted = {d: float(count) for d in parts if (count := raw.get(f"device_{d}_bytes"))}
    device = {**counted, **final.device}
    suspect = CAPPED in messages or any(
        jobs.unequal(sides) or jobs.is_cached(sides, device.get(d)) for d, sides in parts.items()
    )
    recorder = Recorder()
    status = Status.SUSPECT if suspect else Status.OK
    for direction, sides in parts.items():
        about = params(direction=direction, **dict(step.params))
        series = recorder.series(step.workload, about, status=status)
        jobs.write_direction(series, sides)
        series.add("fio.device_bytes", "value", device.get(direction))
        for metric, log, scale in (("fio.iops", "iops", 1.0), ("fio.bandwidth", "bw", 1024.0)):
            values = per_second(raw.files, log, direction)
            series.points("time", metric, ((second, value * scale) for second, value in values))
    jobs.write_rest(recorder.series(step.workload, step.params, status=status), final.jobs)
    return recorder.reading()


def is_steady(files: Mapping[str, bytes]) -> bool | None:
    """Say whether I/Os a second were level, all directions together; None where logs are short."""
    totals: Counter[float] = Counter()
    for direction in DIRECTIONS:
        totals.update(dict(per_second(files, "iops", direction)))
    return steady_state([totals[second] for second in sorted(totals)])


def steady_state(series: Sequence[float]) -> bool | None:
    """Say whether five windows of ``series`` are level, by SNIA's rule; None without as many."""
    if not (length := len(series) // _WINDOWS):
        return None
    kept = series[len(series) - length * _WINDOWS :]
    means = [sum(kept[i * length : (i + 1) * length]) / length for i in range(_WINDOWS)]
    mean = sum(means) / _WINDOWS
    # Of the line fitted through the five.
    slope = sum(place * value for place, value in zip(range(-2, 3), means, strict=True)) / 10
    is_level = max(means) - min(means) <= _EXCURSION * mean
    return is_level and abs(slope) * (_WINDOWS - 1) <= _DRIFT * mean


def per_second(files: Mapping[str, bytes], kind: str, direction: str) -> list[tuple[float, float]]:
    """Return second and value from the per-second logs, added up over the jobs."""
    logs = [(name, data) for name, data in files.items() if name.startswith(kind) and data.strip()]
    return over_time([read_log(*log, step_ms=1000) for log in logs], direction)


def _step(
    tool: ToolIdentity, workload: Workload, timing: Timing, common: tuple[str, ...], context: Params
) -> Step:
    many = f"--thread --numjobs={workload.numjobs} --offset_increment={_offset(timing.size)}"
    flags = f"""
        --rw={workload.rw} --bs={workload.block} --iodepth={workload.iodepth}
        --size={timing.size} --time_based --ramp_time={_time(timing.ramp_s)}
        --runtime={_time(timing.runtime_s)} --allow_file_create=0 {_OF_SET[workload.family]}
        {"" if workload.timed else "--gtod_reduce=1"}
        {"--rwmixread=75" if workload.rw == "randrw" else ""}
        {many if workload.numjobs > 1 else ""} {"--fdatasync=1" if workload.fdatasync else ""}
        --output-format=json+ --write_bw_log=fio --write_iops_log=fio --log_avg_msec=1000
    """
    expected = [("fio.iops", "value", "1/s"), ("fio.bandwidth", "value", "B/s")]
    if workload.timed:
        expected.append(("fio.latency", "mean", "s"))
    name, about = workload.name, workload.params
    expects = tuple(
        Measurement(name, *row, None, params(direction=direction, **dict(about)))
        for direction in workload.directions
        for row in expected
    )
    argv = (tool.path, f"--name={name}", *common, *flags.split())
    limit_s = timing.runtime_s + timing.ramp_s + _GRACE_S
    return Step(name, name, argv, limit_s, about, expects, context)


def _chosen(settings: SETTINGS) -> tuple[Workload, ...]:
    names = [workload.name for workload in _WORKLOADS]
    if unknown := [name for name in settings.workloads if name not in names]:
        message, fix = f"fio has no workload {unknown[0]!r}", f"use some of {', '.join(names)}"
        raise SitegenError(message, where="--set fio.workloads", fix=fix)
    kept = settings.workloads or [w.name for w in _WORKLOADS if settings.set in {"both", w.family}]
    return tuple(workload for workload in _WORKLOADS if workload.name in kept)


def _timings(settings: SETTINGS, preset: str) -> dict[str, Timing]:
    if settings.size is not None and settings.size < 16 * _MIB:
        raise SitegenError("is less than 16M", where="--set fio.size", fix="write 8G")
    changes = {name: getattr(settings, name) for name in Timing._fields}
    changes = {name: value for name, value in changes.items() if value is not None}
    return {family: timing._replace(**changes) for family, timing in _TIMINGS[preset].items()}


def _target(settings: SETTINGS) -> Path | None:
    if not settings.device:
        return None
    path, place = Path(settings.device), "--set fio.device"
    # fio would create a path that is not there, and measure this disk.
    if not path.is_block_device() and not path.is_file():
        raise SitegenError(f"{path} is no block device and no file", where=place)
    if not settings.allow_raw:
        fix = "add `--set fio.allow_raw=yes` if that is wanted"
        raise SitegenError(f"everything on {path} would be overwritten", where=place, fix=fix)
    return path


def _check_room(needed: int, jobs: int, free: float) -> None:
    """Raise SitegenError where the file has no room, with a size that has, if there is one."""

    def fits(size: int) -> bool:
        return size * 1.05 + _SPARE_BYTES <= free

    if fits(needed):
        return
    smaller = [name for name, size in _SMALLER.items() if fits(_spread(size, jobs))]
    fixes = ["free some space", *(f"`--set fio.size={name}`" for name in smaller[:1])]
    fix = ", or ".join([*fixes, "`--set fio.directory=` another disk"])
    message = f"the file takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    raise SitegenError(message, where=BENCHMARK, fix=fix)


def _spread(size: int, jobs: int) -> int:
    """Return what a file takes whose jobs begin at offsets of their own."""
    return size + (jobs - 1) * _offset(size)


def _offset(size: int) -> int:
    return _SEED_STEP * size // _SEED_SIZE // _MIB * _MIB or _MIB


def _time(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"


def _device_bytes(host: Host, file: Path) -> dict[str, int]:
    """Return the bytes read and written so far of the device that ``file`` lies on."""
    try:
        status = (file if file.exists() else file.parent).stat()
    except OSError:
        return {}
    device = status.st_rdev if stat.S_ISBLK(status.st_mode) else status.st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    fields = (host.read(f"/sys/dev/block/{numbers}/stat") or "").split()
    # Documentation/block/stat: the third field counts sectors read, the seventh written.
    sectors = zip(("read", "write"), fields[2:7:4], strict=False)
    return {direction: int(count) * _SECTOR for direction, count in sectors}
