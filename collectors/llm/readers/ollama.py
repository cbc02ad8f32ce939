"""What Ollama says of its own work: API answers, ``--verbose`` text, server logs.

Fields as in ollama/api/types.go (durations in ns, all omitempty: an absent one is not 0), the
text as its `Metrics.Summary` prints it, and the timings as llama.cpp's server logs them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.asked import agreed
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
from sitegen.model import Comparability, MetricDefinition, Status, ToolIdentity

ANSWER_ASKS = {
    name: ASKS[name]
    for name in ("model", "weights", "threads", "cpus", "input_tokens", "output_tokens")
}
TEXT_ASKS = {"engine": ASKS["engine"], **ANSWER_ASKS}
# Not one workload: llama.cpp's own rates leave out the first token, Ollama's do not.
WORKLOAD = "ollama-eval"
LOG_WORKLOAD = "server-log"
_TOTAL = "llm.ollama.total_duration"
DEFINITIONS: Mapping[str, MetricDefinition] = {
    _TOTAL: MetricDefinition(
        _TOTAL,
        "Time in the server",
        "s",
        "lower",
        "From a request's arrival in Ollama to its end, as the server counts; a model that is "
        "loaded first is included.",
    )
}
_NANO = 1e9
_MILLI = 1e3
_MUST_MATCH = Comparability.MUST_MATCH
_CENT = 0.01  # rates are printed with two decimals
_MAX_LINES = 5_000_000
_MAX_LINE = 20_000
_DURATIONS = re.compile(rb'"(?:eval|total)_duration"\s*:')
_DONE = re.compile(rb'"done"\s*:\s*true')
_EVAL_LINE = re.compile(rb"(?m)^[ \t]*eval rate:[ \t]+\S+ tokens/s")
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
    r"\[GIN\] .{19,25}\| +(\d{3}) \|.*\| POST +"
    r"\"(?:/api/(?:generate|chat)|/v1/(?:chat/)?completions)\""
)
_NOTE_N = (
    "Ollama's eval rate divides all n tokens by the time of the n - 1 after the first where its "
    "server counts so, which is n/(n-1) high: compare it at equal output length only."
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One finished request; ``rate`` and ``prompt_rate`` as printed, where text printed them."""

    model: str | None = None
    start: float | None = None
    total: float | None = None
    load: float | None = None
    prompt_count: float | None = None
    prompt_time: float | None = None
    cached: float | None = None
    count: float | None = None
    time: float | None = None
    rate: tuple[float, str] | None = None
    prompt_rate: tuple[float, str] | None = None

    @property
    def eval_rate(self) -> float | None:
        return self.rate[0] if self.rate else _ratio(self.count, self.time)

    @property
    def prompt_eval_rate(self) -> float | None:
        if self.cached:  # counted, and not computed: the rate would be too high
            return None
        return (
            self.prompt_rate[0] if self.prompt_rate else _ratio(self.prompt_count, self.prompt_time)
        )


def _ratio(count: float | None, time: float | None) -> float | None:
    return count / time if count and time else None


def knows_answers(data: bytes) -> bool:
    """Tell whether ``data`` has a last answer of Ollama's API."""
    return bool(_DURATIONS.search(data) and _DONE.search(data))


def knows_text(data: bytes) -> bool:
    """Tell whether ``data`` has an eval rate as printed, or llama.cpp's timings."""
    return not knows_answers(data) and bool(_EVAL_LINE.search(data) or _TIMING_LINE.search(data))


def read_answers(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run of all the last answers in ``data``, which may hold whole streams."""
    replies = given(ANSWER_ASKS, settings)
    finding = Finding(ToolIdentity("ollama", ""), DEFINITIONS)
    answers: list[_Answer] = []
    errors = empty = 0
    started: list[str] = []
    for fields in documents.objects(data, noise=True):
        if fields.values.get("error") is not None:
            errors += 1
        if fields.values.get("done") is not True or fields.text("done_reason") in {
            "load",
            "unload",
        }:
            continue
        answer = _answer(fields)
        if created := fields.text("created_at"):
            where = fields.where("created_at")
            started.append(documents.utc(created, where, less=answer.total or 0.0)[0])
        if answer.count is None and answer.time is None:
            empty += 1
        else:
            answers.append(answer)
    if not answers and not errors + empty:
        raise SitegenError("there is no finished request in it", where="ollama-api")
    finding.started_at = min(started, default="")
    finding.set("api", "ollama")
    finding.set("token_source", "eval_count")
    finding.note(_NOTE_N)
    bad = {"error": (errors, "error"), "zero-tokens": (empty, "answers without eval_count")}
    about = _About("ollama", threads=replies.get("threads"), bad=bad if errors + empty else {})
    _write(finding, answers, replies, about)
    return (finding.found(),)


def _answer(fields: Fields) -> _Answer:
    def seconds(key: str) -> float | None:
        value = fields.number(key)
        return None if value is None else value / _NANO

    return _Answer(
        model=fields.text("model"),
        total=seconds("total_duration"),
        load=seconds("load_duration"),
        prompt_count=_not_zero(fields.count("prompt_eval_count")),
        prompt_time=seconds("prompt_eval_duration"),
        cached=fields.count("prompt_eval_cached_count"),
        count=_not_zero(fields.count("eval_count")),
        time=seconds("eval_duration"),
    )


def _not_zero(value: int | None) -> float | None:
    return float(value) if value else None


def read_text(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run of what a terminal or a log recorded, with the settings that it shows."""
    replies = given(TEXT_ASKS, settings)
    documents.check_size(data)
    # A log may hold anything; only what is recognised is read, and that is ASCII but for a sign.
    lines = data.decode("utf-8", "replace").split("\n")
    if len(lines) > _MAX_LINES:
        raise SitegenError(f"has more than {_MAX_LINES} lines")
    # Figures stand on short lines; a very long one is no log's.
    lines = [line if len(line) <= _MAX_LINE else "" for line in lines]
    printed, timings = list(_verbose(lines)), list(_timings(lines))
    if not printed and not timings:
        raise SitegenError("there is no rate and no request in it", where="ollama-text")
    log = _Log.of(lines)
    ollama = log.ollama or bool(printed)
    tool = ToolIdentity("ollama" if ollama else "llama-server", log.version)
    finding = Finding(tool, DEFINITIONS, started_at=log.started_at)
    if printed and log.served and log.served != len(printed):
        finding.note(
            f"The log has {log.served} answered requests and {len(printed)} printed rates: "
            "only what is printed is imported."
        )
    if printed and timings:
        finding.note("The log's own timings of the same requests are not imported a second time.")
    finding.note(_NOTE_N if printed else _convention(timings))
    for name, value in log.settings.items():
        finding.set(name, value, Comparability.CAVEAT if name == "library" else _MUST_MATCH)
    for name, value in log.facts.items():
        finding.fact(name, value, "the imported log")
    finding.set("cpus_seen", log.cpus_seen, Comparability.CAVEAT)
    about = _About(
        engine=agreed(replies, "engine", "ollama" if ollama else None),
        workload=WORKLOAD if printed else LOG_WORKLOAD,
        model=log.model,
        threads=agreed(replies, "threads", log.threads),
        bad={"http": (log.refused, "answers in the log that are not 200")} if log.served else {},
    )
    _write(finding, printed or timings, replies, about)
    return (finding.found(),)


def _verbose(lines: Sequence[str]) -> Iterator[_Answer]:
    """Yield an answer for each block of ``--verbose``; a lone eval rate is one too."""
    block: dict[str, Any] = {}
    fields = {
        "total duration": "total", "load duration": "load", "prompt eval count": "prompt_count",
        "prompt eval duration": "prompt_time", "prompt eval rate": "prompt_rate",
        "eval count": "count", "eval duration": "time", "eval rate": "rate",
    }  # fmt: skip
    for number, line in enumerate(lines, 1):
        if not (match := _VERBOSE.fullmatch(line)):
            continue
        key, text, unit = match.groups()
        where = f"line {number}: {key}"
        if block and (fields[key] in block or key == "total duration"):
            yield _block(block)
            block = {}
        if "duration" in key and not unit:
            block[fields[key]] = go_duration(text, where)
        elif "count" in key and unit == "token(s)":
            block[fields[key]] = documents.decimal(text, where)
        elif "rate" in key and unit == "tokens/s":
            block[fields[key]] = (documents.decimal(text, where), text)
        else:
            raise SitegenError(f"{text[:40]!a} is not what is printed there", where=where)
        block["at"] = f"line {number}"
    if block:
        yield _block(block)


def _block(block: dict[str, Any]) -> _Answer:
    at = block.pop("at")
    answer = _Answer(**block)
    if answer.rate is None and answer.count is None:
        raise SitegenError("the figures of a request break off: it has no eval rate", where=at)
    for printed, count, time in (
        (answer.rate, answer.count, answer.time),
        (answer.prompt_rate, answer.prompt_count, answer.prompt_time),
    ):
        exact = _ratio(count, time)
        if not printed or not exact or near(printed[0], exact, _CENT):
            continue
        if abs(printed[0] - exact) > _CENT:
            raise SitegenError(
                f"{count:g} tokens in {time:g} s are not {printed[1]} tokens/s", where=at
            )
    return answer


def _timings(lines: Sequence[str]) -> Iterator[_Answer]:
    """Yield an answer for each pair of llama.cpp's timings: of the prompt, then of the output."""
    prompt: tuple[float, float, tuple[float, str]] | None = None
    for number, line in enumerate(lines, 1):
        if not (match := _TIMING.search(line)):
            continue
        kind, time, count, rate = match.groups()
        where = f"line {number}: {kind} time"
        if rate in {"inf", "nan", "-nan"}:  # nothing to compute: all of the prompt was cached
            rate = "0"
        figures = (
            documents.decimal(count, where),
            documents.decimal(time, where) / _MILLI,
            (documents.decimal(rate, where), rate),
        )
        if kind == "prompt eval":
            prompt = figures
            continue
        start = prompt or (None, None, None)
        yield _Answer(
            prompt_count=start[0],
            prompt_time=start[1],
            prompt_rate=start[2] if start[2] and start[2][0] else None,
            count=figures[0],
            time=figures[1],
            rate=figures[2] if figures[2][0] else None,
        )
        prompt = None


def _convention(timings: Sequence[_Answer]) -> str:
    """Say whether the printed rates are n tokens, or n - 1, in the printed time."""
    votes = [0, 0]
    for answer in timings:
        if answer.rate and answer.count and answer.time and answer.count > 1:
            all_tokens = answer.count / answer.time
            after_first = (answer.count - 1) / answer.time
            votes[abs(answer.rate[0] - after_first) < abs(answer.rate[0] - all_tokens)] += 1
    if votes[0] == votes[1]:
        return "Whether the printed rates count the first token cannot be told."
    said = "n - 1 tokens, without the first," if votes[1] > votes[0] else "all n tokens"
    return f"The printed eval rates are {said} in the printed time."


def go_duration(text: str, where: str) -> float:
    """Return the seconds of a duration as Go prints it: 1h10m22s, 820.5ms, 59.042µs.

    Raises SitegenError for anything else.
    """
    if text == "0s":
        return 0.0
    if not _GO_DURATION.fullmatch(text):
        raise SitegenError(f"{text[:40]!a} is not a duration", where=where)
    return math.fsum(float(n) * _GO_UNITS[unit] for n, unit in _GO_PART.findall(text))


@dataclass(slots=True)
class _Log:
    """What a server's log shows besides timings."""

    ollama: bool = False
    version: str = ""
    model: str | None = None
    threads: str | None = None
    cpus_seen: str | None = None
    started_at: str = ""
    served: int = 0
    refused: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Sequence[str]) -> _Log:
        """Return what ``lines`` show; the last word on each thing counts."""
        log = cls()
        names: dict[str, str] = {}
        for line in lines:
            if match := _REQUEST.search(line):
                log.ollama = True
                log.served += match[1] == "200"
                log.refused += match[1] != "200"
                continue
            for pattern, name in _SHOWN if _MARKS.search(line) else ():
                if (match := pattern.search(line)) and match[1].isprintable():
                    names[name] = match[1].strip()[:200]
            if not log.started_at and (match := _LOG_TIME.match(line)):
                log.started_at = _time_of(match[1])
        log.take(names)
        return log

    def take(self, names: Mapping[str, str]) -> None:
        """Keep what ``names`` has of each kind."""
        self.ollama = self.ollama or "version" in names or "runner" in names
        self.version = names.get("version", "")
        self.model = names.get("model_name") or names.get("general.name")
        if not self.model and "model_file" in names:
            self.model = documents.file_name(names["model_file"]).removesuffix(".gguf")
        self.threads, self.cpus_seen = names.get("threads"), names.get("cpus_seen")
        kept = ("parallel", "context", "batch", "quantisation", "library", "kv_cache")
        self.settings = {name: names[name] for name in kept if name in names}
        self.facts = {name: names[name] for name in ("cpu", "memory", "gpu", "os") if name in names}


_LOG_TIME = re.compile(r"time=(\d{4}-\d\d-\d\dT\S{8,24}(?:Z|[+-]\d\d:\d\d))\s")
_RUNNER = r"starting (?:llama server|runner|llama-server)\"? .*"
# One look instead of eighteen at the many lines that show nothing.
_MARKS = re.compile(
    r"version|ollama|starting |system_info|threadpool|initializing|loading model|inference compute"
    r"|print_info|general\.name|model_name|type_k|system memory|cpu_info|gpu_info"
)
_SHOWN = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\(version (\d[\w.+-]{0,30})\)", "version"),
        (r"^ollama_version: (\d[\w.+-]{0,30})$", "version"),
        (r"(ollama) runner ", "runner"),
        (_RUNNER + r"--threads (\d{1,5})\b", "threads"),
        (_RUNNER + r"--parallel (\d{1,5})\b", "parallel"),
        (_RUNNER + r"--ctx-size (\d{1,9})\b", "context"),
        (_RUNNER + r"--batch-size (\d{1,9})\b", "batch"),
        (r"system_info: n_threads = (\d{1,5})\b", "threads"),
        (r"llama threadpool init, n_threads = (\d{1,5})\b", "threads"),
        (r"initializing, n_slots = (\d{1,5})\b", "parallel"),
        (r"initializing, .*n_ctx_slot = (\d{1,9})\b", "context"),
        (r"load_model: loading model '([^']{1,500})'", "model_file"),
        (r"system_info: n_threads = \d+ (?:\(n_threads_batch = \d+\) )?/ (\d{1,5})\b", "cpus_seen"),
        (r"msg=\"inference compute\".* library=(\w{1,20})", "library"),
        (r"print_info: file type +=(.{1,40})$", "quantisation"),
        (r"general\.name +(?:str +)?=(.{1,120})$", "general.name"),
        (r"^model_name = +(\S.{0,120})$", "model_name"),
        (r"type_k = '(\w{1,10})'", "kv_cache"),
        (r"msg=\"system memory\" total=\"([^\"]{1,30})\"", "memory"),
        (r"^cpu_info: (.{1,120})$", "cpu"),
        (r"^gpu_info: (?!no_gpu)(.{1,120})$", "gpu"),
        (r"^os_version: \"?([^\"]{1,80})", "os"),
    )
)


def _time_of(text: str) -> str:
    try:
        return documents.utc(text, "time")[0]
    except SitegenError:
        return ""  # a log may hold anything


@dataclass(frozen=True, slots=True)
class _About:
    """What holds for all requests of a file; ``bad`` is empty where it cannot show failures."""

    engine: str | None
    workload: str = WORKLOAD
    model: str | None = None
    threads: str | None = None
    bad: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def _write(
    finding: Finding, answers: Sequence[_Answer], replies: Mapping[str, str], about: _About
) -> None:
    _threads(finding, about.threads, replies.get("cpus"))
    stated = sorted({answer.model for answer in answers if answer.model})
    names: Sequence[str | None] = stated or [about.model]
    for name in names:
        group = [answer for answer in answers if answer.model in {name, None}]
        series = finding.series(
            about.workload,
            model=agreed(replies, "model", documents.model_name(name) if name else None),
            engine=about.engine,
            weights=replies.get("weights"),
            input_tokens=_length(replies, "input_tokens", group, "prompt_count"),
            output_tokens=_length(replies, "output_tokens", group, "count"),
        )
        _group(finding, series, group)
        if about.bad and len(names) == 1:
            failures(series, len(group), about.bad)
        else:
            series.add("llm.requests", "value", float(len(group)), "answers")
    if len(names) > 1 and any(count for count, _ in about.bad.values()):
        finding.note("Failed requests do not say which model they were for and are not counted.")


def _threads(finding: Finding, threads: str | None, cpus: str | None) -> None:
    """Record threads and CPUs: too many of the one for the other undoes any comparison."""
    finding.set("threads", threads)
    finding.set("cpu_quota", cpus)
    if threads and cpus and float(threads) > float(cpus):
        finding.note(
            f"{threads} threads with {cpus} CPU(s) to use: under a quota they wait for one "
            "another, and the rate says more of that than of the machine."
        )
    elif threads not in {None, "1"} and not cpus:
        finding.note(
            f"The server computed with --threads {threads}; how many CPUs it might use is not "
            "shown, and more threads than CPUs slow it down several times: say it with "
            "--set cpus=."
        )


def _length(
    replies: Mapping[str, str], name: str, group: Sequence[_Answer], attribute: str
) -> str | None:
    lengths = {getattr(answer, attribute) for answer in group}
    one = lengths.pop() if len(lengths) == 1 else None
    return agreed(replies, name, f"{one:g}" if one and len(group) > 1 else None)


def _group(finding: Finding, series: Series, group: Sequence[_Answer]) -> None:
    for metric, attribute, printed_by, native in (
        ("llm.eval_rate", "eval_rate", "rate", "eval rate"),
        ("llm.prompt_eval_rate", "prompt_eval_rate", "prompt_rate", "prompt eval rate"),
    ):
        values = [value for answer in group if (value := getattr(answer, attribute)) is not None]
        printed = [pair[1] for answer in group if (pair := getattr(answer, printed_by))]
        if len(values) == 1:
            text = printed[0] if printed else None
            series.add(metric, "mean", values[0], native, printed=text)
        else:
            series.spread(metric, distribution(values), native)
        series.points(metric, _placed(group, attribute))
    for metric, attribute, native in (
        ("llm.input_tokens", "prompt_count", "prompt_eval_count"),
        ("llm.output_tokens", "count", "eval_count"),
    ):
        values = [value for answer in group if (value := getattr(answer, attribute)) is not None]
        if values:
            series.add(metric, "mean", math.fsum(values) / len(values), native)
    cached = [answer.cached for answer in group if answer.cached is not None]
    if cached:
        series.add("llm.cached_tokens", "value", math.fsum(cached), "prompt_eval_cached_count")
    if any(cached):
        finding.note(
            "prompt_eval_count includes tokens that came from the cache and prompt_eval_duration "
            "does not: no prompt rate is given for those requests."
        )
    _load(finding, series, group)


def _load(finding: Finding, series: Series, group: Sequence[_Answer]) -> None:
    """Add the load time apart: it belongs to the first request, which it makes look slow."""
    first = group[0].load if group else None
    if first is not None:
        series.add("llm.load_time", "value", first, "load_duration of the first request")
        finding.note(
            "load_duration of the first request is the model's load time if the model was not "
            "loaded before; it is shown apart."
        )
    totals = [answer.total for answer in (group[1:] or group) if answer.total is not None]
    status = Status.OK
    if len(group) == 1 and first:
        status = Status.SUSPECT  # the load is inside
        finding.note("The only request's total duration includes the load of the model.")
    elif len(group) > 1 and totals:
        finding.note("The first request, which may include a load, is not in the total durations.")
    series.spread(_TOTAL, distribution(totals), "total_duration", status)


def _placed(group: Sequence[_Answer], attribute: str) -> Iterator[tuple[float, float]]:
    """Yield the values by the time before them, where every request says how long it took."""
    totals = [answer.total for answer in group]
    if any(total is None for total in totals):
        return
    starts = itertools.accumulate((total or 0.0 for total in totals), initial=0.0)
    for start, answer in zip(starts, group, strict=False):
        value = getattr(answer, attribute)
        if value is not None:
            yield start, value


ANSWERS = Reader(
    "ollama-api",
    "Ollama's API answers (/api/generate, /api/chat), as JSON, JSON lines or whole streams",
    knows_answers,
    read_answers,
    ANSWER_ASKS,
)
TEXT = Reader(
    "ollama-text",
    "`ollama run --verbose`, and server logs of Ollama and llama.cpp",
    knows_text,
    read_text,
    TEXT_ASKS,
)
