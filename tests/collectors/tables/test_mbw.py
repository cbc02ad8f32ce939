"""What mbw prints: averages with their runs as samples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params
from tests.collectors.tables.imported import bear_damage, read

RAW = Path(__file__).parents[2] / "raw" / "mbw"


def data(name: str) -> bytes:
    return (RAW / f"{name}.out").read_bytes()


def test_the_averages_are_read_in_bytes_with_the_runs_as_samples() -> None:
    reading = read("mbw", data("mbw"))
    found = {dict(row.params)["method"]: row.value for row in reading.measurements}
    assert found == {
        "MEMCPY": pytest.approx(2761.636 * 2**20),
        "DUMB": pytest.approx(2745.563 * 2**20),
        "MCBLOCK": pytest.approx(4052.257 * 2**20),
    }
    assert {row.statistic for row in reading.measurements} == {"mean"}
    assert reading.measurements[0].params == params(array_mib=64, method="MEMCPY")
    assert len(reading.samples) == 9
    assert not reading.doubts


def test_reports_of_other_sizes_are_other_series_and_of_the_same_repetitions() -> None:
    reading = read(
        "mbw", data("mbw") + data("quiet") + data("mbw").replace(b"MiB: 64.", b"MiB: 32.")
    )
    memcpy = [row for row in reading.measurements if dict(row.params)["method"] == "MEMCPY"]
    found = [(dict(row.params)["array_mib"], row.repetition) for row in memcpy]
    assert found == [("64", 0), ("64", 1), ("32", 0)]
    assert memcpy[2].status == Status.SUSPECT


def test_many_runs_of_a_method_are_its_samples() -> None:
    row = next(
        line
        for line in data("mbw").splitlines(keepends=True)
        if line.startswith(b"1\tMethod: DUMB")
    )
    rows = [row.replace(b"1", b"%d" % number, 1) for number in range(2, 3000)]
    reading = read("mbw", data("mbw").replace(row, row + b"".join(rows)))
    counts = Counter(dict(sample.params)["method"] for sample in reading.samples)
    assert counts == {"MEMCPY": 3, "DUMB": 3 + 2998, "MCBLOCK": 3}


def test_blocks_of_another_size_are_another_series_and_one_file_has_one_size() -> None:
    small = data("mbw").replace(b"Using 262144 bytes", b"Using 4096 bytes")
    assert dict(read("mbw", small).measurements[2].params)["block_size"] == "4096"
    with pytest.raises(SitegenError, match="several block sizes: 262144, 4096"):
        read("mbw", data("mbw") + small)


def test_averages_alone_are_read_as_people_keep_them() -> None:
    averages = b"".join(
        line for line in data("mbw").splitlines(keepends=True) if line.startswith(b"AVG")
    )
    reading = read("mbw", averages.replace(b"\t", b"     "))
    assert len(reading.measurements) == 3
    assert not reading.samples


def test_a_time_that_contradicts_the_bandwidth_is_suspect() -> None:
    [line] = [
        one for one in data("mbw").splitlines(keepends=True) if one.startswith(b"AVG\tMethod: DUMB")
    ]
    reading = read("mbw", data("mbw").replace(line, line.replace(b"Elapsed: 0.0", b"Elapsed: 0.9")))
    assert [row.status for row in reading.measurements].count(Status.SUSPECT) == 1
    assert reading.doubts[0][0] == Doubt.INCONSISTENT


@pytest.mark.parametrize("name", ["no-average", "interrupted", "bad-option"])
def test_an_output_without_averages_is_not_known(name: str) -> None:
    with pytest.raises(SitegenError, match="0 forms"):
        read("mbw", data(name))


def test_damage_is_borne() -> None:
    bear_damage("mbw", data("mbw"))
