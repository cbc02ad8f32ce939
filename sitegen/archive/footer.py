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
#: What a file may say of itself, before its pages too, in bytes; and how many pages it may have.
_MOST_SAID, _MOST_PAGES = 3_000_000, 50_000
#: Parts in parts: a list of pairs is four deep.
_DEEPEST = 16
#: Fields of FileMetaData, SchemaElement, RowGroup, ColumnChunk and ColumnMetaData.
_SCHEMA, _ROWS, _ROW_GROUPS, _NAME, _CHILDREN = 2, 3, 4, 4, 5
_COLUMNS, _GROUP_ROWS, _META_DATA = 1, 3, 3
_TYPE, _REPETITION, _PATH, _CODEC, _VALUES = 1, 3, 3, 4, 5
_CONVERTED, _LOGICAL = 6, 10
_UNPACKED, _PACKED, _PAGES, _DICTIONARY = 6, 7, 9, 11
#: Of a PageHeader: its kind, its sizes, its digest, and what follows in it for each kind of page.
_PAGE_KIND, _DATA, _DICTIONARY_KIND = 1, 0, 2
_PAGE_UNPACKED, _PAGE_PACKED, _DIGEST, _DATA_PAGE, _DICTIONARY_PAGE = 2, 3, 4, 5, 7
_COUNT, _ENCODING, _DEFINED, _REPEATED = 1, 2, 3, 4
_BYTE_ARRAY = 6


class Page(NamedTuple):
    """A page: whether it is a dictionary, how many values it has, and where its bytes are.

    ``levels`` are the encodings of how far its values are defined, and of how they are repeated.
    """

    dictionary: bool
    values: int
    encoding: int
    levels: tuple[int, int]
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
    """A column or a part of one: its type, None for what has parts, and how often it is there.

    ``meant`` is what its type stands for, in the words of old and of new.
    """

    name: str
    type: int | None
    repetition: int
    meant: tuple[Any, Any]
    path: tuple[bytes, ...]


class Footer(NamedTuple):
    """What a file says of itself: its rows, its columns with their parts, and where they are."""

    rows: int
    columns: Sequence[Sequence[Element]]
    chunks: Sequence[Chunk]


def read(data: bytes) -> Footer:
    """Return what a Parquet file says; raises SitegenError when it does not, or contradicts it."""
    size = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != MAGIC or size > min(len(data) - 12, _MOST_SAID):
        raise SitegenError("not readable as Parquet (no footer)")
    try:
        footer = Reader(data, len(data) - 8 - size).struct()
        groups = footer[_ROW_GROUPS]
        rows = sum(_counted(group[_GROUP_ROWS]) for group in groups)
        if rows != footer[_ROWS]:
            raise SitegenError("its footer contradicts itself")
        columns = list(_columns(footer[_SCHEMA]))
        leaves = [one for column in columns for one in column if one.type is not None]
        pages = _Pages(data, len(data) - 8 - size)
        chunks: list[Chunk] = []
        for group in groups:
            parts = [column[_META_DATA] for column in group[_COLUMNS]]
            chunks += (pages.chunk(*pair) for pair in zip(parts, leaves, strict=True))
        return Footer(rows, columns, chunks)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SitegenError("not readable as Parquet (its footer is not whole)") from error


def _columns(elements: Sequence[Mapping[int, Any]]) -> Iterator[list[Element]]:
    """Yield each column with what is in it: elements stand in the order of a walk."""
    parts = [_counted(one.get(_CHILDREN, 0)) for one in elements]
    if sum(parts) != len(elements) - 1:
        raise ValueError("parts that are not there")
    at = 1
    for _ in range(parts[0]):
        column: list[Element] = []
        above: list[tuple[bytes, ...]] = [()]  # what each of the next elements lies in
        while above:
            one = elements[at]
            path = (*above.pop(), one[_NAME])
            if len(path) > _DEEPEST:
                raise ValueError("parts that are too deep")
            kind = _counted(one[_TYPE]) if _TYPE in one else None
            repetition = one.get(_REPETITION, 0)
            meant = one.get(_CONVERTED), one.get(_LOGICAL)
            column.append(Element(path[-1].decode(), kind, repetition, meant, path))
            above += [path] * parts[at]
            at += 1
        yield column


class _Pages:
    """The pages of a file, up to ``end``; no byte is looked at twice, however often it is named."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data, self.end = memoryview(data), end
        self.left, self.said, self.pages = end, 0, 0

    def chunk(self, column: Mapping[int, Any], leaf: Element) -> Chunk:
        # Some readers go by the path, and some by the place.
        if tuple(column[_PATH]) != leaf.path or column[_TYPE] != leaf.type:
            raise ValueError("a column that is not the file's")
        values, unpacked, packed = (_counted(column[key]) for key in (_VALUES, _UNPACKED, _PACKED))
        start = _counted(column.get(_DICTIONARY) or column[_PAGES])
        end, left, told = start + packed, unpacked, 0
        self.left -= packed
        late = values > 0 and start > column[_PAGES]
        if late or end > self.end or self.left < 0:
            raise ValueError("pages that are not there")
        pages: list[Page] = []
        while start < end and told < values:
            page = self._page(start, end)
            # A dictionary stands first, and has no word that is not used.
            if page.dictionary and (pages or page.values > values):
                raise ValueError("a dictionary that is none")
            pages.append(page)
            left -= page.bytes
            told += 0 if page.dictionary else page.values
            start = page.end
        if start > end or left < 0 or told != values:
            raise ValueError("pages that are not as the footer says")
        path = b".".join(leaf.path).decode()
        text = column[_TYPE] == _BYTE_ARRAY
        return Chunk(path, values, unpacked, text, _counted(column[_CODEC]), pages)

    def _page(self, at: int, end: int) -> Page:
        reader = Reader(self.data[at : min(end, at + _MOST_SAID)])
        header = reader.struct()
        self.said += reader.at
        self.pages += 1
        if self.said > _MOST_SAID or self.pages > _MOST_PAGES:
            raise ValueError("more pages than are read")
        dictionary = header[_PAGE_KIND] == _DICTIONARY_KIND
        if not dictionary and header[_PAGE_KIND] != _DATA:
            raise ValueError("a page of another kind")
        about = header[_DICTIONARY_PAGE if dictionary else _DATA_PAGE]
        start = at + reader.at
        levels = (about.get(_DEFINED, 0), about.get(_REPEATED, 0))
        digest = header.get(_DIGEST)
        return Page(
            dictionary,
            _counted(about[_COUNT]),
            _counted(about[_ENCODING]),
            levels,
            start,
            start + _counted(header[_PAGE_PACKED]),
            _counted(header[_PAGE_UNPACKED]),
            None if digest is None else digest & 0xFFFFFFFF,
        )


def _counted(value: int) -> int:
    if value < 0:
        raise ValueError("a count below 0")
    return value
