"""The text behind its disguises: escapes decoded, colours taken off, and where it stood.

A view is only looked at. What is found in it is replaced in the text that it was made from.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_COLOUR = (
    r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[()][0-9A-B])"
    r"|[\x00\xad\u200b-\u200d\u2060\ufeff]"
)
#: What stands for another character, or for none.
_ESCAPE = re.compile(
    rf"(?P<seam>{_COLOUR})|\\u[0-9a-fA-F]{{4}}|\\x[0-9a-fA-F]{{2}}|\\[/\"'\\nrt]"
    r"|%[0-7][0-9a-fA-F]|(?:%[89a-fA-F][0-9a-fA-F]){1,4}"
    r"|&(?:#\d{1,5}|#[xX][0-9a-fA-F]{1,4}|amp|quot|apos|lt|gt|nbsp|sol|commat|colon|period);"
)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
#: JSON within JSON within a log is as deep as anybody quotes.
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class View:
    """A text as its reader sees it, in pieces: where each begins here and in the source."""

    text: str
    here: tuple[int, ...]
    there: tuple[int, ...]
    verbatim: tuple[bool, ...]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return which part of the source the part from ``start`` to ``end`` was made from."""
        first = bisect_right(self.here, start) - 1
        last = bisect_right(self.here, end - 1) - 1
        begin = self.there[first] + (start - self.here[first] if self.verbatim[first] else 0)
        if self.verbatim[last]:
            return begin, self.there[last] + end - self.here[last]
        return begin, self.there[last + 1]


def views(text: str) -> Iterator[tuple[View, ...]]:
    """Yield each way to read ``text`` other than as it is: views of views, the outermost first.

    A colour in the middle of a word splits it for a program and not for a reader, and one
    before a word is no part of it: both are looked at.
    """
    if _ESCAPE.search(text) is None:
        return
    plain = _view(text, "")
    seams = [plain]
    if any(found["seam"] is not None for found in _ESCAPE.finditer(text)):
        seams.append(_view(text, " "))
    for view in seams:
        chain: tuple[View, ...] = (view,)
        yield chain
        while len(chain) < _DEPTH and _ESCAPE.search(chain[-1].text):
            chain = (*chain, _view(chain[-1].text, ""))
            yield chain


def _view(text: str, seam: str) -> View:
    parts: list[str] = []
    here, there, verbatim = [], [], []
    at = length = 0
    for found in _ESCAPE.finditer(text):
        if found.start() > at:
            here.append(length)
            there.append(at)
            verbatim.append(True)
            parts.append(text[at : found.start()])
            length += found.start() - at
        at = found.end()
        decoded = seam if found["seam"] is not None else _decoded(found[0])
        if decoded:
            here.append(length)
            there.append(found.start())
            verbatim.append(False)
            # The next piece tells where an escape ends, unless a seam follows it.
            parts.append(decoded)
            length += len(decoded)
    here.append(length)
    there.append(at)
    verbatim.append(True)
    parts.append(text[at:])
    return View("".join(parts), tuple(here), tuple(there), tuple(verbatim))


def _decoded(escape: str) -> str:
    if escape[0] == "%":
        return unquote(escape, errors="replace")
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[1] in "ux":
        digits = escape[2:]
        return chr(int(digits, base=16))
    return _CONTROL.get(escape[1], escape[1])
