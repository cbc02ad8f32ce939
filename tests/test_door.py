"""What `sitegen.open` gives, and that its documents say so."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import nanoarrow
import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import sitegen
from sitegen import SitegenError
from sitegen.analysis import export
from sitegen.archive import Archive
from sitegen.cli import main
from sitegen.config import Config
from sitegen.model import (
    Fact,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Provenance,
    Remark,
    RemarkKind,
    Run,
    Sample,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)
from tests.documents import blocks

ROOT = Path(__file__).parents[1]
HOSTILE = "<script>alert(1)</script>"


def one_run(number: int, environment: str, value: float, **more: Any) -> Run:  # noqa: ANN401
    day = f"2026-03-{number + 1:02}T10:00:00Z"
    reads = params(direction="read", threads=2 ** (4 - number % 5))
    rows = (
        Measurement("w", "fio.iops", "value", "1/s", value, reads),
        Measurement("w", "fio.iops", "value", "1/s", None, reads, 1, "failed"),
        Measurement("w", "own.x", "value", "s", value / 7, printed="a few"),
    )
    run = Run(
        run_id(day, "fio", f"{environment}{number}".encode()), "fio", environment,
        Provenance.COLLECTED, day, 1.5, rows, preset="standard", session=f"s{number}",
        definitions=(MetricDefinition("own.x", "Own", "s", "lower"),),
        tool=ToolIdentity("fio", HOSTILE), samples=(Sample("w", 0, "time", "fio.iops", 0.5, 7.0),),
        fingerprint=Fingerprint((Fact("cpu", "EPYC", "cpuinfo"),), TeeVerdict("none", (), "high")),
    )  # fmt: skip
    return replace(run, **more)


RUNS = [one_run(n, env, v + n) for env, v in (("vm", 1000.0), ("cvm", 800.0)) for n in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    for run in RUNS:
        Archive(folder / "archive").write(run, {"job.out": b"fio said so"})
    entry = Archive(folder / "archive").find(RUNS[0].id)
    note = Remark(RemarkKind.NOTE, "2026-03-05T00:00:00Z", f"The fan {HOSTILE}")
    Archive(folder / "archive").remark_on(entry, note)
    toml = f'[site]\ntitle = "{HOSTILE}"\n[environments.vm]\nrole = "vm"\n[environments.cvm]\n'
    (folder / "sitegen.toml").write_text(f'{toml}role = "cpu-tee"\nbaselines = {{ vm = "vm" }}\n')
    (folder / "deep/er").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> sitegen.Report:
    return sitegen.open(folder)


@pytest.fixture(scope="module")
def own() -> sitegen.Report:
    return sitegen.open(ROOT)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def test_a_report_is_found_from_its_folder_a_folder_in_it_its_settings_or_another_archive(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (folder, str(folder / "deep/er"), folder / "sitegen.toml"):
        assert len(sitegen.open(place).runs()) == len(RUNS)
    monkeypatch.chdir(folder / "deep")
    assert sitegen.open().title == HOSTILE
    assert len(sitegen.open(tmp_path, archive=folder / "archive").runs()) == len(RUNS)
    with pytest.raises(SitegenError, match="no such archive"):
        sitegen.open(tmp_path)
    with pytest.raises(SitegenError, match="no such file or folder"):
        sitegen.open(tmp_path / "none")


def test_measurements_have_the_types_that_are_promised(report: sitegen.Report) -> None:
    frame = report.measurements()
    assert len(frame) == sum(len(run.measurements) for run in RUNS)
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds.pop("value") == "float64"
    assert kinds.pop("repetition") == "int32"
    assert kinds.pop("started_at") == "datetime64[us, UTC]"
    assert kinds.pop("printed") in ("str", "object")
    assert kinds.pop("caveats") == "object"
    assert set(kinds.values()) == {"category"}
    assert frame["value"].isna().sum() == len(RUNS)
    assert list(frame["environment"].cat.categories) == ["vm", "cvm"]  # as declared
    assert list(frame["param_threads"].cat.categories) == ["4", "8", "16"]
    assert frame.attrs["units"] == {"fio.iops": "1/s", "own.x": "s"}
    assert frame.attrs["better"] == {"fio.iops": "higher", "own.x": "lower"}
    assert set(frame.loc[frame["metric"] == "own.x", "metric_title"]) == {"Own"}


def test_a_frame_says_what_the_export_says(report: sitegen.Report, folder: Path) -> None:
    settings = Config(folder, archive=folder / "archive", cache=folder / "none")
    found = json.loads(export.export(settings, "json").data)
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]
    frame = report.measurements()
    ours = records(frame)
    rows.sort(key=lambda row: row["run_id"])
    for mine, row in zip(ours, rows, strict=True):
        for name in ("run_id", "workload", "metric", "unit", "status", "session", "better"):
            assert mine[name] == row[name]
        assert mine["value"] == row["value"] or (row["value"] is None and mine["value"] != 0)
        assert f"{mine['started_at']:%Y-%m-%dT%H:%M:%SZ}" == row["started_at"]
        have = {k.removeprefix("param_"): v for k, v in mine.items() if k.startswith("param_")}
        assert {k: v for k, v in have.items() if v == v} == json.loads(row["params"])  # noqa: PLR0124 - NaN
        assert set(mine["caveats"]) == set((row["caveats"] or "").split())


def test_filters_take_names_and_say_what_there_is(report: sitegen.Report) -> None:
    frame = report.measurements(environment="cvm", metric=["own.x"])
    assert len(frame) == 3
    assert list(frame["metric"].cat.categories) == ["own.x"]
    assert not [name for name in frame if str(name).startswith("param_")]
    one = report.measurements(run=RUNS[0].id[-8:], benchmark="fio")
    assert set(one["run_id"]) == {RUNS[0].id}
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"environment": "nope"}, "no environment 'nope'; there are vm, cvm"),
        ({"benchmark": "ab"}, "no benchmark 'ab'; there are fio"),
        ({"metric": "fio.x"}, "no metric 'fio.x'; there are fio.iops, own.x"),
        ({"run": "zzzz"}, "no run 'zzzz'"),
    )
    for names, said in wrong:
        with pytest.raises(SitegenError, match=re.escape(said)):
            report.measurements(**names)
    frame = report.measurements(caveats=False)
    assert "caveats" not in frame
    assert len(frame) == sum(len(run.measurements) for run in RUNS)


def test_arrow_has_the_same_and_whoever_speaks_the_protocol_takes_it(
    report: sitegen.Report,
) -> None:
    table = report.arrow(environment="vm")
    assert isinstance(table, pa.Table)
    frame = report.measurements(environment="vm")
    assert table.column_names == list(frame)
    assert [tuple(one) for one in table.column("caveats").to_pylist()] == list(frame["caveats"])
    assert table.schema.field("started_at").type == pa.timestamp("us", "UTC")
    # nanoarrow is no pyarrow: it sees a stream of structs and reads the buffers itself.
    stream = nanoarrow.ArrayStream(report)
    taken = nanoarrow.Array(stream)
    assert len(taken) == len(report.arrow())
    first = next(iter(taken.iter_py()))
    assert first["metric"] == "fio.iops"
    assert first["value"] == 800.0


def test_runs_are_a_frame(report: sitegen.Report) -> None:
    runs = report.runs()
    assert list(runs["run_id"]) == sorted(run.id for run in RUNS)
    assert runs["selected"].all()
    assert set(runs["tee"]) == {"none"}
    assert set(runs["duration_s"]) == {1.5}
    assert str(runs["started_at"].dtype) == "datetime64[us, UTC]"
    assert list(runs["environment"].cat.categories) == ["vm", "cvm"]


def test_a_run_has_all_that_it_left(report: sitegen.Report) -> None:
    run = report.run(RUNS[0].id[-8:])
    assert (run.id, run.environment, run.benchmark) == (RUNS[0].id, "vm", "fio")
    assert run.provenance == "collected"
    assert run.started_at == pd.Timestamp("2026-03-01T10:00:00Z")
    assert run.facts == {"cpu": "EPYC"}
    assert run.tee.kind == "none"
    assert run.tool == ToolIdentity("fio", HOSTILE)
    assert run.raw_names == ("job.out",)
    assert run.raw("job.out") == b"fio said so"
    with pytest.raises(SitegenError, match=r"no raw output '\.\./x'; of job\.out"):
        run.raw("../x")
    assert len(run.measurements()) == 3
    samples = report.samples(run.id)
    assert samples[["x", "y"]].to_numpy().tolist() == [[0.5, 7.0]]
    assert run.remarks == (f"note, 2026-03-05: The fan {HOSTILE}",)
    assert run.source is None
    assert run.record.session == "s0"


def test_a_run_without_samples_has_their_columns(report: sitegen.Report, tmp_path: Path) -> None:
    run = one_run(0, "vm", 1.0, samples=())
    Archive(tmp_path / "archive").write(run)
    none = sitegen.open(tmp_path).samples(run.id)
    some = report.samples(RUNS[0].id)
    assert none.empty
    assert dict(none.dtypes.map(str)) == dict(some.dtypes.map(str))


def test_what_shows_itself_in_a_notebook_shows_no_markup_of_others(report: sitegen.Report) -> None:
    for one in (report, report.run(RUNS[0].id)):
        shown = one._repr_html_()
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown
        assert len(shown) < 600
        assert len(repr(one)) < 200
    figure = report.figure("fio", "more-4-threads")
    assert "<script" not in figure.to_json()


def test_a_comparison_is_that_of_the_command(
    report: sitegen.Report, folder: Path, own: sitegen.Report
) -> None:
    for door, root, sides, more in (
        (report, folder, ("vm", "cvm"), {"all": True}),
        (report, folder, ("vm", "cvm"), {"metric": "own.x"}),
        (own, ROOT, ("h200-host", "h200-cvm"), {}),
        (own, ROOT, ("h200-host", "h200-cvm"), {"all": True}),
        (own, ROOT, ("http", "https"), {"axis": "scheme", "environment": "dev-vm", "all": True}),
    ):
        words = ["--all"] if more.get("all") else []
        for name, option in (("metric", "--metric"), ("axis", "--axis"), ("environment", "--env")):
            words += [option, str(more[name])] if name in more else []
        config = str(root / "sitegen.toml")
        argv = ["compare", *sides, *words, "--format", "json", "--config", config]
        told = json.loads(CliRunner().invoke(main, argv).stdout)["comparisons"]
        frame = door.compare(*sides, **more)
        assert len(frame) == len(told)
        for mine, one in zip(records(frame), told, strict=True):
            for name in ("workload", "metric", "statistic", "unit", "word", "decided", "reason"):
                assert mine[name] == one[name]
            for name in ("baseline", "side", "slowdown", "low", "high", "overhead"):
                assert mine[name] == one[name] or (one[name] is None and pd.isna(mine[name]))
            assert mine["caveats"] == tuple(each["id"] for each in one["caveats"])
            assert mine["runs_side"] == tuple(one["runs"]["side"])
            have = {k: v for k, v in mine.items() if k.startswith("param_") and not pd.isna(v)}
            assert have == {f"param_{k}": v for k, v in one["params"].items()}


def test_what_cannot_be_compared_says_why(report: sitegen.Report) -> None:
    for words, said in (
        (("vm", "vm"), "is compared with itself"),
        (("vm", "nope"), "no environment and no run 'nope'"),
    ):
        with pytest.raises(SitegenError, match=said):
            report.compare(*words)
    with pytest.raises(SitegenError, match="goes with axis"):
        report.compare("vm", "cvm", environment="vm")


def test_a_figure_is_that_of_the_page_with_its_colours(own: sitegen.Report) -> None:
    there = own.figures("fio")
    assert {"name", "title", "about"} == set(there)
    figure = own.figure("fio", "panel-random-4-kib")
    assert isinstance(figure, go.Figure)
    text = figure.to_json()
    assert "var(--" not in text
    assert "Random, 4 KiB" in figure.layout.title.text
    assert "H200 CVM" in text
    two = own.figure("fio", "random, 4 kib", environments=["h200-host"])
    assert "H200 CVM" not in two.to_json()
    bars = [trace for trace in two.data if trace.type == "bar"]
    assert [said for bar in bars for said in bar.customdata]
    with pytest.raises(SitegenError, match=r"fio: 9 charts are called ''; of panel-random-4-kib"):
        own.figure("fio")
    with pytest.raises(SitegenError, match="no chart is called 'nothing like it'"):
        own.figure("fio", "nothing like it")
    for benchmark in own.benchmarks:
        for name in own.figures(benchmark)["name"]:
            own.figure(benchmark, name)


def test_claims_are_a_frame(own: sitegen.Report, report: sitegen.Report) -> None:
    claims = own.claims()
    assert len(claims) > 100
    assert set(claims["verdict"]) <= {"reproduced", "close", "differs", "unsupported"}
    assert str(claims["value"].dtype) == "float64"
    assert report.claims().empty
    assert list(report.claims().columns) == list(claims.columns)


def test_damaged_runs_are_named_and_nothing_is_printed(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for run in RUNS:
        archive.write(run)
    broken = archive.find(RUNS[0].id).path / "measurements.parquet"
    broken.write_bytes(broken.read_bytes()[:-9])
    said = io.StringIO()
    with redirect_stdout(said):
        report = sitegen.open(tmp_path)
        assert [one.path for one in report.damaged] == [f"vm/{RUNS[0].id}"]
        assert len(report.runs()) == len(RUNS) - 1
        assert RUNS[0].id not in set(report.measurements()["run_id"])
        with pytest.raises(SitegenError, match="is damaged: measurements"):
            report.run(RUNS[0].id[-8:])
    assert said.getvalue() == ""


def test_an_archive_without_runs_gives_frames_without_rows(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    report = sitegen.open(tmp_path)
    assert report.measurements().empty
    assert report.arrow().num_rows == 0
    assert report.runs().empty
    assert report.environments == ()
    assert "0 runs" in repr(report)


def test_threads_read_alike(folder: Path) -> None:
    report = sitegen.open(folder)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(report.measurements) for _ in range(16)]
        asked += [pool.submit(report.compare, "vm", "cvm", all=True) for _ in range(4)]
        found = [one.result() for one in asked]
    assert all(frame.equals(found[0]) for frame in found[:16])
    assert all(frame.equals(found[16]) for frame in found[16:])


def test_a_process_with_threads_is_not_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):  # more than one process reads at a time
        Archive(tmp_path / "archive").write(one_run(number % 28, f"e{number}", 5.0 + number))

    def refuse() -> int:
        raise AssertionError("a fork would wait for what another thread holds")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "fork", refuse)
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(sitegen.open, tmp_path).result().environments) == 60


def run_python(script: str, *words: str) -> str:
    argv = [sys.executable, "-c", script, *words]
    done = subprocess.run(argv, capture_output=True, check=True, text=True, cwd=ROOT)
    return done.stdout.strip()


def test_importing_sitegen_loads_nothing() -> None:
    script = (
        "import sys; before = {*sys.modules}; import sitegen;"
        "print(sorted({*sys.modules} - before - {'sitegen', '__future__'}))"
    )
    assert run_python(script) == "[]"
    assert run_python("import sitegen; print(sitegen.Report.__name__)") == "Report"


def test_a_build_loads_no_pandas(folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom sitegen.cli import main\n"
        "main(['build', '--config', sys.argv[1], '--output', sys.argv[2]], standalone_mode=False)\n"
        "print({'pandas', 'plotly', 'sitegen.door'} & {*sys.modules})"
    )
    settings = str(folder / "sitegen.toml")
    assert run_python(script, settings, str(tmp_path / "site")).splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("module", "asked"),
    [("pandas", "measurements()"), ("plotly", "figure('fio', 'more-4-threads')")],
)
def test_a_library_that_is_absent_is_named_with_what_installs_it(
    folder: Path, module: str, asked: str
) -> None:
    script = (
        "import sys\nimport sitegen\nfrom sitegen.archive import hidden\n"
        f"gone = hidden.modules('{module}')\ngone.__enter__()\n"
        "report = sitegen.open(sys.argv[1])\n"
        "print(report.arrow().num_rows)\n"
        f"try:\n    report.{asked}\nexcept sitegen.SitegenError as error:\n    print(error)\n"
    )
    rows, said = run_python(script, str(folder)).splitlines()
    assert int(rows) == 18
    assert said == f"needs {module}, which is not installed here; pip install 'sitegen-tee[report]'"


def test_a_process_whose_pyarrow_has_no_numpy_is_told_so_and_does_not_end(folder: Path) -> None:
    script = (
        "import sys\nfrom sitegen.cli import main\n"
        "main(['compare', 'vm', 'cvm', '--all', '--config', sys.argv[1]], standalone_mode=False)\n"
        "import sitegen\n"
        "try:\n    sitegen.open(sys.argv[1]).measurements()\n"
        "except sitegen.SitegenError as error:\n    print(error)\n"
    )
    said = run_python(script, str(folder / "sitegen.toml")).splitlines()[-1]
    assert said.startswith("pyarrow was loaded without numpy; ")


def test_every_example_of_the_document_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "docs")
    names: dict[str, Any] = {}
    for chunk in blocks((ROOT / "docs/python.md").read_text(), "python"):
        exec(compile(chunk, "docs/python.md", "exec"), names)  # noqa: S102 - as a reader would
    assert names["frame"].attrs["units"]["llm.ttft"] == "s"
    assert not names["costs"].empty


def test_the_document_names_every_function_and_value() -> None:
    text = (ROOT / "docs/python.md").read_text()
    for kind, name in ((sitegen.Report, "report"), (sitegen.Run, "run")):
        public = [one for one in vars(kind) if not one.startswith("_")]
        assert {one for one in public if f"{name}.{one}" not in text} <= {"title", "id"}


def test_the_notebook_runs_and_shows_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells run one after another as a kernel runs them; the last value of each is its output.

    No kernel does it here: Jupyter's is 22 packages and 90 MB for what a dozen lines do.
    """
    monkeypatch.chdir(ROOT / "docs")
    notebook = json.loads((ROOT / "docs/notebook.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names: dict[str, Any] = {}
    shown: list[Any] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        *body, last = ast.parse("".join(cell["source"])).body
        value = None
        exec(compile(ast.Module(body, []), cell["id"], "exec"), names)  # noqa: S102 - see above
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)  # noqa: S307
        else:
            exec(compile(ast.Module([last], []), cell["id"], "exec"), names)  # noqa: S102
        shown.append(value)
    report, by_benchmark, pivot, costs, figure, run, facts, proving, raw, verdicts = shown
    assert report._repr_html_().startswith("<b>What a TEE costs</b>")
    assert by_benchmark.loc["fio", "cited"] == 5
    assert pivot.notna().to_numpy().any()
    assert costs["slowdown"].max() > 4
    assert isinstance(figure, go.Figure)
    assert (run.benchmark, facts[1]) == ("zktls", "none")
    assert not proving.empty
    assert isinstance(raw, bytes)
    assert verdicts["reproduced"] > 50


def test_what_is_typed_is_what_is_there() -> None:
    """`import sitegen` has types for whoever checks with mypy."""
    assert (ROOT / "sitegen/py.typed").is_file()
    assert set(sitegen.__all__) <= {*dir(sitegen), "Report", "Run", "SitegenError"}
    assert msgspec.structs.fields(Run)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sitegen.nothing
