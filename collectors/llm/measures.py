"""What the load client printed, and the measurements in it.

Definitions: time to first token counts to the first text, of the answer or its reasoning; time
per output token is (last - first) / (tokens - 1) and does not exist for one token; latency ends
at the last text. Statistics are over the requests that went well. Tokens are the server's
count: where it gives none, nothing that is counted in tokens is given.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct, structs

from sitegen.collect import Recorder, Series, decode, histogram
from sitegen.collect.decode import Text
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Params, Status, params


class Objective(Struct, frozen=True):
    """Limits that one request must meet, all of them."""

    ttft_s: float
    tpot_s: float


#: The latency limits of MLPerf Inference, Server and Interactive, by model.
SLOS: Final[Mapping[str, Objective]] = {
    "mlperf-llama3.1-8b": Objective(2.0, 0.100),
    "mlperf-llama3.1-8b-interactive": Objective(0.5, 0.030),
    "mlperf-llama2-70b": Objective(2.0, 0.200),
    "mlperf-llama2-70b-interactive": Objective(0.450, 0.040),
    "mlperf-llama3.1-405b": Objective(6.0, 0.175),
    "mlperf-llama3.1-405b-interactive": Objective(4.5, 0.080),
    "mlperf-deepseek-r1": Objective(2.0, 0.080),
    "mlperf-deepseek-r1-interactive": Objective(1.5, 0.015),
    "mlperf-gpt-oss-120b": Objective(3.0, 0.080),
    "mlperf-gpt-oss-120b-interactive": Objective(2.0, 0.020),
}

_OBJECTIVE = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)/(\d{1,4}(?:\.\d{1,4})?)", re.ASCII)
#: A percentile needs so many values that one of them can lie beyond it: 1 / (1 - p).
_PERCENTILES: Final = (("p50", 50, 2), ("p90", 90, 10), ("p95", 95, 20), ("p99", 99, 100))
_MOST_FAILED, _MOST_CPU, _MOST_LAG = 0.02, 0.70, 0.10
#: Shares of the events that came with another in one read, and of a length asked for.
_MOST_TOGETHER, _MOST_OFF = 0.01, 0.05
#: By so many, and by that share, a count of tokens may differ from events: an end is a token too.
_SLACK_TOKENS = 1
_LEAST_GAP_S = 1e-9
#: The client's event loop rounds timers up to a millisecond: so much is no sign of anything.
_TIMER_S = 0.001
_US = 1_000_000
_Value = TypeVar("_Value")
_MOST_S = 1e9

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=_MOST_S)]
#: A warm-up lies before the measured phase: its times are negative.
_Stamp = Annotated[float, msgspec.Meta(ge=-_MOST_S, le=_MOST_S)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Failure: TypeAlias = Literal[
    "http",
    "refused",
    "disconnect",
    "malformed",
    "error-event",
    "timeout",
    "zero-tokens",
    "tool-call",
]
#: What became of a request.
Outcome: TypeAlias = Literal["ok", "cancelled", _Failure]


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="start"):
    """Which form the records have, and whose answers they are of."""

    schema: Literal[1]
    api: Text


class ServerTimings(msgspec.Struct, frozen=True):
    """The server's own times and counts of one request. Rates are as it printed them."""

    prompt_n: _Count | None = None
    prompt_s: _Seconds | None = None
    prompt_rate: _Seconds | None = None
    predicted_n: _Count | None = None
    predicted_s: _Seconds | None = None
    predicted_rate: _Seconds | None = None
    load_s: _Seconds | None = None


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="request"):
    """One request and what came of it; times in seconds from the start of the measured phase.

    ``sent_late_s`` and ``late_s`` (by the place of an event) say how late the client itself may
    have been. ``model`` is the server's own name, where that is not the one asked for.
    """

    phase: Literal["warmup", "measured"]
    index: _Count
    scheduled_s: _Stamp | None = None
    sent_s: _Stamp | None = None
    first_token_s: _Stamp | None = None
    last_token_s: _Stamp | None = None
    ended_s: _Stamp | None = None
    events: _Count
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    token_source: Literal["usage", "timings", "eval_count"] | None = None
    status: Outcome
    detail: Text | None = None
    stalls: _Count
    gaps_s: tuple[_Seconds, ...]
    server: ServerTimings | None = None
    other_output_tokens: _Count | None = None
    sent_late_s: _Seconds = 0.0
    late_s: tuple[tuple[_Count, _Seconds], ...] = ()
    model: Text | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no request can be."""
        order = (self.sent_s, self.first_token_s, self.last_token_s, self.ended_s)
        stamps = [stamp for stamp in order if stamp is not None]
        if stamps != sorted(stamps):
            raise ValueError("its times are not in order")
        if self.ok and (len(stamps) < len(order) or not self.events):
            raise ValueError("a request that went well lacks a time")
        if len(self.gaps_s) != max(self.events - 1, 0):
            raise ValueError(f"gaps_s has {len(self.gaps_s)} entries for {self.events} events")
        if (_between(self.scheduled_s, self.sent_s) or 0.0) < -_TIMER_S:
            raise ValueError("it was sent before it was due")
        if any(place >= self.events for place, _ in self.late_s):
            raise ValueError(f"late_s names an event beyond the {self.events}")

    @property
    def ok(self) -> bool:
        """Whether the answer is whole and has text."""
        return self.status == "ok"

    @property
    def ttft_s(self) -> float | None:
        """Time to first token."""
        return _between(self.sent_s, self.first_token_s)

    @property
    def e2e_s(self) -> float | None:
        """Latency to the last token."""
        return _between(self.sent_s, self.last_token_s)

    @property
    def decode_s(self) -> float | None:
        """First token to last; None where both came at once, which shows no decoding."""
        return _between(self.first_token_s, self.last_token_s) or None

    @property
    def tpot_s(self) -> float | None:
        """Time per output token after the first; None for fewer than two, never 0."""
        if self.decode_s is None or self.output_tokens is None or self.output_tokens < 2:  # noqa: PLR2004
            return None
        return self.decode_s / (self.output_tokens - 1)

    @property
    def together(self) -> int:
        """How many events with text came in one read with another."""
        alike = [not gap for gap in self.gaps_s]
        return sum(map(max, [False, *alike], [*alike, False]))

    @property
    def token_gaps_s(self) -> tuple[float, ...]:
        """Times between two events that each came in a read of their own."""
        pairs = zip(self.gaps_s, (*self.gaps_s[1:], math.inf), strict=False)
        return tuple(gap for gap, after in pairs if gap and after)

    @property
    def earliest(self) -> Exchange:
        """A good request as it was if all that the client may have been late by, it was late by."""
        if self.sent_s is None or self.first_token_s is None or self.last_token_s is None:
            return self
        if not self.sent_late_s and not self.late_s and self.scheduled_s is None:
            return self
        late = dict(self.late_s)
        first = self.first_token_s - late.get(0, 0.0)
        sent = min(self.sent_s + self.sent_late_s, first)
        due = self.scheduled_s
        return structs.replace(
            self,
            scheduled_s=None if due is None else min(max(due, sent - _TIMER_S), sent),
            sent_s=sent,
            first_token_s=first,
            last_token_s=max(self.last_token_s - late.get(self.events - 1, 0.0), first),
            gaps_s=tuple(
                max(gap - late.get(place, 0.0) + late.get(place - 1, 0.0), _LEAST_GAP_S)
                if gap
                else 0.0
                for place, gap in enumerate(self.gaps_s, 1)
            ),
        )

    def contradiction(self, asked: int | None) -> str:
        """Return what speaks against the server's count of output tokens, or nothing."""
        count, events, other = self.output_tokens, self.events, self.other_output_tokens
        if count is None:
            return ""
        if _exceeds(events, count):
            return f"{events} events with text"
        if other is not None and (_exceeds(other, count) or _exceeds(count, other)):
            return f"{other} by its other figures"
        # A server that goes on for too long has as many events; one that puts many tokens into
        # an event keeps to what was asked for.
        if asked and _exceeds(count, asked) and not _exceeds(events, asked):
            return f"{events} events with text, of {asked} tokens asked for"
        return ""


def _exceeds(count: int, other: int) -> bool:
    return count > other + max(_SLACK_TOKENS, _MOST_OFF * other)


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="end"):
    """How the load ended."""

    wall_s: _Seconds
    cpu_s: _Seconds
    lag_p50_s: _Seconds | None = None
    lag_p99_s: _Seconds | None = None
    lag_max_s: _Seconds | None = None
    lag_mean_s: _Seconds | None = None
    chunks: _Count
    warmup_stable: bool | None = None
    interrupted: bool
    left_out: tuple[Text, ...] = ()


_RECORD: Any = Start | Exchange | End  # mypy takes no union for a type


class Load(Struct, frozen=True):
    """All that the load client printed. ``end`` is None where the output was cut off."""

    start: Start
    requests: tuple[Exchange, ...]
    end: End | None
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> tuple[Exchange, ...]:
        """Requests of the measured phase, less those that we ourselves broke off."""
        return tuple(r for r in self.requests if r.phase == "measured" and r.status != "cancelled")

    @property
    def ok(self) -> tuple[Exchange, ...]:
        """Measured requests that went well."""
        return tuple(request for request in self.measured if request.ok)

    @property
    def earliest(self) -> tuple[Exchange, ...]:
        """Good requests, each as early as it may have been but for the client."""
        return tuple(request.earliest for request in self.ok)

    def contradictions(self, asked: int | None) -> list[tuple[Exchange, str]]:
        """Return the good requests whose count of tokens something speaks against, and what."""
        return [(each, why) for each in self.ok if (why := each.contradiction(asked))]

    @property
    def window_s(self) -> float | None:
        """First sending to the end of the last good answer; None where there is none."""
        sent = _known(request.sent_s for request in self.measured)
        ended = _known(request.ended_s for request in self.ok)
        return (max(ended) - min(sent) or None) if sent and ended else None


def objectives(text: str) -> dict[str, Objective]:
    """Return the limits that goodput is counted by, by name.

    Raises SitegenError for what is neither a known name nor TTFT/TPOT in seconds.
    """
    limits = {}
    for word in map(str.strip, text.split(",")):
        if match := _OBJECTIVE.fullmatch(word):
            ttft_s, tpot_s = map(float, match.groups())
            limits[f"ttft {ttft_s:g} s, tpot {tpot_s:g} s"] = Objective(ttft_s, tpot_s)
        elif word in SLOS:
            limits[word] = SLOS[word]
        else:
            raise SitegenError(
                f"{word[:40]!r} is no limit",
                where="--set llm.slo",
                fix=f"write 2/0.1 or one of {', '.join(SLOS)}",
            )
    return limits


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted values by linear interpolation, as numpy's default."""
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def averages(ordered: Sequence[float]) -> dict[str, float]:
    """Return the mean of sorted values, and each percentile that one of them can lie beyond."""
    return {"mean": statistics.fmean(ordered)} | {
        name: percentile(ordered, percent)
        for name, percent, least in _PERCENTILES
        if len(ordered) >= least
    }


def read(stdout: bytes) -> Load:
    """Return the load that the client printed.

    An output that ends within a line, or without an ``end``, keeps what is whole and says so in
    ``notes``. Raises SitegenError for anything that is not this form.
    """
    records: list[Start | Exchange | End] = []
    lines = stdout.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(decode.document(line, _RECORD, f"line {number}"))
        except SitegenError:
            if number < len(lines) or not records:
                raise
            # Cut off within its last line.
    if not records or not isinstance(start := records[0], Start):
        raise SitegenError("the load client printed no start record", where="llm client")
    end = records[-1] if isinstance(records[-1], End) else None
    requests = tuple(request for request in records if isinstance(request, Exchange))
    if len(records) != 1 + len(requests) + (end is not None):
        raise SitegenError("a start or an end record is not at its place", where="llm client")
    if len({(request.phase, request.index) for request in requests}) < len(requests):
        raise SitegenError("one request is there twice", where="llm client")
    notes = []
    if end is None:
        notes.append("The output of the load client ends before its end.")
    elif end.interrupted:
        notes.append("The load was interrupted.")
    return Load(start, requests, end, tuple(notes))


def doubts(load: Load) -> tuple[str, ...]:
    """Return what speaks against every rate and latency of a load, one sentence each.

    How late the client's own timer fired is judged beside each latency, in `record`.
    """
    reasons = list(load.notes)
    count, end = len(load.measured), load.end
    failed = count - len(load.ok)
    if failed > _MOST_FAILED * count:
        reasons.append(f"{failed} of {count} requests failed.")
    if end is not None and (share := _ratio(end.cpu_s, end.wall_s) or 0.0) > _MOST_CPU:
        reasons.append(f"The load client itself was busy for {share:.0%} of the time.")
    return tuple(reasons)


def remarks(load: Load, asked: int | None, model: str) -> dict[str, str]:
    """Return what a reader is to know of a load, a sentence for each kind of doubt.

    ``asked`` is how many tokens an answer was to have, ``model`` the one that was asked for.
    """
    good = load.ok
    said: dict[str, str] = {}
    if contradicted := load.contradictions(asked):
        first, why = contradicted[0]
        said[Doubt.INCONSISTENT] = (
            f"{len(contradicted)} of {len(good)} answers contradict their count of tokens, the"
            f" first with {first.output_tokens} by {first.token_source} and {why}. The count by"
            f" {first.token_source} is what rates and times per token are reckoned with."
        )
    if asked:
        counts = [r.output_tokens for r in good if r.output_tokens and not r.contradiction(asked)]
        off = sum(abs(count - asked) > _MOST_OFF * asked for count in counts)
        if off > _MOST_OFF * len(counts):
            said[Doubt.OTHER_LENGTH] = (
                f"{off} of {len(counts)} answers are not as long as asked for: {asked} tokens were,"
                f" and {statistics.fmean(counts):.3g} came in the mean."
            )
    if others := sorted({r.model for r in good if r.model}):
        names = ", ".join(others[:3])
        said[Doubt.MISNAMED] = f"The model {model} was asked for, and {names} answered."
    together, events = sum(r.together for r in good), sum(r.events for r in good)
    if together > _MOST_TOGETHER * events:
        said[Doubt.COALESCED] = (
            f"{together} of {events} events with text came in one read with another: no time"
            " between tokens is known of them."
        )
    late = sum(
        (r.ttft_s or 0.0) - (e.ttft_s or 0.0) > _MOST_LAG * (r.ttft_s or 0.0)
        or (r.decode_s or 0.0) - (e.decode_s or 0.0) > _MOST_LAG * (r.decode_s or 0.0)
        for r, e in zip(good, load.earliest, strict=True)
    )
    if late > _MOST_LAG * len(good):
        most = f", for up to {lag_s:.3g} s" if load.end and (lag_s := load.end.lag_max_s) else ""
        said[Doubt.CLIENT_LATE] = (
            f"The load client stood still{most}: it may have read {late} of {len(good)} answers"
            " more than a tenth too late."
        )
    return said


def record(
    load: Load, workload: str, about: Params, slos: Mapping[str, Objective] | None = None
) -> Recorder:
    """Return what a load shows, each row with ``about``; goodput for each objective of ``slos``.

    Rates and latencies are suspect where `doubts` has any. A latency is also suspect where the
    client's own lag is above a tenth of what was timed: the median lag for the mean and the
    median, its p99 for the rest; or where it would be another by a tenth if the client had read
    at once what came while it stood still. What is reckoned with a count of tokens is suspect
    where the answers contradict that, and ITL where events came together.

    Without one good request there is no rate and no latency, not a 0. Samples are one a good
    request and latency, and the bins of inter-chunk latency; of a request x is when it was sent,
    in seconds from the start of the measured phase.
    """
    recorder = Recorder()
    # What is counted stands, however many of it failed; not so where the end is missing.
    counted = recorder.series(workload, about, status=Status.SUSPECT if load.notes else Status.OK)
    timed = recorder.series(workload, about, status=Status.SUSPECT if doubts(load) else Status.OK)
    _record_counts(counted, load)
    if (window_s := load.window_s) is not None:
        _record_times(timed, load)
        _record_rates(counted, timed, load, window_s, slos or {})
    for metric, of in _LATENCIES.items():
        points = ((request.sent_s or 0.0, of(request)) for request in load.ok)
        timed.points("request", metric, ((x, y) for x, y in points if y is not None))
    bins(timed, "llm.inter_chunk_latency", (gap for r in load.ok for gap in r.gaps_s if gap))
    return recorder


def asked_tokens(about: Params) -> int | None:
    """Return how many tokens an answer was to have, as the parameters of its series say."""
    text = dict(about).get("output_tokens", "")
    return int(text) if text.isdecimal() else None


def bins(series: Series, metric: str, times_s: Iterable[float]) -> None:
    """Add times as the samples of a histogram of few bins, made on whole microseconds."""
    counts = Counter(round(time_s * _US) for time_s in times_s)
    cells = ((us / _US, float(count)) for us, count in histogram.coarse(counts))
    series.points("histogram", metric, cells)


def eval_rate(timings: ServerTimings, api: str) -> float | None:
    """Return output tokens a second by the server's clock, as that server itself reckons.

    llama.cpp prints the rate, and that is taken; where it is missing, its time covers the n - 1
    intervals after the first token. Ollama divides all n tokens by its time, which for the same
    work is n / (n - 1) higher: compare at equal output length only.
    """
    count = timings.predicted_n or 0
    of_time = _ratio(count if api == "ollama" else count - 1, timings.predicted_s)
    return timings.predicted_rate or (of_time if count else None) or None


def prompt_eval_rate(timings: ServerTimings, cached: int | None) -> float | None:
    """Return input tokens a second by the server's clock; None where any came from a cache.

    Ollama counts cached tokens and not the time that they saved: the rate would explode.
    """
    if cached:
        return None
    return timings.prompt_rate or _ratio(timings.prompt_n, timings.prompt_s) or None


#: What is reckoned with the server's count of output tokens.
_COUNTED: Final = ("llm.tpot", "llm.itl", "llm.decode_rate_per_request")
#: The scheduled ones count from when a request was due: there are none in a closed loop.
_LATENCIES: Final[Mapping[str, Callable[[Exchange], float | None]]] = {
    "llm.ttft": lambda request: request.ttft_s,
    "llm.ttft_scheduled": lambda request: _between(request.scheduled_s, request.first_token_s),
    "llm.tpot": lambda request: request.tpot_s,
    "llm.e2e_latency": lambda request: request.e2e_s,
    "llm.e2e_latency_scheduled": lambda r: _between(r.scheduled_s, r.last_token_s),
}


def _record_times(timed: Series, load: Load) -> None:
    """Add latencies, and rates by the clock of each request or of the server."""
    good, early, end = load.ok, load.earliest, load.end
    values, at_the_earliest = _times(good, load), _times(early, load)
    together = sum(request.together for request in good)
    doubted = set(_COUNTED if load.contradictions(asked_tokens(timed.params)) else ())
    if together > _MOST_TOGETHER * sum(request.events for request in good):
        doubted.add("llm.itl")
    # A late stamp moves the time of the whole decoding, not that of each token, and no server's.
    decoding_s = _mean(_known(request.decode_s for request in good if request.tpot_s))
    spans_s = dict.fromkeys(("llm.tpot", "llm.decode_rate_per_request"), decoding_s)
    spans_s |= dict.fromkeys(("llm.eval_rate", "llm.prompt_eval_rate"), math.inf)
    for metric, ordered in ((metric, sorted(times)) for metric, times in values.items() if times):
        figures, earlier = _figures(ordered), _figures(sorted(at_the_earliest[metric]))
        most_s = _MOST_LAG * (spans_s.get(metric) or figures["mean"])
        for statistic, value in figures.items():
            usual = statistic in {"mean", "min", "p50"}
            lag_s = (end.lag_p50_s if usual else end.lag_p99_s) if end else None
            late = max((lag_s or 0.0) - _TIMER_S, 0.0) > most_s
            of = figures["mean"] if statistic == "stddev" else value
            late |= abs(value - earlier.get(statistic, math.inf)) > _MOST_LAG * of
            suspect = late or metric in doubted
            timed.add(metric, statistic, value, status=Status.SUSPECT if suspect else "")


def _times(good: Sequence[Exchange], load: Load) -> dict[str, list[float]]:
    """Return the values of each latency, and of each rate of one request."""
    values = {metric: _known(map(of, good)) for metric, of in _LATENCIES.items()}
    values["llm.decode_time"] = _known(request.decode_s for request in good)
    values["llm.inter_chunk_latency"] = [gap for r in good for gap in r.gaps_s if gap]
    if all(request.events == request.output_tokens for request in good):
        values["llm.itl"] = [gap for request in good for gap in request.token_gaps_s]
    decoded = [request for request in good if request.tpot_s]
    rates = _known(_ratio(request.output_tokens, request.decode_s) for request in decoded)
    values["llm.decode_rate_per_request"] = rates
    timings = [(r.server, r.cached_tokens) for r in good if r.server is not None]
    values["llm.eval_rate"] = _known(eval_rate(server, load.start.api) for server, _ in timings)
    # Of a load that a cache helped in part, the rest is no fair picture.
    if not any(request.cached_tokens for request in good):
        values["llm.prompt_eval_rate"] = _known(prompt_eval_rate(*pair) for pair in timings)
    return values


def _figures(ordered: Sequence[float]) -> dict[str, float]:
    if not ordered:
        return {}
    figures = averages(ordered) | {"min": ordered[0], "max": ordered[-1]}
    if len(ordered) > 1:
        figures["stddev"] = statistics.stdev(ordered)
    return figures


def _record_counts(counted: Series, load: Load) -> None:
    """Add how many there were of what, what the client itself took, and the cold start."""
    measured, good, end = load.measured, load.ok, load.end
    failed = Counter(request.status for request in measured if not request.ok)
    counted.add("llm.requests", "value", float(len(measured)))
    counted.add("llm.failed_requests", "value", float(failed.total()))
    for reason, times in sorted(failed.items()):
        about = params(reason=reason)
        counted.add("llm.failed_requests", "value", float(times), about=about)
    counted.add("llm.error_rate", "value", _ratio(failed.total(), len(measured)))
    if good:
        uncounted = sum(request.output_tokens is None for request in good)
        counted.add("llm.stalls", "value", float(sum(request.stalls for request in good)))
        counted.add("llm.missing_usage", "value", float(uncounted))
        if cached := _known(request.cached_tokens for request in good):
            counted.add("llm.cached_tokens", "value", float(sum(cached)))
    if end:
        lags = {"mean": end.lag_mean_s, "p50": end.lag_p50_s, "p99": end.lag_p99_s}
        lags["max"] = end.lag_max_s
        for statistic, lag_s in lags.items():
            counted.add("llm.client_lag", statistic, lag_s)
        counted.add("llm.client_cpu_usage", "mean", _ratio(end.cpu_s, end.wall_s))
        counted.add("llm.client_cpu_per_chunk", "mean", _ratio(end.cpu_s, end.chunks))
    # The first request of all belongs to no average.
    first = min(load.requests, key=lambda r: (r.phase == "measured", r.index), default=None)
    if first is not None and first.ok:
        if first.phase == "warmup":
            counted.add("llm.cold_ttft", "value", first.ttft_s)
        if first.server is not None:
            counted.add("llm.load_time", "value", first.server.load_s)


def _record_rates(
    counted: Series, timed: Series, load: Load, window_s: float, slos: Mapping[str, Objective]
) -> None:
    """Add how long the requests were, and how much of everything there was a second."""
    good, measured = load.ok, load.measured
    early = load.earliest
    took_s, least_s = (sum(request.e2e_s or 0.0 for request in some) for some in (good, early))
    # A stream of a closed loop that is read late sends its next request late.
    if took_s - least_s > _MOST_LAG * took_s and good[0].scheduled_s is None:
        timed = structs.replace(timed, status=Status.SUSPECT)
    contradict = load.contradictions(asked_tokens(timed.params))
    tokens = structs.replace(timed, status=Status.SUSPECT) if contradict else timed
    whole = [request for request in good if request.output_tokens is not None]
    outputs = _known(request.output_tokens for request in whole)
    inputs = _known(request.input_tokens for request in good) if whole else []
    per_chunk = _ratio(sum(outputs), sum(request.events for request in whole)) if whole else None
    counted.add("llm.output_tokens", "mean", _mean(outputs))
    counted.add("llm.input_tokens", "mean", _mean(inputs))
    counted.add("llm.tokens_per_chunk", "mean", per_chunk)
    # A sum that lacks some answers would pass for a slower server.
    if len(outputs) == len(good):
        tokens.add("llm.output_token_throughput", "value", sum(outputs) / window_s)
        if len(inputs) == len(good):
            total = (sum(outputs) + sum(inputs)) / window_s
            tokens.add("llm.total_token_throughput", "value", total)
    timed.add("llm.request_throughput", "value", len(good) / window_s)
    # Without a token count nobody knows whether the second limit was met.
    if len(outputs) == len(good):
        for name, limits in sorted(slos.items()):
            met, most = (sum(_meets(r, limits) for r in some) for some in (good, early))
            late = most - met > _MOST_FAILED * len(good)
            status = Status.SUSPECT if late else ""
            about = params(slo=name)
            tokens.add("llm.goodput", "value", met / window_s, status=status, about=about)
    sent, ended, due = (
        _known(getattr(request, name) for request in measured)
        for name in ("sent_s", "ended_s", "scheduled_s")
    )
    timed.add("llm.drain_time", "value", max(max(ended) - max(sent), 0.0))
    if due:
        rate = _ratio(len(due) - 1, max(due) - min(due))
        counted.add("llm.offered_rate", "value", rate)


def _meets(request: Exchange, limits: Objective) -> bool:
    """Return whether a request met all limits; in an open loop from when it was due, as MLPerf.

    One without a second token has no time per token to miss.
    """
    due_s = request.sent_s if request.scheduled_s is None else request.scheduled_s
    first = _between(due_s, request.first_token_s)
    return first is not None and first <= limits.ttft_s and (request.tpot_s or 0.0) <= limits.tpot_s


def _known(values: Iterable[_Value | None]) -> list[_Value]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
