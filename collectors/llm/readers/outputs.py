"""What readers have in common: what they ask of a user, names, times, JSON, failed requests."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from collectors.llm import measures
from sitegen.collect import Recorder, Series, decode, settings, timestamp
from sitegen.collect.decode import Form
from sitegen.collect.settings import Count, Positive, Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Doubt, MetricDefinition, Params, params

_ASKED = ("engine", "weights", "input_tokens", "output_tokens")
#: What the tools measure that sitegen does not.
_METRICS = Path(__file__).with_name("metrics.txt")
_LIST = re.compile(r"^\[\s*$", re.MULTILINE)
#: Where a download names the repository that it is of; its last folder is a commit.
_CACHED = re.compile(r"(?:^|[\\/])models--([^\\/]+)")
_MODELSCOPE = re.compile(r"modelscope/(?:hub/)?(?:models/)?([^/]+/[^/]+)$")
_HUB = re.compile(r"^(?:hf://|https?://(?:huggingface\.co|hf\.co)/)(?:models/)?([^/]+/[^/]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVISION = re.compile(rf"[@:](?:{_COMMIT.pattern})$")


Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
BatchSize: TypeAlias = Annotated[Count | None, described("prompts in one batch")]
_Threads: TypeAlias = Annotated[
    Count | None, described("CPU threads that the server computed with")
]
_Cpus: TypeAlias = Annotated[
    Positive | None, described("CPUs that the server might use (docker --cpus, a cgroup's quota)")
]


class Asks(Settings, frozen=True):
    """What was run."""

    model: Annotated[
        Name | None, described("name of the model, where the file does not say it")
    ] = None
    weights: Annotated[Literal["real", "random"] | None, described("of the model")] = None


class Computed(Asks, frozen=True):
    """An engine without a server."""

    threads: _Threads = None
    cpus: _Cpus = None


class Lengths(Asks, frozen=True):
    """Requests of one length."""

    input_tokens: Annotated[Count | None, described("nominal length of a prompt")] = None
    output_tokens: Annotated[Count | None, described("nominal length of an answer")] = None


class Served(Lengths, frozen=True):
    """Requests to a server."""

    engine: Annotated[
        Name | None, described("what served it: vllm, sglang, llama.cpp, ollama ...")
    ] = None


class Judged(Served, frozen=True):
    """Requests that had to meet an objective."""

    slo: Annotated[
        Name | None,
        described("the objective that goodput was counted with, such as ttft=2s,tpot=100ms"),
    ] = None


class ServedHere(Served, frozen=True):
    """Requests to a server on CPUs."""

    threads: _Threads = None
    cpus: _Cpus = None


def having(*keys: bytes) -> Callable[[bytes], bool]:
    """Return what tells whether an output has all of ``keys``."""
    return lambda data: all(key in data for key in keys)


def file_name(path: str) -> str:
    """Return the last part of ``path``: the folders say more of a machine than of a model."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or path


def model_name(name: str | None) -> str | None:
    """Return a model's name, of a path on somebody's machine only what names the model in it.

    A commit is no name: None where nothing else is there.
    """
    path = _REVISION.sub("", (name or "").strip().rstrip("\\/"))
    if match := _CACHED.search(path):
        return match[1].replace("--", "/", 1)
    if match := _HUB.match(path):
        return match[1]
    path = re.split(r"[\\/]snapshots(?:[\\/]|$)", path)[0]
    parts = [part for part in re.split(r"[\\/]", path) if not _COMMIT.fullmatch(part)]
    if match := _MODELSCOPE.search("/".join(parts)):
        return match[1].replace("___", ".")
    local = path.startswith(("/", "~", ".")) or "\\" in path or len(parts) > 2  # noqa: PLR2004 - an owner and a name
    return (parts[-1] if local and parts else "/".join(parts)) or None


def agreed_model(given: str | None, stated: str | None) -> str | None:
    """Return the fuller of two names of one model; raises SitegenError for two models."""
    ours, theirs = model_name(given), model_name(stated)
    if ours and theirs and file_name(ours).casefold() == file_name(theirs).casefold():
        longer = "/" in ours and "/" not in theirs
        same = ours.casefold() == theirs.casefold() or "/" not in ours
        if longer or same:
            return ours if longer else theirs
    return settings.agreed("model", ours, theirs)


def aware(moment: datetime) -> datetime:
    """Return a time with its zone: UTC where it names none."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def utc(moment: datetime, less_s: float = 0.0) -> str:
    """Return a time, in UTC where it names no zone, ``less_s`` earlier, as an archive has it."""
    try:
        return timestamp(aware(moment).astimezone(UTC) - timedelta(seconds=less_s))
    except OverflowError as error:
        raise SitegenError(f"{less_s:g} s before {moment} is no time") from error


def documents(data: bytes, form: type[Form]) -> list[Form]:
    """Return the documents in ``data``, as `decode.documents`, also in a terminal's record.

    Lines that are no JSON may stand between them. Raises SitegenError for a damaged one: it
    must not pass for such a line, which would drop a result in silence.
    """
    try:
        return decode.documents(data, form)
    except SitegenError:
        text = data.decode("utf-8-sig", "replace")
        if start := _LIST.search(text):
            kept = text[start.start() : max(text.rfind("]") + 1, start.end())]
        else:
            kept = "\n".join(line if _is_json(line) else "" for line in text.split("\n"))
        if kept.strip() == text.strip() and len(kept.strip().split("\n")) > 1 and not start:
            return _by_line(text, form)
        if kept.strip() in {"", text.strip()}:
            raise
    return decode.documents(kept, form)


def _by_line(text: str, form: type[Form]) -> list[Form]:
    """Return a document a line, also where the first has Python's own Infinity.

    Raises SitegenError where a line is none.
    """
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [decode.document(line, form, f"line {n}") for n, line in lines]


def _is_json(line: str) -> bool:
    return line.lstrip().startswith("{") or line.rstrip().endswith("}")


def definitions(*tools: str) -> tuple[MetricDefinition, ...]:
    """Return the metrics of ``tools`` in `metrics.txt`, a paragraph each.

    Its first line is ``id | title | unit | better``, the id without its ``llm.``; the others are
    the definition.
    """
    paragraphs = _METRICS.read_text("utf-8").strip().split("\n\n")
    return tuple(
        MetricDefinition(f"llm.{name}", title, unit, better, " ".join(words))
        for head, *words in map(str.splitlines, paragraphs)
        for name, title, unit, better in [head.split(" | ")]
        if name.partition(".")[0] in tools
    )


def distribution(values: Sequence[float]) -> dict[str, float]:
    """Return mean, stddev, min, max, and each percentile that one value can lie beyond.

    Percentiles by linear interpolation and the population's standard deviation, as NumPy and
    with it vLLM's benchmark compute them by default. Empty for no values.
    """
    if not values:
        return {}
    ordered = sorted(values)
    figures = measures.averages(ordered)
    if len(ordered) > 1:
        mean = figures["mean"]
        variance = math.fsum((value - mean) ** 2 for value in ordered) / len(ordered)
        figures |= {"min": ordered[0], "max": ordered[-1], "stddev": math.sqrt(variance)}
    return figures


def failures(series: Series, good: int, bad: Mapping[str, tuple[int, str]]) -> None:
    """Add how many requests there were and how many failed, in all and by cause.

    ``bad`` has the count and the tool's own name by cause; one without a request is left out.
    """
    failed = sum(count for count, _ in bad.values())
    names = ", ".join(dict.fromkeys(name for _, name in bad.values()))
    series.add("llm.requests", "value", float(good + failed), native=f"completed and {names}")
    series.add("llm.failed_requests", "value", float(failed), native=names)
    for cause, (count, name) in bad.items():
        if count:
            about = params(reason=cause)
            series.add("llm.failed_requests", "value", float(count), native=name, about=about)
    if good + failed:
        series.add("llm.error_rate", "value", failed / (good + failed), native=names)


def about(asks: Asks, model: str | None = None, **stated: object) -> Params:
    """Return what tells series apart: what an output states, and the user where it does not.

    Raises SitegenError where the two differ.
    """
    stated["model"] = agreed_model(asks.model, model)
    for name in _ASKED:
        stated[name] = settings.agreed(name, getattr(asks, name, None), stated.get(name))
    return params(**stated)


def unstated(series: Series, asks: Asks, *names: str) -> None:
    """Doubt a series of which neither its output nor a user states one of ``names``.

    A length is stated too where its mean is measured.
    """
    pairs = dict(series.params)
    missing = [name for name in names if name not in pairs]
    if any(name != "model" for name in missing):  # a file may have thousands of series
        rows = {
            row.metric
            for row in series.recorder.measurements[series.before :]
            if row.workload == series.workload and pairs.items() <= dict(row.params).items()
        }
        missing = [name for name in missing if f"llm.{name}" not in rows]
    sentences = ["The file does not name the model."] if "model" in missing else []
    if others := [name for name in missing if name != "model"]:
        words = ", ".join(name.replace("_", " ") for name in others)
        say = ", ".join(f"--set {name}=" for name in others if hasattr(asks, name))
        sentences.append(f"The file does not state {words}{say and f': say it with {say}'}.")
    if sentences:
        series.recorder.doubt(Doubt.NOT_STATED, " ".join(sentences), series.workload)


def note_crowd(recorder: Recorder, threads: int | None, cpus: float | None) -> None:
    """Keep how many CPUs there were, and note more threads: that undoes any comparison."""
    recorder.parameter("cpu_quota", cpus and f"{cpus:g}")
    if threads and cpus and threads > cpus:
        recorder.note(f"{threads} threads with {cpus:g} CPU(s) to use: they wait for one another.")
