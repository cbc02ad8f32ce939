"""Rows of many runs as one Arrow table that explains itself, and as a pandas frame.

Texts are dictionaries, which are categories in pandas: only words that are used, in the order that
a reader expects. Each parameter is a column, `param_<name>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from sitegen.archive import parquet, tables
from sitegen.archive.columns import MEASUREMENTS, SAMPLES, Kind
from sitegen.errors import SitegenError
from sitegen.model import Params

if TYPE_CHECKING:
    import pandas as pd

PARAM, CAVEATS = "param_", "caveats"
_TIME = pa.timestamp("us", "UTC")
_NUMBER = re.compile("([0-9]+)")


class Facts(Struct, frozen=True):
    """What is told of rows by their run and their metric.

    ``of_runs`` has columns with a value for each of the ``runs``, ``of_metrics`` columns by metric;
    ``marks`` gives the caveats of each row of a run. ``order`` has the words of a column in order.
    """

    runs: Sequence[str]
    of_runs: Mapping[str, Sequence[str | None]]
    started_at: Sequence[datetime | None]
    of_metrics: Mapping[str, Mapping[str, str | None]]
    order: Mapping[str, Sequence[str]]
    marks: Callable[[str], Sequence[str | None]] | None = None


def measurements(rows: pa.Table, facts: Facts, metrics: Sequence[str] = ()) -> pa.Table:
    """Return the rows of ``facts.runs``, in their order; of ``metrics`` where some are named.

    Caveats are one text a row: see `with_lists` and `frame`.
    """
    run_words, run_at = _dictionary(rows.column("run_id"))
    places = {name: place for place, name in enumerate(facts.runs)}
    at = pa.array([places.get(name) for name in run_words], pa.int32()).take(run_at)
    sorted_rows = pc.sort_indices(at)[: len(at) - at.null_count]
    at, rows = at.take(sorted_rows), rows.take(sorted_rows)
    columns: dict[str, Any] = {"run_id": pa.DictionaryArray.from_arrays(at, _texts(facts.runs))}
    for name, values in facts.of_runs.items():
        columns[name] = _encoded(values, at, facts.order.get(name))
    columns["started_at"] = pa.array(facts.started_at, _TIME).take(at)
    for name in MEASUREMENTS.plain:
        columns[name] = _column(rows, name)
    words, metric_at = _dictionary(rows.column("metric"))
    for name, by_metric in facts.of_metrics.items():
        columns[name] = _encoded([by_metric[word] for word in words], metric_at)
    if facts.marks:
        columns[CAVEATS] = _marks(facts.marks(run) for run in facts.runs)
    packed, packed_at = _dictionary(rows.column("params"))
    if metrics:
        wanted = pa.array([word in metrics for word in words], pa.bool_()).take(metric_at)
        columns = {name: column.filter(wanted) for name, column in columns.items()}
        packed_at = packed_at.filter(wanted)
    columns = {name: _used(column, facts.order.get(name)) for name, column in columns.items()}
    return pa.table({**columns, **_parameters([*map(tables.unpack, packed)], packed_at)})


def samples(data: bytes | None) -> pa.Table:
    """Return the samples in ``data``, none without; raises SitegenError as reading them does."""
    read = parquet.read(data, SAMPLES) if data else {name: [] for name in SAMPLES.read}
    types = {Kind.NUMBER: pa.float64(), Kind.COUNT: pa.int32(), Kind.TEXT: pa.string()}
    columns = {}
    for name in SAMPLES.plain:
        column = pa.array(read[name], types[SAMPLES.columns[name]])
        text = SAMPLES.columns[name] == Kind.TEXT
        columns[name] = _used(column.dictionary_encode()) if text else column
    places = {params: place for place, params in enumerate(dict.fromkeys(read["params"]))}
    at = pa.array([places[params] for params in read["params"]], pa.int32())
    return pa.table({**columns, **_parameters(list(places), at)})


def with_lists(table: pa.Table) -> pa.Table:
    """Return ``table`` with the caveats of each row as a list."""
    if CAVEATS not in table.column_names:
        return table
    words, at = _dictionary(table.column(CAVEATS))
    lists = pa.array([word.split() for word in words], pa.list_(pa.string())).take(at)
    return table.set_column(table.column_names.index(CAVEATS), CAVEATS, lists)


def frame(table: pa.Table) -> pd.DataFrame:
    """Return ``table`` as a pandas frame; caveats are tuples, which rows share."""
    if CAVEATS not in table.column_names:
        return table.to_pandas()  # type: ignore[no-any-return]
    import numpy as np

    words, at = _dictionary(table.column(CAVEATS))
    tuples = np.empty(len(words), dtype=object)
    tuples[:] = [tuple(word.split()) for word in words]
    found: pd.DataFrame = table.drop_columns([CAVEATS]).to_pandas()
    found.insert(table.column_names.index(CAVEATS), CAVEATS, tuples[at.to_numpy()])
    return found


def check_numpy() -> None:
    """Raise SitegenError in a process whose pyarrow was loaded by a command, without numpy.

    pandas would end such a process.
    """
    try:
        pa.array([1.0]).to_numpy()
    except ImportError as error:
        fix = "open reports in a process of their own, or import pandas first"
        raise SitegenError("pyarrow was loaded without numpy", fix=fix) from error


def _marks(of_runs: Iterable[Sequence[str | None]]) -> pa.Array:
    places: dict[str, int] = {}
    at = [places.setdefault(one or "", len(places)) for marks in of_runs for one in marks]
    return pa.DictionaryArray.from_arrays(pa.array(at, pa.int32()), _texts(places))


def _column(rows: pa.Table, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    column = rows.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        plain = name in ("printed", "repetition")
        return column.cast(column.type.value_type) if plain else column
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _dictionary(column: Any) -> tuple[list[Any], Any]:  # noqa: ANN401 - as above
    """Return the words of a column, and which of them each row has."""
    whole = tables.in_one_piece(column) if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    return whole.dictionary.to_pylist(), whole.indices


def _encoded(
    values: Sequence[str | None],
    at: Any,  # noqa: ANN401 - as above
    order: Sequence[str] | None = None,
) -> Any:  # noqa: ANN401 - as above
    """Return a column in which each row has one of ``values``: that ``at`` its place."""
    words = _ordered({value for value in values if value is not None}, order)
    places = {word: place for place, word in enumerate(words)}
    known = [None if value is None else places[value] for value in values]
    codes = pa.array(known, pa.int32()).take(at)
    return pa.DictionaryArray.from_arrays(codes, _texts(words))


def _used(column: Any, order: Sequence[str] | None = None) -> Any:  # noqa: ANN401 - as above
    """Return a column whose dictionary has only the words that are used, in order."""
    if not pa.types.is_dictionary(column.type):
        return column
    words, at = _dictionary(column)
    used = {place: words[place] for place in pc.unique(at).to_pylist() if place is not None}
    kept = [used.get(place) for place in range(len(words))]
    return _encoded(kept, at, order)


def _parameters(sets: Sequence[Params], at: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return a column for each parameter; each row has the one of ``sets`` ``at`` its place."""
    used = {place for place in pc.unique(at).to_pylist() if place is not None}
    pairs = [dict(params) if place in used else {} for place, params in enumerate(sets)]
    keys = sorted({key for have in pairs for key in have})
    return {f"{PARAM}{key}": _encoded([have.get(key) for have in pairs], at) for key in keys}


def _texts(words: Iterable[str]) -> pa.Array:
    return pa.array(list(words), pa.string())


def _ordered(words: Iterable[str], order: Sequence[str] | None) -> list[str]:
    """Return words as ``order`` has them, the rest by their numbers: 2 before 16."""
    first = {word: place for place, word in enumerate(order or ())}
    return sorted(words, key=lambda word: (first.get(word, len(first)), _natural(word)))


def _natural(word: str) -> list[tuple[int, str]]:
    parts = _NUMBER.split(word)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]
