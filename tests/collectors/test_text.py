from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.collect.text import error_line, lines, plain

PRINTED = "This is ApacheBench, Version 2.3 <$Revision: 1903618 $>\nTime per request: 1.5 [ms]\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_that_shells_write_is_read(encoding: str) -> None:
    assert plain(PRINTED.replace("\n", "\r\n").encode(encoding)) == PRINTED


@pytest.mark.parametrize(
    "kept",
    [
        "\x1b[1;32m{}\x1b[0m",
        "<html><body><pre>{}</pre></body></html>",
        "<p><code>{}</code></p>",
        '<pre class="highlight"><span style="color: red">{}</span></pre>',
        "<div>{}</div>",
    ],
)
def test_colours_and_html_are_taken_off(kept: str) -> None:
    assert plain(kept.format(PRINTED).encode()).strip() == PRINTED.strip()


@pytest.mark.parametrize(
    "before",
    [
        "> ",
        "> > ",
        "2024-05-01T12:00:00.1234567Z ",
        "2024-05-01 12:00:00,123 - ",
        "2024/05/01 12:00:00 ",
        "[2024-05-01 12:00:00] ",
        "2024-05-01T12:00:00.123456789Z stdout F ",
        "bench_1  | ",
        "[stdout] ",
        "   > > ",
        "12:10:43 DEBUG| [stdout] ",
        "12:10:43 INFO | ",
        "Nov  1 14:02:06 node-1 bench[123]: ",
        "[pod/bench-vvdbl/bench] ",
    ],
)
def test_what_stands_before_every_line_is_taken_off(before: str) -> None:
    message = "".join(f"{before}{line}\n" for line in PRINTED.splitlines())
    assert plain(message.encode()) == PRINTED


def test_entities_are_undone_and_a_line_drawn_over_itself_is_what_was_left_to_see() -> None:
    assert plain(b"<pre>a &lt;b&gt; &amp; c</pre>").strip() == "a <b> & c"
    assert plain(b"Jobs: 1 [r] eta 3s\rJobs: 1 [r] eta 0s\rdone\nrow\n") == "done\nrow\n"
    assert plain(b"a\r\nb\r\n") == "a\nb\n"


def test_a_line_without_end_costs_as_much_as_its_length() -> None:
    assert len(plain(b"7-Zip (" * 1_000_000)) == 7_000_000


def test_a_text_is_repaired_once_for_all_that_read_it() -> None:
    data = PRINTED.encode() * 9
    assert plain(data) is plain(bytes(bytearray(data)))


def test_lines_are_those_of_the_text_with_their_ends() -> None:
    assert list(lines("a\n\nb\nc")) == ["a\n", "\n", "b\n", "c"]
    assert list(lines("")) == []


def test_json_and_tables_stay_as_they_are() -> None:
    text = '{\n  "a" : "<x>",\n  "b" : 1\n}\n22: 100 200 | 300 400\n'
    assert plain(text.encode()) == text


@given(st.binary(max_size=400))
def test_any_bytes_become_text(data: bytes) -> None:
    text = plain(data)
    assert "\r" not in text
    assert "\0" not in text or b"\0" in data


def test_a_long_line_costs_no_more_than_its_length() -> None:
    # The square of these lengths would take hours.
    line = b"Requests per second: " * 100_000
    assert plain(line) == line.decode()
    assert plain(b"10%\r20%\r" * 100_000 + b"done") == "done"


def test_of_messages_the_last_with_the_first_sign_tells_most() -> None:
    messages = "ab: one\n  apr_connect: two\nab: three\n\nbye\n"
    assert error_line(messages, "apr_", "ab:") == "apr_connect: two"
    assert error_line(messages, "ab:") == "ab: three"
    assert error_line(messages) == "bye"
    assert error_line("") == ""
