"""What load a job really was: I/Os in flight, bytes of an I/O, and what ran beside it.

The options of a job say what was wanted; fio adds up jobs with other options under those of one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from collectors.fio.jobs import DIRECTIONS, LATENCIES, MIXED, Job, Report, Side, longest, sides

#: Engines that do one I/O at a time, whatever the depth.
ONE_AT_A_TIME = frozenset(
    {
        *("sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "splice", "net", "netsplice"),
        *("filecreate", "filestat", "filedelete", "falloc", "ftruncate", "dev-dax", "libpmem"),
    }
)
#: Options under which fewer I/Os in flight are what was asked for.
_LIMITS = frozenset({"rate", "rate_iops", "thinktime", "thinkcycles", "flow", "latency_target"})
#: What a mean of sizes may be off by: the last I/O of a file is short.
_SLACK, _KIB = 0.02, 1024
#: A share of the depth below which it was not reached, and one above which more jobs ran.
_REACHED, _EXCEEDED = 0.6, 1.25
_SHORTEST_SHARE, _ROUNDED_S = 0.1, 1.5
_LEAST_BLOCK = 512
#: Where links to disks lie.
_LINKS = "/dev/disk/"
#: What names no host but this machine.
_NO_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})


def unsaid(names: Sequence[str]) -> str:
    """Return a sentence that says which parameters are missing, and how to add them."""
    fix = ", ".join(f"--set {name}=" for name in names)
    return f"nothing says its {' and '.join(names)} ({fix})"


def in_flight(parts: Sequence[Side]) -> float | None:
    """Return how many I/Os were in flight on average, None where a direction has no latency.

    By Little's law, I/Os a second times the mean latency.
    """
    counts = [_in_flight(side) for side in parts]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _in_flight(side: Side) -> float | None:
    rate = side.ios / side.runtime_s if side.ios and side.runtime_s else side.iops
    kinds = [side.latencies.get(LATENCIES[kind]) for kind in ("lat", "clat", "slat")]
    times = [kind and kind.figures["mean"] / kind.units for kind in kinds]
    whole = times[0] or (times[1] and times[1] + (times[2] or 0.0))
    return rate * whole if rate and whole else None


def is_limited(options: Mapping[str, str]) -> bool:
    """Tell whether the options ask for a lower rate than the device could have."""
    return any(options.get(key, "0") not in ("0", "") for key in _LIMITS)


def not_reached(jobs: Sequence[Job], depth: int, count: float, engine: str) -> str:
    """Return a sentence when ``count`` jobs of this ``depth`` had clearly fewer I/Os in flight."""
    parts = [side for job in jobs for side in job.sides]
    if depth == 1 or not parts:
        return ""
    flying = in_flight(parts)
    most = max((job.deepest for job in jobs if job.deepest is not None), default=None)
    wanted = f"iodepth is {depth}{f' in {count:g} jobs' if count > 1 else ''}"
    if flying is not None and flying < _REACHED * depth * count:
        return f"{wanted}, and {_many(flying)} in flight"
    if flying is None and most is not None and most < _REACHED * depth:
        each = " of each" if count > 1 else ""
        return f"{wanted}, and {'' if most == 1 else 'at most '}{_many(most, each)} in flight"
    if flying is None and engine in ONE_AT_A_TIME:
        return f"{wanted}, and {engine} does one I/O at a time"
    return ""


def _many(count: float, each: str = "") -> str:
    text = f"{count:.1f}".removesuffix(".0")
    return f"1 I/O{each} was" if text == "1" else f"{text} I/Os{each} were"


def exceeded(jobs: Sequence[Job], depth: int, count: float) -> str:
    """Return a sentence when more I/Os were in flight than ``count`` jobs of this depth allow."""
    # With `verify` reads follow the writes: each direction has the depth to itself.
    flying = max(in_flight(sides(jobs, d)) or 0.0 for d in (*DIRECTIONS, MIXED))
    most = depth * count
    if flying <= _EXCEEDED * most:
        return ""
    noun = "job" if count == 1 else "jobs"
    return f"{_many(flying)} in flight, and {count:g} {noun} of iodepth {depth} can have {most:g}"


def mean_size(parts: Sequence[Side]) -> float | None:
    """Return how many bytes an I/O moved on average, None where that is not known."""
    moved, ios = 0.0, 0.0
    for side in parts:
        amount = side.moved if side.total is None else side.total
        count = side.ios or (side.iops or 0.0) * side.runtime_s
        if not amount or not count:
            return None
        moved, ios = moved + amount, ios + count
    return moved / ios if ios else None


def fits(block: str, parts: Sequence[Side]) -> bool:
    """Tell whether I/Os of this block size, or within this range, can have moved what they did."""
    if (mean := mean_size(parts)) is None:
        return True
    least, most = (int(end) for end in (block.partition("-")[0], block.rpartition("-")[2]))
    count = sum(side.ios or (side.iops or 0.0) * side.runtime_s for side in parts)
    # Terse output cuts IOPS to a whole number, and the last I/O of each job may be short.
    cut = sum(0.0 if side.ios else side.runtime_s for side in parts) / count
    slack = _SLACK + cut + len(parts) * max(_KIB / most, 1.0) / count
    return least * (1 - slack) <= mean <= most * (1 + slack)


def size_moved(parts: Sequence[Side]) -> int | None:
    """Return the size of the I/Os where all had the same power of two, as counted."""
    sizes = {side.moved / side.ios if side.moved and side.ios else 0.0 for side in parts}
    size = int(sizes.pop()) if len(sizes) == 1 else 0
    exact = parts and all(side.moved == (side.ios or 0) * size for side in parts)
    return size if exact and size >= _LEAST_BLOCK and size & (size - 1) == 0 else None


def other_directions(jobs: Sequence[Job], kind: str) -> str:
    """Return a sentence when jobs moved data in a direction that ``rw`` does not have."""
    taken = {side.direction for job in jobs for side in job.sides} - {MIXED}
    mixed = kind.startswith(("rw", "readwrite", "randrw"))
    allowed = {"read", "write"} if mixed else {d for d in ("read", "write", "trim") if d in kind}
    if not allowed or taken <= allowed:
        return ""
    return f"rw is {kind}, and there are {' and '.join(f'{d}s' for d in sorted(taken))}"


def at_once(report: Report) -> list[list[Job]]:
    """Return the jobs that moved data, those together that ran at once.

    fio gives jobs that ran at once one group, unless they were told to make a new one; when each
    began stands in the output since fio 3.36.
    """
    working = [job for job in report.jobs if longest(job.sides) > 0]
    if not report.grouped:
        return [[job] for job in working]
    if working and all(job.begun is not None for job in working):
        return _overlapping(working)
    groups: defaultdict[int, list[Job]] = defaultdict(list)
    for job in working:
        groups[job.group].append(job)
    one_by_one = sum(
        longest(side for job in group for side in job.sides) for group in groups.values()
    )
    if report.duration_s is not None and one_by_one > report.duration_s + _ROUNDED_S:
        return [working]
    return list(groups.values())


def _overlapping(jobs: Sequence[Job]) -> list[list[Job]]:
    clusters: list[list[Job]] = []
    end = 0.0
    for job in sorted(jobs, key=lambda job: job.begun or 0.0):
        begun, runtime = job.begun or 0.0, longest(job.sides)
        if clusters and end - begun > _SHORTEST_SHARE * runtime:
            clusters[-1].append(job)
        else:
            clusters.append([job])
        end = max(end, begun + runtime)
    return clusters


def device_of(jobs: Sequence[Job], report: Report) -> str:
    """Return the name of the disks that jobs ran on, and else what tells their folder apart.

    A folder's name may be of a machine or a person, and is not kept.
    """
    names = [job.options.get("filename", "") for job in jobs]
    paths = [path for name in names for path in name.split(":") if path]
    named = devices(":".join(paths))
    # A link's name may be a serial number.
    if disks := named or report.disks or [f"disk {digest(p)}" for p in paths if _LINKS in p]:
        return _listed(disks)
    folders = {path.rpartition("/")[0] for path in paths} - {""}
    folders = folders or {job.options.get("directory", "") for job in jobs} - {""}
    return f"folder {digest(':'.join(sorted(folders)))}" if folders else ""


def devices(filename: str) -> tuple[str, ...]:
    """Return the names of block devices in fio's ``filename``, none where one is none of them."""
    paths = filename.split(":")
    plain = (path for path in paths if path.startswith("/dev/") and _LINKS not in path)
    named = [path.rpartition("/")[2] for path in plain]
    return tuple(named) if len(named) == len(paths) else ()


def host_of(jobs: Sequence[Job], report: Report) -> str:
    """Return what tells the hosts of clients apart; their names are not kept."""
    names = {job.client.rpartition(":")[0] for job in jobs} | set(report.hosts)
    # What redaction leaves of a name stands in brackets.
    known = sorted(name for name in names - _NO_HOSTS if not name.startswith("["))
    return f"host {digest(' '.join(known))}" if known else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(filter(None, names))))[:400]


def digest(text: str) -> str:
    """Return what tells a text from others without saying it."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]
