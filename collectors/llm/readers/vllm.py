"""What ``vllm bench serve``, ``latency`` and ``throughput`` write, as JSON.

Keys as in vllm/benchmarks/serve.py, latency.py and throughput.py, and in
benchmarks/benchmark_serving.py before them; SGLang and others write some of them too. Times in
the summary are in ms, those of single requests in s; who rewrites such files leaves the unit out
of a key, and then means seconds.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from collectors.llm import measures
from collectors.llm.readers import checks, outputs
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status, ToolIdentity, params

DEFINITIONS = outputs.definitions("vllm")
#: The tools' names of a time in a summary -> our metric.
TIMES = {
    "ttft": "llm.ttft",
    "tpot": "llm.tpot",
    "itl": "llm.inter_chunk_latency",
    "e2el": "llm.e2e_latency",
    "client_queue_time": "llm.vllm.client_queue_time",
    "e2el_including_client_queue": "llm.vllm.e2el_including_client_queue",
}
_ALSO = {"e2e_latency": "e2el", "e2e": "e2el", "latency": "e2el"}
#: How many of a unit are a second; a key without one is told by the other figures.
_UNITS = {"ms": 1e3, "us": 1e6, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_STATISTIC = r"mean|avg|median|std|min|max|p\d{1,2}(?:\.\d{1,4})?"
_NAMES, _ENDS = "|".join((*TIMES, *_ALSO)), "|".join(_UNITS)
#: Which percentiles there are is up to the user; who rewrites a file may turn a key around.
_TIME = re.compile(
    rf"(?P<statistic>{_STATISTIC})_(?P<name>{_NAMES})(?:_(?P<unit>{_ENDS}))?"
    rf"|(?P<turned>{_NAMES})(?:_(?P<inner>{_ENDS}))?_(?P<last>{_STATISTIC})(?:_(?P<outer>{_ENDS}))?"
)
#: What looks like a time by its key, but for the peaks that vLLM counts.
_LEFT = re.compile(
    rf"(?!max_con|max_out)(?:{_STATISTIC})_\w+|\w+_(?:ms|us|sec|seconds|time)"
    r"|\w*(?:ttft|tpot|itl|e2e|latency)(?![a-z])\w*|percentiles_\w+",
    re.ASCII,
)
_STATISTICS = {"median": "p50", "std": "stddev", "avg": "mean"}
_COMPLETIONS = {"vllm", "openai", "lmdeploy", "scalellm", "sglang", "llama.cpp"}
_NAMED = 6
_NUMBER: Any = Number  # mypy takes no annotated one for a type
# The file derives its rates from its own counts; more apart than this and it was changed.
_SAME = 0.01
#: Share of a figure from which its last digit matters.
ROUNDED = 0.005
#: Beyond a test's own length, or its load, this many times a time has another unit.
_BEYOND = 2


class Form(NamedTuple):
    """What a file in these keys is of, and the largest error of what it rounds."""

    tool: str = "vllm bench serve"
    note: str = "vLLM's TTFT ends at an event, also without text; its ITL is by event."
    rounded: float = 0.0


_OWN = Form()
LENGTHS = ("input_tokens", "output_tokens")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One result in these keys, without its statistics of times."""

    completed: Whole
    total_output_tokens: Number
    failed: Whole | None = None
    num_prompts: Whole | None = None
    total_input_tokens: Number | None = None
    date: Text | None = None
    duration: Number | None = None
    backend: Text | None = None
    endpoint_type: Text | None = None
    model_id: Text | None = None
    tokenizer_id: Text | None = None
    request_rate: Annotated[float, msgspec.Meta(ge=0)] | Literal["inf", "trace"] | None = None
    burstiness: Number | None = None
    max_concurrency: Whole | None = None
    ramp_up_strategy: Text | None = None
    use_beam_search: bool | None = None
    best_of: Whole | None = None
    request_throughput: Number | None = None
    output_throughput: Number | None = None
    total_token_throughput: Number | None = None
    request_goodput: Number | None = None
    old_goodput: Number | None = msgspec.field(default=None, name="request_goodput:")
    # Of single requests, with --save-detailed.
    ttfts: list[Number] | None = None
    itls: list[list[Number]] | None = None
    output_lens: list[Whole] | None = None
    input_lens: list[Whole] | None = None
    latencies: list[Number] | None = None
    start_times: list[Number] | None = None
    errors: list[str | None] | None = None
    generated_texts: list[str | None] | None = None

    @property
    def rate(self) -> float | None:
        """Requests a second, None for all at once: "inf", in older files a bare Infinity."""
        rate = self.request_rate
        return None if isinstance(rate, str) or rate in (None, math.inf) else float(rate) or None

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self.num_prompts or self.completed + (self.failed or 0)


#: The lists of --save-detailed, in the order of `_Request`.
_COLUMNS = (
    *("start_times", "input_lens", "output_lens", "ttfts", "itls", "latencies"),
    *("errors", "generated_texts"),
)


class _Request(NamedTuple):
    """One request of ``--save-detailed``; None is what older files do not tell."""

    start: float | None
    input_tokens: int | None
    output_tokens: int
    ttft: float
    gaps: Sequence[float]
    latency: float
    error: str | None
    text: str | None

    @property
    def empty(self) -> bool:
        """Whether it has no token, and vLLM calls it completed."""
        silent = not self.ttft and not self.gaps and not self.text and self.output_tokens <= 1
        return not self.error and (not self.output_tokens or silent)

    @property
    def tpot(self) -> float | None:
        if self.output_tokens <= 1 or self.latency <= self.ttft:
            return None
        return (self.latency - self.ttft) / (self.output_tokens - 1)


def read_serve(data: bytes, asks: outputs.Judged) -> tuple[Reading, ...]:
    """Return one run for every result in ``data``: one object, a list, or one a line."""
    return tuple(serve(result, asks) for result in outputs.documents(data, dict[str, Any]))


def serve(
    document: Mapping[str, Any],
    asks: outputs.Judged,
    form: Form = _OWN,
    **stated: str | int | None,
) -> Reading:
    """Return the run that one result in vLLM's keys describes, by a tool of this ``form``.

    ``stated`` is what else the output says of the series.
    """
    result = decode.convert(document, Result)
    recorder = Recorder(ToolIdentity(form.tool, ""), DEFINITIONS)
    recorder.started_at = _date(result, recorder)
    recorder.duration_s = result.duration
    requests = _requests(result)
    good = [request for request in requests if not request.error and not request.empty]
    failed = _failed(result, requests, recorder)
    empty = sum(request.empty for request in requests)
    if not empty and not result.total_output_tokens:
        empty = result.completed
    recorder.note(form.note)
    series = _series(result, good, asks, recorder, stated)
    if failed is None:
        recorder.note("The file does not count failed requests.")
        completed = float(result.completed)
        series.add("llm.requests", "value", completed, native="completed")
    else:
        cause = "failed" if result.failed is not None else "num_prompts - completed"
        bad = {"error": (failed, cause), "zero-tokens": (empty, "output_lens, ttfts, errors")}
        outputs.failures(series, result.completed - empty, bad)
    if not result.completed:
        recorder.note("No request succeeded: every time is 0.0 in the file, and left out.")
    elif result.completed == empty:
        recorder.note("No request has a token. vLLM counts them as completed; here they failed.")
    else:
        _rates(result, series, empty, asks.slo, form)
        _tokens(result, series, good)
        if empty:
            recorder.note(
                f"{empty} of {result.completed} completed requests have no token and count as "
                "failed, and what is read is without them; the file's own mean TTFT includes them."
            )
        times = figures(document, series, lambda bare: _bare_unit(bare, result, series))
        _times(times, series, good, again=bool(empty))
        _singles(series, good)
        checks.consistent(recorder)
    outputs.unstated(series, asks, "model", *(LENGTHS if result.completed > empty else ()))
    return recorder.reading()


def _date(result: Result, recorder: Recorder) -> str:
    if not result.date:
        return ""
    try:
        ended = datetime.strptime(result.date, "%Y%m%d-%H%M%S")  # noqa: DTZ007 - it names no zone
    except ValueError as error:
        message = f"{result.date[:40]!r} is not a date like 20250102-030405"
        raise SitegenError(message, where="date") from error
    recorder.note("The date in the file is its end in local time of the client, taken as UTC.")
    return outputs.utc(ended)


def _requests(result: Result) -> list[_Request]:
    """Return the single requests where ``--save-detailed`` kept them."""
    ttfts, gaps = result.ttfts, result.itls
    if ttfts is None or gaps is None or result.output_lens is None:
        return []
    columns: dict[str, Any] = {key: getattr(result, key) or [None] * len(ttfts) for key in _COLUMNS}
    for key, column in columns.items():
        if len(column) != len(ttfts):
            raise SitegenError(f"has {len(column)} entries, ttfts has {len(ttfts)}", where=key)
    if result.latencies is None:
        pairs = zip(ttfts, gaps, strict=True)
        columns["latencies"] = [ttft + math.fsum(steps) for ttft, steps in pairs]
    if starts := result.start_times:
        first = min(starts)
        columns["start_times"] = [start - first for start in starts]
    return list(map(_Request, *columns.values()))


def _failed(result: Result, requests: Sequence[_Request], recorder: Recorder) -> int | None:
    """Return how many requests failed, which older files do not count; None where none tells it."""
    completed, failed, prompts = result.completed, result.failed, result.num_prompts
    if failed is None and prompts is not None:
        if prompts < completed:
            raise SitegenError(f"{completed} requests completed of {prompts}", where="num_prompts")
        failed = prompts - completed
        recorder.note("The file counts no failures: requests that are not completed failed.")
    elif failed is None and requests:
        failed = sum(bool(request.error) for request in requests)
    if requests and len(requests) != completed + (failed or 0):
        message = f"has {len(requests)} entries for {completed + (failed or 0)} requests"
        raise SitegenError(message, where="ttfts")
    return failed


def _series(
    result: Result,
    good: Sequence[_Request],
    asks: outputs.Judged,
    recorder: Recorder,
    stated: Mapping[str, str | int | None],
) -> Series:
    rate, concurrency = result.rate, result.max_concurrency or None
    workload = "open" if rate else "closed" if concurrency else "burst"
    backend = result.backend or result.endpoint_type or None
    recorder.parameter("api", "openai-completions" if backend in _COMPLETIONS else backend)
    # Without a rate it shapes nothing.
    if rate and result.burstiness not in {None, 1}:
        recorder.parameter("burstiness", f"{result.burstiness:g}")
    recorder.parameter("tokenizer", outputs.model_name(result.tokenizer_id), Comparability.CAVEAT)
    recorder.parameter("ramp_up", result.ramp_up_strategy or None)
    recorder.parameter("beam_search", "true" if result.use_beam_search else None)
    recorder.parameter("best_of", result.best_of if (result.best_of or 1) > 1 else None)
    lengths = {name: _length(result, good, asks, name) for name in LENGTHS}
    pairs = outputs.about(
        asks,
        result.model_id,
        **{**stated, **{name: each for name, each in lengths.items() if each}},
        rate=f"{rate:g}" if rate else None,
        concurrency=concurrency,
        requests=result.asked if workload == "burst" else None,
        arrivals="trace" if result.request_rate == "trace" else None,
    )
    return recorder.series(workload, pairs)


def _length(
    result: Result, good: Sequence[_Request], asks: outputs.Judged, name: str
) -> int | None:
    """Return the nominal length: where all requests have one, else as the user says.

    Raises SitegenError when that cannot be: prompts are re-tokenised and answers may end early,
    so a tenth more is let pass, and any number of output tokens less.
    """
    lengths = {getattr(request, name) for request in good}
    stated = lengths.pop() if len(lengths) == 1 else None
    answer, total = getattr(asks, name), getattr(result, f"total_{name}")
    if stated is None and answer and result.completed and total is not None:
        mean = total / result.completed
        least = 0.0 if name == "output_tokens" else 0.9 * answer
        if not least <= mean <= 1.1 * answer:
            message = f"the file's mean is {mean:.1f} tokens a request, which does not fit {answer}"
            raise SitegenError(message, where=f"--set {name}")
    return stated


def _rates(result: Result, series: Series, empty: int, slo: str | None, form: Form) -> None:
    tokens_out, tokens_in = result.total_output_tokens, result.total_input_tokens
    both = None if tokens_in is None else tokens_in + tokens_out
    for key, metric, amount in (
        ("request_throughput", "llm.request_throughput", float(result.completed)),
        ("output_throughput", "llm.output_token_throughput", tokens_out),
        ("total_token_throughput", "llm.total_token_throughput", both),
    ):
        value, seconds = getattr(result, key), result.duration
        if value is not None and seconds and amount is not None:
            again = amount / seconds
            _check_near(key, value, again, form.rounded)
            if form.rounded > ROUNDED * value:
                series.recorder.note(f"{key} is rounded to {value:g}: computed from its parts.")
                value = again
        if value is not None and key == "request_throughput":
            value *= (result.completed - empty) / result.completed
        # Prompts that were never answered are counted in the total.
        if key != "total_token_throughput" or not empty:
            series.add(metric, "value", value, native=key)
    goodput = result.request_goodput if result.old_goodput is None else result.old_goodput
    if goodput is not None and empty:
        series.recorder.note("Goodput is left out: vLLM counts an answer without a token as good.")
    elif goodput is not None:
        if slo is None:
            series.recorder.note("The objective of the goodput is said with --set slo=.")
        objective = params(slo=slo)
        series.add("llm.goodput", "value", goodput, native="request_goodput", about=objective)


def _check_near(key: str, value: float, again: float, rounded: float = 0.0) -> None:
    if not math.isclose(value, again, rel_tol=_SAME, abs_tol=rounded):
        message = f"is {value:g}, and what it is made of in the same file gives {again:g}"
        raise SitegenError(message, where=key)


def _tokens(result: Result, series: Series, good: Sequence[_Request]) -> None:
    for name in LENGTHS:
        metric, total = f"llm.{name}", getattr(result, f"total_{name}")
        counts = [n for request in good if (n := getattr(request, name)) is not None]
        if counts:
            mean = math.fsum(counts) / len(counts)
            series.add(metric, "mean", mean, native=f"{name.removesuffix('_tokens')}_lens")
        elif total is not None:
            mean = total / result.completed
            series.add(metric, "mean", mean, native=f"total_{name} / completed")


_SINGLE = "ttfts, itls, output_lens"
_NATIVES = {"ttft": "ttfts", "itl": "itls", "e2el": "latencies"}
_OF_REQUEST: Mapping[str, Callable[[_Request], Sequence[float | None]]] = {
    "ttft": lambda request: (request.ttft or None,),
    "tpot": lambda request: (request.tpot,),
    "e2el": lambda request: (request.latency,),
    "itl": lambda request: request.gaps,
}


#: By the tool's name of a time and our statistic, its own key and the value in s.
Figures = Mapping[str, dict[str, tuple[str, float]]]
#: Times whose keys have no unit: name, statistic, key, number.
Bare = Sequence[tuple[str, str, str, float]]


def figures(
    document: Mapping[str, Any],
    series: Series,
    divisor_of: Callable[[Bare], float],
    left_out: Callable[[str], bool] = bool,
) -> Figures:
    """Return the statistics of the times in ``document``.

    ``divisor_of`` says how many of the unit of times without one are a second. What looks like a
    time and is none of these is named as left out, where ``left_out`` says so of its key.
    """
    times: defaultdict[str, dict[str, tuple[str, float]]] = defaultdict(dict)
    bare: list[tuple[str, str, str, float]] = []
    left: list[str] = []
    for key, value in document.items():
        if value is None:
            continue
        if match := _TIME.fullmatch(key):
            number: float = decode.convert(value, _NUMBER, key)
            statistic = match["statistic"] or match["last"]
            statistic = _STATISTICS.get(statistic, statistic)
            name = match["name"] or match["turned"]
            name = _ALSO.get(name, name)
            if unit := match["unit"] or match["inner"] or match["outer"]:
                times[name].setdefault(statistic, (key, number / _UNITS[unit]))
            else:
                bare.append((name, statistic, key, number))
        elif value and _LEFT.fullmatch(key) and key not in _COLUMNS and left_out(key):
            left.append(key)
    if left:
        series.recorder.note(f"Not known here and left out: {', '.join(left[:_NAMED])[:200]}.")
    divisor = divisor_of(bare) if bare else 1.0
    for name, statistic, key, number in bare:
        own = times[name].setdefault(statistic, (key, number / divisor))
        if own[0] != key and checks.apart(own[1], number / divisor, _SAME):
            sentence = f"{own[0]} is {own[1]:g} s, and {key} {number / divisor:g} s"
            series.recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)
    return times


def _bare_unit(bare: Bare, result: Result, series: Series) -> float:
    """Return how many of the unit of times without one are a second, and say so.

    They are seconds, but where a request would then outlast the test, or its load.
    """
    values = {(name, statistic): number for name, statistic, _, number in bare}

    def middle(name: str) -> float:
        return values.get((name, "mean")) or values.get((name, "p50")) or 0.0

    tokens = result.total_output_tokens / result.completed if result.completed else 0.0
    latency = middle("e2el") or middle("ttft") + middle("tpot") * max(tokens - 1, 0)
    most = float(result.max_concurrency or result.asked)
    seconds, longest, note = result.duration or 0.0, max(values.values()), series.recorder.note
    # By Little's law those under way, where they are more than the load allows.
    under_way = latency * result.completed / seconds if seconds else 0.0
    if seconds and (under_way > _BEYOND * most or longest > _BEYOND * seconds):
        note(
            f"Times under keys without a unit are ms: as seconds, {max(latency, longest):g} would "
            f"not fit a test of {seconds:g} s with {most:g} requests at once."
        )
        return 1e3
    note("Times under keys without a unit are read as seconds.")
    return 1.0


def _times(times: Figures, series: Series, good: Sequence[_Request], *, again: bool) -> None:
    """Add the statistics of the times, ``again`` from the requests that had an answer."""
    note = series.recorder.note
    for name, found in times.items():
        metric, values = TIMES[name], _values(name, good)
        if not any(value for _, value in found.values()):
            note(f"All of {name} is 0.0 in the file, as vLLM writes what it has not.")
            continue
        if again:
            ordered, computed = sorted(values), outputs.distribution(values)
            for statistic in found if values else ():
                value = computed.get(statistic, 0.0)
                if statistic.startswith("p"):
                    value = measures.percentile(ordered, float(statistic[1:]))
                series.add(metric, statistic, value, native=_NATIVES.get(name, _SINGLE))
            continue
        # In vLLM's own mean an answer without a token counts as 0.
        count = len(good) if name == "ttft" else len(values)
        key, mean = found.get("mean", ("", 0.0))
        if count and mean:
            _check_near(key, mean, math.fsum(values) / count)
        status = Status.OK
        if name != "itl" and 0.0 in {v for key, (_, v) in found.items() if key != "stddev"}:
            status = Status.SUSPECT
            note(f"{name} is 0.0 for a part of the requests: answers without a token.")
        for statistic, (key, value) in found.items():
            series.add(metric, statistic, value, native=key, status=status)


def _values(name: str, good: Sequence[_Request]) -> list[float]:
    """Return one of vLLM's times of the single requests, where they tell it."""
    of = _OF_REQUEST.get(name)
    values = (value for request in good if of for value in of(request))
    return [value for value in values if value is not None]


def _singles(series: Series, good: Sequence[_Request]) -> None:
    """Add what only single requests tell: decode times and rates, and the samples."""
    decoded = [(r.output_tokens, r.latency - r.ttft) for r in good if r.tpot]
    series.spread(
        "llm.decode_time", outputs.distribution([time for _, time in decoded]), native=_SINGLE
    )
    rates = outputs.distribution([tokens / time for tokens, time in decoded])
    series.spread("llm.decode_rate_per_request", rates, native=_SINGLE)
    placed = all(request.start is not None for request in good)
    for name, of in _OF_REQUEST.items():
        if placed and name != "itl":
            pairs = ((r.start or 0.0, time) for r in good for time in of(r) if time is not None)
            series.points("request", TIMES[name], pairs)
        else:  # older files do not say when a request began
            measures.bins(series, TIMES[name], _values(name, good))


BATCH = "llm.vllm.batch_latency"


class Offline(outputs.Lengths, frozen=True):
    """Requests to an engine in its own process."""


class Batches(Offline, frozen=True):
    """Requests that an engine works on together."""

    batch_size: outputs.BatchSize = None


class Batch(msgspec.Struct, frozen=True):
    """What ``vllm bench latency`` writes; all in seconds."""

    avg_latency: Annotated[float, msgspec.Meta(gt=0, le=1e100)]
    percentiles: dict[str, Number | None]
    std_latency: Number | None = None
    latencies: list[Number] = []


def read_latency(data: bytes, asks: Batches) -> tuple[Reading, ...]:
    """Return one run for every result of ``vllm bench latency`` in ``data``."""
    return tuple(_batch(result, asks) for result in decode.documents(data, Batch))


def _batch(result: Batch, asks: Batches) -> Reading:
    recorder = Recorder(ToolIdentity("vllm bench latency", ""), DEFINITIONS)
    pairs = outputs.about(asks, engine="vllm", batch_size=asks.batch_size)
    series = recorder.series("batch", pairs)
    metric, latencies = BATCH, result.latencies
    if latencies:
        _check_near("avg_latency", result.avg_latency, math.fsum(latencies) / len(latencies))
        spread = {"min": min(latencies), "max": max(latencies)}
        series.spread(metric, spread, native="latencies")
    series.add(metric, "mean", result.avg_latency, native="avg_latency")
    series.add(metric, "stddev", result.std_latency, native="std_latency")
    for percent, value in result.percentiles.items():
        series.add(metric, f"p{percent}", value, native=f"percentiles {percent}")
    # One batch after the other.
    *starts, passed = itertools.accumulate(latencies, initial=0.0)
    series.points("request", metric, zip(starts, latencies, strict=True))
    recorder.duration_s = passed or None
    recorder.parameter("iterations", len(latencies) or None, Comparability.IGNORED)
    recorder.note("A time for a whole batch inside the engine: no server, no streaming.")
    checks.consistent(recorder)
    outputs.unstated(series, asks, "model", "batch_size", "input_tokens", "output_tokens")
    return recorder.reading()


class Throughput(msgspec.Struct, frozen=True):
    """What ``vllm bench throughput`` writes."""

    elapsed_time: Annotated[float, msgspec.Meta(gt=0, le=1e100)]
    num_requests: Whole
    requests_per_second: Number
    total_num_tokens: Number | None = None
    tokens_per_second: Number | None = None


def read_throughput(data: bytes, asks: Offline) -> tuple[Reading, ...]:
    """Return one run for every result of ``vllm bench throughput`` in ``data``."""
    return tuple(_offline(result, asks) for result in decode.documents(data, Throughput))


def _offline(result: Throughput, asks: Offline) -> Reading:
    recorder = Recorder(ToolIdentity("vllm bench throughput", ""), DEFINITIONS)
    recorder.duration_s = result.elapsed_time
    pairs = outputs.about(asks, engine="vllm", requests=result.num_requests)
    series = recorder.series("offline", pairs)
    offline(series, result)
    outputs.unstated(series, asks, "model", *LENGTHS)
    return recorder.reading()


def offline(series: Series, result: Throughput) -> None:
    """Write the rows of one batch of requests that an engine worked off as it liked."""
    recorder = series.recorder
    series.add("llm.requests", "value", float(result.num_requests), native="num_requests")
    tokens, seconds = result.total_num_tokens, result.elapsed_time
    for key, metric, amount in (
        ("requests_per_second", "llm.request_throughput", float(result.num_requests)),
        ("tokens_per_second", "llm.total_token_throughput", tokens),
    ):
        value = getattr(result, key)
        if value is not None and amount is not None:
            _check_near(key, value, amount / seconds, 0.005)
        series.add(metric, "value", value, native=key)
    if tokens and result.num_requests:
        each, about = tokens / result.num_requests, dict(series.params)
        recorder.parameter("tokens_per_request", f"{each:g}", Comparability.CAVEAT)
        lengths = [float(about[name]) for name in LENGTHS if name in about]
        short = each > _LONGER * sum(lengths) and len(lengths) == len(LENGTHS)
        if short or sum(lengths) > _LONGER * each:
            message = f"the file's mean is {each:.1f} tokens a request, in and out"
            raise SitegenError(message, where="--set input_tokens, output_tokens")
    recorder.note("All requests at once inside the engine: no server, no streaming, no latency.")


_LONGER = 1.1
_SERVE = "`vllm bench serve --save-result`, with or without --save-detailed and --append-result"
_LATENCY, _KEYS = "`vllm bench latency --output-json`", (b'"avg_latency"', b'"percentiles"')
_OFFLINE = "`vllm bench throughput --output-json`"
SERVE = Reader(
    "vllm-bench-serve",
    _SERVE,
    outputs.having(b'"num_prompts"', b'"completed"'),
    read_serve,
    outputs.Judged,
)
LATENCY = Reader("vllm-bench-latency", _LATENCY, outputs.having(*_KEYS), read_latency, Batches)
THROUGHPUT = Reader(
    "vllm-bench-throughput",
    _OFFLINE,
    outputs.having(b'"elapsed_time"', b'"num_requests"', b'"requests_per_second"'),
    read_throughput,
    Offline,
)
