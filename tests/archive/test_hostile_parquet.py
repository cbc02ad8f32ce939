"""Files that were made to end, stop or mislead who reads them: each is one line, in no time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from sitegen.archive import footer, parquet
from sitegen.archive.thrift import Long, Reader, dump, varint
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Provenance, Run

MAGIC = footer.MAGIC
#: Fields that are 64 bits wide: of a file, a group, a chunk and what it says of a column.
ROWS_WIDE, GROUP_WIDE, CHUNK_WIDE, COLUMN_WIDE = (3,), (2, 3), (2,), (5, 6, 7, 9, 11)
Said = dict[int, Any]


def run_file() -> bytes:
    """Return the rows of a run, as they are archived."""
    rows = tuple(
        Measurement(f"w{at % 2}", "fio.iops", "value", "s", at + 1.0, repetition=at)
        for at in range(9)
    )
    one = Run(
        "20250101t000000z-fio-aaaaaaaa", "fio", "here", Provenance.COLLECTED,
        "2025-01-01T00:00:00Z", 1.0, rows,
    )  # fmt: skip
    return parquet.measurements_bytes(one)


def widened(fields: Said, wide: tuple[int, ...]) -> None:
    for key in wide:
        if key in fields:
            fields[key] = Long(fields[key])


def saying(data: bytes, change: Callable[[Said], object]) -> bytes:
    """Return a file whose footer says something else."""
    size = int.from_bytes(data[-8:-4], "little")
    said = Reader(data, len(data) - 8 - size).struct()
    widened(said, ROWS_WIDE)
    for group in said[4]:
        widened(group, GROUP_WIDE)
        for chunk in group[1]:
            widened(chunk, CHUNK_WIDE)
            widened(chunk[3], COLUMN_WIDE)
    change(said)
    end = dump(said)
    return data[: -8 - size] + end + len(end).to_bytes(4, "little") + MAGIC


def with_chunk(data: bytes, at: int, pages: bytes, **about: int) -> bytes:
    """Return a file with other pages of one column."""
    size = int.from_bytes(data[-8:-4], "little")
    body, start = data[: -8 - size], len(data) - 8 - size

    def change(said: Said) -> None:
        column = said[4][0][1][at][3]
        column.pop(11, None)
        column |= {4: about.get("codec", 0), 9: Long(start), 7: Long(len(pages))}
        column[6] = Long(about["unpacked"])

    changed = saying(data, change)
    size = int.from_bytes(changed[-8:-4], "little")
    return body + pages + changed[-8 - size :]


def page(head: Said, content: bytes, *, unpacked: int | None = None) -> bytes:
    sizes = {2: len(content) if unpacked is None else unpacked, 3: len(content)}
    return dump({1: head.pop(1), **sizes, **head}) + content


def gzipped(content: bytes) -> bytes:
    packing = zlib.compressobj(wbits=31)
    return packing.compress(content) + packing.flush()


def refused(data: bytes, within_s: float = 1.0) -> str:
    """Return how a file is refused; it has to be, and soon."""
    start = process_time()
    with pytest.raises(SitegenError) as caught:
        parquet.measurements(data)
    assert process_time() - start < within_s
    return str(caught.value)


def test_a_footer_that_is_only_written_again_is_read() -> None:
    data = run_file()
    assert parquet.measurements(saying(data, lambda _: None)) == parquet.measurements(data)


def test_lists_in_lists_without_an_end_are_too_deep() -> None:
    deep = b"\x29" + b"\x19" * 100_000
    data = MAGIC + deep + len(deep).to_bytes(4, "little") + MAGIC
    assert "not readable as Parquet" in refused(data)


def test_a_footer_of_millions_of_parts_is_not_read() -> None:
    many = b"\x29\xfc" + varint(8_000_000) + bytes(8_000_001)
    data = MAGIC + many + len(many).to_bytes(4, "little") + MAGIC
    assert "not readable as Parquet" in refused(data, within_s=0.2)


@pytest.mark.parametrize("field", [2, 3, 4])
def test_numbers_of_a_page_that_are_texts_are_refused(field: int) -> None:
    head = {1: 0, 2: 6, 3: 6, 4: 1, 5: {1: 9, 2: 0, 3: 3, 4: 3}}
    pages = dump(head | {field: b"text"}) + bytes(200)
    data = with_chunk(run_file(), 7, pages, unpacked=300)
    assert "not readable as Parquet" in refused(data)


@pytest.mark.parametrize("head", [b"\x00\x00", b"\x01"], ids=["equal", "packed"])
def test_runs_of_nothing_do_not_keep_a_reader_busy(head: bytes) -> None:
    levels = head * (60_000_000 // len(head))
    content = len(levels).to_bytes(4, "little") + levels
    about = {1: 9, 2: 0, 3: 3, 4: 3}
    pages = page({1: 0, 5: about}, gzipped(content), unpacked=len(content))
    data = with_chunk(run_file(), 7, pages, codec=2, unpacked=len(content) + 100)
    assert "not readable as Parquet" in refused(data)


def test_a_dictionary_has_no_more_words_than_there_are_values() -> None:
    count = 20_000_000
    words = page({1: 2, 7: {1: count, 2: 0}}, gzipped(bytes(4 * count)), unpacked=4 * count)
    rest = page({1: 0, 5: {1: 9, 2: 8, 3: 3, 4: 3}}, gzipped(b""), unpacked=0)
    data = with_chunk(run_file(), 3, words + rest, codec=2, unpacked=4 * count + 100)
    assert "not readable as Parquet" in refused(data)


def test_columns_that_lie_in_the_same_bytes_are_looked_at_once() -> None:
    one = page({1: 0, 5: {1: 1, 2: 0, 3: 3, 4: 3}}, b"")
    data = with_chunk(run_file(), 7, one * 20_000, unpacked=10_000_000)

    def change(said: Said) -> None:
        group = said[4][0]
        group[1][7][3][5] = Long(20_000)
        said[4] = [{**group, 1: [group[1][7]] * 500}]

    assert "not readable as Parquet" in refused(saying(data, change))


def test_empty_pages_without_an_end_are_refused() -> None:
    pages = page({1: 0, 5: {1: 0, 2: 0, 3: 3, 4: 3}}, b"") * 300_000
    data = with_chunk(run_file(), 7, pages, unpacked=10_000_000)
    assert "not readable as Parquet" in refused(data)


def swapped(said: Said) -> None:
    columns = [chunk[3] for chunk in said[4][0][1]]
    columns[3][3], columns[6][3] = columns[6][3], columns[3][3]


def doubled(said: Said) -> None:
    said[4][0][1].append(said[4][0][1][7])


def of_another_type(said: Said) -> None:
    said[4][0][1][3][3][1] = 5


def decimal(said: Said) -> None:
    said[2][10] |= {6: 5, 7: 2, 8: 9}


def children_below_none(said: Said) -> None:
    said[2][12][5] = -1


def dictionary_after_its_pages(said: Said) -> None:
    column = said[4][0][1][3][3]
    column[11], column[9] = Long(column[9]), Long(column[11])


@pytest.mark.parametrize(
    "change",
    [
        swapped,
        doubled,
        of_another_type,
        decimal,
        children_below_none,
        dictionary_after_its_pages,
    ],
)
def test_what_readers_would_understand_differently_is_refused(
    change: Callable[[Said], object],
) -> None:
    refused(saying(run_file(), change))


@pytest.mark.parametrize(
    "head",
    [
        {1: 1, 5: {1: 9, 2: 0, 3: 3, 4: 3}},  # an index, it says
        {1: 0, 5: {1: 9, 2: 0, 3: 4, 4: 3}},  # levels in a form of old
    ],
    ids=["kind", "levels"],
)
def test_pages_of_other_kinds_are_refused(head: Said) -> None:
    content = (2).to_bytes(4, "little") + bytes([9 << 1, 1]) + bytes(8 * 9)
    pages = page(head, content)
    refused(with_chunk(run_file(), 7, pages, unpacked=len(pages)))
