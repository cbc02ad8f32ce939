from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from sitegen import __version__
from sitegen.analysis.export import COLUMNS
from sitegen.archive import Archive
from sitegen.cli import main
from sitegen.intake import tidy
from tests.documents import blocks

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(main.commands)
HEADER = "benchmark,workload,environment,metric,statistic,unit,value"
ROW = "fio,read_iops,host,fio.iops,value,1/s,33000"
SITE = [
    "fsspec",
    "aiohttp",
    "botocore",
    "pandas",
    "pyarrow",
    "numpy",
    "jinja2",
    "markdown",
    "nh3",
    "plotly",
    "scipy",
]
HEAVY = [*SITE, "orjson", "psutil"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that the commands run in."""
    place = tmp_path / "report"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def filled(folder: Path) -> Path:
    """Return a folder with an archive of one run."""
    (folder / "figures.csv").write_text(f"{HEADER},printed\n{ROW},33 k/s\n")
    assert run("import", "figures.csv", "--date", "2025-03-01").exit_code == 0
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def refused(*words: str) -> str:
    """Return the one line that a command is refused with."""
    result = run(*words)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("sitegen: ")
    return line


def only_run(folder: Path) -> str:
    [entry] = Archive(folder / "archive").scan()
    return entry.run_id


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_has_help_and_stands_in_the_readme(name: str) -> None:
    assert run(name, "--help").exit_code == 0
    assert main.commands[name].help
    assert f"sitegen {name}" in (ROOT / "README.md").read_text("utf-8")
    for parameter in main.commands[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_every_command_line_in_the_documentation_is_one_that_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    lines = [line for block in blocks(text, "sh")
             for line in block.splitlines() if line.startswith("sitegen ")]  # fmt: skip
    assert lines or page.name in ("settings.md", "python.md")
    for line in lines:
        words = shlex.split(line.rstrip("\\"), comments=True)[1:]
        options = {o for p in main.commands[words[0]].params for o in p.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], HEAVY),
        (["collect", "--help"], HEAVY),
        (["build", "--help"], HEAVY),
        (["list"], SITE),
        (["collect", "--env", "x", "--only", "7z", "--dry-run"], SITE),
    ],
)
def test_a_command_imports_no_library_that_it_does_not_need(
    filled: Path, words: list[str], absent: list[str]
) -> None:
    script = (
        "import sys\nfrom sitegen.cli import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        f"print('HEAVY', sorted(set({absent!r}) & set(sys.modules)))\n"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, check=True, cwd=filled)
    assert done.stdout.decode().splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        *((f"{words} --archive none", "no such archive")
          for words in ("list", "show x", "export", "fsck", "build")),
        ("show zzzzzzzz", "no run 'zzzzzzzz'"),
        ("export --output no/such/x.csv", "no/such/x.csv: cannot be written: No such file"),
        ("collect --env ../x", "not a usable environment name"),
        *((line, "--help`") for line in (
            "collect", "collect --env x --preset slow", "collect --env x --repeat 0",
            "import", "list --format yaml", "nonsense")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line_and_changes_nothing(
    filled: Path, line: str, said: str
) -> None:
    before = sorted((filled / "archive").rglob("*"))
    assert said in refused(*line.split())
    assert sorted((filled / "archive").rglob("*")) == before
    assert list(filled.parent.iterdir()) == [filled]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--set size=8g", "write it as fio.size=8g"),
        ("--only bogus", "no benchmark 'bogus'"),
        ("--preset thorough", "--quick and --preset thorough exclude each other"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_one_line(
    folder: Path, words: str, said: str
) -> None:
    assert said in refused("collect", "--env", "here", "--quick", *words.split())
    assert list(folder.iterdir()) == []


def test_what_is_not_understood_is_refused_with_its_place_and_nothing_comes_in(
    folder: Path,
) -> None:
    (folder / "figures.csv").write_text(f"{HEADER}\n{ROW}\n{ROW.replace('33000', 'x')}\n")
    line = refused("import", "figures.csv", "--date", "2025")
    assert "figures.csv:3: 'x' is not a number" in line
    (folder / "other.toml").write_text("[site]\ntitel = 1\n")
    assert "site: unknown key titel" in refused("list", "--config", "other.toml")
    assert not (folder / "archive").exists()


def test_importing_twice_changes_nothing(filled: Path) -> None:
    before = sorted(p.stat().st_mtime_ns for p in (filled / "archive").rglob("*"))
    result = run("import", "figures.csv", "--date", "2025-03-01")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("1 measurement  tidy table  (was there)")
    assert sorted(p.stat().st_mtime_ns for p in (filled / "archive").rglob("*")) == before


def test_the_version_is_the_packages() -> None:
    assert __version__ in run("--version").output


def test_runs_are_listed_as_text_and_as_json(filled: Path) -> None:
    known = only_run(filled)
    text = run("list").stdout
    assert text.splitlines()[0].split() == ["run", "environment", "provenance", "preset"]
    assert known in text
    row: dict[str, object] = {"id": known, "environment": "host", "benchmark": "fio"}
    row |= {"provenance": "imported", "started_at": "2025-03-01", "preset": "", "complete": True}
    assert json.loads(run("list", "--format", "json").stdout) == [row]
    assert json.loads(run("list", "--format", "json", "--only", "ab").stdout) == []
    (filled / "archive").rename(filled / "elsewhere")
    assert run("list", "--archive", "elsewhere").stdout == text


def test_benchmarks_are_named_in_one_list_or_one_by_one(filled: Path) -> None:
    known = only_run(filled)
    for words in (["--only", "7z,fio"], ["--only", "7z", "--only", "fio"], ["--only", " fio , ab"]):
        [row] = json.loads(run("list", "--format", "json", *words).stdout)
        assert row["id"] == known
        assert run("pack", *words, "--output", "all.pack").stdout == "1 run in all.pack\n"
        assert run("reparse", *words).stdout.endswith("0 of 1 run changed\n")
    for command in ("list", "pack --output x.pack", "reparse", "collect --env x"):
        line = refused(*command.split(), "--only", "7z,iperf")
        assert line.startswith("sitegen: no benchmark 'iperf'; known are 7z, ab, ")
    assert not (filled / "x.pack").exists()


def test_an_environment_that_is_not_there_is_named_with_those_that_are(filled: Path) -> None:
    for command in ("list", "list --format json", "pack --output x.pack"):
        line = refused(*command.split(), "--env", "nope")
        assert line == "sitegen: archive: no environment 'nope'; there are host"
    (filled / "sitegen.toml").write_text("[environments.later]\nrole = 'vm'\n")
    assert run("list", "--env", "later").stdout == "no run\n"


def test_an_archive_without_a_run_says_what_brings_one_in(folder: Path) -> None:
    said = "`sitegen collect` and `sitegen import` bring runs in, `sitegen init` begins a report"
    assert refused("list") == f"sitegen: archive: no such archive; {said}"
    (folder / "archive").mkdir()
    assert run("list").stdout == f"no run in archive; {said}\n"
    assert run("list", "--format", "json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bild"], "No such command 'bild', did you mean 'build'; see `main --help`"),
        (["qqq"], "No such command 'qqq'; see `main --help`"),
        (["list", "--evn", "x"], "No such option '--evn', did you mean '--env'; see `main list"),
    ],
)
def test_what_is_misspelt_is_said_with_what_is_like_it(words: list[str], said: str) -> None:
    assert refused(*words).startswith(f"sitegen: {said}")


def test_words_are_completed_in_a_shell() -> None:
    for typed, expected in (
        ("sitegen coll", ["plain,collect", "plain,collectors"]),
        ("sitegen collect --preset q", ["plain,quick"]),
    ):
        asked = {"_SITEGEN_COMPLETE": "bash_complete", "COMP_WORDS": typed}
        asked["COMP_CWORD"] = str(len(typed.split()) - 1)
        program = "import sys; sys.argv[0] = 'sitegen'; from sitegen.cli import main; main()"
        argv = [sys.executable, "-c", program]
        environment = {**os.environ, **asked}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
        assert done.stdout.splitlines() == expected


def test_where_it_cannot_run_it_says_so_and_imports_nothing_that_is_not_there() -> None:
    program = (
        "import os, sys\n"
        "sys.modules |= dict.fromkeys(('fcntl', 'resource', 'pwd', 'grp'))\n"
        "from sitegen.cli import main\n"
        "os.name = 'nt'\n"
        "main(['doctor'])"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "sitegen: runs on Linux and macOS; on Windows, in WSL\n"


def test_a_file_that_could_not_be_written_leaves_nothing(filled: Path) -> None:
    (filled / "taken").mkdir()
    assert "taken: cannot be written: Is a directory" in refused("export", "--output", "taken")
    assert list((filled / "taken").iterdir()) == []
    assert not list(filled.glob(".taken*"))


def test_a_damaged_run_is_listed_with_the_reason_and_stops_nothing(filled: Path) -> None:
    known = only_run(filled)
    (filled / "archive" / "host" / known / "run.json").write_text("{")
    [row] = json.loads(run("list", "--format", "json").stdout)
    assert row["id"] == known
    assert "not JSON" in row["damaged"]
    assert run("list").exit_code == 0
    assert "not JSON" in refused("show", known)


def test_a_run_is_shown_as_text_and_as_json_by_the_end_of_its_id(filled: Path) -> None:
    known = only_run(filled)
    text = run("show", known[-8:]).stdout
    assert text.startswith(known)
    assert "33.0 kIOPS" in text
    found = json.loads(run("show", known, "--format", "json").stdout)
    assert found["id"] == known
    row: dict[str, object] = {"workload": "read_iops", "metric": "fio.iops", "unit": "1/s"}
    row |= {"statistic": "value", "value": 33000.0, "params": {}, "repetition": 0}
    assert found["measurements"] == [row | {"status": "ok", "printed": "33 k/s"}]


def test_the_export_goes_to_standard_output_or_to_a_file(filled: Path) -> None:
    assert run("export").stdout.startswith('"run_id","environment"')
    assert run("export", "--format", "json", "--output", "all.json").stdout == ""
    assert json.loads((filled / "all.json").read_bytes())["columns"] == list(COLUMNS)
    data = CliRunner().invoke(main, ["export", "--format", "parquet"]).stdout_bytes
    assert pq.read_table(pa.BufferReader(data)).num_rows == 1


def test_fsck_says_no_with_exit_code_1(filled: Path) -> None:
    whole = run("fsck")
    assert (whole.exit_code, whole.stdout) == (0, "1 run, 0 findings\n")
    (filled / "archive" / "host" / ".writing-x").mkdir()
    found = run("fsck")
    assert found.exit_code == 1
    assert "left by a collection that was killed; remove it" in found.stdout


def test_collecting_says_what_it_took_and_where_its_page_will_be(
    folder: Path, install: Callable[..., str]
) -> None:
    install("shell")
    result = run("collect", "--env", "x", "--only", "shell", "--quick", "--note", "why")
    assert result.exit_code == 0, result.output
    known = only_run(folder)
    assert result.stdout.splitlines()[-2:] == [
        f"shell: 2 measurements; archive/x/{known}",
        f"  `sitegen build` makes its page at runs/{known}/",
    ]
    assert "[1/2] shell s-" in result.stderr
    [row] = json.loads(run("list", "--format", "json").stdout)
    assert row["preset"] == "quick"
    elsewhere = folder.parent / "elsewhere"
    words = ("collect", "--env", "x", "--only", "shell", "--quick", "--archive", str(elsewhere))
    assert f"; {elsewhere}/x/" in run(*words).stdout


def test_the_collectors_are_listed_with_their_tools_and_settings(
    install: Callable[..., str],
) -> None:
    install("shell")
    install("absent", tool="no-such-tool-here")
    install("broken", source="raise TypeError('no')")
    text = run("collectors").stdout
    assert re.search(r"^shell: sh 1\.0, /.*/sh$", text, re.MULTILINE)
    assert "  --set shell.program    what the shell runs\n" in text
    assert "absent: missing: no-such-tool-here; install it with: apt-get install" in text
    assert "cannot be imported: TypeError: no" in text
    rows = json.loads(run("collectors", "--format", "json").stdout)
    found = {row["benchmark"]: row for row in rows}
    assert {"7z", "ab", "fio", "shell", "absent", "broken"} <= set(found)
    assert (found["shell"]["tool"]["version"], found["shell"]["problem"]) == ("1.0", "")
    assert list(found["shell"]["settings"]) == ["program", "directory"]
    assert found["absent"]["tool"] is None
    assert found["absent"]["problem"].startswith("missing: no-such-tool-here")
    assert found["broken"]["settings"] == {}


def test_the_help_of_import_and_its_document_name_every_column_that_is_read() -> None:
    words = set(re.findall(r"\w+", run("import", "--help").stdout))
    assert {*tidy.COLUMNS} <= words
    page = (ROOT / "docs" / "figures.md").read_text("utf-8")
    told = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(told))) == sorted(tidy.COLUMNS)


def test_what_is_exported_comes_in_again_as_imported(filled: Path) -> None:
    (filled / "figures.csv").write_text(f"{HEADER}\n{ROW}\n")
    assert run("import", "figures.csv", "--date", "2025-03-02").exit_code == 0
    assert run("export", "--output", "all.csv").exit_code == 0
    result = run("import", "all.csv", "--archive", "again")
    assert result.exit_code == 0, result.output
    rows = json.loads(run("list", "--archive", "again", "--format", "json").stdout)
    assert [(row["environment"], row["provenance"]) for row in rows] == [("host", "imported")] * 2


@pytest.mark.parametrize(("command", "said"), [
    ("serve", "archive: no such archive"), ("publish", "other: no built site")
])  # fmt: skip
def test_what_is_done_with_a_site_takes_its_folder_and_no_archive(
    folder: Path, command: str, said: str
) -> None:
    more = ("--no-watch", "--port", "0") if command == "serve" else ()
    done = run(command, "--output", "other", *more)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "No such option" in run(command, "--archive", "x").stderr
    assert list(folder.iterdir()) == []


def test_quiet_prints_failures_alone(folder: Path, install: Callable[..., str]) -> None:
    install("shell")
    words = ["collect", "--env", "x", "--only", "shell", "--quick", "--quiet"]
    assert run(*words).output == ""
    failing = run(*words, "--set", "shell.program=exit 3")
    assert failing.exit_code == 2
    assert failing.stdout == ""
    assert len(re.findall("failed: ", failing.stderr)) == 2
    assert "nothing was measured: " in failing.stderr.splitlines()[-1]
    assert len(Archive(folder / "archive").scan()) == 1


def test_nothing_to_collect_with_is_an_error_after_the_skips(
    folder: Path, install: Callable[..., str]
) -> None:
    install("absent", tool="no-such-tool-here")
    missing = "missing: no-such-tool-here; install it with: apt-get install no-such-tool-here"
    result = run("collect", "--env", "x", "--only", "absent")
    assert result.exit_code == 2
    assert missing in result.stdout
    assert result.stderr == f"sitegen: nothing was collected: absent: {missing}\n"
    assert not (folder / "archive").exists()


def test_ctrl_c_says_how_many_runs_are_kept(folder: Path, install: Callable[..., str]) -> None:
    install("shell")
    install("zz-absent", tool="no-such-tool-here")
    install("zzz-last")
    result = run(
        "collect", "--env", "x", "--repeat", "1", "--only", "shell", "--only", "zz-absent",
        "--only", "zzz-last", "--set", "zzz-last.program=sleep 0.5; kill -INT $PPID; sleep 600",
    )  # fmt: skip
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "interrupted; 1 run is kept"
    assert len(Archive(folder / "archive").scan()) == 1


def test_output_into_a_closed_pipe_is_no_traceback(filled: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "sitegen.cli", "list"],
            stdout=closed, stderr=subprocess.PIPE, check=False, cwd=filled,
        )  # fmt: skip
    assert b"Traceback" not in done.stderr


FIGURES = "benchmark,workload,environment,metric,statistic,unit,value,started_at\n"


def test_what_is_said_of_many_files_is_said_once_with_their_number(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "sitegen.toml").write_text("")
    for number in range(25):
        rows = f"{FIGURES}fio,w,vm,fio.iops,value,1/s,{number + 1},2025\n"
        (folder / f"{number}.csv").write_text(rows)
        (folder / f"notes-{number}.txt").write_text(f"Line {number}.\n")
        (folder / f"bad-{number}.csv").write_text(rows.replace("2025", f"yesterday-{number}"))
    there = ("import", str(folder), "--config", str(tmp_path / "sitegen.toml"))
    lines = run(*there).output.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"not taken: 25 files, such as {folder}/bad-0.csv, ")
    assert lines[1].startswith(f"not taken: 25 files, such as {folder}/notes-0.txt, ")
    assert lines[2] == "25 runs taken; 50 files not taken"
    assert run(*there).output.endswith("0 runs taken; 25 there already; 50 files not taken\n")
    assert len(run(*there, "--verbose").output.splitlines()) == 25 + 50 + 1


def test_files_say_what_they_share_when_the_user_does(tmp_path: Path) -> None:
    (tmp_path / "sitegen.toml").write_text("")
    for number in range(3):
        file = tmp_path / f"{number}.csv"
        file.write_text(f"{FIGURES}fio,w,vm,fio.iops,value,1/s,{number + 1},2025\n")
        words = ("--session", f"day-{number}", "--boot", "only", "--config")
        run("import", str(file), *words, str(tmp_path / "sitegen.toml"))
    runs = [Archive(tmp_path / "archive").read(e) for e in Archive(tmp_path / "archive").scan()]
    assert {(run.session, run.boot) for run in runs} == {(f"day-{n}", "only") for n in range(3)}
    line = refused("import", str(file), "--session", "No name")
    assert "'No name' is not a usable session name" in line


def test_the_command_that_lies_beside_a_result_is_read_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "sitegen.toml").write_text("")
    times = '{"avg_latency": 2.0, "latencies": [1.9, 2.1], "percentiles": {"50": 2.0}}'
    for name in ("told", "alone"):
        (folder / f"{name}.json").write_text(times)
    command = (
        "vllm bench latency --model acme/demo-8b --input-len 32 --output-len 64 --batch-size 8"
    )
    (folder / "told.commands").write_text(command)
    there = ("--env", "vm", "--config", str(tmp_path / "sitegen.toml"), "--verbose")
    found = run("import", str(folder), *there)
    assert found.output.endswith("2 runs taken\n")
    archive = Archive(tmp_path / "archive")
    models = [dict(archive.read(e).measurements[0].params).get("model") for e in archive.scan()]
    assert set(models) == {None, "acme/demo-8b"}
    for name in ("other.json", "other.commands"):
        (folder / name).write_text("{}")
    found = run("import", str(folder), *there)
    assert found.output.endswith("2 files not taken\n")
    assert "other.commands" in found.output
