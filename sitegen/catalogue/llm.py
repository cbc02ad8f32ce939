"""A server of language models under load: all that is said of it beforehand."""

from __future__ import annotations

from collections.abc import Mapping

from sitegen.catalogue import tool
from sitegen.model import Doubt, Params

#: Series that no load parameter divides: one figure a model.
_ONE_LOAD: Params = (("concurrency", ""), ("rate", ""), ("threads", ""))
_CLOSED: Params = (("concurrency", "*"), ("rate", ""))
_OPEN: Params = (("rate", "*"),)
_LATENCIES = ("ttft", "tpot", "itl", "e2e", "decode_time", "inter_chunk")
_GAPS = ("itl", "inter_chunk_latency")
_RATES = ("throughput", "eval_rate", "goodput", "per_request")
#: Share of what it times from which the lateness of the client counts.
_CLIENT_LAG = 0.1
#: The load client's timer rounds up to a millisecond: that much is no lateness.
_TIMER_S = 0.001
_RATE_MISSED = 0.95
#: Share of the input tokens from which a prefix cache counts: every chat begins alike.
_CACHED = 0.1
#: Times as many tokens, or requests, from which two sides did not do the same.
_UNEQUAL = 1.05


def is_latency(metric: str) -> bool:
    """Say whether a metric is a time that a request, or a part of it, takes."""
    return metric.removeprefix("llm.").startswith(_LATENCIES)


def _of_load(figure: tool.Figure) -> bool:
    return _is_of_load(figure.metric)


def _is_of_load(metric: str) -> bool:
    return is_latency(metric) or metric.endswith(_RATES)


def _requests_failed(figure: tool.Figure) -> str:
    errors = figure.beside.get("errors")
    if not errors or not _of_load(figure):
        return ""
    return f"{errors:.1%} of {figure.beside.get('requests', 0):.0f} requests failed."


def _rate_missed(figure: tool.Figure) -> str:
    beside = figure.beside
    offered, achieved, requests = (beside.get(n) for n in ("offered", "achieved", "requests"))
    if not offered or achieved is None or not requests or requests <= 1 or not _of_load(figure):
        return ""
    # Also a server that keeps up needs the time of the last answer.
    reachable = requests / ((requests - 1) / offered + beside.get("quickest", 0))
    if achieved >= _RATE_MISSED * reachable:
        return ""
    return f"{achieved:.2f} of {reachable:.2f} requests per second."


def _tokens_uncounted(figure: tool.Figure) -> str:
    uncounted = figure.beside.get("uncounted")
    if not uncounted or not _of_load(figure):
        return ""
    return f"{uncounted:.0f} of {figure.beside.get('requests', 0):.0f} answers."


def _client_late(figure: tool.Figure) -> str:
    if not is_latency(figure.metric):
        return ""
    beside = figure.beside
    middle = figure.statistic in ("mean", "p50")
    lag = beside.get("client_lag" if middle else "client_lag_p99", 0.0)
    # A few long stalls move a mean and no median; of gaps, one grows as the next shrinks.
    if figure.statistic == "mean" and not figure.metric.endswith(_GAPS):
        lag = max(lag, beside.get("client_lag_mean", 0.0))
    lag -= _TIMER_S
    # A late stamp moves the end of the whole decoding, not the time of each token.
    timed = figure.value
    if figure.metric == "llm.tpot":
        timed = beside.get("decode", timed)
    late = f"Late by {lag * 1e3:.1f} ms, where {timed * 1e3:.3g} ms were timed."
    return late if lag > _CLIENT_LAG * timed else ""


def _cache_helped(figure: tool.Figure) -> str:
    beside = figure.beside
    sent = beside.get("requests", 0) * (1 - beside.get("errors", 0)) * beside.get("input", 0)
    if not figure.metric.startswith("llm.ttft") or not sent:
        return ""
    share = beside.get("cached", 0) / sent
    return f"{share:.0%} of the input tokens." if share > _CACHED else ""


def _unequal_answers(metric: str, side: Mapping[str, float], base: Mapping[str, float]) -> str:
    rate = metric.endswith(_RATES) and not metric.endswith(("eval_rate", "per_request"))
    whole = metric.startswith(("llm.e2e_latency", "llm.decode_time"))
    return _unequal("output", side, base, "output tokens per request") if rate or whole else ""


def _unequal_prompts(metric: str, side: Mapping[str, float], base: Mapping[str, float]) -> str:
    first = metric.startswith(("llm.ttft", "llm.e2e_latency", "llm.prompt_eval_rate"))
    rate = metric.endswith(("throughput", "goodput"))
    return _unequal("input", side, base, "input tokens per request") if rate or first else ""


def _unequal_load(metric: str, side: Mapping[str, float], base: Mapping[str, float]) -> str:
    if not _is_of_load(metric):
        return ""
    lasted = [one["requests"] / one["achieved"] for one in (side, base) if _had_rate(one)]
    # A test of a given time has as many requests as the server answers in it.
    if len(lasted) == len((side, base)) and max(lasted) <= min(lasted) * _UNEQUAL:
        return ""
    return _unequal("requests", side, base, "requests")


def _had_rate(beside: Mapping[str, float]) -> bool:
    return beside.get("achieved", 0) > 0 and "requests" in beside


def _unequal(name: str, side: Mapping[str, float], base: Mapping[str, float], noun: str) -> str:
    here, there = side.get(name, 0.0), base.get(name, 0.0)
    if min(here, there) <= 0 or max(here, there) <= min(here, there) * _UNEQUAL:
        return ""
    return f"{here:,.4g} {noun} here and {there:,.4g} there."


def _random_weights(figure: tool.Figure) -> bool:
    return figure.params.get("weights") == "random"


TOOL = tool.Tool(
    metrics=(
        tool.Metric("llm.ttft", "Time to first token (TTFT)", "s", tool.L, "From the sending of a request to its first token: the first event with text, of the answer or of its reasoning.", source="vLLM benchmark, MLPerf"),
        tool.Metric("llm.ttft_scheduled", "TTFT from schedule", "s", tool.L, "From the time at which a request was due to its first token (open loop). A stalled server does not hide here: requests go on falling due.", source="MLPerf, Server scenario"),
        tool.Metric("llm.tpot", "Time per output token (TPOT)", "s", tool.L, "From the first token of a request to its last, divided by its output tokens less one. Without a second token there is none.", source="vLLM benchmark, MLPerf; guidellm and aiperf call it ITL"),
        tool.Metric("llm.itl", "Inter-token latency (ITL)", "s", tool.L, "Time between two tokens of one request. Given only where each event of the stream held one token; events that were read together have none.", source="vLLM benchmark"),
        tool.Metric("llm.inter_chunk_latency", "Inter-chunk latency", "s", tool.L, "Time between two events with text of one stream, over all requests; an event may hold several tokens, and events that were read together are one.", source="sitegen; vLLM calls it ITL"),
        tool.Metric("llm.decode_time", "Decode time per request", "s", tool.L, "From the first token of a request to its last. Some publications print this as ITL.", source="as printed", beside=(("mean", "decode"),)),
        tool.Metric("llm.e2e_latency", "Request latency", "s", tool.L, "From the sending of a request to its last token.", source="vLLM benchmark", beside=(("min", "quickest"),)),
        tool.Metric("llm.e2e_latency_scheduled", "Request latency, from schedule", "s", tool.L, "From the time at which a request was due to its last token (open loop).", source="MLPerf, Server scenario"),
        tool.Metric("llm.vllm.batch_latency", "Time for one batch", "s", tool.L, "From handing a whole batch of prompts to the engine, in its own process, to the last token of the last answer.", source="vLLM, `vllm bench latency`"),
        tool.Metric("llm.load_time", "Model load time", "s", tool.L, "Time from the start of the server until it can answer: the weights are read in it.", source="sitegen; Ollama, `load_duration`"),
        tool.Metric("llm.cold_ttft", "First token after the start", "s", tool.L, "Time to first token of the first request that a server answers. Kept apart: it holds what happens once.", source="sitegen"),
        tool.Metric("llm.drain_time", "Drain time", "s", tool.N, "From the last sending of a request to the end of the last answer.", source="sitegen"),
        tool.Metric("llm.decode_rate_per_request", "Decode rate per request", "tokens/s", tool.H, "Output tokens of one request divided by its decode time: n / (n − 1) of 1 / TPOT. Some publications print this as TPS.", source="as printed"),
        tool.Metric("llm.output_token_throughput", "Output tokens per second", "tokens/s", tool.H, "Output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        tool.Metric("llm.total_token_throughput", "Tokens per second", "tokens/s", tool.H, "Input and output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        tool.Metric("llm.eval_rate", "Evaluation rate", "tokens/s", tool.H, "Output tokens divided by the time that the model spent on them, as the server reckons: Ollama divides all n tokens by that time, llama.cpp n − 1. Compare at equal output length, within one engine.", source="Ollama, `eval rate`; llama.cpp, `timings`"),
        tool.Metric("llm.prompt_eval_rate", "Prompt evaluation rate", "tokens/s", tool.H, "Input tokens divided by the time that the model spent on them, where none came from a cache.", source="Ollama, `prompt eval rate`; llama.cpp, `timings`"),
        tool.Metric("llm.request_throughput", "Requests per second", "1/s", tool.H, "Requests answered well divided by the time of the test.", source="vLLM benchmark", shown_in="/s", counts="requests/s", beside=(("value", "achieved"),)),
        tool.Metric("llm.goodput", "Goodput", "1/s", tool.H, "Requests that met every limit of the latency objective, divided by the time of the test.", source="vLLM benchmark; limits of MLPerf Inference", shown_in="/s", counts="requests/s"),
        tool.Metric("llm.offered_rate", "Requests due per second", "1/s", tool.N, "Requests that fell due, divided by the time in which they did (open loop).", source="sitegen", shown_in="/s", counts="requests/s", beside=(("value", "offered"),)),
        tool.Metric("llm.error_rate", "Error rate", "ratio", tool.L, "Failed requests divided by all requests. An answer without a token is a failure.", scale=tool.Scale.PROPORTION, margin=0.001, source="sitegen", of="llm.requests", beside=(("value", "errors"),)),
        tool.Metric("llm.requests", "Requests", "count", tool.N, "Requests that were measured.", scale=tool.Scale.DIFFERENCE, source="sitegen", beside=(("value", "requests"),)),
        tool.Metric("llm.failed_requests", "Failed requests", "count", tool.L, "Requests that were refused, broken off, answered with an error, with a malformed stream, too late, without a token, or with the call of a tool and no text.", scale=tool.Scale.DIFFERENCE, source="sitegen"),
        tool.Metric("llm.stalls", "Stalls", "count", tool.L, "Gaps within a stream that are longer than the stall limit.", scale=tool.Scale.DIFFERENCE, source="sitegen"),
        tool.Metric("llm.missing_usage", "Answers without a token count", "count", tool.N, "Answers for which the server gave no count of tokens: left out of everything that is counted in tokens.", scale=tool.Scale.DIFFERENCE, source="sitegen", beside=(("value", "uncounted"),)),
        tool.Metric("llm.cached_tokens", "Input tokens from a cache", "count", tool.N, "Input tokens that the server took from its prefix cache.", scale=tool.Scale.DIFFERENCE, source="usage, `cached_tokens`", beside=(("value", "cached"),)),
        tool.Metric("llm.input_tokens", "Input tokens per request", "count", tool.N, "As the server counts them.", scale=tool.Scale.DIFFERENCE, source="usage", beside=(("mean", "input"),)),
        tool.Metric("llm.output_tokens", "Output tokens per request", "count", tool.N, "As the server counts them.", scale=tool.Scale.DIFFERENCE, source="usage", beside=(("mean", "output"),)),
        tool.Metric("llm.tokens_per_chunk", "Tokens a chunk", "ratio", tool.N, "Output tokens divided by events with text. Only at 1 is a gap between events a time per token.", scale=tool.Scale.DIFFERENCE, source="sitegen", shown_in="plain"),
        tool.Metric("llm.client_lag", "Lag of the load client", "s", tool.N, "How late the load client would have read what came at a random time, by a timer of 5 ms that fires late: what it may have added to each time. A stall counts for as long as it lasts.", source="sitegen", beside=(("mean", "client_lag_mean"), ("p50", "client_lag"), ("p99", "client_lag_p99"))),
        tool.Metric("llm.client_cpu_usage", "CPU used by the load client", "ratio", tool.N, "CPU time of the load client divided by the time of the test.", scale=tool.Scale.DIFFERENCE, source="resource usage of the process", beside=(("mean", "client_cpu"),)),
        tool.Metric("llm.client_cpu_per_chunk", "Client CPU a chunk", "s", tool.N, "CPU time of the load client divided by the chunks that it read.", source="resource usage of the process"),
        tool.Metric("llm.server_cpu_usage", "CPU used by the server", "ratio", tool.N, "CPU time of the server divided by the time of the test.", scale=tool.Scale.DIFFERENCE, source="resource usage of the process"),
        tool.Metric("llm.peak_memory", "Peak memory of the server", "B", tool.N, "Largest resident size of the server.", source="resource usage of the process"),
    ),
    family=tool.Family("llm", "LLM serving", "What does a TEE cost an LLM server?", area="AI inference", generator=tool.Generator(0.7, "The client"),
        headlines=(
            tool.Headline("llm.output_token_throughput", "value", (), "closed", title="Output tokens per second", loses="an LLM server's token rate", first="largest"),
            tool.Headline("llm.decode_rate_per_request", "mean", title="Decode rate per request", loses="an LLM's decode rate"),
            tool.Headline("llm.ttft", "mean", title="TTFT", loses="TTFT"),
            tool.Headline("llm.tpot", "mean", title="TPOT", loses="TPOT"),
            tool.Headline("llm.eval_rate", "mean", title="Evaluation rate"),
            tool.Headline("llm.error_rate", "value", title="Failed requests", first="largest"),
        ),
        panels=(
            tool.Panel("llm.decode_rate_per_request", "mean", _ONE_LOAD, title="Decode rate per request", group="model"),
            tool.Panel("llm.request_throughput", "value", _ONE_LOAD, title="Requests per second", group="model"),
            tool.Panel("llm.ttft", "mean", _ONE_LOAD, title="TTFT", group="model"),
            tool.Panel("llm.decode_time", "mean", _ONE_LOAD, title="Decode time per request", group="model"),
            tool.Panel("llm.eval_rate", "mean", _ONE_LOAD, title="Evaluation rate", group="model"),
            tool.Panel("llm.output_token_throughput", "value", _CLOSED, title="Output tokens per second, by load", axis="concurrency", axis_title="concurrent requests"),
            tool.Panel("llm.ttft", "p50", _CLOSED, title="TTFT by load", axis="concurrency", axis_title="concurrent requests"),
            tool.Panel("llm.tpot", "p50", _CLOSED, title="TPOT by load", axis="concurrency", axis_title="concurrent requests"),
            tool.Panel("llm.e2e_latency", "p50", _CLOSED, title="Request latency, by load", axis="concurrency", axis_title="concurrent requests"),
            tool.Panel("llm.goodput", "value", _OPEN, title="Goodput", axis="rate", axis_title="requests due per second"),
            tool.Panel("llm.ttft_scheduled", "p50", _OPEN, title="TTFT from schedule, p50", axis="rate", axis_title="requests due per second"),
            tool.Panel("llm.ttft_scheduled", "p95", _OPEN, title="TTFT from schedule, p95", axis="rate", axis_title="requests due per second"),
            tool.Panel("llm.eval_rate", "mean", (("threads", "*"),), "threads", title="Evaluation rate, by threads", axis="threads", axis_title="threads"),
            tool.Panel("llm.eval_rate", "mean", (("threads", "*"),), "threads", title="Scaling efficiency, evaluation rate", axis="threads", axis_title="threads", efficiency=True),
        ),
        contrasts=(
            tool.Frontier("Throughput against interactivity", tool.SeriesPattern("llm.output_token_throughput", "value", workload="closed"), tool.SeriesPattern("llm.decode_rate_per_request", "mean", workload="closed"), "concurrency", "tokens/s per user"),
            tool.OverheadBy("Decode rate, over the size of the model", tool.SeriesPattern("llm.decode_rate_per_request", "mean"), "model", "parameters of the model"),
            tool.OverheadBy("First token, over the size of the model", tool.SeriesPattern("llm.ttft", "mean"), "model", "parameters of the model"),
            tool.OverheadBy("Requests per second, over the size of the model", tool.SeriesPattern("llm.request_throughput", "value"), "model", "parameters of the model"),
            tool.OverheadBy("Evaluation rate, over the size of the model", tool.SeriesPattern("llm.eval_rate", "mean"), "model", "parameters of the model"),
            tool.OverheadBy("Output tokens per second, over concurrency", tool.SeriesPattern("llm.output_token_throughput", "value"), "concurrency", "concurrent requests"),
            tool.OverheadBy("First token, over input tokens", tool.SeriesPattern("llm.ttft", "mean"), "input_tokens", "input tokens"),
            tool.OverheadBy("Request latency, over output tokens", tool.SeriesPattern("llm.e2e_latency", "mean"), "output_tokens", "output tokens"),
        ),
        columns=(("llm.ttft", ("p50", "p99")), ("llm.tpot", ("p50", "p99")), ("llm.output_token_throughput", ("",)), ("llm.request_throughput", ("",)), ("llm.goodput", ("",)), ("llm.error_rate", ("",))),
        suspect="The load client was late by more than a tenth of what it timed, or the answers contradict their own counts of tokens.",
        distributions=(("llm.ttft", "closed"), ("llm.tpot", "closed"), ("llm.ttft_scheduled", "open")),
        background=frozenset({"engine", "weights", "input_tokens", "output_tokens"}),
    ),
    parameters=(
        tool.SeriesParameter("model", words="{}"),
        tool.SeriesParameter("engine", words="{}"),
        tool.SeriesParameter("weights", words="{} weights"),
        tool.SeriesParameter("rate", words="{} requests/s"),
        tool.SeriesParameter("input_tokens", tool.Kind.COUNT, "{} input tokens"),
        tool.SeriesParameter("output_tokens", tool.Kind.COUNT, "{} output tokens"),
        tool.SeriesParameter("slo", words="{}"),
        tool.SeriesParameter("batch_size", tool.Kind.COUNT),
        tool.SeriesParameter("concurrency_inferred", tool.Kind.COUNT),
        tool.SeriesParameter("backend", words="{}"),
        tool.SeriesParameter("gpu", words="{}"),
        tool.SeriesParameter("depth", words="at depth {}"),
        tool.SeriesParameter("connections", values={"fresh": "fresh connections", "reuse": "kept connections"}),
    ),
    rules=(
        tool.Rule("requests-failed", "requests failed", figure=_requests_failed, definition="Some requests failed. They are counted, and left out of every latency: the figure is that of the requests that went well."),
        tool.Rule("rate-missed", "rate not reached", figure=_rate_missed, definition="Fewer than 95 % of the requests were answered in the time in which they fell due and the quickest of them took: the server, or the client, did not keep up, and the queue grew for as long as the test ran."),
        tool.Rule("tokens-uncounted", "tokens not counted", figure=_tokens_uncounted, definition="For some answers the server gave no count of tokens; rates in tokens leave them out."),
        tool.Rule("other-length", "answers of another length", doubts=False, named=True, kind=Doubt.OTHER_LENGTH, definition="More than 5 % of the answers are more than 5 % shorter or longer than was asked for: the workload's name says another length than was measured."),
        tool.Rule("coalesced", "tokens in one read", doubts=False, named=True, kind=Doubt.COALESCED, definition="Events of a stream came together in one read of the client: no time between their tokens is known, and those that came alone stand for all."),
        tool.Rule("client-late", "load client late", kind=Doubt.CLIENT_LATE, figure=_client_late, definition="A timer in the load client fired late by more than a tenth of the latency (of the decode time, for a time per token): the client's own delays are in it. Means are held to the mean lateness, medians to the median, tails to the 99 %."),
        tool.Rule("cache-helped", "prompt cache", figure=_cache_helped, definition="The server took more than a tenth of the input tokens from its prefix cache: the time to first token is that of a shorter prompt."),
        tool.Rule("unequal-answers", "answers of unequal length", amounts=_unequal_answers, definition="The answers of one side have over 5 % more tokens than those of the other: what is paid for them is in every rate and in the latency of a request."),
        tool.Rule("unequal-prompts", "prompts of unequal length", amounts=_unequal_prompts, definition="The prompts of one side have over 5 % more tokens than those of the other: the first token waits for all of them."),
        tool.Rule("unequal-load", "loads of unequal size", doubts=False, named=True, amounts=_unequal_load, definition="The two sides answered numbers of requests that differ by over 5 %, in times that differ as well: ramps and tails weigh otherwise, and percentiles of few requests are not those of many."),
        tool.Rule("random-weights", "random weights", doubts=False, figure=_random_weights, definition="The model has random weights, made on the spot: it costs what a model of its architecture and size costs and says nothing. It is never compared with a real one."),
    ),
    unit_costs=dict.fromkeys((("llm.output_token_throughput", "value"), ("llm.output_token_throughput", "mean")), ("a million output tokens", 1e6)),
)  # fmt: skip
