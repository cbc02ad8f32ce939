"""What inference-perf writes: ``stage_N_lifecycle_metrics.json`` and that of all stages.

Keys as in its reportgen/base.py, by which all times are in seconds; newer versions call
``prompt_len`` ``prompt_tokens``. The file names neither the model nor the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from collectors.llm.readers import checks, outputs, vllm
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Whole
from sitegen.model import Doubt, ToolIdentity

DEFINITIONS = outputs.definitions("inference-perf")
#: inference-perf's name of a time -> our metric.
_TIMES = {
    "time_to_first_token": "llm.ttft",
    "time_per_output_token": "llm.tpot",
    "inter_token_latency": "llm.inter_chunk_latency",
    "request_latency": "llm.e2e_latency",
    "normalized_time_per_output_token": "llm.inference-perf.normalized_time_per_output_token",
}
_RATES = {
    "requests_per_sec": "llm.request_throughput",
    "output_tokens_per_sec": "llm.output_token_throughput",
    "total_tokens_per_sec": "llm.total_token_throughput",
}
_LENGTHS = {
    "llm.input_tokens": ("prompt_tokens", "prompt_len"),
    "llm.output_tokens": ("output_tokens", "output_len"),
}
_STATISTICS = {"median": "p50"}
#: From this share of the time to a first token on the load generator was late.
_LATE = 0.1
#: Of all stages together, which have no one load.
_UNKNOWN = "serving"

#: Also of requests that were sent before they were due.
_Signed = Annotated[float, msgspec.Meta(ge=-1e6, le=1e100)]
_Figures = dict[str, Number | None] | None


class _Load(msgspec.Struct, frozen=True):
    count: Whole | None = None
    requested_rate: Number | None = None
    achieved_rate: Number | None = None
    concurrency: Whole | None = None
    schedule_delay: dict[str, _Signed | None] | None = None


class _Successes(msgspec.Struct, frozen=True):
    count: Whole
    latency: dict[str, _Figures]
    throughput: dict[str, Number | None]
    prompt_tokens: _Figures = None
    prompt_len: _Figures = None
    output_tokens: _Figures = None
    output_len: _Figures = None


class _Failures(msgspec.Struct, frozen=True):
    count: Whole


class _Report(msgspec.Struct, frozen=True):
    """One stage, or all of them together."""

    load_summary: _Load
    successes: _Successes
    failures: _Failures
    benchmark_time_seconds: Number | None = None


def read(data: bytes, asks: outputs.Served) -> tuple[Reading, ...]:
    """Return one run for every report: one object, a list, or one a line."""
    return tuple(_run(each, asks) for each in decode.documents(data, _Report))


def _run(report: _Report, asks: outputs.Served) -> Reading:
    recorder = Recorder(ToolIdentity("inference-perf", ""), DEFINITIONS)
    load, good = report.load_summary, report.successes
    rate = None if load.concurrency else load.requested_rate
    workload = "closed" if load.concurrency else "open" if rate else _UNKNOWN
    pairs = outputs.about(
        asks,
        concurrency=load.concurrency or None,
        rate=f"{rate:g}" if rate else None,
    )
    series = recorder.series(workload, pairs)
    recorder.duration_s = report.benchmark_time_seconds or _lasted(good)
    outputs.failures(series, good.count, {"error": (report.failures.count, "failures.count")})
    series.add("llm.offered_rate", "value", rate, native="requested_rate")
    recorder.note(
        "inference-perf counts an event of the stream as a token for TTFT, TPOT and ITL, and the "
        "tokens of an answer by its tokenizer."
    )
    if workload == _UNKNOWN:
        recorder.note("All stages are in one file: each stage's own file has its load.")
    if good.count:
        _figures(series, good)
        _late(series, load.schedule_delay or {}, good)
        checks.consistent(recorder)
    unstated = ("model", *(("concurrency",) if workload == _UNKNOWN else ()), *vllm.LENGTHS)
    outputs.unstated(series, asks, *unstated)
    return recorder.reading()


def _lasted(good: _Successes) -> float | None:
    """Return how long it took, as the rate of requests says: from first sending to last answer."""
    rate = good.throughput.get("requests_per_sec")
    return good.count / rate if rate else None


def _figures(series: Series, good: _Successes) -> None:
    for name, metric in _TIMES.items():
        figures = _named(good.latency.get(name))
        if not any(figures.values()):
            continue  # what is not streamed has no tokens
        series.spread(metric, figures, native=f"latency.{name}")
    for name, metric in _RATES.items():
        series.add(metric, "value", good.throughput.get(name) or None, native=f"throughput.{name}")
    for metric, names in _LENGTHS.items():
        for name in names:
            if figures := _named(getattr(good, name)):
                series.spread(metric, figures, native=name)
                break


def _named(figures: Mapping[str, Any] | None) -> dict[str, float]:
    found = {_STATISTICS.get(key, key): value for key, value in (figures or {}).items()}
    return {key: value for key, value in found.items() if value is not None}


def _late(series: Series, delays: Mapping[str, float | None], good: _Successes) -> None:
    """Keep how late requests were sent, and doubt times that it matters for."""
    metric = "llm.inference-perf.schedule_delay"
    known = {key: value for key, value in _named(delays).items() if value >= 0}
    series.spread(metric, known, native="schedule_delay")
    first = _named(good.latency.get("time_to_first_token")).get("mean")
    late = known.get("mean", 0.0)
    if first and late > _LATE * first:
        sentence = f"requests were sent {late:.3g} s late, where {first:.3g} s were timed"
        series.recorder.doubt(Doubt.CLIENT_LATE, sentence, series.workload)


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of such a report; one of Prometheus has no rates."""
    keys = (b'"load_summary"', b'"successes"', b'"failures"', b'"requests_per_sec"')
    return all(key in data for key in keys)


_TITLE = "inference-perf's stage_N_lifecycle_metrics.json and summary_lifecycle_metrics.json"
LIFECYCLE = Reader("inference-perf", _TITLE, knows, read, outputs.Served)
