"""Several files that are one run: a report with its finer files, and processes at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collectors.ab import rows
from collectors.ab.readers import files, text
from collectors.ab.readers.files import Percentiles, Requests
from collectors.ab.readers.params import Asks, params_of
from collectors.ab.readers.text import Flaw, no_result
from collectors.ab.report import Report, abort_reason, reports
from collectors.ab.rows import EVERY, MULTI, Row
from sitegen.collect import Bundle, Reader, Reading, Recorder
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Params, params

_PROGRESS = re.compile(
    r"(?:Completed|Finished) \d{1,12} requests|Total of \d{1,12} requests.{0,40}"
)
_MOST_MESSAGES = 200_000
_CUT_ROWS = "they are sorted by time and their end is missing: the slowest are not there"
#: Shorter than this, whole seconds of start make a rate wrong by more than 2 %.
_SHORTEST_S = 50.0
#: What share of a closed loop's connections may be busy; other times are not believed.
_LEAST_BUSY, _MOST_BUSY = 0.5, 1.1
#: What a verdict resolves: times of processes, and ends of a span, that differ by more are named.
_UNEQUAL = 0.02
_WITHOUT_SPAN = (
    "Rates are over the longest time of one process: right where all began together, and too high"
    " where they did not (`--set duration_s=` says the time from first start to last end)."
)
_NO_LATENCY = "No latency: percentiles of processes cannot be merged without all their requests."


def _is_messages(data: bytes) -> bool:
    """Say whether this may be ab's standard error: how far it is, why it gave up, or nothing."""
    rest = [line.strip() for line in plain(data[:_MOST_MESSAGES]).split("\n") if line.strip()]
    fits = all(_PROGRESS.fullmatch(line) or abort_reason(line) for line in rest)
    return fits and len(data) <= _MOST_MESSAGES


#: Which of ab's files one is.
_KINDS = {
    "requests": files.is_requests,
    "percentiles": files.is_percentiles,
    "report": text.knows,
    "messages": _is_messages,
}


def by_kind(contents: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Return the files of each kind that there is, by their names in order."""
    kinds: dict[str, dict[str, bytes]] = {}
    for name in sorted(contents):
        kind = next((kind for kind, has_form in _KINDS.items() if has_form(contents[name])), "")
        kinds.setdefault(kind, {})[name] = contents[name]
    return kinds


def is_beside(contents: Mapping[str, bytes]) -> bool:
    """Say whether these are one report and one or two files of the same ab."""
    counts = {kind: len(named) for kind, named in by_kind(contents).items()}
    *finer, _ = [counts.pop(kind, 0) for kind in ("requests", "percentiles", "messages")]
    return counts == {"report": 1} and max(finer) == 1


def is_many(contents: Mapping[str, bytes]) -> bool:
    """Say whether these are reports, or files of requests, of several processes."""
    kinds = by_kind(contents)
    return "" not in kinds and any(len(kinds.get(kind, ())) > 1 for kind in ("report", "requests"))


def read_one(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return what a file of ``-e`` or ``-g`` says by itself: times and, of a long run, a rate."""
    return read_beside({"": data}, asks)


def read_beside(contents: Mapping[str, bytes], asks: Asks) -> tuple[Reading, ...]:
    """Return the run of one report, with percentiles to a microsecond and the requests' times."""
    kinds, report = by_kind(contents), Report()
    finer = next(map(files.percentiles_in, kinds.get("percentiles", {}).values()), None)
    requests = next(map(files.requests_in, kinds.get("requests", {}).values()), None)
    if requests:
        count = str(requests.count)
        # Of a cut file nobody asked for so many, as of a window of time.
        window = {"window": count} if requests.cut else {}
        report = Report(numbers={"Complete requests": count, **window})
    for name, data in kinds.get("report", {}).items():
        blocks = reports(plain(data))
        if not blocks:
            raise SitegenError(text.NOTHING)
        if len(blocks) > 1:
            message = f"holds {len(blocks)} reports: the files beside it belong to one"
            raise SitegenError(message, where=name, fix="give each report a file")
        report = blocks[0]
    return (_run(report, finer, requests, asks),)


def _run(
    report: Report, finer: Percentiles | None, requests: Requests | None, asks: Asks
) -> Reading:
    """Return the run of one ab by its report and the files beside it: what is finer wins."""
    recorder, complete = text.new_recorder(), report.complete
    number = asks.requests if complete is None else complete
    wrong = list(finer.flaws(report.percentiles, number)) if finer else []
    cut = requests is not None and (requests.cut or requests.count < (complete or 0))
    wrong += _flaws(report, finer, requests, cut=cut) if requests else ()
    if finer and not finer.cut:
        report = replace(report, percentiles={})  # all of them are finer there
    more = list[Row]()
    if requests and not report.line:
        more += rows.of_parts(requests.times)
        if requests.span_s >= _SHORTEST_S:
            more.append(Row("requests_per_second", "mean", requests.count / requests.span_s))
        wrong += _pace(requests, asks.concurrency or 1)
    if requests and not (report.line and (cut or report.table or report.percentiles or finer)):
        more += rows.of_requests(requests.latency)
    percentiles = finer.statistics(number) if finer else {}
    series = text.record(recorder, report, asks, finer=percentiles, more=more, wrong=wrong)
    if series and requests and not (cut and report.line):
        series.histogram("ab.latency", requests.latency, 1e-3)
    recorder.duration_s = report.value("Time taken for tests")
    recorder.started_at = requests.started_at if requests else ""
    return text.reading_of(recorder, [report])


def _flaws(
    report: Report, finer: Percentiles | None, requests: Requests, *, cut: bool
) -> Iterator[Flaw]:
    """Yield where the rows of requests contradict themselves, or the report beside them."""
    yield from requests.flaws()
    latency, complete = frozenset({"latency"}), report.complete or requests.count
    if cut:
        of_all = f"{requests.count} of {complete} requests have a row: " if report.line else ""
        suspects = frozenset[str]() if report.line else frozenset({EVERY})
        yield Flaw(f"{of_all}{_CUT_ROWS}", suspects, Doubt.CUT_OFF)
        return
    if requests.count > complete:
        yield Flaw(f"{requests.count} requests have a row, {complete} were completed", latency)
    longest = (finer and finer.rows.get(100)) or report.percentiles.get("max")
    last = max(requests.latency)
    if longest and abs(last - float(longest)) > 1:
        yield Flaw(f"the longest request took {longest} ms, and {last} ms in its row", latency)


def _pace(requests: Requests, concurrency: int) -> Iterator[Flaw]:
    """Yield how far off that rate may be, and whether so many connections can have had it."""
    span_s, count = requests.span_s, requests.count
    if span_s < _SHORTEST_S:
        short = f"and {span_s:.1f} s are too short for that"
        yield Flaw(f"no rate: starts are in whole seconds, {short}", kind=None)
        return
    between = f"between {count / (span_s + 1):.2f} and {count / (span_s - 1):.2f} a second"
    yield Flaw(f"starts are in whole seconds: the rate is {between}", kind=Doubt.ROUNDED)
    worked_s = sum(ms * times for ms, times in requests.latency.items()) / 1000
    if not _LEAST_BUSY <= (busy := worked_s / span_s / concurrency) <= _MOST_BUSY:
        sentence = f"{concurrency} connections at once would be busy {busy:.0%} of {span_s:.0f} s"
        yield Flaw(sentence, frozenset({"requests_per_second"}))


class Load(NamedTuple):
    """What the files of many processes hold: reports with a result, why others have none.

    ``latency`` is that of all requests, where there is a whole file of those of every process.
    """

    good: tuple[Report, ...]
    reasons: tuple[str, ...]
    requests: tuple[Requests, ...]
    latency: Counter[int]


def read_many(contents: Mapping[str, bytes], asks: Asks) -> tuple[Reading, ...]:
    """Return the run that all the processes were together."""
    recorder, load = text.new_recorder(), _load(by_kind(contents))
    processes = asks.processes or len(load.good) + len(load.reasons)
    if processes < len(load.good):
        message = f"{len(load.good)} processes have a result, not {processes}"
        raise SitegenError(message, where="--set processes")
    series = recorder.series(MULTI, _about(load.good, asks, processes))
    suspects = text.note_flaws(recorder, _load_flaws(load, processes), MULTI)
    for number, report in enumerate(load.good, 1):
        text.note_server(recorder, report, MULTI)
        flaws = text.flaws(report, asks)
        suspects |= text.note_flaws(recorder, flaws, MULTI, f"process {number}: ")
        suspects |= text.note_range(recorder, report, f"process {number}: ")
    span_s = _span(recorder, load, asks)
    rows.write(series, rows.of_processes(list(load.good), span_s), suspects)
    if load.latency:
        rows.write(series, rows.of_requests(load.latency), suspects)
        series.histogram("ab.latency", load.latency, 1e-3)
    else:
        recorder.note(_NO_LATENCY)
    recorder.duration_s = span_s
    recorder.started_at = min((file.started_at for file in load.requests), default="")
    return (text.reading_of(recorder, load.good),)


def _load(kinds: Mapping[str, Mapping[str, bytes]]) -> Load:
    messages = kinds.get("messages", {})
    # What ab printed to standard error explains reports that do not say it themselves.
    unused = [reason for data in messages.values() if (reason := abort_reason(plain(data)))]
    blocks = [reports(plain(data)) or [Report()] for data in kinds.get("report", {}).values()]
    every = [report for block in blocks for report in block]
    for report in every:
        if unused and not report.measured and not report.aborted:
            report.aborted = unused.pop(0)
    good = [report for report in every if not no_result(report)]
    reasons = [reason for report in every if (reason := no_result(report))]
    # An empty file is a process that printed nothing, and not what a good one left on stderr.
    stems = {_stem(name) for named in kinds.values() for name in named if named[name].strip()}
    silent = [n for n, data in messages.items() if not data.strip() and _stem(n) not in stems]
    reasons += ["it printed nothing"] * len(silent)
    requests = [_requests(name, data) for name, data in kinds.get("requests", {}).items()]
    if "report" not in kinds:
        # Each file of requests is a process by itself, of which nothing else is known.
        good = [Report(numbers={"Complete requests": str(file.count)}) for file in requests]
    if not good:
        causes = "; ".join(sorted(set(reasons)))[:300]
        raise SitegenError(f"none of {len(reasons)} processes has a result: {causes}")
    if len(requests) > len(good):
        message = f"{len(requests)} files of requests and only {len(good)} reports with a result"
        raise SitegenError(message, fix="add the missing reports, or leave all reports out")
    whole = len(requests) == len(good) and not any(file.cut for file in requests)
    latency = sum((file.latency for file in requests if whole), Counter[int]())
    return Load(tuple(good), tuple(reasons), tuple(requests), latency)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _requests(name: str, data: bytes) -> Requests:
    try:
        return files.requests_in(data)
    except SitegenError as error:
        raise SitegenError(error.what, where=f"{name}: {error.where}", fix=error.fix) from error


def _about(good: tuple[Report, ...], asks: Asks, processes: int) -> Params:
    """Return the parameters that all processes have; raises SitegenError when they differ."""
    # Here it is the span of all processes, not the limit of each.
    alike = msgspec.structs.replace(asks, duration_s=None)
    abouts = [dict(params_of(report, alike, processes)) for report in good]
    requests = {about.pop("requests", None) for about in abouts}
    for name in sorted({name for about in abouts for name in about}):
        values = sorted({about.get(name, "none") for about in abouts})
        if len(values) > 1:
            message = f"the processes did not do the same: {name} is {' and '.join(values[:2])}"
            raise SitegenError(message, fix="import together only what ran as one load")
    return params(**abouts[0], requests=requests.pop() if len(requests) == 1 else None)


def _load_flaws(load: Load, processes: int) -> Iterator[Flaw]:
    """Yield which processes have no result, and what is wrong with the files of requests."""
    if failed := processes - len(load.good):
        counts = Counter(load.reasons).items()
        reasons = "; ".join(why if n == 1 else f"{n} times {why}" for why, n in counts)
        sentence = f"{failed} of {processes} processes have no result{reasons and f': {reasons}'}"
        yield Flaw(sentence, frozenset({EVERY}), Doubt.FAILED_PART)
    for file in load.requests:
        yield from file.flaws()
        if file.cut:
            yield Flaw("the end of a file of requests is missing", kind=Doubt.CUT_OFF)
    row_count, complete = load.latency.total(), sum(report.complete or 0 for report in load.good)
    if row_count and row_count != complete:
        sentence = f"{row_count} requests have a row, {complete} were completed"
        yield Flaw(sentence, frozenset({"latency"}))


def _span(recorder: Recorder, load: Load, asks: Asks) -> float | None:
    """Return the time from the first start to the last end, as well as it can be known."""
    every = [report.value("Time taken for tests") for report in load.good]
    times = [time for time in every if time]
    longest = max(times, default=0.0)
    if asks.duration_s is not None:
        if asks.duration_s < longest * (1 - _UNEQUAL):
            message = f"one process alone took {longest:g} s"
            raise SitegenError(message, where="--set duration_s", fix="mend it")
        return asks.duration_s
    if load.latency:
        ends = [file.last_end_ms for file in load.requests]
        span_s = max(ends) / 1000 - min(file.first_s for file in load.requests)
        low, high = max(span_s - 1, longest), span_s + 1
        if 0 < low <= high <= low * (1 + _UNEQUAL):
            sentence = f"starts are in whole seconds: {low:.1f} to {high:.1f} s"
            recorder.doubt(Doubt.ROUNDED, sentence, MULTI)
            return min(max(span_s, low), high)
    if len(times) < len(every):
        recorder.note("No rate: not every process says how long it took.")
        return None
    recorder.note(_WITHOUT_SPAN)
    if longest - min(times) > _UNEQUAL * longest:
        sentence = f"the processes took {min(times):g} to {longest:g} s: rates are over the longest"
        recorder.doubt(Doubt.UNEQUAL_JOBS, sentence, MULTI)
    return longest


READERS = (
    Reader("ab-percentiles", "ApacheBench, percentiles (-e)", files.is_percentiles, read_one, Asks),
    Reader("ab-requests", "ApacheBench, requests (-g)", files.is_requests, read_one, Asks),
)
BUNDLES = (
    Bundle("ab-run", "ApacheBench, report with its files (-e, -g)", is_beside, read_beside, Asks),
    Bundle("ab-processes", "ApacheBench, processes at once", is_many, read_many, Asks),
)
