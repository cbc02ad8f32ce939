"""fio's output as people and log collectors keep it: marks, words, strings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from collectors.fio.readers import READERS, around, json_report, terse, text_report
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from tests.collectors.fio.readers.recorded import RAW, one

TEXT = (RAW / "text-mix.txt").read_text()
JSON = (RAW / "latency.out").read_text()
JSON = JSON[JSON.index("{\n") :]
DOCUMENT = re.compile(rb"\s*(?:\{|\[\s*[\[{])")


def by_line(words: Callable[[int, str], str], text: str = TEXT) -> str:
    return "".join(f"{words(n, line)}\n" for n, line in enumerate(text.splitlines()))


def imported(text: str) -> Reading:
    """Return the run that the one reader of the file makes of it, as the import chooses it."""
    data = text.encode()
    document = DOCUMENT.match(data)
    [reader] = [r for r in READERS if not (document and r.text) and r.knows(data)]
    [reading] = reader.runs(data, {})
    return reading


def headed(text: str) -> str:
    """Return fio's text whose header alone is written as ``text``, with ``{}`` for the name."""
    return TEXT.replace("mix: (g=0)", text.format("mix"), 1)


@pytest.mark.parametrize(
    "wrapped",
    [
        *map(
            headed, ("**{}**: (g=0)", "**{}:** (g=0)", "> {}: (g=0)", "`{}`: (g=0)", "*{}*: (g=0)")
        ),
        *map(
            headed, ("_{}_: (g=0)", "__{}__: (g=0)", "- {}: (g=0)", "* {}: (g=0)", "1. {}: (g=0)")
        ),
        *map(headed, ("### {}: (g=0)", "| {}: (g=0)", "**{}: (g=0)", "- `{}: (g=0)")),
        TEXT.replace("mix: (group", "**mix:** (group"),
        TEXT.replace(", (T)", ",\n    (T)").replace(", ioengine", ",\n    ioengine"),
        by_line(lambda _, line: f"- {line}"),
        by_line(lambda _, line: f"- `{line}`"),
        by_line(lambda _, line: f"| {line}"),
        by_line(lambda _, line: f"fio-pod-1 fio {line}"),
        by_line(lambda n, line: f"22:13:{n:02} INFO {line}"),
        by_line(lambda n, line: f"[2023-11-14, 22:13:{n:02} UTC] {{run.py:93}} INFO - {line}"),
        by_line(lambda n, line: f"build\tRun fio\t2023-11-14T22:13:{n:02}.1Z {line}"),
        by_line(lambda _, line: f"INFO:root:{line}"),
        by_line(lambda _, line: f"INFO root {line}"),
        by_line(lambda _, line: f'    "{line}",'),
        by_line(lambda _, line: f"  - '{line}'"),
        json.dumps({"changed": True, "stdout": TEXT, "stdout_lines": TEXT.splitlines()}),
        json.dumps({"stdout_lines": TEXT.splitlines()}, indent=2),
        json.dumps(TEXT.splitlines()),
        f'ok: [h] => {{"changed": true, "stdout": {json.dumps(TEXT)}, "rc": 0}}\n',
        by_line(lambda _, line: json.dumps({"log": f"{line}\n", "stream": "stdout"})),
        json.dumps({"hits": [{"_source": {"message": m, "host": "a"}} for m in TEXT.split("\n")]}),
    ],
)
def test_text_reads_the_same_in_what_is_put_around_it(wrapped: str) -> None:
    [whole] = text_report.READER.runs(TEXT.encode(), {})
    reading = imported(wrapped)
    assert reading.measurements == whole.measurements
    assert reading.doubts == whole.doubts


@pytest.mark.parametrize(
    "wrapped",
    [
        by_line(lambda _, line: f"pod fio {line}", JSON),
        json.dumps({"stdout": JSON}),
        json.dumps({"stdout_lines": JSON.splitlines()}),
        by_line(lambda _, line: json.dumps({"log": f"{line}\n"}), JSON),
        f'ok: [h] => {{"stdout": {json.dumps(JSON)}}}\n',
    ],
)
def test_json_reads_the_same_in_what_is_put_around_it(wrapped: str) -> None:
    [whole] = json_report.READER.runs(JSON.encode(), {})
    assert imported(wrapped).measurements == whole.measurements


def test_terse_lines_and_a_dbench_may_have_words_before_them() -> None:
    for reader, name in ((terse.READER, "terse-3.txt"), (around.DBENCH, "dbench.txt")):
        text = (RAW / name).read_text()
        [whole] = reader.runs(text.encode(), {})
        wrapped = by_line(lambda _, line: f"pod-7 bench {line}", text)
        assert imported(wrapped).measurements == whole.measurements


@pytest.mark.parametrize(
    ("wrapped", "message"),
    [
        (by_line(lambda n, line: f"pod-{n % 2} fio {line}"), "words of 2 kinds stand before"),
        (by_line(lambda n, line: f"pod-{n % 2} c {line}", JSON), "words of 2 kinds stand before"),
        (json.dumps({"a": TEXT, "b": TEXT.replace("mix", "max")}), "holds 2 outputs of fio's"),
        (f'x "{json.dumps(TEXT)[1:-1]}"\nx {json.dumps(TEXT + "a")}\n', "holds 2 outputs of fio's"),
        (
            by_line(lambda n, line: json.dumps({"m": line, "kubernetes": {"pod": str(n % 2)}})),
            r"its lines are of 2 sources \(pod\)",
        ),
        (json.dumps({"a (groupid=": 1}), "no string in it holds"),
        ("see (groupid=0) there\n", "no line begins as fio's do"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_the_reason(wrapped: str, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        imported(wrapped)


def test_a_name_keeps_its_own_marks() -> None:
    odd = TEXT.replace("mix: (", "_mix_a: (")
    assert one(imported(odd), "fio.cpu_usage").workload == "mix_a"
