"""Reading what fio leaves: JSON documents between other text, and per-second logs.

Layouts are told apart by the keys that are there, never by a version: builds lie about it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from collectors import histogram
from sitegen.collect import RawOutput, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, Measurement, Params, Sample, Status, params

DIRECTIONS = ("read", "write", "trim")
_SECTOR = 512
_WINDOWS = 5
# SNIA PTS: five windows, excursion at most 20 %, drift of the fitted line at most 10 %.
_EXCURSION, _DRIFT = 0.20, 0.10
# Ramp and metadata make a device move more than fio counts; less means a cache answered.
_LEAST_DEVICE_SHARE = 0.9
# Jobs of a step that measured for different lengths did not load the disk alike.
_RUNTIME_SPREAD, _RUNTIME_SPREAD_S = 0.02, 0.1
_JSON_START = re.compile(r"^[ \t]*\{", re.MULTILINE)


def read(step: Step, raw: RawOutput) -> Reading:
    """Return what fio's last JSON document and its logs say.

    Raises SitegenError when fio failed, was cut short, or printed no whole document.
    """
    text = raw.stdout.decode("utf-8", "replace")
    errors = raw.stderr.decode("utf-8", "replace")
    found, chatter = documents(text)
    if raw.exit_code != 0 or not found:
        reason = _reason(errors, chatter) or "it printed no result"
        raise SitegenError(f"fio ended with code {raw.exit_code}: {reason}", where=step.name)
    try:
        final = found[-1]
        jobs = _jobs(final)
        for job in jobs:
            if job.get("error", 0) != 0:
                reason = _reason(errors, chatter) or os.strerror(int(job["error"]))
                raise SitegenError(f"a fio job failed: {reason}", where=step.name)
        directions = [
            d for d in DIRECTIONS if _sum(jobs, d, "total_ios") or _sum(jobs, d, "io_bytes")
        ]
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
    while start := _JSON_START.search(text, at):
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


def per_second(files: Mapping[str, bytes], kind: str) -> dict[int, dict[int, float]]:
    """Return direction -> second -> value from the per-second logs, added up over the jobs."""
    totals: dict[int, dict[int, float]] = {}
    for name, data in files.items():
        if not re.fullmatch(rf"{kind}\.\d+\.log", name):
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


def summed(series: Mapping[int, Mapping[int, float]]) -> list[float]:
    """Return one value a second: what all directions did together."""
    seconds = sorted({second for values in series.values() for second in values})
    return [sum(values.get(second, 0.0) for values in series.values()) for second in seconds]


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
            self._latency(
                "fio.sync_latency", "lat", [job["sync"] for job in self.jobs], self.step.params
            )
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
        if runtime - min(runtimes) > max(_RUNTIME_SPREAD * runtime, _RUNTIME_SPREAD_S):
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
        self._add("fio.io_bytes", "value", "B", moved, where)
        self._latency("fio.latency", "lat", parts, where)
        self._latency("fio.completion_latency", "clat", parts, where, spread=False)
        self._latency("fio.submission_latency", "slat", parts, where, spread=False)
        device = self._device_bytes(direction)
        if device is not None:
            self._add("fio.device_bytes", "value", "B", device, where)
            if device < _LEAST_DEVICE_SHARE * moved:
                self.status = Status.SUSPECT
        for metric, log, scale in (("fio.iops", "iops", 1.0), ("fio.bandwidth", "bw", 1024.0)):
            points = per_second(self.raw.files, log).get(DIRECTIONS.index(direction), {})
            self.samples += [
                Sample(self.step.workload, 0, "time", metric, float(second), value * scale, where)
                for second, value in sorted(points.items())
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
        units = 1e9 if f"{kind}_ns" in parts[0] else 1e6
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
        self._add(metric, "mean", "s", mean / units, where)
        if spread:
            square = sum(
                (float(b["stddev"]) ** 2 + (float(b["mean"]) - mean) ** 2) * n for b, n in found
            )
            self._add(metric, "stddev", "s", math.sqrt(square / count) / units, where)
            self._add(metric, "min", "s", min(float(b["min"]) for b, _ in found) / units, where)
            self._add(metric, "max", "s", max(float(b["max"]) for b, _ in found) / units, where)
        bins: defaultdict[int, int] = defaultdict(int)
        for block, _ in found:
            for value, times in block.get("bins", {}).items():
                bins[int(value)] += int(times)
        self._percentiles(metric, [b.get("percentile", {}) for b, _ in found], bins, units, where)
        self.samples += [
            Sample(self.step.workload, 0, "histogram", metric, value / units, float(times), where)
            for value, times in histogram.coarse(bins)
        ]

    def _percentiles(
        self,
        metric: str,
        printed: Sequence[Mapping[str, Any]],
        bins: Mapping[int, int],
        units: float,
        where: Params,
    ) -> None:
        for key, value in printed[0].items():
            percent = float(key)
            statistic = f"p{percent:g}"
            if statistic not in STATISTICS:
                continue
            if len(printed) == 1:
                self._add(metric, statistic, "s", float(value) / units, where)
            elif bins:  # percentiles of several jobs do not average
                self._add(
                    metric, statistic, "s", histogram.percentile(bins, percent) / units, where
                )

    def _device_bytes(self, direction: str) -> float | None:
        disks = self.final.get("disk_util") or [{}]
        # The first is the device of the file, the rest lie below it. fio 3.36 and later.
        if (sectors := disks[0].get(f"{direction}_sectors")) is not None:
            return float(sectors) * _SECTOR
        counted = self.raw.get(f"device_{direction}_bytes")
        return None if counted is None else float(counted)


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
