"""The rows of many runs as one Arrow table, and the way from its columns to rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sitegen.archive import columns, footer, hidden
from sitegen.archive.columns import MAX_BYTES, MEASUREMENTS, Kind
from sitegen.catalogue import parameters
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Shape, Table

# pyarrow's first pa.array imports pandas (0.35 CPU-s, 50 MB) to see whether the values are a
# DataFrame's. Ours never are; pyarrow does not ask twice, and later imports find pandas.
with hidden.modules("pandas"):
    pa.array([])
# The default pool holds on to what it frees, 60 MB in a build of 200,000 rows.
pa.set_memory_pool(pa.system_memory_pool())

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.COUNT: pa.int32(),
    Kind.PARAMS: pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])),
}
#: The rows of many runs, for the cache: params packed into one string a row.
COMPACT = ("run_id", *MEASUREMENTS.plain, "params")
_READ = pa.schema([(name, _TYPES[MEASUREMENTS.columns[name]]) for name in COMPACT[1:]])
#: What the dictionaries of columns hold.
_WORDS = {name: pa.int32() if name == "repetition" else pa.string() for name in COMPACT}
_EMPTY = pa.schema(
    [
        (name, pa.float64() if name == "value" else pa.dictionary(pa.int32(), _WORDS[name]))
        for name in COMPACT
    ]
).empty_table()
# Characters that no parameter may hold: they part keys from values and pairs from pairs.
_PAIR, _PAIRS = "\x1f", "\x1e"
_SMALL_BYTES = 100_000
_INDEX_BYTES = 8  # of a value, or of a place in a dictionary


def check(table: pa.Table) -> pa.Table:
    """Return ``table`` when its rows can be shown; raises SitegenError otherwise.

    Nothing but a value and its print is absent; values, labels, statistics and parameters are
    what such may be; no text is too long or holds a control character.
    """
    for name in table.column_names:
        if name not in columns.OPTIONAL and _absent(table.column(name)):
            raise SitegenError(f"{name} is absent in a row")
        if MEASUREMENTS.columns[name] == Kind.TEXT:
            columns.check_texts(name, pc.unique(table.column(name)).to_pylist())
    _check_values(table.column("value"))
    repetitions = pc.min_max(table.column("repetition")).as_py()
    columns.check_repetitions(repetitions["min"] or 0, repetitions["max"] or 0)
    columns.check_params(set(_decoded(pack(table.select(["params"])).column("params"))))
    return table


def _check_values(column: pa.ChunkedArray) -> None:
    """Raise SitegenError unless all values that are there are finite, and of a size that is."""
    if not pc.all(pc.is_finite(column), min_count=0).as_py():
        raise SitegenError("a value is not finite")
    sizes = pc.abs(column)
    least = pc.min(pc.if_else(pc.equal(sizes, 0.0), pa.scalar(1.0), sizes)).as_py()
    columns.check_sizes(1.0 if least is None else least, pc.max(sizes).as_py() or 0.0)


def _absent(column: pa.ChunkedArray) -> bool:
    if column.null_count or not pa.types.is_list(column.type):
        return bool(column.null_count)
    pairs = [chunk.flatten() for chunk in column.chunks]
    return any(p.null_count or p.field(0).null_count or p.field(1).null_count for p in pairs)


def pack(table: pa.Table) -> pa.Table:
    """Return ``table`` with its params packed into one dictionary-encoded string a row.

    Few different parameter lists stand behind many rows: packed, each is decoded once.
    """
    table = table.combine_chunks()
    index = table.column_names.index("params")
    chunks = table.column(index).chunks
    if not chunks:
        return table.set_column(index, "params", pa.array([], pa.string()))
    lists = chunks[0]
    start, stop = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
    structs = lists.values.slice(start, stop - start)
    pairs = pc.binary_join_element_wise(structs.field(0), structs.field(1), _PAIR)
    offsets = pc.subtract(lists.offsets, pa.scalar(start, pa.int32()))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, pairs), _PAIRS)
    return table.set_column(index, "params", joined.dictionary_encode())


class Rows:
    """The rows of many runs, each run's read when they are asked for."""

    def __init__(self, packed: Sequence[pa.Table]) -> None:
        """Take tables with runs, packed, in which each run's rows stand together."""
        self._parts = []
        self._places: dict[str, tuple[int, int, int]] = {}
        shapes: dict[tuple[Measurement, ...], Shape] = {}
        for number, part in enumerate(packed):
            table = part.combine_chunks()
            self._parts.append(_Part(table, shapes))
            start = 0
            for run_id, count in _groups(table):
                self._places[run_id] = (number, start, count)
                start += count

    def table(self, run_id: str) -> Table:
        """Return the rows of a run, in their order; none of a run that is not here."""
        if run_id not in self._places:
            return Table.of(())
        number, start, count = self._places[run_id]
        return self._parts[number].table(start, count)

    def arrow(self) -> pa.Table:
        """Return all rows as one table, runs one after another; texts are dictionaries.

        The parameters' dictionary is of texts as `pack` makes them.
        """
        runs: dict[int, list[tuple[str, int]]] = {}
        for run_id, (number, start, count) in self._places.items():
            runs.setdefault(number, []).append((run_id, start + count))
        parts = [part.arrow(runs.get(number, [])) for number, part in enumerate(self._parts)]
        return pa.concat_tables(parts).unify_dictionaries() if parts else _EMPTY


class _Part:
    """Some runs' rows: of each column its different values, and in each row which of them it is.

    Runs whose places are the same, value by value, have the same shape: it is looked up by these
    bytes.
    """

    def __init__(self, table: pa.Table, shapes: dict[tuple[Measurement, ...], Shape]) -> None:
        self.values = in_one_piece(table.column("value"))
        names = [name for name in Measurement._fields if name != "value"]
        self.columns = {name: _indices(table.column(name), name) for name in names}
        self.shapes, self.by_places = shapes, dict[bytes, Shape]()

    def table(self, start: int, count: int) -> Table:
        """Return ``count`` rows from ``start`` on."""
        places = [places[start : start + count] for _, places in self.columns.values()]
        key = b"".join(places)
        if key not in self.by_places:
            columns: dict[str, Iterable[Any]] = {"value": repeat(None, count)}
            for (name, (words, _)), column in zip(self.columns.items(), places, strict=True):
                columns[name] = map(words.__getitem__, column)
            ordered = (columns[name] for name in Measurement._fields)
            rows = tuple(map(Measurement._make, zip(*ordered, strict=True)))
            self.by_places[key] = self.shapes.setdefault(rows, Shape(rows))
        return Table(self.by_places[key], self.values.slice(start, count).to_pylist())

    def arrow(self, runs: Sequence[tuple[str, int]]) -> pa.Table:
        """Return all rows; ``runs`` stand in them, each up to a place."""
        names, ends = pa.array([name for name, _ in runs], pa.string()), [end for _, end in runs]
        at = pa.RunEndEncodedArray.from_arrays(
            pa.array(ends, pa.int32()), pa.array(range(len(ends)), pa.int32())
        )
        columns = {"run_id": pa.DictionaryArray.from_arrays(pc.run_end_decode(at), names)}
        for name, (words, places) in self.columns.items():
            known = words[:-1]  # the last one stands for none
            texts = [_packed(one) for one in known] if name == "params" else known
            buffer = pa.py_buffer(places)
            indices = pa.Array.from_buffers(pa.int32(), len(places), [None, buffer])
            indices = pc.if_else(
                pc.equal(indices, len(known)), pa.scalar(None, pa.int32()), indices
            )
            columns[name] = pa.DictionaryArray.from_arrays(indices, pa.array(texts, _WORDS[name]))
        return pa.table({**columns, "value": self.values}).select(COMPACT)


def _groups(table: pa.Table) -> Iterator[tuple[str, int]]:
    """Yield each run of a table with the number of its rows, as they stand."""
    column = table.column("run_id")
    if not table.num_rows:
        return
    encoded = pc.run_end_encode(pc.cast(column.chunk(0).indices, pa.int32()))
    names, before = column.chunk(0).dictionary.to_pylist(), 0
    ends = encoded.run_ends.to_pylist()
    for place, end in zip(encoded.values.to_pylist(), ends, strict=True):
        yield names[place], end - before
        before = end


def _indices(column: pa.ChunkedArray, name: str) -> tuple[list[Any], memoryview[int]]:
    """Return the different values of a column, and in which place each row's is."""
    column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = in_one_piece(column)
    words = whole.dictionary.to_pylist()
    words = [unpack(text) for text in words] if name == "params" else words
    # A row without a value has the place after the last.
    places = pc.cast(pc.fill_null(whole.indices, len(words)), pa.int32())
    first = places.offset
    data = memoryview(places.buffers()[1] or b"").cast("i")[first : first + len(places)]
    return [*words, None], data


def in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        return whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return whole


def units(table: pa.Table, lengths: Iterable[int]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield of each run each metric with each unit that it is stated in, sorted.

    Runs stand one after another in ``table``; ``lengths`` are the numbers of their rows.
    """
    (metrics, metric_at), (texts, unit_at) = (
        _indices(table.column(name), name) for name in ("metric", "unit")
    )
    known: dict[bytes, tuple[tuple[str, str], ...]] = {}
    start = 0
    for length in lengths:
        rows = slice(start, start := start + length)
        places = metric_at[rows], unit_at[rows]
        key = b"".join(places)  # most runs measured the same
        if key not in known:
            pairs = {(metrics[m], texts[u]) for m, u in zip(*places, strict=True)}
            known[key] = tuple(sorted(pairs))
        yield known[key]


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the tables one after another."""
    return pa.concat_tables(tables, promote_options="default")


def with_runs(parts: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """Return the tables one after another, with a first column that names each row's run."""
    table = concat([part for _, part in parts])
    lengths = (repeat(index, part.num_rows) for index, (_, part) in enumerate(parts))
    indices = pa.array(list(chain.from_iterable(lengths)), pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array([run_id for run_id, _ in parts]))
    return table.add_column(0, "run_id", column)


def only_runs(table: pa.Table, runs: list[str]) -> pa.Table:
    """Return the rows of ``table`` that belong to one of ``runs``."""
    mask = pc.is_in(table.column("run_id").cast(pa.string()), value_set=pa.array(runs, pa.string()))
    return table.filter(mask)


def read_cache(data: bytes) -> pa.Table:
    """Return the rows of the cache; raises SitegenError when they cannot be read."""
    try:
        # pq.read_table would import pyarrow.dataset and, through it, pandas.
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=["run_id", "params"])
        table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise SitegenError("the cache cannot be read") from error
    if set(table.column_names) != set(COMPACT):
        raise SitegenError("the cache has other columns")
    return table


def export_table(columns: dict[str, list[Any]], version: int) -> pa.Table:
    """Return the public export: text columns but for value (float) and repetition (integer)."""
    types = {"value": pa.float64(), "repetition": pa.int32()}
    return pa.table(
        {name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()},
        metadata={"sitegen.export": str(version)},
    )


def parquet_bytes(table: pa.Table) -> bytes:
    """Return any table as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        # A small file is no smaller compressed, and costs twice as much to open.
        compression="zstd" if table.nbytes > _SMALL_BYTES else "none",
        use_dictionary=True,
        write_page_checksum=True,
        write_statistics=False,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as CSV with a header line."""
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _decoded(column: pa.ChunkedArray) -> list[Params]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    out: list[Params] = []
    for chunk in column.chunks:
        unique = [unpack(text) for text in chunk.dictionary.to_pylist()]
        out += map(unique.__getitem__, chunk.indices.to_pylist())
    return out


def _packed(params: Params) -> str:
    return _PAIRS.join(_PAIR.join(pair) for pair in params)


def unpack(text: str) -> Params:
    """Return parameters that `pack` made one text of."""
    if not text:
        return ()
    pairs = (pair.partition(_PAIR) for pair in text.split(_PAIRS))
    return tuple((key, value) for key, _, value in pairs)


def read_measurements(data: bytes) -> pa.Table:
    """Return the rows in ``data`` without the columns that the manifest holds too.

    Raises SitegenError when it is no Parquet file of this form, or a larger one than a run may
    have, which is found out before it is unpacked. What the rows say is not looked at: see check.
    """
    rows = MEASUREMENTS.most_rows
    with as_parquet(data) as file:
        about = file.metadata
        if about.num_rows > rows:
            raise SitegenError(f"{about.num_rows:,} rows, more than {rows:,}")
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        if sum(group.num_rows for group in groups) != about.num_rows:
            raise SitegenError("its footer contradicts itself")
        packed = sum(group.total_byte_size for group in groups)
        if packed * max(about.num_rows, 1) > MAX_BYTES:
            check_size(data, about.num_rows)
        table = file.read(columns=_READ.names, use_threads=False)
        if table.num_rows > rows:
            raise SitegenError(f"{table.num_rows:,} rows, more than {rows:,}")
        if table.schema.equals(_READ):
            return table
        if set(table.column_names) != set(_READ.names) or table.num_columns != len(_READ):
            raise SitegenError("has other columns than measurements have")
        return table.select(_READ.names).cast(_READ)


@contextmanager
def as_parquet(data: bytes) -> Iterator[pq.ParquetFile]:
    """Read ``data``; raises SitegenError for what cannot be read as Parquet while it lasts."""
    try:
        yield pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise SitegenError(f"not readable as Parquet ({reason})") from error


def check_size(data: bytes, rows: int) -> None:
    """Raise SitegenError for a file whose columns would take more than MAX_BYTES.

    A text stands once in a dictionary and may be the value of every row: a few kilobytes hold
    gigabytes. Where that could be, texts are looked at while they are still in dictionaries.
    """
    chunks = footer.read(data).chunks
    counts: Counter[str] = Counter()
    for chunk in chunks:
        counts[chunk.path] += chunk.values
    for path, count in counts.items():
        if "." not in path and count != rows:
            raise SitegenError(f"its footer contradicts itself: {count:,} values in {rows:,} rows")
        if count > rows * parameters.MOST:
            raise SitegenError(f"a row has more than {parameters.MOST} parameters")
    packed = sum(chunk.bytes + _INDEX_BYTES * chunk.values for chunk in chunks)
    texts = [chunk for chunk in chunks if chunk.text]
    most = packed + sum(chunk.values * chunk.bytes for chunk in texts)
    if most > MAX_BYTES >= packed:
        paths = sorted({chunk.path for chunk in texts})
        file = pq.ParquetFile(
            pa.BufferReader(data), page_checksum_verification=True, read_dictionary=paths
        )
        longest = _longest_texts(file.read(columns=paths, use_threads=False))
        most = packed + sum(chunk.values * longest.get(chunk.path, chunk.bytes) for chunk in texts)
    if most > MAX_BYTES:
        raise SitegenError(
            f"would take {most / 1e6:,.0f} MB when it is unpacked, more than"
            f" {MAX_BYTES / 1e6:.0f} MB"
        )


def _longest_texts(table: pa.Table) -> dict[str, int]:
    """Return the bytes of the longest text in each column of texts, by its path in the file."""
    lengths: dict[str, int] = {}

    def look(array: pa.Array, path: str) -> None:
        kind = array.type
        if pa.types.is_dictionary(kind):
            look(array.dictionary, path)
        elif pa.types.is_list(kind):
            look(array.values, f"{path}.list.{kind.value_field.name}")
        elif pa.types.is_struct(kind):
            for i in range(kind.num_fields):
                look(array.field(i), f"{path}.{kind.field(i).name}")
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            longest = pc.max(pc.binary_length(array)).as_py() or 0
            lengths[path] = max(longest, lengths.get(path, 0))

    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            look(chunk, name)
    return lengths
