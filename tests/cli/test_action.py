"""The gate as GitHub runs it: `action.yml` and its script, on real archives."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from sitegen import __version__, distribution
from sitegen.model import Run
from tests import site_checks as check

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "gate.sh"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
WORSE = 2.0


class Judged(NamedTuple):
    """How the script ended, what it said to the runner, and what it left in the runner's files."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """Return this sitegen as a program."""
    program = tmp_path / "sitegen"
    argv = shlex.join([sys.executable, "-m", "sitegen.cli"])
    program.write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
    program.chmod(0o755)
    return program


def runs(environment: str, count: int = 3, *, factor: float = 1.0) -> list[Run]:
    return [check.storage_run(10 * n, environment, factor=factor) for n in range(count)]


def judge(tool: Path, *archive: Run, **inputs: str) -> Judged:
    """Run the script in a report with these runs, and with these inputs."""
    folder = tool.parent
    check.report(folder / "report", *archive)
    files = {name: folder / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for file in files.values():
        file.write_text("")
    known = {"BASELINE": "vm", "SIDE": "cvm", "SITEGEN": str(tool)}
    variables = os.environ | known | inputs | {name: str(file) for name, file in files.items()}
    done = subprocess.run(
        ["bash", str(SCRIPT)], cwd=folder / "report", env=variables, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    text = files["GITHUB_OUTPUT"].read_text()
    code, _, rest = text.partition("\n")
    outputs = dict([code.split("=")]) if code else {}
    if match := re.fullmatch(r"text<<(\w{32})\n(.*)\1\n", rest, re.DOTALL):
        outputs["text"] = match[2]
    return Judged(done.returncode, done.stdout, files["GITHUB_STEP_SUMMARY"].read_text(), outputs)


def test_what_is_no_worse_passes(tool: Path) -> None:
    found = judge(tool, *runs("vm"), *runs("cvm"))
    assert found.code == 0
    assert found.outputs["exit-code"] == "0"
    first, _, rest = found.summary.partition("\n\n")
    assert first == "**The gate passed**: nothing is surely more than 5% worse."
    assert rest.startswith("**cvm against vm: nothing is slower.**")
    assert found.outputs["text"] == found.summary
    assert "::error" not in found.log


def test_what_is_surely_worse_fails_with_the_series(tool: Path) -> None:
    found = judge(tool, *runs("vm"), *runs("cvm", factor=WORSE))
    assert (found.code, found.outputs["exit-code"]) == (1, "1")
    assert found.summary.startswith("**The gate failed**: something is surely more than 5% worse")
    assert "    sitegen: above 5%: " in found.summary
    [told] = re.findall("^::error title=sitegen::(.*)", found.log, re.MULTILINE)
    assert told.startswith("The gate failed: ")
    assert "Random read" in told
    assert judge(tool, FAIL_ABOVE="200%").code == 0


@pytest.mark.parametrize(
    ("inputs", "code", "level"),
    [
        ({}, 0, "warning"),
        ({"UNJUDGED": "warn"}, 0, "warning"),
        ({"UNJUDGED": "pass"}, 0, "notice"),
        ({"UNJUDGED": "fail"}, 3, "error"),
        ({"STRICT": "true"}, 1, "error"),
    ],
    ids=str,
)
def test_what_could_not_be_judged_is_for_the_workflow_to_decide(
    tool: Path, inputs: dict[str, str], code: int, level: str
) -> None:
    found = judge(tool, *runs("vm", 1), *runs("cvm", 1, factor=WORSE), **inputs)
    assert found.code == code
    assert found.outputs["exit-code"] == ("1" if inputs.get("STRICT") else "3")
    assert re.findall(r"^::(error|warning|notice) ", found.log, re.MULTILINE) == [level]
    assert "not judged: fio: one run a side (3 series)" in found.summary
    assert ("and it is strict" in found.summary) is bool(inputs.get("STRICT"))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"SIDE": "nowhere"}, "no environment and no run"),
        ({"FAIL_ABOVE": "much"}, "is no limit"),
        ({"ARCHIVE": "elsewhere"}, "no such archive"),
        ({"UNJUDGED": "perhaps"}, "is none of fail, warn, pass"),
        ({"BASELINE": ""}, "name both"),
    ],
)
def test_a_mistake_is_no_judgement(tool: Path, inputs: dict[str, str], said: str) -> None:
    found = judge(tool, *runs("vm"), *runs("cvm"), **inputs)
    assert found.code == 2
    assert re.search(rf"^::error title=sitegen::.*{said}", found.log, re.MULTILINE)


def test_a_tool_that_breaks_has_judged_nothing(tool: Path) -> None:
    """Python itself ends with 1, which is an answer of ours too."""
    tool.write_text("#!/bin/sh\necho 'ValueError: a fault of ours' >&2\nexit 1\n")
    found = judge(tool)
    assert found.code == 1
    assert "::error title=sitegen::The gate could not be held" in found.log
    assert "a fault of ours" in found.summary


def test_no_input_and_no_name_is_ever_read_as_code(tool: Path) -> None:
    marker = tool.parent / "made"
    odd = f"$(touch {marker}); `touch {marker}` && touch {marker}\n::error::hijacked"
    found = judge(tool, *runs("vm"), *runs("cvm"), SIDE=odd, FAIL_ABOVE="5%", STRICT=odd)
    assert found.code == 2
    assert not marker.exists()
    outside = re.sub(r"::stop-commands::(\w+)\n.*\n::\1::", "", found.log, flags=re.DOTALL)
    assert not re.search("^::error::hijacked", outside, re.MULTILINE)


def test_an_answer_that_is_too_long_for_a_comment_is_cut_between_lines(tool: Path) -> None:
    archive = [*runs("vm"), *runs("cvm", factor=WORSE)]
    whole, cut = judge(tool, *archive).summary, judge(tool, MOST="600").summary
    kept, _, told = cut.partition("\n</details>\n\n")
    assert whole.startswith(kept)
    assert 300 < len(kept.encode()) <= 600
    assert told == "The rest is cut: it is longer than a comment may be.\n"


GH = """\
#!{python}
import json, os, sys
place = {place!r}
words = sys.argv[1:]
if "--method" in words:
    body = open(next(w for w in words if w.startswith("body=@"))[6:]).read()
    method, path = words[words.index("--method") + 1], words[-1]
    with open(place, "a") as file:
        file.write(json.dumps([method, path, body]) + "\\n")
else:
    print({ids!r}, end="")
sys.exit({code})
"""


@pytest.mark.parametrize(
    ("ids", "method", "path"),
    [
        ("", "POST", "repos/acme/bench/issues/7/comments"),
        ("41\n42\n", "PATCH", "repos/acme/bench/issues/comments/41"),
    ],
    ids=["first", "again"],
)
def test_there_is_one_comment_and_it_is_renewed(
    tool: Path, ids: str, method: str, path: str
) -> None:
    sent = tool.parent / "sent"
    gh = tool.parent / "gh"
    gh.write_text(GH.format(python=sys.executable, place=str(sent), ids=ids, code=0))
    gh.chmod(0o755)
    where = {"PATH": f"{gh.parent}:{os.environ['PATH']}", "GITHUB_REPOSITORY": "acme/bench"}
    archive = [*runs("vm"), *runs("cvm", factor=WORSE)]
    found = judge(tool, *archive, COMMENT="true", NUMBER="7", **where)
    assert found.code == 1
    [line] = sent.read_text().splitlines()
    assert yaml.safe_load(line)[:2] == [method, path]
    marker, _, text = yaml.safe_load(line)[2].partition("\n")
    assert marker == "<!-- sitegen gate vm cvm -->"
    assert text == found.summary
    # A token that may not write, as that of a fork's pull request, changes no judgement.
    gh.write_text(GH.format(python=sys.executable, place=str(sent), ids="", code=1))
    refused = judge(tool, COMMENT="true", NUMBER="7", **where)
    assert refused.code == 1
    assert "::warning title=sitegen::no comment: " in refused.log
    assert "::notice title=sitegen::no comment: " in judge(tool, COMMENT="true", **where).log


def test_the_version_is_that_of_the_action_and_its_name_that_of_the_distribution(
    tmp_path: Path,
) -> None:
    place = tmp_path / "tool" / "bin" / "sitegen"
    variables = os.environ | {"SITEGEN": str(place), "PIP_NO_INDEX": "1", "PYTHON": sys.executable}
    variables.pop("PIP_FIND_LINKS", None)
    argv = ["bash", str(SCRIPT), "install"]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{distribution.DISTRIBUTION}=={__version__} could not be installed" in done.stdout
    odd = subprocess.run(
        argv, env=variables | {"VERSION": "1; touch x"}, capture_output=True, text=True, check=False
    )
    assert "::error title=sitegen::version: '1; touch x' is none" in odd.stdout


def test_the_action_hands_its_inputs_over_as_variables_and_never_as_code() -> None:
    steps = ACTION["runs"]["steps"]
    assert ACTION["runs"]["using"] == "composite"
    handed = " ".join(
        str(step.get("env", "")) + str(step.get("working-directory")) for step in steps
    )
    for name, about in ACTION["inputs"].items():
        assert f"inputs.{name} " in handed, name
        assert about["description"]
        assert about.get("required") or "default" in about, name
    for step in steps:
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == (step.get("shell") == "bash")
        assert re.fullmatch(r"|[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", ""))
    variables = {name for step in steps for name in step.get("env", {})}
    given = variables - {"GH_TOKEN"}  # which gh reads
    assert given <= set(re.findall(r"\$\{?([A-Z_]+)", SCRIPT.read_text()))
    assert set(ACTION["outputs"]) == set(re.findall(r'echo "([a-z-]+)(?:=|<<)', SCRIPT.read_text()))
