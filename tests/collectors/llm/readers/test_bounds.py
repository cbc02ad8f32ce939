"""What holds for every reader: damage, bounds, and that one form is no other's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.llm.readers import READERS
from collectors.llm.readers.outputs import distribution
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, check_metric
from tests.collectors import damage
from tests.collectors.llm.readers.outputs import RAW

FOLDERS = ("guidellm", "llama-bench", "nvidia", "ollama", "vllm")
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


def test_percentiles_are_those_of_linear_interpolation() -> None:
    values = [float(value) for value in range(101)]
    figures = distribution(values)
    assert (figures["p50"], figures["p90"], figures["p99"], figures["mean"]) == (50, 90, 99, 50)
    assert figures["stddev"] == pytest.approx(29.1547594742)
    assert "p99" not in distribution(values[:99])
    assert "p90" not in distribution(values[:9])
    assert distribution([2.0]) == {"mean": 2.0}
    assert distribution([]) == {}
