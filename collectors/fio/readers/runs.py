"""Reports of fio, whatever their form, as runs to import."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.fio import jobs, rows
from collectors.fio.jobs import CAPPED, LATENCIES, Report, Side
from collectors.fio.workloads import Workload, direct_of, kept_options, workloads
from sitegen.collect import Reading, Recorder
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Params, Status, ToolIdentity, params

#: What fio's JSON, and its text, cannot be without.
JSON_SIGN, TEXT_SIGN = b'"fio version"', b": (groupid="
_STOPPED = re.compile(r"(?m)^fio: terminating on signal (\d{1,3})")
_PROBLEM = re.compile(
    r"(?m)err=\s{0,4}([1-9]\d{0,8})[^\n]{0,300}?error=([^\n/]{1,200}?)(?:\)?: pid=[^\n]{0,200})?$"
)
#: Engines that keep many I/Os in flight: the others do one at a time, whatever the depth.
_ASYNCHRONOUS = frozenset(
    {
        *("libaio", "io_uring", "io_uring_cmd", "posixaio", "windowsaio", "solarisaio", "rbd"),
        *("rados", "libiscsi", "nbd", "guasi", "sg", "gfapi_async", "http", "xnvme", "nvme"),
    }
)
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


def readings(
    reports: Sequence[Report], answers: Mapping[str, str], cut: str = ""
) -> tuple[Reading, ...]:
    """Return one run for each version of fio; ``cut`` says what of the output is missing."""
    return tuple(run.reading(cut) for run in runs(reports, answers))


def runs(reports: Sequence[Report], answers: Mapping[str, str], *, sized: bool = True) -> list[Run]:
    """Return one run for each version of fio, with its reports read.

    ``sized`` says whether engine and size are parameters of each series, as in all runs but
    those of the collector's own sets.
    """
    versions: defaultdict[str, list[Report]] = defaultdict(list)
    for report in reports:
        versions[report.version].append(report)
    every = []
    for version, own in versions.items():
        directs = frozenset(direct_of(job) for report in own for job in report.jobs)
        recorder = Recorder(ToolIdentity("fio", version), natives=_NATIVES)
        run = Run(tuple(own), recorder, answers, directs)
        for report in own:
            run.take(report, workloads(report.jobs, answers, sized=sized))
        every.append(run)
    return every


@dataclass(slots=True)
class Run:
    """The reports of one version of fio while they are recorded; `reading` ends it.

    ``directs`` are all values of direct in its reports.
    """

    reports: tuple[Report, ...]
    recorder: Recorder
    answers: Mapping[str, str]
    directs: frozenset[str | None]
    workloads: list[Workload] = field(default_factory=list)
    _times: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def take(self, report: Report, own: Sequence[Workload]) -> None:
        """Add one report: repetitions of workloads that were there before, or new ones."""
        for note in report.notes:
            self.recorder.note(note)
        if stopped := _STOPPED.search(report.chatter):
            self.recorder.doubt(Doubt.INTERRUPTED, f"fio was stopped by signal {stopped[1]}")
        problems = {int(match[1]): match[2] for match in _PROBLEM.finditer(report.chatter)}
        capped = CAPPED in report.chatter
        for workload in own:
            agreed("direct", self.answers.get("direct"), direct_of(workload.jobs[0]))
            good = [job for job in workload.jobs if not job.error]
            parts = {d: jobs.sides(good, d) for d in workload.directions}
            # The disk's counters are of all that ran.
            device = report.device if len(own) == 1 else {}
            suspect = any(jobs.is_cached(sides, device.get(d)) for d, sides in parts.items())
            doubts = [*_failures(workload, problems)]
            doubts += _depth_doubts(workload) if capped else ()
            for direction, sides in parts.items():
                doubts += _side_doubts(direction, sides) if sides else ()
            for kind, sentence, counts in doubts:
                self.recorder.doubt(kind, sentence, workload.name)
                suspect |= counts
            self._rows(workload, parts, device, Status.SUSPECT if suspect else Status.OK)
            self._options(workload)
        self.workloads += own

    def about(self, workload: Workload, direction: str = "") -> Params:
        """Return the parameters of one direction; direct I/O is one where it differs."""
        pairs = dict(workload.of(direction) if direction else workload.params)
        if len(self.directs) > 1 and (direct := direct_of(workload.jobs[0])):
            pairs["direct"] = direct
        return params(**pairs)

    def reading(self, cut: str = "") -> Reading:
        """Return all of it; raises SitegenError when there is no row at all."""
        if cut:
            self.recorder.doubt(Doubt.CUT_OFF, cut)
        if not self.recorder.measurements:
            raise SitegenError("fio moved no data, and nothing says what it was to do")
        if len(self.directs) == 1:
            direct = agreed("direct", self.answers.get("direct"), next(iter(self.directs)))
            self.recorder.parameter("direct", direct, Comparability.CAVEAT)
        version = self.reports[0].version
        self.recorder.parameter("tool_version", version or None, Comparability.CAVEAT)
        starts = [report.started_at for report in self.reports if report.started_at]
        durations = [r.duration_s for r in self.reports if r.duration_s is not None]
        self.recorder.started_at = min(starts, default="")
        if len(durations) == len(self.reports):
            self.recorder.duration_s = sum(durations)
        return self.recorder.reading()

    def _options(self, workload: Workload) -> None:
        """Keep a workload's options, where they are the same each time, and its steadiness."""
        name, text = f"options.{workload.name}", kept_options(workload)
        if text:
            before = self.recorder.parameters.get(name)
            differs = before is not None and before.value != text
            text = "differ from one report to the next" if differs else text
            self.recorder.parameter(name, text, Comparability.IGNORED)
        steady = {job.steady for job in workload.jobs if job.steady is not None}
        if steady:
            state = "attained" if all(steady) else "not attained"
            self.recorder.parameter(f"steadystate.{workload.name}", state, Comparability.IGNORED)

    def _rows(
        self,
        workload: Workload,
        parts: Mapping[str, Sequence[Side]],
        device: Mapping[str, float],
        status: Status,
    ) -> None:
        recorder, name = self.recorder, workload.name
        key = (name, *(self.about(workload, d) for d in workload.directions))
        number = self._times[key]
        self._times[key] += 1
        for direction, sides in parts.items():
            about = self.about(workload, direction)
            series = recorder.series(name, about, status=status, repetition=number)
            if not any(parts.values()):
                series.failed("fio.iops")
                series.failed("fio.bandwidth")
            elif jobs.longest(sides) > 0:
                rows.direction(series, sides, numjobs=workload.number("numjobs"), full=True)
                series.add("fio.device_bytes", "value", device.get(direction))
        if any(parts.values()):
            about = self.about(workload)
            series = recorder.series(name, about, status=status, repetition=number)
            good = [job for job in workload.jobs if not job.error]
            # Of several jobs in one entry fio gives the mean CPU time.
            rows.every(series, good, times=workload.each)


#: A kind of doubt, a sentence, and whether all numbers of the workload are suspect for it.
_Doubted = tuple[Doubt, str, bool]


def _failures(workload: Workload, problems: Mapping[int, str]) -> Iterator[_Doubted]:
    """Yield what of a workload failed, in fio's words and without its file."""
    if misnamed := workload.misnamed:
        yield Doubt.MISNAMED, misnamed, False
    errors = {job.error: job.problem for job in workload.jobs if job.error}
    for error, own in errors.items():
        words = problems.get(error) or own or jobs.problem(error)
        yield Doubt.FAILED_PART, f"a job failed: {words.strip()} (error {error})", True
    good = [job for job in workload.jobs if not job.error]
    if ios := sum(job.failed_ios for job in good):
        yield Doubt.FAILED_PART, f"{ios} I/Os failed", False
    if not errors and not any(job.sides for job in good):
        yield Doubt.FAILED_PART, "it moved no data", False


def _depth_doubts(workload: Workload) -> Iterator[_Doubted]:
    """Yield a doubt where the engine could not reach the depth that the parameters name."""
    engine, depth = workload.options.get("ioengine", ""), workload.number("iodepth")
    if depth > 1 and engine.partition(":")[0] not in _ASYNCHRONOUS:
        sentence = f"iodepth is {depth}, and the engine does one I/O at a time"
        yield Doubt.INCONSISTENT, sentence, True


def _side_doubts(direction: str, sides: Sequence[Side]) -> Iterator[_Doubted]:
    """Yield what there is to doubt of jobs that ran together in one direction."""
    for side in sides:
        for sentence in (*side.against, *_late(side)):
            yield Doubt.INCONSISTENT, f"{direction}: {sentence}", False
        for sentence in side.rounded:
            yield Doubt.ROUNDED, f"{direction}: {sentence}", False
    if not jobs.longest(sides):
        yield Doubt.INCONSISTENT, f"{direction}: it took no time at all", True
    elif jobs.unequal(sides):
        times = [side.runtime_s for side in sides]
        sentence = f"{direction}: its jobs ran for {min(times):.3g} to {max(times):.3g} s"
        yield Doubt.UNEQUAL_JOBS, sentence, False


def _late(side: Side) -> Iterator[str]:
    """Yield a sentence where completion took longer than all of an I/O, of which it is a part."""
    whole, part = (side.latencies.get(LATENCIES[kind]) for kind in ("lat", "clat"))
    # Text rounds both, at worst to a whole unit.
    if whole and part and part.mean_s > whole.mean_s * 1.01 + 1 / whole.units + 1 / part.units:
        yield f"completion took {part.mean_s:.3g} s on average, and all of it {whole.mean_s:.3g} s"
