from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.llm.stream import Event, JsonLines, Reader, ServerSentEvents

#: What streams are made of: texts that mean something to a reader, and any others.
PIECES = st.one_of(
    st.sampled_from(
        (
            *(b"data: ", b"data:", b"data", b"event: error", b"error: x", b"id: 1", b": note"),
            *(b"\n", b"\r", b"\r\n", b"\n\n", b'{"a":"\xc3\xa9"}', b"[DONE]", b" "),
            *(b"\xef", b"\xef\xbb\xbf"),
        )
    ),
    st.binary(max_size=4),
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def events(reader: Reader, reads: list[bytes]) -> tuple[list[Event], str]:
    pairs = [event for data in reads for event in reader.feed(data)]
    return [*pairs, *reader.close()], reader.broken


def sse(*reads: bytes) -> list[Event]:
    return events(ServerSentEvents(), list(reads))[0]


def split(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(STREAMS, st.lists(st.integers(0, 1000), max_size=20), st.sampled_from([4, 9, 1 << 20]))
def test_the_events_do_not_depend_on_how_the_bytes_were_split(
    data: bytes, at: list[int], limit: int
) -> None:
    for kind in (ServerSentEvents, JsonLines):
        at_once = events(kind(limit), [data])
        assert events(kind(limit), split(data, at)) == at_once
        assert events(kind(limit), [data[i : i + 1] for i in range(len(data))]) == at_once


@given(st.lists(st.binary(max_size=12).filter(lambda b: not set(b) & set(b"\r\n")), max_size=8))
def test_a_truncated_stream_gives_the_events_before_the_cut(payloads: list[bytes]) -> None:
    blocks = [b"data: " + payload + b"\n\n" for payload in payloads]
    data = b"".join(blocks)
    ends = [len(b"".join(blocks[: count + 1])) for count in range(len(blocks))]
    for length in range(len(data) + 1):
        whole = sum(end <= length for end in ends)
        assert sse(data[:length]) == [(b"", payload) for payload in payloads[:whole]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_are_read(end: bytes) -> None:
    data = end.join([b"data: a", b"", b"event: error", b"data: b", b"", b""])
    assert sse(data) == [(b"", b"a"), (b"error", b"b")]
    assert sse(*(data[i : i + 1] for i in range(len(data)))) == [(b"", b"a"), (b"error", b"b")]


def test_lines_of_data_are_joined_and_one_space_is_dropped() -> None:
    assert sse(b"data: {\ndata:  1\ndata\ndata:}\n\n") == [(b"", b"{\n 1\n\n}")]


def test_a_field_called_error_is_an_event_of_that_name() -> None:
    assert sse(b'error: {"message":"full"}\n\n') == [(b"error", b'{"message":"full"}')]


def test_a_byte_order_mark_is_dropped_at_the_start_only() -> None:
    mark = b"\xef\xbb\xbf"
    assert sse(mark[:1], mark[1:] + b"data: a\n\ndata: b\n\n") == [(b"", b"a"), (b"", b"b")]
    assert sse(b"data: a\n\n" + mark + b"data: b\n\n") == [(b"", b"a")]


@pytest.mark.parametrize("kind", [ServerSentEvents, JsonLines])
def test_an_endless_line_is_given_up_and_its_memory_with_it(
    kind: type[ServerSentEvents | JsonLines],
) -> None:
    reader = kind(1000)
    for _ in range(100):
        assert not reader.feed(b"data: " + b"x" * 500)
    assert "longer than 1000 bytes" in reader.broken
    assert reader.rest == b""
    assert not reader.feed(b"data: a\n\n")


def test_json_lines_skip_blank_ones_and_need_no_last_line_end() -> None:
    reads = [b'{"a":1}\r\n\r\n \n{"a"', b':2}\n{"a":3}']
    pairs, _ = events(JsonLines(), reads)
    assert pairs == [(b"", b'{"a":1}'), (b"", b'{"a":2}'), (b"", b'{"a":3}')]
