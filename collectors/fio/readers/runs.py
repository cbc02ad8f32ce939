"""Reports of fio, whatever their form, as runs to import."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collectors.asked import agreed
from collectors.fio import jobs as several
from collectors.fio.jobs import LATENCIES, Job, Report, Side
from collectors.fio.rows import Rows
from collectors.fio.workloads import Workload, direct_of, kept_options, workloads
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    Measurement,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
    params,
)

MAX_SAMPLES = 200_000
_CAPPED = "queue depth will be capped"
_STOPPED = re.compile(r"^fio: terminating on signal (\d{1,3})", re.MULTILINE)
_PROBLEM = re.compile(
    r"err=\s{0,4}(\d{1,9})[^\n]{0,300}?error=([^\n]{1,200}?)(?:\)?: pid=[^\n]{0,200})?$",
    re.MULTILINE,
)
#: Engines that keep many I/Os in flight: the others do one at a time, whatever the depth.
_ASYNCHRONOUS = frozenset(
    {
        *("libaio", "io_uring", "io_uring_cmd", "posixaio", "windowsaio", "solarisaio", "rbd"),
        *("rados", "libiscsi", "nbd", "guasi", "sg", "gfapi_async", "http", "xnvme", "nvme"),
    }
)
_LEAST_DEVICE_SHARE = 0.9
_GROUPED_SHARE = 0.6
#: What two reports' times may differ by: fio counts whole seconds since it began, and older
#: ones print whole seconds only.
_APART_S = 1.1
_STILL = {True: 0.2, False: 1.0}
_NATIVES = {
    "fio.iops value": "iops (total_ios / runtime)",
    "fio.iops mean": "iops_mean",
    "fio.bandwidth value": "bw (io_bytes / runtime)",
    "fio.io_bytes value": "io_bytes",
    "fio.latency mean": "lat",
    "fio.completion_latency mean": "clat",
    "fio.submission_latency mean": "slat",
    "fio.sync_latency mean": "sync",
    "fio.cpu_usage value": "usr_cpu + sys_cpu",
}


@dataclass(slots=True)
class Doubts:
    """Collects doubts, each sentence once."""

    told: dict[tuple[Doubt, str], dict[str, None]] = field(default_factory=dict)

    def add(self, kind: Doubt, sentence: str, workload: str = "") -> None:
        """Add one sentence about one workload, or about all of them."""
        self.told.setdefault((kind, workload), {})[sentence] = None

    def found(self) -> tuple[tuple[Doubt, str, str], ...]:
        """Return one doubt for each kind and workload."""
        return tuple(
            (kind, "; ".join(sentences)[:600], workload)
            for (kind, workload), sentences in self.told.items()
        )


@dataclass(slots=True)
class Finding:
    """What is found of one run while its reports are read; `found` closes it.

    ``sized`` says whether engine and size are parameters of each series, as in all runs but
    those of the collector's own sets. ``directs`` are all values of direct in its reports.
    """

    version: str
    answers: Mapping[str, str]
    sized: bool = True
    directs: frozenset[str | None] = frozenset()
    doubts: Doubts = field(default_factory=Doubts)
    measurements: list[Measurement] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    workloads: list[tuple[Workload, int]] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    wrong: set[tuple[str, Params]] = field(default_factory=set)
    _times: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def report(self, report: Report) -> None:
        """Add one report: repetitions of workloads that were there before, or new ones."""
        for note in report.notes:
            self.notes[note] = None
        if stopped := _STOPPED.search(report.chatter):
            self.doubts.add(Doubt.INTERRUPTED, f"fio was stopped by signal {stopped[1]}")
        found = workloads(report.jobs, self.answers, sized=self.sized)
        for workload in found:
            agreed(self.answers, "direct", direct_of(workload.jobs[0]))
        for workload in found:
            key = (workload.name, *(self.where(workload, d) for d in workload.directions))
            repetition = self._times[key]
            self._times[key] += 1
            self.workloads.append((workload, repetition))
            device = report.device if len(found) == 1 else {}
            self._workload(workload, repetition, report, device)
            self._remember(workload)

    def _remember(self, workload: Workload) -> None:
        """Keep a workload's options, where they are the same each time, and its steadiness."""
        name, text = f"options.{workload.name}", kept_options(workload)
        if text and self.parameters.setdefault(name, Parameter(name, text)).value != text:
            self.parameters[name] = Parameter(name, "differ from one report to the next")
        steady = {job.steady for job in workload.jobs if job.steady is not None}
        if steady:
            told = "attained" if all(steady) else "not attained"
            self.set(f"steadystate.{workload.name}", told, Comparability.IGNORED)

    def found(self, reports: Sequence[Report]) -> Reading:
        """Return all of it; raises SitegenError when there is no row at all."""
        if not self.measurements:
            raise SitegenError("fio moved no data, and nothing says what it was to do")
        if len(self.samples) > MAX_SAMPLES:
            raise SitegenError(f"there are more than {MAX_SAMPLES} samples")
        starts = sorted(report.started_at for report in reports if report.started_at)
        durations = [r.duration_s for r in reports if r.duration_s is not None]
        if len(self.directs) == 1:
            direct = agreed(self.answers, "direct", next(iter(self.directs)))
            self.set("direct", direct, Comparability.CAVEAT)
        self.set("tool_version", self.version or None, Comparability.CAVEAT)
        there = {f"{m.metric} {m.statistic}" for m in self.measurements}
        return Reading(
            measurements=tuple(self.measurements),
            samples=tuple(self.samples),
            tool=ToolIdentity("fio", self.version),
            parameters=tuple(self.parameters.values()),
            natives=tuple(pair for pair in _NATIVES.items() if pair[0] in there),
            started_at=starts[0] if starts else "",
            duration_s=sum(durations) if len(durations) == len(reports) else None,
            notes=tuple(self.notes),
            doubts=self.doubts.found(),
        )

    def set(self, name: str, value: str | None, kind: Comparability) -> None:
        """Record one setting of the run; None is left out."""
        if value is not None:
            self.parameters[name] = Parameter(name, value, kind)

    def where(self, workload: Workload, direction: str) -> Params:
        """Return the parameters of one direction; direct I/O is one where it differs."""
        pairs = dict(workload.of(direction) if direction else workload.params)
        if len(self.directs) > 1 and (direct := direct_of(workload.jobs[0])):
            pairs["direct"] = direct
        return params(**pairs)

    def _workload(
        self, workload: Workload, repetition: int, report: Report, device: Mapping[str, float]
    ) -> None:
        good = [job for job in workload.jobs if job.error == 0]
        bad = [job for job in workload.jobs if job.error != 0]
        name = workload.name
        if told := workload.misnamed:
            self.doubts.add(Doubt.MISNAMED, told, name)
        for job in bad:
            self.doubts.add(Doubt.FAILED_PART, _failure(job, report.chatter), name)
        if failed := sum(job.failed_ios for job in good):
            self.doubts.add(Doubt.FAILED_PART, f"{failed} I/Os failed", name)
        if not any(job.sides for job in good):
            self._failed(workload, repetition)
            if not bad:
                self.doubts.add(Doubt.FAILED_PART, "it moved no data", name)
            return
        suspect = bool(bad) or self._capped(workload, report.chatter)
        rows = Rows(name, repetition, full=True)
        for direction in workload.directions:
            parts = [side for job in good if (side := job.side(direction)) is not None]
            if parts:
                suspect = self._direction(workload, parts, direction, device, rows) or suspect
        everything = self.where(workload, "")
        rows.of_all(good, everything, times=_counted_as_one(workload))
        rows.sync(good, everything)
        self.measurements += [
            m._replace(status=Status.SUSPECT)
            if suspect or (m.metric, m.params) in self.wrong
            else m
            for m in rows.measurements
        ]
        self.samples += rows.samples

    def _direction(
        self,
        workload: Workload,
        parts: Sequence[Side],
        direction: str,
        device: Mapping[str, float],
        rows: Rows,
    ) -> bool:
        """Add one direction; say whether what was measured there is suspect."""
        name, where = workload.name, self.where(workload, direction)
        if max(part.runtime_s for part in parts) <= 0:
            self.doubts.add(Doubt.INCONSISTENT, f"{direction}s took no time at all", name)
            return True
        rows.direction(parts, where, spread=False)
        self._spread(workload, parts, where, rows)
        for part in parts:
            for told in part.against:
                self.doubts.add(Doubt.INCONSISTENT, f"{direction}: {told}", name)
            for told in part.rounded:
                self.doubts.add(Doubt.ROUNDED, f"{direction}: {told}", name)
            if told := _completed_late(part):
                self.doubts.add(Doubt.INCONSISTENT, f"{direction}: {told}", name)
                self.wrong.add((LATENCIES["clat"], where))
        if several.unequal(parts):
            times = [part.runtime_s for part in parts]
            told = f"{direction}: its jobs ran for {min(times):.3g} to {max(times):.3g} s"
            self.doubts.add(Doubt.UNEQUAL_JOBS, told, name)
        seen, moved = device.get(direction), several.moved(parts) or 0.0
        if seen is None:
            return False
        rows.add("fio.device_bytes", "value", seen, where)
        return seen < _LEAST_DEVICE_SHARE * moved

    def _spread(self, workload: Workload, parts: Sequence[Side], where: Params, rows: Rows) -> None:
        """Add IOPS over time, unless they are of one job among several that fio added up.

        With group_reporting the mean is the group's from fio 3.13 on and one job's before;
        the rest is always one job's.
        """
        if len(parts) > 1:
            return
        count = int(dict(workload.params).get("numjobs", "1"))
        spread, rate = parts[0].spread, several.rate(parts) or 0.0
        for statistic, value in spread.items():
            if count == 1 or (statistic == "mean" and value > _GROUPED_SHARE * rate):
                digits = parts[0].printed.get(f"iops {statistic}")
                rows.add("fio.iops", statistic, value, where, digits)

    def _failed(self, workload: Workload, repetition: int) -> None:
        """Keep what was to be measured as failed rows."""
        for direction in workload.directions:
            where = self.where(workload, direction)
            for metric, unit in (("fio.iops", "1/s"), ("fio.bandwidth", "B/s")):
                self.measurements.append(
                    Measurement(
                        workload.name, metric, "value", unit, None, where, repetition, Status.FAILED
                    )
                )

    def _capped(self, workload: Workload, chatter: str) -> bool:
        """Say whether the engine could not reach the depth that the parameters name."""
        engine = workload.options.get("ioengine", "").partition(":")[0]
        depth = dict(workload.params).get("iodepth", "")
        if _CAPPED not in chatter or depth in ("", "1") or engine in _ASYNCHRONOUS:
            return False
        told = f"iodepth is {depth}, and the engine does one I/O at a time"
        self.doubts.add(Doubt.INCONSISTENT, told, workload.name)
        return True


def _completed_late(part: Side) -> str:
    """Return a sentence where completion took longer than all of an I/O, of which it is a part."""
    whole, late = (part.latencies.get(LATENCIES[kind]) for kind in ("lat", "clat"))
    if whole is None or late is None:
        return ""
    times = whole.mean / whole.units, late.mean / late.units
    # Text rounds both, at worst to a whole unit.
    if times[1] <= times[0] * 1.01 + 1 / whole.units + 1 / late.units:
        return ""
    return f"completion took {times[1]:.3g} s on average, and the whole I/O {times[0]:.3g} s"


def found(reports: Sequence[Report], answers: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run for each version of fio in ``reports``."""
    return tuple(finding.found(those) for finding, those in findings(reports, answers))


def findings(
    reports: Sequence[Report], answers: Mapping[str, str], *, sized: bool = True
) -> list[tuple[Finding, list[Report]]]:
    """Return what is found of each version of fio, with its reports, before it is closed."""
    versions: defaultdict[str, list[Report]] = defaultdict(list)
    for report in reports:
        versions[report.version].append(report)
    pairs = []
    for version, those in versions.items():
        directs = frozenset(direct_of(job) for report in those for job in report.jobs)
        finding = Finding(version, answers, sized, directs)
        for report in those:
            finding.report(report)
        pairs.append((finding, those))
    return pairs


def final(reports: Sequence[Report]) -> list[Report]:
    """Return the reports less those that a later one of the same jobs goes on from.

    With --status-interval fio prints one report after another, each of all that was done so
    far: the last one counts.
    """
    kept: list[Report] = []
    for report in reports:
        if kept and _goes_on(kept[-1], report):
            kept[-1] = report
        else:
            kept.append(report)
    return kept


def _goes_on(first: Report, then: Report) -> bool:
    """Tell whether ``then`` is a later report of the run that ``first`` is of."""
    if _jobs_of(first) != _jobs_of(then) or first.ended is None or then.ended is None:
        return False
    if first.begun is not None and then.begun is not None:
        return first.begun == then.begun
    if then.ended < first.ended:
        return False
    return _grown(first, then, then.ended - first.ended) or _after_ramp(first, then)


def _grown(first: Report, then: Report, passed: float) -> bool:
    """Tell whether as much was measured between two reports as time passed between them."""
    ran, longer = _runtime(first), _runtime(then)
    exact = first.ended is not None and first.ended % 1 != 0
    if not all(a <= b for a, b in zip(_moved(first), _moved(then), strict=True)):
        return False
    if abs(passed - (longer - ran)) <= _STILL[exact] and (longer > ran or not passed):
        return True
    return exact and passed <= _STILL[exact] < ran


def _after_ramp(first: Report, then: Report) -> bool:
    """Tell whether ``then`` is of a fio that was at work before ``first`` was printed.

    What was counted while the ramp lasted is forgotten when it ends; the time goes on.
    """
    ends, durations = (first.ended, then.ended), (first.duration_s, then.duration_s)
    if ends[0] is None or ends[1] is None or durations[0] is None or durations[1] is None:
        return False
    start, again = ends[0] - durations[0], ends[1] - durations[1]
    return durations[1] > durations[0] and abs(start - again) <= _APART_S and again + 1 < ends[0]


def _jobs_of(report: Report) -> list[tuple[object, ...]]:
    return [(job.name, job.group, tuple(sorted(job.options.items()))) for job in report.jobs]


def _runtime(report: Report) -> float:
    return max((side.runtime_s for job in report.jobs for side in job.sides), default=0.0)


def _moved(report: Report) -> list[float]:
    return [
        sum(side.moved or 0.0 for side in job.sides if side.direction == direction)
        for job in report.jobs
        for direction in (*several.DIRECTIONS, several.MIXED)
    ]


def _counted_as_one(workload: Workload) -> float:
    """Return how many jobs each entry stands for: fio averages their CPU time."""
    pairs = dict(workload.params)
    jobs = int(pairs.get("numjobs", "1")) * int(pairs.get("clients", "1"))
    return max(1.0, jobs / len(workload.jobs))


def _failure(job: Job, chatter: str) -> str:
    """Return how a job failed, in fio's words and without its file."""
    for match in _PROBLEM.finditer(chatter):
        if int(match[1]) == job.error and "/" not in match[2]:
            words = match[2]
            break
    else:
        words = job.problem or several.problem(job.error)
    return f"a job failed: {words.strip()} (error {job.error})"
