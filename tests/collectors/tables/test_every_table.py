"""What holds of every table that comes with sitegen, by its recorded outputs alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
from sitegen.model import Measurement, Params, ToolIdentity
from tests import site_checks as check
from tests.collectors import damage

RAW = check.ROOT / "tests" / "raw"
TABLES = declared.shipped()
TOOL = ToolIdentity("tool", "1")
#: What is answered where most recordings say it themselves.
ANSWERS = {"access": "loopback", "protocol": "tcp"}
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
    asked = {key: ANSWERS.get(key, "1") for key in helps(reader.asks)}
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


#: Recordings, each with the step that prints the like, and the settings that make it that.
RECORDED = [
    ("iperf3", "tcp.json", "tcp-send-1", {}),
    ("iperf3", "tcp-8-reverse.json", "tcp-receive-8", {}),
    ("iperf3", "udp.json", "udp-send-1", {}),
    ("iperf3", "udp-reverse.json", "udp-flood-receive-1", {}),
    ("mbw", "mbw.out", "copies", {"size_mib": "64"}),
    ("openssl", "multi.out", "aes-256-gcm-16384-2", {"processes": "2"}),
    ("openssl", "rsa.out", "rsa2048-1", {"processes": "1"}),
    ("openssl", "x25519.out", "ecdhx25519-1", {"processes": "1"}),
    ("pgbench", "tpcb-r.out", "tpcb-like-2", {"scale": "5", "clients": "2"}),
    ("pgbench", "select.out", "select-only-8", {"scale": "5"}),
    ("redis", "csv.out", "c50", {}),
    ("redis", "csv-p16.out", "c50-p16", {}),
    ("sockperf", "ping-pong.out", "ping-pong-64", {}),
    ("stress-ng", "switch.yaml", "switch-1", {}),
    ("sysbench", "cpu.out", "cpu-1", {}),
    ("sysbench", "memory.out", "memory-write-2", {}),
    ("wrk", "http.out", "http-t2-c50", {}),
    ("wrk", "https.out", "https-t2-c50", {}),
]


def test_every_tool_that_collects_has_its_recording() -> None:
    assert {name for name, *_ in RECORDED} == {*COLLECTING}


@pytest.mark.parametrize(("name", "file", "named", "given"), RECORDED)
def test_what_is_collected_and_what_is_imported_are_one_series(
    name: str, file: str, named: str, given: dict[str, str], tmp_path: Path
) -> None:
    able = collector(TABLES[name])
    assert isinstance(able, TableCollector)
    data = (RAW / name / file).read_bytes()
    [reader] = [each for each in able.READERS if each.knows(data)]
    request = Request("standard", 1, given, 2, tmp_path, tmp_path, 10**12, name)
    [step] = [one for one in able.plan(TOOL, request).steps if one.name == named]
    own = able.parse(step, RawOutput(stdout=data, files={"stress-ng.yaml": data}))
    known = {key.removeprefix("set."): value for key, value in (*step.context, *step.params)}
    [others] = reader.runs(data, {key: known[key] for key in helps(reader.asks) if key in known})
    assert series(step.expects) <= series(own.measurements)
    assert series(own.measurements) == series(others.measurements)


def series(rows: Iterable[Measurement]) -> set[tuple[str, str, str, Params]]:
    return {(row.workload, row.metric, row.statistic, row.params) for row in rows}


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
    plan = able.plan(TOOL, request)
    check_plan(plan)
    assert all(not holes(word) for step in plan.steps for word in step.argv)
    metrics = {row.metric for step in plan.steps for row in step.expects}
    assert {one.metric for one in able.declared.tool.family.headlines} <= metrics


@pytest.mark.parametrize("name", COLLECTING)
def test_set_up_and_image_install_what_its_programs_are_of(name: str) -> None:
    setup = (check.ROOT / "tools" / "system.sh").read_text("utf-8")
    image = (check.ROOT / "containers" / "Dockerfile").read_text("utf-8")
    for program in TABLES[name].table.programs.values():
        for package in program.install.removeprefix("apt install ").split():
            # nginx-light is nginx, with less around it.
            assert re.search(rf"need {re.escape(package)}(-light)? ", setup), package
            assert re.search(rf"\s{re.escape(package)}(-light)?[\s\"]", image), package
