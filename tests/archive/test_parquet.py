"""The two files of a run as other readers have them, and files of other writers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitegen.archive import footer, parquet, tables
from sitegen.archive.columns import MEASUREMENTS, SAMPLES
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, Provenance, Run, Sample

PARAMS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
#: The two forms as they stand in archives since the first version.
ROWS = pa.schema(
    [
        ("run_id", pa.string()),
        ("environment", pa.string()),
        ("benchmark", pa.string()),
        ("workload", pa.string()),
        ("metric", pa.string()),
        ("statistic", pa.string()),
        ("unit", pa.string()),
        ("value", pa.float64()),
        ("printed", pa.string()),
        ("repetition", pa.int32()),
        ("status", pa.string()),
        ("params", PARAMS),
    ],
    metadata={"sitegen.schema": "2"},
)
POINTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("workload", pa.string()),
        ("repetition", pa.int32()),
        ("kind", pa.string()),
        ("metric", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("params", PARAMS),
    ],
    metadata={"sitegen.schema": "2"},
)
text = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
#: No name that says of which kind its values are.
params = st.dictionaries(text.map("of_{}".format), text, max_size=3).map(
    lambda d: tuple(sorted(d.items()))
)
number = st.just(0.0) | st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30)
measurement = st.builds(
    Measurement,
    workload=st.sampled_from(["w", "read-4k"]),
    metric=st.sampled_from(["fio.iops", "ab.requests"]),
    statistic=st.just("value"),
    unit=text,
    value=st.none() | number,
    params=params,
    repetition=st.integers(0, 999_999),
    status=st.sampled_from(["ok", "failed"]),
    printed=st.none() | text,
)
sample = st.builds(
    Sample,
    st.just("w"),
    st.integers(0, 9),
    text,
    st.just("fio.iops"),
    number,
    number,
    params,
)


def run(rows: Sequence[Measurement], points: Sequence[Sample] = ()) -> Run:
    return Run(
        "20250101t000000z-fio-aaaaaaaa", "fio", "here", Provenance.COLLECTED,
        "2025-01-01T00:00:00Z", 1.0, tuple(rows), samples=tuple(points),
    )  # fmt: skip


def as_pyarrow_has(rows: Sequence[Any], schema: pa.Schema, **about: str) -> pa.Table:
    """Return the table that pyarrow makes of rows."""
    lists = [[{"key": key, "value": value} for key, value in row.params] for row in rows]
    columns = {
        name: [about[name]] * len(rows)
        if name in about
        else lists
        if name == "params"
        else [getattr(row, name) for row in rows]
        for name in schema.names
    }
    return pa.table(columns, schema=schema)


def written(table: pa.Table, **options: Any) -> bytes:  # noqa: ANN401 - pyarrow's own
    out = pa.BufferOutputStream()
    pq.write_table(table, out, **{"compression": "none", **options})
    return bytes(out.getvalue().to_pybytes())


def pyarrow_reads(data: bytes) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    table = file.read()
    table.validate(full=True)
    return table


ABOUT = {"run_id": "20250101t000000z-fio-aaaaaaaa", "environment": "here", "benchmark": "fio"}


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(measurement, max_size=40), points=st.lists(sample, max_size=40))
def test_pyarrow_reads_what_is_written_and_the_other_way_round(
    rows: list[Measurement], points: list[Sample]
) -> None:
    one = run(rows, points)
    pairs = (
        (parquet.measurements_bytes(one), parquet.measurements, rows, ROWS),
        (parquet.samples_bytes(one), parquet.samples, points, POINTS),
    )
    for data, read, expected, schema in pairs:
        assert read(data) == tuple(expected)
        theirs = as_pyarrow_has(expected, schema, **ABOUT)
        found = pyarrow_reads(data)
        assert found.schema.equals(theirs.schema, check_metadata=False)
        assert found.schema.metadata == theirs.schema.metadata
        assert found.to_pylist() == theirs.to_pylist()
        assert read(written(theirs)) == tuple(expected)
    again = tables.read_measurements(pairs[0][0])
    assert (
        again.to_pylist()
        == as_pyarrow_has(rows, ROWS, **ABOUT).select(again.column_names).to_pylist()
    )


def many(count: int) -> list[Measurement]:
    """Return rows of all sorts: long runs and short ones, many and few different values."""
    chance = random.Random(count)  # noqa: S311 - any numbers do
    lists: list[Params] = [(), *((("threads", str(n)),) for n in range(40))]
    lists.append((("block_size", "4096"), ("threads", "8")))
    return [
        Measurement(
            f"w{at * 7 // count}",
            "fio.iops",
            chance.choice(("value", "mean")),
            f"u{at % 300}",
            chance.choice((None, chance.random(), 0.0, -0.0)),
            chance.choice(lists),
            at % 5,
            "ok",
            f"{at}" if at % 3 or count > 65_536 else None,
        )
        for at in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 257, 70_000])
def test_files_of_every_size_are_read_by_both(count: int) -> None:
    rows = many(count)
    data = parquet.measurements_bytes(run(rows))
    assert parquet.measurements(data) == tuple(rows)
    assert pyarrow_reads(data).to_pylist() == as_pyarrow_has(rows, ROWS, **ABOUT).to_pylist()
    for chunk in footer.read(data).chunks:
        assert chunk.codec == (2 if count > 1000 else 0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "write_page_checksum": True, "write_statistics": False},
        {"compression": "gzip"},
        {"use_dictionary": False},
        {"data_page_size": 1000, "row_group_size": 900},
        {"compression": "zstd", "dictionary_pagesize_limit": 200},
    ],
    ids=str,
)
def test_files_of_pyarrow_are_read_however_they_were_written(options: dict[str, Any]) -> None:
    rows = many(5000)
    data = written(as_pyarrow_has(rows, ROWS, **ABOUT), **options)
    assert parquet.measurements(data) == tuple(rows)


@pytest.mark.parametrize("options", [{"data_page_version": "2.0"}, {"compression": "brotli"}])
def test_forms_that_no_run_was_written_in_are_one_line(options: dict[str, Any]) -> None:
    data = written(as_pyarrow_has(many(9), ROWS, **ABOUT), **options)
    with pytest.raises(SitegenError, match="not readable as Parquet"):
        parquet.measurements(data)


@pytest.mark.parametrize("name", ["value", "unit", "repetition", "params"])
def test_a_column_of_another_type_is_refused(name: str) -> None:
    table = as_pyarrow_has(many(9), ROWS, **ABOUT)
    at = table.column_names.index(name)
    odd = table.set_column(at, name, pa.array([b"1"] * 9, pa.binary()) if at != 6 else [[1.0] * 9])
    with pytest.raises(SitegenError, match=f"the column {name} is not of its type"):
        parquet.measurements(written(odd))


@pytest.mark.parametrize("form", ["measurements", "samples"])
def test_what_is_absent_where_something_has_to_be_is_named(form: str) -> None:
    schema = ROWS if form == "measurements" else POINTS
    rows = many(3) if form == "measurements" else [Sample("w", 0, "time", "fio.iops", 1.0, 2.0)] * 3
    table = as_pyarrow_has(rows, schema, **ABOUT)
    for name in (MEASUREMENTS if form == "measurements" else SAMPLES).read:
        if name in ("value", "printed"):
            continue
        at = table.column_names.index(name)
        gap = pa.array([None, *table.column(name).to_pylist()[1:]], schema.field(name).type)
        with pytest.raises(SitegenError, match=f"{name} is absent in a row"):
            getattr(parquet, form)(written(table.set_column(at, schema.field(name), gap)))


def test_a_byte_changed_anywhere_is_the_same_rows_or_one_line() -> None:
    rows = tuple(many(60))
    whole = parquet.measurements_bytes(run(rows))
    size = int.from_bytes(whole[-8:-4], "little") + 8
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        try:
            found = parquet.measurements(bytes(data))
        except SitegenError:
            continue
        assert found == rows or at > len(whole) - size


def test_a_page_may_not_hold_more_than_it_says() -> None:
    rows = many(20_000)
    table = as_pyarrow_has(rows, ROWS, **ABOUT)
    for codec in ("gzip", "zstd"):
        data = written(table, compression=codec)
        for chunk in footer.read(data).chunks:
            page = chunk.pages[0]
            smaller = page._replace(bytes=page.bytes - 1)
            with pytest.raises(ValueError, match="page"):
                parquet._unpacked(data, smaller, chunk.codec)  # noqa: SLF001 - no file can say so


def test_more_parameters_than_there_is_room_for_are_refused_before_they_are_unpacked() -> None:
    pairs = [{"key": "k", "value": "v"}] * 200
    table = as_pyarrow_has(many(60_000), ROWS, **ABOUT)
    lists = pa.ListArray.from_arrays(
        pa.array(range(0, 200 * 60_000 + 1, 200), pa.int32()),
        pa.array(pairs, PARAMS.value_type).take(pa.array([0] * 200 * 60_000)),
    )
    data = written(table.set_column(11, "params", lists))
    with pytest.raises(SitegenError, match="MB when it is unpacked, more than 200 MB"):
        parquet.measurements(data)


def test_rows_that_grow_when_they_are_unpacked_are_refused_by_who_builds_too() -> None:
    rows = [Measurement("w", "fio.iops", "value", "x" * 100_000, 1.0)] * 2_500
    data = written(as_pyarrow_has(rows, ROWS, **ABOUT), compression="zstd")
    with pytest.raises(SitegenError, match="MB when it is unpacked, more than 200 MB"):
        tables.read_measurements(data)
