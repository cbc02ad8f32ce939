"""What llama-benchy saves as JSON (``--save-result --format json``): batches of requests at once.

Keys as in its results.py: times in ms, of single requests; rates of the prompt and of what follows
the first token, each over a window of its own. Requests that failed are left out and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

import msgspec

from collectors.llm.readers import checks, outputs, vllm
from sitegen.collect import Reader, Reading, Recorder, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity

DEFINITIONS = outputs.definitions("llama-benchy")
#: llama-benchy's name -> our metric, and how many of its unit are one of ours.
_FIGURES = {
    "e2e_ttft": ("llm.ttft", 1000.0),
    "ttfr": ("llm.llama-benchy.time_to_first_response", 1000.0),
    "pp_throughput": ("llm.llama-benchy.prompt_throughput", 1.0),
    "pp_req_throughput": ("llm.llama-benchy.prompt_rate_per_request", 1.0),
    "tg_throughput": ("llm.llama-benchy.generation_throughput", 1.0),
    "tg_req_throughput": ("llm.llama-benchy.generation_rate_per_request", 1.0),
    "peak_throughput": ("llm.llama-benchy.peak_throughput", 1.0),
}
#: What the tokenizer of the client and the server's may differ by, and what means may.
_TOKENS, _SAME = 0.3, 0.001


class _Metric(msgspec.Struct, frozen=True):
    mean: Number
    std: Number
    values: list[Number] = []


class _Batch(msgspec.Struct, frozen=True):
    """One test: so many prompts at once, several times."""

    concurrency: Whole
    context_size: Whole
    prompt_size: Whole
    response_size: Whole
    is_context_prefill_phase: bool = False
    pp_throughput: _Metric | None = None
    pp_req_throughput: _Metric | None = None
    tg_throughput: _Metric | None = None
    tg_req_throughput: _Metric | None = None
    peak_throughput: _Metric | None = None
    ttfr: _Metric | None = None
    est_ppt: _Metric | None = None
    e2e_ttft: _Metric | None = None


class _Report(msgspec.Struct, frozen=True):
    benchmarks: list[_Batch]
    version: Text | None = None
    timestamp: Text | None = None
    latency_mode: Text | None = None
    model: Text | None = None
    prefix_caching_enabled: bool | None = None


def read(data: bytes, asks: outputs.Served) -> tuple[Reading, ...]:
    """Return one run of all the tests in a report."""
    report = decode.document(data, _Report)
    recorder = Recorder(ToolIdentity("llama-benchy", report.version or ""), DEFINITIONS)
    recorder.started_at = _date(report.timestamp)
    recorder.parameter("latency_mode", report.latency_mode, Comparability.CAVEAT)
    for batch in report.benchmarks:
        _batch(recorder, report, batch, asks)
    recorder.note("llama-benchy leaves out requests that failed, and does not count them.")
    recorder.note("The time in the file is that of its end.")
    checks.consistent(recorder, counted=False)
    return (recorder.reading(),)


def _date(text: str | None) -> str:
    try:
        return outputs.utc(datetime.fromisoformat(text)) if text else ""
    except ValueError as error:
        message = f"{text!r:.40} is not a time like 2026-01-02 03:04:05Z"
        raise SitegenError(message, where="timestamp") from error


def _batch(recorder: Recorder, report: _Report, batch: _Batch, asks: outputs.Served) -> None:
    phase = "context" if batch.is_context_prefill_phase else None
    pairs = outputs.about(
        asks,
        report.model,
        concurrency=batch.concurrency or None,
        input_tokens=batch.prompt_size or None,
        output_tokens=batch.response_size or None,
        depth=batch.context_size or None,
        prefix_caching="yes" if report.prefix_caching_enabled else None,
        phase=phase,
    )
    series = recorder.series("closed", pairs)
    for name, (metric, factor) in _FIGURES.items():
        if figure := getattr(batch, name):
            series.add(metric, "mean", figure.mean / factor, native=f"{name}.mean")
            series.add(metric, "stddev", figure.std / factor, native=f"{name}.std")
    if first := batch.e2e_ttft:
        points = ((float(n), value / 1000) for n, value in enumerate(first.values))
        series.points("request", "llm.ttft", points)
    for sentence in _contradictions(batch):
        recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)
    outputs.unstated(series, asks, "model", "concurrency", *vllm.LENGTHS)


def _contradictions(batch: _Batch) -> Iterator[str]:
    for name in _FIGURES:
        figure = getattr(batch, name)
        if figure and figure.values:
            mean = math.fsum(figure.values) / len(figure.values)
            if checks.apart(figure.mean, mean, _SAME):
                yield f"the mean of {name} is {figure.mean:g}, and its values make it {mean:g}"
    if batch.ttfr and batch.e2e_ttft and batch.ttfr.mean > batch.e2e_ttft.mean * (1 + _SAME):
        yield f"the first event comes after {batch.ttfr.mean:g} ms, and a token in it before"
    rate, spent = batch.pp_req_throughput, batch.est_ppt
    sent = batch.prompt_size + batch.context_size
    if rate and spent and batch.concurrency == 1 and not batch.is_context_prefill_phase:
        tokens = rate.mean * spent.mean / 1000
        cached = tokens < sent and batch.context_size
        if tokens and not cached and checks.apart(tokens, sent, _TOKENS):
            yield f"{rate.mean:g} tokens/s for {spent.mean:g} ms are not the {sent} of the prompt"
    whole, each = batch.tg_throughput, batch.tg_req_throughput
    if whole and each and whole.mean > each.mean * batch.concurrency * (1 + _TOKENS):
        yield (
            f"{whole.mean:g} tokens/s in all are more than {batch.concurrency} requests of "
            f"{each.mean:g}"
        )


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of such a report."""
    keys = (b'"benchmarks"', b'"is_context_prefill_phase"', b'"e2e_ttft"', b'"tg_throughput"')
    return all(key in data for key in keys)


REPORT = Reader("llama-benchy", "llama-benchy's JSON", knows, read, outputs.Served)
