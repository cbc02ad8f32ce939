"""What every drawing's markup keeps to."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # our own markup, which must be well-formed

_ATTRIBUTES = {
    "aria-label", "class", "cx", "cy", "d", "fill", "height", "r", "role", "transform",
    "viewBox", "width", "x", "y", "href", "tabindex",
}  # fmt: skip
_ELEMENTS = {"a", "circle", "g", "path", "rect", "svg", "text", "title", "tspan"}


def check_markup(markup: str) -> ET.Element:
    """Parse a drawing; nothing in it but known elements, attributes and finite numbers."""
    root = ET.fromstring(markup)  # noqa: S314
    for element in root.iter():
        assert element.tag in _ELEMENTS
        assert set(element.attrib) <= _ATTRIBUTES
        for name in ("cx", "cy", "d", "height", "r", "viewBox", "width", "x", "y"):
            value = element.get(name, "0")
            assert re.fullmatch(r"[\d\sMLHVZhvl.-]*", value), f"{name}={value}"
            assert all(
                -1000 < number < 5000
                for number in map(float, re.findall(r"-?\d+(?:\.\d+)?", value))
            ), value
    assert root.get("role") == ("group" if root.find(".//a") is not None else "img")
    assert root.get("aria-label")
    return root
