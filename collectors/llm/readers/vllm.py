"""What ``vllm bench serve`` and ``vllm bench latency`` write, as JSON.

Keys as in vllm/benchmarks/serve.py and latency.py, and in benchmarks/benchmark_serving.py
before them. Times in the summary are in ms, those of single requests in s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.asked import agreed
from collectors.llm.measures import percentile
from collectors.llm.readers import documents
from collectors.llm.readers.documents import Fields
from collectors.llm.readers.finding import (
    ASKS,
    Finding,
    Series,
    distribution,
    failures,
    given,
    near,
)
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, MetricDefinition, Status, ToolIdentity, params

SERVE_ASKS = {
    name: ASKS[name]
    for name in ("model", "engine", "weights", "input_tokens", "output_tokens", "slo")
}
LATENCY_ASKS = {
    name: ASKS[name] for name in ("model", "weights", "input_tokens", "output_tokens", "batch_size")
}
DEFINITIONS: Mapping[str, MetricDefinition] = {
    definition.id: definition
    for definition in (
        MetricDefinition(
            "llm.vllm.batch_latency",
            "Time for one batch",
            "s",
            "lower",
            "From handing a whole batch of prompts to the engine, in its own process, to the last "
            "token of the last answer (`vllm bench latency`).",
        ),
        MetricDefinition(
            "llm.vllm.client_queue_time",
            "Wait in the client",
            "s",
            "lower",
            "From a request's turn to its sending: the wait for one of max_concurrency places.",
        ),
        MetricDefinition(
            "llm.vllm.e2el_including_client_queue",
            "Request latency with the wait in the client",
            "s",
            "lower",
            "E2EL and the time that the request waited in the client before it was sent.",
        ),
    )
}
#: vLLM's name of a time in its summary -> our metric.
_TIMES = {
    "ttft": "llm.ttft",
    "tpot": "llm.tpot",
    "itl": "llm.inter_chunk_latency",
    "e2el": "llm.e2e_latency",
    "client_queue_time": "llm.vllm.client_queue_time",
    "e2el_including_client_queue": "llm.vllm.e2el_including_client_queue",
}
_STATISTIC = re.compile(rf"(mean|median|std|p\d{{1,2}}(?:\.\d{{1,3}})?)_({'|'.join(_TIMES)})_ms")
_NAMES = {"median": "p50", "std": "stddev"}
_COMPLETIONS = {"vllm", "openai", "lmdeploy", "scalellm", "sglang", "llama.cpp"}
_SERVE = re.compile(rb'"num_prompts"\s*:')
_ALSO_SERVE = re.compile(rb'"completed"\s*:')
_LATENCY = re.compile(rb'"avg_latency"\s*:')
_ALSO_LATENCY = re.compile(rb'"percentiles"\s*:')
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)")
# The file derives its rates from its own counts; more apart than this and it was changed.
_SAME = 0.01


def knows_serve(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of ``vllm bench serve``."""
    return bool(_SERVE.search(data) and _ALSO_SERVE.search(data))


def knows_latency(data: bytes) -> bool:
    """Tell whether ``data`` has the keys of ``vllm bench latency``."""
    return bool(_LATENCY.search(data) and _ALSO_LATENCY.search(data))


def read_serve(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run for every result in ``data``: one object, a list, or one a line."""
    answers = given(SERVE_ASKS, settings)
    return tuple(_serve(result, answers) for result in documents.objects(data))


@dataclass(frozen=True, slots=True)
class _Request:
    """One request of ``--save-detailed``; ``start`` is in s since the first, where it is told."""

    start: float | None
    input_tokens: float
    output_tokens: float
    ttft: float
    gaps: tuple[float, ...]
    latency: float
    failed: bool
    empty: bool

    @property
    def good(self) -> bool:
        return not self.failed and not self.empty

    @property
    def tpot(self) -> float | None:
        if self.output_tokens <= 1 or self.latency <= self.ttft:
            return None
        return (self.latency - self.ttft) / (self.output_tokens - 1)


def _serve(result: Fields, answers: Mapping[str, str]) -> Reading:
    if result.values.get("total_output_tokens") is None:
        raise SitegenError(
            "is missing: a benchmark of embeddings, or damaged",
            where=result.where("total_output_tokens"),
        )
    finding = Finding(ToolIdentity("vllm bench serve", ""), DEFINITIONS)
    finding.started_at = _date(result, finding)
    finding.duration_s = result.number("duration")
    requests = _requests(result)
    completed, failed = _counts(result, requests, finding)
    empty = sum(request.empty for request in requests)
    if not empty and completed and not result.needed("total_output_tokens"):
        empty = completed
    series = _series(result, requests, answers, finding)
    cause = "failed" if "failed" in result.values else "num_prompts - completed"
    failures(
        series,
        completed - empty,
        {"error": (failed, cause), "zero-tokens": (empty, "output_lens, ttfts, errors")},
    )
    if not completed:
        finding.note(
            "No request succeeded: vLLM writes 0.0 for every time then, which is left out."
        )
    elif completed == empty:
        finding.note("No request has a token: vLLM counts them as completed, here they failed.")
    else:
        _rates(result, series, completed, empty, answers)
        _tokens(result, series, [request for request in requests if request.good], completed)
        if empty:
            finding.note(
                f"{empty} of {completed} requests that vLLM calls completed have no token: "
                "they count as failed here and are left out of every mean, computed again from the "
                "single requests; the file's own mean TTFT includes them as 0."
            )
        _times(result, series, requests, again=bool(empty))
    return finding.found()


def _date(result: Fields, finding: Finding) -> str:
    text = result.text("date")
    if text is None:
        return ""
    if not (parts := _DATE.fullmatch(text)):
        raise SitegenError(
            f"{text[:40]!r} is not a date like 20250102-030405", where=result.where("date")
        )
    year, month, day, hour, minute, second = parts.groups()
    iso = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    finding.note("The date in the file is its end in local time of the client, taken as UTC.")
    return documents.utc(iso, result.where("date"))[0]


def _counts(result: Fields, requests: Sequence[_Request], finding: Finding) -> tuple[int, int]:
    completed = result.count("completed")
    if completed is None:
        raise SitegenError("is missing", where=result.where("completed"))
    failed = result.count("failed")
    if failed is None:
        prompts = result.count("num_prompts")
        if prompts is None or prompts < completed:
            raise SitegenError(
                f"{completed} requests completed of {prompts}", where=result.where("num_prompts")
            )
        failed = prompts - completed
        finding.note(
            "The file does not count failed requests: those not completed count as failed."
        )
    if requests and len(requests) != completed + failed:
        raise SitegenError(
            f"has {len(requests)} entries for {completed + failed} requests",
            where=result.where("ttfts"),
        )
    return completed, failed


def _series(
    result: Fields, requests: Sequence[_Request], answers: Mapping[str, str], finding: Finding
) -> Series:
    model = result.text("model_id")
    rate, concurrency = _rate(result), result.count("max_concurrency")
    workload = "open" if rate else "closed" if concurrency else "burst"
    backend = result.text("backend") or result.text("endpoint_type")
    api = "openai-completions" if backend in _COMPLETIONS else backend
    finding.set("api", api)
    # Without a rate it shapes nothing.
    burstiness = result.number("burstiness") if rate else None
    if burstiness is not None and burstiness != 1:
        finding.set("burstiness", f"{burstiness:g}")
    if tokenizer := result.text("tokenizer_id"):
        finding.set("tokenizer", documents.model_name(tokenizer), Comparability.CAVEAT)
    finding.set("ramp_up", result.text("ramp_up_strategy"))
    finding.note(
        "vLLM's TTFT ends at the first event with choices, even one without text, and each of its "
        "ITL samples is a gap between two events, of any number of tokens: inter-chunk latency."
    )
    return finding.series(
        workload,
        model=agreed(answers, "model", documents.model_name(model) if model else None),
        engine=answers.get("engine"),
        weights=answers.get("weights"),
        input_tokens=_length(result, requests, answers, "input_tokens"),
        output_tokens=_length(result, requests, answers, "output_tokens"),
        rate=f"{rate:g}" if rate else None,
        concurrency=concurrency,
        requests=result.count("num_prompts") if workload == "burst" else None,
    )


def _rate(result: Fields) -> float | None:
    """Return requests a second, None for all at once: "inf", in older files a bare Infinity."""
    value = result.values.get("request_rate")
    if value is None or value == "inf" or (isinstance(value, float) and value == math.inf):
        return None
    return result.number("request_rate", quoted=True) or None


def _length(
    result: Fields, requests: Sequence[_Request], answers: Mapping[str, str], name: str
) -> str | None:
    """Return the nominal length: where all requests have one, else as the user says.

    Raises SitegenError when that cannot be: prompts are re-tokenised and answers may end early,
    so a tenth more is let pass, and any number of output tokens less.
    """
    lengths = {getattr(request, name) for request in requests if request.good}
    stated = f"{lengths.pop():g}" if len(lengths) == 1 else None
    completed, said = result.count("completed"), answers.get(name)
    if stated is None and said and completed:
        mean = result.needed(f"total_{name}") / completed
        least = 0.0 if name == "output_tokens" else 0.9 * float(said)
        if not least <= mean <= 1.1 * float(said):
            raise SitegenError(
                f"the file's mean is {mean:.1f} tokens a request, which does not fit {said}",
                where=f"--set {name}",
            )
    return agreed(answers, name, stated)


def _rates(
    result: Fields, series: Series, completed: int, empty: int, answers: Mapping[str, str]
) -> None:
    seconds = result.number("duration")
    tokens_out, tokens_in = (
        result.needed("total_output_tokens"),
        result.number("total_input_tokens"),
    )
    both = None if tokens_in is None else tokens_in + tokens_out
    for key, metric, amount in (
        ("request_throughput", "llm.request_throughput", float(completed)),
        ("output_throughput", "llm.output_token_throughput", tokens_out),
        ("total_token_throughput", "llm.total_token_throughput", both),
    ):
        value = result.number(key)
        if value is None:
            continue
        if seconds and amount is not None and not near(value, amount / seconds, _SAME):
            raise SitegenError(
                f"is {value:g}, and {amount:g} in {seconds:g} s are {amount / seconds:g}",
                where=result.where(key),
            )
        if key == "request_throughput":
            value *= (completed - empty) / completed
        elif key == "total_token_throughput" and empty:
            continue  # prompts that were never answered are counted in it
        series.add(metric, "value", value, key)
    # Old files have a colon inside the key.
    key = next((k for k in ("request_goodput", "request_goodput:") if k in result.values), "")
    goodput = result.number(key) if key else None
    if goodput is None:
        return
    if empty:
        series.finding.note("Goodput is left out: vLLM counts an answer without a token as good.")
        return
    extra = params(slo=answers.get("slo"))
    if not extra:
        series.finding.note("The file does not say which objective its goodput was counted with.")
    series.add("llm.goodput", "value", goodput, key, extra=extra)


def _tokens(result: Fields, series: Series, good: Sequence[_Request], completed: int) -> None:
    for name in ("input_tokens", "output_tokens"):
        total = result.number(f"total_{name}")
        if good:
            mean = math.fsum(getattr(request, name) for request in good) / len(good)
            series.add(f"llm.{name}", "mean", mean, f"{name.removesuffix('_tokens')}_lens")
        elif total is not None:
            series.add(f"llm.{name}", "mean", total / completed, f"total_{name} / completed")


def _times(result: Fields, series: Series, requests: Sequence[_Request], *, again: bool) -> None:
    good = [request for request in requests if request.good]
    for name, metric in _TIMES.items():
        keys = {
            key: match[1]
            for key in result.values
            if (match := _STATISTIC.fullmatch(key)) and match[2] == name
        }
        found = {key: result.number(key) for key in keys}
        values = {key: value for key, value in found.items() if value is not None}
        if not values:
            continue
        if not any(values.values()):
            series.finding.note(
                f"All of {name} is 0.0 in the file, as vLLM writes what it has not."
            )
            continue
        if again:
            _computed_again(series, metric, name, keys, good)
            continue
        single = [request.ttft for request in good] if name == "ttft" else _single(name, good)
        mean = values.get(f"mean_{name}_ms")
        if single and mean and not near(mean / 1000, math.fsum(single) / len(single), _SAME):
            raise SitegenError(
                "is not the mean of the single requests", where=result.where(f"mean_{name}_ms")
            )
        centre = [value for key, value in values.items() if keys[key] != "std"]
        status = Status.OK
        if name != "itl" and not all(centre):
            status = Status.SUSPECT
            series.finding.note(
                f"{name} is 0.0 for a part of the requests: answers without a token."
            )
        for key, value in values.items():
            statistic = _NAMES.get(keys[key], keys[key])
            if statistic == "p50" and key != f"median_{name}_ms" and f"median_{name}_ms" in values:
                continue
            series.add(metric, statistic, value / 1000, key, status=status)
    if good:
        _detail(series, good)


def _computed_again(
    series: Series, metric: str, name: str, keys: Mapping[str, str], good: Sequence[_Request]
) -> None:
    values = sorted(_single(name, good))
    if not values:
        return
    native = {"ttft": "ttfts", "itl": "itls", "e2el": "latencies"}.get(
        name, "ttfts, itls, output_lens"
    )
    for word in dict.fromkeys(keys.values()):
        statistic = _NAMES.get(word, word)
        if statistic.startswith("p"):
            value = percentile(values, float(statistic[1:]))
        else:
            value = distribution(values).get(statistic, 0.0)
        series.add(metric, statistic, value, native)


def _single(name: str, good: Sequence[_Request]) -> list[float]:
    if name == "ttft":
        return [request.ttft for request in good if request.ttft]
    if name == "tpot":
        return [tpot for request in good if (tpot := request.tpot) is not None]
    if name == "itl":
        return [gap for request in good for gap in request.gaps]
    if name == "e2el":
        return [request.latency for request in good]
    return []  # waits in the client are not told apart by request in older files


def _detail(series: Series, good: Sequence[_Request]) -> None:
    """Add what only single requests tell: decode times and rates, and the samples."""
    decoded = [
        (request.output_tokens, request.latency - request.ttft) for request in good if request.tpot
    ]
    names = "ttfts, itls, output_lens"
    series.spread("llm.decode_time", distribution([time for _, time in decoded]), names)
    rates = distribution([tokens / time for tokens, time in decoded])
    series.spread("llm.decode_rate_per_request", rates, names)
    values = {
        "llm.ttft": [(request.start, request.ttft) for request in good if request.ttft],
        "llm.tpot": [(request.start, tpot) for request in good if (tpot := request.tpot)],
        "llm.e2e_latency": [(request.start, request.latency) for request in good],
    }
    for metric, pairs in values.items():
        placed = [(start, value) for start, value in pairs if start is not None]
        if len(placed) == len(pairs):
            series.points(metric, placed)
        else:  # older files do not say when a request began
            series.bins(metric, (value for _, value in pairs))
    series.bins("llm.inter_chunk_latency", (gap for request in good for gap in request.gaps))


def _requests(result: Fields) -> list[_Request]:
    """Return the single requests where ``--save-detailed`` kept them."""
    ttfts, gaps = result.numbers("ttfts"), result.rows("itls")
    out, into = result.numbers("output_lens"), result.numbers("input_lens")
    if ttfts is None or gaps is None or out is None:
        return []
    size = len(ttfts)
    errors = result.rows("errors") or [""] * size
    texts = result.rows("generated_texts") or [None] * size
    starts = result.numbers("start_times")
    latencies = result.numbers("latencies")
    for key, rows in (
        ("itls", gaps), ("output_lens", out), ("input_lens", into), ("errors", errors),
        ("generated_texts", texts), ("start_times", starts), ("latencies", latencies),
    ):  # fmt: skip
        if rows is not None and len(rows) != size:
            raise SitegenError(
                f"has {len(rows)} entries, ttfts has {size}", where=result.where(key)
            )
    first = min(starts) if starts else 0.0
    found, total = [], 0
    for index in range(size):
        steps = gaps[index]
        if not isinstance(steps, list):
            raise SitegenError("is not a list", where=f"{result.where('itls')}[{index}]")
        total += len(steps)
        if total > documents.MAX_VALUES:
            raise SitegenError("has too many entries", where=result.where("itls"))
        # Older code wrote the gaps of a failed request too; they are in no statistic.
        steps = documents.number_list(steps, f"{result.where('itls')}[{index}]")
        failed = bool(errors[index])
        silent = not ttfts[index] and not steps and texts[index] in ("", None) and out[index] <= 1
        found.append(
            _Request(
                start=starts[index] - first if starts else None,
                input_tokens=into[index] if into else 0.0,
                output_tokens=out[index],
                ttft=ttfts[index],
                gaps=tuple(steps),
                latency=latencies[index] if latencies else ttfts[index] + math.fsum(steps),
                failed=failed,
                empty=not failed and (not out[index] or silent),
            )
        )
    return found


def read_latency(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run for every result of ``vllm bench latency`` in ``data``."""
    answers = given(LATENCY_ASKS, settings)
    return tuple(_latency(result, answers) for result in documents.objects(data))


def _latency(result: Fields, answers: Mapping[str, str]) -> Reading:
    finding = Finding(ToolIdentity("vllm bench latency", ""), DEFINITIONS)
    series = finding.series("batch", engine="vllm", **answers)
    metric = "llm.vllm.batch_latency"
    mean = result.needed("avg_latency")
    latencies = result.numbers("latencies") or []
    if latencies and not near(mean, math.fsum(latencies) / len(latencies), _SAME):
        raise SitegenError("is not the mean of `latencies`", where=result.where("avg_latency"))
    if not mean:
        raise SitegenError("is 0: nothing was measured", where=result.where("avg_latency"))
    series.add(metric, "mean", mean, "avg_latency")
    series.add(metric, "stddev", result.number("std_latency"), "std_latency")
    percentiles = result.inner("percentiles") or Fields("percentiles", {})
    for key in percentiles.values:
        if re.fullmatch(r"\d{1,2}(?:\.\d{1,2})?", key):
            series.add(metric, f"p{key}", percentiles.number(key), f"percentiles {key}")
    if latencies:
        series.add(metric, "min", min(latencies), "latencies")
        series.add(metric, "max", max(latencies), "latencies")
    passed = 0.0
    for latency in latencies:  # one batch after the other
        series.points(metric, [(passed, latency)])
        passed += latency
    finding.duration_s = passed or None
    finding.set("iterations", len(latencies) or None, Comparability.IGNORED)
    finding.note("A time for a whole batch inside the engine: no server, no network, no streaming.")
    return finding.found()


SERVE = Reader(
    "vllm-bench-serve",
    "`vllm bench serve --save-result`, with or without --save-detailed and --append-result",
    knows_serve,
    read_serve,
    SERVE_ASKS,
)
LATENCY = Reader(
    "vllm-bench-latency",
    "`vllm bench latency --output-json`",
    knows_latency,
    read_latency,
    LATENCY_ASKS,
)
