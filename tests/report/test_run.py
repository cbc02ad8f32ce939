"""The page of one run: its tables, what a row opens to, and what stands beside the run."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.synthetic import rich
from sitegen import config
from sitegen.analysis.compare import Analysis, analyse
from sitegen.archive import Archive
from sitegen.catalogue.units import DisplayUnit, scales
from sitegen.config import Config, Environment
from sitegen.model import (
    Comparability,
    Measurement,
    Parameter,
    Params,
    Run,
    Sample,
    Series,
    Status,
    StepRecord,
    params,
)
from sitegen.report import addresses, matrix, run, run_steps, siblings, words
from tests import site_checks as check

SETTINGS = Config(
    root=check.ROOT,
    environments={
        "host": Environment("host", "metal", "none", "Host"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", "CVM", baselines={"metal": "host"}),
    },
)


def page_of(one: Run, **more: object) -> run.RunPage:
    """Return the page of a run that is alone in its report."""
    return run.page(analyse([one], SETTINGS), one, digest="0" * 64, **more)  # type: ignore[arg-type]


def row_of(workload: str, where: Params = (), **values: float) -> list[Measurement]:
    """Return a row for each value: its name is metric and statistic, with _ between them."""
    rows = []
    for name, value in values.items():
        metric, _, statistic = name.rpartition("__")
        unit = {"iops": "1/s", "bandwidth": "B/s", "latency": "s"}.get(metric, "")
        rows.append(
            Measurement(workload, f"fio.{metric}", statistic.replace("_", "."), unit, value, where)
        )
    return rows


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysis, list[Run]]:
    """Return the runs of a rich report: each benchmark on three platforms."""
    folder = tmp_path_factory.mktemp("runs")
    rich.write(folder, sessions=[0])
    settings = config.load(folder / "sitegen.toml")
    archive = Archive(settings.archive)
    runs = [archive.read(entry) for entry in archive.scan()]
    return analyse(runs, settings), runs


# Tables


def test_a_workload_is_a_row_of_medians_with_its_repetitions_inside() -> None:
    page = page_of(check.storage_run(0))
    [table], [figures] = page.tables, page.figures
    assert [row.title for row in table.rows] == [
        "Random read, 4 KiB", "Random write, 4 KiB", "Sequential read, 1 MiB",
    ]  # fmt: skip
    assert [group.unit for group in page.heads[0].groups] == ["kIOPS ↑", "MiB/s ↑"]
    assert [one.cells for one in figures] == [("250", ""), ("250", ""), ("", "2,861")]
    assert figures[0].spread == "3 repetitions within 0.80 %"
    assert [values for _, values in figures[0].lists] == ["250, 251, 249"]


def test_failed_and_suspect_repetitions_are_told_and_not_in_the_median() -> None:
    one = check.storage_run(0)
    where = one.measurements[0].params
    odd = check.with_rows(
        one,
        Measurement("read_iops", "fio.iops", "value", "1/s", 100.0, where, 0),
        Measurement("read_iops", "fio.iops", "value", "1/s", 900.0, where, 1, Status.SUSPECT),
        Measurement("read_iops", "fio.iops", "value", "1/s", None, where, 2, Status.FAILED),
    )
    page = page_of(odd)
    [[figures]] = page.figures
    assert figures.cells == ("100",)
    assert figures.mark == "1 suspect, 1 failed"
    assert [values for _, values in figures.lists] == ["100, 900 (suspect), failed"]
    [[detail]] = page.details
    assert len(detail.reasons) == 2
    assert "suspect: The device moved far fewer bytes" in detail.reasons[0]
    assert next(rows for *_, rows in page.doubts if rows) == (
        (addresses.row("read_iops", where), "Random read, 4 KiB, read_iops"),
    )


def test_a_suspect_value_is_told_by_what_a_rule_saw() -> None:
    one = check.storage_run(0)
    where = params(block_size=4096, direction="read", iodepth=1)
    rows = [
        Measurement("w", "fio.iops", "value", "1/s", 100.0, where, 0, Status.SUSPECT),
        Measurement("w", "fio.device_bytes", "value", "B", 10.0, where, 0, Status.SUSPECT),
        Measurement("w", "fio.io_bytes", "value", "B", 1000.0, where, 0, Status.SUSPECT),
    ]
    [[detail]] = page_of(check.with_rows(one, *rows)).details
    assert detail.reasons[0].startswith("Page cache suspected: The block device moved 1%")


def test_what_was_not_measured_says_so() -> None:
    nothing = Measurement("w", "fio.iops", "value", "1/s", None, (), 0, Status.FAILED)
    [[figures]] = page_of(check.with_rows(check.storage_run(0), nothing)).figures
    assert (figures.cells, figures.mark) == (("not measured",), "1 failed")


def test_columns_are_those_that_the_catalogue_asks_for_with_one_scale_a_metric() -> None:
    rows = [
        *row_of("a", params(iodepth=1), iops__value=9e3, latency__mean=1e-4, latency__p99=2e-4),
        *row_of("b", params(iodepth=2), iops__value=8e3, latency__mean=3e-1, latency__p99=4e-4),
        *row_of("b", params(iodepth=2), latency__min=1e-5, latency__p99_9=5e-4),
    ]
    page = page_of(check.with_rows(check.storage_run(0), *rows))
    [head], [figures] = page.heads, page.figures
    assert [(group.unit, group.statistics) for group in head.groups] == [
        ("kIOPS ↑", ("",)), ("µs ↓", ("mean", "p99", "p99.9")),
    ]  # fmt: skip
    assert [one.cells for one in figures] == [
        ("9.00", "100", "200", ""), ("8.00", "300,000", "400", "500"),
    ]  # fmt: skip
    assert (page.series, page.series_left) == (8, 1)


def test_a_tool_that_nobody_knows_has_its_metrics_as_columns() -> None:
    one = replace(check.storage_run(0), benchmark="own-tool", steps=())
    rows = [
        Measurement(name, f"own-tool.{metric}", "value", "s", 1.0 + place)
        for place, name in enumerate(("one", "two"))
        for metric in ("first", "second")
    ]
    page = page_of(check.with_rows(one, *rows))
    assert [row.title for row in page.tables[0].rows] == ["one", "two"]
    assert [len(table.columns) for table in page.tables] == [2]
    assert page.series_left == 0


def test_what_names_a_parameter_more_is_of_the_same_row() -> None:
    where = params(iodepth=1)
    rows = [
        *row_of("a", where, iops__value=9e3),
        *row_of("a", params(iodepth=1, direction="read"), bandwidth__value=8e6),
    ]
    page = page_of(check.with_rows(check.storage_run(0), *rows))
    [table] = page.tables
    [row] = table.rows
    assert set(row.ids) == {
        addresses.row("a", where), addresses.row("a", params(iodepth=1, direction="read")),
    }  # fmt: skip
    assert page.series_left == 0


def test_every_series_of_a_real_run_is_on_its_page_or_counted_as_left(
    real: tuple[Analysis, list[Run]],
) -> None:
    analysis, runs = real
    for one in runs:
        page = run.page(analysis, one, digest="")
        listed = [row for table in page.tables for row in table.rows]
        shown = sum(len(row.series) + len(row.beside) for row in listed)
        series = {Series(one.benchmark, r.workload, r.metric, r.statistic, r.params)
                  for r in one.measurements}  # fmt: skip
        assert page.series == len(series)
        assert page.series_left == len(series) - shown, one.id
        assert all(any(row.columns) for row in listed), one.id
        assert max(len(table.columns) for table in page.tables) <= matrix.MOST_COLUMNS
        ids = [name for row in listed for name in row.ids]
        assert len(ids) == len(set(ids))


def test_each_value_of_a_column_is_printed_in_its_row(real: tuple[Analysis, list[Run]]) -> None:
    analysis, runs = real
    for one in runs:
        page, table = run.page(analysis, one, digest=""), one.table
        for planned, head, figures in zip(page.tables, page.heads, page.figures, strict=True):
            units = {group.metric_id: group.unit.split(" ")[0] for group in head.groups}
            for row, of_row in zip(planned.rows, figures, strict=True):
                values = iter([values for _, values in of_row.lists])
                for column, at in zip(planned.columns, row.columns, strict=True):
                    if len(at) < 2:
                        continue
                    metric = column.metric
                    unit = next(
                        scale
                        for scale in scales(metric.unit, metric.shown_in, metric.counts)
                        if scale.text in (units[metric.id], "")
                    )
                    texts = [unit.number(v) for p in at if (v := table.values[p]) is not None]
                    assert re.sub(r" \(suspect\)|, failed", "", next(values)) == ", ".join(texts)


def test_hundreds_of_workloads_are_cut_and_counted() -> None:
    rows = [
        Measurement(f"w{n}", "fio.iops", "value", "1/s", 1.0 + n, params(iodepth=n + 1))
        for n in range(400)
    ]
    page = page_of(check.with_rows(check.storage_run(0), *rows))
    shown = sum(len(table.rows) for table in page.tables)
    assert shown < 400
    assert page.rows_left == 400 - shown == page.series_left


# Addresses


@given(
    st.lists(st.tuples(st.text(max_size=200), st.dictionaries(st.text(), st.text())), max_size=9)
)
def test_ids_of_rows_tell_them_apart_and_stand_in_any_address(
    rows: list[tuple[str, dict[str, str]]],
) -> None:
    every = {(workload, tuple(sorted(where.items()))) for workload, where in rows}
    ids = {addresses.row(*one) for one in every}
    assert len(ids) == len(every)
    assert all(re.fullmatch(r"[\w.,:!~-]{1,160}", one, re.ASCII) for one in ids)


def test_an_id_is_made_of_the_series_own_names() -> None:
    where = params(direction="read", iodepth=64)
    assert addresses.row("read_iops", where) == "read_iops,direction:read,iodepth:64"
    assert addresses.row("results", ()) == "results,all"
    series = Series("fio", "read_iops", "fio.iops", "value", where)
    assert addresses.series(series) == "read_iops,direction:read,iodepth:64,fio.iops,value"


# Commands


def test_a_shell_puts_in_the_folders_that_a_command_names() -> None:
    argv = ("printf", "%s\n", "--filename=$WORK/a b", "~/x", "--out=~/y", 'say "$5" `now`', "a\\b")
    text = run_steps.command((*argv, *("word",) * 30))
    assert '"--filename=$WORK/a b"' in text
    env = {"WORK": "/srv/w", "HOME": "/home/me", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:5] == [
        "--filename=/srv/w/a b", "/home/me/x", "--out=/home/me/y", 'say "$5" `now`', "a\\b",
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) < 100


def step(name: str, workload: str, where: Params = (), repetition: int = 0) -> StepRecord:
    """Return a step that was executed."""
    return StepRecord(name, workload, repetition, ("tool", name), "", 1.0, 0, params=where)


def test_a_row_has_the_command_that_made_it_and_the_others_stand_apart() -> None:
    def where(**pairs: object) -> Params:
        return params(concurrency=pairs.pop("c"), **pairs)

    rows = [
        Measurement("sweep", "fio.iops", "value", "1/s", 1.0, each)
        for each in (
            where(c=200, scheme="http"), where(c=2000, scheme="http"),
            where(c=200, scheme="https"), where(c=200, scheme="https", keepalive="true"),
        )
    ]  # fmt: skip
    names = ("http-c200", "http-c2000", "https-c200", "https-keepalive-c200")
    steps = [step(name, "sweep") for name in names[::-1]]
    one = replace(
        check.with_rows(check.storage_run(0), *rows),
        steps=(step("prepare", "prepare", (), -1), *steps, step("http-c200", "sweep", (), 1)),
    )
    page = page_of(one)
    by_row = {
        row.params: [each.name for each in detail.steps]
        for table, details in zip(page.tables, page.details, strict=True)
        for row, detail in zip(table.rows, details, strict=True)
    }
    assert [by_row[row.params] for row in rows] == [[name] for name in names]
    assert [each.name for each in page.outputs] == ["prepare"]
    assert page.outputs_left == 1


def test_the_parameters_of_a_step_say_whose_it_is_before_its_name_does() -> None:
    low, high = params(threads=1), params(threads=2)
    rows = [Measurement("w", "fio.iops", "value", "1/s", 1.0, each) for each in (low, high)]
    steps = (step("threads-2", "w", low), step("threads-1", "w", high))
    page = page_of(replace(check.with_rows(check.storage_run(0), *rows), steps=steps))
    [[first, second]] = page.details
    assert [each.name for each in first.steps] == ["threads-2"]
    assert [each.name for each in second.steps] == ["threads-1"]


def test_the_command_that_made_a_run_says_what_the_run_knows() -> None:
    one = check.storage_run(0)
    assert page_of(one).made == "sitegen collect --env cvm --only fio --preset standard"
    often = replace(one, parameters=(Parameter("repetitions", "5", Comparability.IGNORED),))
    assert page_of(often).made.endswith("--preset standard --repeat 5")
    given = [Parameter("set fio.size", "8g"), Parameter("set fio.directory", "/a b")]
    tried = replace(one, parameters=(*one.parameters, *given))
    assert page_of(tried).made.endswith("--set fio.size=8g --set 'fio.directory=/a b'")
    assert page_of(check.cited_run("vm", 1.0, "1")).made == ""


# Samples


def test_a_row_has_a_line_of_one_repetition_by_the_second() -> None:
    one = check.storage_run(0)
    where = one.measurements[0].params
    samples = [
        Sample("read_iops", repetition, "time", "fio.iops", float(x), 1000.0 * x, where)
        for repetition in (1, 0)
        for x in range(5)
    ]
    page = page_of(one, samples=samples)
    lines = [detail.line for detail in page.details[0]]
    assert lines[1:] == [None, None]
    assert lines[0] is not None
    assert [point.x for point in lines[0].points] == [0, 1, 2, 3, 4]
    assert lines[0].label == "IOPS by the second, 0 to 4.00 kIOPS"


def test_a_distribution_has_a_ridge_a_workload_with_its_median() -> None:
    one = check.storage_run(0)
    where = [row.params for row in one.measurements[::3]]
    samples = [
        Sample(workload, 0, "histogram", "fio.latency", x, y, at)
        for workload, at, middle in (
            ("read_iops", where[0], 1e-4), ("write_iops", where[1], 2e-3),
        )
        for x, y in ((middle / 2, 10.0), (middle, 80.0), (middle * 2, 10.0))
    ]  # fmt: skip
    charts = page_of(one, samples=samples).charts
    assert [chart.title for chart in charts] == ["Latency, read", "Latency, write"]
    for chart, text in zip(charts, ("100 µs", "2.00 ms"), strict=True):
        [ridge] = chart.ridges
        assert ridge.text == text
        assert max(ridge.heights) == 1
        assert chart.low < ridge.median < chart.high
        assert chart.ticks[0][0] <= chart.low * 1.001
        assert chart.ticks[-1][0] >= chart.high * 0.999


# What stands beside a run


def test_a_run_has_the_runs_before_and_after_it_and_those_of_its_session() -> None:
    runs = [check.storage_run(number) for number in (2, 0, 1)]
    other = replace(check.storage_run(1, "host"), session=runs[2].session)
    found = dict(siblings.of_runs(analyse([*runs, other], SETTINGS), [*runs, other]))
    ids = sorted(one.id for one in runs)
    middle = found[ids[1]]
    assert (middle.previous, middle.next) == (
        (ids[0], "2026-03-01 00:00"), (ids[2], "2026-03-01 02:00"),
    )  # fmt: skip
    assert middle.session == ((other.id, "Storage on host"),)
    assert found[ids[0]].previous is None
    assert found[ids[0]].session == ()


def test_a_run_that_is_left_out_says_why_and_leads_to_no_comparison() -> None:
    runs = check.three_a_side()
    quick = replace(check.storage_run(80), preset="quick")
    analysis = analyse([*runs, quick], SETTINGS)
    found, uses = dict(siblings.of_runs(analysis, [*runs, quick])), siblings.uses(analysis)
    mine = uses["fio", "cvm"]
    used = run.page(analysis, quick, digest="", siblings=found[quick.id], uses=mine)
    assert (used.siblings.left_out, used.uses) == ("quick preset", ())
    stands = next(one for one in runs if (one.benchmark, one.environment) == ("fio", "cvm"))
    page = run.page(analysis, stands, digest="", siblings=found[stands.id], uses=mine)
    assert page.siblings.left_out == ""
    links = [link for row in page.uses for link in row]
    assert links
    assert {address for address, _ in links} <= {one.address for one in mine}


def test_digits_that_were_printed_stand_under_their_own_unit_alone() -> None:
    milliseconds = DisplayUnit(1e-3, "ms")
    assert words.figure(0.0153, "0.0153", milliseconds) == "15.3"
    assert words.figure(0.0153, "15.30", milliseconds) == "15.30"


def test_a_run_whose_values_are_suspect_says_why() -> None:
    one = check.storage_run(0)
    rows = tuple(row._replace(status="suspect") for row in one.measurements)
    [doubt] = [d for d in page_of(replace(one, measurements=rows)).doubts if d.rule.id == "suspect"]
    assert doubt.sentence.startswith("9 of 9 values are suspect. The device moved far fewer bytes")
