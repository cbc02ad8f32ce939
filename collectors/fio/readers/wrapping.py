"""fio's output out of what others put around it: Markdown, words before each line, JSON strings."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sitegen.errors import SitegenError

#: What begins lines of fio's text, and of its JSON, whatever the job.
_TEXT_LINES = re.compile(
    r"(?m)^([^\n]{0,300}?)[ \t]*(?:(?:read|write|trim)[ \t]*: IOPS=|cpu[ \t]*: usr="
    r"|IO depths[ \t]*: |issued rwts?: total=|Run status group \d)"
)
_JSON_LINES = re.compile(
    r"(?m)^([^\n{\[\"]{0,300}?)[ \t]*\"(?:fio version|timestamp_ms|jobname|groupid|usr_cpu)\"\s*:"
)
#: Marks that a page puts before a line or around words, and no fio.
_MARKS = re.compile(r"(?:[ \t]|[-*+>#|]{1,6}|\d{1,3}[.)](?=[ \t]))*")
_JOB_LINE = re.compile(r"(?m)^[^\n]{0,300}?\((?:g|groupid)=\d[^\n]{0,500}")
_ESCAPED = re.compile(r"\\([_*`~\[\]()])")
_CLOCK = re.compile(r"[\[(]?[\d:.,TZ+/-]*\d[\d:.,TZ+/-]*[\])]?")
_QUOTED_LINE = re.compile(
    r"(?m)^[ \t]*(?:- )?(?:\"((?:[^\"\\\n]|\\[^\n])*)\"|'((?:[^'\n]|'')*)'),?[ \t]*$"
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\[^\n])*)"')
#: What tells in a log from where each of its lines came.
_SOURCES = frozenset(
    {
        *("pod", "pod_name", "podname", "container", "container_name", "container_id", "host"),
        *("hostname", "_hostname", "stream_name", "logstream", "instance"),
    }
)
_TEXT, _QUOTED_JSON = ": (groupid=", '"fio version'
_MOST_SHOWN, _DEEPEST = 60, 40


def text_in(text: str) -> str:
    """Return fio's text without what a page or a log collector put around its lines.

    Raises SitegenError where lines are of several sources, which nothing tells apart.
    """
    if _TEXT not in text:
        return text
    if "\\" in text:
        text = _unescaped(text)
    # fio prints neither of them.
    text = text.replace("`", "").replace("**", "")
    if "*" in text:
        text = _JOB_LINE.sub(lambda line: line[0].replace("*", ""), text)
    return without_words(text, _TEXT_LINES)


def json_in(text: str) -> str:
    """Return fio's JSON without the words that a log collector put before each line."""
    return without_words(text, _JSON_LINES)


def without_words(text: str, known: re.Pattern[str]) -> str:
    """Return ``text`` without the words that stand before each of the lines that are ``known``."""
    before = {_shape(match[1]) for match in known.finditer(text)}
    if not before or "" in before:
        return text
    if all(shape.strip("\"'") in ("", "-") for shape in before):
        return _QUOTED_LINE.sub(_unquoted, text)
    if len(before) > 1:
        names = ", ".join(ascii(shape)[:_MOST_SHOWN] for shape in sorted(before)[:2])
        message = f"words of {len(before)} kinds stand before its lines: {names}"
        fix = "take them off, and import what each source printed by itself"
        raise SitegenError(message, fix=fix)
    words = [_CLOCK.pattern if word == "0" else re.escape(word) for word in before.pop().split()]
    pattern = r"[ \t]+".join(words)
    return re.sub(rf"(?m)^[ \t]*{pattern}(?:[ \t]|$)", "", text)


def _shape(before: str) -> str:
    """Return the words before a line, clocks and counters as 0, without the marks of a page."""
    words = before[_MARKS.match(before).end() :].split()  # type: ignore[union-attr]
    return " ".join("0" if _CLOCK.fullmatch(word) else word for word in words)


def _unquoted(line: re.Match[str]) -> str:
    if line[1] is None:
        return line[2].replace("''", "'")
    return _decoded(line[1])


def _decoded(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _unescaped(text: str) -> str:
    """Return the output in a JSON string, or the text without the escapes of Markdown."""
    strings = dict.fromkeys(s[1] for s in _STRING.finditer(text) if _TEXT in s[1] and "\\n" in s[1])
    if len(strings) > 1:
        raise _several(len(strings))
    return _decoded(next(iter(strings))) if strings else _ESCAPED.sub(r"\1", text)


def _several(count: int) -> SitegenError:
    fix = "import each of them as a file of its own"
    return SitegenError(f"holds {count} outputs of fio's in strings", fix=fix)


def holds_quoted(data: bytes) -> bool:
    """Tell whether ``data`` is JSON that holds fio's output in its strings."""
    quoted = _TEXT.encode() in data or b'\\"fio version\\"' in data
    return quoted and data.lstrip()[:1] in (b"{", b"[") and b'"fio version"' not in data


def quoted_in(documents: list[Any]) -> str:
    """Return the one output of fio's that strings in JSON documents hold, in one or by lines.

    Raises SitegenError for several, and for lines of several sources.
    """
    texts: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for document in documents:
        for path, text in _strings(document, ()):
            texts[path].append(text.removesuffix("\n"))
    joined = {path: "\n".join(lines) for path, lines in texts.items()}
    outputs = {
        text.strip(): path for path, text in joined.items() if _TEXT in text or _QUOTED_JSON in text
    }
    if not outputs:
        raise SitegenError("no string in it holds fio's output as a whole")
    if len(outputs) > 1:
        raise _several(len(outputs))
    [(output, place)] = outputs.items()
    sources = {
        p[-1]: set(v) for p, v in texts.items() if p and p[-1].lower() in _SOURCES and p != place
    }
    for name, values in sources.items():
        if len(values) > 1 and len(texts[place]) > 1:
            fix = "import what each of them printed by itself"
            raise SitegenError(f"its lines are of {len(values)} sources ({name})", fix=fix)
    return f"{output}\n"


def _strings(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif len(path) < _DEEPEST and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strings(inner, (*path, str(key)))
    elif len(path) < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _strings(inner, (*path, ""))
