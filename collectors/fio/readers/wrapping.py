"""fio's output out of what others put around it: Markdown, words before each line, JSON strings."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from collectors.fio.readers.runs import JSON_SIGN, TEXT_SIGN
from sitegen.collect import decode
from sitegen.errors import SitegenError

#: What lines of fio's text, and of its JSON, begin with, whatever the job.
_TEXT_LINES = re.compile(
    r"(?:read|write|trim)[ \t]{0,2}: IOPS=|cpu {1,12}: usr=|IO depths {1,8}: |issued rwts?: total="
    r"|Run status group \d"
)
_JSON_LINES = re.compile(r'"(?:fio version|timestamp_ms|jobname|groupid|usr_cpu)"\s{0,4}:')
_LONGEST_WORDS = 300
#: A time or a counter, and what ends words that no space need part from their line.
_CLOCK = re.compile(r"[\[(]?[\d:.,TZ+/-]{0,40}?\d[\d:.,TZ+/-]{0,40}[\])]?")
_CLOSING = ":|>])}"
_QUOTES, _BRACKETS = frozenset("\"'- "), frozenset('{["')
_QUOTED_LINE = re.compile(
    r"(?m)^[ \t]*(?:- )?(?:\"((?:[^\"\\\n]|\\[^\n])*)\"|'((?:[^'\n]|'')*)'),?[ \t]*$"
)
_QUOTE = re.compile(r'\\.|"')
_ESCAPED = re.compile(r"\\([_*`~\[\]()])")
#: A JSON document, or a list of lines.
_DOCUMENT = re.compile(rb"\s*(?:\{|\[\s*[\[{\"])")
#: What tells in a log from where each of its lines came.
_SOURCES = frozenset(
    {
        *("pod", "pod_name", "podname", "container", "container_name", "container_id", "host"),
        *("hostname", "_hostname", "stream_name", "logstream", "instance"),
    }
)
_TEXT, _JSON = TEXT_SIGN.decode(), JSON_SIGN.decode()
_IN_STRING = _JSON.replace('"', r"\"")
_MOST_SHOWN, _DEEPEST = 60, 40


def text_in(text: str) -> str:
    """Return fio's text without what a page or a log collector put around its lines.

    Raises SitegenError where lines are of several sources, which nothing tells apart.
    """
    if "\\" in text:
        strings = _texts_in(text)
        text = strings[0] if strings else _ESCAPED.sub(r"\1", text)
    # Marks of Markdown: fio prints neither.
    return _without_words(text.replace("`", "").replace("*", ""), _TEXT_LINES)


def json_in(text: str) -> str:
    """Return fio's JSON without the words that a log collector put before each line.

    Raises SitegenError as `text_in` does.
    """
    return _without_words(text, _JSON_LINES)


def holds_strings(data: bytes) -> bool:
    """Tell whether ``data`` holds fio's output in the strings of a JSON text."""
    if _JSON.encode() in data:
        return False
    return _IN_STRING.encode() in data or (_TEXT.encode() in data and bool(_DOCUMENT.match(data)))


def string_in(text: str) -> str:
    """Return the output of fio's that strings in JSON hold, in one of them or by lines.

    Raises SitegenError for several, and for lines of several sources.
    """
    if not _DOCUMENT.match(text[:_LONGEST_WORDS].encode()):
        return next(iter(_texts_in(text)), text)
    texts: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for document in _documents(text):
        for path, string in _strings(document, ()):
            texts[path].append(string.removesuffix("\n"))
    joined = {"\n".join(lines).strip(): path for path, lines in texts.items()}
    outputs = [output for output in joined if _TEXT in output or _JSON in output]
    if len(outputs) != 1:
        raise _not_one(len(outputs))
    place = joined[outputs[0]]
    for path, values in texts.items():
        told = bool(path) and path != place and path[-1].lower() in _SOURCES
        if told and len(texts[place]) > 1 and len(sources := set(values)) > 1:
            fix = "import what each of them printed by itself"
            raise SitegenError(f"its lines are of {len(sources)} sources ({path[-1]})", fix=fix)
    return f"{outputs[0]}\n"


def _without_words(text: str, known: re.Pattern[str]) -> str:
    """Return ``text`` without the words that stand before each of the lines that are ``known``."""
    shapes = set()
    for match in known.finditer(text):
        start = max(match.start() - _LONGEST_WORDS, 0)
        shapes.add(
            _shape(text[text.rfind("\n", start, match.start()) + 1 or start : match.start()])
        )
    inside = known is _JSON_LINES and any(not _BRACKETS.isdisjoint(shape) for shape in shapes)
    if not shapes or "" in shapes or inside:
        return text
    if all(set(shape) <= _QUOTES and not {'"', "'"}.isdisjoint(shape) for shape in shapes):
        return _QUOTED_LINE.sub(_unquoted, text)
    if len(shapes) > 1:
        names = ", ".join(ascii(shape)[:_MOST_SHOWN] for shape in sorted(shapes)[:2])
        message = f"words of {len(shapes)} kinds stand before its lines: {names}"
        fix = "take them off, and import what each source printed by itself"
        raise SitegenError(message, fix=fix)
    [shape] = shapes
    words = [_CLOCK.pattern if word == "0" else re.escape(word) for word in shape.split()]
    pattern, parted = r"[ \t]+".join(words), "?" if shape[-1] in _CLOSING else r"|$"
    return re.sub(rf"(?m)^[ \t]*{pattern}(?:[ \t]{parted})", "", text)


def _shape(before: str) -> str:
    """Return the words before a line, with clocks and counters as 0."""
    return " ".join("0" if _CLOCK.fullmatch(word) else word for word in before.split())


def _unquoted(line: re.Match[str]) -> str:
    return line[2].replace("''", "'") if line[1] is None else _decoded(line[1])


def _texts_in(text: str) -> list[str]:
    """Return the output that one string of a line holds, nothing where none does.

    Raises SitegenError for several outputs.
    """
    found: dict[str, None] = {}
    for line in text.split("\n"):
        if "\\n" in line and (_TEXT in line or _IN_STRING in line):
            quotes = [quote.end() for quote in _QUOTE.finditer(line) if quote[0] == '"']
            strings = (line[start : end - 1] for start, end in pairwise(quotes))
            wanted = (s for s in strings if "\\n" in s and (_TEXT in s or _IN_STRING in s))
            found.update(dict.fromkeys(map(_decoded, wanted)))
    if len(found) > 1:
        raise _not_one(len(found))
    return list(found)


def _decoded(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _not_one(count: int) -> SitegenError:
    if not count:
        return SitegenError("no string in it holds fio's output as a whole")
    fix = "import each of them as a file of its own"
    return SitegenError(f"holds {count} outputs of fio's in strings", fix=fix)


def _documents(text: str) -> Iterable[Any]:
    """Return a whole list as one document, what stands in it is lines of one output."""
    if text.lstrip()[:1] == "[":
        return [decode.document(text, Any)]
    return decode.documents(text, Any)


def _strings(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif len(path) < _DEEPEST and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strings(inner, (*path, str(key)))
    elif len(path) < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _strings(inner, (*path, ""))
