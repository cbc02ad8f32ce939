"""A report is found from a folder in it, as git finds its repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sitegen.cli import main
from tests import site_checks as check


@pytest.mark.parametrize("inside", ["notes", "archive/cvm", "."])
def test_every_command_finds_the_report_from_a_folder_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    report, run = tmp_path / "report", check.storage_run(1)
    check.report(report, run)
    (report / inside).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(report / inside)
    listed = CliRunner().invoke(main, ["list", "--format", "json"])
    assert [row["id"] for row in json.loads(listed.stdout)] == [run.id]
    built = CliRunner().invoke(main, ["build"])
    assert built.exit_code == 0, built.output
    assert (report / "site/index.html").is_file()
    assert sorted(
        path.name for path in report.iterdir() if not path.name.startswith(".")
    ) == sorted(
        {"archive", "site", "sitegen.toml", Path(inside).parts[0] if inside != "." else "archive"}
    )


def test_a_command_that_does_not_exist_is_one_sentence() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert result.stderr.startswith("sitegen: No such command 'nonsense'; see `")
