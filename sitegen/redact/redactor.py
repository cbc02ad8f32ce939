"""Finding and replacing: what is known, what looks like it, through every view of a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sitegen.redact.encodings import decode, is_wide
from sitegen.redact.keys import KEY_BLOCK, NAMES_A_SECRET, harmless
from sitegen.redact.known import Words
from sitegen.redact.shape import Shape, summary
from sitegen.redact.shapes import SHAPES
from sitegen.redact.views import views

_WINDOW = 1 << 16
#: As far as any pattern looks back or ahead of what it finds.
_MARGIN = 1 << 10
#: What a secret that reaches the end of a window goes on with.
_REST = re.compile(r"[\w.~+/=%:-]*")
_NO_LABEL = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d*(?:e[-+]?\d+)?", re.IGNORECASE)


class Span(NamedTuple):
    """A part of a text that goes, and what stands for it."""

    start: int
    end: int
    kind: str
    stand_in: str


class Redactor:
    """Replaces identifiers and counts what it replaced, by kind."""

    def __init__(
        self,
        known: Mapping[str, Iterable[str]] | None = None,
        paths: Mapping[str, str] | None = None,
    ) -> None:
        """Take the machine's own identifiers by kind, and paths with what stands for them."""
        self._counts: Counter[str] = Counter()
        self._units: dict[str, bool] = {}
        self._words = Words(known or {})
        longest_first = sorted((paths or {}).items(), key=lambda pair: -len(pair[0]))
        self._paths = [
            (path, re.compile(rf"{re.escape(path)}(?!\w)"), stand_in)
            for path, stand_in in longest_first
            if len(path) > 1
        ]

    def anew(self) -> Redactor:
        """Return a redactor that knows the same and has counted nothing: one for each run."""
        other = Redactor()
        other._words, other._paths = self._words, self._paths
        return other

    def text(self, text: str) -> str:
        """Return ``text`` with ``[kind]`` in the place of every identifier.

        What is returned here and by all but `data` is Unicode, whatever came in.
        """
        return _unicode(self._replaced(text, self.spans(text)))

    def data(self, data: bytes) -> bytes:
        """Return ``data`` redacted in its own encoding; bytes that are no text stay as they are."""
        text, encode = decode(data)
        changed = self._replaced(text, self.spans(text))
        clean = data if changed is text else encode(changed)
        if not is_wide(data):
            return clean
        # What calls itself UTF-16 may be anything: its bytes are looked at as well.
        return self._bytes(clean)

    def _bytes(self, data: bytes) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        return self._replaced(text, self.spans(text)).encode("utf-8", "surrogateescape")

    def words(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return a command's words redacted: an option tells what the word after it is."""
        joined = " ".join(argv)
        spans = list(self.spans(joined))
        found: list[str] = []
        at = 0
        for before, word in zip(("", *argv), argv, strict=False):
            end = at + len(word)
            if before.startswith("-") and "=" not in before and self._is_secret(before, word):
                found.append(self._whole("secret"))
            else:
                own = [
                    span._replace(start=max(span.start, at) - at, end=min(span.end, end) - at)
                    for span in spans
                    if at < end
                    and span.start < end
                    and span.end > at
                    and (span.start >= at or _goes_on(word))
                ]
                found.append(self._replaced(word, own) if own else self.text(word))
            at = end + 1
        return tuple(map(_unicode, found))

    def pair(self, name: str, value: str) -> str:
        """Return the value of what is called ``name``: the name tells what it is."""
        if self._is_secret(name, value):
            return self._whole("secret")
        before = f"{name}="
        spans = self.spans(before + value)
        inside = [s._replace(start=max(s.start, len(before))) for s in spans if s.end > len(before)]
        return _unicode(self._replaced(before + value, inside)[len(before) :])

    def version(self, text: str) -> str:
        """Return the text of a version: what looks like an address is none here."""
        return self.pair("version", text)

    def figure(self, text: str) -> str:
        """Return a number as printed; quick, because runs have hundreds of thousands."""
        number = _NUMBER.match(text)
        unit = text[number.end() :] if number else text
        if unit and (unit[0] != " " or not self._is_clean(unit)):
            return self.text(text)
        return text

    def _is_clean(self, unit: str) -> bool:
        if unit not in self._units:
            self._units[unit] = next(self.spans(unit), None) is None
        return self._units[unit]

    def label(self, text: str) -> str:
        """Return a name of sitegen's own form, with the bare kind for what it must not say."""
        bare = [
            span._replace(stand_in=_NO_LABEL.sub("-", span.stand_in.lower()).strip("-"))
            for span in self.spans(text)
        ]
        return self._replaced(text, bare)

    def counts(self) -> dict[str, int]:
        """Return how many replacements were made so far, by kind."""
        return dict(self._counts)

    def spans(self, text: str) -> Iterator[Span]:
        """Yield what has to go from ``text``, in order and apart from each other."""
        shapes, words = SHAPES, self._words
        if len(text) > _WINDOW:
            # What is nowhere in the text need not be looked for in each part of it.
            told = summary(text)
            shapes = tuple(s for s in SHAPES if any(trace in told for trace in s.traces))
            words = words.among(told)
        blocks = _key_blocks(text)
        block = next(blocks, None)
        waiting: list[Span] = []
        for start in range(0, len(text), _WINDOW):
            after = start + _WINDOW
            while block is not None and block.start < after:
                waiting.append(block)
                block = next(blocks, None)
            waiting = _apart([*waiting, *self._of_window(text, start, shapes, words)])
            # No window after this one finds anything before here.
            settled = [span for span in waiting if span.end <= after - _MARGIN]
            yield from settled
            waiting = waiting[len(settled) :]
        yield from waiting

    def _of_window(
        self, text: str, start: int, shapes: Sequence[Shape], words: Words
    ) -> Iterator[Span]:
        low = max(0, start - _MARGIN)
        high = min(len(text), start + _WINDOW + _MARGIN)
        for span in self._within(text[low:high], shapes, words):
            begin, end = span.start + low, span.end + low
            if end == high < len(text):
                rest = _REST.match(text, end)
                end = rest.end() if rest else end
            # The backslash of an escaped quote belongs to the quote.
            if text[end - 1] == "\\" and text[end : end + 1] in ('"', "'"):
                end -= 1
            if end > start and begin < min(end, start + _WINDOW):
                yield Span(begin, end, span.kind, span.stand_in)

    def _within(self, window: str, shapes: Sequence[Shape], words: Words) -> Iterator[Span]:
        yield from self._plain(window, shapes, words)
        for chain in views(window):
            for span in self._plain(chain[-1].text, SHAPES, self._words):
                start, end = span.start, span.end
                for view in reversed(chain):
                    start, end = view.source(start, end)
                yield span._replace(start=start, end=end)

    def _plain(self, text: str, shapes: Sequence[Shape], words: Words) -> Iterator[Span]:
        for path, pattern, stand_in in self._paths:
            if path in text:
                yield from (Span(*m.span(), "path", stand_in) for m in pattern.finditer(text))
        lowered = text.lower()
        for start, end, kind in words.find(text, lowered):
            yield Span(start, end, kind, f"[{kind}]")
        for shape in shapes:
            if shape.may_be_in(lowered):
                for start, end, kind in shape.find(text):
                    yield Span(start, end, kind, f"[{kind}]")

    def _replaced(self, text: str, spans: Iterable[Span]) -> str:
        done, parts, at = [], [""], 0
        for span in spans:
            parts += [text[at : span.start], span.stand_in]
            at = span.end
            self._counts[span.kind] += 1
            if len(parts) > _WINDOW:  # many small texts take far more room than a large one
                done.append("".join(parts))
                parts = []
        return "".join([*done, *parts, text[at:]]) if at else text

    def _is_secret(self, name: str, value: str) -> bool:
        return bool(
            len(name) <= 100  # noqa: PLR2004 - no name is longer
            and NAMES_A_SECRET.fullmatch(name)
            and not value.startswith(("-", "$", "[secret]"))
            and value
            and not harmless(name, value)
        )

    def _whole(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"[{kind}]"


def _goes_on(word: str) -> bool:
    """Say whether ``word`` may belong to what was found in an earlier word of a command.

    Of a header that a shell did not keep together the rest goes as well; what begins anew stays.
    """
    return not word.startswith("-") and "://" not in word


def _unicode(text: str) -> str:
    """Return ``text`` without halves of characters: bytes that are no text read as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return spans that overlap as one, under the name of the longest of them."""
    found: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if found and span.start < found[-1].end:
            last = found[-1]
            end = max(last.end, span.end)
            if span.end - span.start > longest:
                longest = span.end - span.start
                last = last._replace(kind=span.kind, stand_in=span.stand_in)
            found[-1] = last._replace(end=end)
        else:
            found.append(span)
            longest = span.end - span.start
    return found


def _key_blocks(text: str) -> Iterator[Span]:
    if "PRIVATE" in text:
        for match in KEY_BLOCK.finditer(text):
            yield Span(*match.span(), "private-key", "[private-key]")
