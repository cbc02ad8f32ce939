"""What guidellm writes: benchmarks.json, in the forms of before its schema 1, of 1 and of 2.

Distributions as in guidellm's schemas/statistics.py; where one is empty, 0.0 stands for every
statistic of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from collectors.asked import agreed
from collectors.llm.readers import documents
from collectors.llm.readers.documents import Fields
from collectors.llm.readers.finding import ASKS, Finding, Series, failures, given
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import MetricDefinition, Status, ToolIdentity

GUIDELLM_ASKS = {
    name: ASKS[name] for name in ("model", "engine", "weights", "input_tokens", "output_tokens")
}
_TPOT = "llm.guidellm.time_per_output_token"
_FIRST = "llm.guidellm.time_to_first_output_token"
DEFINITIONS: Mapping[str, MetricDefinition] = {
    _TPOT: MetricDefinition(
        _TPOT,
        "Time per output token, the first included",
        "s",
        "lower",
        "From the sending of a request to its last token, divided by all its output tokens: TTFT "
        "is in it, which is not so in TPOT.",
    ),
    _FIRST: MetricDefinition(
        _FIRST,
        "Time to the first token of the answer",
        "s",
        "lower",
        "From the sending of a request to its first token that is not reasoning.",
    ),
}
_SCHEMAS = {1, 2}
#: guidellm's distribution -> our metric, and how many of its unit are one of ours.
_SPREAD = {
    "request_latency": ("llm.e2e_latency", 1),
    "time_to_first_token_ms": ("llm.ttft", 1000),
    "time_to_first_output_token_ms": (_FIRST, 1000),
    "inter_token_latency_ms": ("llm.tpot", 1000),
    "time_per_output_token_ms": (_TPOT, 1000),
}
_MEANS = {"prompt_token_count": "llm.input_tokens", "output_token_count": "llm.output_tokens"}
_RATES = {
    "requests_per_second": "llm.request_throughput",
    "output_tokens_per_second": "llm.output_token_throughput",
    "tokens_per_second": "llm.total_token_throughput",
}
_STATISTICS = {"mean": "mean", "min": "min", "max": "max", "std_dev": "stddev"}
_PERCENTILES = {
    "p50": "p50",
    "p75": "p75",
    "p90": "p90",
    "p95": "p95",
    "p99": "p99",
    "p999": "p99.9",
}
_SAMPLES = {
    "request_latency": ("llm.e2e_latency", 1),
    "time_to_first_token_ms": ("llm.ttft", 1000),
    "inter_token_latency_ms": ("llm.tpot", 1000),
}
_KEYS = (rb'"benchmarks"\s*:\s*\[', rb'"metrics"\s*:\s*\{', rb'"successful"\s*:')
_ALSO = re.compile(rb'"(?:time_to_first_token_ms|inter_token_latency_ms|request_totals)"\s*:')
_LENGTH = re.compile(r"(prompt|output)_tokens[\"']?\s?[=:]\s?(\d{1,9})\b")
_MAX_CONFIG = 10_000
_LOADS = {"synchronous": "closed", "concurrent": "closed", "throughput": "burst"}


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of a guidellm report."""
    return all(re.search(key, data) for key in _KEYS) and bool(_ALSO.search(data))


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run of all the benchmarks in a report."""
    answers = given(GUIDELLM_ASKS, settings)
    reports = documents.objects(data)
    if len(reports) != 1:
        raise SitegenError(f"holds {len(reports)} objects, and one is a report")
    report = reports[0]
    metadata = report.inner("metadata") or Fields("metadata", {})
    schema = metadata.count("version")
    if schema is not None and schema not in _SCHEMAS:
        raise SitegenError(
            f"schema {schema} of guidellm is not known",
            where="metadata: version",
            fix="1 and 2 are",
        )
    benchmarks = report.objects("benchmarks") or []
    finding = Finding(
        ToolIdentity("guidellm", metadata.text("guidellm_version") or ""), DEFINITIONS
    )
    starts, ends = [], []
    for benchmark in benchmarks:
        start, end = _window(benchmark)
        if start:
            documents.unix(start, benchmark.where("start_time"))
            starts.append(start)
        if end:
            ends.append(end)
        _benchmark(finding, report, benchmark, answers)
    if starts:
        finding.started_at = documents.unix(min(starts), "start_time")
    if starts and ends and max(ends) > min(starts):
        finding.duration_s = max(ends) - min(starts)
    finding.note(
        "guidellm weights TPOT (its inter-token latency) by output tokens, so that long answers "
        "count more; and its request latency ends with the stream, after the last token."
    )
    return (finding.found(),)


def _window(benchmark: Fields) -> tuple[float | None, float | None]:
    for place in (
        benchmark,
        benchmark.inner("run_stats"),
        benchmark.inner("scheduler_metrics"),
    ):
        # -1 is written where there is none.
        if place is None or place.values.get("start_time") in (None, -1.0):
            continue
        ended = place.values.get("end_time") not in (None, -1.0)
        return place.number("start_time"), place.number("end_time") if ended else None
    return None, None


def _benchmark(
    finding: Finding, report: Fields, benchmark: Fields, answers: Mapping[str, str]
) -> None:
    metrics = benchmark.inner("metrics")
    if metrics is None:
        raise SitegenError("is missing", where=benchmark.where("metrics"))
    series = _series(finding, report, benchmark, answers)
    good = _counts(series, benchmark, metrics)
    if not good:
        finding.note("A benchmark without a successful request has counts only.")
        return
    for name, (metric, factor) in _SPREAD.items():
        if (successful := _successful(metrics, name)) is not None:
            _distribution(series, successful, name, metric, factor)
    for name, metric in _MEANS.items():
        if (successful := _successful(metrics, name)) is not None:
            series.add(metric, "mean", successful.number("mean"), f"{name}.successful.mean")
    for name, metric in _RATES.items():
        if (successful := _successful(metrics, name)) is not None:
            # Its other statistics are of the gaps between single events.
            series.add(metric, "value", successful.number("mean"), f"{name}.successful.mean")
    _points(series, benchmark)


def _successful(metrics: Fields, name: str) -> Fields | None:
    """Return the distribution over successful requests, None where it is empty."""
    statuses = metrics.inner(name)
    successful = statuses.inner("successful") if statuses else None
    return successful if successful and successful.count("count") else None


def _distribution(series: Series, successful: Fields, name: str, metric: str, factor: int) -> None:
    values: dict[str, float] = {}
    for key, statistic in _STATISTICS.items():
        if (value := successful.number(key)) is not None:
            values[statistic] = value / factor
    percentiles = successful.inner("percentiles") or Fields("", {})
    for key, statistic in _PERCENTILES.items():
        if (value := percentiles.number(key)) is not None:
            values[statistic] = value / factor
    if "p50" not in values and (value := successful.number("median")) is not None:
        values["p50"] = value / factor
    if not any(values.values()):
        series.finding.note(f"All of {name} is 0.0 in the file, which is how guidellm writes none.")
        return
    status = Status.OK
    if values.get("min") == 0.0:
        status = Status.SUSPECT
        series.finding.note(
            f"{name} is 0.0 for a part of the requests, where guidellm has no value."
        )
    series.spread(metric, values, f"{name}.successful", status)


def _counts(series: Series, benchmark: Fields, metrics: Fields) -> int:
    state = benchmark.inner("run_stats") or benchmark.inner("scheduler_metrics")
    totals, name = metrics.inner("request_totals"), "request_totals"
    totals = totals or benchmark.inner("request_totals")
    if totals is None and state is not None:
        totals, name = state.inner("requests_made"), "requests_made"
    if totals is None:
        raise SitegenError("is missing", where=metrics.where("request_totals"))
    good, errored = totals.count("successful"), totals.count("errored") or 0
    if good is None:
        raise SitegenError("is missing", where=totals.where("successful"))
    failures(series, good, {"error": (errored, f"{name}.errored")})
    if incomplete := totals.count("incomplete"):
        series.finding.note(
            f"{incomplete} requests were cut off at the end of a benchmark and count neither way."
        )
    return good


def _series(
    finding: Finding, report: Fields, benchmark: Fields, answers: Mapping[str, str]
) -> Series:
    strategy = benchmark.find("config", "strategy") or benchmark.find("args", "strategy")
    strategy = strategy or benchmark.find("scheduler", "strategy")
    about = Fields(benchmark.where("strategy"), strategy if isinstance(strategy, dict) else {})
    kind = about.text("type_") or about.text("kind") or ""
    rate = about.number("rate")
    load = _LOADS.get(kind, "open" if rate else "serving")
    streams = 1 if kind == "synchronous" else about.count("streams")
    return finding.series(
        load,
        model=agreed(answers, "model", _model(report, benchmark)),
        engine=answers.get("engine"),
        weights=answers.get("weights"),
        input_tokens=agreed(answers, "input_tokens", _length(report, benchmark, "prompt")),
        output_tokens=agreed(answers, "output_tokens", _length(report, benchmark, "output")),
        concurrency=streams or (about.count("max_concurrency") if load == "burst" else None),
        rate=f"{rate:g}" if rate and load == "open" else None,
        # Our own open loop is Poisson.
        arrivals=kind if load == "open" and kind != "poisson" else None,
    )


def _model(report: Fields, benchmark: Fields) -> str | None:
    for found in (
        benchmark.find("config", "backend", "model"),
        benchmark.find("worker", "backend_model"),
        report.find("config", "spec", "backend", "model"),
        report.find("args", "model"),
        report.find("args", "backend_kwargs", "model"),
    ):
        if isinstance(found, str) and found:
            return documents.model_name(documents.plain(found, "model"))
    return None


def _length(report: Fields, benchmark: Fields, side: str) -> str | None:
    """Return the nominal length of prompts or answers where the arguments name just one."""
    places: list[object] = [
        report.find("args", "data"),
        report.find("config", "spec", "data"),
        benchmark.find("config", "requests"),
        benchmark.find("request_loader", "data"),
    ]
    found: set[str] = set()
    for _ in range(_MAX_CONFIG):  # not by recursion: the file sets the depth
        if not places:
            break
        place = places.pop()
        if isinstance(place, str):
            found |= {n for name, n in _LENGTH.findall(place[:_MAX_CONFIG]) if name == side}
        elif isinstance(place, list):
            places += place[:_MAX_CONFIG]
        elif isinstance(place, dict):
            length = place.get(f"{side}_tokens")
            found |= {str(length)} if isinstance(length, int) and length is not True else set()
            places += place.values()
    return found.pop() if len(found) == 1 else None


def _points(series: Series, benchmark: Fields) -> None:
    requests = benchmark.inner("requests")
    rows: Sequence[Fields] = (requests.objects("successful") if requests else None) or ()
    starts = [_start(row) for row in rows]
    first = min((start for start in starts if start), default=0.0)
    for name, (metric, factor) in _SAMPLES.items():
        series.points(
            metric,
            (
                (start - first, value / factor)
                for start, row in zip(starts, rows, strict=True)
                if start and (value := row.number(name))
            ),
        )


def _start(row: Fields) -> float | None:
    return row.number("request_start_time") or row.number("start_time")


GUIDELLM = Reader(
    "guidellm", "guidellm's benchmarks.json, schemas 1 and 2", knows, read, GUIDELLM_ASKS
)
