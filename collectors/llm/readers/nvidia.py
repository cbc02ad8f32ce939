"""What aiperf and genai-perf write: statistics by metric, as JSON or CSV.

Leaves as in aiperf's export_models.py and genai-perf's exporters: ``<tag>{unit, avg, min, max,
p1..p99, std}``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from collectors.llm.readers import checks, outputs
from sitegen.collect import Reader, Reading, Recorder, Series, decode, settings
from sitegen.collect.decode import Number, Text, Whole
from sitegen.collect.settings import Count, Positive, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Status, ToolIdentity, params

DEFINITIONS = outputs.definitions("aiperf", "genai-perf")
#: Tags that mean what ours means, in both tools, and those that do in aiperf only.
_SHARED = {
    "request_latency": "llm.e2e_latency",
    "time_to_first_token": "llm.ttft",
    "output_sequence_length": "llm.output_tokens",
    "input_sequence_length": "llm.input_tokens",
}
_AIPERF = {"inter_token_latency": "llm.tpot", "inter_chunk_latency": "llm.inter_chunk_latency"}
_WHOLE = {
    "request_throughput": "llm.request_throughput",
    "output_token_throughput": "llm.output_token_throughput",
    "total_token_throughput": "llm.total_token_throughput",
}
_COUNTS = {
    *("request_count", "error_request_count", "goodput", "request_goodput"),
    "benchmark_duration",
}
#: How many of a unit are one of ours.
_UNITS: Mapping[str, Mapping[str, float]] = {
    "s": {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1, "sec": 1, "seconds": 1},
    "tokens/s": dict.fromkeys(("tokens/sec", "tokens per sec", "tokens/sec/user", "per sec"), 1),
    "1/s": dict.fromkeys(("requests/sec", "per sec", "requests per sec"), 1),
    "count": dict.fromkeys(("tokens", "requests", "count", ""), 1),
}
_FIGURES = ("avg", "min", "max", "std", "p50", "p75", "p90", "p95", "p99")
_STATISTICS = {"avg": "mean", "std": "stddev"}
_NAMED = 6
_MEANS_ONLY = {"llm.output_tokens", "llm.input_tokens"}
_TAGS = (re.compile(rb'"request_throughput"\s*:\s*\{'), re.compile(rb'"request_latency"\s*:\s*\{'))
_TABLE = b"Metric,avg,min,max,"
_TITLE = re.compile(r"([A-Za-z0-9 ]{1,60}?)(?: \(([^()]{0,30})\))?")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_APIS = {"chat": "openai-chat", "completions": "openai-completions"}


#: The statistics of one metric, each where the tool has it.
_Leaf = msgspec.defstruct(
    "_Leaf",
    [("unit", Text | None, None), *((figure, Number | None, None) for figure in _FIGURES)],
    frozen=True,
)


class _Setup(msgspec.Struct, frozen=True):
    """Of what was asked of the tool any part; each of the two has moved the load once."""

    kind: Text | None = None
    name: Text | None = None
    type: Text | None = None
    concurrency: Whole | None = None
    request_rate: Number | None = None
    rate: Number | None = None
    request_rate_mode: Text | None = None
    warmup_request_count: Whole | None = None
    phases: list[_Setup] | None = None
    loadgen: _Setup | None = None
    perf_analyzer: _Setup | None = None
    stimulus: _Setup | None = None
    models: _Setup | None = None
    items: list[_Setup] = []
    endpoint: _Setup | Text | None = None
    endpoint_type: Text | None = None
    model_names: list[Text] | Text | None = None
    model: list[Text] | Text | None = None

    @property
    def load(self) -> _Setup:
        """The load that was measured."""
        if self.phases is not None:
            # Of several phases together the figures have no one load.
            measured = [phase for phase in self.phases if "profiling" in {phase.kind, phase.name}]
            return measured[0] if len(measured) == 1 else _Setup()
        return self.loadgen or (self.perf_analyzer and self.perf_analyzer.stimulus) or self

    @property
    def api(self) -> str | None:
        """Which of OpenAI's interfaces was asked."""
        kind = self.endpoint.type if isinstance(self.endpoint, _Setup) else None
        return _APIS.get(kind or self.endpoint_type or "")

    @property
    def one_model(self) -> str | None:
        """The model's name where there is one alone."""
        if self.models is not None:
            return self.models.items[0].name if len(self.models.items) == 1 else None
        endpoint = self.endpoint.model_names if isinstance(self.endpoint, _Setup) else None
        names = endpoint or self.model_names or self.model or []
        all_names = [names] if isinstance(names, str) else names
        return all_names[0] if len(all_names) == 1 else None


class _Errors(msgspec.Struct, frozen=True):
    count: Whole | None = None


class _About(msgspec.Struct, frozen=True):
    """What a summary says besides its metrics."""

    aiperf_version: Text | None = None
    was_cancelled: bool | None = None
    start_time: datetime | None = None
    error_summary: list[_Errors] | None = None
    input_config: _Setup | None = None


class Load(outputs.Judged, frozen=True):
    """Requests of a load."""

    concurrency: Annotated[
        Count | None, described("requests under way at once, in a closed loop")
    ] = None
    rate: Annotated[
        Positive | None, described("requests a second that were sent, in an open loop")
    ] = None


class _Export(NamedTuple):
    """One file: its leaves by tag, and what else it says."""

    tool: str
    leaves: Mapping[str, msgspec.Struct]
    about: _About
    left: tuple[str, ...] = ()  # times that are not known here

    def value(self, tag: str, unit: str, figure: str = "avg") -> float | None:
        """Return a figure of one metric in a base unit; raises SitegenError for another unit."""
        leaf = self.leaves.get(tag)
        value: float | None = getattr(leaf, figure, None)
        if value is None:
            return None
        named = getattr(leaf, "unit", None) or ""
        if (divisor := _UNITS[unit].get(named)) is None:
            raise SitegenError(f"{named[:30]!a} is not a unit of {unit}", where=tag)
        return value / divisor


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a summary of aiperf or genai-perf."""
    if _TABLE in data:
        return b"Request Latency (" in data
    return all(tag.search(data) for tag in _TAGS)


def read(data: bytes, asks: Load) -> tuple[Reading, ...]:
    """Return the run that a summary of aiperf or genai-perf describes."""
    is_table = _TABLE in data
    export = _of_table(data.decode("utf-8-sig", "replace")) if is_table else _of_json(data)
    stated, tool = export.about, export.tool
    config = stated.input_config or _Setup()
    load = config.load
    recorder = Recorder(ToolIdentity(tool, stated.aiperf_version or ""), DEFINITIONS)
    if stated.start_time is not None:
        recorder.started_at = outputs.utc(stated.start_time)
        if stated.start_time.tzinfo is None:
            recorder.note("The start in the file is local time of the client, taken as UTC.")
    if stated.was_cancelled:
        recorder.note("The benchmark was cancelled: its figures are of a part.")
    if named := [tag for tag in export.left if tag.isprintable()][:_NAMED]:
        recorder.note(f"Not known here and left out: {', '.join(named)[:200]}.")
    recorder.parameter("api", config.api)
    recorder.parameter("warmup_requests", load.warmup_request_count, Comparability.CAVEAT)
    rate = settings.agreed("rate", asks.rate, load.request_rate or load.rate or None)
    streams = settings.agreed("concurrency", asks.concurrency, load.concurrency or None)
    if not rate and not streams:
        recorder.note("The load is not in the file: say it with --set concurrency= or --set rate=.")
    arrivals = load.request_rate_mode or load.type
    pairs = outputs.about(
        asks,
        config.one_model,
        rate=rate and f"{rate:g}",
        concurrency=streams,
        # Our own open loop is Poisson.
        arrivals=arrivals if rate and arrivals != "poisson" else None,
    )
    workload = "open" if rate else "closed" if streams else "serving"
    status = Status.SUSPECT if stated.was_cancelled else Status.OK
    series = recorder.series(workload, pairs, status=status)
    _write(export, series, asks.slo)
    recorder.duration_s = export.value("benchmark_duration", "s")
    checks.consistent(recorder)
    load_names = ("concurrency",) if workload == "serving" else ()
    outputs.unstated(series, asks, "model", *load_names, "input_tokens", "output_tokens")
    if tool == "aiperf" and "reasoning_token_count" in export.leaves:
        recorder.note("aiperf's output lengths and rates count reasoning tokens too.")
    return (recorder.reading(),)


def _of_json(data: bytes) -> _Export:
    document = decode.document(data, dict[str, Any])
    ours = {"aiperf_version", "was_cancelled", "benchmark_duration", "min_request_timestamp"}
    tool = "aiperf" if ours & document.keys() else "genai-perf"
    tags = {*_SHARED, *_AIPERF, *_WHOLE, *_COUNTS, *_own(tool)}
    leaves = {
        tag: decode.convert(leaf, _Leaf, tag)
        for tag, leaf in document.items()
        if tag in tags and leaf is not None
    }
    left = tuple(
        tag
        for tag, leaf in document.items()
        if tag not in tags and not tag.endswith("_timestamp")
        if isinstance(leaf, dict) and leaf.get("unit") in [*_UNITS["s"]]
    )
    return _Export(tool, leaves, decode.convert(document, _About), left)


def _own(tool: str) -> Mapping[str, str]:
    return {d.id.rpartition(".")[2]: d.id for d in DEFINITIONS if f".{tool}." in d.id}


def _of_table(text: str) -> _Export:
    """Read the two tables of the CSV: statistics by metric, then single values."""
    header: list[str] = []
    leaves: dict[str, msgspec.Struct] = {}
    tool = "genai-perf"
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1):
            if row and row[0] == "Metric":
                header = row
                # aiperf's percentiles go up, genai-perf's down.
                if "p50" in row and "p99" in row and row.index("p50") < row.index("p99"):
                    tool = "aiperf"
            elif row and row[0] == "Endpoint" and header:
                break  # what follows is of GPUs
            elif row and header:
                _leaf(leaves, header, row, f"line {number}")
    except csv.Error as error:
        raise SitegenError(f"is not CSV: {error}"[:200]) from error
    return _Export(tool, leaves, _About())


def _leaf(
    leaves: dict[str, msgspec.Struct], header: Sequence[str], row: Sequence[str], place: str
) -> None:
    if len(row) != len(header):
        raise SitegenError(f"has {len(row)} fields under {len(header)}", where=place)
    title = _TITLE.fullmatch(row[0])
    if not title:
        return
    tag = title[1].lower().replace(" ", "_")
    names = ["avg"] if header[1:] == ["Value"] else header[1:]
    # Thousands are separated in the CSV of genai-perf.
    values = {
        name: cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell
        for name, cell in zip(names, row[1:], strict=True)
        if cell not in {"", "N/A"}
    }
    if tag in leaves:
        raise SitegenError(f"{tag} stands there twice", where=place)
    values["unit"] = title[2] or ""
    leaves[tag] = decode.convert(values, _Leaf, f"{place} {tag}", strict=False)


def _write(export: _Export, series: Series, slo: str | None) -> None:
    good = export.value("request_count", "count")
    bad = export.value("error_request_count", "count")
    rows, note = export.about.error_summary, series.recorder.note
    if bad is None and rows is not None:
        bad = sum(row.count or 0 for row in rows)
    if good is not None and good != int(good):
        raise SitegenError("is not a whole number", where="request_count")
    if good is None or bad is None:
        series.add("llm.requests", "value", good, native="request_count")
    else:
        outputs.failures(
            series, int(good), {"error": (int(bad), "error_request_count, error_summary")}
        )
    names = {**_SHARED, **(_AIPERF if export.tool == "aiperf" else {}), **_own(export.tool)}
    for tag, metric in names.items():
        unit = series.recorder.unit_of(metric)
        if unit != "count" and export.value(tag, unit) == 0:
            note(f"{tag} is 0 in the file, which is none.")
            continue
        for figure in ("avg",) if metric in _MEANS_ONLY else _FIGURES:
            value = export.value(tag, unit, figure)
            series.add(metric, _STATISTICS.get(figure, figure), value, native=f"{tag} {figure}")
    for tag, metric in _WHOLE.items():
        value = export.value(tag, series.recorder.unit_of(metric))
        series.add(metric, "value", value, native=tag)
    tag = "goodput" if "goodput" in export.leaves else "request_goodput"
    goodput = export.value(tag, "1/s")
    if goodput is not None and slo is None:
        note("The objective of the goodput is said with --set slo=.")
    series.add("llm.goodput", "value", goodput, native=tag, about=params(slo=slo))


_FILES = "aiperf and genai-perf: profile_export_{aiperf,genai_perf}.json or .csv"
PERF = Reader("aiperf", _FILES, knows, read, Load)
