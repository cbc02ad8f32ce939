"""What holds for every reader: bounds, damage, and that one form is no other's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.llm.readers import READERS, documents, finding
from sitegen.collect import Reader, Reading
from sitegen.collect.installed import check_measurement
from sitegen.collect.settings import helps
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, ToolIdentity, check_metric, check_time

RAW = Path(__file__).parents[3] / "raw" / "llm"
FOLDERS = ("guidellm", "llama-bench", "nvidia", "ollama", "vllm")
FILES = [path for folder in FOLDERS for path in sorted((RAW / folder).iterdir())]
CONTENTS = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in FILES}
REFUSED = {"llama-bench/bench.sql", "llama-bench/batched.md", "nvidia/profile_export.jsonl"}


def known(data: bytes) -> list[Reader]:
    return [reader for reader in READERS if reader.knows(data)]


def check(found: Reading) -> None:
    """Check that what is found can be archived."""
    assert found.measurements
    assert found.tool is not None
    names = {m.metric for m in found.measurements}
    for row in found.measurements:
        check_measurement(row)
        assert row.statistic in STATISTICS
        assert row.value is not None
        assert 0 <= row.value < documents.MAX_NUMBER
        assert f"{row.metric} {row.statistic}" in dict(found.natives)
    series = [
        (m.workload, m.metric, m.statistic, m.params, m.repetition) for m in found.measurements
    ]
    assert len(set(series)) == len(series)
    for definition in found.definitions:
        assert definition.id in names
        check_metric(definition.id)
    for name in names - {d.id for d in found.definitions}:
        assert name.removeprefix("llm.") in finding.UNITS
    if found.started_at:
        check_time(found.started_at)
    for text in (*found.notes, *(p.value for p in found.parameters)):
        assert text.isprintable()
    for fact in found.facts:
        assert fact.value is not None
        assert fact.value.isprintable()


def attempt(data: bytes) -> None:
    """Read ``data`` with every reader that knows it: a Reading or a SitegenError, nothing else."""
    for reader in known(data):
        said = ""
        runs: tuple[Reading, ...] = ()
        try:
            runs = reader.read(data, {})
        except SitegenError as error:
            said = str(error)
        assert said.isprintable()
        assert runs or said
        for found in runs:
            check(found)


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_each_form_is_known_to_one_reader_alone(name: str) -> None:
    [reader] = known(CONTENTS[name])
    if name in REFUSED:
        with pytest.raises(SitegenError):
            reader.read(CONTENTS[name], {})
        return
    for found in reader.read(CONTENTS[name], {}):
        check(found)


def test_readers_have_names_of_their_own_and_help_for_what_they_ask() -> None:
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names)
    for reader in READERS:
        assert reader.title
        for name, line in helps(reader.asks).items():
            assert finding.ASKS[name] == line


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\x00" * 100,
        b"\xff\xfe",
        b"date,value\n1,2\n",
        b"a: 1\n",
        b'"x"',
    ],
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
        if not isinstance(inner, (dict, list)) or not inner or draw(st.integers(0, 4)) == 0:
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
                reader.read(data.replace(b"{", deep, 1), {})


@pytest.mark.parametrize("depth", range(100, 1100, 37))
def test_any_depth_is_read_or_refused(depth: int) -> None:
    deep = b"[" * depth + b'{"prompt_tokens": 256}' + b"]" * depth
    data = CONTENTS["guidellm/schema-1.json"]
    old = b'["prompt_tokens=256,output_tokens=128"]'
    assert old in data
    attempt(data.replace(old, deep))


def test_what_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    for name, data in CONTENTS.items():
        if name not in REFUSED:
            [reader] = known(data)
            with pytest.raises(SitegenError, match="100 at most are read"):
                reader.read(data, {})


def test_a_key_that_stands_twice_is_refused() -> None:
    data = CONTENTS["vllm/serve.json"].replace(b'"completed"', b'"failed": 7,\n  "completed"')
    [reader] = known(data)
    with pytest.raises(SitegenError, match="key 'failed' stands there twice"):
        reader.read(data, {})


def test_the_line_of_the_damage_is_named() -> None:
    data = CONTENTS["ollama/chat-stream.jsonl"].replace(b'"eval_count": 64', b'"eval_count": x', 1)
    [reader] = known(data)
    with pytest.raises(SitegenError, match="line 6, column"):
        reader.read(data, {})


@pytest.mark.parametrize("name", ["ollama/chat-stream.jsonl", "llama-bench/bench.jsonl"])
def test_a_damaged_object_is_not_taken_for_noise(name: str) -> None:
    data = CONTENTS[name]
    [reader] = known(data)
    last = data.rindex(b"\n{", 0, -1) + 1
    for damaged in (data[:last] + b"x" + data[last + 1 :], data.rstrip()[:-1]):
        with pytest.raises(SitegenError, match="breaks off or is damaged"):
            reader.read(damaged, {})


def test_there_is_a_limit_to_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MAX_SAMPLES", 3)
    with pytest.raises(SitegenError, match="more than 3 samples"):
        known(CONTENTS["vllm/serve-detailed.json"])[0].read(
            CONTENTS["vllm/serve-detailed.json"], {}
        )


def test_percentiles_are_those_of_linear_interpolation() -> None:
    values = [float(value) for value in range(101)]
    found = finding.distribution(values)
    assert (found["p50"], found["p90"], found["p99"], found["mean"]) == (50, 90, 99, 50)
    assert found["stddev"] == pytest.approx(29.1547594742)
    assert "p99" not in finding.distribution(values[:99])
    assert finding.distribution([]) == {}
    assert finding.distribution([2.0]) == {"mean": 2.0}
    assert "p90" not in finding.distribution(values[:9])


def test_a_finding_without_a_value_is_none() -> None:
    with pytest.raises(SitegenError, match="no measurement"):
        finding.Finding(ToolIdentity("x", "")).found()
