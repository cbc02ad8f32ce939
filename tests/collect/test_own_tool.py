"""The tables of docs/own-tool.md do what the page says, from a check to a verdict."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from sitegen.analysis.compare import analyse
from sitegen.catalogue import declared, own
from sitegen.catalogue.parameters import PARAMETERS
from sitegen.catalogue.table import Server
from sitegen.cli import main
from sitegen.collect.declared import outputs
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Provenance, Run, run_id
from tests import site_checks as check
from tests.documents import blocks

PAGE = (check.ROOT / "docs" / "own-tool.md").read_text("utf-8")
HACKBENCH, OUTPUT, REPEATED, SERVER = blocks(PAGE, "toml")
#: As hackbench of rt-tests prints it.
PRINTED = (
    "Running in process mode with 1 groups using 40 file descriptors each (== 40 tasks)\n"
    "Each sender will pass 100 messages of 100 bytes\nTime: 0.081\n"
)


@pytest.fixture(autouse=True)
def _nothing_of_it_stays() -> object:
    yield
    own.use({})


def sitegen(*words: str, code: int = 0) -> str:
    found = CliRunner().invoke(main, words)
    assert found.exit_code == code, found.output
    return found.output


def report(folder: Path, tools: str) -> Path:
    file = folder / "sitegen.toml"
    file.write_text(f"{check.ALONE}\n{tools}")
    return file


def test_the_example_is_ten_lines() -> None:
    assert len([line for line in HACKBENCH.splitlines() if line.strip()]) == 10


def test_check_says_what_is_read_of_an_output_and_fails_when_nothing_is(tmp_path: Path) -> None:
    file, output = report(tmp_path, HACKBENCH), tmp_path / "output.txt"
    output.write_text(PRINTED)
    said = sitegen("tool", "check", str(file), str(output))
    assert "hackbench.time value 81.0 ms (printed: 0.081 s)" in said
    [told] = json.loads(sitegen("tool", "check", str(file), str(output), "--format", "json"))
    assert told["outputs"][0]["measurements"][0]["value"] == 0.081
    output.write_text("Creating fdpair: Too many open files\n")
    assert "nothing is read: has no time" in sitegen(
        "tool", "check", str(file), str(output), code=1
    )


@pytest.mark.skipif(not shutil.which("hackbench"), reason="hackbench is not installed")
def test_the_example_is_collected_compared_and_shown_with_verdicts(tmp_path: Path) -> None:
    places = ("--config", str(report(tmp_path, HACKBENCH)), "--archive", str(tmp_path / "archive"))
    for label in ("vm", "host"):
        sitegen(
            *("collect", "--env", label, "--only", "hackbench", "--repeat", "1", "--quiet"),
            *("--sessions", "3", "--set", "hackbench.loops=20", *places),
        )
    told = json.loads(sitegen("compare", "vm", "host", "--format", "json", *places))
    assert {one["metric"] for one in told["comparisons"]} == {"hackbench.time"}
    assert all(one["word"] for one in told["comparisons"])
    sitegen("build", "--output", str(tmp_path / "site"), *places)
    page = (tmp_path / "site" / "hackbench" / "index.html").read_text()
    assert "groups 1" in page
    assert "--set hackbench.loops=20" in page
    # Whoever has no such table reads what the run itself says of its metric.
    (tmp_path / "sitegen.toml").write_text(check.ALONE)
    sitegen("build", "--output", str(tmp_path / "site"), *places)
    page = (tmp_path / "site" / "methodology" / "index.html").read_text()
    assert "Time until all messages of all groups have arrived." in page


def test_the_larger_examples_are_tables_too() -> None:
    table = '[metrics.operations]\nunit = "1/s"\nbetter = "higher"\ndefinition = "X."\n'
    table += '[metrics.latency]\nunit = "s"\nbetter = "lower"\ndefinition = "X."\n'
    read = declared.read("example", tomllib.loads(f"{table}{OUTPUT}{SERVER}"), "example.toml")
    assert read.table.outputs["summary"].checks[0].then == "suspect"
    assert isinstance(read.table.server, Server)
    assert read.table.server.address == "address"


def test_what_stands_once_for_several_names_is_read_for_each() -> None:
    one = declared.read("example", tomllib.loads(REPEATED), "example.toml")
    data = b"RD p99 120\nWR p99 340\n"
    found = outputs.read(one, one.table.outputs["report"], data, outputs.Known()).measurements
    assert {row.metric: row.value for row in found} == {
        "example.read_latency": pytest.approx(120e-6),
        "example.write_latency": pytest.approx(340e-6),
    }


def test_an_output_may_be_there_for_others_alone_and_is_like_none_that_is_not_there() -> None:
    part = OUTPUT.replace("[outputs.summary]", "[outputs.summary]\npart = true")
    metrics = (
        f'[metrics.{name}]\nunit = "{unit}"\nbetter = "lower"\ndefinition = "X."\n'
        for name, unit in (("operations", "1/s"), ("latency", "s"))
    )
    text = f'{"".join(metrics)}{part}[outputs.other]\nlike = ["summary"]\nknows = ["x"]\n'
    one = declared.read("example", tomllib.loads(text), "example.toml")
    assert list(one.table.outputs) == ["other"]
    for wrong in ("sumary", "other"):
        with pytest.raises(SitegenError, match=r"outputs.other.like: there is no other output"):
            declared.read("x", tomllib.loads(text.replace('["summary"]', f'["{wrong}"]')), "x.toml")


def test_a_tool_may_stand_in_a_file_beside_with_its_method_note(tmp_path: Path) -> None:
    table = HACKBENCH.replace("[tools.hackbench]\n", "").replace("[tools.hackbench.", "[")
    (tmp_path / "hackbench.toml").write_text(table)
    (tmp_path / "hackbench.md").write_text("Groups of tasks send messages.\n")
    file = report(tmp_path, '[tools]\nhackbench = "hackbench.toml"\n')
    assert "hackbench:" in sitegen("tool", "check", str(file))
    sitegen("doctor", "--config", str(file))
    assert own.TABLES["hackbench"].note == "Groups of tasks send messages.\n"


@pytest.mark.parametrize(
    ("changed", "to", "says"),
    [
        ('better = "lower"', 'better = "less"', "hackbench.metrics.time.better"),
        ("command = [", "commands = [", "unknown key commands"),
        (r"\d+\.\d+", r"\d+(", "is no regular expression"),
        ("{groups}", "{group}", "nothing is called {group}"),
        ("hackbench", "fio", "'fio' is a benchmark that sitegen knows"),
        ("tools.hackbench", "tools.Hackbench", "Hackbench"),
        ('unit = "s"', 'unit = "s"\nstatistic = "p42"', "there is no statistic 'p42'"),
    ],
)
def test_what_is_wrong_in_a_table_is_one_line_with_its_place(
    tmp_path: Path, changed: str, to: str, says: str
) -> None:
    assert changed in HACKBENCH
    file = report(tmp_path, HACKBENCH.replace(changed, to))
    names = ("--env", "vm", "--dry-run", "--only", "fio" if to == "fio" else "hackbench")
    said = sitegen("collect", *names, "--config", str(file), code=2)
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_a_parameter_has_one_meaning_in_all_tools(tmp_path: Path) -> None:
    table = f'{HACKBENCH}\n[tools.hackbench.parameters.threads]\nkind = "text"\n'
    said = sitegen("doctor", "--config", str(report(tmp_path, table)), code=2)
    assert "the parameter 'threads' is known with another meaning; give it another name" in said


METRIC = "[tools.hackbench.metrics.time]"


@pytest.mark.parametrize(
    ("changed", "to", "says"),
    [
        (HACKBENCH.splitlines()[1], "command = []", "command: must be a list of texts, and not"),
        (
            "[tools.hackbench.settings]",
            "[tools.hackbench.settings]\nport = { help = 'x' }",
            "port: has",
        ),
        ("loops = {", "Loops = {", "settings: has a name that none can have"),
        ('unit = "s"', 'unit = "s"\nprinted_in = "fortnights"', "'fortnights' is not known"),
        (METRIC, f'[tools.hackbench.outputs.x]\nwhere = "../x"\n{METRIC}', "plain name of a file"),
        (
            METRIC,
            f'[tools.hackbench.server]\ncommand = ["x"]\nfiles = {{ "../x" = "" }}\n{METRIC}',
            "server.files: has a name",
        ),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    tmp_path: Path, changed: str, to: str, says: str
) -> None:
    assert changed in HACKBENCH
    file = report(tmp_path, HACKBENCH.replace(changed, to, 1))
    said = sitegen(
        "collect", "--env", "vm", "--dry-run", "--only", "hackbench", "--config", str(file), code=2
    )
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_a_figure_may_be_printed_in_another_unit_than_it_is_stored_in() -> None:
    raw = tomllib.loads(HACKBENCH.replace('unit = "s"', 'unit = "ms"'))["tools"]["hackbench"]
    one = declared.read("hackbench", raw, "sitegen.toml")
    assert one.table.metrics["time"].unit == "s"
    [output] = one.table.outputs.values()
    [row] = outputs.read(one, output, PRINTED.encode(), outputs.Known()).measurements
    assert row.value == pytest.approx(0.081e-3)


def test_a_setting_without_a_value_is_asked_for(tmp_path: Path) -> None:
    file = report(tmp_path, HACKBENCH.replace("quick = 100, value = 1000 ", "quick = 100 "))
    said = sitegen("collect", "--env", "vm", "--only", "hackbench", "--config", str(file), code=2)
    assert "has no loops; add --set hackbench.loops=, messages of each task" in said


def test_what_it_says_of_a_known_parameter_holds_while_its_report_is_open(tmp_path: Path) -> None:
    known = PARAMETERS["access"]
    words = '\n[tools.hackbench.parameters.access]\nvalues = { vsock = "over vsock" }\n'
    sitegen("doctor", "--config", str(report(tmp_path, HACKBENCH + words)))
    assert PARAMETERS["access"].values == {**known.values, "vsock": "over vsock"}
    own.use({})
    assert PARAMETERS["access"] == known


def test_its_load_generator_may_be_saturated_too(tmp_path: Path) -> None:
    tools = HACKBENCH.replace(
        "[tools.hackbench.settings]",
        '[tools.hackbench.generator]\nat = 0.9\nname = "hackbench"\n[tools.hackbench.settings]',
    )
    tools += (
        '\n[tools.hackbench.metrics.cpu]\nunit = "ratio"\nbetter = "none"\nat = "cpu (\\\\S+)"\n'
        'definition = "x"\nbeside = { value = "client_cpu" }\n'
    )
    sitegen("doctor", "--config", str(report(tmp_path, tools)))
    rows = (
        Measurement("hackbench", "hackbench.time", "value", "s", 1.0),
        Measurement("hackbench", "hackbench.cpu", "value", "ratio", 0.97),
    )
    day = "2026-11-01T00:00:00Z"
    run = Run(
        run_id(day, "hackbench", b""), "hackbench", "vm", Provenance.COLLECTED, day, 1.0, rows,
        preset="standard",
    )  # fmt: skip
    analysis = analyse([run], Config(Path(), environments={"vm": Environment("vm", "vm", "none")}))
    [time] = [one for one in analysis.of("hackbench") if one.series.metric == "hackbench.time"]
    assert "generator-saturated" in [one.rule.id for one in time.caveats]
