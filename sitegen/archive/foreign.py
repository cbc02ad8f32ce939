"""Parquet files that others wrote, as rows of plain values; bounded before they are unpacked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sitegen.archive import tables
from sitegen.errors import SitegenError

_AT_ONCE = 10_000
_SECONDS = "%Y-%m-%dT%H:%M:%SZ"


def rows(
    data: bytes, wanted: Collection[str], most_rows: int
) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the columns of a file that are ``wanted``, or all, and its rows; a time as text.

    Raises SitegenError when it is no Parquet file, holds more rows than ``most_rows`` or would be
    too large unpacked, or a column is neither of texts nor of numbers.
    """
    with tables.as_parquet(data) as file:
        about = file.metadata
        if about.num_rows > most_rows:
            fix = "bring runs as they are archived: `sitegen pack`"
            raise SitegenError(f"{about.num_rows:,} rows, more than {most_rows:,}", fix=fix)
        names = [name for name in file.schema_arrow.names if not wanted or name in wanted]
        if twice := next((name for name, count in Counter(names).items() if count > 1), ""):
            raise SitegenError(f"has the column {twice[:40]!r} twice")
        tables.check_size(data, about.num_rows)
        table = file.read(columns=names, use_threads=False)
        columns = [_plain(table.column(name), name) for name in names]
    return names, _rows(columns, about.num_rows)


def _rows(columns: Sequence[pa.ChunkedArray], count: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows; only some of them are Python's at a time."""
    for start in range(0, count, _AT_ONCE):
        part = (column.slice(start, _AT_ONCE).to_pylist() for column in columns)
        yield from zip(*part, strict=True)


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return a column of texts or numbers; raises SitegenError for any other."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_timestamp(kind):
        column, kind = pc.strftime(column.cast(pa.timestamp("s", kind.tz)), _SECONDS), pa.string()
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (text or number or pa.types.is_null(kind)):
        fix = "write it as texts or numbers"
        raise SitegenError(f"the column {name[:40]!r} is of the type {kind}", fix=fix)
    return column
