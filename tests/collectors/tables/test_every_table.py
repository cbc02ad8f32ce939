"""What holds of every table that comes with sitegen, by its recorded outputs alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Output
from sitegen.collect import Missing, RawOutput, Reader, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.collect.declared.fields import holes
from sitegen.collect.host import Host
from sitegen.collect.installed import check_plan, forms
from sitegen.collect.settings import helps
from sitegen.errors import SitegenError
from sitegen.model import Doubt, ToolIdentity
from tests import site_checks as check
from tests.collectors import damage

RAW = check.ROOT / "tests" / "raw"
TABLES = declared.shipped()
COLLECTING = [name for name, one in TABLES.items() if one.table.workloads]


def outputs() -> Iterator[tuple[Declared, str, Output]]:
    for one in TABLES.values():
        for name, output in one.table.outputs.items():
            if output.knows:
                yield one, name, output


def recordings(benchmark: str) -> list[Path]:
    return [path for path in sorted((RAW / benchmark).rglob("*")) if path.is_file()]


def reader_of(one: Declared, output: str) -> Reader:
    short = output if output.startswith(one.benchmark) else f"{one.benchmark}-{output}"
    return next(each for each in collector(one).READERS if each.name == short)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole_and_says_where_its_metrics_are_from(name: str) -> None:
    one = TABLES[name]
    collector(one)
    assert one.note.strip()
    assert one.note.startswith("## What runs\n")
    assert all(metric.source for metric in one.tool.metrics)
    assert recordings(name)


@pytest.mark.parametrize(
    ("one", "name"), [(one, name) for one, name, _ in outputs()], ids=lambda each: str(each)[:40]
)
def test_a_form_knows_a_recorded_output_and_no_other_form_does(one: Declared, name: str) -> None:
    ours = [
        path for path in recordings(one.benchmark) if reader_of(one, name).knows(path.read_bytes())
    ]
    assert ours
    for path in ours:
        data = path.read_bytes()
        document = re.match(rb"\s*(?:\{|\[\s*[\[{])", data)
        others = [each for _, each in forms().readers if not (document and each.text)]
        assert [each.name for each in others if each.knows(data)] == [reader_of(one, name).name]


@pytest.mark.parametrize(
    ("one", "name"), [(one, name) for one, name, _ in outputs()], ids=lambda each: str(each)[:40]
)
def test_a_damaged_output_is_refused_in_one_line_or_read(one: Declared, name: str) -> None:
    reader = reader_of(one, name)
    asked = dict.fromkeys(helps(reader.asks), "1")
    read = 0
    for path in recordings(one.benchmark):
        data = path.read_bytes()
        if not reader.knows(data):
            continue
        try:
            reader.runs(data, asked)
            read += 1
        except SitegenError as error:
            assert "\n" not in str(error)  # noqa: PT017 - a recording of a failure
        damage.bear(reader.knows, lambda hurt: reader.runs(hurt, asked), data, trials=12)
    assert read


#: Settings with which a step prints what was recorded, where they are not those of a preset.
RECORDED = [
    ("mbw", "mbw.out", {"size_mib": "64"}),
    ("openssl", "several.out", {"block_size": "1024", "ciphers": "sha256"}),
    ("openssl", "rsa.out", {}),
    ("openssl", "x25519.out", {}),
    ("openssl", "multi.out", {"processes": "2"}),
    ("pgbench", "tpcb-r.out", {"scale": "5"}),
    ("pgbench", "select.out", {"scale": "5"}),
    ("redis", "csv.out", {}),
    ("iperf3", "tcp.json", {}),
    ("iperf3", "tcp-8-reverse.json", {}),
    ("iperf3", "udp.json", {}),
    ("sockperf", "ping-pong.out", {}),
    ("stress-ng", "switch.yaml", {}),
    ("sysbench", "cpu.out", {}),
    ("sysbench", "memory.out", {}),
    ("wrk", "http.out", {}),
    ("wrk", "https.out", {}),
]


@pytest.mark.parametrize(("name", "file", "given"), RECORDED)
def test_what_is_collected_and_what_is_imported_are_one_series(
    name: str, file: str, given: dict[str, str], tmp_path: Path
) -> None:
    able = collector(TABLES[name])
    assert isinstance(able, TableCollector)
    data = (RAW / name / file).read_bytes()
    [reader] = [each for each in able.READERS if each.knows(data)]
    request = Request("standard", 1, given, 2, tmp_path, tmp_path, 10**12, name)
    met = 0
    for step in able.plan(ToolIdentity("tool", "1"), request).steps:
        own = able.parse(step, RawOutput(stdout=data, files={"stress-ng.yaml": data}))
        if any(kind == Doubt.NOT_REACHED for kind, _, _ in own.doubts):
            continue  # it is the output of another step
        said = {key.removeprefix("set."): value for key, value in (*step.context, *step.params)}
        asked = {key: said[key] for key in helps(reader.asks) if key in said}
        [others] = reader.runs(data, asked)
        expected = {(row.metric, row.statistic, row.params) for row in step.expects}
        rows = {(row.workload, row.metric, row.statistic, row.params) for row in own.measurements}
        assert expected <= {row[1:] for row in rows}
        assert rows == {
            (row.workload, row.metric, row.statistic, row.params) for row in others.measurements
        }
        met += 1
    assert met


@pytest.mark.parametrize("preset", ["quick", "standard", "thorough"])
@pytest.mark.parametrize("name", COLLECTING)
def test_the_plans_of_all_presets_can_be_carried_out(
    name: str, preset: str, tmp_path: Path
) -> None:
    able = collector(TABLES[name])
    assert isinstance(able, TableCollector)
    request = Request(preset, 3, {}, 2, tmp_path, tmp_path, 10**12, name)
    if isinstance(able.detect(Host()), Missing):
        pytest.skip("the tool is not installed")
    plan = able.plan(ToolIdentity("tool", "1"), request)
    check_plan(plan)
    assert all(not holes(word) for step in plan.steps for word in step.argv)
    metrics = {row.metric for step in plan.steps for row in step.expects}
    assert {one.metric for one in able.declared.tool.family.headlines} <= metrics
