"""ab's report as people keep it, several in one file, and whether its figures agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from collectors.ab import rows
from collectors.ab.readers.params import Asks, of_another, params_of, requests_of, told
from collectors.ab.report import ACROSS, BODY, TABLE, WHOLE, Report, reports
from collectors.ab.rows import EVERY, SWEEP, Row
from sitegen.collect import Reader, Reading, Recorder, Series
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity

NOTHING = "holds no report of ab"
_BANNER = b"This is ApacheBench"
_LABELS, _FEWEST = [label.encode() for label in WHOLE], 2
#: SeaweedFS's benchmark prints ab's labels over times of its own.
_OTHER = re.compile(rb"min +avg +max +std\s+Total: ")
_ORDER = ("min", "p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "max")
_RATES = frozenset({"requests_per_second", "ok_requests_per_second"})
_EACH = _RATES | {"time_per_request"}
_FAILURES = frozenset({"error_rate", "ok_requests_per_second"})
#: How far a mean may be above what the time of the test allows: both are rounded.
_MOST_OVER = 0.02
#: How many values a run may have at most, and how many figures of a report are none at most.
_MOST_FIGURES, _NO_ROWS = 100_000, 10
#: Beyond rounding: what a float adds to it.
_SLACK = 1e-9


def knows(data: bytes) -> bool:
    """Say whether ab printed this."""
    letters = data.replace(b"\0", b"") if b"\0" in data else data  # UTF-16 or not
    labels = sum(label in letters for label in _LABELS)
    return _BANNER in letters or (labels >= _FEWEST and not _OTHER.search(letters))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run that the reports in ``data`` are, each a series or a repetition of one."""
    blocks, recorder = reports(plain(data)), new_recorder()
    if not blocks:
        raise SitegenError(NOTHING)
    # To record them takes longer than to read them: a run may not have as many.
    if sum(report.figures - _NO_ROWS for report in blocks) > _MOST_FIGURES:
        raise SitegenError(f"holds {len(blocks)} reports, more values than a run may have")
    if not any(_is_series(report, asks) for report in blocks):
        fix = "add `--set concurrency=N` to record it as failed"
        raise SitegenError(no_result(blocks[0]), where=f"line {blocks[0].line}", fix=fix)
    for report in blocks:
        if _is_series(report, asks):
            record(recorder, report, asks)
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
    *,
    finer: Mapping[str, str] | None = None,
    more: Iterable[Row] = (),
    wrong: Iterable[Flaw] = (),
) -> Series | None:
    """Record one report; return its series, or None where it holds no result.

    ``finer`` percentiles, ``more`` rows and what is ``wrong`` are of the files beside it.
    """
    about = params_of(report, asks)
    series = recorder.series(SWEEP, about, repetition=recorder.times[about])
    recorder.times[about] += 1
    note_server(recorder, report, SWEEP)
    if report.line and (reason := no_result(report)):
        for row in rows.expected(SWEEP, "mean", about):
            series.failed(row.metric, row.statistic)
        recorder.doubt(Doubt.FAILED_PART, f"{report.at}{reason}", SWEEP)
        return None
    suspects = note_flaws(recorder, [*flaws(report, asks), *wrong], SWEEP, report.at)
    for warning in report.warnings:
        recorder.note(f"ab calls {warning} not reliable: its median and mean are far apart.")
    suspects |= note_range(recorder, report, report.at)
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


def note_range(recorder: Recorder, report: Report, at: str = "") -> frozenset[str]:
    """Note where requests may be counted twice as failed; return the metrics in question."""
    complete, good = report.complete, report.good
    if not complete or good is None or good[0] == good[1]:
        return frozenset()
    least, most = (1 - count / complete for count in reversed(good))
    counted = "one may be counted as failed twice, or as not 2xx too"
    sentence = f"{at}{rows.failed(report)} failed, a rate of {least:.3g} to {most:.3g}: {counted}"
    recorder.note(f"{sentence[0].upper()}{sentence[1:]}.")
    return _FAILURES


def _is_series(report: Report, asks: Asks) -> bool:
    """Say whether a report has a result, or at least tells what was to be measured."""
    stated = report.measured or WHOLE[0] in report.numbers
    return stated or told(report, asks).concurrency is not None


class Flaw(NamedTuple):
    """A sentence about a report, the metrics that it puts in question, and which doubt it is.

    Without a kind it is a remark.
    """

    sentence: str
    metrics: frozenset[str] = frozenset()
    kind: Doubt | None = Doubt.INCONSISTENT


def no_result(report: Report) -> str:
    """Return why a report holds no result, or nothing where it holds one."""
    if not report.measured:
        ended = "ab printed no result: it was ended, or the output is cut off"
        return f"ab gave up: {report.aborted}" if report.aborted else ended
    if report.complete == 0:
        return "no request was completed"
    return rows.NO_ANSWER if report.count("Total transferred") == 0 else ""


def flaws(report: Report, asks: Asks) -> Iterator[Flaw]:
    """Yield what makes ``report`` mean less than it says, and where it contradicts itself."""
    if report.missing:
        yield Flaw(report.missing, kind=Doubt.CUT_OFF)
    if another := of_another(report):
        yield Flaw(another)
    requests, complete = told(report, asks).requests, report.complete
    if report.stopped or (complete is not None and complete < (requests or 0)):
        done = "an unknown number" if complete is None else complete
        of_all = f" of {requests}" if requests else ""
        sentence = f"it was stopped after {done}{of_all} requests"
        yield Flaw(sentence, frozenset({EVERY}), Doubt.INTERRUPTED)
    elif reason := rows.misleading(report):
        yield Flaw(f"{reason}, so the rate misleads", frozenset({EVERY}), None)
    yield from _rates(report)
    yield from _counts(report)
    yield from _bytes(report)
    yield from _table(report)
    yield from falling(report.percentiles)
    if complete and requests_of(report, asks) is None:
        sentence = f"{complete} requests look like what a time limit allowed: their number is not"
        yield Flaw(f"{sentence} part of the series (say it with `--set requests=N`)", kind=None)


def falling(percentiles: Mapping[str, str]) -> Iterator[Flaw]:
    """Yield the first place where a higher percentile is a shorter time."""
    pairs = [(name, percentiles[name]) for name in _ORDER if name in percentiles]
    for (lower, before), (higher, after) in pairwise(pairs):
        if float(after) < float(before):
            sentence = f"{higher} of {after} ms is below {lower} of {before} ms"
            yield Flaw(sentence, frozenset({"latency"}))
            return


def _rates(report: Report) -> Iterator[Flaw]:
    """Yield the rates and times that are not those of the count and the time."""
    printed, complete = report.numbers, report.complete
    at_once = report.count("Concurrency Level")
    taken, rate = printed.get("Time taken for tests"), printed.get("Requests per second")
    time, across = printed.get("Time per request"), printed.get(ACROSS)
    speed, size = printed.get("Transfer rate"), report.count("Total transferred")
    sent, body = printed.get("sent"), report.count(BODY)
    whole, in_all = f"{complete} in {taken} s", (taken, 1000, at_once)
    for sentence, metrics, left, right in (
        (f"{rate} requests a second are not {whole}", _RATES, (rate, taken), (complete,)),
        (f"{time} ms a request is not {at_once} at once, {whole}", _EACH, (time, complete), in_all),
        (f"{across} ms a request is not {whole}", _RATES, (across, complete), (taken, 1000)),
        (f"{speed} KiB/s are not {size} B", {"transfer_rate"}, (speed, 1024, taken), (size,)),
        (f"{sent} KiB/s are not {body} B sent", {"send_rate"}, (sent, 1024, taken), (body,)),
    ):
        if _differ(left, right):
            yield Flaw(sentence, frozenset(metrics))


def _differ(left: tuple[str | int | None, ...], right: tuple[str | int | None, ...]) -> bool:
    """Say whether two products cannot be the same; where a factor is unknown they can."""
    if None in (*left, *right):
        return False
    (low, high), (least, most) = (
        map(math.prod, zip(*map(_ends, factors), strict=True)) for factors in (left, right)
    )
    return low > most * (1 + _SLACK) or least > high * (1 + _SLACK)


def _ends(factor: str | int | None) -> tuple[float, float]:
    """Return what a number may stand for: one that was printed is rounded or cut off."""
    number = float(factor or 0)
    place = 10.0 ** -len(factor.partition(".")[2]) if isinstance(factor, str) else 0
    return max(number - place, 0.0), number + place


def _counts(report: Report) -> Iterator[Flaw]:
    failed, parts = report.count("Failed requests"), report.failures
    if failed is not None and parts and sum(parts.values()) != failed:
        kinds = ", ".join(f"{kind} {count}" for kind, count in parts.items())
        yield Flaw(f"{failed} failed requests are not the sum of their parts: {kinds}")
    complete = report.complete
    # With -r ab counts one request in several of the other parts.
    wrong_length = parts.get("length") if parts else failed
    for name, count in (
        ("failed requests" if not parts else "answers of another length", wrong_length),
        *((label, report.count(label)) for label in ("Non-2xx responses", "Keep-Alive requests")),
    ):
        if count is not None and complete is not None and count > complete:
            metrics = {"failed_requests", "non_2xx_responses", *_FAILURES}
            sentence = f"{count} {name} are more than the {complete} completed requests"
            yield Flaw(sentence, frozenset(metrics))


def _bytes(report: Report) -> Iterator[Flaw]:
    """Yield the bytes that are not those of so many documents of one length."""
    html, total = report.count("HTML transferred"), report.count("Total transferred")
    complete, at_once = report.complete, report.count("Concurrency Level")
    metrics = frozenset({"transfer_rate"})
    if html is not None and total is not None and html > total:
        yield Flaw(f"{html} B of HTML are more than the {total} B in all", metrics)
    length = report.about.get("document_length", "")
    if not html or not complete or not length.isdecimal() or report.count("Failed requests") != 0:
        return
    # Some may have come of requests that a time limit ended.
    least, most = complete * int(length), (complete + (at_once or complete)) * int(length)
    if not least <= html <= most:
        yield Flaw(f"{html} B of HTML are not {complete} documents of {length} B", metrics)


def _table(report: Report) -> Iterator[Flaw]:
    for label, row in report.table.items():
        low, high = float(row["min"]), float(row["max"])
        for statistic, word in (("p50", "median"), ("mean", "mean")):
            # A mean is rounded from the whole and each of the others by itself.
            middle = float(row.get(statistic, low))
            if low > high or not low - 1 <= middle <= high + 1:
                between = f"is not between {low:g} and {high:g} ms"
                sentence = f"{label}: the {word} of {middle:g} ms {between}"
                yield Flaw(sentence, frozenset({TABLE[label]}))
                break
    total = report.table.get("Total", {})
    average, each = float(total.get("mean", 0)), report.value("Time per request")
    # So many connections have no more time than that.
    if each is not None and average > each * (1 + _MOST_OVER) + 1:
        sentence = f"Total: the mean of {average:g} ms is more than {each:g} ms a request"
        yield Flaw(sentence, _EACH | {"latency"})
    median, half = total.get("p50"), report.percentiles.get("p50")
    if median is not None and half is not None and abs(float(median) - float(half)) > 1:
        sentence = f"the median is {median} ms in the table and {half} ms in the list"
        yield Flaw(sentence, frozenset({"latency"}))
    longest, last = total.get("max"), report.percentiles.get("max")
    if longest is not None and last is not None and float(longest) != float(last):
        sentence = f"the longest request took {longest} ms in the table and {last} ms in the list"
        yield Flaw(sentence, frozenset({"latency"}))


REPORT = Reader("ab-report", "ApacheBench, report", knows, read, Asks, text=True)
