"""The two Parquet files of a run, written and read by code of our own.

A machine that collects needs no Arrow for it: pyarrow, which builds read with, is ten times as
large as all else there. What comes from elsewhere is never unpacked into more than its footer may
announce, and cannot end the process. https://parquet.apache.org/docs/file-format/ has the form;
written is the plainest of it: one group of rows, one page a column, dictionaries of texts.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import ne
from typing import Any, NamedTuple

from sitegen.archive import columns, footer
from sitegen.archive.columns import MAX_BYTES, MEASUREMENTS, SAMPLES, Form, Kind
from sitegen.archive.footer import MAGIC, Chunk, Element, Footer, Page
from sitegen.archive.thrift import Long, Reader, dump, varint
from sitegen.catalogue import parameters
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Run, Sample

#: A small file is no smaller compressed, and costs twice as much to open.
_SMALL_BYTES, _GZIP_LEVEL, _GZIP = 100_000, 4, 31
_PLAIN, _RLE, _DICTIONARIES = 0, 3, (2, 8)
_UNCOMPRESSED, _GZIPPED, _ZSTD = 0, 2, 6
_INT32, _DOUBLE, _BYTE_ARRAY = 1, 5, 6
_TYPES = {
    Kind.TEXT: _BYTE_ARRAY,
    Kind.NUMBER: _DOUBLE,
    Kind.COUNT: _INT32,
    Kind.PARAMS: _BYTE_ARRAY,
}
_OPTIONAL, _REPEATED = 1, 2
#: What a type may stand for: a text, a number, a whole number; of old, and of new.
_MEANT: Mapping[int | None, Sequence[tuple[Any, Any]]] = {
    _BYTE_ARRAY: ((None, None), (0, None), (0, {1: {}})),
    _DOUBLE: ((None, None),),
    _INT32: ((None, None), (17, None), (17, {10: {1: b" ", 2: True}})),
}
_STRING: Mapping[int, Any] = {6: 0, 10: {1: {}}}
_LIST: Mapping[int, Any] = {6: 3, 10: {3: {}}}
#: How deep a parameter is defined, and an empty list of them.
_PAIR, _EMPTY = 4, 1
_VALUE_BYTES = 16  # which one takes in a list, with its levels
_GROUP = 8  # values that are packed together
_WIDEST, _WHOLE = 32, {8: "B", 16: "H", 32: "I"}


def measurements_bytes(run: Run) -> bytes:
    """Return the run's measurements as one Parquet file; the same rows give the same bytes."""
    about = {"run_id": run.id, "environment": run.environment, "benchmark": run.benchmark}
    return _file(MEASUREMENTS, about, run.measurements)


def samples_bytes(run: Run) -> bytes:
    """Return the run's samples as one Parquet file."""
    return _file(SAMPLES, {"run_id": run.id}, run.samples)


def measurements(data: bytes) -> tuple[Measurement, ...]:
    """Return the measurements in a file; raises SitegenError as read does."""
    return tuple(map(Measurement._make, zip(*read(data, MEASUREMENTS).values(), strict=True)))


def samples(data: bytes) -> tuple[Sample, ...]:
    """Return the samples in a file; raises SitegenError as read does."""
    return tuple(map(Sample._make, zip(*read(data, SAMPLES).values(), strict=True)))


# Writing


class _Column(NamedTuple):
    """A column on its way into a file: its path, its type, and what its pages hold."""

    path: list[str]
    type: int
    values: int
    dictionary: bytes | None
    words: int
    data: bytes


# The numbers below are those of fields, types and encodings in parquet.thrift.


def _file(form: Form, about: Mapping[str, str], rows: Sequence[Measurement | Sample]) -> bytes:
    """Return rows as a file; ``about`` has the columns that say the same in each."""
    read = zip(*rows, strict=True) if rows else ((),) * len(form.read)
    written: dict[str, Sequence[Any]] = dict(zip(form.read, read, strict=True))
    written |= {name: [text] * len(rows) for name, text in about.items()}
    parts: list[_Column] = []
    for name, kind in form.columns.items():
        if kind == Kind.PARAMS:
            parts += _pairs(name, written[name])
        else:
            parts.append(_flat(name, kind, written[name]))
    size = sum(len(part.data) + len(part.dictionary or b"") for part in parts)
    codec = _GZIPPED if size > _SMALL_BYTES else _UNCOMPRESSED
    out, chunks, total = bytearray(MAGIC), [], 0
    for part in parts:
        start, unpacked, dictionary_at = len(out), 0, {}
        if part.dictionary is not None:
            dictionary_at = {11: Long(start)}
            header = {7: {1: part.words, 2: _PLAIN}}
            unpacked += _add_page(out, 2, part.dictionary, header, codec)
        pages_at = {9: Long(len(out))}
        encoding = _PLAIN if part.dictionary is None else _DICTIONARIES[-1]
        header = {5: {1: part.values, 2: encoding, 3: _RLE, 4: _RLE}}
        unpacked += _add_page(out, 0, part.data, header, codec)
        form_of_it = {1: part.type, 2: [_PLAIN, _RLE, encoding], 3: part.path, 4: codec}
        sizes = {5: Long(part.values), 6: Long(unpacked), 7: Long(len(out) - start)}
        chunks.append({2: Long(start), 3: form_of_it | sizes | pages_at | dictionary_at})
        total += unpacked
    group = {1: chunks, 2: Long(total), 3: Long(len(rows))}
    told = [{1: key, 2: value} for key, value in columns.VERSION.items()]
    elements = [{4: "schema", 5: len(form.columns)}, *_elements(form)]
    end = dump({1: 2, 2: elements, 3: Long(len(rows)), 4: [group], 5: told, 6: "sitegen"})
    return bytes(out) + end + len(end).to_bytes(4, "little") + MAGIC


def _elements(form: Form) -> Iterator[dict[int, Any]]:
    """Yield what a footer says of each column and what is in it: everything may be absent."""
    kind: Kind
    for name, kind in form.columns.items():
        if kind == Kind.PARAMS:
            yield {3: _OPTIONAL, 4: name, 5: 1, **_LIST}
            yield {3: _REPEATED, 4: "list", 5: 1}
            yield {3: _OPTIONAL, 4: "element", 5: 2}
            yield {1: _BYTE_ARRAY, 3: _OPTIONAL, 4: "key", **_STRING}
            yield {1: _BYTE_ARRAY, 3: _OPTIONAL, 4: "value", **_STRING}
        else:
            yield {1: _TYPES[kind], 3: _OPTIONAL, 4: name, **(_STRING if kind == Kind.TEXT else {})}


def _add_page(out: bytearray, kind: int, data: bytes, header: Mapping[int, Any], codec: int) -> int:
    """Add a page and return the bytes that it takes unpacked, its header among them."""
    packed = data
    if codec == _GZIPPED:
        packing = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
        packed = packing.compress(data) + packing.flush()
    digest = zlib.crc32(packed)
    signed = digest - (digest >> 31 << 32)
    head = dump({1: kind, 2: len(data), 3: len(packed), 4: signed, **header})
    out += head + packed
    return len(head) + len(data)


def _flat(name: str, kind: Kind, values: Sequence[Any]) -> _Column:
    there = [value for value in values if value is not None]
    present = [1] * len(values)
    if len(there) < len(values):
        present = [int(value is not None) for value in values]
    levels = _sized(_runs(present, 1))
    if kind == Kind.NUMBER:  # exactly: a dictionary takes -0.0 for 0.0
        data = levels + _little(array("d", there))
        return _Column([name], _DOUBLE, len(values), None, 0, data)
    return _worded([name], kind, len(values), levels, there)


def _pairs(name: str, lists: Sequence[Params]) -> list[_Column]:
    """Return the columns of the names and of the values of parameters."""
    # Of each length of a list how its parts go on from each other, and how deep they are defined.
    repeated = [at > 0 for pairs in lists for at in range(len(pairs) or 1)]
    defined = [_PAIR if pairs else _EMPTY for pairs in lists for _ in range(len(pairs) or 1)]
    levels = _sized(_runs(repeated, 1)) + _sized(_runs(defined, 3))
    return [
        _worded(
            [name, "list", "element", word],
            Kind.TEXT,
            len(defined),
            levels,
            [pair[at] for pairs in lists for pair in pairs],
        )
        for at, word in enumerate(("key", "value"))
    ]


def _worded(
    path: list[str], kind: Kind, count: int, levels: bytes, there: Sequence[Any]
) -> _Column:
    """Return a column whose different values stand in a dictionary."""
    places: dict[Any, int] = {value: at for at, value in enumerate(dict.fromkeys(there))}
    data = levels + _packed(list(map(places.__getitem__, there)), len(places))
    if kind == Kind.COUNT:
        dictionary = _little(array("i", places))
    else:
        texts = [text.encode() for text in places]
        dictionary = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return _Column(path, _TYPES[kind], count, dictionary, len(places), data)


def _packed(places: Sequence[int], words: int) -> bytes:
    """Return places in a dictionary, in whole bytes: as runs where that is shorter."""
    kind = next(kind for kind in "BHI" if words <= 256 ** array(kind).itemsize)
    width = array(kind).itemsize
    if (1 + sum(map(ne, places, places[1:]))) * (width + 2) < len(places) * width:
        return bytes([8 * width]) + _runs(places, 8 * width)
    groups = -(-len(places) // _GROUP)
    padded = array(kind, [*places, *[0] * (groups * _GROUP - len(places))])
    return bytes([8 * width]) + varint(groups << 1 | 1) + _little(padded)


def _runs(values: Iterable[int], bits: int) -> bytes:
    """Return numbers as runs of equal ones."""
    size = -(-bits // 8)
    runs = ((value, sum(1 for _ in run)) for value, run in groupby(values))
    return b"".join(
        varint(count << 1) + int(value).to_bytes(size, "little") for value, count in runs
    )


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _little(numbers: array[Any]) -> bytes:
    """Return numbers as bytes, the lowest first."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


# Reading


def read(data: bytes, form: Form) -> dict[str, list[Any]]:
    """Return the columns of rows that can be shown; raises SitegenError for any other file.

    Nothing but a value and its print is absent; values, labels, statistics and parameters are
    what such may be; no text is too long or holds a control character. A file that is larger
    than a run's may be is found out before it is unpacked.
    """
    told = footer.read(data)
    _check_form(told, form)
    _check_size(told, form)
    parts: dict[str, list[Chunk]] = {}
    for chunk in told.chunks:
        parts.setdefault(chunk.path, []).append(chunk)
    try:
        found = {
            name: _params(data, parts, told, name)
            if form.columns[name] == Kind.PARAMS
            else _values(data, parts.get(name, ()), form.columns[name], told.rows)
            for name in form.read
        }
    except (ValueError, KeyError, IndexError, OverflowError, zlib.error) as error:
        raise SitegenError(f"not readable as Parquet ({error})") from error
    for name, column in found.items():
        if name not in columns.OPTIONAL and None in column:
            raise SitegenError(f"{name} is absent in a row")
        columns.check(name, form.columns[name], column)
    return found


def _check_form(told: Footer, form: Form) -> None:
    """Raise SitegenError unless the columns that are read are there, once, and of their types."""
    names = [column[0].name for column in told.columns]
    if missing := set(form.read) - set(names):
        raise SitegenError(f"has no column {min(missing)}")
    if twice := {name for name in form.read if names.count(name) > 1}:
        raise SitegenError(f"has the column {min(twice)} twice")
    for first, *rest in told.columns:
        if first.name in form.read:
            kind = form.columns[first.name]
            wanted = [(None if kind == Kind.PARAMS else _TYPES[kind], _OPTIONAL)]
            if kind == Kind.PARAMS:
                wanted += [(None, _REPEATED), (None, _OPTIONAL), *[(_BYTE_ARRAY, _OPTIONAL)] * 2]
            found = [(one.type, one.repetition) for one in (first, *rest)]
            leaves = [one for one in (first, *rest) if one.type is not None]
            if any(one.meant not in _MEANT.get(one.type, ()) for one in leaves):
                raise SitegenError(f"the column {first.name} is not of its type")
            if found != wanted or [one.name for one in rest[2:]] not in ([], ["key", "value"]):
                raise SitegenError(f"the column {first.name} is not of its type")


def _check_size(told: Footer, form: Form) -> None:
    if told.rows > form.most_rows:
        raise SitegenError(f"{told.rows:,} rows, more than {form.most_rows:,}")
    counts: Counter[str] = Counter()
    for chunk in told.chunks:
        counts[chunk.path] += chunk.values
    for path, count in counts.items():
        if "." not in path and count != told.rows:
            raise SitegenError(
                f"its footer contradicts itself: {count:,} values in {told.rows:,} rows"
            )
        if count > told.rows * parameters.MOST:
            raise SitegenError(f"a row has more than {parameters.MOST} parameters")
    size = sum(chunk.bytes + _VALUE_BYTES * chunk.values for chunk in told.chunks)
    if size > MAX_BYTES:
        raise SitegenError(
            f"would take {size / 1e6:,.0f} MB when it is unpacked, more than"
            f" {MAX_BYTES / 1e6:.0f} MB"
        )


def _values(data: bytes, chunks: Iterable[Chunk], kind: Kind, rows: int) -> list[Any]:
    """Return a column, None where nothing stands."""
    found: list[Any] = []
    for (defined,), there in _pages(data, chunks, kind, 1):
        if len(there) == len(defined):
            found += there
        else:
            rest = iter(there)
            found += [next(rest) if level else None for level in defined]
    if len(found) != rows:
        raise ValueError("rows that are not whole")
    return found


def _params(
    data: bytes, parts: Mapping[str, Sequence[Chunk]], told: Footer, name: str
) -> list[Params]:
    """Return the parameters of each row, equal ones as one."""
    column: Sequence[Element] = next(each for each in told.columns if each[0].name == name)
    above = ".".join(one.name for one in column[:3])
    sides: list[tuple[list[int], list[int], list[str]]] = []
    for leaf in column[3:]:
        repeated, defined, texts = [], [], []
        for levels, there in _pages(data, parts[f"{above}.{leaf.name}"], Kind.TEXT, _PAIR):
            repeated += levels[0]
            defined += levels[1]
            texts += there
        sides.append((repeated, defined, texts))
    (repeated, defined, keys), (again, too, values) = sides
    if (repeated, defined) != (again, too) or not set(defined) <= {_EMPTY, _PAIR}:
        raise SitegenError(f"{name} is absent in a row")
    pairs = tuple(zip(keys, values, strict=True))
    once: dict[Params, Params] = {}
    rows: list[Params] = []
    at = 0
    starts = [place for place, level in enumerate(repeated) if not level]
    for start, end in pairwise((*starts, len(repeated))):
        count = end - start if defined[start] == _PAIR else 0
        row = pairs[at : at + count]
        rows.append(once.setdefault(row, row))
        at += count
    if at != len(pairs) or len(rows) != told.rows:
        raise ValueError("lists that are not whole")
    return rows


def _pages(
    data: bytes, chunks: Iterable[Chunk], kind: Kind, depth: int
) -> Iterator[tuple[list[list[int]], list[Any]]]:
    """Yield of each page its levels, and the values that are there: those defined to ``depth``.

    In a list there are two levels of each: whether it goes on, and how far it is defined.
    """
    widths = (1, depth.bit_length()) if depth > 1 else (1,)
    for chunk in chunks:
        words: list[Any] = []
        for page in chunk.pages:
            body = _unpacked(data, page, chunk.codec)
            if page.dictionary:
                words = _plain(body, 0, kind, page.values)
                continue
            if any(page.levels[at] != _RLE for at in range(len(widths))):
                raise ValueError("levels in another form")
            levels, at = [], 0
            for width in widths:
                size = int.from_bytes(body[at : at + 4], "little")
                at += 4
                levels.append(_numbers(body[: at + size], at, width, page.values))
                at += size
            count = levels[-1].count(depth)
            if page.encoding == _PLAIN:
                yield levels, _plain(body, at, kind, count)
            elif page.encoding in _DICTIONARIES:
                places = _numbers(body, at + 1, body[at], count) if count else []
                yield levels, list(map(words.__getitem__, places))
            else:
                raise ValueError(f"encoding {page.encoding}")


def _unpacked(data: bytes, page: Page, codec: int) -> bytes:
    """Return the bytes of a page, as many as it says; raises ValueError when it holds others."""
    body = data[page.start : page.end]
    if page.digest is not None and zlib.crc32(body) != page.digest:
        raise ValueError("a page does not match its digest")
    if codec == _GZIPPED:
        body = zlib.decompressobj(wbits=_GZIP).decompress(body, page.bytes + 1)
    elif codec == _ZSTD:
        body = _from_zstd(body, page.bytes)
    elif codec != _UNCOMPRESSED:
        raise ValueError(f"compression {codec}")
    if len(body) != page.bytes:
        raise ValueError("a page of another size")
    return body


def _from_zstd(body: bytes, size: int) -> bytes:
    """Return what is packed as large files were until pyarrow was no longer needed for them."""
    import pyarrow as pa

    try:
        return bytes(pa.decompress(body, decompressed_size=size, codec="zstd", asbytes=True))
    except (pa.ArrowException, OSError) as error:
        raise ValueError("a page cannot be unpacked") from error


def _plain(body: bytes, at: int, kind: Kind, count: int) -> list[Any]:
    """Return values that stand one after another."""
    if kind in (Kind.NUMBER, Kind.COUNT):
        numbers = array("d" if kind == Kind.NUMBER else "i")
        size = numbers.itemsize * count
        if len(body) - at < size:
            raise ValueError("cut off")
        numbers.frombytes(body[at : at + size])
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()
    texts = []
    for _ in range(count):
        size = int.from_bytes(body[at : at + 4], "little")
        at += 4
        if at + size > len(body):
            raise ValueError("cut off")
        texts.append(body[at : at + size].decode())
        at += size
    return texts


def _numbers(body: bytes, at: int, width: int, count: int) -> list[int]:
    """Return numbers of ``width`` bits that stand in runs and in groups of eight."""
    found: list[int] = [0] * count if width == 0 else []
    if width > _WIDEST:
        raise ValueError("numbers of too many bits")
    reader, size = Reader(body, at), -(-width // 8)
    while len(found) < count:
        head = reader.varint()
        left = count - len(found)
        if head < 2:  # noqa: PLR2004 - its lowest bit says which kind it is
            raise ValueError("a run of nothing")
        if head & 1:
            groups = min(head >> 1, -(-left // _GROUP))
            found += _unpack(reader.take(groups * width), width)[:left]
        else:
            value = int.from_bytes(reader.take(size), "little")
            if value >> width:
                raise ValueError("a number of too many bits")
            found += [value] * min(head >> 1, left)
    return found


def _unpack(data: bytes, width: int) -> list[int]:
    """Return numbers of ``width`` bits each, packed in groups of eight."""
    if width in _WHOLE:
        numbers = array(_WHOLE[width])
        numbers.frombytes(data)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()
    mask, places = (1 << width) - 1, range(0, 8 * width, width)
    groups = (int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width))
    return [group >> place & mask for group in groups for place in places]
