"""Reports of fio, whatever their form, as runs to import."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from collectors.fio import jobs, load
from collectors.fio.jobs import CAPPED, LATENCIES, Report, Side
from collectors.fio.workloads import Workload, conditions, direct_of, kept_options, workloads
from sitegen.collect import Reading, Recorder, Series
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Params, Status, ToolIdentity, params

#: What fio's JSON, and its text, cannot be without.
JSON_SIGN, TEXT_SIGN = b'"fio version"', b"(groupid="
_STOPPED = re.compile(r"(?m)^fio: terminating on signal (\d{1,3})")
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


def holds(data: bytes, *signs: bytes) -> bool:
    """Tell whether one of several signs is in ``data``, also where that is UTF-16."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    return any(sign in narrow for sign in signs)


class Run:
    """Reports of one version of fio as they are recorded; ``directs`` are all values of direct.

    ``sized`` says whether engine and size are parameters of each series, as in all runs but
    those of the collector's own sets. Raises SitegenError for reports of several versions.
    """

    def __init__(
        self, reports: Sequence[Report], answers: Mapping[str, str], *, sized: bool = True
    ) -> None:
        versions = list(dict.fromkeys(report.version for report in reports))
        if len(versions) != 1:
            text = f"holds results of {len(versions)} versions of fio {', '.join(versions)[:200]}"
            raise SitegenError(text, fix="import those of each version by themselves")
        self.reports, self.answers = reports, answers
        self.recorder = Recorder(ToolIdentity("fio", versions[0]), natives=_NATIVES)
        self.directs = {direct_of(job) for report in reports for job in report.jobs}
        every = [workloads(report, answers, sized=sized) for report in reports]
        self.workloads = [workload for entries in every for workload in entries]
        self.devices: defaultdict[str, set[str]] = defaultdict(set)
        for workload in self.workloads:
            self.devices[workload.name].add(workload.device)
        for report, entries in zip(reports, every, strict=True):
            self._take(report, entries)

    def _take(self, report: Report, entries: Sequence[Workload]) -> None:
        """Add one report: repetitions of workloads that were there before, or new ones."""
        for note in report.notes:
            self.recorder.note(note)
        if stopped := _STOPPED.search(report.chatter):
            self.recorder.doubt(Doubt.INTERRUPTED, f"fio was stopped by signal {stopped[1]}")
        for workload in entries:
            agreed("direct", self.answers.get("direct"), direct_of(workload.jobs[0]))
            parts = {d: jobs.sides(workload.good, d) for d in workload.directions}
            # The disk's counters are of all that ran.
            device = report.device if len(entries) == 1 else {}
            suspect = any(jobs.is_cached(sides, device.get(d)) for d, sides in parts.items())
            doubts = [*_doubts(workload, report.chatter)]
            if not report.grouped and len(entries) > 1:
                unsaid = "nothing says whether its jobs ran at once or one after another"
                doubts.append((Doubt.NOT_STATED, unsaid, False))
            for direction, sides in parts.items():
                doubts += _side_doubts(direction, sides) if sides else ()
            for kind, sentence, counts in doubts:
                self.recorder.doubt(kind, sentence, workload.name)
                suspect |= counts
            self._rows(workload, parts, device, Status.SUSPECT if suspect else Status.OK)
            self._options(workload)
            self.recorder.said("device", workload.device, workload.name)
            self.recorder.said("host", load.host_of(workload.jobs, report), workload.name)
            self.recorder.said("ran at once", workload.beside, workload.name)
            if workload.beside:
                self.recorder.note(f"Jobs that ran at once: {workload.beside}.")

    def about(self, workload: Workload, direction: str = "") -> Params:
        """Return the parameters of one direction; direct I/O and device are where they differ."""
        pairs = dict(workload.of(direction) if direction else workload.params)
        direct = direct_of(workload.jobs[0]) if len(self.directs) > 1 else None
        device = workload.device or None if len(self.devices[workload.name]) > 1 else None
        return params(**pairs, direct=direct, device=device)

    def reading(self, cut: str = "") -> Reading:
        """Return all of it; raises SitegenError when there is no row at all."""
        recorder = self.recorder
        if cut:
            recorder.doubt(Doubt.CUT_OFF, cut)
        if not recorder.measurements:
            raise SitegenError("fio moved no data, and nothing says what it was to do")
        if len(self.directs) == 1:
            direct = agreed("direct", self.answers.get("direct"), next(iter(self.directs)))
            recorder.parameter("direct", direct, Comparability.CAVEAT)
        version = self.reports[0].version or None
        recorder.parameter("tool_version", version, Comparability.CAVEAT)
        starts = filter(None, (report.started_at for report in self.reports))
        recorder.started_at = min(starts, default="")
        recorder.duration_s = jobs.total(report.duration_s for report in self.reports)
        return recorder.reading()

    def _options(self, workload: Workload) -> None:
        name, text = f"options.{workload.name}", kept_options(workload)
        before = self.recorder.parameters.get(name)
        if before is not None and before.value != text:
            text = "differ from one report to the next"
        self.recorder.parameter(name, text or None, Comparability.IGNORED)
        for option, value in conditions(workload).items():
            self.recorder.said(option, value, workload.name)
        if steady := {job.steady for job in workload.jobs if job.steady is not None}:
            state = "attained" if all(steady) else "not attained"
            self.recorder.parameter(f"steadystate.{workload.name}", state, Comparability.IGNORED)

    def _rows(
        self,
        workload: Workload,
        parts: Mapping[str, Sequence[Side]],
        device: Mapping[str, float],
        status: Status,
    ) -> None:
        key = (workload.name, *(self.about(workload, d) for d in workload.directions))
        number = self.recorder.times[key]
        self.recorder.times[key] += 1

        def series(direction: str = "") -> Series:
            about = self.about(workload, direction)
            return self.recorder.series(workload.name, about, status=status, repetition=number)

        for direction, sides in parts.items():
            rows, count = series(direction), workload.number("numjobs")
            if not any(parts.values()):
                rows.failed("fio.iops")
                rows.failed("fio.bandwidth")
            elif jobs.longest(sides) > 0:
                jobs.write_direction(rows, sides, numjobs=count, full=True)
                rows.add("fio.device_bytes", "value", device.get(direction))
        if any(parts.values()):
            # Of several jobs in one entry fio gives the mean CPU time.
            jobs.write_rest(series(), workload.good, times=workload.jobs_per_entry)


#: A kind of doubt, a sentence, and whether all numbers of the workload are suspect for it.
_Doubted = tuple[Doubt, str, bool]


def _doubts(workload: Workload, chatter: str) -> Iterator[_Doubted]:
    """Yield what there is to doubt of a workload as a whole."""
    if misnamed := workload.misnamed:
        yield Doubt.MISNAMED, misnamed, False
    errors = dict.fromkeys(job.error for job in workload.jobs if job.error)
    for error in errors:
        yield Doubt.FAILED_PART, f"a job failed: {jobs.problem(error)} (error {error})", True
    if ios := sum(job.failed_ios for job in workload.good):
        yield Doubt.FAILED_PART, f"{ios} I/Os failed", False
    if not errors and not any(job.sides for job in workload.good):
        yield Doubt.FAILED_PART, "it moved no data", False
    for sentence in workload.wrong:
        yield Doubt.INCONSISTENT, sentence, False
    if unsaid := workload.unsaid:
        yield Doubt.NOT_STATED, load.unsaid(unsaid), False
    engine = workload.options.get("ioengine", "").partition(":")[0]
    depth = workload.number("iodepth")
    if load.is_limited(workload.options) and engine not in load.ONE_AT_A_TIME:
        return
    count = workload.jobs_per_entry * len(workload.good)
    sentence = load.not_reached(workload.good, depth, count, engine)
    if not sentence and CAPPED in chatter and depth > 1 and engine in {"", *load.ONE_AT_A_TIME}:
        sentence = f"iodepth is {depth}, and the engine does one I/O at a time"
    if sentence:
        yield Doubt.NOT_REACHED, sentence, True


def _side_doubts(direction: str, sides: Sequence[Side]) -> Iterator[_Doubted]:
    """Yield what there is to doubt of jobs that ran together in one direction."""
    for side in sides:
        for kind, sentence in side.doubts:
            yield kind, f"{direction}: {sentence}", False
        whole, part = (side.latencies.get(LATENCIES[kind]) for kind in ("lat", "clat"))
        if whole and part:
            clat, lat = part.figures["mean"] / part.units, whole.figures["mean"] / whole.units
            # Completion is a part of an I/O. Text rounds both, at worst to a whole unit.
            if clat > lat * 1.01 + 1 / whole.units + 1 / part.units:
                sentence = f"completion took {clat:.3g} s on average, and all of it {lat:.3g} s"
                yield Doubt.INCONSISTENT, f"{direction}: {sentence}", False
    if not jobs.longest(sides):
        yield Doubt.INCONSISTENT, f"{direction}: it took no time at all", True
    elif jobs.unequal(sides):
        times = [side.runtime_s for side in sides]
        sentence = f"{direction}: its jobs ran for {min(times):.3g} to {max(times):.3g} s"
        yield Doubt.UNEQUAL_JOBS, sentence, False
