"""A report with the files that the same ab wrote: what is finer in them wins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from collectors.ab.readers.alone import CUT_ROWS
from collectors.ab.readers.asked import ASKS, of_one
from collectors.ab.readers.checks import Contradiction
from collectors.ab.readers.files import (
    Percentiles,
    Requests,
    beyond_a_rank,
    is_percentiles,
    is_requests,
    percentiles_in,
    requests_in,
)
from collectors.ab.readers.sitting import Sitting
from collectors.ab.readers.text import is_report, nothing
from collectors.ab.report import Report, abort_reason, reports
from collectors.text import plain
from sitegen.collect import Bundle, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

REPORT, PERCENTILES, REQUESTS, SAID, EMPTY = "report", "percentiles", "requests", "said", "empty"
_PROGRESS = re.compile(
    r"(?:Completed|Finished) \d{1,12} requests|Total of \d{1,12} requests.{0,40}"
)
_MOST_SAID = 200_000


def kind_of(data: bytes) -> str:
    """Return which of ab's files this is, or nothing; what it said on standard error is one."""
    if not data.strip():
        return EMPTY
    if is_requests(data):
        return REQUESTS
    if is_percentiles(data):
        return PERCENTILES
    if is_report(data):
        return REPORT
    lines = [line.strip() for line in plain(data[:_MOST_SAID]).split("\n") if line.strip()]
    told = bool(lines) and all(_PROGRESS.fullmatch(line) or abort_reason(line) for line in lines)
    return SAID if told and len(data) <= _MOST_SAID else ""


def sorted_by_kind(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the names of the files under the kind of each, in order."""
    found: dict[str, list[str]] = {}
    for name in sorted(files):
        found.setdefault(kind_of(files[name]), []).append(name)
    return found


def knows(files: Mapping[str, bytes]) -> bool:
    """Say whether these are one report and one or two files of the same ab."""
    kinds = {kind: len(names) for kind, names in sorted_by_kind(files).items()}
    finer = [kinds.get(PERCENTILES, 0), kinds.get(REQUESTS, 0)]
    return (
        kinds.get(REPORT) == 1
        and max(finer) == 1
        and kinds.keys() <= {REPORT, PERCENTILES, REQUESTS, SAID, EMPTY}
    )


def read(files: Mapping[str, bytes], settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run of one report, with percentiles to a microsecond and the requests' times.

    Raises SitegenError when the file of the report holds several: the others belong to one.
    """
    answers = of_one(settings)
    kinds = sorted_by_kind(files)
    report = _the_report(files, kinds)
    finer = next((percentiles_in(files[name]) for name in kinds.get(PERCENTILES, ())), None)
    requests = next((requests_in(files[name]) for name in kinds.get(REQUESTS, ())), None)
    sitting = Sitting(answers)
    complete = report.count("complete")
    wrong = tuple(_differences(report, finer, requests))
    if finer and not finer.cut:
        report = replace(report, percentiles={})  # all of them are finer there
    rows = sitting.report(report, finer.statistics(complete) if finer else None, wrong)
    if finer and finer.cut:
        sitting.doubt(Doubt.CUT_OFF, f"{len(finer.rows)} of 101 rows of percentiles are there")
    if requests and complete is not None and requests.rows < complete:
        told = f"{requests.rows} of {complete} requests have a row: {CUT_ROWS}"
        sitting.doubt(Doubt.CUT_OFF, told)
        requests = replace(requests, cut=True)
    if rows is not None:
        if requests and not requests.cut:
            rows.histogram(requests.latency)
            if not (report.table or report.percentiles or finer):
                rows.merged_latency(requests.latency)
        sitting.keep(rows)
    started_at = requests.started_at() if requests else ""
    return (sitting.found(duration_s=report.value("time_taken"), started_at=started_at),)


def _the_report(files: Mapping[str, bytes], kinds: Mapping[str, list[str]]) -> Report:
    [name] = kinds[REPORT]
    text = plain(files[name])
    found = reports(text)
    if len(found) != 1:
        if not found:
            raise nothing(files[name], text, found)
        raise SitegenError(
            f"holds {len(found)} reports: the files beside it belong to one",
            where=name,
            fix="give each report a file",
        )
    for said in kinds.get(SAID, ()):
        found[0].aborted = found[0].aborted or abort_reason(plain(files[said]))
    return found[0]


def _differences(
    report: Report, finer: Percentiles | None, requests: Requests | None
) -> Iterator[Contradiction]:
    """Yield where the files contradict the report, or themselves."""
    complete = report.count("complete")
    if finer:
        yield from beyond_a_rank(report.percentiles, finer, complete)
    if requests is None:
        return
    yield from requests.contradictions()
    latency = frozenset({"ab.latency"})
    if complete is not None and requests.rows < complete:
        return
    if complete is not None and requests.rows > complete:
        yield Contradiction(
            f"{requests.rows} requests have a row, {complete} were completed", latency
        )
    longest = (finer and finer.rows.get(100)) or report.percentiles.get("max")
    if longest and abs(max(requests.latency) - float(longest)) > 1:
        yield Contradiction(
            f"the longest request took {longest} ms, and {max(requests.latency)} ms in its row",
            latency,
        )


BESIDE = Bundle("ab-run", "ApacheBench, report with its files (-e, -g)", knows, read, ASKS)
