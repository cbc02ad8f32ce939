"""What holds for every reader: damage, bounds, and that one form is no other's."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.llm.readers import READERS
from collectors.llm.readers.outputs import distribution
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, check_metric
from tests.collectors import damage
from tests.collectors.llm.readers.outputs import RAW, changed, read

FOLDERS = tuple(path.name for path in sorted(RAW.iterdir()) if path.name != "client")
FILES = [path for folder in FOLDERS for path in sorted((RAW / folder).iterdir())]
CONTENTS = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in FILES}


def known(data: bytes) -> list[Reader]:
    return [reader for reader in READERS if reader.knows(data)]


def check(reading: Reading) -> None:
    """Check that what was read can be archived, and says what each row was called."""
    damage.check(reading)
    assert reading.measurements
    assert reading.tool is not None
    natives = dict(reading.natives)
    for row in reading.measurements:
        assert row.value is not None
        assert row.value >= 0
        assert row.statistic in STATISTICS
        assert f"{row.metric} {row.statistic}" in natives
    series = [
        (row.workload, row.metric, row.statistic, row.params, row.repetition)
        for row in reading.measurements
    ]
    assert len(set(series)) == len(series)
    for definition in reading.definitions:
        check_metric(definition.id)
    texts = (*reading.notes, *(each.value for each in reading.parameters))
    assert all(text.isprintable() for text in texts)
    assert all(each.value and each.value.isprintable() for each in reading.facts)


def attempt(data: bytes) -> None:
    """Read ``data`` with every reader that knows it: runs or a SitegenError, nothing else."""
    for reader in known(data):
        try:
            readings = reader.runs(data, {})
            assert readings
            for reading in readings:
                check(reading)
        except SitegenError as error:
            assert str(error).isprintable()  # noqa: PT017 - both are right


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_each_form_is_known_to_one_reader_alone(name: str) -> None:
    [reader] = known(CONTENTS[name])
    for reading in reader.runs(CONTENTS[name], {}):
        check(reading)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", bytes(100), b"\xff\xfe", b"date,value\n1,2\n", b"a: 1\n", b'"x"'],
)
def test_what_is_none_of_the_forms_is_known_to_no_reader(data: bytes) -> None:
    assert known(data) == []


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(CONTENTS)), share=st.floats(0, 1))
def test_a_file_that_breaks_off_is_read_or_refused(name: str, share: float) -> None:
    data = CONTENTS[name]
    attempt(data[: round(share * len(data))])


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(CONTENTS)),
    share=st.floats(0, 1, exclude_max=True),
    byte=st.one_of(st.integers(0, 255), st.sampled_from(list(b'0123456789-+.eE"{}[],:\n|tn'))),
)
def test_a_file_with_a_changed_byte_is_read_or_refused(name: str, share: float, byte: int) -> None:
    data = bytearray(CONTENTS[name])
    data[int(share * len(data))] = byte
    attempt(bytes(data))


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["NaN", "inf", "-1", "1e999", [], {}, [None], {"mean": 1}, 10**400]),
)


@st.composite
def replaced(draw: st.DrawFn) -> bytes:
    """One of the JSON files with any one of its values replaced by something else."""
    name = draw(st.sampled_from(sorted(n for n in CONTENTS if n.endswith(".json"))))
    document = json.loads(CONTENTS[name])
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 4)) == 0:
            place[key] = draw(LEAVES)
            return json.dumps(document).encode()
        place = inner


@settings(max_examples=400, deadline=None)
@given(replaced())
def test_a_file_with_a_changed_value_is_read_or_refused(data: bytes) -> None:
    attempt(data)


def test_what_is_nested_too_deeply_is_refused() -> None:
    for name, data in CONTENTS.items():
        if name.endswith(".json"):
            deep = b'{"deep":' + b"[" * 100_000 + b"]" * 100_000 + b","
            [reader] = known(data)
            with pytest.raises(SitegenError, match=r"nested too deeply|breaks off"):
                reader.runs(data.replace(b"{", deep, 1), {})


@pytest.mark.parametrize("name", ["ollama/chat-stream.jsonl", "llama-bench/bench.jsonl"])
def test_a_damaged_object_is_not_taken_for_a_terminals_line(name: str) -> None:
    data = CONTENTS[name]
    [reader] = known(data)
    last = data.rindex(b"\n{", 0, -1) + 1
    for damaged in (data[:last] + b"x" + data[last + 1 :], data.rstrip()[:-1]):
        with pytest.raises(SitegenError, match="breaks off or is damaged"):
            reader.runs(damaged, {})


FORM = "guidellm/schema-2.json benchmarks.0"
BENCH, ANSWER = "llama-bench/bench.json 0", "ollama/generate.json"
SERVE, DETAILED = "vllm/serve.json", "vllm/serve-detailed.json"
TTFT = "nvidia/aiperf.json time_to_first_token"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (f"{FORM}.metrics.request_latency.successful.mean", -1.0, "expected float >= 0"),
        (f"{FORM}.metrics.request_latency.successful.max", math.inf, "expected float <= "),
        (f"{FORM}.metrics.request_latency.successful", [1], "got array"),
        (f"{FORM}.metrics.request_totals.successful", None, "expected int, got null"),
        (f"{FORM}.metrics", None, "benchmarks[0].metrics: expected object"),
        (f"{FORM}.start_time", 1e30, "benchmarks[0].start_time: expected float <= 4"),
        (f"{FORM}.requests.successful", [1], "benchmarks[0].requests[...][0]: expected object"),
        ("guidellm/schema-2.json metadata.version", 3, "metadata.version: invalid enum value 3"),
        (f"{BENCH}.avg_ts", None, "entry 1 avg_ts: expected float, got null"),
        (f"{BENCH}.avg_ts", 0.0, "entry 1 avg_ts: expected float > 0"),
        (f"{BENCH}.avg_ts", 9.0, "entry 1: avg_ts is not the mean of samples_ts"),
        (f"{BENCH}.samples_ns", [1, 2, 3], "entry 1: samples_ts does not fit samples_ns"),
        (f"{BENCH}.n_prompt", -512, "entry 1 n_prompt: expected int >= 0"),
        (f"{BENCH}.n_prompt", 0, "entry 1: n_prompt and n_gen are missing or 0"),
        (f"{BENCH}.test_time", "now", "entry 1 test_time: invalid RFC3339"),
        (f"{BENCH}.cpu_info", "a\nb", "entry 1 cpu_info: expected str matching"),
        (f"{ANSWER} eval_count", True, "eval_count: expected int | null, got bool"),
        (f"{ANSWER} eval_duration", -5, "eval_duration: expected float >= 0"),
        (f"{ANSWER} eval_duration", "3s", "eval_duration: expected float | null, got str"),
        (f"{ANSWER} created_at", "soon", "created_at: invalid RFC3339"),
        (f"{ANSWER} total_duration", 10**30, "1e+21 s before 2026-03-01"),
        (TTFT, {"unit": "ms", "avg": True}, "time_to_first_token avg: expected float"),
        (TTFT, {"unit": "ms", "avg": -1.0}, "time_to_first_token avg: expected float >= 0"),
        (TTFT, {"unit": "parsec", "avg": 1}, "time_to_first_token: 'parsec' is not a unit of s"),
        (TTFT.replace("aiperf", "genai-perf"), {"avg": 1}, "first_token: '' is not a unit of s"),
        (TTFT.replace("aiperf", "genai-perf"), [1], "time_to_first_token: expected object"),
        (f"{SERVE} mean_ttft_ms", True, "mean_ttft_ms: expected float, got bool"),
        (f"{SERVE} mean_ttft_ms", "12", "mean_ttft_ms: expected float, got str"),
        (f"{SERVE} mean_ttft_ms", math.inf, "mean_ttft_ms: expected float <= "),
        (f"{SERVE} mean_tpot_ms", -1, "mean_tpot_ms: expected float >= 0"),
        (f"{SERVE} completed", 3.5, "completed: expected int"),
        (f"{SERVE} completed", 3, "request_throughput: is 4.44444, and what it is made of"),
        (f"{SERVE} output_throughput", 1.0, "output_throughput: is 1, and what it is made of"),
        (f"{SERVE} date", "yesterday", "date: 'yesterday' is not a date"),
        (f"{SERVE} model_id", "a\u0000b", "model_id: expected str matching"),
        (f"{SERVE} total_output_tokens", None, "total_output_tokens: expected float, got null"),
        (f"{DETAILED} itls", [1, 2, 3, 4, 5, 6], "itls[0]: expected array"),
        (f"{DETAILED} itls", [[True]] * 6, "itls[0][0]: expected float"),
        (f"{DETAILED} ttfts", [0.1], "entries"),
        (f"{DETAILED} errors", "none", "errors: expected array"),
        (f"{DETAILED} latencies", [1.0], "latencies: has 1 entries"),
        ("vllm/serve-old.json mean_tpot_ms", 99.0, "mean_tpot_ms: is 0.099"),
    ],
)
def test_what_is_not_a_value_is_refused_by_its_place(
    place: str, value: object, message: str
) -> None:
    name, path = place.split()
    [reader] = known(CONTENTS[name])
    with pytest.raises(SitegenError, match=re.escape(message)):
        read(reader, changed(name, path, value))


CSV, TABLE, TEXT = "nvidia/genai-perf.csv", "llama-bench/bench.md", "ollama/verbose.txt"


@pytest.mark.parametrize(
    ("name", "old", "new", "place"),
    [
        (CSV, "20.00,15.00", "20.00", "line 2"),
        (CSV, "20.00,15.00", "20.00,abc", "line 2"),
        (CSV, "Inter Token Latency (ms)", "Time To First Token (ms)", "stands there twice"),
        (CSV, "(ms)", "(miles)", "'miles' is not a unit"),
        (CSV, '"1,850.00"', '"1,850.00', "is not CSV"),
        (TABLE, "51.05 ± 0.78", "nan ± nan", "line 4"),
        (TABLE, "51.05 ± 0.78", "0.00 ± 0.00", "line 4"),
        (TABLE, "pp512", "zz512", "line 4"),
        (TABLE, "| CPU        |       8 |", "| CPU        |", "line 4"),
        (TEXT, "1m2.5s", "1m2.5x", "line "),
        (TEXT, "10.25 tokens/s", "NaN tokens/s", "line "),
        (TEXT, "10.25 tokens/s", "99.25 tokens/s", "line "),
        (TEXT, "615 token(s)", "-615 token(s)", "line "),
    ],
)
def test_a_damaged_table_or_text_is_refused(name: str, old: str, new: str, place: str) -> None:
    data = CONTENTS[name].decode()
    [reader] = known(data.encode())
    assert old in data
    with pytest.raises(SitegenError, match=place):
        reader.runs(data.replace(old, new, 1).encode(), {})


def test_percentiles_are_those_of_linear_interpolation() -> None:
    values = [float(value) for value in range(101)]
    figures = distribution(values)
    assert (figures["p50"], figures["p90"], figures["p99"], figures["mean"]) == (50, 90, 99, 50)
    assert figures["stddev"] == pytest.approx(29.1547594742)
    assert "p99" not in distribution(values[:99])
    assert "p90" not in distribution(values[:9])
    assert distribution([2.0]) == {"mean": 2.0}
    assert distribution([]) == {}
