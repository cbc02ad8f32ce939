"""`compare --format markdown`: what a pull request is told begins with the answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from sitegen.cli import main
from sitegen.model import Fact, Run
from tests import site_checks as check

HOSTILE = "<img src=x> @octocat [a](http://b) | `"


def runs(environment: str, count: int = 3, *, factor: float = 1.0) -> list[Run]:
    return [check.storage_run(10 * n, environment, factor=factor) for n in range(count)]


def markdown(folder: Path, *archive: Run, options: tuple[str, ...] = ()) -> str:
    check.report(folder, *archive)
    where = ("--config", str(folder / "sitegen.toml"), "--format", "markdown")
    result = CliRunner().invoke(main, ["compare", "vm", "cvm", *where, *options])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("side", "answer"),
    [
        (runs("cvm", factor=2.0),
         "**cvm against vm: slower.** The worst that is decided: Sequential read,"),
        (runs("cvm"), "**cvm against vm: nothing is slower.** The worst that is decided: "),
        (runs("cvm", 1, factor=2.0),
         "**cvm against vm: nothing is decided.** Of 3 series: 3 one run a side."),
    ],
    ids=["slower", "as fast", "one a side"],
)  # fmt: skip
def test_the_first_line_is_the_answer(tmp_path: Path, side: list[Run], answer: str) -> None:
    one_line = markdown(tmp_path, *runs("vm", len(side)), *side).split("\n\n", maxsplit=1)[0]
    assert "\n" not in one_line
    assert re.sub(r" \([^)]*\)", "", one_line).startswith(answer)


def test_what_stands_beside_all_rows_stands_once_under_the_table(tmp_path: Path) -> None:
    text = markdown(tmp_path, *runs("vm"), *runs("cvm", factor=2.0))
    _, table, under, *_ = text.split("\n\n")
    assert table.splitlines()[0] == "| Series | vm | cvm | Cost | Interval | Verdict |"
    assert len(table.splitlines()) == 2 + 3
    assert under.startswith("Of all of these: 3 boots a side")
    assert "a side" not in table


def test_all_that_is_no_headline_is_folded(tmp_path: Path) -> None:
    def own(run: Run) -> Run:
        [first, *_] = run.measurements
        return replace(
            run,
            measurements=(*run.measurements, first._replace(workload="own", params=())),
            fingerprint=replace(
                run.fingerprint, facts=(Fact("kernel", f"Linux {run.environment}", "uname"),)
            ),
        )

    archive = [own(run) for run in (*runs("vm"), *runs("cvm", factor=2.0))]
    text = markdown(tmp_path, *archive, options=("--all",))
    open_, folded = text.split("<details>", maxsplit=1)
    assert "Random read, 4 KiB: IOPS" in open_
    assert "Own" not in open_
    assert re.findall("<summary>(.*)</summary>", folded) == [
        "1 other series", "They differ in 2 things",
    ]  # fmt: skip
    few = markdown(tmp_path / "few", *archive[:1], *archive[3:4])
    assert "<summary>Not judged: 3 of 3 series</summary>" in few
    assert few.index("| Why |") > few.index("<details>")


def test_no_name_of_a_run_becomes_markup_or_calls_anybody(tmp_path: Path) -> None:
    def hostile(run: Run) -> Run:
        row = run.measurements[0]._replace(workload="own", params=(("model", HOSTILE),))
        return replace(run, measurements=(*run.measurements, row))

    archive = [hostile(run) for run in (*runs("vm"), *runs("cvm"))]
    text = markdown(tmp_path, *archive, options=("--all",))
    assert "octocat" in text
    for markup in ("<img", "@octocat", "[a]", " | `"):
        assert markup not in text.replace("\\<", "").replace("\\[", "")
