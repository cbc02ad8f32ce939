"""The one way to read what tools write as XML: elements and their texts, and nothing defined."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from sitegen import bounds
from sitegen.collect.text import BOMS
from sitegen.errors import SitegenError

Element = ET.Element
#: How a text in UTF-16 begins that has no byte order mark.
_WIDE = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,100}?\sencoding\s?=\s?[\"']([\w.-]{1,40})[\"']")
_ENCODINGS = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1"), "iso-8859-1"),
}


def document(data: bytes) -> Element:
    """Return the root of an XML document.

    Raises SitegenError for one that defines a document type or entities, that is nested too deeply
    or holds too much, and with the place for one that is damaged.
    """
    text = _decoded(data)
    bounds.check_xml(text)
    parser = ET.XMLParser(target=_Bounded())  # noqa: S314 - see above
    try:
        parser.feed(text)
        root: Element = parser.close()
    except ET.ParseError as error:
        line, column = error.position
        message = f"the XML breaks off or is damaged: {str(error).partition(':')[0]}"
        raise SitegenError(message, where=f"line {line}, column {column + 1}") from error
    return root


def text(element: Element | None, name: str = "") -> str:
    """Return the text of an element, or of its first child of that name, on one line.

    Nothing for what is not there. What cannot be printed is left out.
    """
    part = element if element is None or not name else element.find(name)
    words = " ".join((part.text or "").split()) if part is not None else ""
    return words if words.isprintable() else "".join(filter(str.isprintable, words))


class _Bounded(ET.TreeBuilder):
    """Builds elements, as many levels deep as `bounds` has them."""

    depth = 0

    def start(self, tag: str, attrs: Mapping[str, str], /) -> Element:
        """Open an element; raises SitegenError below the last level."""
        self.depth += 1
        if self.depth > bounds.MOST_LEVELS:
            raise SitegenError(f"the XML is nested more than {bounds.MOST_LEVELS} levels deep")
        return super().start(tag, dict(attrs))

    def end(self, tag: str, /) -> Element:
        """Close an element."""
        self.depth -= 1
        return super().end(tag)


def _decoded(data: bytes) -> str:
    """Return the characters; raises SitegenError for an encoding that none is read in."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _in(encoding, data[len(mark) :])
    if wide := _WIDE.get(data[:2]):
        return _in(wide, data)
    declared = _DECLARED.match(data)
    name = declared[1].decode().lower() if declared else "utf-8"
    if name not in _ENCODINGS:
        raise SitegenError(f"is in the encoding {name}", fix="convert it to UTF-8")
    return _in(_ENCODINGS[name], data)


def _in(encoding: str, data: bytes) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SitegenError(f"is not {encoding.upper()} at byte {error.start}") from error
