"""What guidellm writes: benchmarks.json, in the forms of before its schema 1, of 1 and of 2.

Distributions as in guidellm's schemas/statistics.py; where one is empty, 0.0 stands for every
statistic of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from collectors.llm.readers import checks, outputs
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, ToolIdentity

DEFINITIONS = outputs.definitions("guidellm")
#: guidellm's distribution -> our metric, and how many of its unit are one of ours.
_SPREAD = {
    "request_latency": ("llm.e2e_latency", 1),
    "time_to_first_token_ms": ("llm.ttft", 1000),
    "time_to_first_output_token_ms": ("llm.guidellm.time_to_first_output_token", 1000),
    "inter_token_latency_ms": ("llm.tpot", 1000),
    "time_per_output_token_ms": ("llm.guidellm.time_per_output_token", 1000),
}
_FIGURES = {"mean": "mean", "min": "min", "max": "max", "std_dev": "stddev", "median": "p50"}
_SAMPLES = ("request_latency", "time_to_first_token_ms", "inter_token_latency_ms")
#: Of the rates the other statistics are of the gaps between single events.
_MEANS = {
    "prompt_token_count": ("llm.input_tokens", "mean"),
    "output_token_count": ("llm.output_tokens", "mean"),
    "requests_per_second": ("llm.request_throughput", "value"),
    "output_tokens_per_second": ("llm.output_token_throughput", "value"),
    "tokens_per_second": ("llm.total_token_throughput", "value"),
}
_LENGTH = rb"%s_tokens[\\\"']*\s?[=:]\s?(\d{1,9})(?![\d.])"
_SAME, _WINDOW, _ROUNDS = 0.01, 0.2, 8
_UNKNOWN = "serving"
_LOADS = {"synchronous": "closed", "concurrent": "closed", "throughput": "burst"}


#: A Unix time, of this century; -1 is written where there is none.
_Moment: TypeAlias = Annotated[float, msgspec.Meta(ge=-1, le=4e9)] | None


class _Distribution(msgspec.Struct, frozen=True):
    count: Whole | None = None
    mean: Number | None = None
    median: Number | None = None
    min: Number | None = None
    max: Number | None = None
    std_dev: Number | None = None
    percentiles: dict[str, Number | None] | None = None


class _Totals(msgspec.Struct, frozen=True):
    successful: Whole
    errored: Whole | None = None
    incomplete: Whole | None = None


class _Stats(msgspec.Struct, frozen=True):
    start_time: _Moment = None
    end_time: _Moment = None
    requests_made: _Totals | None = None


class _Strategy(msgspec.Struct, frozen=True):
    type_: Text | None = None
    kind: Text | None = None
    rate: Number | None = None
    streams: Whole | None = None
    max_concurrency: Whole | None = None


class _Setup(msgspec.Struct, frozen=True):
    """Arguments, of a report or of a benchmark; each version has them elsewhere."""

    strategy: _Strategy | None = None
    backend: _Setup | str | None = None
    backend_kwargs: _Setup | str | None = None
    backend_model: Text | None = None
    model: Text | None = None
    spec: _Setup | None = None
    data: Any = None
    requests: Any = None


class _Request(msgspec.Struct, frozen=True):
    request_start_time: _Moment = None
    start_time: _Moment = None
    request_latency: Number | None = None
    time_to_first_token_ms: Number | None = None
    inter_token_latency_ms: Number | None = None


class _Benchmark(_Stats, frozen=True, kw_only=True):
    metrics: dict[str, Any]
    run_stats: _Stats | None = None
    scheduler_metrics: _Stats | None = None
    request_totals: _Totals | None = None
    requests: dict[str, list[_Request] | None] | None = None
    config: _Setup = _Setup()
    args: _Setup = _Setup()
    scheduler: _Setup = _Setup()
    worker: _Setup = _Setup()
    request_loader: _Setup = _Setup()


class _Metadata(msgspec.Struct, frozen=True):
    version: Literal[1, 2] | None = None
    guidellm_version: Text | None = None


class _Report(msgspec.Struct, frozen=True):
    benchmarks: list[_Benchmark]
    metadata: _Metadata = _Metadata()
    config: _Setup = _Setup()
    args: _Setup = _Setup()


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of a guidellm report."""
    keys = (b'"benchmarks"', b'"metrics"', b'"successful"')
    one_of = (b'"time_to_first_token_ms"', b'"inter_token_latency_ms"', b'"request_totals"')
    return all(key in data for key in keys) and any(key in data for key in one_of)


def read(data: bytes, asks: outputs.Served) -> tuple[Reading, ...]:
    """Return one run of all the benchmarks in a report."""
    report = decode.document(data, _Report)
    tool = ToolIdentity("guidellm", report.metadata.guidellm_version or "")
    recorder = Recorder(tool, DEFINITIONS)
    for benchmark in report.benchmarks:
        _benchmark(recorder, report, benchmark, asks)
    windows: list[_Stats] = []  # when each benchmark ran, of the first place that says it
    for benchmark in report.benchmarks:
        places = (benchmark, benchmark.run_stats, benchmark.scheduler_metrics)
        windows += [place for place in places if place and place.start_time not in {None, -1.0}][:1]
    starts = [window.start_time for window in windows if window.start_time]
    ends = [window.end_time for window in windows if window.end_time and window.end_time > 0]
    if starts:
        recorder.started_at = outputs.utc(datetime.fromtimestamp(min(starts), UTC))
    if starts and ends and max(ends) > min(starts):
        recorder.duration_s = max(ends) - min(starts)
    recorder.note("guidellm weights TPOT by output tokens; its latency ends with the stream.")
    checks.consistent(recorder, counted=False)
    return (recorder.reading(),)


def _benchmark(
    recorder: Recorder, report: _Report, benchmark: _Benchmark, asks: outputs.Served
) -> None:
    series = _series(recorder, report, benchmark, asks)
    load = ("concurrency",) if series.workload == _UNKNOWN else ()
    if not _counts(series, benchmark):
        recorder.note("A benchmark without a successful request has counts only.")
        outputs.unstated(series, asks, "model", *load)
        return
    for name, (metric, factor) in _SPREAD.items():
        if successful := _successful(benchmark, name):
            named = {name: getattr(successful, key) for key, name in _FIGURES.items()}
            named |= successful.percentiles or {}
            values = {key: value / factor for key, value in named.items() if value is not None}
            if not any(values.values()):
                recorder.note(f"All of {name} is 0.0 in the file, as guidellm writes none.")
                continue
            status = Status.OK
            if values.get("min") == 0.0:
                status = Status.SUSPECT
                recorder.note(f"{name} is 0.0 for a part of the requests: no value.")
            if "p999" in values:
                values["p99.9"] = values.pop("p999")
            series.spread(metric, values, native=f"{name}.successful", status=status)
    for name, (metric, statistic) in _MEANS.items():
        if successful := _successful(benchmark, name):
            native, value = f"{name}.successful.mean", successful.mean
            if name == "tokens_per_second" and value:
                value = _all_tokens(series, benchmark, value)
            series.add(metric, statistic, value, native=native)
    _under_way(series, benchmark)
    outputs.unstated(series, asks, "model", *load, "input_tokens", "output_tokens")
    _samples(series, benchmark)


def _samples(series: Series, benchmark: _Benchmark) -> None:
    rows = (benchmark.requests or {}).get("successful") or ()
    timed = [(start, row) for row in rows if (start := row.request_start_time or row.start_time)]
    first = min((start for start, _ in timed), default=0.0)
    for name in _SAMPLES:
        metric, factor = _SPREAD[name]
        pairs = ((start - first, getattr(row, name)) for start, row in timed)
        series.points("request", metric, ((x, value / factor) for x, value in pairs if value))


def _mean(benchmark: _Benchmark, name: str) -> float:
    successful = _successful(benchmark, name)
    return (successful and successful.mean) or 0.0


def _all_tokens(series: Series, benchmark: _Benchmark, stated: float) -> float:
    """Return the tokens a second, which some versions count with the prompts twice."""
    rate, sent, answer = (
        _mean(benchmark, name)
        for name in ("requests_per_second", "prompt_token_count", "output_token_count")
    )
    once = rate * (sent + answer)
    if not once or checks.apart(stated, once + rate * sent, _SAME):
        return stated
    if not checks.apart(stated, once, _SAME / 2):
        return stated
    sentence = (
        f"{stated:g} tokens/s are stated, with the prompts twice: {rate:g} requests/s of {sent:g} "
        f"input and {answer:g} output tokens are {once:g}, which is taken"
    )
    series.recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)
    return once


def _under_way(series: Series, benchmark: _Benchmark) -> None:
    """Doubt a rate that with the latency is not how many were under way: of another window."""
    rate, latency, stated = (
        _mean(benchmark, name)
        for name in ("requests_per_second", "request_latency", "request_concurrency")
    )
    done = _successful(benchmark, "request_latency")
    streams = float(dict(series.params).get("concurrency", 0))
    if series.workload == "closed" and done and (done.count or 0) >= _ROUNDS * streams:
        stated = stated or streams
    if rate and latency and stated and checks.apart(rate * latency, stated, _WINDOW):
        sentence = (
            f"{stated:.3g} requests at once are stated, and {rate:g} requests/s of {latency:.4g} s "
            f"are {rate * latency:.3g}: the rate is of another window"
        )
        series.recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)


def _successful(benchmark: _Benchmark, name: str) -> _Distribution | None:
    """Return the distribution over successful requests, None where it is empty."""
    statuses = benchmark.metrics.get(name) or {}
    distribution = decode.convert(statuses, dict[str, _Distribution | None], name).get("successful")
    return distribution if distribution and distribution.count else None


def _counts(series: Series, benchmark: _Benchmark) -> int:
    """Add how many requests there were, and return how many went well."""
    state = benchmark.run_stats or benchmark.scheduler_metrics
    totals, name = benchmark.request_totals, "request_totals"
    if document := benchmark.metrics.get(name):
        totals = decode.convert(document, _Totals, name)
    if totals is None and state is not None:
        totals, name = state.requests_made, "requests_made"
    if totals is None:
        raise SitegenError("is missing", where="request_totals")
    outputs.failures(series, totals.successful, {"error": (totals.errored or 0, f"{name}.errored")})
    if totals.incomplete:
        series.recorder.note(f"{totals.incomplete} requests were cut off at the end: not counted.")
    return totals.successful


def _series(
    recorder: Recorder, report: _Report, benchmark: _Benchmark, asks: outputs.Served
) -> Series:
    places = (benchmark.config, benchmark.args, benchmark.scheduler)
    strategy = next(filter(None, (place.strategy for place in places)), _Strategy())
    kind, rate = strategy.type_ or strategy.kind or "", strategy.rate
    load = _LOADS.get(kind, "open" if rate else _UNKNOWN)
    streams = 1 if kind == "synchronous" else strategy.streams
    most = strategy.max_concurrency if load == "burst" else None
    pairs = outputs.about(
        asks,
        _model(report, benchmark),
        input_tokens=_length(report, benchmark, b"prompt"),
        output_tokens=_length(report, benchmark, b"output"),
        concurrency=streams or most,
        rate=f"{rate:g}" if rate and load == "open" else None,
        # Our own open loop is Poisson.
        arrivals=kind if load == "open" and kind != "poisson" else None,
    )
    return recorder.series(load, pairs)


def _model(report: _Report, benchmark: _Benchmark) -> str | None:
    backends = (
        benchmark.config.backend,
        _Setup(model=benchmark.worker.backend_model),
        report.config.spec and report.config.spec.backend,
        report.args,
        report.args.backend_kwargs,
    )
    names = (backend.model for backend in backends if isinstance(backend, _Setup))
    return next(filter(None, names), None)


def _length(report: _Report, benchmark: _Benchmark, side: bytes) -> int | None:
    """Return the nominal length of prompts or answers where the arguments name just one."""
    places = [
        report.args.data,
        report.config.spec and report.config.spec.data,
        benchmark.config.requests,
        benchmark.request_loader.data,
    ]
    try:  # a text of arguments, or objects in any nesting: each version has it otherwise
        lengths = set(re.findall(_LENGTH % side, msgspec.json.encode(places)))
    except RecursionError as error:
        raise SitegenError("is nested too deeply", where="data") from error
    return int(lengths.pop()) if len(lengths) == 1 else None


GUIDELLM = Reader(
    "guidellm", "guidellm's benchmarks.json, schemas 1 and 2", knows, read, outputs.Served
)
