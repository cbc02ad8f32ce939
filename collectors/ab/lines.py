"""The lines of a report as ab printed them, out of what people made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAX_LINE, _MAX_GLUED, _SHORTEST_GLUED = 2000, 8000, 20
_EDGE = " \t\xa0*_>|•·│+-"
_CELLS = re.compile(r"[ \t]*[|│\t][ \t]*|  +")
#: What people put before every line of a block to make it a comment, and after one to explain it.
_COMMENT = re.compile(r"[ \t]{0,40}(?:/{2,3}|#{1,3}|-{2}|;{1,2}|%{1,2})(?=[ \t]|$)")
_EXPLAINED = re.compile(r"[ \t](?:#{1,9}|//|<-{1,9}|←).*$")
_LABELS = (
    "Server (?:Software|Hostname|Port|Temp Key)|SSL/TLS Protocol|TLS Server Name"
    "|Document (?:Path|Length)|Concurrency Level|Time taken for tests"
    "|(?:Complete|Failed|Keep-Alive) requests|(?:Write|Broken pipe) errors|Non-2xx responses"
    "|(?:Total|HTML) transferred|Total (?:body sent|POSTed|PUT)|Requests per second"
    "|Time per request|Transfer rate"
)
_ROWS = "Connect|Processing|Waiting|Total"
_HEADS = "Conn?nection Times|Percentage of (?:the )?requests served"
_BEGINS = re.compile(rf"[ \t]{{0,40}}(?:(?:{_LABELS}|{_ROWS}) ?:|min |{_HEADS})")
#: Where another line of ab's starts within one: its line ends were lost.
_GLUED = re.compile(
    rf"(?=(?:{_LABELS}) ?:|{_HEADS}|\(Connect: \d"
    rf"|(?<!\()(?:{_ROWS}):[ \t]{{1,20}}\d{{1,12}}[ \t]{{1,20}}\d)"
    r"|(?<=[ \t])(?=\d{2,3}%[ \t]{1,20}\d)"
)


def lines(text: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the number of each line, the line, and the next one, None after the last.

    Comment signs before a block of lines are taken off, and lines without an end between them
    are parted. One at a time: all of them may be very many.
    """
    before, own = "", None
    for index, (line, following) in enumerate(_raw(text)):
        own = _lead(line) if own is None else own
        after = _lead(following or "")
        lead = own if own and own in {before, after} else ""  # else a heading, and no block
        if not lead and len(line) < _SHORTEST_GLUED:
            yield index, line, following
            before, own = own, after
            continue
        *pieces, last = _parted(_without(line, lead))
        for number, piece in enumerate(pieces, 1):
            yield index, piece, [*pieces, last][number]
        yield index, last, _without(following, lead) if lead and following else following
        before, own = own, after


def tidy(line: str) -> str:
    """Return a line without bullets, bars and emphasis around it, its white space collapsed.

    What somebody explains behind it is left out.
    """
    text = _EXPLAINED.sub("", line[:_MAX_LINE]).strip(_EDGE + "\r`")
    if "*" in text or "`" in text:
        text = text.replace("**", "").replace("`", "")
    return _CELLS.sub(" ", text)


def _raw(text: str) -> Iterator[tuple[str, str | None]]:
    start, end = 0, text.find("\n")
    while end >= 0:
        after = text.find("\n", end + 1)
        yield text[start:end], text[end + 1 : after if after >= 0 else len(text)]
        start, end = end + 1, after
    yield text[start:], None


def _lead(line: str) -> str:
    if not line or line[0].isalnum():
        return ""
    found = _COMMENT.match(line)
    return found[0].strip() if found else ""


def _without(line: str, lead: str) -> str:
    return line.lstrip().removeprefix(lead) if lead and _lead(line) == lead else line


def _parted(line: str) -> list[str]:
    """Return the lines that stand in ``line``."""
    if len(line) > _MAX_GLUED or not _BEGINS.match(line):
        return [line]
    begin = len(line) - len(line.lstrip())
    starts = [found.start() for found in _GLUED.finditer(line) if found.start() > begin]
    return [line[a:b] for a, b in zip([0, *starts], [*starts, len(line)], strict=True)]
