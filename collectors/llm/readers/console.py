"""The block "Serving Benchmark Result" that the benchmarks of vLLM and SGLang print.

Also within a log, whose prefixes and quotes stand around each line. Figures have two decimals:
rates are computed again from counts and time where that is more exact. The model, and the load
where a version leaves it out of the block, are taken from what was printed before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from collectors.llm.readers import outputs, sglang, vllm
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_TITLE = re.compile(r"={3,} ?Serving Benchmark Result ?={3,}")
_END = re.compile(r"={30,}")
_COLOUR = re.compile(r"(?:\x1b|\\u001b)\[[0-9;]*m")
_LABELS = {
    "backend": "backend",
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency",
    "max reqeuest concurrency": "max_concurrency",
    "request rate configured (rps)": "request_rate",
    "traffic request rate": "request_rate",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "request goodput (req/s)": "request_goodput",
    "output token throughput (tok/s)": "output_throughput",
    "total token throughput (tok/s)": "total_token_throughput",
    "total throughput (tok/s)": "total_token_throughput",
}
_LINE = re.compile(
    rf"(?<!Peak )(?<!\w)(?P<label>{'|'.join(map(re.escape, _LABELS))}"
    r"|(?P<statistic>Mean|Median|Std|Min|Max|P\d{1,2}(?:\.\d{1,4})?) (?P<time>[A-Z][\w -]{1,40}?)"
    r" \((?P<unit>ms|s)\)):\s*(?P<value>not set|[\w.,+-]{1,40})",
    re.IGNORECASE | re.ASCII,
)
_TIMES = {"e2e latency": "e2e_latency", "end-to-end latency": "e2e_latency"}
_WHOLE = {"completed", "failed", "max_concurrency", "total_input_tokens", "total_output_tokens"}
#: How the arguments of a benchmark name its model: in a command, and as Python prints them.
_MODEL = re.compile(
    r"(?:--model(?:-path)?[ =]|\bvllm serve )['\"]?(?P<typed>[^\s'\"\\,-][^\s'\"\\,]{0,300})"
    r"|\bmodel(?:_path)?=\\?['\"](?P<shown>[^'\"\\]{1,300})\\?['\"]"
)
_BEFORE = {"max_concurrency", "request_rate"}
_MOST_LINE = 5_000
_HALF = 0.005  # of the last digit


def read(data: bytes, asks: outputs.Judged) -> tuple[Reading, ...]:
    """Return one run for every block in ``data``."""
    blocks = _blocks(data.decode("utf-8-sig", "replace"))
    return tuple(_run(block, asks, ends=ends) for block, ends in blocks)


def _blocks(text: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield what each block says in vLLM's keys, and whether it ends."""
    before: dict[str, Any] = {}
    block: dict[str, Any] | None = None
    begun = 0
    # Of a last line without an end digits may be missing.
    for number, raw in enumerate(text.split("\n")[: None if _is_whole(text) else -1], 1):
        line = _COLOUR.sub("", raw[:_MOST_LINE])
        title = _TITLE.search(line)
        if block is not None and (title or _END.search(line)):
            yield _whole({**before, **block}, begun), not title
            # The model stays that of the next block, its load does not.
            before, block = {key: before[key] for key in ("model_id",) if key in before}, None
        if title:
            block, begun = {}, number
        elif block is not None:
            block |= dict(_figures(line, number))
        else:
            if match := _MODEL.search(line):
                before["model_id"] = match["typed"] or match["shown"]
            before |= {k: v for k, v in _figures(line, number) if k in _BEFORE}
    if block is not None:
        yield _whole({**before, **block}, begun), False


def _is_whole(text: str) -> bool:
    return text.endswith("\n") or bool(_END.search(text[text.rfind("\n") + 1 :]))


def _figures(line: str, number: int) -> Iterator[tuple[str, Any]]:
    for match in _LINE.finditer(line):
        name, text = match["label"].lower(), match["value"]
        key = _LABELS.get(name)
        if key is None:
            time = match["time"].lower()
            named = _TIMES.get(time, time).replace(" ", "_").replace("-", "_")
            key = f"{match['statistic'].lower()}_{named}_{match['unit'].lower()}"
        if key == "backend" or text in {"inf", "trace"}:
            yield key, text
            continue
        if text in {"not set", "None"}:
            continue
        try:
            value = float(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).rstrip(","))
        except ValueError as error:
            message = f"{text!r} is no number"
            raise SitegenError(message, where=f"line {number}: {match['label']}") from error
        yield key, int(value) if key in _WHOLE and value.is_integer() else value


def _whole(block: Mapping[str, Any], line: int) -> Mapping[str, Any]:
    for key in ("completed", "total_output_tokens"):
        if key not in block:
            raise SitegenError(f"the block does not say {key}", where=f"line {line}")
    return block


def _run(block: Mapping[str, Any], asks: outputs.Judged, *, ends: bool) -> Reading:
    note = "Read from what was printed, with two decimals."
    if "model_id" in block:
        note = f"{note} The model is the one that a command or its arguments before it name."
    if "backend" in block:
        form = sglang.FORM._replace(note=f"{note} {sglang.FORM.note}", rounded=_HALF)
        reading = sglang.run(block, asks, form)
    else:
        form = vllm.Form(rounded=_HALF)
        reading = vllm.serve(block, asks, form._replace(note=f"{note} {form.note}"))
    doubts = [*reading.doubts]
    rounded = [
        f"{key} is printed as {value:.2f}"
        for key, value in block.items()
        if key.endswith("_ms") and 0 < value * vllm.ROUNDED < _HALF and not key.startswith("std")
    ]
    if rounded:
        doubts.append((Doubt.ROUNDED, "; ".join(rounded[:3]), ""))
    if not ends:
        sentence = "the block ends without its last line: figures may be missing"
        doubts.append((Doubt.CUT_OFF, sentence, ""))
    return msgspec.structs.replace(reading, doubts=tuple(doubts))


def knows(data: bytes) -> bool:
    """Tell whether ``data`` has the title of such a block."""
    title = b"Serving Benchmark Result"
    return title in data and b"Successful requests" in data and b"Benchmark duration (s)" in data


_FORM = 'what `vllm bench serve` and SGLang\'s bench_serving print ("Serving Benchmark Result")'
CONSOLE = Reader("serving-console", _FORM, knows, read, outputs.Judged)
