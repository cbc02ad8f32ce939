"""What the load client printed, and the measurements in it.

Definitions: time to first token counts to the first text, of the answer or its reasoning; time
per output token is (last - first) / (tokens - 1) and does not exist for one token; latency ends
at the last text. Statistics are over the requests that went well. Tokens are the server's
count: where it gives none, nothing that is counted in tokens is given.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from sitegen.collect import histogram
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Sample, Status

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Objective:
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

_STATUSES: Final = frozenset(
    {"ok", "http", "refused", "disconnect", "malformed"}
    | {"error-event", "timeout", "zero-tokens", "cancelled"}
)
_SOURCES: Final = frozenset({"usage", "timings", "eval_count"})
_PHASES: Final = frozenset({"warmup", "measured"})
#: A percentile needs so many values that one of them can lie beyond it: 1 / (1 - p).
_PERCENTILES: Final = (("p50", 50, 2), ("p90", 90, 10), ("p95", 95, 20), ("p99", 99, 100))
_MOST_FAILED, _MOST_CPU, _MOST_LAG = 0.02, 0.70, 0.10
#: The client's event loop rounds timers up to a millisecond: so much is no sign of anything.
_TIMER_S = 0.001
_US = 1_000_000
_MOST_S = 1e9
_MOST_COUNT = 1 << 53


@dataclass(frozen=True, slots=True)
class Start:
    """What was asked of the load client. ``load`` is closed or open."""

    api: str
    model: str
    load: str
    concurrency: int | None
    rate: float | None
    connections: str
    prompt: str
    input_tokens: int
    output_tokens: int
    seed: int
    requests: int | None


@dataclass(frozen=True, slots=True)
class ServerTimings:
    """The server's own times and counts of one request. Rates are as it printed them."""

    prompt_n: int | None = None
    prompt_s: float | None = None
    prompt_rate: float | None = None
    predicted_n: int | None = None
    predicted_s: float | None = None
    predicted_rate: float | None = None
    load_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it; times in seconds from the start of the measured phase."""

    phase: str
    index: int
    scheduled_s: float | None
    sent_s: float | None
    connected_s: float | None
    headers_s: float | None
    first_event_s: float | None
    first_token_s: float | None
    first_content_s: float | None
    last_token_s: float | None
    ended_s: float | None
    events: int
    reads: int
    characters: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    token_source: str | None
    finish_reason: str | None
    status: str
    detail: str | None
    stalls: int
    gaps_s: tuple[float, ...]
    server: ServerTimings | None

    @property
    def ok(self) -> bool:
        """Whether the answer is whole and has text."""
        return self.status == "ok"

    @property
    def ttft_s(self) -> float | None:
        """Time to first token."""
        return _between(self.sent_s, self.first_token_s)

    @property
    def ttft_scheduled_s(self) -> float | None:
        """Time to first token from when the request was due; None in a closed loop."""
        return _between(self.scheduled_s, self.first_token_s)

    @property
    def e2e_s(self) -> float | None:
        """Latency to the last token."""
        return _between(self.sent_s, self.last_token_s)

    @property
    def e2e_scheduled_s(self) -> float | None:
        """Latency from when the request was due; None in a closed loop."""
        return _between(self.scheduled_s, self.last_token_s)

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


@dataclass(frozen=True, slots=True)
class End:
    """How the load ended: see the load client for the fields."""

    measured_from_s: float
    window_s: float | None
    drain_s: float | None
    wall_s: float
    cpu_s: float
    lag_p50_s: float | None
    lag_p99_s: float | None
    lag_max_s: float | None
    chunks: int
    warmup_stable: bool | None
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Load:
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
        return tuple(each for each in self.measured if each.ok)

    @property
    def window_s(self) -> float | None:
        """First sending to the end of the last good answer; None where there is none."""
        sent = [each.sent_s for each in self.measured if each.sent_s is not None]
        ended = [each.ended_s for each in self.ok if each.ended_s is not None]
        return (max(ended) - min(sent) or None) if sent and ended else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted values by linear interpolation, as numpy's default."""
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def read(stdout: bytes) -> Load:
    """Return the load that the client printed.

    An output that ends within a line, or without an ``end``, keeps what is whole and says so in
    ``notes``. Raises SitegenError for anything that is not this form.
    """
    notes, records = [], []
    lines = stdout.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(_Record(orjson.loads(line), number))
        except orjson.JSONDecodeError as error:
            if number == len(lines) and records:
                break  # cut off within its last line
            raise SitegenError("this line is not JSON", where=f"line {number}") from error
    if not records or records[0].kind != "start":
        raise SitegenError("the load client printed no start record", where="llm client")
    start = records[0].start()
    ends = [record for record in records if record.kind == "end"]
    if len(ends) > 1 or (ends and ends[0] is not records[-1]):
        raise SitegenError("there is something after the end record", where="llm client")
    end = ends[0].end() if ends else None
    requests = tuple(each.exchange() for each in records[1 : len(records) - len(ends)])
    if len({(each.phase, each.index) for each in requests}) < len(requests):
        raise SitegenError("one request is there twice", where="llm client")
    if end is None:
        notes.append("The output of the load client ends before its end.")
    elif end.interrupted:
        notes.append("The load was interrupted.")
    return Load(start, requests, end, tuple(notes))


class _Record:
    """One line, read field by field: a wrong type is an error with the line and the field."""

    def __init__(self, value: object, number: int) -> None:
        if not isinstance(value, dict):
            raise SitegenError("this line is not an object", where=f"line {number}")
        self.fields: Mapping[str, Any] = value
        self.number = number
        self.kind = value.get("record")
        if self.kind not in {"start", "request", "end"}:
            raise self.wrong("record")

    def wrong(self, name: str) -> SitegenError:
        return SitegenError(f"{name!r} is missing or unusable", where=f"line {self.number}")

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.isprintable():
            raise self.wrong(name)
        return value

    def word(self, name: str, known: Iterable[str]) -> str:
        if (value := self.text(name)) not in known:
            raise self.wrong(name)
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self.fields.get(name) is None else self.text(name)

    def number_of(self, name: str, *, least: float = 0.0) -> float:
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name)
        if not least <= value <= _MOST_S:  # also refuses NaN
            raise self.wrong(name)
        return float(value)

    def maybe(self, name: str, *, least: float = 0.0) -> float | None:
        return None if self.fields.get(name) is None else self.number_of(name, least=least)

    def count(self, name: str) -> int:
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_COUNT:
            raise self.wrong(name)
        return value

    def maybe_count(self, name: str) -> int | None:
        return None if self.fields.get(name) is None else self.count(name)

    def flag(self, name: str) -> bool:
        value = self.fields.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name)
        return value

    def start(self) -> Start:
        if self.count("schema") != SCHEMA:
            raise SitegenError(
                f"schema {self.fields['schema']} of the load client is not known",
                where=f"line {self.number}",
                fix=f"this sitegen reads schema {SCHEMA}",
            )
        return Start(
            api=self.text("api"),
            model=self.text("model"),
            load=self.word("load", ("closed", "open")),
            concurrency=self.maybe_count("concurrency"),
            rate=self.maybe("rate"),
            connections=self.text("connections"),
            prompt=self.text("prompt"),
            input_tokens=self.count("input_tokens"),
            output_tokens=self.count("output_tokens"),
            seed=self.count("seed"),
            requests=self.maybe_count("requests"),
        )

    def end(self) -> End:
        stable = self.fields.get("warmup_stable")
        return End(
            measured_from_s=self.number_of("measured_from_s"),
            window_s=self.maybe("window_s"),
            drain_s=self.maybe("drain_s"),
            wall_s=self.number_of("wall_s"),
            cpu_s=self.number_of("cpu_s"),
            lag_p50_s=self.maybe("lag_p50_s"),
            lag_p99_s=self.maybe("lag_p99_s"),
            lag_max_s=self.maybe("lag_max_s"),
            chunks=self.count("chunks"),
            warmup_stable=None if stable is None else self.flag("warmup_stable"),
            interrupted=self.flag("interrupted"),
        )

    def exchange(self) -> Exchange:
        if self.kind != "request":
            raise self.wrong("record")
        # Warm-up lies before the measured phase: its times are negative.
        source = self.maybe_text("token_source")
        if source is not None and source not in _SOURCES:
            raise self.wrong("token_source")
        found = Exchange(
            phase=self.word("phase", _PHASES),
            index=self.count("index"),
            scheduled_s=self.maybe("scheduled_s", least=-_MOST_S),
            sent_s=self.maybe("sent_s", least=-_MOST_S),
            connected_s=self.maybe("connected_s", least=-_MOST_S),
            headers_s=self.maybe("headers_s", least=-_MOST_S),
            first_event_s=self.maybe("first_event_s", least=-_MOST_S),
            first_token_s=self.maybe("first_token_s", least=-_MOST_S),
            first_content_s=self.maybe("first_content_s", least=-_MOST_S),
            last_token_s=self.maybe("last_token_s", least=-_MOST_S),
            ended_s=self.maybe("ended_s", least=-_MOST_S),
            events=self.count("events"),
            reads=self.count("reads"),
            characters=self.count("characters"),
            input_tokens=self.maybe_count("input_tokens"),
            output_tokens=self.maybe_count("output_tokens"),
            cached_tokens=self.maybe_count("cached_tokens"),
            reasoning_tokens=self.maybe_count("reasoning_tokens"),
            token_source=source,
            finish_reason=self.maybe_text("finish_reason"),
            status=self.word("status", _STATUSES),
            detail=self.maybe_text("detail"),
            stalls=self.count("stalls"),
            gaps_s=self.gaps(),
            server=self.server(),
        )
        order = (found.sent_s, found.first_token_s, found.last_token_s, found.ended_s)
        known = [stamp for stamp in order if stamp is not None]
        if known != sorted(known):
            raise SitegenError("its times are not in order", where=f"line {self.number}")
        if found.ok and (len(known) < len(order) or not found.events):
            raise SitegenError("a request that went well lacks a time", where=f"line {self.number}")
        if len(found.gaps_s) != max(found.events - 1, 0):
            raise self.wrong("gaps_s")
        wait = _between(found.scheduled_s, found.sent_s)
        if wait is not None and wait < -_TIMER_S:
            raise self.wrong("scheduled_s")
        return found

    def gaps(self) -> tuple[float, ...]:
        values = self.fields.get("gaps_s")
        if not isinstance(values, list):
            raise self.wrong("gaps_s")
        for value in values:
            if type(value) not in {int, float} or not 0 <= value <= _MOST_S:
                raise self.wrong("gaps_s")
        return tuple(map(float, values))

    def server(self) -> ServerTimings | None:
        given = self.fields.get("server")
        if given is None:
            return None
        if not isinstance(given, dict):
            raise self.wrong("server")
        inner = _Record({**given, "record": "request"}, self.number)
        return ServerTimings(
            prompt_n=inner.maybe_count("prompt_n"),
            prompt_s=inner.maybe("prompt_s"),
            prompt_rate=inner.maybe("prompt_rate"),
            predicted_n=inner.maybe_count("predicted_n"),
            predicted_s=inner.maybe("predicted_s"),
            predicted_rate=inner.maybe("predicted_rate"),
            load_s=inner.maybe("load_s"),
            total_s=inner.maybe("total_s"),
        )


def doubts(load: Load) -> tuple[str, ...]:
    """Return what speaks against every rate and latency of a load, one sentence each.

    How late the client's own timer fired is judged beside each latency, in `measurements`.
    """
    found = list(load.notes)
    measured = load.measured
    failed = len(measured) - len(load.ok)
    if failed > _MOST_FAILED * len(measured):
        found.append(f"{failed} of {len(measured)} requests failed.")
    end = load.end
    if end is not None and end.wall_s > 0 and end.cpu_s > _MOST_CPU * end.wall_s:
        share = end.cpu_s / end.wall_s
        found.append(f"The load client itself was busy for {share:.0%} of the time.")
    return tuple(found)


def measurements(
    load: Load, workload: str, params: Params, slos: Mapping[str, Objective] | None = None
) -> tuple[Measurement, ...]:
    """Return what a load shows, each row with ``params``; goodput for each objective of ``slos``.

    Rates and latencies are suspect where `doubts` has any. A latency is also suspect where the
    client's own lag is above a tenth of what was timed: the median lag for the mean and the
    median, its p99 for the rest. Without one good request there is no rate and no latency,
    not a 0.
    """
    rows = _Rows(load, workload, params)
    rows.counts()
    rows.client()
    if load.ok and load.window_s is not None:
        rows.latencies()
        rows.tokens()
        rows.server()
        rows.rates(slos or {})
    rows.cold()
    return tuple(rows.found)


def samples(load: Load, workload: str, params: Params) -> tuple[Sample, ...]:
    """Return one sample a good request and latency, and the bins of inter-chunk latency.

    Of a request x is when it was sent, in seconds from the start of the measured phase.
    """
    found = [
        Sample(workload, 0, "request", f"llm.{metric}", each.sent_s, value, params)
        for metric, of in _LATENCIES
        for each in load.ok
        if each.sent_s is not None and (value := of(each)) is not None
    ]
    gaps = Counter(round(gap * _US) for each in load.ok for gap in each.gaps_s)
    found += [
        Sample(
            workload,
            0,
            "histogram",
            "llm.inter_chunk_latency",
            us / _US,
            float(count),
            params,
        )
        for us, count in histogram.coarse(gaps)
    ]
    return tuple(found)


def eval_rate(timings: ServerTimings, api: str) -> float | None:
    """Return output tokens a second by the server's clock, as that server itself reckons.

    llama.cpp prints the rate, and that is taken; where it is missing, its time covers the n - 1
    intervals after the first token. Ollama divides all n tokens by its time, which for the same
    work is n / (n - 1) higher: compare at equal output length only.
    """
    if timings.predicted_rate:
        return timings.predicted_rate
    count, time_s = timings.predicted_n, timings.predicted_s
    if not count or not time_s:
        return None
    return (count if api == "ollama" else count - 1) / time_s or None


def prompt_eval_rate(timings: ServerTimings, cached: int | None) -> float | None:
    """Return input tokens a second by the server's clock; None where any came from a cache.

    Ollama counts cached tokens and not the time that they saved: the rate would explode.
    """
    if cached:
        return None
    if timings.prompt_rate:
        return timings.prompt_rate
    if not timings.prompt_n or not timings.prompt_s:
        return None
    return timings.prompt_n / timings.prompt_s


_LATENCIES: Final[tuple[tuple[str, Callable[[Exchange], float | None]], ...]] = (
    ("ttft", lambda each: each.ttft_s),
    ("ttft_scheduled", lambda each: each.ttft_scheduled_s),
    ("tpot", lambda each: each.tpot_s),
    ("e2e_latency", lambda each: each.e2e_s),
    ("e2e_latency_scheduled", lambda each: each.e2e_scheduled_s),
)


class _Rows:
    """Collects the measurements of one load, all with its parameters."""

    def __init__(self, load: Load, workload: str, params: Params) -> None:
        self.load = load
        self.workload = workload
        self.params = params
        self.ok = load.ok
        # What is counted stands, however many of it failed; not so where the end is missing.
        self.counted = Status.SUSPECT if load.notes else Status.OK
        self.status = Status.SUSPECT if doubts(load) else Status.OK
        end = load.end
        self.usual_lag_s = max(((end and end.lag_p50_s) or 0.0) - _TIMER_S, 0.0)
        self.worst_lag_s = max(((end and end.lag_p99_s) or 0.0) - _TIMER_S, 0.0)
        self.found: list[Measurement] = []

    def add(
        self,
        metric: str,
        statistic: str,
        unit: str,
        value: float | None,
        status: Status,
        **more: str,
    ) -> None:
        if value is None:
            return
        where = tuple(sorted({**dict(self.params), **more}.items()))
        self.found.append(
            Measurement(
                self.workload, f"llm.{metric}", statistic, unit, value, where, status=status
            )
        )

    def count(self, metric: str, value: float, **more: str) -> None:
        self.add(metric, "value", "count", float(value), self.counted, **more)

    def spread(self, metric: str, unit: str, values: Sequence[float], lasts_s: float) -> None:
        """Add the statistics of ``values``; what was timed for each ``lasts_s`` on average."""
        if not values:
            return
        ordered = sorted(values)
        found = {"mean": statistics.fmean(ordered), "min": ordered[0], "max": ordered[-1]}
        if len(ordered) > 1:
            found["stddev"] = statistics.stdev(ordered)
        for name, percent, least in _PERCENTILES:
            if len(ordered) >= least:
                found[name] = percentile(ordered, percent)
        for statistic, value in found.items():
            usual = statistic in {"mean", "min", "p50"}
            lag_s = self.usual_lag_s if usual else self.worst_lag_s
            status = Status.SUSPECT if lag_s > _MOST_LAG * lasts_s else self.status
            self.add(metric, statistic, unit, value, status)

    def counts(self) -> None:
        measured, ok = self.load.measured, self.ok
        failed = Counter(each.status for each in measured if not each.ok)
        self.count("requests", len(measured))
        self.count("failed_requests", failed.total())
        for reason, times in sorted(failed.items()):
            self.count("failed_requests", times, reason=reason)
        if measured:
            share = failed.total() / len(measured)
            self.add("error_rate", "value", "ratio", share, self.counted)
        if ok:
            self.count("stalls", sum(each.stalls for each in ok))
            self.count("missing_usage", sum(each.output_tokens is None for each in ok))
            if cached := [each.cached_tokens for each in ok if each.cached_tokens is not None]:
                self.count("cached_tokens", sum(cached))

    def client(self) -> None:
        end = self.load.end
        if end is None:
            return
        self.add("client_lag", "p50", "s", end.lag_p50_s, self.counted)
        self.add("client_lag", "p99", "s", end.lag_p99_s, self.counted)
        self.add("client_lag", "max", "s", end.lag_max_s, self.counted)
        if end.wall_s > 0:
            self.add("client_cpu_usage", "mean", "ratio", end.cpu_s / end.wall_s, self.counted)
        if end.chunks:
            self.add("client_cpu_per_chunk", "mean", "s", end.cpu_s / end.chunks, self.counted)

    def latencies(self) -> None:
        for metric, of in _LATENCIES:
            timed = [(each, value) for each in self.ok if (value := of(each)) is not None]
            values = [value for _, value in timed]
            # A late stamp moves the time of the whole decoding, not that of each token.
            spans = [each.decode_s or 0.0 for each, _ in timed] if metric == "tpot" else values
            self.spread(metric, "s", values, _mean(spans))
        decode = [each.decode_s for each in self.ok if each.decode_s is not None]
        self.spread("decode_time", "s", decode, _mean(decode))
        gaps = [gap for each in self.ok for gap in each.gaps_s]
        self.spread("inter_chunk_latency", "s", gaps, _mean(gaps))
        if all(each.events == each.output_tokens for each in self.ok):
            self.spread("itl", "s", gaps, _mean(gaps))

    def tokens(self) -> None:
        counted = [each for each in self.ok if each.output_tokens is not None]
        outputs = [each.output_tokens for each in counted if each.output_tokens is not None]
        if not counted:
            return
        self.add("output_tokens", "mean", "count", _mean(outputs), self.counted)
        inputs = [each.input_tokens for each in self.ok if each.input_tokens is not None]
        if inputs:
            self.add("input_tokens", "mean", "count", _mean(inputs), self.counted)
        events = sum(each.events for each in counted)
        self.add("tokens_per_chunk", "mean", "ratio", sum(outputs) / events, self.counted)
        timed = [
            (each.output_tokens / each.decode_s, each.decode_s)
            for each in counted
            if each.output_tokens and each.decode_s and each.tpot_s
        ]
        rates = [rate for rate, _ in timed]
        self.spread("decode_rate_per_request", "tokens/s", rates, _mean([s for _, s in timed]))
        window = self.load.window_s
        # A sum that lacks some answers would pass for a slower server.
        if len(counted) == len(self.ok) and window:
            output = sum(outputs)
            self.add("output_token_throughput", "value", "tokens/s", output / window, self.status)
            if len(inputs) == len(self.ok):
                total = (output + sum(inputs)) / window
                self.add("total_token_throughput", "value", "tokens/s", total, self.status)

    def server(self) -> None:
        timed = [(each, each.server) for each in self.ok if each.server is not None]
        kind = self.load.start.api
        rates = [rate for _, timings in timed if (rate := eval_rate(timings, kind))]
        self.spread("eval_rate", "tokens/s", rates, math.inf)
        # Of a load that a cache helped in part, the rest is no fair picture.
        if not any(each.cached_tokens for each in self.ok):
            prompts = [r for each, t in timed if (r := prompt_eval_rate(t, each.cached_tokens))]
            self.spread("prompt_eval_rate", "tokens/s", prompts, math.inf)

    def rates(self, slos: Mapping[str, Objective]) -> None:
        window = self.load.window_s
        if not window:
            return
        self.add("request_throughput", "value", "1/s", len(self.ok) / window, self.status)
        for name, limits in sorted(slos.items()):
            # Without a token count nobody knows whether the second limit was met.
            if all(each.output_tokens is not None for each in self.ok):
                good = sum(_meets(each, limits) for each in self.ok)
                self.add("goodput", "value", "1/s", good / window, self.status, slo=name)
        measured = self.load.measured
        sent = [each.sent_s for each in measured if each.sent_s is not None]
        ended = [each.ended_s for each in measured if each.ended_s is not None]
        if sent and ended:
            self.add("drain_time", "value", "s", max(max(ended) - max(sent), 0.0), self.status)
        due = [each.scheduled_s for each in measured if each.scheduled_s is not None]
        if len(due) > 1 and (span := max(due) - min(due)) > 0:
            self.add("offered_rate", "value", "1/s", (len(due) - 1) / span, self.counted)

    def cold(self) -> None:
        """Add what belongs to the first request alone, and to no average."""
        first = min(
            self.load.requests, key=lambda r: (r.phase == "measured", r.index), default=None
        )
        if first is None or not first.ok:
            return
        if first.phase == "warmup":
            self.add("cold_ttft", "value", "s", first.ttft_s, self.counted)
        if first.server is not None:
            self.add("load_time", "value", "s", first.server.load_s, self.counted)


def _meets(each: Exchange, limits: Objective) -> bool:
    """Return whether a request met all limits; in an open loop from when it was due, as MLPerf.

    One without a second token has no time per token to miss.
    """
    first = each.ttft_s if each.scheduled_s is None else each.ttft_scheduled_s
    if first is None or first > limits.ttft_s:
        return False
    return each.tpot_s is None or each.tpot_s <= limits.tpot_s


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
