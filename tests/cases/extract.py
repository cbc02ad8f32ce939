"""A page as text that reads well in a diff: what it says, where its links lead, no layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests import site_checks as check

_INLINE = frozenset(
    ("a", "abbr", "b", "br", "code", "del", "em", "i", "ins", "mark", "q", "s", "small", "span",
     "strong", "sub", "sup", "svg", "text", "title")
)  # fmt: skip
#: Two blocks, or a word and its small print, are two words.
_APART = frozenset(("small", "details", "ul", "li", "p", "summary", "svg"))
_PARTED = frozenset(("section", "table", "figure", "aside", "details", "dl", "ul"))
_PREFIX = {
    "h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### ", "li": "- ", "summary": "> ",
    "figcaption": "figure: ", "dt": "", "dd": "    ",
}  # fmt: skip


def text(html: str) -> str:
    """Return what a page says in its head's words and its main part."""
    root = check.parse(html)
    described = root.find("head/meta[@name='description']")
    lines = [
        f"title: {check.text_of(root.find('head/title'))}",
        f"description: {described.get('content')}",
        "",
        *_lines(root.find(".//main")),
    ]
    said = "\n".join(line.rstrip() for line in lines)
    # Digests and sizes of Parquet files belong to the release of Arrow that wrote them.
    said = re.sub(r"\b[0-9a-f]{16}\b", "<digest>", said)
    return re.sub(r"\b\d+(\.\d)? k?B\b(?!/)", "<size>", said) + "\n"


def _lines(element: Any) -> Iterator[str]:  # noqa: ANN401 - html5lib's elements
    if element.tag == "tr":
        yield "| " + " | ".join(_words(cell) for cell in element) + " |"
    elif element.tag == "pre":
        yield from (f"    {line}" for line in "".join(element.itertext()).splitlines())
    elif element.tag in _PREFIX or all(_is_inline(child) for child in element):
        if words := _words(element):
            yield _PREFIX.get(element.tag, "") + words
        yield from [""] * (element.tag in ("h1", "p", "dl", "dd", "summary"))
    else:
        yield from _blocks(element)
        yield from [""] * (element.tag in _PARTED)


def _blocks(element: Any) -> Iterator[str]:  # noqa: ANN401 - html5lib's elements
    yield from filter(None, [" ".join((element.text or "").split())])
    for child in element:
        if child.tag != "script":
            yield from _lines(child)
        yield from filter(None, [" ".join((child.tail or "").split())])


def _is_inline(element: Any) -> bool:  # noqa: ANN401 - html5lib's elements
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2] in _INLINE


def _words(element: Any) -> str:  # noqa: ANN401 - html5lib's elements
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: Any) -> Iterator[str]:  # noqa: ANN401 - html5lib's elements
    tag = element.tag.rpartition("}")[2]
    if tag == "svg":
        label = element.get("aria-label") or "drawing"
        marks = [check.text_of(e) for e in element.iter() if e.tag.rpartition("}")[2] == "title"]
        yield f"[{'; '.join([label, *(mark for mark in marks if mark not in label)])}]"
        return
    if tag == "br":
        yield " / "
    link = element.get("href") if tag == "a" else None
    yield "[" if link else ""
    yield element.text or ""
    for child in element:
        apart = child.tag in _APART or element.tag in ("figcaption", "dd")
        yield " " if apart else ""
        yield from _pieces(child)
        yield " " if apart else ""
        yield child.tail or ""
    yield f"]({link})" if link else ""
