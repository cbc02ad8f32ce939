"""What aiperf and genai-perf write: statistics by metric, as JSON or CSV.

Leaves as in aiperf's export_models.py and genai-perf's exporters: ``<tag>{unit, avg, min, max,
p1..p99, std}``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.asked import agreed
from collectors.llm.readers import documents
from collectors.llm.readers.documents import Fields
from collectors.llm.readers.finding import ASKS, Finding, Series, failures, given
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, MetricDefinition, Status, ToolIdentity, params

PERF_ASKS = {
    name: ASKS[name]
    for name in (
        *("model", "engine", "weights", "input_tokens", "output_tokens"),
        *("concurrency", "rate", "slo"),
    )
}
_OWN = """
aiperf.time_to_second_token | Time from the first token to the second | s | lower
From a request's first response to its second.
aiperf.time_to_first_output_token | Time to the first token of the answer | s | lower
From the sending of a request to its first token that is not reasoning.
aiperf.prefill_throughput | Prompt tokens a second of TTFT | tokens/s | higher
Input tokens of a request divided by its time to first token, waiting included.
aiperf.reasoning_token_count | Reasoning tokens a request | count | none
Tokens of an answer that are reasoning.
aiperf.output_token_throughput_per_user | Output tokens a second and user | tokens/s | higher
One divided by a request's TPOT; a decode rate counts its first token too and is n/(n-1) higher.
genai-perf.inter_token_latency | Time per token of a chunk | s | lower
Gaps between chunks divided by the tokens of the later one; by request in some versions.
genai-perf.time_to_second_token | Time from the first token to the second | s | lower
From a request's first response to its second.
genai-perf.output_token_throughput_per_request | Output rate of a request | tokens/s | higher
Output tokens of a request divided by its whole latency, TTFT included.
genai-perf.output_token_throughput_per_user | Output tokens a second and user | tokens/s | higher
One divided by genai-perf's inter-token latency.
""".strip().splitlines()
DEFINITIONS: Mapping[str, MetricDefinition] = {
    f"llm.{name}": MetricDefinition(f"llm.{name}", title, unit, better, text)
    for head, text in zip(_OWN[::2], _OWN[1::2], strict=True)
    for name, title, unit, better in [head.split(" | ")]
}
#: Tags that mean what ours means, in both tools, and those that do in aiperf only.
_SHARED = {
    "request_latency": "llm.e2e_latency",
    "time_to_first_token": "llm.ttft",
    "output_sequence_length": "llm.output_tokens",
    "input_sequence_length": "llm.input_tokens",
}
_AIPERF = {
    "inter_token_latency": "llm.tpot",
    "inter_chunk_latency": "llm.inter_chunk_latency",
}
_WHOLE = {
    "request_throughput": "llm.request_throughput",
    "output_token_throughput": "llm.output_token_throughput",
    "total_token_throughput": "llm.total_token_throughput",
}
_OLD_TAGS = {
    "num_output_token": "output_sequence_length",
    "num_input_token": "input_sequence_length",
}
_UNITS = {
    "s": {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0},
    "tokens/s": {"tokens/sec": 1.0, "tokens per sec": 1.0, "tokens/sec/user": 1.0, "per sec": 1.0},
    "1/s": {"requests/sec": 1.0, "per sec": 1.0, "requests per sec": 1.0},
    "count": {"tokens": 1.0, "requests": 1.0, "count": 1.0, "": 1.0},
}
_STATISTICS = {
    "avg": "mean", "min": "min", "max": "max", "std": "stddev",
    **{f"p{percent}": f"p{percent}" for percent in (50, 75, 90, 95, 99)},
}  # fmt: skip
_MEANS_ONLY = {"llm.output_tokens", "llm.input_tokens"}
_TAGS = (rb'"request_throughput"\s*:\s*\{', rb'"request_latency"\s*:\s*\{')
_LEAF = re.compile(rb'"(?:avg|unit)"\s*:')
_RECORDS = (rb'"request_start_ns"\s*:', rb'"metrics"\s*:')
_RAW = (rb'"experiments"\s*:', rb'"response_timestamps"\s*:')
_TABLE = re.compile(rb"(?m)^Metric,avg,min,max,")
_REQUEST_ROW = re.compile(rb"(?m)^\"?Request Latency \(")
_TITLE = re.compile(r"([A-Za-z0-9 ]{1,60}?)(?: \(([^()]{0,30})\))?")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_MAX_LINES = 10_000
_APIS = {"chat": "openai-chat", "completions": "openai-completions"}


def _all(patterns: Sequence[bytes], data: bytes) -> bool:
    return all(re.search(pattern, data) for pattern in patterns)


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is aiperf's or genai-perf's, also the files that `read` refuses."""
    summary = _all(_TAGS, data) and _LEAF.search(data)
    table = _TABLE.search(data) and _REQUEST_ROW.search(data)
    return bool(summary or table) or _all(_RECORDS, data) or _all(_RAW, data)


@dataclass(frozen=True, slots=True)
class _Export:
    """One file: its leaves by tag, and what else it says."""

    tool: str
    leaves: Mapping[str, Fields]
    about: Fields
    quoted: bool = False
    errors: int | None = None
    model: str | None = None
    api: str | None = None
    concurrency: int | None = None
    rate: float | None = None
    arrivals: str | None = None
    warmup: int | None = None


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the run that a summary of aiperf or genai-perf describes."""
    answers = given(PERF_ASKS, settings)
    table = bool(_TABLE.search(data))
    if not table and not _all(_TAGS, data):
        raise SitegenError(
            "holds single requests, and the summary beside it is what is read",
            fix="import profile_export_aiperf.json or profile_export_genai_perf.json",
        )
    export = _of_table(documents.decoded(data)) if table else _of_json(data)
    return (_found(export, answers),)


def _of_json(data: bytes) -> _Export:
    exports = documents.objects(data)
    if len(exports) != 1:
        raise SitegenError(f"holds {len(exports)} objects, and one is a summary")
    top = exports[0]
    ours = {"aiperf_version", "was_cancelled", "benchmark_duration", "min_request_timestamp"}
    tool = "aiperf" if ours & top.values.keys() else "genai-perf"
    wanted = {*_SHARED, *_AIPERF, *_WHOLE, *_OLD_TAGS, *_own(tool)}
    wanted |= {"request_count", "error_request_count", "goodput", "request_goodput"}
    wanted |= {"benchmark_duration", "total_output_tokens", "output_token_count"}
    leaves = {}
    for tag in top.values:
        if tag in wanted and (leaf := top.inner(tag)) is not None:
            leaves[_OLD_TAGS.get(tag, tag)] = leaf
    config = top.inner("input_config") or Fields("input_config", {})
    load = _load(config)
    one = _model(config)
    kind = config.find("endpoint", "type") or config.find("endpoint_type")
    rows = top.objects("error_summary")
    return _Export(
        tool=tool,
        leaves=leaves,
        about=top,
        quoted=tool == "genai-perf",
        errors=None if rows is None else sum(row.count("count") or 0 for row in rows),
        model=documents.plain(one, "input_config: model") if one else None,
        api=_APIS.get(kind) if isinstance(kind, str) else None,
        concurrency=load.count("concurrency") or None,
        rate=load.number("request_rate") or load.number("rate") or None,
        arrivals=load.text("request_rate_mode") or load.text("type"),
        warmup=load.count("warmup_request_count"),
    )


def _load(config: Fields) -> Fields:
    """Return where the load is described; each of the tools has moved it once."""
    phases = config.objects("phases")
    if phases is not None:
        measured = [
            phase
            for phase in phases
            if "profiling" in {phase.values.get("kind"), phase.values.get("name")}
        ]
        # Of several phases together the figures have no one load.
        return measured[0] if len(measured) == 1 else Fields("input_config: phases", {})
    for path in (("loadgen",), ("perf_analyzer", "stimulus")):
        inner = config.find(*path)
        if isinstance(inner, dict):
            return Fields(f"input_config: {': '.join(path)}", inner)
    return config


def _model(config: Fields) -> str | None:
    """Return the model's name where there is one alone."""
    items = config.find("models", "items")
    found = (
        [item.get("name") for item in items if isinstance(item, dict)]
        if isinstance(items, list)
        else config.find("endpoint", "model_names")
        or config.find("model_names")
        or config.find("model")
    )
    names = found if isinstance(found, list) else [found]
    return names[0] if len(names) == 1 and isinstance(names[0], str) and names[0] else None


def _own(tool: str) -> Mapping[str, str]:
    start = f"llm.{tool}."
    return {name.removeprefix(start): name for name in DEFINITIONS if name.startswith(start)}


def _of_table(text: str) -> _Export:
    """Read the two tables of the CSV: statistics by metric, then single values."""
    header: list[str] = []
    leaves: dict[str, Fields] = {}
    tool, done = "genai-perf", False
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1):
            at = f"line {number}"
            if number > _MAX_LINES:
                raise SitegenError(f"has more than {_MAX_LINES} lines")
            if not row or done:
                continue
            if row[0] == "Metric":
                header = row
                # aiperf's percentiles go up, genai-perf's down.
                if "p50" in row and "p99" in row and row.index("p50") < row.index("p99"):
                    tool = "aiperf"
            elif row[0] == "Endpoint" or not header:
                done = bool(header)  # what follows is of GPUs, or is no table yet
            else:
                _leaf(leaves, header, row, at)
    except csv.Error as error:
        raise SitegenError(f"is not CSV: {error}"[:200]) from error
    return _Export(tool, leaves, Fields("", {}), quoted=True)


def _leaf(leaves: dict[str, Fields], header: Sequence[str], row: Sequence[str], at: str) -> None:
    if len(row) != len(header):
        raise SitegenError(f"has {len(row)} fields under {len(header)}", where=at)
    title = _TITLE.fullmatch(row[0])
    if not title:
        return
    tag = title[1].lower().replace(" ", "_")
    tag = _OLD_TAGS.get(tag, tag)
    names = ["avg"] if header[1:] == ["Value"] else header[1:]
    # Thousands are separated in the CSV of genai-perf.
    values: dict[str, object] = {
        name: cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell
        for name, cell in zip(names, row[1:], strict=True)
        if cell not in {"", "N/A"}
    }
    if tag in leaves:
        raise SitegenError(f"{tag} stands there twice", where=at)
    leaves[tag] = Fields(f"{at}: {tag}", {"unit": title[2] or "", **values})


def _found(export: _Export, answers: Mapping[str, str]) -> Reading:
    about, tool = export.about, export.tool
    version = about.text("aiperf_version") or ""
    finding = Finding(ToolIdentity(tool, version), DEFINITIONS)
    _start(about, finding)
    status = Status.OK
    if about.values.get("was_cancelled") is True:
        status = Status.SUSPECT
        finding.note("The benchmark was cancelled: its figures are of a part.")
    finding.set("api", export.api)
    finding.set("warmup_requests", export.warmup, Comparability.CAVEAT)
    streams = str(export.concurrency) if export.concurrency else None
    rate = agreed(answers, "rate", f"{export.rate:g}" if export.rate else None)
    streams = agreed(answers, "concurrency", streams)
    if not rate and not streams:
        finding.note("The load is not in the file: say it with --set concurrency= or --set rate=.")
    model = documents.model_name(export.model) if export.model else None
    series = finding.series(
        "open" if rate else "closed" if streams else "serving",
        model=agreed(answers, "model", model),
        engine=answers.get("engine"),
        weights=answers.get("weights"),
        input_tokens=answers.get("input_tokens"),
        output_tokens=answers.get("output_tokens"),
        rate=rate,
        concurrency=streams,
        # Our own open loop is Poisson.
        arrivals=export.arrivals if rate and export.arrivals != "poisson" else None,
    )
    _counts(export, series)
    names = {**_SHARED, **(_AIPERF if tool == "aiperf" else {})}
    for tag, metric in {**names, **_own(tool)}.items():
        if tag in export.leaves:
            _statistics(export, series, tag, metric, status)
    for tag, metric in _WHOLE.items():
        if (value := _value(export, finding, tag, metric)) is not None:
            series.add(metric, "value", value, tag, status=status)
    _goodput(export, series, answers, status)
    if "benchmark_duration" in export.leaves:
        leaf = export.leaves["benchmark_duration"]
        finding.duration_s = _scaled(leaf, "avg", "s", quoted=export.quoted)
    _reasoning(export, finding)
    return finding.found()


def _start(about: Fields, finding: Finding) -> None:
    if start := about.text("start_time"):
        finding.started_at, zoned = documents.utc(start, about.where("start_time"))
        if not zoned:
            finding.note("The start in the file is local time of the client, taken as UTC.")


def _reasoning(export: _Export, finding: Finding) -> None:
    """Note what reasoning tokens are counted in, and answers that have nothing else."""
    if export.tool != "aiperf" or "reasoning_token_count" not in export.leaves:
        return
    finding.note("aiperf's output lengths and rates count reasoning tokens too.")
    total, mean, count = (
        _value(export, finding, tag, "llm.output_tokens")
        for tag in ("total_output_tokens", "output_token_count", "request_count")
    )
    if total and mean and count and round(total / mean) < count:
        finding.note(
            f"{round(total / mean)} of {count:g} requests have a token besides their reasoning: "
            "the time to the first token of an answer is of those only."
        )


def _counts(export: _Export, series: Series) -> None:
    good = _value(export, series.finding, "request_count", "llm.requests")
    bad = _value(export, series.finding, "error_request_count", "llm.requests")
    errors = int(bad) if bad is not None else export.errors
    if good is None:
        return
    if good != int(good):
        raise SitegenError(
            "is not a whole number", where=export.leaves["request_count"].where("avg")
        )
    if errors is None:
        series.add("llm.requests", "value", good, "request_count")
        return
    failures(series, int(good), {"error": (errors, "error_request_count, error_summary")})


def _value(export: _Export, finding: Finding, tag: str, metric: str) -> float | None:
    leaf = export.leaves.get(tag)
    if leaf is None:
        return None
    return _scaled(leaf, "avg", finding.unit_of(metric), quoted=export.quoted)


def _statistics(export: _Export, series: Series, tag: str, metric: str, status: Status) -> None:
    leaf = export.leaves[tag]
    unit = series.finding.unit_of(metric)
    for name, statistic in _STATISTICS.items():
        if metric in _MEANS_ONLY and name != "avg":
            continue
        value = _scaled(leaf, name, unit, quoted=export.quoted)
        if name == "avg" and unit != "count" and value == 0:
            series.finding.note(f"{tag} is 0 in the file, which is none.")
            return
        series.add(metric, statistic, value, f"{tag} {name}", status=status)


def _scaled(leaf: Fields, name: str, unit: str, *, quoted: bool) -> float | None:
    value = leaf.number(name, quoted=quoted)
    if value is None:
        return None
    said = leaf.text("unit") or ""
    factor = _UNITS[unit].get(said)
    if factor is None:
        raise SitegenError(f"{said[:30]!a} is not a unit of it", where=leaf.where("unit"))
    return value * factor if factor >= 1 else value / round(1 / factor)


def _goodput(export: _Export, series: Series, answers: Mapping[str, str], status: Status) -> None:
    tag = "goodput" if "goodput" in export.leaves else "request_goodput"
    value = _value(export, series.finding, tag, "llm.goodput")
    if value is None:
        return
    extra = params(slo=answers.get("slo"))
    if not extra:
        series.finding.note("Which objective the goodput was counted with is said with --set slo=.")
    series.add("llm.goodput", "value", value, tag, status=status, extra=extra)


PERF = Reader(
    "aiperf",
    "aiperf and genai-perf: profile_export_*.json or .csv",
    knows,
    read,
    PERF_ASKS,
)
