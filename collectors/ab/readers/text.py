"""ab's report as people keep it: in a terminal's record, Markdown or HTML, several in one file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.ab.readers.asked import ASKS, of_one
from collectors.ab.readers.sitting import Sitting, no_result
from collectors.ab.report import Report, abort_reason, reports
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

_BANNER = b"This is ApacheBench"
_LABELS = (
    *(b"Concurrency Level", b"Time taken for tests", b"Complete requests"),
    *(b"Requests per second", b"[#/sec]", b"HTML transferred"),
)
_FEWEST = 2
_USAGE = re.compile(rb"Usage: \S{0,200}\bab \[options\]")
_HEAD = 200_000
#: What other load generators print, each with signs that stand there together.
_OTHERS = (
    ("wrk", (b"Running ", b" threads and ", b"Requests/sec:")),
    ("oha", (b"Success rate:", b"Slowest:", b"Response time histogram:")),
    ("hey", (b"Slowest:", b"Requests/sec:", b"Response time histogram:")),
    ("k6", (b"http_req_duration", b"iterations", b"vus")),
    ("vegeta", (b"[total, rate", b"Success", b"[ratio]")),
    ("siege", (b"Transactions:", b"Availability:", b"Longest transaction:")),
    ("h2load", (b"finished in ", b"req/s", b"time for request:")),
)
#: SeaweedFS's benchmark prints ab's labels over times of its own.
_SEAWEED = re.compile(rb"min +avg +max +std\s+Total: ")


def knows(data: bytes) -> bool:
    """Say whether ab printed this, or another load generator that must not be taken for it."""
    squeezed = _squeezed(data)
    return _is_ab(squeezed) or bool(_other(squeezed))


def is_report(data: bytes) -> bool:
    """Say whether ab printed this."""
    return _is_ab(_squeezed(data))


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run that the reports in ``data`` are.

    Raises SitegenError when there is none, with what stands there instead.
    """
    answers = of_one(settings)
    text = plain(data)
    if _BANNER not in (squeezed := _squeezed(data)) and _SEAWEED.search(squeezed):
        raise _of_another("SeaweedFS's benchmark")
    found = reports(text)
    tried = any("concurrency" in {**report.numbers, **answers} for report in found)
    if not tried and not any(report.measured for report in found):
        raise nothing(data, text, found)
    sitting = Sitting(answers)
    for report in found:
        if not report.measured and "concurrency" not in {**report.numbers, **answers}:
            sitting.skipped(report)
        elif (rows := sitting.report(report)) is not None:
            sitting.keep(rows)
    return (sitting.found(duration_s=found[0].value("time_taken") if len(found) == 1 else None),)


def nothing(data: bytes, text: str, found: list[Report]) -> SitegenError:
    """Return the error for a file without a result: what it holds instead, and what to do."""
    squeezed = _squeezed(data)
    if found and (found[0].started or found[0].aborted):
        return SitegenError(
            str(no_result(found[0])),
            where=f"line {found[0].line}",
            fix="add `--set concurrency=N` to record it as failed",
        )
    if not _is_ab(squeezed) and (other := _other(squeezed)):
        return _of_another(other)
    if _USAGE.search(squeezed[:_HEAD]):
        reason = abort_reason(text[:_HEAD])
        return SitegenError(f"is ab's usage text, not a result{reason and f' ({reason})'}")
    if found:
        return SitegenError("holds ab's banner and no result", where=f"line {found[0].line}")
    return SitegenError("holds no report of ApacheBench", where="line 1")


def _of_another(tool: str) -> SitegenError:
    return SitegenError(
        f"is the output of {tool}, not of ApacheBench", fix="bring its figures as a tidy CSV"
    )


def _squeezed(data: bytes) -> bytes:
    """Return ``data`` so that its letters can be looked for, UTF-16 or not."""
    return data.replace(b"\0", b"") if b"\0" in data else data


def _is_ab(data: bytes) -> bool:
    if _BANNER in data or _USAGE.search(data[:_HEAD]):
        return True
    return sum(label in data for label in _LABELS) >= _FEWEST


def _other(data: bytes) -> str:
    head = data[:_HEAD]
    return next((name for name, signs in _OTHERS if all(s in head for s in signs)), "")


REPORT = Reader("ab-report", "ApacheBench, report", knows, read, ASKS)
