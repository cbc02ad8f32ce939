"""What Ollama says of its own work: API answers, ``--verbose`` text, server logs.

Fields as in ollama/api/types.go (durations in ns, all omitempty: an absent one is not 0), the
text as its `Metrics.Summary` prints it, and the timings as llama.cpp's server logs them.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from collectors.llm.readers import outputs
from sitegen.collect import Reader, Reading, Recorder, Series, decode, settings
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Status, ToolIdentity

# Not one workload: llama.cpp's own rates leave out the first token, Ollama's do not.
WORKLOAD = "ollama-eval"
LOG_WORKLOAD = "server-log"
_TOTAL = "llm.ollama.total_duration"
DEFINITIONS = outputs.definitions("ollama")
_NANO = 1e9
_MILLI = 1e3
#: Tokens from which a rate tells anything; least share of an output token's time that a prompt
#: takes; and how much faster than the output's a prompt's tokens can be on any processor.
_FEW, _LEAST, _MOST = 4, 0.5, 1000.0
#: More tokens of one prompt a second than any machine computes.
_FASTEST = 500_000.0
#: How much faster the same number of tokens can be computed a second time.
_AGAIN = 10.0
#: By which the parts of a duration may exceed it: text is rounded.
_MORE = 0.02
_CENT = 0.01  # rates are printed with two decimals
_MAX_LINE = 20_000
#: Each goes through all answers, for those that name no model.
_MOST_MODELS = 100
_DURATIONS = (b'"eval_duration"', b'"total_duration"')
_DONE = re.compile(rb'"done"\s*:\s*true')
_EVAL_LINE = re.compile(rb"^[ \t]*eval rate:[ \t]+\S+ tokens/s", re.MULTILINE)
_TIMING_LINE = re.compile(rb"prompt eval time =\s*\S+ ms /")
_VERBOSE = re.compile(
    r"\s*(total duration|load duration|prompt eval count|prompt eval duration|prompt eval rate"
    r"|eval count|eval duration|eval rate):\s+(\S+)(?: (token\(s\)|tokens/s))?\s*"
)
_TIMING = re.compile(
    r"(prompt eval|eval) time =\s*(\S+) ms /\s*(\S+) (?:tokens|runs)\s*"
    r"\(\s*\S+ ms per token,\s*(\S+) tokens per second"
)
_GO_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,12})?(?:h|ms|m|s|[u\u00b5\u03bc]s|ns))+")
_GO_PART = re.compile(r"(\d{1,9}(?:\.\d{1,12})?)(h|ms|m|s|[u\u00b5\u03bc]s|ns)")
# Both signs of micro are in use.
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_GO_UNITS |= dict.fromkeys(("\u00b5s", "\u03bcs"), 1e-6)
_REQUEST = re.compile(
    r"\[GIN\] .{19,25}\| +(\d{3}) \|.{0,300}?\| POST +"
    r"\"(?:/api/(?:generate|chat)|/v1/(?:chat/)?completions)\""
)
_NOTE_N = (
    "Ollama's eval rate divides all n tokens by the time of the n - 1 after the first where its "
    "server counts so, which is n/(n-1) high: compare it at equal output length only."
)
_NOTE_LLAMA = "Whether llama.cpp's eval rate counts the first token is up to its version."


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One finished request, in seconds; the two rates as printed, where text printed them."""

    model: Text | None = None
    total_duration: Number | None = None
    load_duration: Number | None = None
    prompt_eval_count: Whole | None = None
    prompt_eval_duration: Number | None = None
    prompt_eval_cached_count: Whole | None = None
    eval_count: Whole | None = None
    eval_duration: Number | None = None
    eval_rate: tuple[float, str] | None = None
    prompt_eval_rate: tuple[float, str] | None = None

    @property
    def rate(self) -> float | None:
        if self.eval_rate:
            return self.eval_rate[0]
        return _ratio(self.eval_count, self.eval_duration)

    @property
    def prompt_rate(self) -> float | None:
        # What was counted and not computed would make it too high.
        if self.prompt_eval_cached_count or self.from_cache:
            return None
        return self.printed_prompt_rate

    @property
    def printed_prompt_rate(self) -> float | None:
        """The rate as the file has it, whether it was computed or not."""
        if self.prompt_eval_rate:
            return self.prompt_eval_rate[0]
        return _ratio(self.prompt_eval_count, self.prompt_eval_duration)

    @property
    def parts(self) -> float:
        """The times that are within the total, together."""
        times = (self.load_duration, self.prompt_eval_duration, self.eval_duration)
        return math.fsum(time for time in times if time)

    @property
    def from_cache(self) -> str:
        """Why the prompt, or most of it, cannot have been computed; nothing where it can.

        For any prompt the weights are read once, as for a token of the output. Many tokens at
        once are cheaper each, by what a processor computes more than its memory brings.
        """
        count, rate, each = self.prompt_eval_count or 0, self.printed_prompt_rate, self.rate
        if count >= _FEW and self.prompt_eval_duration == 0:
            return f"{count} tokens of a prompt took no time"
        if count < _FEW or not rate:
            return ""
        spent = f"{count} tokens of a prompt took {count / rate * _MILLI:.3g} ms"
        if rate > _FASTEST:
            return spent
        if not each or (self.eval_count or 0) < _FEW:
            return ""
        if count / rate < _LEAST / each:
            return f"{spent}, and one of the output {_MILLI / each:.3g} ms"
        return f"{spent}, {rate / each:.0f} times the output's rate" if rate > _MOST * each else ""


class _Line(_Answer, frozen=True, kw_only=True):
    """One answer of the API, of which the last of a request has the figures, in nanoseconds."""

    error: Any = None
    done: bool | None = None
    done_reason: Text | None = None
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
            if (nanoseconds := getattr(self, name)) is not None:
                msgspec.structs.force_setattr(self, name, nanoseconds / _NANO)


def _ratio(count: float | None, time: float | None) -> float | None:
    return count / time if count and time else None


def knows_answers(data: bytes) -> bool:
    """Tell whether ``data`` has a last answer of Ollama's API."""
    return any(key in data for key in _DURATIONS) and bool(_DONE.search(data))


def knows_text(data: bytes) -> bool:
    """Tell whether ``data`` has an eval rate as printed, or llama.cpp's timings."""
    rate = b"eval rate:" in data and _EVAL_LINE.search(data)
    return bool(rate or _TIMING_LINE.search(data)) and not knows_answers(data)


def read_answers(data: bytes, asks: outputs.ServedHere) -> tuple[Reading, ...]:
    """Return one run of all the last answers in ``data``, which may hold whole streams."""
    lines = outputs.documents(data, _Line)
    last = [line for line in lines if line.done and line.done_reason not in {"load", "unload"}]
    errors = sum(line.error is not None for line in lines)
    answers = [line for line in last if line.eval_count or line.eval_duration is not None]
    empty = len(last) - len(answers)
    if not answers and not errors + empty:
        raise SitegenError("there is no finished request in it", where="ollama-api")
    recorder = Recorder(ToolIdentity("ollama", ""), DEFINITIONS)
    dated = [(line.created_at, line.total_duration or 0.0) for line in last if line.created_at]
    recorder.started_at = min((outputs.utc(*pair) for pair in dated), default="")
    if len(dated) == len(last) and dated:
        ends = [(outputs.aware(ended).timestamp(), passed) for ended, passed in dated]
        began = min(ended - passed for ended, passed in ends)
        recorder.duration_s = max(ended for ended, _ in ends) - began or None
    recorder.parameter("api", "ollama")
    recorder.parameter("token_source", "eval_count")
    recorder.note(_NOTE_N)
    bad = {"error": (errors, "error"), "zero-tokens": (empty, "answers without eval_count")}
    threads, bad = asks.threads, bad if errors + empty else {}
    _write(recorder, answers, asks, engine="ollama", workload=WORKLOAD, threads=threads, bad=bad)
    return (recorder.reading(),)


def read_text(data: bytes, asks: outputs.ServedHere) -> tuple[Reading, ...]:
    """Return one run of what a terminal or a log recorded, with the settings that it shows."""
    # A log may hold anything; only what is recognised is read, and that is ASCII but for a sign.
    lines = [line[:_MAX_LINE] for line in data.decode("utf-8", "replace").split("\n")]
    verbose, timings = list(_verbose(lines)), list(_timings(lines))
    if not verbose and not timings:
        raise SitegenError("there is no rate and no request in it", where="ollama-text")
    facts, codes, started_at = _log(lines)
    served = codes.count("200")
    is_ollama = bool(verbose or codes) or not facts.keys().isdisjoint({"version", "runner"})
    tool = ToolIdentity("ollama" if is_ollama else "llama-server", facts.get("version", ""))
    recorder = Recorder(tool, DEFINITIONS, started_at=started_at)
    if verbose and (timings or served not in {0, len(verbose)}):
        recorder.note("Of the requests in the log those are read whose rate was printed.")
    recorder.note(_NOTE_N if verbose else _NOTE_LLAMA)
    for name in ("parallel", "context", "batch", "quantisation", "kv_cache"):
        recorder.parameter(name, facts.get(name))
    for name in ("library", "cpus_seen"):
        recorder.parameter(name, facts.get(name), Comparability.CAVEAT)
    for name in ("cpu", "memory", "gpu", "os"):
        recorder.fact(name, facts.get(name), "the imported log")
    threads = int(facts["threads"]) if "threads" in facts else None
    file = outputs.file_name(facts.get("model_file", "")).removesuffix(".gguf")
    refused = (len(codes) - served, "answers in the log that are not 200")
    _write(
        recorder,
        verbose or timings,
        asks,
        engine="ollama" if is_ollama else None,
        workload=WORKLOAD if verbose else LOG_WORKLOAD,
        model=facts.get("model_name") or facts.get("general.name") or file,
        threads=settings.agreed("threads", asks.threads, threads),
        bad={"http": refused} if served else {},
    )
    return (recorder.reading(),)


def _verbose(lines: Sequence[str]) -> Iterator[_Answer]:
    """Yield an answer for each block of ``--verbose``; a lone eval rate is one too."""
    block: dict[str, Any] = {}
    place = ""
    for number, line in enumerate(lines, 1):
        if not (match := _VERBOSE.fullmatch(line)):
            continue
        name, text, unit = match[1].replace(" ", "_"), match[2], match[3]
        if block and (name in block or name == "total_duration"):
            yield _block(block, place)
            block = {}
        place = f"line {number}"
        where = f"{place}: {match[1]}"
        if name.endswith("duration") and not unit:
            block[name] = go_duration(text, where)
        elif name.endswith("count") and unit == "token(s)":
            block[name] = decode.convert(text, Whole, where, strict=False)
        elif name.endswith("rate") and unit == "tokens/s":
            block[name] = _rate(text, where)
        else:
            raise SitegenError(f"{text[:40]!a} is not what is printed there", where=where)
    if block:
        yield _block(block, place)


def _block(block: Mapping[str, Any], place: str) -> _Answer:
    answer = _Answer(**block)
    if answer.eval_rate is None and answer.eval_count is None:
        raise SitegenError("the figures of a request break off: it has no eval rate", where=place)
    for rate, count, time in (
        (answer.eval_rate, answer.eval_count, answer.eval_duration),
        (answer.prompt_eval_rate, answer.prompt_eval_count, answer.prompt_eval_duration),
    ):
        exact = _ratio(count, time)
        if rate and exact and not math.isclose(rate[0], exact, rel_tol=_CENT, abs_tol=_CENT):
            message = f"{count} tokens in {time:g} s are not {rate[1]} tokens/s"
            raise SitegenError(message, where=place)
    return answer


def _rate(text: str, place: str) -> tuple[float, str]:
    return decode.convert(text, Number, place, strict=False), text


def _timings(lines: Sequence[str]) -> Iterator[_Answer]:
    """Yield an answer for each pair of llama.cpp's timings: of the prompt, then of the output."""
    prompt: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        if not (match := _TIMING.search(line)):
            continue
        kind, time, count, rate = match.groups()
        place = f"line {number}: {kind} time"
        # Not a number: nothing to compute, as all of the prompt was cached.
        figures = _rate("0" if rate in {"inf", "nan", "-nan"} else rate, place)
        answer: dict[str, Any] = {
            "eval_count": decode.convert(count, Whole, place, strict=False),
            "eval_duration": _rate(time, place)[0] / _MILLI,
            "eval_rate": figures if figures[0] else None,
        }
        if kind == "prompt eval":
            prompt = {f"prompt_{name}": value for name, value in answer.items()}
        else:
            yield _Answer(**prompt, **answer)
            prompt = {}


def go_duration(text: str, where: str) -> float:
    """Return the seconds of a duration as Go prints it: 1h10m22s, 820.5ms, 59.042µs.

    Raises SitegenError for anything else.
    """
    if text == "0s":
        return 0.0
    if not _GO_DURATION.fullmatch(text):
        raise SitegenError(f"{text[:40]!a} is not a duration", where=where)
    return math.fsum(float(n) * _GO_UNITS[unit] for n, unit in _GO_PART.findall(text))


def _log(lines: Sequence[str]) -> tuple[Mapping[str, str], Sequence[str], str]:
    """Return what a server's log shows besides timings, the last word on each thing.

    Second are the codes of HTTP of the requests for an answer, third is when it begins.
    """
    facts: dict[str, str] = {}
    codes: list[str] = []
    started_at = ""
    for line in lines:
        if match := _REQUEST.search(line):
            codes.append(match[1])
            continue
        for pattern, name in _SHOWN if _MARKS.search(line) else ():
            if (match := pattern.search(line)) and match[1].isprintable():
                facts[name] = match[1].strip()[:200]
        if not started_at and (match := _LOG_TIME.match(line)):
            with contextlib.suppress(ValueError):  # a log may hold anything
                started_at = outputs.utc(datetime.fromisoformat(match[1]))
    return facts, codes, started_at


_LOG_TIME = re.compile(r"time=(\d{4}-\d\d-\d\dT\S{8,24}(?:Z|[+-]\d\d:\d\d))\s")
_RUNNER = r"starting (?:llama server|runner|llama-server)\"? .{0,2000}"
# One look instead of eighteen at the many lines that show nothing.
_MARKS = re.compile(
    r"version|ollama|starting |system_info|threadpool|initializing|loading model|inference compute"
    r"|print_info|general\.name|model_name|type_k|system memory|cpu_info|gpu_info"
)
_SHOWN = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\(version (\d[\w.+-]{0,30})\)", "version"),
        (r"(ollama) runner ", "runner"),
        (_RUNNER + r"--threads (\d{1,5})\b", "threads"),
        (_RUNNER + r"--parallel (\d{1,5})\b", "parallel"),
        (_RUNNER + r"--ctx-size (\d{1,9})\b", "context"),
        (_RUNNER + r"--batch-size (\d{1,9})\b", "batch"),
        (r"system_info: n_threads = (\d{1,5})\b", "threads"),
        (r"llama threadpool init, n_threads = (\d{1,5})\b", "threads"),
        (r"initializing, n_slots = (\d{1,5})\b", "parallel"),
        (r"initializing, .{0,300}n_ctx_slot = (\d{1,9})\b", "context"),
        (r"load_model: loading model '([^']{1,500})'", "model_file"),
        (r"system_info: n_threads = \d+ (?:\(n_threads_batch = \d+\) )?/ (\d{1,5})\b", "cpus_seen"),
        (r"msg=\"inference compute\".{0,400} library=(\w{1,20})", "library"),
        (r"print_info: file type +=(.{1,40})$", "quantisation"),
        (r"general\.name +(?:str +)?=(.{1,120})$", "general.name"),
        (r"^model_name = +(\S.{0,120})$", "model_name"),
        (r"type_k = '(\w{1,10})'", "kv_cache"),
        (r"msg=\"system memory\" total=\"([^\"]{1,30})\"", "memory"),
        (r"^ollama_version: (\d[\w.+-]{0,30})$", "version"),
        (r"^cpu_info: (.{1,120})$", "cpu"),
        (r"^gpu_info: (?!no_gpu)(.{1,120})$", "gpu"),
        (r"^os_version: \"?([^\"]{1,80})", "os"),
    )
)


def _write(  # noqa: PLR0913 - what holds for all requests of a file
    recorder: Recorder,
    answers: Sequence[_Answer],
    asks: outputs.ServedHere,
    *,
    engine: str | None,
    workload: str,
    model: str = "",
    threads: int | None,
    bad: Mapping[str, tuple[int, str]],
) -> None:
    """Write the series of each model; ``bad`` is empty where a file cannot show failures."""
    recorder.parameter("threads", threads)
    outputs.note_crowd(recorder, threads, asks.cpus)
    if threads not in {None, 1} and not asks.cpus:
        recorder.note(
            f"The server computed with --threads {threads}; how many CPUs it might use is not "
            "shown: say it with --set cpus=."
        )
    stated = sorted({answer.model for answer in answers if answer.model})
    if len(stated) > _MOST_MODELS:
        raise SitegenError(f"names {len(stated):,} models, and {_MOST_MODELS} at most are read")
    for name in stated or [model]:
        group = [answer for answer in answers if answer.model in {name, None}]
        lengths = {}  # that all of several requests have
        for key, count in (("input_tokens", "prompt_eval_count"), ("output_tokens", "eval_count")):
            counts = [getattr(answer, count) for answer in group]
            same = len(counts) > 1 and len(set(counts)) == 1
            lengths[key] = (counts[0] or None) if same else None
        pairs = outputs.about(asks, name, engine=engine, **lengths)
        series = recorder.series(workload, pairs)
        _group(series, group)
        outputs.unstated(series, asks, "model")
        if bad and len(stated) <= 1:
            outputs.failures(series, len(group), bad)
        else:
            series.add("llm.requests", "value", float(len(group)), native="answers")
    if len(stated) > 1 and any(count for count, _ in bad.values()):
        recorder.note("Failed requests do not say which model they were for and are not counted.")


def _computed(series: Series, group: Sequence[_Answer]) -> Sequence[_Answer]:
    """Return the requests whose prompt no cache had, as far as its time tells; note the others."""
    slowest: dict[int, float] = {}
    for answer in group:
        if rate := answer.prompt_rate:
            count = answer.prompt_eval_count or 0
            slowest[count] = min(rate, slowest.get(count, rate))
    reasons, computed = [], []
    for answer in group:
        count, rate, reason = answer.prompt_eval_count or 0, answer.prompt_rate, answer.from_cache
        if rate and count >= _FEW and rate > _AGAIN * slowest[count]:
            reason = (
                f"{count} tokens of a prompt took {count / rate * _MILLI:.3g} ms, and as many "
                f"{count / slowest[count] * _MILLI:.3g} ms in another request"
            )
        if reason and not answer.prompt_eval_cached_count:
            reasons.append(reason)
        else:
            computed.append(answer)
    if reasons:
        series.recorder.note(
            f"{reasons[0]}: a cache had them. {len(reasons)} of {len(group)} requests have no "
            "prompt rate for that, and their total durations are those of shorter prompts."
        )
    return computed


def _group(series: Series, group: Sequence[_Answer]) -> None:
    recorder, totals = series.recorder, _known(group, "total_duration")
    for answer in group:
        whole, parts = answer.total_duration, answer.parts
        if whole and parts > whole * (1 + _MORE):
            sentence = f"the total duration is {whole:g} s, and its parts {parts:g} s together"
            recorder.doubt(Doubt.INCONSISTENT, sentence, series.workload)
    # By the time before them, where every request says how long it took.
    timed = group if len(totals) == len(group) else ()
    placed = list(zip(itertools.accumulate(totals, initial=0.0), timed, strict=False))
    computed = _computed(series, group)
    for metric, attribute, printed_by, native, own in (
        ("llm.eval_rate", "rate", "eval_rate", "eval rate", group),
        ("llm.prompt_eval_rate", "prompt_rate", "prompt_eval_rate", "prompt eval rate", computed),
    ):
        rates, counted = _known(own, attribute), set(map(id, own))
        texts = [text for _, text in _known(own, printed_by)]
        if len(rates) == 1:
            series.add(metric, "mean", rates[0], texts[0] if texts else None, native=native)
        else:
            series.spread(metric, outputs.distribution(rates), native=native)
        placed_own = ((x, answer) for x, answer in placed if id(answer) in counted)
        points = ((x, getattr(answer, attribute)) for x, answer in placed_own)
        series.points("request", metric, ((x, y) for x, y in points if y is not None))
    for metric, native in (
        ("llm.input_tokens", "prompt_eval_count"),
        ("llm.output_tokens", "eval_count"),
    ):
        if counts := [count for count in _known(group, native) if count]:
            series.add(metric, "mean", math.fsum(counts) / len(counts), native=native)
    native = "prompt_eval_cached_count"
    if cached := _known(group, native):
        series.add("llm.cached_tokens", "value", float(sum(cached)), native=native)
    if any(cached):
        recorder.note("Requests of which a cache had a part have no prompt rate.")
    _load(series, group)


def _load(series: Series, group: Sequence[_Answer]) -> None:
    """Add the load time apart: it belongs to the first request, which it makes look slow."""
    recorder, first = series.recorder, group[0].load_duration if group else None
    totals = _known(group[1:] or group, "total_duration")
    status = Status.OK
    if first is not None:
        native = "load_duration of the first request"
        series.add("llm.load_time", "value", first, native=native)
        recorder.note("The load time is that of the model if it was not loaded before.")
    if len(group) == 1 and first:
        status = Status.SUSPECT  # the load is inside
        recorder.note("The only request's total duration includes the load of the model.")
    elif totals and len(group) > 1:
        recorder.note("The first request, which may include a load, is not in the total durations.")
    series.spread(_TOTAL, outputs.distribution(totals), native="total_duration", status=status)


def _known(group: Sequence[_Answer], name: str) -> list[Any]:
    return [value for answer in group if (value := getattr(answer, name)) is not None]


_ANSWERS = "Ollama's API answers (/api/generate, /api/chat), as JSON, JSON lines or whole streams"
ANSWERS = Reader("ollama-api", _ANSWERS, knows_answers, read_answers, outputs.ServedHere)
_TEXT = "`ollama run --verbose`, and server logs of Ollama and llama.cpp"
TEXT = Reader("ollama-text", _TEXT, knows_text, read_text, outputs.ServedHere, text=True)
