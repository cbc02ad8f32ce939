"""What vLLM's nightly benchmarks make of all their results: ``benchmark_results.json``.

Rows as .buildkite/nightly-benchmarks/scripts/convert-results-json-to-markdown.py names its columns:
a list of rows, or one table a kind with a column each. A row is of `vllm bench latency`,
`throughput` or `serve`, whichever columns it has. Only newer versions name the model; in all of
them the name of the test begins with the kind and the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.llm.readers import checks, outputs, vllm
from sitegen.collect import Reader, Reading, Recorder, Series, decode
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import ToolIdentity

DEFINITIONS = outputs.definitions("vllm")
#: Column -> our name of a text or a count.
_ABOUT = {
    "Test name": "test",
    "GPU": "gpu",
    "Model": "model",
    "Input Len": "input_tokens",
    "Output Len": "output_tokens",
    "TP Size": "tensor_parallel",
    "PP Size": "pipeline_parallel",
    "dtype": "dtype",
    "Dataset Name": "dataset",
    "# of max concurrency.": "concurrency",
    "# of max concurrency": "concurrency",
    "qps": "rate",
    "Batch Size": "batch_size",
}
_SPLIT = ("gpu", "tensor_parallel", "pipeline_parallel", "dtype", "dataset", "batch_size")
_COUNTS = {"# of req.": "llm.requests"}
_RATES = {
    "Tput (req/s)": "llm.request_throughput",
    "Output Tput (tok/s)": "llm.output_token_throughput",
    "Total Token Tput (tok/s)": "llm.total_token_throughput",
}
_TOTALS = {"Total input tokens": "llm.input_tokens", "Total output tokens": "llm.output_tokens"}
_TIME = re.compile(
    r"(Mean|Median|STD|P\d{1,2}(?:\.\d{1,4})?)(?: (TTFT|TPOT|ITL|E2EL|latency))?(?: \((ms|s)\))?"
)
_LATENCY = "latency"
_MODEL = re.compile(r"(?:latency|throughput|serving)_(.+?)_(?:tp|pp|TP)\d")
_QPS = re.compile(r"_qps_(\d{1,9}(?:\.\d{1,9})?|inf)(?:_|$)")
_UNITS = {"ms": 1e3, "s": 1.0}
_STATISTICS = {"Mean": "mean", "Median": "p50", "STD": "stddev"}
_MOST_ROWS = 5_000
Row = Mapping[str, Any]
_NUMBER: Any = Number  # mypy takes no annotated one for a type
_TEXT: Any = Text
_CELL: Any = str | int | float | None
_WHOLE: Any = Whole


def read(data: bytes, asks: outputs.Lengths) -> tuple[Reading, ...]:
    """Return one run with every row, told apart by its test."""
    recorder = Recorder(ToolIdentity("vLLM nightly benchmarks", ""), DEFINITIONS)
    rows = list(_rows(decode.document(data, Any)))
    if len(rows) > _MOST_ROWS:
        raise SitegenError(f"has more than {_MOST_ROWS:,} rows")
    abouts = [_about(row, f"row {number}") for number, row in enumerate(rows, 1)]
    gpus = {about.get("gpu") for about in abouts}
    for number, (row, about) in enumerate(zip(rows, abouts, strict=True), 1):
        if len(gpus) == 1:
            about.pop("gpu", None)
        _row(recorder, row, about, asks, f"row {number}")
    if len(gpus) == 1:  # one of all is the machine's, of several each row has its own
        recorder.fact("gpu", gpus.pop(), "vLLM nightly benchmarks, GPU")
    checks.consistent(recorder)
    return (recorder.reading(),)


def _rows(document: object) -> Iterator[Row]:
    """Yield the rows: of one list, or of tables by kind with a column each."""
    if isinstance(document, list):
        yield from (row for row in document if isinstance(row, dict))
    elif isinstance(document, dict):
        for table in document.values():
            columns = table if isinstance(table, dict) else {}
            places: dict[str, dict[str, Any]] = {}
            for name, column in columns.items():
                for place, value in column.items() if isinstance(column, dict) else ():
                    places.setdefault(place, {})[name] = value
            yield from places.values()


def _about(row: Row, place: str) -> dict[str, str]:
    about = {}
    for column, name in _ABOUT.items():
        value = decode.convert(row.get(column), _CELL, f"{place} {column}")
        text = f"{value:g}" if isinstance(value, float) else str(value or "")
        # Several GPUs stand there on a line each.
        text = " ".join(text.split()) if name == "gpu" else text
        if text and text != "nan":
            about[name] = decode.convert(text, _TEXT, f"{place} {column}")
    if "test" not in about:
        raise SitegenError("has no test name", where=place)
    return about


def _row(
    recorder: Recorder, row: Row, about: dict[str, str], asks: outputs.Lengths, place: str
) -> None:
    test, model = about.pop("test"), about.pop("model", None)
    note = recorder.note
    if model is None and (named := _MODEL.match(test)):
        model = named[1]
        note("The model is the one in the name of the test: the file names no other.")
    rate, concurrency = about.pop("rate", None), about.pop("concurrency", None)
    if rate is None and (asked := _QPS.search(test)):
        rate = asked[1]
    rate = None if rate in {None, "inf"} else rate
    lengths = {name: _whole(about.pop(name, None), place) for name in vllm.LENGTHS}
    workload = "open" if rate else "closed" if concurrency else "burst"
    if "Elapsed time (s)" in row:
        workload = "offline"
    elif any(
        column.endswith(f"{_LATENCY} (ms)") or column == f"Mean {_LATENCY} (s)" for column in row
    ):
        workload = "batch"
    pairs = outputs.about(
        asks,
        model,
        engine="vllm" if workload in {"offline", "batch"} else None,
        test=test,
        rate=rate,
        concurrency=_whole(concurrency, place),
        **lengths,
        **{name: about.get(name) for name in _SPLIT},
    )
    series = recorder.series(workload, pairs)
    (_offline if workload == "offline" else _served)(series, row, place)
    # The rest of what was asked for has the name of the test.
    outputs.unstated(series, asks, "model")


def _whole(text: str | None, place: str) -> int | None:
    if text is None:
        return None
    value: int = decode.convert(text.removesuffix(".0"), _WHOLE, place, strict=False)
    return value or None


def _offline(series: Series, row: Row, place: str) -> None:
    named = {
        "elapsed_time": row.get("Elapsed time (s)"),
        "num_requests": row.get("# of req."),
        "total_num_tokens": row.get("Total # of tokens"),
        "requests_per_second": row.get("Tput (req/s)"),
        "tokens_per_second": row.get("Tput (tok/s)"),
    }
    vllm.offline(series, decode.convert(named, vllm.Throughput, place))


def _served(series: Series, row: Row, place: str) -> None:
    """Write a row of a server's benchmark, or of batches one after the other."""
    requests = _number(row, "# of req.", place)
    series.add("llm.requests", "value", requests, native="# of req.")
    for column, metric in _RATES.items():
        series.add(metric, "value", _number(row, column, place), native=column)
    for column, metric in _TOTALS.items():
        total = _number(row, column, place)
        if total and requests:
            series.add(metric, "mean", total / requests, native=f"{column} / # of req.")
    last = ""
    for column in row:
        if not (match := _TIME.fullmatch(column)):
            continue
        # Some versions name the time in the first of its columns only.
        last = match[2] or last
        value = _number(row, column, place)
        if not last or not value:
            continue
        divisor = _UNITS[match[3] or "ms"]
        metric = vllm.BATCH if last == _LATENCY else vllm.TIMES[last.lower()]
        statistic = _STATISTICS.get(match[1], match[1].lower())
        series.add(metric, statistic, value / divisor, native=column)


def _number(row: Row, column: str, place: str) -> float | None:
    value = row.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    number: float = decode.convert(value, _NUMBER, f"{place} {column}")
    return number


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the columns of such rows."""
    named = b'"Test name"' in data or b'"test_name"' in data
    return named and any(key in data for key in (b'"# of req."', b'latency (ms)"', b'latency (s)"'))


_TITLE = "vLLM's nightly benchmark_results.json"
RESULTS = Reader("vllm-nightly", _TITLE, knows, read, outputs.Lengths)
