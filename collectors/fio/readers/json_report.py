"""fio --output-format=json and json+, with all that may stand around the JSON."""

from __future__ import annotations

from collectors.fio import document, jobs
from collectors.fio.jobs import DIRECTIONS, MIXED, Report
from collectors.fio.readers.runs import JSON_SIGN, holds, run_of
from collectors.fio.workloads import Asks
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

#: What two reports' times may differ by: of whole seconds, and of exact ones.
_APART_S, _STILL_S = 1.1, 0.2


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds fio's JSON."""
    return holds(data, JSON_SIGN) and holds(data, b'"jobs"', b'"client_stats"')


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run in ``data``."""
    reports, cut = reports_of(data)
    cut = cut and f"another report follows and breaks off at {cut}"
    return (run_of(reports, asks.answers).reading(cut),)


def reports_of(data: bytes) -> tuple[list[Report], str]:
    """Return the final reports in ``data``, and where a further one breaks off.

    With --status-interval fio prints one report after another, each of all that was done so
    far: the last one counts. Raises SitegenError when there is no whole one.
    """
    output = document.read(data)
    if not output.reports:
        place, _, reason = output.cut.partition(": ")
        broken = f"the JSON breaks off or is damaged: {reason}"
        raise SitegenError(broken if reason else "no JSON in it is fio's own", where=place)
    final: list[Report] = []
    for report in output.reports:
        if final and _goes_on(final[-1], report):
            final.pop()
        final.append(report)
    return final, output.cut


def _goes_on(first: Report, then: Report) -> bool:
    """Tell whether ``then`` is a later report of the run that ``first`` is of."""
    alike = [[(job.name, job.group, job.options) for job in one.jobs] for one in (first, then)]
    if alike[0] != alike[1] or first.ended is None or then.ended is None:
        return False
    if first.begun is not None and then.begun is not None:
        return first.begun == then.begun
    # Before fio 3.34 nothing says when a job began: its time goes on as the clock does.
    passed = then.ended - first.ended
    (ran, moved), (longer, more) = _measured(first), _measured(then)
    grown = all(a <= b for a, b in zip(moved, more, strict=True)) and (
        (longer > ran and abs(passed - (longer - ran)) <= _STILL_S) or passed <= _STILL_S < ran
    )
    # What was counted while a ramp lasted is forgotten when it ends; the time since the start,
    # in whole seconds, goes on.
    age, older = first.duration_s or 0.0, then.duration_s or 0.0
    ramped = older > age and older - passed > 1 and abs(passed - (older - age)) <= _APART_S
    return passed >= 0 and (grown or ramped)


def _measured(report: Report) -> tuple[float, list[float]]:
    """Return the longest runtime, and the bytes that each job moved in each direction."""
    directions = (*DIRECTIONS, MIXED)
    moved = [jobs.moved(jobs.sides([job], d)) or 0.0 for job in report.jobs for d in directions]
    return jobs.longest(side for job in report.jobs for side in job.sides), moved


READER = Reader("fio-json", "fio --output-format=json or json+", knows, read, Asks)
