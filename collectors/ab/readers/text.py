"""ab's report as people keep it: in a terminal's record, Markdown or HTML, several in one file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from collectors.ab import rows
from collectors.ab.readers.checks import Flaw, flaws, no_result
from collectors.ab.readers.params import Asks, params_of
from collectors.ab.report import WHOLE, Report, reports
from collectors.ab.rows import SWEEP, Row
from collectors.text import plain
from sitegen.collect import Reader, Reading, Recorder, Series
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Params, ToolIdentity

_BANNER = b"This is ApacheBench"
_LABELS, _FEWEST = [label.encode() for label in WHOLE], 2
#: SeaweedFS's benchmark prints ab's labels over times of its own.
_OTHER = re.compile(rb"min +avg +max +std\s+Total: ")


def knows(data: bytes) -> bool:
    """Say whether ab printed this."""
    letters = data.replace(b"\0", b"") if b"\0" in data else data  # UTF-16 or not
    labels = sum(label in letters for label in _LABELS)
    return _BANNER in letters or (labels >= _FEWEST and not _OTHER.search(letters))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run that the reports in ``data`` are, each a series or a repetition of one.

    Raises SitegenError when there is none, with what stands there instead.
    """
    blocks = reports(plain(data))
    recorder, times = new_recorder(), Counter[Params]()
    if not any(_is_series(report, asks) for report in blocks):
        raise nothing(blocks)
    for report in blocks:
        if _is_series(report, asks):
            record(recorder, report, asks, times)
        else:
            recorder.doubt(Doubt.FAILED_PART, f"{report.at}{no_result(report)}", SWEEP)
    recorder.duration_s = blocks[0].value("Time taken for tests") if len(blocks) == 1 else None
    return (reading_of(recorder, blocks),)


def new_recorder() -> Recorder:
    """Return a recorder of a run of ab's."""
    return Recorder(definitions=rows.DEFINITIONS, natives=rows.NATIVES)


def reading_of(recorder: Recorder, reports: Iterable[Report]) -> Reading:
    """Return the run, with the version that its reports tell."""
    versions = dict.fromkeys(report.version for report in reports if report.version)
    version = ", ".join(versions)[:120]
    recorder.tool = ToolIdentity("ApacheBench", version or "unknown")
    recorder.parameter("tool_version", version or None, Comparability.CAVEAT)
    return recorder.reading()


def record(  # noqa: PLR0913 - a report, and what the files beside it say
    recorder: Recorder,
    report: Report,
    asks: Asks,
    times: Counter[Params],
    *,
    finer: Mapping[str, str] | None = None,
    more: Iterable[Row] = (),
    wrong: Iterable[Flaw] = (),
) -> Series | None:
    """Record one report; return its series, or None where it holds no result.

    ``times`` counts how often each series came. ``finer`` percentiles, ``more`` rows and what is
    ``wrong`` are of the files beside it.
    """
    about = params_of(report, asks)
    number = times[about]
    times[about] += 1
    note_server(recorder, report, SWEEP)
    if report.line and (reason := no_result(report)):
        series = recorder.series(SWEEP, about, repetition=number)
        for row in rows.expected(SWEEP, "mean", about):
            series.failed(row.metric, row.statistic)
        recorder.doubt(Doubt.FAILED_PART, f"{report.at}{reason}", SWEEP)
        return None
    suspects = note_flaws(recorder, [*flaws(report, asks), *wrong], SWEEP, report.at)
    for warning in report.warnings:
        recorder.note(f"ab calls {warning} not reliable: its median and mean are far apart.")
    series = recorder.series(SWEEP, about, repetition=number)
    rows.write(series, rows.of_report(report, finer or {}), suspects)
    rows.write(series, [*rows.more_of_report(report), *more], suspects)
    return series


def note_server(recorder: Recorder, report: Report, workload: str) -> None:
    """Keep what a report says of its server."""
    for name, text in report.about.items():
        if name != "failure_kinds" and text.isprintable():
            recorder.said(name, text[:200], workload)


def note_flaws(
    recorder: Recorder, every: Iterable[Flaw], workload: str, at: str = ""
) -> frozenset[str]:
    """Keep flaws as doubts and remarks; return the metrics that are in question."""
    suspects: frozenset[str] = frozenset()
    for flaw in every:
        sentence = f"{at}{flaw.sentence}"
        if flaw.kind:
            recorder.doubt(flaw.kind, sentence, workload)
        else:
            recorder.note(f"{sentence[0].upper()}{sentence[1:]}.")
        suspects |= flaw.metrics
    return suspects


def nothing(blocks: list[Report]) -> SitegenError:
    """Return the error for a file without a result: what it holds instead, and what to do."""
    if not blocks:
        return SitegenError("holds no report of ab")
    fix = "add `--set concurrency=N` to record it as failed"
    return SitegenError(no_result(blocks[0]), where=f"line {blocks[0].line}", fix=fix)


def _is_series(report: Report, asks: Asks) -> bool:
    """Say whether a report has a result, or at least tells what was to be measured."""
    return report.measured or WHOLE[0] in report.numbers or asks.concurrency is not None


REPORT = Reader("ab-report", "ApacheBench, report", knows, read, Asks, text=True)
