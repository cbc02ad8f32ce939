"""What a Parquet file says of its columns in its footer, read without unpacking anything.

pyarrow has the same, and ends the whole process on a footer in which a column's part is missing.
Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs. Field numbers:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sitegen.errors import SitegenError

_MAGIC = b"PAR1"
_DEPTH = 16
_STOP, _TRUE = 0, 1
_LONG_LIST = 15
_MOST_BITS = 63
#: Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_TYPE, _PATH, _VALUES, _UNPACKED = 1, 3, 5, 6
_BYTE_ARRAY = 6


class Chunk(Struct, frozen=True):
    """One column of one row group: how many values it has, and of how many bytes unpacked."""

    path: str
    values: int
    bytes: int
    text: bool


def chunks(data: bytes) -> list[Chunk]:
    """Return the columns of a Parquet file; raises SitegenError when it does not tell them."""
    size = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != _MAGIC or size > len(data) - 12:
        raise SitegenError("not readable as Parquet (no footer)")
    try:
        footer = _Compact(data[-8 - size : -8]).struct(0)
        return [
            Chunk(
                b".".join(column[_META_DATA][_PATH]).decode(),
                _count(column[_META_DATA][_VALUES]),
                _count(column[_META_DATA][_UNPACKED]),
                column[_META_DATA][_TYPE] == _BYTE_ARRAY,
            )
            for group in footer[_ROW_GROUPS]
            for column in group[_COLUMNS]
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SitegenError("not readable as Parquet (its footer is not whole)") from error


def _count(value: int) -> int:
    if value < 0:
        raise ValueError("a count below 0")
    return value


class _Compact:
    """A reader of Thrift's compact protocol: structs as fields by number."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > _DEPTH:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self.byte()) & 15 != _STOP:
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            fields[number] = self.value(head & 15, depth, in_list=False)
        return fields

    def value(self, kind: int, depth: int, *, in_list: bool) -> Any:  # noqa: ANN401 - what it holds
        match kind:
            case 1 | 2:  # true and false, which stand in the head of a field
                return self.byte() == _TRUE if in_list else kind == _TRUE
            case 4 | 5 | 6:
                return self.zigzag()
            case 3 | 7 | 8:  # a byte, a floating-point number, a text
                return self.take({3: 1, 7: 8}.get(kind) or self.varint())
            case 9 | 10:
                return self.items(depth)
            case 12:
                return self.struct(depth + 1)
        raise ValueError(f"unknown type {kind}")  # a map among them: Parquet has none

    def items(self, depth: int) -> list[Any]:
        head = self.byte()
        size = self.varint() if head >> 4 == _LONG_LIST else head >> 4
        return [self.value(head & 15, depth + 1, in_list=True) for _ in range(size)]

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise ValueError("cut off")
        self.at += size
        return part

    def varint(self) -> int:
        value = shift = 0
        while True:
            part = self.byte()
            value |= (part & 127) << shift
            if part < 128:  # noqa: PLR2004 - the highest bit says that there is more
                return value
            shift += 7
            if shift > _MOST_BITS:
                raise ValueError("a number of too many bytes")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)
