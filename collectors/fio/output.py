"""Reading what fio leaves of a step: its JSON, and the per-second logs beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from collectors.fio import jobs
from collectors.fio.jobs import CAPPED, DIRECTIONS
from collectors.fio.readers.json_report import output_in
from collectors.fio.readers.logs import over_time, read_log
from collectors.text import telling
from sitegen.collect import RawOutput, Reading, Recorder, Step
from sitegen.errors import SitegenError
from sitegen.model import Status, params

_WINDOWS = 5
# SNIA PTS: five windows, excursion at most 20 %, drift of the fitted line at most 10 %.
_EXCURSION, _DRIFT = 0.20, 0.10


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what fio's last JSON document and its logs say.

    Raises SitegenError when fio failed, was cut short, or printed no whole document.
    """
    output = output_in(raw.stdout)
    if output.cut:
        raise SitegenError(f"fio's JSON is cut off or damaged: {output.cut}", where=step.name)
    errors = raw.stderr.decode("utf-8", "replace")
    messages = f"{output.chatter}\n{errors}"
    reason = telling(messages, "sitegen:", "O_DIRECT", "error=", "fio:")
    if raw.exit_code != 0 or not output.reports:
        reason = reason or "it printed no result"
        raise SitegenError(f"fio ended with code {raw.exit_code}: {reason}", where=step.name)
    final = output.reports[-1]
    for job in final.jobs:
        if job.error != 0:
            reason = reason or jobs.problem(job.error)
            raise SitegenError(f"a fio job failed: {reason}", where=step.name)
    parts = {d: sides for d in DIRECTIONS if (sides := jobs.sides(final.jobs, d))}
    if not parts:
        raise SitegenError("fio moved no data", where=step.name)
    counted = {d: float(count) for d in parts if (count := raw.get(f"device_{d}_bytes"))}
    device = {**counted, **final.device}
    suspect = CAPPED in output.chatter + errors or any(
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
    """Say whether five windows of ``series`` are level: SNIA's excursion and slope rule.

    None when there are fewer points than windows.
    """
    length = len(series) // _WINDOWS
    if not length:
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
    own = [(name, data) for name, data in files.items() if name.startswith(kind) and data.strip()]
    return over_time([read_log(*log, step_ms=1000) for log in own], direction)
