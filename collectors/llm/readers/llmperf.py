"""What llmperf's ``token_benchmark_ray.py`` writes: a summary, and the single requests.

Keys as it flattens them, ``results_ttft_s_quantiles_p50``. Its inter-token latency is the whole
latency of a request divided by its tokens; tokens are counted by one tokenizer for all models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from collectors.llm.readers import checks, outputs, vllm
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.collect.settings import Count, described
from sitegen.errors import SitegenError
from sitegen.model import Doubt, ToolIdentity

DEFINITIONS = outputs.definitions("llmperf")
#: llmperf's name of a figure -> our metric.
_FIGURES = {
    "ttft_s": "llm.ttft",
    "end_to_end_latency_s": "llm.e2e_latency",
    "inter_token_latency_s": "llm.llmperf.inter_token_latency",
    "request_output_throughput_token_per_s": "llm.llmperf.request_output_throughput",
    "number_input_tokens": "llm.input_tokens",
    "number_output_tokens": "llm.output_tokens",
}
_STATISTICS = ("mean", "min", "max", "stddev", *(f"p{n}" for n in (50, 75, 90, 95, 99)))
_SAMPLES = ("ttft_s", "end_to_end_latency_s")
_NOTE = "llmperf counts tokens by one tokenizer for all models, and its requests go in waves."
_MINUTE = 60.0
#: A mean of requests is not that of their tokens.
_NEAR = 0.15
_NUMBER: Any = Number  # mypy takes no annotated one for a type


class Asks(outputs.Served, frozen=True):
    """What single requests do not say."""

    concurrency: Annotated[Count | None, described("requests at once")] = None


class _Summary(msgspec.Struct, frozen=True):
    """What was asked for, and how much was done."""

    num_concurrent_requests: Whole | Text
    results_num_completed_requests: Whole
    model: Text | None = None
    mean_input_tokens: Number | None = None
    stddev_input_tokens: Number | None = None
    mean_output_tokens: Number | None = None
    stddev_output_tokens: Number | None = None
    results_num_requests_started: Whole | None = None
    results_number_errors: Whole | None = None
    results_num_completed_requests_per_min: Number | None = None
    results_mean_output_throughput_token_per_s: Number | None = None
    timestamp: Annotated[float, msgspec.Meta(ge=0, le=4e9)] | None = None


class _Request(msgspec.Struct, frozen=True):
    """One request; what failed has a code, and figures that mean nothing."""

    number_output_tokens: Number | None
    number_input_tokens: Number | None
    error_code: int | str | None = None
    ttft_s: Number | list[Number] | None = None
    end_to_end_latency_s: Number | None = None
    inter_token_latency_s: Number | list[Number] | None = None
    request_output_throughput_token_per_s: Number | None = None

    def figure(self, name: str) -> float | None:
        """Return a figure, of a list none: gaps are not one."""
        value = getattr(self, name)
        return value if isinstance(value, int | float) else None


def read(data: bytes, asks: outputs.Served) -> tuple[Reading, ...]:
    """Return one run for every summary."""
    return tuple(_run(each, asks) for each in decode.documents(data, dict[str, Any]))


def _run(document: Mapping[str, Any], asks: outputs.Served) -> Reading:
    summary = decode.convert(document, _Summary)
    recorder = Recorder(ToolIdentity("llmperf", ""), DEFINITIONS)
    done = summary.results_num_completed_requests
    rate = (summary.results_num_completed_requests_per_min or 0) / _MINUTE
    recorder.duration_s = done / rate if rate else None
    if summary.timestamp:
        ended = datetime.fromtimestamp(summary.timestamp, UTC)
        recorder.started_at = outputs.utc(ended, recorder.duration_s or 0.0)
    series = _series(summary, asks, recorder)
    failed = summary.results_number_errors or 0
    outputs.failures(series, done, {"error": (failed, "number_errors")})
    recorder.note(_NOTE)
    if done:
        for name, metric in _FIGURES.items():
            series.spread(metric, _statistics(document, name), native=f"results_{name}")
        series.add("llm.request_throughput", "value", rate or None, native="completed_per_min / 60")
        tokens = summary.results_mean_output_throughput_token_per_s
        series.add("llm.output_token_throughput", "value", tokens or None, native="mean_throughput")
        _per_token(series, document)
        checks.consistent(recorder)
    outputs.unstated(series, asks, "model", *vllm.LENGTHS)
    return recorder.reading()


def _per_token(series: Series, document: Mapping[str, Any]) -> None:
    """Hold its inter-token latency, which is a latency by tokens, to both."""
    whole, each, tokens = (
        _statistics(document, name).get("mean")
        for name in ("end_to_end_latency_s", "inter_token_latency_s", "number_output_tokens")
    )
    if whole and each and tokens and checks.apart(whole, each * tokens, _NEAR):
        sentence = f"a request takes {whole:g} s, and {tokens:g} tokens of {each:g} s are others"
        series.recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)


def _series(summary: _Summary, asks: outputs.Served, recorder: Recorder) -> Series:
    at_once = summary.num_concurrent_requests
    sides = ("input", "output")
    spreads = {
        f"{side}_tokens_stddev": f"{spread:g}"
        for side in sides
        if (spread := getattr(summary, f"stddev_{side}_tokens"))
    }
    pairs = outputs.about(
        asks,
        summary.model,
        **spreads,
        **{f"{side}_tokens": _whole(getattr(summary, f"mean_{side}_tokens")) for side in sides},
        concurrency=at_once if isinstance(at_once, int) and at_once else None,
        arrivals=at_once if isinstance(at_once, str) else None,
    )
    return recorder.series("closed" if isinstance(at_once, int) else "open", pairs)


def _whole(tokens: float | None) -> int | None:
    return int(tokens) if tokens and float(tokens).is_integer() else None


def _statistics(document: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return the statistics of a figure; some versions write whole numbers as texts."""
    found = {}
    for statistic in _STATISTICS:
        key = f"results_{name}_{'quantiles_' if statistic[1:].isdigit() else ''}{statistic}"
        value = document.get(key)
        if value is not None and str(value).lower() != "nan":  # of one request no deviation
            found[statistic] = float(decode.convert(value, _NUMBER, key, strict=False))
    return found


def read_requests(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run of all single requests; raises SitegenError where none went well."""
    requests = decode.document(data, list[_Request])
    good = [each for each in requests if each.error_code is None and each.number_output_tokens]
    recorder = Recorder(ToolIdentity("llmperf", ""), DEFINITIONS)
    series = recorder.series("closed", outputs.about(asks, concurrency=asks.concurrency))
    silent = sum(each.error_code is None for each in requests) - len(good)
    failed = len(requests) - len(good) - silent
    if not requests:
        raise SitegenError("holds no request")
    bad = {"error": (failed, "error_code"), "zero-tokens": (silent, "number_output_tokens")}
    outputs.failures(series, len(good), bad)
    recorder.note(_NOTE)
    recorder.note("Single requests say neither when they were sent nor how long all of it took.")
    for name, values in _columns(good).items():
        series.spread(_FIGURES[name], outputs.distribution(values), native=name)
        if name in _SAMPLES:
            series.points(
                "request", _FIGURES[name], ((float(n), value) for n, value in enumerate(values))
            )
    checks.consistent(recorder)
    outputs.unstated(series, asks, "model", "concurrency", *vllm.LENGTHS)
    return (recorder.reading(),)


def _columns(good: Sequence[_Request]) -> Mapping[str, list[float]]:
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for each in good:
        for name in _FIGURES:
            if value := each.figure(name):
                columns[name].append(value)
    return columns


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of a summary."""
    keys = (b'"num_concurrent_requests"', b'"results_num_completed_requests"')
    return all(key in data for key in keys)


def knows_requests(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of single requests."""
    keys = (b'"error_code"', b'"end_to_end_latency_s"', b'"number_output_tokens"')
    return all(key in data for key in keys) and data.lstrip().startswith(b"[")


SUMMARY = Reader("llmperf", "llmperf's summary", knows, read, outputs.Served)
REQUESTS = Reader(
    "llmperf-requests", "llmperf's individual responses", knows_requests, read_requests, Asks
)
