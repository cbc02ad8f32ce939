"""The recorded outputs, and looks into what a reader makes of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sitegen.collect import Reader, Reading
from sitegen.model import Measurement

RAW = Path(__file__).parents[3] / "raw" / "llm"


def text(name: str) -> bytes:
    return (RAW / name).read_bytes()


def document(name: str) -> Any:  # noqa: ANN401 - whatever the tool wrote
    return json.loads(text(name))


def changed(name: str, path: str, value: object) -> Any:  # noqa: ANN401 - whatever the tool wrote
    """Return a document in which what ``path`` leads to, keys with dots between, is another."""
    whole = place = document(name)
    *outer, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in outer:
        place = place[key]
    place[last] = value
    return whole


def read(reader: Reader, content: object, **asks: str) -> Reading:
    """Return the one run in ``content``: bytes, or what is to be written as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    [reading] = reader.runs(data, asks)
    return reading


def rows(reading: Reading, metric: str, statistic: str, **pairs: str) -> list[Measurement]:
    return [
        row
        for row in reading.measurements
        if (row.metric, row.statistic) == (f"llm.{metric}", statistic)
        and pairs.items() <= dict(row.params).items()
    ]


def one(reading: Reading, metric: str, statistic: str = "value", reason: str = "") -> Measurement:
    [row] = [
        row
        for row in rows(reading, metric, statistic)
        if dict(row.params).get("reason", "") == reason
    ]
    return row


def metrics(reading: Reading) -> set[str]:
    return {row.metric.removeprefix("llm.") for row in reading.measurements}


def workloads(reading: Reading) -> set[str]:
    return {row.workload for row in reading.measurements}


def first_params(reading: Reading) -> dict[str, str]:
    return dict(reading.measurements[0].params)


def parameters(reading: Reading) -> dict[str, str]:
    return {each.name: each.value for each in reading.parameters}


def has_note(reading: Reading, words: str) -> bool:
    return any(words in note for note in reading.notes)


def doubts(reading: Reading) -> dict[str, str]:
    """Return what is doubted, by its kind."""
    return {kind: sentence for kind, sentence, _ in reading.doubts}
