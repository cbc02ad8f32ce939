"""What redaction promises of every text, not of chosen ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.collect import Reader
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from sitegen.redact import Redactor
from sitegen.redact.redactor import SHAPES, possible
from sitegen.redact.shape import outline
from tests.collectors.damage import values
from tests.redact.corpus import HIDDEN, INNOCENT, KNOWN, SHAPED

RAW = Path(__file__).parents[1] / "raw"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
#: Recorded outputs that hold an address or an id, as their tools write them.
NAMING = {
    *("llm/nvidia/aiperf.csv", "llm/nvidia/aiperf.json"),
    *("7z/riscv-24.09.out", "ab/old-2.0.40.out", "ab/post.out"),
    *("hardware/nvbandwidth.json", "phoronix/one-system.xml"),
    *("criterion/messages.json", "github-action-benchmark/data.js"),
}
ONE_LINE = [text for text, _ in SHAPED.values() if "\n" not in text]
PIECES = [
    *(text for text, _ in SHAPED.values()),
    *(data.decode("latin-1") for data, _ in HIDDEN.values()),
    *INNOCENT,
    *("[host]", "[secret]", "token=", "--token ", "://", "@", "/home/", " ", "\n", '"', "=", ":"),
    *("\\", "%2F", "\x1b[0m", "janedoe", "bench-node-17", "\\u002f", "-", "."),
]
PATHS = {"/srv/janes-work": "$PWD", "/srv/janes-work/scratch-9": "$WORK"}
#: Names that people and machines really have, and tools print.
HARMFUL = {
    "user": ["max", "mike", "mark", "read", "total", "will", "job", "data"],
    "host": ["h100", "gpu", "fio", "latency", "write", "mean", "node", "bench"],
    "serial": ["1", "0", "4096", "12345678", "100"],
}


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = Redactor(KNOWN, PATHS).text(text)
    assert Redactor(KNOWN, PATHS).text(once) == once


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_an_outline_announces_whatever_a_pattern_finds(text: str) -> None:
    lowered = text.lower()
    announced = possible(outline(lowered))
    for shape in SHAPES:
        everywhere = list(shape.find(text, ""))
        assert list(shape.find(text, lowered)) == everywhere
        assert not everywhere or shape in announced


@given(st.binary(max_size=400))
def test_any_bytes_come_back(noise: bytes) -> None:
    redactor = Redactor(KNOWN)
    assert redactor.data(noise) == noise or redactor.counts()
    binary = bytes(byte for byte in noise if byte >= 0x80)
    assert Redactor(KNOWN).data(binary) == binary


@given(
    st.lists(st.sampled_from(ONE_LINE), max_size=5),
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32"]),
)
def test_lines_are_redacted_alike_alone_and_together(lines: list[str], encoding: str) -> None:
    alone = "\n".join(Redactor().text(line) for line in lines) + "\nend, plain and long enough\n"
    text = "\n".join(lines) + "\nend, plain and long enough\n"
    assert Redactor().data(text.encode(encoding)).decode(encoding) == alone


@given(st.lists(st.sampled_from(PIECES), max_size=5), st.sampled_from(sorted(SHAPED)))
def test_words_of_a_command_are_redacted_as_its_line_is(words: list[str], name: str) -> None:
    text, secret = SHAPED[name]
    argv = [*words, *text.split(" ")]
    clean = Redactor(KNOWN).words(argv)
    assert len(clean) == len(argv)
    if " " not in secret and "\n" not in text and "log" not in name:
        assert secret not in " ".join(clean[len(words) :])


@pytest.mark.parametrize(
    ("argv", "clean"),
    [
        (["x", "--api-key", "Abcd1234"], ["x", "--api-key", "[secret]"]),
        (["x", "--password", "two words"], ["x", "--password", "[secret]"]),
        (["curl", "-H", "Authorization: Bearer Abcd1234", "u"],
         ["curl", "-H", "Authorization: Bearer [secret]", "u"]),
        (["curl", "-u", "jane:hunter22", "u"], ["curl", "-u", "[secret]", "u"]),
        (["x", "--max-tokens", "128", "--token-limit", "9"],
         ["x", "--max-tokens", "128", "--token-limit", "9"]),
        (["ab", "-n", "10", "-c", "2", "-p", "f"], ["ab", "-n", "10", "-c", "2", "-p", "f"]),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"]),
        (["x", "", " ", "janedoe"], ["x", "", " ", "[user]"]),
    ],
)  # fmt: skip
def test_an_option_tells_what_the_word_after_it_is(argv: list[str], clean: list[str]) -> None:
    assert list(Redactor(KNOWN).words(argv)) == clean


@pytest.mark.parametrize(
    ("name", "value", "clean"),
    [
        ("api_key", "two words", "[secret]"),
        ("hostname", "bench17", "[host]"),
        ("serial_number", "CZ24130XYZ", "[serial]"),
        ("token", "12.5", "12.5"),
        ("threads", "8", "8"),
        ("url", "http://127.0.0.1:80/", "http://127.0.0.1:80/"),
        ("time_per_output_token", "0.05", "0.05"),
    ],
)
def test_a_name_tells_what_its_value_is(name: str, value: str, clean: str) -> None:
    assert Redactor().pair(name, value) == clean


@pytest.mark.parametrize("path", sorted(p for p in RAW.rglob("*") if p.is_file()), ids=str)
def test_recorded_outputs_pass_unchanged_but_for_those_that_name_a_machine(path: Path) -> None:
    data, redactor = path.read_bytes(), Redactor()
    clean = redactor.data(data)
    if path.relative_to(RAW).as_posix() not in NAMING:
        assert (clean, redactor.counts()) == (data, {})
        return
    assert sum(redactor.counts().values()) > 0
    [reader] = [each for _, each in forms().readers if each.knows(data)]
    assert reader.runs(clean, {}) == reader.runs(data, {})


def _readings(reader: Reader, data: bytes) -> list[Mapping[tuple[object, ...], float | None]]:
    return [values(reading) for reading in reader.runs(data, {})]


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in (RAW, SAMPLES)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size < 200_000
    ],
    ids=lambda path: path.name,
)
def test_a_redacted_output_gives_the_same_measurements(path: Path) -> None:
    data = path.read_bytes()
    for reader in [each for _, each in forms().readers if each.knows(data)]:
        try:
            before = _readings(reader, data)
        except SitegenError:
            continue  # refused as it is
        for redactor in (Redactor(KNOWN), Redactor(HARMFUL)):
            after = _readings(reader, redactor.data(data))
            # The values; a name among the parameters may have gone.
            assert [Counter(each.values()) for each in after] == [
                Counter(each.values()) for each in before
            ]


def test_json_stays_json_whatever_goes() -> None:
    document = {f"k{i}": text for i, (text, _) in enumerate(SHAPED.values())}
    clean = Redactor(KNOWN).text(json.dumps(document, indent=1))
    assert list(json.loads(clean)) == list(document)
