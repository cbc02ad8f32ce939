"""Incremental readers of event streams: bytes as they come from a socket, whole events out.

`ServerSentEvents` reads the `text/event-stream` of the OpenAI dialects (WHATWG HTML, section
9.2), `JsonLines` what Ollama sends. Neither decodes a payload, neither raises on any input, and
the events do not depend on how the bytes were split into reads.
"""

from __future__ import annotations

from typing import ClassVar

#: Name and payload of one event; the name is empty where the stream gives none.
Event = tuple[bytes, bytes]

#: The longest event, in bytes: a stream without an end of line must not fill the memory.
LIMIT_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"


class Reader:
    """Cuts a stream at its ``separator``; line ends of any kind are newlines."""

    __slots__ = ("_after_cr", "_first", "_pending", "_searched", "broken", "limit_bytes")
    separator: ClassVar[bytes] = b"\n"

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Start at the beginning of a stream; ``limit_bytes`` bounds one event."""
        self.limit_bytes = limit_bytes
        self.broken = ""
        self._pending = bytearray()
        self._searched = 0
        self._after_cr, self._first = False, True

    @property
    def rest(self) -> bytes:
        """What has come of an event that is not whole yet."""
        return bytes(self._pending)

    def feed(self, data: bytes) -> list[Event] | tuple[Event, ...]:
        """Return the events that are whole now; none any more once ``broken`` is set."""
        if self.broken or not data:
            return ()
        # Nearly every read of a token stream is just one event: no copy and no loop for that.
        length = len(data) - len(self.separator)
        plain = not self._pending and not self._after_cr and b"\r" not in data
        if plain and data.find(self.separator) == length and 0 <= length <= self.limit_bytes:
            return self._event(data[:length])
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]  # the second half of a line end that two reads share
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pending, separator = self._pending, self.separator
        pending += data
        events: list[Event] = []
        start = 0
        # What was searched before is not searched again: one byte a read stays linear.
        at = pending.find(separator, max(self._searched - 1, 0))
        while 0 <= at <= start + self.limit_bytes:
            events += self._event(bytes(pending[start:at]))
            start = at + len(separator)
            at = pending.find(separator, start)
        del pending[:start]
        self._searched = len(pending)
        # One more than the limit may still be the line end of an event at the limit.
        if at >= 0 or len(pending) >= self.limit_bytes + len(separator):
            self.broken = f"an event is longer than {self.limit_bytes} bytes"
            pending.clear()
        return events

    def close(self) -> tuple[Event, ...]:
        """Return what the end of the stream makes an event."""
        return ()

    def _event(self, block: bytes) -> tuple[Event, ...]:
        raise NotImplementedError


class ServerSentEvents(Reader):
    """Reads an event stream with any line ends, comments and multi-line data.

    A field called ``error`` counts as an event of that name: llama.cpp's server writes one.
    An event that the stream ends in is none, as the standard has it.
    """

    __slots__ = ()
    separator = b"\n\n"

    def _event(self, block: bytes) -> tuple[Event, ...]:
        if self._first:
            self._first = False
            block = block.removeprefix(_BOM)
        if block.startswith(b"data: ") and b"\n" not in block:
            return ((b"", block[6:]),)
        name, lines = b"", []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field in {b"data", b"error"}:
                lines.append(value)
            if field == b"error":
                name = field
            elif field == b"event":
                name = value
        return ((name, b"\n".join(lines)),) if lines else ()


class JsonLines(Reader):
    """Reads one JSON value a line, as Ollama streams them; blank lines are skipped."""

    __slots__ = ()

    def close(self) -> tuple[Event, ...]:
        """Return the last line where no line end follows it."""
        return () if self.broken else self._event(self.rest)

    def _event(self, block: bytes) -> tuple[Event, ...]:
        text = block.strip()
        return ((b"", text),) if text else ()
