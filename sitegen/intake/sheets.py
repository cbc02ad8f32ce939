"""Tables of figures in the three forms that `sitegen export` writes, as rows of texts."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from sitegen import bounds
from sitegen.errors import SitegenError

#: Rows of a table; and values of one as JSON, which most columns have a common text for.
MAX_ROWS, MAX_VALUES = 200_000, 5_000_000
_PARQUET = b"PAR1"
#: Begins an export as JSON; its columns come first.
_JSON = re.compile(rb'\s*\{\s*(?:"version"\s*:\s*\d+\s*,\s*)?"columns"\s*:\s*\[([^\]]{0,10000})\]')
#: So many of these columns name a figure; one that is missing is told by its name then.
_TELLING, _LEAST = ("benchmark", "workload", "metric", "value"), 2


_Value = str | float | int | bool | None


class _Table(Struct):
    """A table in JSON."""

    columns: list[str]
    data: list[list[_Value]]


class Row(NamedTuple):
    """A row by column; ``place`` is its file and line, or its number where there are no lines."""

    place: str
    number: int
    texts: Mapping[str, str]


def is_sheet(data: bytes) -> bool:
    """Say whether this is a table with the columns that name a figure; Parquet always is one."""
    if data.startswith(_PARQUET):
        return True
    if found := _JSON.match(data):
        names = {text.decode("utf-8", "replace") for text in re.findall(rb'"([^"]*)"', found[1])}
    else:
        head = [*data[:10_000].decode("utf-8-sig", "replace").splitlines(), ""][0]
        names = {name.strip(' "') for name in head.split(",")}
    return len(names & {*_TELLING}) >= _LEAST


def rows(
    path: Path, required: Iterable[str], wanted: Collection[str] = (), data: bytes | None = None
) -> Iterator[Row]:
    """Yield the rows of a table; what is absent is an empty text.

    ``wanted`` are the columns of a Parquet file that are read, ``data`` what the file at ``path``
    holds where that was read already. Raises SitegenError with the row that it stumbled on.
    """
    try:
        data = bounds.read_file(path, bounds.MOST_FILE_BYTES) if data is None else data
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path)) from error
    if data.startswith(_PARQUET):
        yield from _by_columns(path, required, *_of_parquet(path, data, wanted))
    elif _JSON.match(data):
        yield from _by_columns(path, required, *_of_json(path, data))
    else:
        yield from _of_csv(path, required, data)


def _of_csv(path: Path, required: Iterable[str], data: bytes) -> Iterator[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SitegenError("not UTF-8 text", where=str(path)) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(filter(None, reader), [])
        _check_header(path, required, header)
        for number, fields in enumerate(filter(None, reader), start=2):
            _check_number(path, number)
            place = f"{path}:{number}"
            if len(fields) != len(header):
                raise SitegenError("has more or fewer fields than the header", where=place)
            yield Row(place, number, dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        raise SitegenError(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error


def _by_columns(
    path: Path, required: Iterable[str], header: Sequence[str], values: Iterable[Sequence[Any]]
) -> Iterator[Row]:
    _check_header(path, required, header)
    for number, fields in enumerate(values, start=1):
        _check_number(path, number)
        place = f"{path}: row {number}"
        if not isinstance(fields, (list, tuple)) or len(fields) != len(header):
            raise SitegenError("has more or fewer fields than there are columns", where=place)
        yield Row(place, number, {k: _text(v) for k, v in zip(header, fields, strict=True)})


def _of_json(path: Path, data: bytes) -> tuple[list[str], list[list[_Value]]]:
    try:
        found = msgspec.json.decode(data, type=_Table)
    except (msgspec.DecodeError, RecursionError) as error:
        fix = 'write {"columns": [names], "data": [[values], ...]}'
        raise SitegenError(f"is no table in JSON: {error}", where=str(path), fix=fix) from error
    return found.columns, found.data


def _of_parquet(
    path: Path, data: bytes, wanted: Collection[str]
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    from sitegen.archive import foreign

    try:
        return foreign.rows(data, wanted, MAX_ROWS)
    except SitegenError as error:
        raise SitegenError(error.what, where=str(path), fix=error.fix) from error


def _check_header(path: Path, required: Iterable[str], header: Sequence[str]) -> None:
    if absent := [name for name in required if name not in header]:
        fix = "see `sitegen export --format csv`"
        raise SitegenError(f"has no column {absent[0]!r}", where=str(path), fix=fix)
    if twice := next((name for name, count in Counter(header).items() if count > 1), ""):
        raise SitegenError(f"has the column {twice[:40]!r} twice", where=str(path))


def _check_number(path: Path, number: int) -> None:
    if number > MAX_ROWS:
        fix = "bring runs as they are archived: `sitegen pack`"
        raise SitegenError(f"more than {MAX_ROWS:,} rows", where=str(path), fix=fix)


def _text(value: object) -> str:
    """Return a value as a CSV has it."""
    return "" if value is None else value if isinstance(value, str) else str(value)
