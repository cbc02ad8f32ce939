"""A page as text that reads well in a diff: what it says, where its links lead, no layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests import site_checks as check

_INLINE = frozenset(
    "a abbr b br code del em i ins mark q s small span strong sub sup svg text title".split()
)
#: Two blocks, or a word and its small print, are two words.
_APART = frozenset("small details ul li p summary svg".split())
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
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _lines(element: Any) -> Iterator[str]:  # noqa: ANN401 - html5lib's elements
    if element.tag == "tr":
        yield "| " + " | ".join(_words(cell) for cell in element) + " |"
    elif element.tag == "pre":
        yield from (f"    {line}" for line in "".join(element.itertext()).splitlines())
    elif element.tag == "script":
        return
    elif element.tag in _PREFIX or all(_is_inline(child) for child in element):
        if words := _words(element):
            yield _PREFIX.get(element.tag, "") + words
        if element.tag in ("h1", "p", "dl", "dd", "summary"):
            yield ""
    else:
        if said := " ".join((element.text or "").split()):
            yield said
        for child in element:
            if isinstance(child.tag, str):
                yield from _lines(child)
                if said := " ".join((child.tail or "").split()):
                    yield said
        if element.tag in ("section", "table", "figure", "aside", "details", "dl", "ul"):
            yield ""


def _is_inline(element: Any) -> bool:  # noqa: ANN401 - html5lib's elements
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2] in _INLINE


def _words(element: Any) -> str:  # noqa: ANN401 - html5lib's elements
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: Any) -> Iterator[str]:  # noqa: ANN401 - html5lib's elements
    tag = element.tag.rpartition("}")[2]
    if tag == "svg":
        marks = [check.text_of(e) for e in element.iter() if e.tag.rpartition("}")[2] == "title"]
        yield f"[{element.get('aria-label') or 'drawing'}{''.join(f'; {one}' for one in marks)}]"
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
