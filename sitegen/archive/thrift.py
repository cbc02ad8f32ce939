"""Thrift's compact protocol, in which a Parquet file speaks of itself: structs as fields by number.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_DEPTH = 16
_STOP, _TRUE, _FALSE, _I32, _I64, _BINARY, _LIST, _STRUCT = 0, 1, 2, 5, 6, 8, 9, 12
_LONG_LIST = 15
_MOST_BITS = 63


class Long(int):
    """A number that its field holds in 64 bits; any other is one of 32."""


def dump(fields: Mapping[int, Any]) -> bytes:
    """Return a struct; its values are numbers, texts, bytes, lists of one kind, and structs."""
    parts, before = bytearray(), 0
    for number, value in fields.items():
        parts.append((number - before) << 4 | _kind(value))
        parts += _value(value)
        before = number
    return bytes(parts) + bytes([_STOP])


def varint(value: int) -> bytes:
    """Return a number from 0 on, seven bits a byte."""
    parts = bytearray()
    while value > 127:  # noqa: PLR2004 - the highest bit says that there is more
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _kind(value: object) -> int:
    kinds = {Long: _I64, int: _I32, str: _BINARY, bytes: _BINARY, list: _LIST, dict: _STRUCT}
    return kinds[type(value)]


def _value(value: Any) -> bytes:  # noqa: ANN401 - what a field may hold
    if isinstance(value, int):
        return varint(value << 1 if value >= 0 else (-value << 1) - 1)
    if isinstance(value, dict):
        return dump(value)
    if isinstance(value, list):
        size, kind = len(value), _kind(value[0])
        long = size >= _LONG_LIST
        head = bytes([min(size, _LONG_LIST) << 4 | kind]) + (varint(size) if long else b"")
        return head + b"".join(map(_value, value))
    data = value.encode() if isinstance(value, str) else value
    return varint(len(data)) + bytes(data)


class Reader:
    """Reads structs from ``at`` on, and knows then where they end.

    Raises ValueError, IndexError or TypeError for what is none.
    """

    def __init__(self, data: Sequence[int], at: int = 0) -> None:
        """Read ``data``, which are bytes."""
        self.data: Any = data
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a struct by number."""
        if depth > _DEPTH:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self.byte()) & 15 != _STOP:
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(head & 15, depth, in_list=False)
        return fields

    def byte(self) -> int:
        """Return the next byte."""
        self.at += 1
        return int(self.data[self.at - 1])

    def varint(self) -> int:
        """Return a number from 0 on."""
        value = shift = 0
        while True:
            part = self.byte()
            value |= (part & 127) << shift
            if part < 128:  # noqa: PLR2004 - the highest bit says that there is more
                return value
            shift += 7
            if shift > _MOST_BITS:
                raise ValueError("a number of too many bytes")

    def take(self, size: int) -> bytes:
        """Return the next bytes; raises ValueError where there are not so many."""
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise ValueError("cut off")
        self.at += size
        return bytes(part)

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:  # noqa: ANN401 - what it holds
        match kind:
            case 1 | 2:  # true and false, which stand in the head of a field
                return self.byte() == _TRUE if in_list else kind == _TRUE
            case 4 | 5 | 6:
                return self._zigzag()
            case 3 | 7 | 8:  # a byte, a floating-point number, a text
                return self.take({3: 1, 7: 8}.get(kind) or self.varint())
            case 9 | 10:
                return self._items(depth)
            case 12:
                return self.struct(depth + 1)
        raise ValueError(f"unknown type {kind}")  # a map among them: Parquet has none

    def _items(self, depth: int) -> list[Any]:
        if depth > _DEPTH:
            raise ValueError("too deep")
        head = self.byte()
        size = self.varint() if head >> 4 == _LONG_LIST else head >> 4
        return [self._value(head & 15, depth + 1, in_list=True) for _ in range(size)]

    def _zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)
