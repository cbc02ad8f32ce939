"""An export comes in again, from each of its forms, and says the same."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sitegen.analysis import export
from sitegen.archive import Archive
from sitegen.cli import main
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.intake import packs, piped, sheets, tidy
from sitegen.model import (
    DATED_BY,
    NO_DATE,
    OLDEST_YEAR,
    Measurement,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Source,
    Status,
    params,
    run_id,
)

FORMS = ("csv", "json", "parquet")
HEADER = "benchmark,workload,environment,metric,statistic,unit,value,started_at"
SPACED = "own,w,metal,own.speed,value,1/s,1_000,2026-01-01T00:00:00Z"
OWN = MetricDefinition("shop.orders", "Orders taken", "1/s", "higher")
#: What a figure loses on its way, on purpose: its address, and who took it.
NOT_KEPT = {"run_id", "provenance", "caveats"}


def config_at(folder: Path) -> Config:
    return Config(folder, archive=folder / "archive", cache=folder / "cache")


def archived(folder: Path, *runs: Run) -> Config:
    for run in runs:
        Archive(folder / "archive").write(run)
    return config_at(folder)


def exported(config: Config) -> list[dict[str, Any]]:
    found = json.loads(export.export(config, "json").data)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def kept(config: Config) -> list[str]:
    rows = exported(config)
    return sorted(repr({k: v for k, v in row.items() if k not in NOT_KEPT}) for row in rows)


def brought(config: Config, form: str, folder: Path) -> Config:
    """Return an archive that an export of another was imported into."""
    folder.mkdir(exist_ok=True)
    file = folder / f"all.{form}"
    file.write_bytes(export.export(config, form).data)
    return archived(folder, *tidy.read_runs(file, Provenance.IMPORTED))


def one_run(number: int, environment: str, value: float, **more: object) -> Run:
    day = f"2026-03-{number + 1:02}T10:00:00Z"
    rows = (
        Measurement("w", "fio.iops", "value", "1/s", value, params(direction="read")),
        Measurement("w", "shop.orders", "value", "1/s", value / 7),
    )
    run = Run(
        run_id(day, "fio", f"{environment}{number}".encode()), "fio", environment,
        Provenance.COLLECTED, day, 1.0, rows, preset="standard", session=f"s{number}",
        boot=f"b{number}", definitions=(OWN,),
    )  # fmt: skip
    return replace(run, **more)


@pytest.fixture
def two_sides(tmp_path: Path) -> Config:
    runs = [one_run(n, "vm", 1000 + n) for n in range(4)]
    runs += [one_run(n, "cvm", 800 + n) for n in range(4)]
    runs += [one_run(9, "cvm", 5.0, preset="quick", session="", boot="")]
    runs += [one_run(10, "cvm", 6.0, complete=False)]
    return archived(tmp_path / "here", *runs)


def compared(config: Config) -> list[dict[str, Any]]:
    argv = ["compare", "vm", "cvm", "--all", "--format", "json", "--archive", str(config.archive)]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 0, result.output
    told = [dict(one) for one in json.loads(result.stdout)["comparisons"]]
    for one in told:
        del one["runs"]
        one["caveats"] = [each["id"] for each in one["caveats"]]
    return told


@pytest.mark.parametrize("form", FORMS)
def test_what_was_exported_comes_in_with_dates_sessions_and_direction_and_compares_the_same(
    two_sides: Config, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = brought(two_sides, form, tmp_path / "there")
    assert kept(there) == kept(two_sides)
    assert {row["provenance"] for row in exported(there)} == {"imported"}
    ours, theirs = compared(two_sides), compared(there)
    assert ours == theirs
    # Sessions and boots are there: so the words are.
    assert {one["metric"]: one["replicates"] for one in ours} == {
        name: {"baseline": 4, "side": 4} for name in ("fio.iops", "shop.orders")
    }
    assert all(one["slowdown"] > 1.2 for one in ours)


def test_an_undated_run_stays_so(tmp_path: Path) -> None:
    undated = one_run(
        1, "vm", 3.0, started_at=OLDEST_YEAR, id=run_id(OLDEST_YEAR, "fio", b"u"),
        parameters=(Parameter(DATED_BY, NO_DATE),),
    )  # fmt: skip
    config = archived(tmp_path / "here", undated)
    there = brought(config, "csv", tmp_path / "there")
    assert {row["started_at"] for row in exported(there)} == {None}
    assert kept(there) == kept(config)


def test_what_is_cited_stays_cited_at_its_address_and_needs_its_source(tmp_path: Path) -> None:
    source = Source("phala-2025", "A report", section="Table 3", origin="arxiv-1")
    row = Measurement("w", "fio.iops", "value", "1/s", 33000.0, printed="33 k/s")
    table = tmp_path / "cited.csv"
    table.write_text(
        f"{HEADER},printed,source,section,origin\n"
        "fio,w,vm,fio.iops,value,1/s,33000,2025,33 k/s,phala-2025,Table 3,arxiv-1\n"
    )
    [run] = tidy.read_runs(table, Provenance.CITED, {source.id: (source, "2025")})
    assert run.measurements == (row,)
    config = archived(tmp_path / "here", run)
    file = tmp_path / "all.csv"
    file.write_bytes(export.export(config, "csv").data)
    [again] = tidy.read_runs(file, Provenance.IMPORTED, {source.id: (source, "2025")})
    assert again == run
    # Without the list of publications it is the same figure, and less is known of its source.
    [bare] = tidy.read_runs(file, Provenance.IMPORTED)
    assert (bare.id, bare.provenance) == (run.id, Provenance.CITED)
    assert bare.source == Source(source.id, section="Table 3", origin="arxiv-1")
    file.write_text(file.read_text().replace("phala-2025", ""))
    with pytest.raises(SitegenError, match="is cited, and names no source"):
        tidy.read_runs(file, Provenance.IMPORTED)


def test_a_metric_of_ones_own_has_its_direction_and_title_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        f"shop,checkout,{env},shop.orders,value,1/s,{value + n},2026-03-0{n + 1},s{n},higher,Orders"
        for env, value in (("vm", 100), ("cvm", 80))
        for n in range(3)
    ]
    text = "\n".join([f"{HEADER},session,better,metric_title", *lines]) + "\n"
    assert run_cli("import", "-", input=text).exit_code == 0
    result = run_cli("compare", "vm", "cvm", "--all", "--format", "json")
    [one] = json.loads(result.stdout)["comparisons"]
    assert one["slowdown"] == pytest.approx(101 / 81, rel=1e-3)
    assert "orders" in run_cli("compare", "vm", "cvm", "--all").stdout
    assert {row["metric_title"] for row in exported(config_at(tmp_path))} == {"Orders"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("shop.x,up,", "'up' is no direction that is better; write higher, lower, none"),
        ("fio.iops,lower,", "fio.iops is better when higher, not lower"),
        ("shop.x,higher,\x1b[31m", "metric_title '\\x1b[31m' holds a control character"),
        (f"shop.x,higher,{'a' * 101}", "or more than 100 characters"),
    ],
)
def test_a_direction_that_is_none_is_refused(tmp_path: Path, cells: str, said: str) -> None:
    metric, rest = cells.split(",", 1)
    file = tmp_path / "a.csv"
    file.write_text(
        f"{HEADER},better,metric_title\nshop,w,vm,{metric},value,1/s,1,2026-01-01,{rest}\n"
    )
    with pytest.raises(SitegenError) as raised:
        tidy.read_runs(file, Provenance.IMPORTED)
    assert said in str(raised.value)
    assert f"{file}:2" in str(raised.value)


def test_one_file_says_one_thing_of_a_metric(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    row = "shop,w,vm,shop.x,value,1/s,1,2026-01-0"
    file.write_text(f"{HEADER},better\n{row}1,higher\n{row}2,lower\n")
    with pytest.raises(SitegenError, match=r"a\.csv:3: says otherwise of shop\.x"):
        tidy.read_runs(file, Provenance.IMPORTED)


def test_an_export_of_version_2_comes_in_still(tmp_path: Path) -> None:
    before = [*export.COLUMNS][: [*export.COLUMNS].index("session")]
    assert export.VERSION == 3
    config = archived(tmp_path / "here", one_run(1, "vm", 3.0))
    found = exported(config)
    file = tmp_path / "old.json"
    rows = [[row[name] for name in before] for row in found]
    file.write_text(json.dumps({"columns": before, "data": rows}))
    [run] = tidy.read_runs(file, Provenance.IMPORTED)
    assert (run.started_at, run.session, run.definitions) == ("2026-03-02T10:00:00Z", "", ())
    assert len(run.measurements) == 2


def run_cli(*words: str, input: str | bytes = "") -> Result:  # noqa: A002 - click's own name
    return CliRunner().invoke(main, words, input=input)


@pytest.mark.parametrize("form", FORMS)
def test_an_export_goes_through_a_pipe(two_sides: Config, tmp_path: Path, form: str) -> None:
    """The real thing: two processes and a pipe between them."""
    target = tmp_path / "target"
    target.mkdir()
    sitegen = f"{sys.executable} -m sitegen.cli"
    line = (
        f"{sitegen} export --format {form} --archive {two_sides.archive}"
        f" | (cd {target} && {sitegen} import -)"
    )
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert "tidy table" in done.stdout
    assert kept(config_at(target)) == kept(two_sides)


def test_a_pack_and_a_tools_own_output_come_by_standard_input_too(
    two_sides: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pack = tmp_path / "runs.pack"
    run_cli("pack", "--archive", str(two_sides.archive), "--output", str(pack))
    result = run_cli("import", "-", input=pack.read_bytes())
    assert result.exit_code == 0, result.output
    assert exported(config_at(tmp_path)) == exported(two_sides)
    text = Path(__file__).parents[1] / "raw/7z/iterations.out"
    for more in ((), ("--tool", "7z")):
        result = run_cli("import", "-", "--env", "metal", *more, input=text.read_bytes())
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "standard input: is empty"),
        (b"no such form\n", "standard input: is no form of output that is known here"),
        (b"PAR1 and no more", "standard input: not readable as Parquet"),
        (b'{"columns": ["benchmark", "metric"], "data": 3}', "standard input: is no table in JSON"),
        (
            b'{"columns": ["benchmark", "metric"], "data": [',
            "standard input: is no table in JSON: Input",
        ),
        (f"{HEADER}\nfio,w\n".encode(), "standard input:2: has more or fewer fields"),
        (f"{HEADER}\n{SPACED}\n".encode(), "standard input:2: '1_000' is not a number"),
    ],
)
def test_what_is_wrong_with_standard_input_is_said_of_it(
    tmp_path: Path, data: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("import", "-", input=data)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "sitegen-" not in result.stderr
    assert not (tmp_path / "archive").exists()
    assert run_cli("import", "-", "-", input=data).exit_code == 2


def test_a_parquet_file_of_another_writer_comes_in(tmp_path: Path) -> None:
    whole = pa.table(
        {
            "benchmark": pa.array(["fio", "fio"]).dictionary_encode(),
            "workload": pa.array(["w", "w"], pa.large_string()),
            "environment": ["vm", "vm"],
            "metric": ["fio.iops", "fio.iops"],
            "statistic": ["value", "value"],
            "unit": ["1/s", "1/s"],
            "value": [0.1 + 0.2, None],
            "repetition": pa.array([0, 1], pa.int64()),
            "started_at": pa.array([1_767_225_600_000_000] * 2, pa.timestamp("us", "UTC")),
            "notes": [["left"], ["alone"]],
        }
    )

    def file_of(table: pa.Table) -> Path:
        sink = io.BytesIO()
        pq.write_table(table, sink)
        (tmp_path / "a.parquet").write_bytes(sink.getvalue())
        return tmp_path / "a.parquet"

    [run] = tidy.read_runs(file_of(whole), Provenance.IMPORTED)
    assert [row.value for row in run.measurements] == [0.1 + 0.2, None]
    assert run.started_at == "2026-01-01T00:00:00Z"
    with pytest.raises(SitegenError, match="has no column 'unit'"):
        tidy.read_runs(file_of(whole.drop_columns(["unit"])), Provenance.IMPORTED)
    lists = whole.drop_columns(["unit"]).append_column("unit", whole.column("notes"))
    with pytest.raises(SitegenError, match="the column 'unit' is of the type list"):
        tidy.read_runs(file_of(lists), Provenance.IMPORTED)
    bad = whole.set_column(6, "value", pa.array([float("nan"), 1.0]))
    with pytest.raises(SitegenError, match=r"a\.parquet: row 1: the value nan is not between"):
        tidy.read_runs(file_of(bad), Provenance.IMPORTED)


LABELS = st.sampled_from(["a", "b-1", "c.d"])
ROWS = st.lists(
    st.builds(
        Measurement,
        workload=LABELS,
        metric=st.sampled_from(["fio.iops", "fio.latency", "shop.orders", "own.nothing"]),
        statistic=st.sampled_from(["value", "mean", "p99"]),
        unit=st.just("1/s"),
        value=st.none() | st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) >= 1e-30),
        params=st.dictionaries(
            st.sampled_from(["lap", "site", "ü,\"'"]),
            st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=8),
            max_size=2,
        ).map(lambda pairs: tuple(sorted(pairs.items()))),
        repetition=st.integers(0, 3),
        status=st.sampled_from([*map(str, Status)]),
        printed=st.none(),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda r: (r.workload, r.metric, r.statistic, r.params, r.repetition),
)


@st.composite
def small_runs(draw: st.DrawFn) -> list[Run]:
    runs = []
    for number in range(draw(st.integers(1, 4))):
        cited = draw(st.booleans())
        day = draw(st.sampled_from(["2025", "2025-06", "2026-01-31", "2026-02-01T12:30:00Z"]))
        source = Source("some-report", section=draw(st.sampled_from(["", "3"])))
        label, rows = draw(LABELS), tuple(draw(ROWS))
        # What is printed once is there once: a cited run is called by what it says.
        told = repr((label, rows, source)) if cited else str(number)
        runs.append(
            Run(
                run_id(day, "fio", told.encode()), "fio", label,
                Provenance.CITED if cited else draw(
                    st.sampled_from([Provenance.COLLECTED, Provenance.IMPORTED])),
                day, None, rows, source=source if cited else None,
                session="" if cited else draw(st.sampled_from(["", "s1", "s2"])),
                boot="" if cited else draw(st.sampled_from(["", "b1"])),
                preset="" if cited else draw(st.sampled_from(["", "quick", "standard"])),
                complete=cited or draw(st.booleans()), definitions=(OWN,),
            )
        )  # fmt: skip
    return runs


@settings(max_examples=40)
@given(small_runs(), st.sampled_from(FORMS))
def test_any_archive_exports_the_same_after_it_was_exported_and_imported(
    runs: list[Run], form: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        here = archived(Path(name) / "here", *runs)
        there = brought(here, form, Path(name) / "there")
        assert kept(there) == kept(here)
        again = brought(there, form, Path(name) / "again")
        first, second = exported(there), exported(again)
        for row in (*first, *second):
            del row["run_id"]
            del row["caveats"]  # of two runs at one time the id says which is the newer
        assert sorted(map(msgspec.json.encode, first)) == sorted(map(msgspec.json.encode, second))


def test_a_table_of_very_many_columns_is_read_in_no_time(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(60_000)]
    file = tmp_path / "wide.csv"
    file.write_text(f"{','.join(names)}\n{','.join(['1'] * len(names))}\n")
    start = process_time()
    assert len(list(sheets.rows(file, ["c1"]))) == 1
    assert process_time() - start < 1


class Endless(io.RawIOBase):
    """A pack that does not end, as a pipe may bring it."""

    def __init__(self, head: bytes) -> None:
        self.head, self.given = head, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as the base has it
        size = len(buffer)
        buffer[:] = (self.head[self.given :] + bytes(size))[:size]
        self.given += size
        return size


def test_a_pack_that_does_not_end_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MAX_BYTES", 5_000_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stream = Endless(bytes(257) + b"ustar" + bytes(250))
    with (
        pytest.raises(SitegenError, match=r"^standard input: is larger than 5 MB"),
        piped.as_files((piped.DASH,), io.BufferedReader(stream)),
    ):
        pytest.fail("it was taken")
    assert stream.given < 10_000_000
    assert not [*tmp_path.iterdir()]
