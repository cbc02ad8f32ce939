"""Which encodings a file may be in: all are looked through, so that none hides anything."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import NamedTuple

_HEAD = 4096
_MOSTLY = 0.8


class Encoding(NamedTuple):
    """How bytes become text and back: the two undo each other for every input."""

    name: str = "utf-8"
    mark: int = 0
    width: int = 1
    errors: str = "surrogatepass"

    def changed(self, data: bytes, change: Callable[[str], str]) -> bytes:
        """Return ``data`` with its text changed; what is no text stays byte for byte."""
        tail = len(data) - (len(data) - self.mark) % self.width
        text = data[self.mark : tail].decode(self.name, self.errors)
        new = change(text)
        if new is text:
            return data
        return data[: self.mark] + new.encode(self.name, self.errors) + data[tail:]


_MARKED = (
    (codecs.BOM_UTF32_LE, Encoding("utf-32-le", 4, 4)),
    (codecs.BOM_UTF32_BE, Encoding("utf-32-be", 4, 4)),
    (codecs.BOM_UTF16_LE, Encoding("utf-16-le", 2, 2)),
    (codecs.BOM_UTF16_BE, Encoding("utf-16-be", 2, 2)),
)


def encodings(data: bytes) -> Iterator[Encoding]:
    """Yield the encodings to read ``data`` in, one after the other.

    What calls itself UTF-16 may be anything: its bytes are looked at as well.
    """
    head = data[:_HEAD]
    marked = [encoding for mark, encoding in _MARKED if data.startswith(mark)]
    # Latin letters in UTF-16 without a mark: every second byte is zero.
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[offset::2]
        if len(head) > 3 and half.count(0) > _MOSTLY * len(half):  # noqa: PLR2004 - a letter or two
            marked.append(Encoding(name, 0, 2))
    yield from marked[:1]
    yield Encoding(errors="surrogateescape")
