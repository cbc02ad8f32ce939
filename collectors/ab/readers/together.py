"""Many ab at once: one load, whose requests count from the first start to the last end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from collectors.ab.readers.asked import ASKS, given
from collectors.ab.readers.beside import (
    EMPTY,
    PERCENTILES,
    REPORT,
    REQUESTS,
    SAID,
    sorted_by_kind,
)
from collectors.ab.readers.checks import contradictions
from collectors.ab.readers.files import Requests, requests_in
from collectors.ab.readers.series import params_of
from collectors.ab.readers.sitting import MULTI, Sitting, missing, no_result
from collectors.ab.report import Report, abort_reason, reports
from collectors.ab.rows import Rows
from collectors.text import plain
from sitegen.collect import Bundle, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Params, Status, params

_MANY = 2
#: What a verdict resolves: times of processes, and ends of a span, that differ by more are said.
_UNEQUAL = 0.02


@dataclass(frozen=True, slots=True)
class Load:
    """What the files hold: reports of processes that ended well, why others did not, requests."""

    good: tuple[Report, ...]
    reasons: tuple[str, ...]
    requests: tuple[Requests, ...]

    @property
    def merged(self) -> bool:
        """Whether there is a whole file of requests of every process that ended well."""
        whole = not any(file.cut for file in self.requests)
        return whole and bool(self.requests) and len(self.requests) == len(self.good)


def knows(files: Mapping[str, bytes]) -> bool:
    """Say whether these are reports, or files of requests, of several processes."""
    kinds = {kind: len(names) for kind, names in sorted_by_kind(files).items()}
    many = max(kinds.get(REPORT, 0), kinds.get(REQUESTS, 0)) >= _MANY
    return many and kinds.keys() <= {REPORT, PERCENTILES, REQUESTS, SAID, EMPTY}


def read(files: Mapping[str, bytes], settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run that all the processes were together.

    Raises SitegenError when none has a result, or they did not do the same.
    """
    answers = given(settings)
    kinds = sorted_by_kind(files)
    load = _load(files, kinds)
    failed = len(load.reasons)
    processes = int(answers.get("processes", len(load.good) + failed))
    if processes < len(load.good):
        raise SitegenError(
            f"{len(load.good)} processes have a result, not {processes}", where="--set processes"
        )
    sitting = Sitting(answers)
    failed = processes - len(load.good)
    if failed:
        counted = Counter(load.reasons).items()
        told = "; ".join(reason if n == 1 else f"{n} times {reason}" for reason, n in counted)
        without = f"{failed} of {processes} processes have no result"
        sitting.doubt(Doubt.FAILED_PART, f"{without}{told and f': {told}'}", MULTI)
    if kinds.get(PERCENTILES):
        sitting.note("Percentiles of single processes are left out: they cannot be merged.")
    # Here it is the span of all processes, not the limit of each.
    alike = {name: value for name, value in answers.items() if name != "duration_s"}
    where = _series(load.good, alike, str(processes))
    rows = _rows(sitting, load, where, suspect=bool(failed))
    span = _span(sitting, load, answers)
    rows.together(list(load.good), span)
    _latency(sitting, rows, load)
    sitting.keep(rows)
    first = min(load.requests, key=lambda file: file.first_s, default=None)
    return (sitting.found(duration_s=span, started_at=first.started_at() if first else ""),)


def _load(files: Mapping[str, bytes], kinds: Mapping[str, list[str]]) -> Load:
    requests = [_requests(files[name], name) for name in kinds.get(REQUESTS, ())]
    said = [abort_reason(plain(files[name])) for name in kinds.get(SAID, ())]
    good, reasons = _reports([files[name] for name in kinds.get(REPORT, ())], [*filter(None, said)])
    reasons += ["it printed nothing" for _ in _silent(kinds, len(good))]
    if not kinds.get(REPORT):
        # Each file of requests is a process by itself, of which nothing else is known.
        good = [Report(1, numbers={"complete": str(file.rows)}) for file in requests]
    if not good:
        told = "; ".join(sorted(set(reasons)))[:300]
        raise SitegenError(f"none of {len(reasons)} processes has a result: {told}")
    if len(requests) > len(good):
        raise SitegenError(
            f"{len(requests)} files of requests and only {len(good)} reports with a result",
            fix="add the missing reports, or leave all reports out",
        )
    return Load(tuple(good), tuple(reasons), tuple(requests))


def _silent(kinds: Mapping[str, list[str]], good: int) -> list[str]:
    """Return the empty files that stand for a process: not what a good one left on stderr.

    That lies beside its report, `p1.err` by `p1.txt`, or there is one for each report.
    """
    told = {_stem(name) for kind, names in kinds.items() if kind != EMPTY for name in names}
    alone = [name for name in kinds.get(EMPTY, ()) if _stem(name) not in told]
    return [] if len(alone) == good else alone


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _requests(data: bytes, name: str) -> Requests:
    try:
        return requests_in(data)
    except SitegenError as error:
        where = f"{name}: {error.where}" if error.where else name
        raise SitegenError(error.what, where=where, fix=error.fix) from error


def _reports(texts: list[bytes], said: list[str]) -> tuple[list[Report], list[str]]:
    """Return the reports with a result, and why others have none.

    What ab said on standard error explains those that do not say it themselves.
    """
    good, reasons = [], []
    for data in texts:
        found = reports(plain(data))
        if not found:
            reasons.append("it printed no report")
        for report in found:
            if not report.measured and not report.aborted and said:
                report.aborted = said.pop(0)
            reason = no_result(report)
            if reason is None:
                good.append(report)
            else:
                reasons.append(reason)
    return good, reasons


def _series(good: tuple[Report, ...], answers: Mapping[str, str], processes: str) -> Params:
    """Return the parameters that all processes have; raises SitegenError when they differ."""
    each = [dict(params_of(report, answers, processes)) for report in good]
    requests = {where.pop("requests", None) for where in each}
    for where in each:
        for name in sorted({*where, *each[0]}):
            if where.get(name) != each[0].get(name):
                one, other = each[0].get(name, "none"), where.get(name, "none")
                raise SitegenError(
                    f"the processes did not do the same: {name} is {one} and {other}",
                    fix="import together only what ran as one load",
                )
    asked = requests.pop() if len(requests) == 1 else None
    return params(**each[0], requests=asked)


def _rows(sitting: Sitting, load: Load, where: Params, *, suspect: bool) -> Rows:
    suspects: frozenset[str] = frozenset()
    for number, report in enumerate(load.good, 1):
        sitting.about(report, MULTI)
        wrong = contradictions(report)
        for each in wrong:
            sitting.doubt(Doubt.INCONSISTENT, f"process {number}: {each.told}", MULTI)
            suspects |= each.metrics
        # Of a process without a report there was none to be cut.
        if "concurrency" in report.numbers and (absent := missing(report)):
            sitting.doubt(
                Doubt.CUT_OFF, f"process {number}: there is no {', no '.join(absent)}", MULTI
            )
        suspect |= sitting.status(report, MULTI) == Status.SUSPECT
    for file in load.requests:
        if file.cut:
            sitting.doubt(Doubt.CUT_OFF, "the end of a file of requests is missing", MULTI)
        for each in file.contradictions():
            sitting.doubt(Doubt.INCONSISTENT, each.told, MULTI)
            suspects |= each.metrics
    return Rows(MULTI, where, Status.SUSPECT if suspect else Status.OK, suspects=suspects)


def _span(sitting: Sitting, load: Load, answers: Mapping[str, str]) -> float | None:
    """Return the time from the first start to the last end, as well as it can be told."""
    times = [t for t in (report.value("time_taken") for report in load.good) if t is not None]
    longest = max(times, default=0.0)
    if "duration_s" in answers:
        span = float(answers["duration_s"])
        if span < longest * (1 - _UNEQUAL):
            raise SitegenError(
                f"one process alone took {longest:g} s", where="--set duration_s", fix="mend it"
            )
        return span
    if load.merged:
        ends = max(file.last_end_ms for file in load.requests) / 1000
        seen = ends - min(file.first_s for file in load.requests)
        low, high = max(seen - 1, longest), seen + 1
        if low > 0 and high <= low * (1 + _UNEQUAL):
            sitting.doubt(
                Doubt.ROUNDED, f"starts are in whole seconds: {low:.1f} to {high:.1f} s", MULTI
            )
            return min(max(seen, low), high)
    if not longest or len(times) < len(load.good):
        sitting.note("No rate: nothing tells when the first process began and the last one ended.")
        return None
    sitting.note(
        "Rates are over the longest time of one process: right where all began together, and too"
        " high where they did not (`--set duration_s=` says the time from first start to last end)."
    )
    if longest - min(times) > _UNEQUAL * longest:
        sitting.doubt(
            Doubt.UNEQUAL_JOBS,
            f"the processes took {min(times):g} to {longest:g} s, and rates are over the longest",
            MULTI,
        )
    return longest


def _latency(sitting: Sitting, rows: Rows, load: Load) -> None:
    """Add percentiles of all requests of all processes; those of one are never averaged."""
    if not load.merged:
        if load.requests:
            sitting.note("No latency: not every process has a whole file of its requests.")
        else:
            sitting.note(
                "No latency: percentiles of processes cannot be merged without their requests (-g)."
            )
        return
    counts: Counter[int] = Counter()
    for file in load.requests:
        counts.update(file.latency)
    complete = sum(report.count("complete") or 0 for report in load.good)
    if counts.total() != complete:
        told = f"{counts.total()} requests have a row, {complete} were completed"
        sitting.doubt(Doubt.INCONSISTENT, told, MULTI)
        rows.suspects |= {"ab.latency"}
    rows.merged_latency(counts)
    rows.histogram(counts)


TOGETHER = Bundle("ab-processes", "ApacheBench, processes at once", knows, read, ASKS)
