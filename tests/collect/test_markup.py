"""What is read of XML: elements and texts, and nothing that a document defines."""

from __future__ import annotations

import pytest

from sitegen import bounds
from sitegen.collect import markup
from sitegen.errors import SitegenError


def test_elements_and_their_texts() -> None:
    root = markup.document(b"<a><b> x &amp;\n y </b><b>z</b><!-- no --><c/></a>")
    assert (root.tag, [child.tag for child in root]) == ("a", ["b", "b", "c"])
    assert markup.text(root, "b") == "x & y"
    assert markup.text(root[1]) == "z"
    assert markup.text(root, "c") == markup.text(root, "nowhere") == markup.text(None) == ""


def test_what_cannot_be_printed_is_left_out() -> None:
    root = markup.document("<a>x\u200b\u202ey\u0085z</a>".encode())
    assert markup.text(root) == "xy z"


@pytest.mark.parametrize(
    ("data", "message", "where"),
    [
        (b"<a><b></a>", "damaged: mismatched tag", "line 1, column 9"),
        (b"<a>\n<b>", "damaged: no element found", "line 2, column 4"),
        (b"", "no element found", "line 1, column 1"),
        (b"<a>&b;</a>", "undefined entity", "line 1, column 4"),
        (b"<a/>x", "junk after document element", "line 1, column 5"),
        (b"<a>\xff</a>", "is not UTF-8 at byte 3", ""),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "is in the encoding utf-7", ""),
        (b"<a>\0</a>", "damaged", "line 1, column 4"),
    ],
)
def test_what_is_damaged_is_one_line_with_its_place(data: bytes, message: str, where: str) -> None:
    with pytest.raises(SitegenError, match=message) as caught:
        markup.document(data)
    assert caught.value.where == where
    assert "\n" not in str(caught.value)


def test_levels_are_bounded() -> None:
    for levels, deep in ((bounds.MOST_LEVELS, False), (bounds.MOST_LEVELS + 1, True)):
        data = b"<a>" * levels + b"</a>" * levels
        if deep:
            with pytest.raises(SitegenError, match="nested more than 32 levels deep"):
                markup.document(data)
        else:
            assert markup.document(data).tag == "a"
