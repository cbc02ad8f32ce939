"""Incremental readers of event streams: bytes as they come from a socket, whole events out.

`ServerSentEvents` reads the `text/event-stream` of the OpenAI dialects (WHATWG HTML, section
9.2), `JsonLines` what Ollama sends. Neither decodes a payload, neither raises on any input, and
the events do not depend on how the bytes were split into reads.
"""

from __future__ import annotations

from typing import TypeAlias

#: Name and payload of one event; the name is empty where the stream gives none.
Event = tuple[bytes, bytes]

#: The longest event, in bytes: a stream without an end of line must not fill the memory.
LIMIT_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"
_NONE: tuple[Event, ...] = ()


class ServerSentEvents:
    """Reads an event stream with any line ends, comments and multi-line data.

    A field called ``error`` counts as an event of that name: llama.cpp's server writes one.
    An event that the stream ends in is none, as the standard has it.
    """

    __slots__ = ("_after_cr", "_first", "_pending", "_searched", "broken", "limit_bytes")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Start at the beginning of a stream; ``limit_bytes`` bounds one event."""
        self.limit_bytes = limit_bytes
        self.broken = ""
        self._pending = bytearray()
        self._searched = 0
        self._after_cr = False
        self._first = True

    @property
    def rest(self) -> bytes:
        """What has come of an event that is not whole yet."""
        return bytes(self._pending)

    def feed(self, data: bytes) -> list[Event] | tuple[Event, ...]:
        """Return the events that are whole now; none any more once ``broken`` is set."""
        # Nearly every read of a token stream is just one event: no copy and no loop for that.
        if (
            not self._pending
            and not self._after_cr
            and data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and data.find(b"\n") == len(data) - 2
            and b"\r" not in data
            and len(data) <= self.limit_bytes
            and not self.broken
        ):
            self._first = False
            return ((b"", data[6:-2]),)
        return self._feed(data)

    def _feed(self, data: bytes) -> list[Event]:
        if self.broken or not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]  # the second half of a line end that two reads share
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pending = self._pending
        pending += data
        found: list[Event] = []
        start = 0
        # What was searched before is not searched again: one byte a read stays linear.
        at = pending.find(b"\n\n", max(self._searched - 1, 0))
        while at >= 0:
            if at - start > self.limit_bytes:
                break
            self._event(bytes(pending[start:at]), found)
            start = at + 2
            at = pending.find(b"\n\n", start)
        if start:
            del pending[:start]
        self._searched = len(pending)
        # One more than the limit may still be the line end of an event at the limit.
        if at >= 0 or len(pending) > self.limit_bytes + 1:
            self.broken = f"an event is longer than {self.limit_bytes} bytes"
            pending.clear()
        return found

    def close(self) -> tuple[Event, ...]:
        """Return nothing: the standard discards what no blank line has ended."""
        return _NONE

    def _event(self, block: bytes, found: list[Event]) -> None:
        if self._first:
            self._first = False
            block = block.removeprefix(_BOM)
        name, lines = b"", []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                lines.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
            elif field == b"error":
                name = field
                lines.append(value.removeprefix(b" "))
        if lines:
            found.append((name, b"\n".join(lines)))


class JsonLines:
    """Reads one JSON value a line, as Ollama streams them; blank lines are skipped."""

    __slots__ = ("_pending", "_searched", "broken", "limit_bytes")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Start at the beginning of a stream; ``limit_bytes`` bounds one line."""
        self.limit_bytes = limit_bytes
        self.broken = ""
        self._pending = bytearray()
        self._searched = 0

    @property
    def rest(self) -> bytes:
        """What has come of a line that is not whole yet."""
        return bytes(self._pending)

    def feed(self, data: bytes) -> list[Event] | tuple[Event, ...]:
        """Return the lines that are whole now; none any more once ``broken`` is set."""
        if self.broken:
            return _NONE
        pending = self._pending
        pending += data
        end = pending.rfind(b"\n", self._searched) + 1
        if not end:
            self._searched = len(pending)
            self._bound(len(pending))
            return _NONE
        whole = bytes(pending[:end])
        del pending[:end]
        self._searched = len(pending)
        found: list[Event] = []
        for line in whole.split(b"\n"):
            if len(line) > self.limit_bytes:
                self._bound(len(line))
                return found
            if text := line.strip():
                found.append((b"", text))
        self._bound(len(pending))
        return found

    def close(self) -> tuple[Event, ...]:
        """Return the last line where no line end follows it."""
        text = bytes(self._pending).strip()
        self._pending.clear()
        return ((b"", text),) if text and not self.broken else _NONE

    def _bound(self, length: int) -> None:
        if length > self.limit_bytes:
            self.broken = f"a line is longer than {self.limit_bytes} bytes"
            self._pending.clear()


Reader: TypeAlias = ServerSentEvents | JsonLines
