from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from sitegen.analysis import export
from sitegen.analysis.export import COLUMNS
from sitegen.archive import Archive
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.intake import tidy
from sitegen.model import Measurement, Provenance, Run, Status, run_id

ROWS = (
    Measurement("w", "fio.iops", "value", "1/s", 0.1 + 0.2, (("a", "1"), ("b", "ü,\"'")), 0),
    Measurement("w", "fio.iops", "value", "1/s", None, (("a", "1"), ("b", "ü,\"'")), 1, "failed"),
    Measurement("w", "fio.latency", "p99", "s", 1e-9, (), 0, Status.OK, "1 ns, rounded"),
)
RUN = Run(
    run_id("2025-03-01", "fio", b"x"), "fio", "cvm", Provenance.COLLECTED, "2025-03-01", 1.0, ROWS,
    preset="standard",
)  # fmt: skip
QUICK = replace(RUN, id=run_id("2025-03-02", "fio", b"y"), preset="quick")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    archive = Archive(tmp_path / "archive")
    archive.write(RUN)
    archive.write(QUICK)
    return Config(tmp_path, archive=archive.root, cache=tmp_path / "cache")


def lines(config: Config) -> list[dict[str, str]]:
    text = export.export(config, "csv").data.decode()
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_the_columns_are_the_documented_ones_in_every_format(config: Config) -> None:
    table = pq.read_table(pa.BufferReader(export.export(config, "parquet").data))
    assert table.column_names == list(COLUMNS)
    assert json.loads(export.export(config, "json").data)["columns"] == list(COLUMNS)
    assert list(lines(config)[0]) == list(COLUMNS)
    assert all(meaning.endswith(".") for meaning in COLUMNS.values())


def test_all_three_formats_say_the_same(config: Config) -> None:
    found = json.loads(export.export(config, "json").data)
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]
    table = pq.read_table(pa.BufferReader(export.export(config, "parquet").data)).to_pylist()
    assert rows == table
    for row, line in zip(rows, lines(config), strict=True):
        for name, value in row.items():
            if name == "value" and value is not None:
                assert float(line[name]) == value
            else:
                assert line[name] == ("" if value is None else str(value))


def test_every_measurement_is_there_with_its_run_and_what_was_not_measured_is_empty(
    config: Config,
) -> None:
    found = [line for line in lines(config) if line["run_id"] == RUN.id]
    values = [float(line["value"]) if line["value"] else None for line in found]
    assert values == [0.1 + 0.2, None, 1e-9]
    assert [line["status"] for line in found] == ["ok", "failed", "ok"]
    assert json.loads(found[0]["params"]) == {"a": "1", "b": "ü,\"'"}
    assert {line["provenance"] for line in found} == {"collected"}


def test_caveats_are_those_of_the_series_and_a_run_that_does_not_count_says_so(
    config: Config,
) -> None:
    found = {(r["run_id"], r["metric"]): r["caveats"] for r in lines(config)}
    assert found[RUN.id, "fio.iops"] == "failed one-run"
    assert found[RUN.id, "fio.latency"] == "one-run"
    assert {v for (run, _), v in found.items() if run == QUICK.id} == {"not-selected quick"}


def test_what_is_exported_can_be_imported_and_is_the_same(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_bytes(export.export(config, "csv").data)
    first, second = tidy.read_runs(path, Provenance.IMPORTED)
    assert first.measurements == second.measurements == ROWS
    assert first.id != second.id
    assert first.started_at == second.started_at == RUN.started_at


def test_the_same_archive_gives_the_same_bytes(config: Config) -> None:
    for form in ("csv", "json", "parquet"):
        first = export.export(config, form).data
        assert export.export(replace(config, cache=config.root / "none"), form).data == first


def test_an_archive_without_runs_has_nothing_to_export(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    with pytest.raises(SitegenError, match="no runs"):
        export.export(Config(tmp_path, archive=tmp_path / "archive"), "csv")
