from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import pytest

from sitegen import bounds
from sitegen.errors import SitegenError

WHOLE = gzip.compress(b"abc" * 10_000)


def test_what_is_gzipped_comes_back_as_far_as_it_may() -> None:
    assert bounds.unpacked(WHOLE, 30_000) == b"abc" * 10_000
    assert bounds.check_gzip(WHOLE, 30_000) == 30_000
    assert bounds.beginning(WHOLE, 4) == b"abca"
    with pytest.raises(SitegenError, match="holds more than 29,999 bytes unpacked"):
        bounds.unpacked(WHOLE, 29_999)


def test_a_bomb_is_unpacked_no_further_than_its_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    with pytest.raises(SitegenError, match="holds more than 3 MB"):
        bounds.check_gzip(bomb, 3_000_000)


def test_only_a_file_is_read_and_only_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert bounds.read_file(tmp_path / "a", 5) == b"12345"
    for name, said in (
        ("a", "is larger than 4 bytes"), ("pipe", "is a device or a pipe"),
        ("zero", "is a device or a pipe"), (".", "is a folder"), ("none", "is missing"),
    ):  # fmt: skip
        with pytest.raises(SitegenError, match=said):
            bounds.read_file(tmp_path / name, 4)


def test_values_are_counted_before_they_are_made() -> None:
    bounds.check_json(b"[1,2,3]", 3)
    with pytest.raises(SitegenError, match="holds 4 values, and 3 at most are read"):
        bounds.check_json(b"[1,2,3,4]", 3)


def test_an_xml_text_defines_nothing_and_its_tags_are_counted_before_they_are_made() -> None:
    bounds.check_xml("<a><b/></a>", 2)
    with pytest.raises(SitegenError, match="holds 5 tags, and 4 at most are read"):
        bounds.check_xml("<a><b/><c/><d/></a>", 2)
    for text in ("<!DOCTYPE a>", "<a/><!doctype a>", "<![CDATA[<!ENTITY]]>"):
        with pytest.raises(SitegenError, match="defines a document type or entities"):
            bounds.check_xml(text)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may take")
def test_what_would_take_too_much_memory_is_refused_and_the_limit_ends_with_it() -> None:
    def take() -> None:
        try:
            [bytes(1_000_000) for _ in range(2000)]
        except MemoryError as error:
            raise SitegenError("a reader failed") from error

    said = "takes more than 300 MB of memory to read"
    with pytest.raises(SitegenError, match=said), bounds.memory(300_000_000):
        take()
    assert len(bytearray(600_000_000)) == 600_000_000
