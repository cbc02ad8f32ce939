"""Bytes as text and back, so that what is not replaced stays byte for byte."""

from __future__ import annotations

import codecs
from collections.abc import Callable

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", 4),
    (codecs.BOM_UTF32_BE, "utf-32-be", 4),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)
_HEAD = 4096
_MOSTLY = 0.8


def decode(data: bytes) -> tuple[str, Callable[[str], bytes]]:
    """Return ``data`` as text, and what makes bytes of such a text again.

    The two undo each other for every input: bytes that are no text travel as surrogates.
    """
    encoding, mark, width = _encoding(data)
    if not encoding:
        text = data.decode("utf-8", "surrogateescape")
        return text, lambda changed: changed.encode("utf-8", "surrogateescape")
    tail = len(data) - (len(data) - mark) % width
    try:
        text = data[mark:tail].decode(encoding, "surrogatepass")
    except UnicodeDecodeError:  # looked like it, and is not
        text = data.decode("utf-8", "surrogateescape")
        return text, lambda changed: changed.encode("utf-8", "surrogateescape")
    return (
        text,
        lambda changed: data[:mark] + changed.encode(encoding, "surrogatepass") + data[tail:],
    )


def is_wide(data: bytes) -> bool:
    """Say whether the characters of ``data`` take several bytes each."""
    return bool(_encoding(data)[0])


def _encoding(data: bytes) -> tuple[str, int, int]:
    for bom, encoding, width in _BOMS:
        if data.startswith(bom):
            return encoding, len(bom), width
    # Latin letters in UTF-16 without a mark: every second byte is zero.
    head = data[:_HEAD]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[offset::2]
        if len(head) > 3 and half.count(0) > _MOSTLY * len(half):  # noqa: PLR2004 - a letter or two
            return encoding, 0, 2
    return "", 0, 1
