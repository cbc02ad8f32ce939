"""What a Parquet file says of itself, in its footer and before each page, without unpacking it.

Libraries that read Parquet end the whole process on some footers, and take whatever memory a page
asks for: what is not as it says is refused before anything is unpacked. Field numbers:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sitegen.archive.thrift import Reader
from sitegen.errors import SitegenError

MAGIC = b"PAR1"
#: Fields of FileMetaData, SchemaElement, RowGroup, ColumnChunk and ColumnMetaData.
_SCHEMA, _ROWS, _ROW_GROUPS, _NAME, _CHILDREN = 2, 3, 4, 4, 5
_COLUMNS, _GROUP_ROWS, _META_DATA = 1, 3, 3
_TYPE, _REPETITION, _PATH, _CODEC, _VALUES = 1, 3, 3, 4, 5
_UNPACKED, _PACKED, _PAGES, _DICTIONARY = 6, 7, 9, 11
#: Of a PageHeader: its sizes, its digest, and what follows in it for each kind of page.
_PAGE_UNPACKED, _PAGE_PACKED, _DIGEST, _DATA_PAGE, _DICTIONARY_PAGE = 2, 3, 4, 5, 7
_COUNT, _ENCODING = 1, 2
_BYTE_ARRAY = 6


class Page(NamedTuple):
    """A page: whether it is a dictionary, how many values it has, and where its bytes are."""

    dictionary: bool
    values: int
    encoding: int
    start: int
    end: int
    bytes: int
    digest: int | None


class Chunk(NamedTuple):
    """One column of one row group: how many values it has, and of how many bytes unpacked."""

    path: str
    values: int
    bytes: int
    text: bool
    codec: int
    pages: Sequence[Page]


class Element(NamedTuple):
    """A column or a part of one: its type, None for what has parts, and how often it is there."""

    name: str
    type: int | None
    repetition: int


class Footer(NamedTuple):
    """What a file says of itself: its rows, its columns with their parts, and where they are."""

    rows: int
    columns: Sequence[Sequence[Element]]
    chunks: Sequence[Chunk]


def read(data: bytes) -> Footer:
    """Return what a Parquet file says; raises SitegenError when it does not, or contradicts it."""
    size = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != MAGIC or size > len(data) - 12:
        raise SitegenError("not readable as Parquet (no footer)")
    try:
        footer = Reader(data, len(data) - 8 - size).struct()
        groups = footer[_ROW_GROUPS]
        rows = sum(_counted(group[_GROUP_ROWS]) for group in groups)
        if rows != footer[_ROWS]:
            raise SitegenError("its footer contradicts itself")
        parts = [column[_META_DATA] for group in groups for column in group[_COLUMNS]]
        chunks = [_chunk(data, part) for part in parts]
        return Footer(rows, list(_columns(footer[_SCHEMA])), chunks)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SitegenError("not readable as Parquet (its footer is not whole)") from error


def _columns(elements: Sequence[Mapping[int, Any]]) -> Iterator[list[Element]]:
    """Yield each column with what is in it: elements stand in the order of a walk."""
    at = 1
    for _ in range(elements[0][_CHILDREN]):
        column, left = [], 1
        while left:
            one = elements[at]
            name, repetition = one[_NAME].decode(), one.get(_REPETITION, 0)
            column.append(Element(name, one.get(_TYPE), repetition))
            left += one.get(_CHILDREN, 0) - 1
            at += 1
        yield column


def _chunk(data: bytes, column: Mapping[int, Any]) -> Chunk:
    values, unpacked, packed = (_counted(column[key]) for key in (_VALUES, _UNPACKED, _PACKED))
    start = _counted(column.get(_DICTIONARY) or column[_PAGES])
    end, left, told = start + packed, unpacked, 0
    pages: list[Page] = []
    while start < end and told < values:
        page = _page(data, start)
        pages.append(page)
        left -= page.bytes
        told += 0 if page.dictionary else page.values
        start = page.end
    if start > min(end, len(data)) or left < 0 or told != values:
        raise ValueError("pages that are not as the footer says")
    path = b".".join(column[_PATH]).decode()
    text = column[_TYPE] == _BYTE_ARRAY
    return Chunk(path, values, unpacked, text, column[_CODEC], pages)


def _page(data: bytes, at: int) -> Page:
    reader = Reader(data, at)
    header = reader.struct()
    dictionary = _DICTIONARY_PAGE in header
    about = header[_DICTIONARY_PAGE if dictionary else _DATA_PAGE]
    end = reader.at + _counted(header[_PAGE_PACKED])
    size, digest = _counted(header[_PAGE_UNPACKED]), header.get(_DIGEST)
    count = _counted(about[_COUNT])
    return Page(dictionary, count, about[_ENCODING], reader.at, end, size, digest)


def _counted(value: int) -> int:
    if value < 0:
        raise ValueError("a count below 0")
    return value
