"""Reading what fio leaves of a step: its JSON, and the per-second logs beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from collectors.fio import document, jobs
from collectors.fio.document import documents
from collectors.fio.jobs import DIRECTIONS, Job
from collectors.fio.rows import Rows
from sitegen.collect import RawOutput, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import Params, Sample, Status, params

__all__ = ["DIRECTIONS", "documents", "per_second", "read", "steady_state", "summed"]

_WINDOWS = 5
# SNIA PTS: five windows, excursion at most 20 %, drift of the fitted line at most 10 %.
_EXCURSION, _DRIFT = 0.20, 0.10
# Ramp and metadata make a device move more than fio counts; less means a cache answered.
_LEAST_DEVICE_SHARE = 0.9


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
    final = found[-1]
    entries = [
        document.job(entry, f"{step.name}: {path}", stated=True)
        for path, entry in document.entries(final)
    ]
    for job in entries:
        if job.error != 0:
            reason = _reason(errors, chatter) or jobs.problem(job.error)
            raise SitegenError(f"a fio job failed: {reason}", where=step.name)
    directions = [d for d in DIRECTIONS if any(job.side(d) for job in entries)]
    if not directions:
        raise SitegenError("fio moved no data", where=step.name)
    suspect = "queue depth will be capped" in chatter + errors
    rows = Rows(step.workload)
    device = document.device_bytes(final)
    for direction in directions:
        suspect = _direction(step, raw, entries, direction, device, rows) or suspect
    rows.of_all(entries, step.params)
    if step.get("fdatasync"):
        rows.sync(entries, step.params)
    status = Status.SUSPECT if suspect else Status.OK
    measurements = tuple(m._replace(status=status) for m in rows.measurements)
    return Reading(measurements, tuple(rows.samples))


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


def _direction(  # noqa: PLR0913 - one direction of a step, and where its rows go
    step: Step,
    raw: RawOutput,
    entries: Sequence[Job],
    direction: str,
    device: Mapping[str, float],
    rows: Rows,
) -> bool:
    """Add what the step did in one direction; say whether that is suspect."""
    where = params(direction=direction, **dict(step.params))
    parts = [side for job in entries if (side := job.side(direction)) is not None]
    rows.direction(parts, where)
    suspect = jobs.unequal(parts)
    counted = raw.get(f"device_{direction}_bytes")
    seen = device.get(direction, None if counted is None else float(counted))
    if seen is not None:
        rows.add("fio.device_bytes", "value", seen, where)
        suspect = suspect or seen < _LEAST_DEVICE_SHARE * (jobs.moved(parts) or 0.0)
    rows.samples += _points(step, raw, direction, where)
    return suspect


def _points(step: Step, raw: RawOutput, direction: str, where: Params) -> list[Sample]:
    found = []
    for metric, log, scale in (("fio.iops", "iops", 1.0), ("fio.bandwidth", "bw", 1024.0)):
        points = per_second(raw.files, log).get(DIRECTIONS.index(direction), {})
        found += [
            Sample(step.workload, 0, "time", metric, float(second), value * scale, where)
            for second, value in sorted(points.items())
        ]
    return found


def _reason(errors: str, chatter: str) -> str:
    """Return the line that says best what went wrong."""
    lines = [line.strip() for line in (chatter + "\n" + errors).splitlines() if line.strip()]
    for sign in ("sitegen:", "O_DIRECT", "error=", "fio:"):
        if told := [line for line in lines if sign in line]:
            return told[-1][:300]
    return lines[-1][:300] if lines else ""
