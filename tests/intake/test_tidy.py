from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from sitegen import bounds
from sitegen.archive import Archive
from sitegen.catalogue.metrics import METRICS
from sitegen.errors import SitegenError
from sitegen.intake import tidy
from sitegen.model import Measurement, Provenance, Run

ARCHIVE = Path(__file__).parents[2] / "archive"
HEADER = "benchmark,workload,environment,metric,statistic,unit,value"
ROW = "fio,w,here,fio.iops,value,1/s,33000"


def read(
    tmp_path: Path, text: str, *, date: str = "2025-01-31", environment: str = ""
) -> list[Run]:
    path = tmp_path / "figures.csv"
    path.write_text(text)
    return tidy.read_runs(path, Provenance.IMPORTED, date=date, environment=environment)


def refused(tmp_path: Path, text: str, **more: str) -> str:
    with pytest.raises(SitegenError) as raised:
        read(tmp_path, text, **more)
    return str(raised.value).removeprefix(str(tmp_path / "figures.csv"))


def test_every_published_figure_comes_in_with_its_value_and_its_print(cited: list[Run]) -> None:
    assert len(cited) == 29
    assert {run.provenance for run in cited} == {Provenance.CITED}
    assert all(run.source and run.source.title for run in cited)
    with (ARCHIVE / "published-results.csv").open(newline="") as file:
        rows = [
            (
                *(row[name] for name in ("environment", "metric", "statistic", "unit")),
                float(row["value"]),
                f"{row['printed']} {row['printed_unit']}".strip(),
                tuple(json.loads(row["params"]).items()),
            )
            for row in csv.DictReader(file)
        ]
    found = [
        (run.environment, m.metric, m.statistic, m.unit, m.value, m.printed, m.params)
        for run in cited
        if not run.session
        for m in run.measurements
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, rows))
    assert len(found) == 214
    assert {metric for _, metric, _, unit, *_ in found if METRICS[metric].unit != unit} == set()


def test_importing_the_published_figures_again_gives_the_addresses_that_are_there(
    cited: list[Run], tmp_path: Path
) -> None:
    stored = {e.run_id for e in Archive(ARCHIVE).scan()}
    assert {run.id for run in cited} <= stored
    archive = Archive(tmp_path)
    for _ in range(2):
        for run in cited:
            archive.write(run)
        assert len(archive.scan()) == 29
    for entry in archive.scan():
        published = Archive(ARCHIVE)
        assert archive.read(entry) == published.read(published.find(entry.run_id))


def test_a_reprinted_figure_is_dated_by_its_origin_and_named_by_where_it_is_printed(
    cited: list[Run],
) -> None:
    reprinted = [run for run in cited if run.source and run.source.origin]
    assert reprinted
    for run in reprinted:
        assert run.source is not None
        assert run.source.id == "phala-2025"
        assert run.source.origin == "arxiv-2409.03992"
        assert run.started_at == "2024-09"


def test_a_row_becomes_a_measurement(tmp_path: Path) -> None:
    text = (
        f"{HEADER},printed,printed_unit,repetition,status,params\n"
        f'{ROW},33,k/s,2,suspect,"{{""b"": ""2"", ""a"": ""1""}}"\n'
    )
    [run] = read(tmp_path, text)
    assert run.measurements == (
        Measurement(
            "w", "fio.iops", "value", "1/s", 33000.0, (("a", "1"), ("b", "2")), 2, "suspect",
            "33 k/s",
        ),
    )  # fmt: skip
    assert (run.environment, run.benchmark, run.started_at) == ("here", "fio", "2025-01-31")
    assert run.source is None
    # An empty value is not measured, and never zero.
    [run] = read(tmp_path, f"{HEADER}\nfio,w,here,fio.iops,value,1/s,\n")
    assert run.measurements[0].value is None


def test_rows_are_grouped_into_runs_by_benchmark_environment_and_time(tmp_path: Path) -> None:
    rows = [f"{ROW},2025-01-01", f"{ROW},2025-01-02", f"{ROW.replace('here', 'there')},2025-01-01"]
    more = rows[0].replace(",w,", ",v,")
    found = read(tmp_path, "\n".join([f"{HEADER},started_at", *rows, more]))
    assert sorted((r.environment, r.started_at, len(r.measurements)) for r in found) == [
        ("here", "2025-01-01", 2),
        ("here", "2025-01-02", 1),
        ("there", "2025-01-01", 1),
    ]


def test_a_label_of_the_command_line_stands_in_where_a_row_names_none(tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW}\n{ROW.replace('here', '')}\n"
    assert {r.environment for r in read(tmp_path, text, environment="cvm")} == {"here", "cvm"}


def test_the_order_of_rows_is_kept_and_other_rows_give_another_address(tmp_path: Path) -> None:
    a, b = ROW, ROW.replace(",w,", ",v,").replace("33000", "34000")
    [first] = read(tmp_path, f"{HEADER}\n{a}\n{b}\n")
    [again] = read(tmp_path, f"\ufeff{HEADER}\r\n{a}\r\n{b}\r\n")
    [other] = read(tmp_path, f"{HEADER}\n{a}\n")
    assert first == again
    assert [m.value for m in first.measurements] == [33000.0, 34000.0]
    assert other.id != first.id


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("33000", "many", "'many' is not a number"),
        ("33000", "nan", "not between"),
        ("33000", "inf", "not between"),
        ("33000", "1e200", "not between"),
        ("value,1/s", "average,1/s", "unknown statistic 'average'"),
        ("fio,w", "runs,w", "the site itself"),
        ("fio,w", "f_o,w", "not a usable benchmark name"),
        ("fio,w", "fio,../w", "not a usable workload name"),
        ("here", "<b>", "not a usable environment name"),
        ("here", "", "names no environment; fill the column `environment`, or add --env"),
        ("fio.iops", "", "'' is not a metric id"),
        ("fio.iops", "IOPS", "'IOPS' is not a metric id"),
        ("fio.iops", "a" * 81, "is not a metric id"),
        ("33000", "1,2", "more or fewer fields"),
        (",33000", "", "more or fewer fields"),
        ("ok", "fine", "unknown status 'fine'"),
        (",0,", ",-1,", "not a whole number from 0"),
        (",0,", ",1.5,", "not a whole number from 0"),
        (",0,", ",99999999999,", "not a whole number from 0"),
        ("2025", "yesterday", "not a time"),
        ("{}", "{threads: 8}", "params is not JSON"),
        ("{}", "[1]", "must be a JSON object of texts"),
        ("{}", '"{""threads"": 8}"', "must be a JSON object of texts"),
        ("{}", "[" * 100_000, "params is not JSON"),
    ],
)
def test_a_row_that_is_not_understood_is_named_by_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    header, row = f"{HEADER},status,repetition,started_at,params", f"{ROW},ok,0,2025,{{}}"
    reason = refused(tmp_path, f"{header}\n{row}\n{row.replace(old, new, 1)}\n")
    assert reason.startswith(":3: ")
    assert said in reason


@pytest.mark.parametrize("again", [ROW, ROW.replace("33000", "34000"), ROW.replace("33000", "")])
def test_a_second_value_of_the_same_thing_in_one_run_is_refused(tmp_path: Path, again: str) -> None:
    other = ROW.replace("fio.iops", "fio.bandwidth")
    told = refused(tmp_path, f"{HEADER}\n{ROW}\n{other}\n{again}\n")
    assert told.startswith(":4: has the run, workload")
    assert "of line 2; number them in a column `repetition`" in told


def test_repetition_and_params_tell_two_values_of_a_run_apart(tmp_path: Path) -> None:
    for column, first, second in (
        ("repetition", "0", "1"), ("params", "{}", '"{""threads"": ""8""}"'),
    ):  # fmt: skip
        [run] = read(tmp_path, f"{HEADER},{column}\n{ROW},{first}\n{ROW},{second}\n")
        assert len(run.measurements) == 2


def test_run_ids_tell_the_runs_of_an_export_apart_and_are_given_anew(tmp_path: Path) -> None:
    text = f"{HEADER},provenance,run_id\n{ROW},collected,a\n{ROW},collected,b\n"
    first, second = read(tmp_path, text)
    assert first.provenance == Provenance.IMPORTED  # that of the file does not count
    assert first.measurements == second.measurements
    assert first.id != second.id
    assert read(tmp_path, text) == [first, second]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column 'benchmark'"),
        (f"{HEADER.replace(',unit', '')}\n", "has no column 'unit'"),
        (f"{HEADER}\n", "has no rows"),
        (f'{HEADER}\nfio,"w', "not CSV"),
        (f'"{HEADER}', "not CSV"),
        (f"{HEADER}\n{ROW},{'x' * 200_000}\n", "not CSV"),
    ],
)
def test_what_is_no_tidy_csv_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    told = refused(tmp_path, text)
    assert said in told
    assert "\n" not in told
    undated = refused(tmp_path, f"{HEADER}\n{ROW}\n", date="")
    assert "nothing dates the run of fio in here" in undated


def test_a_file_that_is_no_text_too_large_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    with pytest.raises(SitegenError, match="is missing"):
        tidy.read_runs(path, Provenance.IMPORTED)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SitegenError, match="not UTF-8"):
        tidy.read_runs(path, Provenance.IMPORTED)
    os.truncate(path, bounds.MOST_FILE_BYTES + 1)
    with pytest.raises(SitegenError, match="larger than 64 MB"):
        tidy.read_runs(path, Provenance.IMPORTED)


def test_a_value_that_is_not_what_was_printed_of_it_is_refused_with_its_line(
    tmp_path: Path,
) -> None:
    rows = (
        f"{HEADER},printed,printed_unit\n{ROW},33,k/s\n{ROW.replace('33000', '295000')},259,k/s\n"
    )
    said = "the value 295000 1/s is not what is printed, 259 k/s; correct one of the two"
    assert refused(tmp_path, rows) == f":3: {said}"


def test_sessions_of_a_file_are_runs_that_count(cited: list[Run]) -> None:
    raw = [run for run in cited if run.source and run.source.id == "phala-h200-raw"]
    assert sorted(run.session for run in raw) == [
        "base-1core", "base-24cores", "tee-1core", "tee-24cores",
    ]  # fmt: skip
    assert sum(len(run.measurements) for run in raw) == 528
