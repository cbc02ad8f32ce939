"""fio's JSON, of any version: units are told by the keys that are there, never by a version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from collectors.fio.jobs import (
    DIRECTIONS,
    LATENCIES,
    MIXED,
    Job,
    Latency,
    Report,
    Side,
    agree,
    finite,
)
from sitegen.errors import SitegenError

_START = re.compile(r"^[ \t\[,]*\{(?=\s*[\"}])|\{(?=\s*\"fio version\"\s*:)", re.MULTILINE)
#: A document right after another: in a list, or put together without a line's end.
_NEXT = re.compile(r"[\s\[\],]*\{(?=\s*[\"}])")
_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,9})?")
_COUNT = re.compile(r"\d{1,18}")
_SECTOR = 512
_KIB = 1024
_MILLI = 1000
_PLAIN_BINS, _BIN_GROUP, _PLACES = 128, 64, 1856
_OPTION_LENGTH = 200
_EARLIEST = 946684800.0  # the year 2000: a clock before it was never set
_LATEST = 253402300000.0
_LONGEST_S = 1e8


@dataclass(frozen=True, slots=True)
class Texts:
    """The JSON documents of an output with the lines that they begin on, and the text around.

    ``cut`` says where and how a last document breaks off, nothing when all are whole.
    """

    documents: tuple[tuple[int, Mapping[str, Any]], ...]
    chatter: str
    cut: str = ""


def documents(text: str) -> tuple[list[Mapping[str, Any]], str]:
    """Return the JSON documents in fio's output, and all the text around them.

    fio prints notes before its JSON, and one document a status interval: the last is final.
    Raises SitegenError when a document is cut off.
    """
    found = split(text)
    if found.cut:
        raise SitegenError(f"fio's JSON is cut off or damaged: {found.cut}", where="fio")
    return [document for _, document in found.documents], found.chatter


def split(text: str) -> Texts:
    """Return the JSON documents in ``text``; what follows a damaged one is not read."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    found: list[tuple[int, Mapping[str, Any]]] = []
    chatter = []
    at, line, counted = 0, 1, 0
    while start := (found and _NEXT.match(text, at)) or _START.search(text, at):
        chatter.append(text[at : start.start()])
        line, counted = line + text.count("\n", counted, start.end()), start.end()
        try:
            value, at = decoder.raw_decode(text, start.end() - 1)
        except json.JSONDecodeError as error:
            return Texts(tuple(found), "".join(chatter), f"line {error.lineno}: {error.msg}")
        except RecursionError:
            return Texts(tuple(found), "".join(chatter), f"line {line}: nested too deeply")
        except ValueError as error:
            return Texts(tuple(found), "".join(chatter), f"line {line}: {error}"[:200])
        found.append((line, value))
    return Texts(tuple(found), "".join((*chatter, text[at:])))


def entries(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the jobs of a document, each with the path to it.

    In client mode the last entry adds the others up, without their percentiles: it is left out
    where there are others.
    """
    key = "jobs" if "jobs" in document else "client_stats"
    jobs = document.get(key)
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise SitegenError("is not a list of jobs", where=key)
    found = [(f"{key}[{place}]", job) for place, job in enumerate(jobs)]
    alone = [pair for pair in found if pair[1].get("jobname") != "All clients"]
    return alone or found


def report(document: Mapping[str, Any], chatter: str = "", at: str = "") -> Report:
    """Return what one document says.

    Raises SitegenError with the path to what is not as fio writes it.
    """
    shared = _options(document.get("global options"), "global options")
    stated = "global options" in document
    jobs = tuple(
        job(entry, path, shared, stated=_tells_all(entry, shared=stated))
        for path, entry in entries(document)
    )
    ended = _ended(document)
    starts = {
        finite(entry["job_start"], f"{path}.job_start") / _MILLI
        for path, entry in entries(document)
        if "job_start" in entry
    }
    elapsed = [
        finite(entry["elapsed"], f"{path}.elapsed")
        for path, entry in entries(document)
        if "elapsed" in entry
    ]
    duration = max(elapsed) if elapsed and 0 < max(elapsed) < _LONGEST_S else None
    begun = min(starts) if starts and min(starts) > _EARLIEST else None
    started = begun if begun is not None else None if ended is None else ended - (duration or 0)
    version = document.get("fio version")
    return Report(
        version=_version(version),
        jobs=jobs,
        where=at,
        chatter=chatter,
        started_at=stamp(started),
        duration_s=duration,
        ended=ended,
        begun=begun,
        device=device_bytes(document),
    )


def _tells_all(entry: Mapping[str, Any], *, shared: bool) -> bool:
    """Tell whether all options of an entry stand there: of the sum over clients they never do."""
    return "job options" in entry or (shared and entry.get("jobname") != "All clients")


def job(
    entry: Mapping[str, Any], path: str, shared: Mapping[str, str] | None = None, *, stated: bool
) -> Job:
    """Return one entry of a document."""
    name = entry.get("jobname")
    if not isinstance(name, str):
        raise SitegenError("is missing or not a text", where=f"{path}.jobname")
    sides: list[Side] = []
    for direction in (*DIRECTIONS, MIXED):
        if direction in entry and not (direction == MIXED and sides):
            part = _object(entry[direction], f"{path}.{direction}")
            if (found := side(part, direction, f"{path}.{direction}")) is not None:
                sides.append(found)
    sync = entry.get("sync")
    cpu = [entry[key] for key in ("usr_cpu", "sys_cpu") if key in entry]
    return Job(
        name=name,
        where=path,
        group=int(finite(entry.get("groupid", 0), f"{path}.groupid", least=-1e18)),
        error=int(finite(entry.get("error", 0), f"{path}.error", least=-1e18)),
        options={**(shared or {}), **_options(entry.get("job options"), f"{path}.job options")},
        stated=stated,
        client=f"{entry['hostname']}:{entry.get('port')}" if "hostname" in entry else "",
        sides=tuple(sides),
        cpu=sum(finite(value, f"{path}: CPU") for value in cpu) / 100 if len(cpu) > 1 else None,
        sync=_latency(_object(sync, f"{path}.sync"), "lat", 1, f"{path}.sync") if sync else None,
        steady=_steady(entry.get("steadystate")),
        failed_ios=int(finite(entry.get("total_err", 0), f"{path}.total_err")),
    )


def side(part: Mapping[str, Any], direction: str, path: str) -> Side | None:
    """Return what one job did in one direction, None where that is nothing."""
    numbers = {
        key: finite(part[key], f"{path}.{key}")
        for key in ("io_bytes", "bw", "runtime", "total_ios", "iops", "bw_bytes", "io_kbytes")
        if key in part
    }
    for key in ("io_bytes", "bw", "runtime"):
        if key not in numbers:
            raise SitegenError("is missing", where=f"{path}.{key}")
    if not numbers["io_bytes"] and not numbers.get("total_ios"):
        return None
    runtime = numbers["runtime"] / _MILLI
    moved = _io_bytes(numbers)
    ios = int(numbers["total_ios"]) if "total_ios" in numbers else None
    count = ios if ios is not None else round(numbers.get("iops", 0.0) * runtime) or 1
    latencies = {
        metric: found
        for kind, metric in LATENCIES.items()
        if (found := _latency(part, kind, count, path)) is not None
    }
    return Side(
        direction=direction,
        runtime_s=runtime,
        ios=ios,
        moved=moved,
        iops=numbers.get("iops"),
        bandwidth=numbers.get("bw_bytes", numbers["bw"] * _KIB),
        spread=_spread(part, path, ios or 0),
        latencies=latencies,
        against=tuple(_contradictions(numbers, moved, runtime)),
    )


def device_bytes(document: Mapping[str, Any]) -> dict[str, float]:
    """Return the bytes that the kernel saw the disk move, by direction (fio 3.36 and later)."""
    disks = document.get("disk_util") or [{}]
    if not isinstance(disks, list) or not isinstance(disks[0], dict):
        raise SitegenError("is not a list of disks", where="disk_util")
    # The first is the device of the file, the rest lie below it.
    found = {}
    for direction in DIRECTIONS:
        if f"{direction}_sectors" in disks[0]:
            sectors = finite(disks[0][f"{direction}_sectors"], f"disk_util: {direction}_sectors")
            found[direction] = sectors * _SECTOR
    return found


def stamp(seconds: float | None) -> str:
    """Return a time since 1970 as UTC to the second, nothing for one that cannot be."""
    if seconds is None or not _EARLIEST < seconds < _LATEST:
        return ""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bin_value(index: int) -> int:
    """Return the value in the middle of one of fio's histogram bins (``stat.c``)."""
    if index < _PLAIN_BINS:
        return index
    bits = index // _BIN_GROUP - 1
    return (1 << (bits + 6)) + int((index % _BIN_GROUP + 0.5) * (1 << bits))


def _io_bytes(numbers: Mapping[str, float]) -> float:
    """Return the bytes moved: up to fio 2.20 ``io_bytes`` holds KiB."""
    moved, total = numbers["io_bytes"], numbers["bw"] * numbers["runtime"] / _MILLI
    if "io_kbytes" not in numbers and total and abs(moved / total - 1) < 0.05:  # noqa: PLR2004 - both are rounded
        return moved * _KIB
    return moved


def _contradictions(numbers: Mapping[str, float], moved: float, runtime: float) -> Iterator[str]:
    """Yield a sentence for each two figures of one quantity that do not agree."""
    if runtime <= 0:
        return
    # The runtime is in whole milliseconds, and so everything divided by it is uncertain.
    slack = 1 / numbers["runtime"]
    if "total_ios" in numbers and "iops" in numbers:
        wanted, stated = numbers["total_ios"] / runtime, numbers["iops"]
        if not agree(wanted, stated, 1 + slack * wanted):
            yield f"iops is {stated:g}, and total_ios over runtime is {wanted:g}"
    wanted, stated = moved / runtime, numbers.get("bw_bytes", numbers["bw"] * _KIB)
    if not agree(wanted, stated, _KIB + slack * wanted):
        yield f"the bandwidth is {stated:.0f} B/s, and io_bytes over runtime is {wanted:.0f} B/s"
    if "bw_bytes" in numbers and not agree(numbers["bw_bytes"], numbers["bw"] * _KIB, 2 * _KIB):
        yield f"bw_bytes is {numbers['bw_bytes']:.0f}, and bw is {numbers['bw']:.0f} KiB/s"


def _spread(part: Mapping[str, Any], path: str, ios: int) -> dict[str, float]:
    count = finite(part.get("iops_samples", 0), f"{path}.iops_samples")
    if count >= ios > 1:
        return {}  # with an IOPS log of single I/Os each of them is a sample of 1
    return {
        statistic: finite(part[f"iops_{statistic}"], f"{path}.iops_{statistic}")
        for statistic in ("min", "max", "mean", "stddev")
        if count > (statistic == "stddev") and f"iops_{statistic}" in part
    }


def _latency(part: Mapping[str, Any], kind: str, ios: int, path: str) -> Latency | None:
    """Return one kind of latency, None where there is none, as with gtod_reduce."""
    key, units = (f"{kind}_ns", 1e9) if f"{kind}_ns" in part else (kind, 1e6)
    if not part.get(key):
        return None
    where = f"{path}.{key}"
    block = _object(part[key], where)
    values = {
        name: finite(block[name], f"{where}.{name}")
        for name in ("mean", "stddev", "min", "max", "N")
        if name in block
    }
    # A mean over no I/O is 0. fio 2 has no N.
    if not values.get("mean") or not (count := int(values.get("N", ios))):
        return None
    percentiles = {
        float(percent): finite(value, f"{where}.percentile.{percent}") / units
        for percent, value in _object(block.get("percentile", {}), f"{where}.percentile").items()
        if _PERCENT.fullmatch(percent) and float(percent) > 0
    }
    bins = {
        int(value): int(finite(times, f"{where}.bins.{value}"))
        for value, times in _object(block.get("bins", {}), f"{where}.bins").items()
        if _COUNT.fullmatch(value)
    }
    bins = {value: times for value, times in bins.items() if times}
    if _are_places(block.get("bins", {}), bins, values["mean"]):
        bins = {bin_value(value): times for value, times in bins.items()}
    return Latency(
        units=units,
        mean=values["mean"],
        count=count,
        stddev=values.get("stddev"),
        low=values.get("min"),
        high=values.get("max"),
        percentiles=percentiles,
        bins=bins,
    )


def _are_places(raw: Mapping[str, Any], bins: Mapping[int, int], mean: float) -> bool:
    """Tell whether the keys of bins are places in fio's table, as before fio 2.20."""
    if not bins or max(bins) >= _PLACES:
        return False
    count = sum(bins.values())
    as_values = sum(value * times for value, times in bins.items()) / count
    as_places = sum(bin_value(value) * times for value, times in bins.items()) / count
    return "FIO_IO_U_PLAT_NR" in raw or abs(as_places - mean) < abs(as_values - mean)


def _steady(value: object) -> bool | None:
    attained = value.get("attained") if isinstance(value, dict) else None
    return bool(attained) if attained in (0, 1) else None


def _ended(document: Mapping[str, Any]) -> float | None:
    for key, units in (("timestamp_ms", _MILLI), ("timestamp", 1)):
        if key in document:
            return finite(document[key], key) / units
    return None


def _version(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise SitegenError("is missing or not a text", where="fio version")
    return value.removeprefix("fio-")[:40] or "unknown"


def _options(value: object, path: str) -> dict[str, str]:
    """Return options as texts; newest fio gives flags an empty one."""
    found = {}
    for key, told in _object({} if value is None else value, path).items():
        if isinstance(told, (str, int, float)) and not isinstance(told, bool):
            text = str(told)
            if len(text) <= _OPTION_LENGTH and text.isprintable() and key.isprintable():
                found[key] = text
    return found


def _object(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SitegenError("is not an object", where=path)
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number")
