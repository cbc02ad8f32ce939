"""Storage: the nine workloads of the docker-fio image, and a set made to be trusted."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.fio import output
from collectors.fio.readers import BUNDLES, READERS
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, Params, ToolIdentity, params

__all__ = ["BENCHMARK", "BUNDLES", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "fio"
SETTINGS = {
    "set": "both (default), dbench (the nine of docker-fio) or default (ours)",
    "workloads": "comma-separated workload names instead of a whole set",
    "directory": "existing folder on the disk to measure (default: sitegen's own work folder)",
    "size": "size of the file, such as 8G (default: 2G for dbench, 4G for default)",
    "engine": "fio's I/O engine (default: libaio)",
    "runtime_s": "measured seconds of each workload",
    "ramp_s": "unmeasured seconds before them",
    "device": "an existing block device or file to use instead of a new file; it is overwritten",
    "allow_raw": "yes: really overwrite what `device` names",
}

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MIB = 1 << 20
#: The seed's job offsets: 500 MiB steps in a file of 2 GiB.
_SEED_SIZE, _SEED_STEP = 2 << 30, 500 << 20
_SPARE_BYTES = 64 << 20
_STARTUP_S = 0.5
_GRACE_S = 180.0
_LAYOUT_LIMIT_S = 7200.0
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
            f"the file takes {needed / 1e9:.1f} GB, {request.free_bytes / 1e9:.1f} GB are free",
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
        about_bytes=float(needed) if target is None else 0.0,
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one job; keep its per-second logs, and what the device moved meanwhile."""
    folder = Path(step.get("folder"))
    counter = _counter(Path(step.get("file")))
    before = _moved(host, counter)
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
    after = _moved(host, counter)
    files = {}
    for path in sorted(folder.glob("fio_*.log")):
        files[path.name.removeprefix("fio_")] = path.read_bytes()
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
            for direction, early, late in zip(output.DIRECTIONS, before, after, strict=False)
        ]
    steady = output.steady_state(output.summed(output.per_second(files, "iops")))
    if steady is not None:
        values.append(("steady", "true" if steady else "false"))
    return dataclasses.replace(raw, stderr=stderr, files=files, values=tuple(values))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what fio's last JSON document and its logs say.

    Raises SitegenError when fio failed, was cut short, or printed no whole document.
    """
    return output.read(step, raw)


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
