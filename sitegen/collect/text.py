"""The plain text of an output as people keep it: any encoding, coloured, in HTML, quoted."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from functools import lru_cache

#: Byte order marks, with the encoding of what follows.
BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\))")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
_BLOCK = re.compile(
    r"(?i)<(?:br|/p|/div|/li|/tr|/pre|/h[1-6]|hr)(?:\s[^<>]{0,500})?/?>(?:[ \t]*\n)?"
)
_CELL = re.compile(r"(?i)</t[dh]>")
_TAG = re.compile(
    r"(?i)</?(?:html|head|body|main|article|section|pre|code|samp|tt|p|div|span|font|center|table"
    r"|tbody|thead|tr|td|th|ul|ol|li|a|b|i|u|em|strong|small|h[1-6]|details|summary|blockquote"
    r"|title|meta|link|style|script|hr|!doctype)(?:\s[^<>]{0,2000})?/?>"
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
#: With the end of the line before: a look for that sign is many times faster than one for ``^``.
_QUOTE = re.compile(r"\n[ \t]{0,16}(?:> ?){1,8}")
_DAY = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
#: What loggers put before a line: the time, the stream, the container's name.
_PREFIXES = (
    re.compile(rf"^\[?{_DAY}\]?(?: ?[|:>-](?= ))?(?: (?:stdout|stderr) [FP])?(?: |\t|$)"),
    re.compile(r"^\[(?:stdout|stderr|out|err|info|INFO)\](?: |\t|$)"),
    re.compile(
        r"^\d\d:\d\d:\d\d(?:[.,]\d{1,9})? [A-Z]{4,8} {0,4}\|(?: \[std(?:out|err)\])?(?: |$)"
    ),
    re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,80} [^\s:]{1,80}:(?: |$)"),
    re.compile(r"^\[(?:pod|container)/[^\]\s]{1,200}\](?: |$)"),
    re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,80} +\|(?: |$)"),
    re.compile(r"^\[(?:\d{1,3}:)?\d{1,2}:\d\d(?:\.\d{1,9})?\](?: |\t|$)"),
)
#: One look for all of them: most lines of most files have none.
_ANY_PREFIX = re.compile("|".join(prefix.pattern for prefix in _PREFIXES))
_LOGGED, _SAMPLE = 0.8, 2_000
#: Several readers look at one file, one after another: the last few texts are kept.
_KEPT, _MOST_KEPT_BYTES = 8, 1_000_000
_LARGE: list[bytes | str] = []


def plain(data: bytes) -> str:
    """Return the text in ``data`` as the tool printed it, as far as that can be known.

    Never raises: bytes that are no text become U+FFFD. Encodings by their byte order mark, and
    UTF-16 without one by its zeros; line ends are newlines; colours, HTML mark-up, quoting and
    what a logger put before every line are taken off.
    """
    if len(data) <= _MOST_KEPT_BYTES:
        return _kept(data)
    # Dozens of forms look at one large output, one after another.
    if not (_LARGE and _LARGE[0] is data):
        _LARGE.clear()
        _LARGE.extend((data, _plain(data)))
    return str(_LARGE[1])


def one_line(text: str, longest: int) -> str:
    """Return a text on one line, printable; of one that is too long the end is its digest."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= longest:
        return line
    return f"{line[: longest - 10]}… {hashlib.sha256(line.encode()).hexdigest()[:8]}"


def decoded(data: bytes) -> str:
    """Return ``data`` as text, by its byte order mark or its zeros, with nothing taken off.

    Never raises, as `plain`.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    head = data[:4096]
    # Latin letters in UTF-16: every second byte is zero.
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 3 and head[offset::2].count(0) > 0.8 * len(head[offset::2]):  # noqa: PLR2004 - a letter or two
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace").replace("\0", "")


def lines(text: str) -> Iterator[str]:
    """Yield the lines of ``text``, one at a time, each with its end where it has one."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def error_line(text: str, *signs: str) -> str:
    """Return the line that says best what went wrong: the last one with a sign, or the last."""
    every = [line.strip() for line in text.splitlines() if line.strip()]
    signed = (line for sign in signs for line in reversed(every) if sign in line)
    return next(signed, every[-1] if every else "")[:300]


def _plain(data: bytes) -> str:
    text = decoded(data)
    # Each repair costs a pass over the text, and a look for the sign that it needs next to nothing.
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if not text.isascii():
        text = _SPACES.sub(" ", text.replace("\u2028", "\n"))
    if "\r" in text:
        text = "\n".join(_last_drawn(line) for line in text.split("\n"))
    if "<" in text and _TAG.search(text):
        text = html.unescape(_TAG.sub("", _CELL.sub(" ", _BLOCK.sub("\n", text))))
    elif "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    if ">" in text:
        text = _QUOTE.sub("\n", f"\n{text}")[1:]
    return _unlogged(text)


_kept = lru_cache(maxsize=_KEPT)(_plain)


def _last_drawn(line: str) -> str:
    """Return what was left to see of a line that was drawn over itself."""
    return line.rstrip("\r").rpartition("\r")[2]


def _unlogged(text: str) -> str:
    """Return ``text`` without what a logger put before nearly every line."""
    if _begins_logged(text, _ANY_PREFIX):
        for prefix in _PREFIXES:
            if _begins_logged(text, prefix) and _is_logged(text.split("\n"), prefix, _LOGGED):
                text = "\n".join(prefix.sub("", line, count=1) for line in text.split("\n"))
    return text


def _begins_logged(text: str, prefix: re.Pattern[str]) -> bool:
    """Say whether the beginning of a text has half of what all of it must have."""
    return _is_logged(text.split("\n", _SAMPLE)[:_SAMPLE], prefix, _LOGGED / 2)


def _is_logged(rows: list[str], prefix: re.Pattern[str], share: float) -> bool:
    written = [row for row in rows if row and not row.isspace()]
    return bool(written) and sum(map(bool, map(prefix.match, written))) >= share * len(written)
