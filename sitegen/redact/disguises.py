"""The text behind its disguises: a file in any encoding, escapes decoded, colours taken off.

A view is only looked at. What is found in it is replaced in the text that it was made from.
"""

from __future__ import annotations

import codecs
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple
from urllib.parse import unquote

#: What a terminal does not show, or begins what it does not.
_UNSEEN = "\x1b\x00\xad\u200b\u200c\u200d\u2060\ufeff"
_SEAM = re.compile(f"[{_UNSEEN}]")
#: What stands for another character, or for none; told apart by its first, which is quick to find.
_FIRST = f"\\%&{_UNSEEN}"
_ESCAPE = re.compile(
    rf"[\\%&{_UNSEEN}]"
    r"(?:"
    r"(?<=\\)(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[/\"'\\nrt])"
    r"|(?<=%)(?:[0-7][0-9a-fA-F]|[89a-fA-F][0-9a-fA-F](?:%[89a-fA-F][0-9a-fA-F]){0,3})"
    r"|(?<=&)(?:#\d{1,5}|#[xX][0-9a-fA-F]{1,4}|amp|quot|apos|lt|gt|nbsp|sol|commat|colon|period);"
    r"|(?<=\x1b)(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[()][0-9A-B])"
    r"|(?<=[^\\%&\x1b]))"
)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
#: JSON within JSON within a log is as deep as anybody quotes.
_DEPTH = 3


class View:
    """A text as its reader sees it; ``seam`` stands where a colour was."""

    def __init__(self, origin: str, seam: str) -> None:
        self.origin, self.seam = origin, seam
        self.text = _ESCAPE.sub(lambda escape: _decoded(escape[0], seam), origin)

    @cached_property
    def _pieces(self) -> tuple[list[int], list[int], list[bool]]:
        """Where each piece begins here and in the origin, and whether it is the same in both."""
        here, there, same = [], [], []
        at = length = 0
        for escape in _ESCAPE.finditer(self.origin):
            if escape.start() > at:
                here.append(length)
                there.append(at)
                same.append(True)
                length += escape.start() - at
            at = escape.end()
            if decoded := _decoded(escape[0], self.seam):
                # The next piece tells where an escape ends, unless a seam follows it.
                here.append(length)
                there.append(escape.start())
                same.append(False)
                length += len(decoded)
        return [*here, length], [*there, at], [*same, True]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return which part of the origin the part from ``start`` to ``end`` was made from."""
        here, there, same = self._pieces
        first, last = bisect_right(here, start) - 1, bisect_right(here, end - 1) - 1
        begin = there[first] + (start - here[first] if same[first] else 0)
        return begin, there[last] + end - here[last] if same[last] else there[last + 1]


def views(text: str) -> Iterator[tuple[View, ...]]:
    """Yield each way to read ``text`` other than as it is: views of views, the outermost first.

    A colour in the middle of a word splits it for a program and not for a reader, and one
    before a word is no part of it: both are looked at.
    """
    # A letter is found in a text far quicker than a pattern.
    if not any(first in text for first in _FIRST) or _ESCAPE.search(text) is None:
        return
    for seam in ("", " ") if _SEAM.search(text) else ("",):
        chain: tuple[View, ...] = (View(text, seam),)
        yield chain
        while len(chain) < _DEPTH and _ESCAPE.search(chain[-1].text):
            chain = (*chain, View(chain[-1].text, ""))
            yield chain


def _decoded(escape: str, seam: str) -> str:
    kind = escape[0]
    if kind == "%":
        return unquote(escape, errors="replace")
    if kind == "&":
        return html.unescape(escape)
    if kind != "\\":
        return seam
    if escape[1] in "ux":
        digits = escape[2:]
        return chr(int(digits, base=16))
    return _CONTROL.get(escape[1], escape[1])


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
